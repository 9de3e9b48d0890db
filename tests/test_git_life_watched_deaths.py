"""What must come out when the queue, the disk or the watcher itself fails, with a live watcher: alone, beside hooks."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lives import READ, Life, Lives, Step
from tests.watching import PATIENCE, UNIT_S, wait_for


@pytest.fixture(params=[False, True], ids=["W", "B"])
def lives(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lives]:
    with closing(Lives(tmp_path, has_hooks=request.param)) as made:
        yield made


def test_23_a_commit_while_the_queue_is_locked_succeeds_and_is_told_later(lives: Lives, home: Path) -> None:
    def locked(life: Life) -> Iterator[Step]:
        with closing(sqlite3.connect(home / "queue.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            life.write(lane="doing")
            done = life.commit("while locked")
            assert done.stderr.count("\n") <= 1
            life.lane("for_review")
            other.execute("ROLLBACK")
        yield ["planned>doing", "doing>for_review"]

    lives.run(locked)


def test_23_a_commit_while_the_disk_is_full_succeeds_and_is_told_later(lives: Lives, home: Path) -> None:
    """A limit on the watcher's file sizes (RLIMIT_FSIZE) stands for the disk."""
    resource = pytest.importorskip("resource")

    def full(life: Life) -> Iterator[Step]:
        process, mark = life.watch.process, home / f"seen{life.path / '.git' / 'watched'}"
        assert process is not None
        assert mark.exists()
        limit, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, most))
        life.write(lane="doing")
        yield lambda: not mark.exists()  # it tried, and leaves the work to hooks
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, most))
        assert life.commit("on a disk that was full").stderr == ""
        yield "planned>doing"
        assert process.poll() is None

    lives.run(full)


def test_23_a_clock_that_cannot_be_kept_is_told_later(lives: Lives, home: Path) -> None:
    def unwritable(life: Life) -> Iterator[Step]:
        lock = home / "clock.json.lock"
        lock.unlink(missing_ok=True)
        lock.mkdir()
        life.write(lane="doing")
        yield lambda: any("clock.json" in line for line in life.watch.lines)
        done = life.commit("while the clock cannot be kept")
        assert done.stderr.count("\n") <= 1
        lock.rmdir()
        life.commit("now it can", "--allow-empty")
        yield "planned>doing"

    lives.run(unwritable)


def test_24_what_happened_while_it_was_dead_is_told_commit_by_commit(lives: Lives) -> None:
    def dead(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.watch.kill()
        life.commit("told")
        life.lane("for_review")
        life.lane("doing")
        life.write("WP02", "doing")
        life.watch.start()
        yield ["doing>for_review", "for_review>doing", "WP02 planned>doing"]

    lives.run(dead)


@pytest.mark.parametrize("seed", range(2))
def test_25_killed_at_random_moments_it_loses_nothing_and_tells_nothing_twice(
    lives: Lives, home: Path, seed: int
) -> None:
    chance = random.Random(seed)
    life = lives.life("project")
    lives.begin()
    lane = {f"WP0{number}": "planned" for number in range(1, 4)}
    expected: list[str] = []
    for _ in range(4):
        has_come = _moment(life, home, chance)
        worker = threading.Thread(target=lambda: expected.extend(_some_commits(life, lane)))
        worker.start()
        deadline = time.monotonic() + PATIENCE * UNIT_S
        while not has_come():  # without a pause: a transaction takes a millisecond
            assert time.monotonic() < deadline, life.told()
        life.watch.kill()
        worker.join()
        life.watch.start()
        wait_for(lambda: len(life.told()) >= len(expected), f"{expected} was not told")
        assert life.told() == expected
    life.expected = expected

    def quiet(_: Life) -> Iterator[Step]:
        yield READ

    lives.drive((life, quiet))


def _moment(life: Life, home: Path, chance: random.Random) -> Callable[[], bool]:
    """When to kill: in the middle of a transaction (the clock has ticked), or as soon as so many more are told."""
    clock, before = home / "clock.json", len(life.told())
    if chance.random() < 0.5:
        stamp = _stamp(clock)
        return lambda: _stamp(clock) != stamp
    count = before + chance.randrange(1, 4)
    return lambda: len(life.told()) >= count


def _some_commits(life: Life, lane: dict[str, str]) -> list[str]:
    """Four commits of a lane change each, in three work packages in turn; what must be told of them."""
    made = []
    for number in range(4):
        wp_id = f"WP0{number % 3 + 1}"
        new = {"planned": "doing", "doing": "for_review", "for_review": "planned"}[lane[wp_id]]
        life.lane(new, wp_id)
        made.append(f"{wp_id} {lane[wp_id]}>{new}".removeprefix("WP01 "))
        lane[wp_id] = new
    return made


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
