"""A look in the middle of a checkout: git has put files there whose HEAD is yet to move. Nobody's hand did that."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

import pytest

from catflap import git
from catflap.clock import LamportClock
from catflap.database import open_database
from catflap.observe import Outcome
from catflap.saves import observe_view
from catflap.worktree import SETTLE_S
from tests.world import Repo, planned, told


@dataclass
class Looking:
    """Looks at one repository from within this process, at any date."""

    repo: Repo
    connection: Connection
    home: Path

    def look(self, now_s: float) -> Outcome:
        clock = LamportClock.load(self.home / "clock.json", floor=0)
        view = git.locate(str(self.repo.path))
        outcome = observe_view(self.connection, clock, view, home=str(self.home), now_s=now_s)
        assert outcome is not None
        return outcome

    def later(self) -> float:
        """A date at which every file of now is settled, whatever a checkout left."""
        return time.time() + 10 * SETTLE_S


@pytest.fixture
def looking(tmp_path: Path, home: Path) -> Iterator[Looking]:
    """On branch topic WP01 is for_review, as told; on main it is planned."""
    repo = planned(tmp_path / "project")
    repo.install()
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("for_review")
    assert told() == ["planned>for_review"]
    with closing(open_database(home / "queue.db")) as connection:
        found = Looking(repo, connection, home)
        assert found.look(found.later()).told == []
        yield found


def arrive(repo: Repo) -> None:
    """The first half of `git switch main`: its files and its index are there, HEAD is not."""
    repo.git("read-tree", "-m", "-u", "topic", "main")
    assert repo.git("status", "--porcelain").stdout.startswith("M  ")


def test_nothing_is_told_while_head_is_locked(looking: Looking) -> None:
    arrive(looking.repo)
    lock = looking.repo.path / ".git" / "HEAD.lock"
    lock.touch()
    outcome = looking.look(looking.later())
    assert (outcome.told, outcome.is_quiet) == ([], False)
    assert outcome.unsettled_s > 0
    lock.unlink()
    looking.repo.git("switch", "-q", "main")
    assert looking.look(looking.later()).told == []


def test_nothing_is_told_shortly_after_the_index_was_written(looking: Looking) -> None:
    arrive(looking.repo)
    index = looking.repo.path / ".git" / "index"
    written_at = looking.repo.wp().stat().st_ctime + 2 * SETTLE_S
    os.utime(index, (written_at, written_at))
    outcome = looking.look(written_at + SETTLE_S / 2)
    assert (outcome.told, outcome.is_quiet) == ([], False)
    assert outcome.unsettled_s > 0
    assert [event.payload["new_status"] for event in looking.look(looking.later()).told] == ["planned"]


def test_nothing_is_told_of_a_file_that_changed_after_the_look_began(looking: Looking) -> None:
    looking.repo.write(lane="done")
    outcome = looking.look(time.time() - 60)
    assert (outcome.told, outcome.is_quiet) == ([], False)
    assert outcome.unsettled_s > 0
    assert [event.payload["new_status"] for event in looking.look(looking.later()).told] == ["done"]


def test_a_file_from_the_future_is_believed_at_once(looking: Looking) -> None:
    path = looking.repo.write(lane="done")
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    assert [event.payload["new_status"] for event in looking.look(time.time()).told] == ["done"]
