"""A look in the middle of a checkout: git has put files there whose HEAD is yet to move. Nobody's hand did that."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catflap.database import open_database
from catflap.worktree import SETTLE_S
from tests.looking import Looking, statuses
from tests.world import Repo, planned, told


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
    assert statuses(looking.look(looking.later())) == ["planned"]


def test_nothing_is_told_of_a_file_that_changed_after_the_look_began(looking: Looking) -> None:
    looking.repo.write(lane="done")
    outcome = looking.look(time.time() - 60)
    assert (outcome.told, outcome.is_quiet) == ([], False)
    assert outcome.unsettled_s > 0
    assert statuses(looking.look(looking.later())) == ["done"]


def test_a_file_from_the_future_is_believed_at_once(looking: Looking) -> None:
    path = looking.repo.write(lane="done")
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    assert statuses(looking.look(time.time())) == ["done"]
