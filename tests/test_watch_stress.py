"""The watcher under load: bursts of saves, and a random life with kill -9, end as an independent model says.

CATFLAP_TEST_LONG=1 (`make test-long`) runs the same with more files, more often, and with thousands of operations.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from catflap import ledger
from catflap.database import open_database
from tests.watching import Watch, select_nothing, wait_for
from tests.world import FEATURE, Repo, events, planned, short, wp_text

IS_LONG = bool(os.environ.get("CATFLAP_TEST_LONG"))
FILES, BURSTS = (1000, 50) if IS_LONG else (200, 4)
OPERATIONS = 3000 if IS_LONG else 160
SEEDS = range(1, 4) if IS_LONG else range(1, 2)
FLAT_KIB = 2048
LANES = ("planned", "doing", "for_review", "done")

pytestmark = [
    pytest.mark.skipif(not os.path.isdir("/proc/self/fdinfo"), reason="counts what a process has in /proc"),
    pytest.mark.timeout(7200 if IS_LONG else 300),
]


@dataclass(frozen=True)
class Holdings:
    """What a process has: threads, open files, inotify watches."""

    threads: int
    files: int
    watches: int

    @classmethod
    def of(cls, pid: int) -> Holdings:
        proc = Path("/proc", str(pid))
        watches = 0
        for info in (proc / "fdinfo").iterdir():
            with suppress(FileNotFoundError):
                watches += info.read_text().count("inotify wd:")
        return cls(len(os.listdir(proc / "task")), len(os.listdir(proc / "fd")), watches)


def resident_kib(pid: int) -> int:
    return int(Path("/proc", str(pid), "status").read_text().partition("VmRSS:")[2].split()[0])


def take_events(home: Path) -> list[dict[str, Any]]:
    """Every event in the queue, which is empty then, as a sync leaves it."""
    with closing(sqlite3.connect(home / "queue.db", timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        found = [json.loads(row[0]) for row in connection.execute("SELECT data FROM queue ORDER BY id")]
        connection.execute("DELETE FROM queue")
    return found


def burst_of(repo: Repo, lane: str, number: int) -> list[tuple[str, str, str]]:
    """Save every file as fast as can be; what must be told of it, each once: feature, work package, lane."""
    told = []
    for index in range(FILES):
        feature, wp_id = f"{index // 20 + 2:03}-many", f"WP{index % 20 + 1:02}"
        repo.wp(wp_id, feature=feature).write_text(wp_text(wp_id, lane, body=f"Burst {number}.\n"), encoding="utf-8")
        told.append((feature, wp_id, lane))
    return told


def test_bursts_of_saves_are_told_once_each_and_leave_nothing(tmp_path: Path, home: Path) -> None:
    repo = planned(tmp_path / "project")
    for index in range(FILES):
        repo.write(f"WP{index % 20 + 1:02}", feature=f"{index // 20 + 2:03}-many")
    repo.commit("many")
    repo.install("--no-hooks")
    with Watch(tmp_path / "watch.out") as watch:
        held: list[Holdings] = []
        resident: list[int] = []
        for number in range(BURSTS):
            lane = ("doing", "for_review")[number % 2]
            expected = burst_of(repo, lane, number)
            wait_for(lambda: len(events()) >= FILES, "not all was told")
            repo.write(lane=lane)  # whatever was told twice came before this
            wait_for(lambda: len(events()) > FILES)
            payloads = [event["payload"] for event in take_events(home)]
            told = [(payload["feature_slug"], payload["wp_id"], payload["new_status"]) for payload in payloads]
            assert told[-1] == (FEATURE, "WP01", lane)
            assert Counter(told[:-1]) == Counter(expected)
            wait_for(lambda: is_at_rest(watch.pid))
            held.append(Holdings.of(watch.pid))
            resident.append(resident_kib(watch.pid))
        assert set(held) == {held[0]}
        assert max(resident[1:]) - resident[1] < FLAT_KIB, resident


def is_at_rest(pid: int) -> bool:
    """Whether no git runs for a process now (proc(5), children)."""
    return not any((task / "children").read_text() for task in Path("/proc", str(pid), "task").iterdir())


# -- a random life


@dataclass
class Model:
    """What must be told: per work package its status changes, from the hands' edits alone."""

    announced: dict[str, str]
    told: dict[str, list[str]] = field(default_factory=dict)

    def edit(self, wp_id: str, before: str, lane: str) -> None:
        """A hand changes a file's lane, in whatever view, on whatever branch, where it may have been another one."""
        if lane not in (before, self.announced[wp_id]):
            self.told.setdefault(wp_id, []).append(f"{self.announced[wp_id]}>{lane}")
            self.announced[wp_id] = lane


