"""Reading what HEAD did while git is doing it: a look at any moment takes no step for the whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from catflap import git, reflog
from catflap.clock import LamportClock
from catflap.config import home
from catflap.database import open_database
from catflap.moves import Rule
from catflap.observe import observe_head
from tests.world import Repo, planned, told

LOOK = f"""#!/bin/sh
unset $(git rev-parse --local-env-vars)
exec '{sys.executable}' -c 'from tests.test_reflog import look; look("'"$PWD"'")'
"""


def look(path: str | Path) -> None:
    """One observation of HEAD's moves that no hook asked for."""
    with closing(open_database(home() / "queue.db")) as connection:
        clock = LamportClock.load(home() / "clock.json", floor=0)
        assert observe_head(connection, clock, git.locate(str(path))) is not None


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A branch topic, checked out, that changes WP01 and WP02, and a commit on main that it lacks; all of it told."""
    made = planned(tmp_path / "project")
    made.install("--no-hooks")
    made.git("switch", "-q", "-c", "topic")
    made.lane("doing")
    made.lane("doing", "WP02")
    made.git("switch", "-q", "main")
    made.file("elsewhere.txt")
    made.commit("elsewhere")
    made.git("switch", "-q", "topic")
    look(made.path)
    assert told() == ["planned>doing", "WP02 planned>doing"]
    return made


def first(act: Callable[[], object], then: Callable[..., object]) -> Callable[..., object]:
    """``then``, with ``act`` done just before its first call."""
    acts = [act]

    def call(*args: object) -> object:
        if acts:
            acts.pop()()
        return then(*args)

    return call


def test_a_rebase_whose_state_directory_is_not_there_yet_is_not_over(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    hook = repo.path / ".git" / "hooks" / "post-checkout"  # with --apply it runs before there is a rebase-apply
    hook.write_text(LOOK)
    hook.chmod(0o755)
    assert repo.git("rebase", "-q", "--apply", "main").stderr == ""
    look(repo.path)
    assert told() == ["planned>doing", "WP02 planned>doing"]
    repo.lane("for_review", "WP02")
    look(repo.path)
    assert told() == ["planned>doing", "WP02 planned>doing", "WP02 doing>for_review"]


def test_a_rebase_that_finishes_while_it_is_read_is_read_to_its_end(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "sequence.sh"
    script.write_text("#!/bin/sh\nsed -i -e '1s/^pick/edit/' \"$1\"\n")
    script.chmod(0o755)
    view = git.locate(str(repo.path))
    cursor = reflog.end_cursor(view)
    repo.git("rebase", "-q", "-i", "main", env={"GIT_SEQUENCE_EDITOR": str(script)})
    finish = first(lambda: repo.git("rebase", "--continue"), reflog.is_rebasing)
    monkeypatch.setattr(reflog, "is_rebasing", finish)
    found = [(move.rule, move.branch, move.new) for move in reflog.read_since(view, cursor).moves]
    assert found == [(Rule.ONTO, "refs/heads/topic", repo.head())]


def test_a_move_between_the_reading_of_reflog_and_head_is_the_one_that_the_reflog_names(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflog, "_head", first(lambda: repo.git("switch", "-q", "main"), reflog._head))
    look(repo.path)
    look(repo.path)
    assert told() == ["planned>doing", "WP02 planned>doing"]


def test_a_rebase_that_drops_all_while_detached_is_over_in_a_moment(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "sequence.sh"
    script.write_text('#!/bin/sh\necho noop >"$1"\n')
    script.chmod(0o755)
    repo.git("checkout", "-q", "--detach")
    repo.git("rebase", "-q", "-i", "main", env={"GIT_SEQUENCE_EDITOR": str(script)})
    look(repo.path)
    assert told() == ["planned>doing", "WP02 planned>doing"]
    monkeypatch.setattr(reflog, "START_S", 0.0)
    look(repo.path)
    assert told() == ["planned>doing", "WP02 planned>doing", "doing>planned", "WP02 doing>planned"]
