"""Many agents in many worktrees at once: every change once, clocks unique and in queue order, whoever is killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.world import Repo, events, planned, short

LANES = ("planned", "doing", "for_review")


def work(repo: Repo, wp_id: str, commits: int) -> list[str]:
    """Commit so many lane changes of one work package; what must be told of them."""
    expected = []
    for number in range(commits):
        old, new = LANES[number % 3], LANES[(number + 1) % 3]
        repo.lane(new, wp_id)
        expected.append(f"{old}>{new}")
    return expected


def run(tmp_path: Path, *, agents: int, commits: int) -> dict[str, list[str]]:
    repo = planned(tmp_path / "project")
    for number in range(5, agents + 1):
        repo.write(f"WP{number:02}")
    repo.commit("more of them", "--allow-empty")
    repo.install()
    trees = []
    for number in range(1, agents + 1):
        path = tmp_path / f"agent{number}"
        repo.git("worktree", "add", "-q", "-b", f"agent{number}", path)
        trees.append((Repo(path), f"WP{number:02}"))
    with ThreadPoolExecutor(agents) as pool:
        futures = {wp_id: pool.submit(work, tree, wp_id, commits) for tree, wp_id in trees}
        expected = {wp_id: future.result() for wp_id, future in futures.items()}
    repo.observe()
    return expected


def told_by_wp() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events():
        assert event["event_type"] == "WPStatusChanged"
        found.setdefault(event["payload"]["wp_id"], []).append(short(event).rpartition(" ")[2])
    return found


def assert_clocks_are_unique_and_in_queue_order() -> None:
    clocks = [(event["node_id"], event["lamport_clock"]) for event in events()]
    assert clocks == sorted(set(clocks))


def test_29_eight_agents_in_eight_worktrees(tmp_path: Path) -> None:
    expected = run(tmp_path, agents=8, commits=6)
    assert told_by_wp() == expected
    assert_clocks_are_unique_and_in_queue_order()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="finds the hooks to kill in /proc")
@pytest.mark.parametrize("seed", [1, None], ids=["killed at random", "undisturbed"])
def test_four_worktrees_commit_twenty_five_times_each_at_once(tmp_path: Path, seed: int | None) -> None:
    ended = threading.Event()
    killed: list[int] = []
    killer = threading.Thread(target=kill_hooks, args=(str(tmp_path), seed, ended, killed))
    if seed is not None:
        killer.start()
    try:
        expected = run(tmp_path, agents=4, commits=25)
    finally:
        ended.set()
        if seed is not None:
            killer.join()
    assert (len(killed) >= 5) is (seed is not None)
    assert told_by_wp() == expected
    assert_clocks_are_unique_and_in_queue_order()


def kill_hooks(place: str, seed: int | None, ended: threading.Event, killed: list[int]) -> None:
    """Kill a hook's Python in one of our worktrees again and again, a random moment after it was seen."""
    moments = random.Random(seed)
    while not ended.wait(moments.uniform(0.02, 0.15)):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            # It may have ended between the look and the kill: then there is nothing to kill.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
                if any(word.endswith(b"hook.py") for word in words) and any(place.encode() in word for word in words):
                    ended.wait(moments.uniform(0, 0.05))
                    os.kill(int(pid), signal.SIGKILL)
                    killed.append(int(pid))
                    break
