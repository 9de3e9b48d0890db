"""A look while a commit's hook holds unstaged edits back, as the pre-commit framework does: nobody's hand did that."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from catflap import worktree
from catflap.database import open_database
from catflap.git import View
from catflap.worktree import DOUBT_S, HELD_S, SETTLE_S, Found
from tests.looking import Looking, statuses
from tests.watching import PATIENCE, UNIT_S, wait_for
from tests.world import Repo, planned, told

needs_proc = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the system tells of no commit")

HOLDING = """#!/bin/sh
git diff --no-ext-diff --binary >'{folder}/patch'
git checkout -q -- .
: >'{folder}/away'
read -r _ <'{folder}/gate'
git apply --whitespace=nowarn '{folder}/patch'
exit {code}
"""


@pytest.fixture
def looking(tmp_path: Path, home: Path) -> Iterator[Looking]:
    """WP01 is planned and its edit to doing is told, not committed."""
    repo = planned(tmp_path / "project")
    repo.install("--no-hooks")
    repo.write(lane="doing")
    with closing(open_database(home / "queue.db")) as connection:
        found = Looking(repo, connection, home)
        assert statuses(found.look(found.later())) == ["doing"]
        yield found


@contextmanager
def committing(repo: Repo, *, hook: str = "pre-commit", code: int = 0) -> Iterator[Path]:
    """A commit whose hook has taken the unstaged edits away, until somebody opens the gate; it exits with ``code``."""
    folder = repo.path.parent
    script = repo.path / ".git" / "hooks" / hook
    script.write_text(HOLDING.format(folder=folder, code=code))
    script.chmod(0o755)
    os.mkfifo(folder / "gate")
    command = ["git", "commit", "-q", "--allow-empty", "-m", "x"]
    with subprocess.Popen(command, cwd=repo.path, start_new_session=True) as process:
        try:
            wait_for((folder / "away").exists)
            yield folder / "gate"
            assert process.wait(PATIENCE * UNIT_S) == code
        except BaseException:  # nobody will open the gate
            os.killpg(process.pid, signal.SIGKILL)
            raise


def after_the_hold() -> float:
    """A date at which nobody holds a file back any more."""
    return time.time() + 2 * HELD_S


@needs_proc
def test_what_goes_back_to_the_staged_state_tells_nothing_while_a_commit_runs(looking: Looking) -> None:
    looking.repo.git("add", "-A")
    looking.repo.write(lane="for_review")
    assert statuses(looking.look(looking.later())) == ["for_review"]
    with committing(looking.repo) as gate:
        assert "doing" in looking.repo.wp().read_text()
        outcome = looking.look(after_the_hold())
        assert (outcome.told, outcome.is_quiet) == ([], False)
        gate.write_text("go\n")
    assert looking.look(after_the_hold()).told == []


@pytest.mark.parametrize("system", [pytest.param("tells", marks=needs_proc), "does not tell"])
def test_a_commit_of_the_staged_state_takes_no_edit_back_that_its_hook_holds(
    looking: Looking, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system != "tells":
        monkeypatch.setattr(worktree, "is_committing", lambda _: None)
    looking.repo.git("add", "-A")
    looking.repo.write(lane="for_review")
    assert statuses(looking.look(looking.later())) == ["for_review"]
    with committing(looking.repo, hook="post-commit") as gate:
        assert "doing" in looking.repo.wp().read_text()
        wait_for(lambda: looking.look(time.time()).told or looking.has_followed())
        gate.write_text("go\n")
    assert looking.look(after_the_hold()).told == []
    looking.repo.write(lane="done")
    assert statuses(looking.look(looking.later())) == ["done"]


def test_an_edit_that_takes_back_what_was_told_is_told_by_its_commits_hook(looking: Looking) -> None:
    looking.repo.write(lane="for_review")
    assert statuses(looking.look(looking.later())) == ["for_review"]
    looking.repo.install()
    looking.repo.lane("doing")
    assert told()[-1] == "for_review>doing"
    assert looking.look(after_the_hold()).told == []


@needs_proc
def test_what_a_hand_edits_while_a_commit_runs_is_told_at_once(looking: Looking) -> None:
    with committing(looking.repo) as gate:
        looking.repo.write("WP02", "doing")
        assert statuses(looking.look(time.time() + 2 * SETTLE_S)) == ["doing"]
        looking.repo.git("checkout", "-q", "--", looking.repo.wp("WP02"))
        gate.write_text("go\n")


@needs_proc
def test_a_staged_edit_that_nobody_was_told_of_is_told_while_its_commit_waits_for_an_editor(looking: Looking) -> None:
    looking.repo.write("WP02", "doing")
    looking.repo.git("add", "-A")
    with committing(looking.repo) as gate:
        assert statuses(looking.look(time.time() + 2 * SETTLE_S)) == ["doing"]
        gate.write_text("go\n")
    assert looking.look(after_the_hold()).told == []


@needs_proc
@pytest.mark.parametrize("last_read", [1, 2, 3])
def test_a_commit_that_is_refused_while_its_files_are_read_tells_nothing(
    looking: Looking, monkeypatch: pytest.MonkeyPatch, last_read: int
) -> None:
    with committing(looking.repo, code=1) as gate:
        end_after(last_read, gate, monkeypatch, lambda: None)
        assert looking.look(after_the_hold()).told == []
    assert looking.look(after_the_hold()).told == []


@needs_proc
def test_what_a_hand_writes_once_the_commit_was_refused_is_told_when_it_is_settled(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    with committing(looking.repo, code=1) as gate:
        long_ago = time.time() - 2 * HELD_S
        os.utime(looking.repo.wp(), (long_ago, long_ago))
        end_after(1, gate, monkeypatch, lambda: looking.repo.write(lane="done"))
        assert looking.look(time.time()).told == []
    assert statuses(looking.look(looking.later())) == ["done"]


def end_after(reads: int, gate: Path, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Let the commit end, and something happen then, right after so many reads of files."""
    read, count = worktree.read_file, itertools.count(1)

    def read_and_end(view: View, path: str, **options: int) -> Found | None:
        found = read(view, path, **options)
        if next(count) == reads:
            gate.write_text("go\n")
            wait_for(lambda: worktree.is_committing(view) is False)
            then()
        return found

    monkeypatch.setattr(worktree, "read_file", read_and_end)