class Life:
    """A checkout with two branches and some worktrees, each work package in one pair of hands at a time."""

    GROUPS = 4
    """Work packages of a worktree's; WP01 to WP12 are the main checkout's, three each are a worktree's."""

    def __init__(self, place: Path, home: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.place, self.home = place, home
        self.repo = Repo.init(place / "project")
        self.own = [f"WP{number:02}" for number in range(1, 13)]
        self.groups = {
            group: [f"WP{13 + 3 * group + number:02}" for number in range(3)] for group in range(self.GROUPS)
        }
        everything = [*self.own, *chain(*self.groups.values())]
        for wp_id in everything:
            self.repo.write(wp_id)
        self.repo.commit("plan")
        self.repo.git("branch", "side")
        self.repo.install("--no-hooks")
        self.model = Model(dict.fromkeys(everything, "planned"))
        self.agents: dict[int, Repo] = {}
        self.dirty: dict[Path, set[str]] = {}
        self.unshared: set[Path] = set()
        self.taken: list[dict[str, Any]] = []
        self.branch = "main"
        self.edits = 0

    def edit(self, repo: Repo, wp_ids: list[str]) -> None:
        """Another lane in each; a log row makes every state of a file one that never was before."""
        for wp_id in wp_ids:
            if wp_id in self.dirty.setdefault(repo.path, set()):
                continue  # edited and not committed yet: whether both steps are seen would be the clock's affair
            self.edits += 1
            before = lane_of(repo.wp(wp_id))
            lane = self.random.choice([lane for lane in LANES if lane != before])
            repo.write(wp_id, lane, log=[f"- 2026-02-03T12:00:00Z – ada – step {self.edits}"])
            self.dirty[repo.path].add(wp_id)
            self.model.edit(wp_id, before, lane)

    def commit(self, repo: Repo, *options: str) -> None:
        if self.dirty.get(repo.path):
            repo.git("commit", "-q", "-a", "-m", f"after {self.edits} edits", *options)
            self.dirty[repo.path] = set()
            self.unshared.add(repo.path)

    def hands(self) -> tuple[Repo, list[str]]:
        """A checkout at random, and what may be edited there."""
        group = self.random.choice([None, *self.agents])
        return (self.repo, self.own) if group is None else (self.agents[group], self.groups[group])

    def step(self) -> None:
        """One operation that needs no watcher."""
        repo, wp_ids = self.hands()
        some = self.random.sample(wp_ids, self.random.randint(1, 3))
        match self.random.choices(("save", "commit", "amend", "switch", "add"), (6, 8, 2, 3, 2))[0]:
            case "save":
                self.edit(repo, some)
            case "commit":
                self.edit(repo, some)
                self.commit(repo)
            case "amend":
                self.edit(repo, some)
                self.commit(repo, *(["--amend"] if repo.path in self.unshared else []))
            case "switch":
                self.switch({"main": "side", "side": "main"}[self.branch])
            case _:
                self.add()

    def switch(self, branch: str) -> None:
        self.commit(self.repo)
        self.repo.git("switch", "-q", branch)
        self.unshared.discard(self.repo.path)
        self.branch = branch

    def add(self) -> None:
        free = [group for group in self.groups if group not in self.agents]
        if free:
            group = self.random.choice(free)
            agent = Repo(self.place / f"agent{group}")
            self.repo.git("worktree", "add", "-q", "-B", f"agent{group}", agent.path, "main")
            self.agents[group] = agent
            self.unshared.discard(self.repo.path)

    def merge(self) -> int | None:
        """What a worktree did, and was told, comes to main: nobody's hand, so nothing is told. Which worktree's."""
        if not self.agents:
            return None
        group = self.random.choice(list(self.agents))
        self.commit(self.agents[group])
        self.switch("main")
        if self.random.random() < 0.5:  # else it is merged while nobody may have looked at it yet
            self.wait_told()
        self.repo.git("merge", "-q", "--no-edit", f"agent{group}")
        self.unshared -= {self.repo.path, self.agents[group].path}
        return group

    def remove(self) -> None:
        """Merge a worktree and take it away, its reflog with it."""
        group = self.merge()
        if group is not None:
            self.wait_told()  # its reflog goes with it
            self.repo.git("worktree", "remove", self.agents.pop(group).path)

    def wait_told(self) -> None:
        """Return once exactly what the model says was told, work package by work package."""
        count = sum(map(len, self.model.told.values()))
        with suppress(AssertionError):  # what is missing says more
            wait_for(lambda: sum(map(len, self.told().values())) >= count)
        told, model = self.told(), self.model.told
        wrong = [wp_id for wp_id in sorted({*told, *model}) if told.get(wp_id) != model.get(wp_id)]
        assert not wrong, "; ".join(
            where_they_part(wp_id, told.get(wp_id, []), model.get(wp_id, [])) for wp_id in wrong
        )
        self.taken += take_events(self.home)

    def told(self) -> dict[str, list[str]]:
        """The status changes of each work package, those taken from the queue too."""
        found: dict[str, list[str]] = {}
        for event in [*self.taken, *events()]:
            if event["event_type"] == "WPStatusChanged":
                found.setdefault(event["payload"]["wp_id"], []).append(short(event).rpartition(" ")[2])
        return found

    def ledger(self) -> dict[str, str | None]:
        """The announced status of every work package."""
        with closing(open_database(self.home / "queue.db")) as connection:
            (project,) = ledger.projects(connection)
            return {key[1]: state.status for key, state in ledger.everything(connection, project.id).items()}

    def files(self) -> dict[str, str]:
        """The lane of every work package in the main checkout."""
        return {wp_id: lane_of(self.repo.wp(wp_id)) for wp_id in self.model.announced}


def where_they_part(wp_id: str, told: list[str], model: list[str]) -> str:
    """The first step in which two lists differ, with those around it."""
    first = next((index for index, (one, other) in enumerate(zip(told, model, strict=False)) if one != other), -1)
    first = min(len(told), len(model)) if first < 0 else first
    around = slice(max(0, first - 2), first + 3)
    return f"{wp_id}, step {first} of {len(model)}: told {told[around]}, not {model[around]}"


def lane_of(path: Path) -> str:
    """The lane that a file states."""
    return path.read_text("utf-8").partition('lane: "')[2].partition('"')[0]


def live_and_kill(life: Life, watch: Watch) -> None:
    """Go on with life, and kill -9 the watcher in the middle of whatever happens then."""
    delay_s = life.random.uniform(0, 0.4)
    killer = threading.Thread(target=lambda: (select_nothing(delay_s), watch.kill()))
    killer.start()
    try:
        while killer.is_alive():
            life.step()
    finally:
        killer.join()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_life_with_kills_ends_as_the_model_says(tmp_path: Path, home: Path, seed: int) -> None:
    life = Life(tmp_path, home, seed)
    with Watch(tmp_path / "watch.out") as watch:
        life.edit(life.repo, ["WP01"])
        life.wait_told()
        wait_for(lambda: is_at_rest(watch.pid))
        held = Holdings.of(watch.pid)
        for number in range(OPERATIONS):
            if watch.process is None:
                if life.random.random() < 0.3:
                    watch.start()
            elif life.random.random() < 0.06:
                live_and_kill(life, watch)
            elif number % 20 == 19:
                (life.remove if number % 40 == 39 else life.merge)()
            life.step()
        if watch.process is None:
            watch.start()
        finish(life)
        assert life.ledger() == life.model.announced == life.files()
        clocks = [event["lamport_clock"] for event in life.taken]
        assert clocks == sorted(set(clocks))
        wait_for(lambda: is_at_rest(watch.pid) and Holdings.of(watch.pid) == held, "something was kept")
        assert "our bug" not in (home / "watch.log").read_text("utf-8")


def finish(life: Life) -> None:
    """Everything merged and told, no worktree left, and main has what was told last."""
    life.switch("main")
    while life.agents:
        life.remove()
    life.commit(life.repo)
    for wp_id in life.own:
        life.edit(life.repo, [wp_id])
    life.commit(life.repo)
    life.wait_told()