def test_what_git_said_before_an_edit_is_not_believed_of_it(looking: Looking) -> None:
    edited = looking.repo.wp().read_bytes()
    looking.repo.write(lane="planned")
    glance = looking.glance()
    looking.repo.wp().write_bytes(edited)
    assert looking.look(after_the_hold(), glance).told == []
    assert looking.look(after_the_hold()).told == []


def test_what_git_said_of_an_edit_is_not_believed_once_it_was_taken_back(looking: Looking) -> None:
    edited = looking.repo.wp().read_bytes()
    looking.repo.wp().write_bytes(edited + b"More.\n")
    glance = looking.glance()
    looking.repo.write(lane="planned")
    assert looking.look(looking.later(), glance).told == []
    looking.repo.wp().write_bytes(edited)
    assert looking.look(after_the_hold()).told == []


@pytest.mark.parametrize("is_staged", [False, True], ids=["to HEAD", "to the staged state"])
def test_where_the_system_tells_of_no_commit_an_edit_taken_back_is_held_for_30_s(
    looking: Looking, monkeypatch: pytest.MonkeyPatch, is_staged: bool
) -> None:
    monkeypatch.setattr(worktree, "is_committing", lambda _: None)
    if is_staged:
        looking.repo.git("add", "-A")
        looking.repo.write(lane="for_review")
        assert statuses(looking.look(looking.later())) == ["for_review"]
    looking.repo.git("checkout", "-q", "--", ".")
    back_at = looking.repo.wp().stat().st_mtime
    assert looking.look(back_at + HELD_S - 1).told == []
    assert statuses(looking.look(back_at + HELD_S + 1)) == ["doing" if is_staged else "planned"]


@needs_proc
def test_where_no_commit_runs_an_edit_taken_back_is_held_for_3_s(looking: Looking) -> None:
    looking.repo.git("checkout", "-q", "--", ".")
    back_at = looking.repo.wp().stat().st_mtime
    assert looking.look(back_at + DOUBT_S - 1).told == []
    assert statuses(looking.look(back_at + DOUBT_S + 1)) == ["planned"]


def test_without_proc_nobody_says_that_no_commit_runs(looking: Looking, tmp_path: Path) -> None:
    assert worktree.is_committing(looking.view, str(tmp_path / "nowhere")) is None
