"""Several worktrees whose moves nobody has looked at: what one of them brings is told where it was made, before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from catflap import catchup, git
from catflap.catchup import observe_moves
from catflap.clock import LamportClock
from catflap.database import open_database
from tests.world import Repo, planned, told

NOON = "2026-11-24T12:00:00Z"


@dataclass
class Places:
    """A main checkout on main, and worktrees on branches of their names; hooks are off."""

    main: Repo
    connection: Connection
    home: Path
    agents: dict[str, Repo] = field(default_factory=dict)

    def agent(self, name: str) -> Repo:
        path = self.main.path.parent / name
        self.main.git("worktree", "add", "-q", "-b", name, path)
        self.agents[name] = Repo(path)
        self.look(self.agents[name])
        return self.agents[name]

    def look(self, repo: Repo) -> None:
        clock = LamportClock.load(self.home / "clock.json", floor=0)
        assert observe_moves(self.connection, clock, git.locate(str(repo.path))) is not None

    def look_everywhere(self) -> None:
        for repo in (self.main, *self.agents.values()):
            self.look(repo)


@pytest.fixture
def places(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    main = planned(tmp_path / "project")
    main.install("--no-hooks")
    # All in one second, which is as well as a reflog knows the time.
    monkeypatch.setenv("GIT_COMMITTER_DATE", NOON)
    with closing(open_database(home / "queue.db")) as connection:
        yield Places(main, connection, home)


def merge(repo: Repo, branch: str) -> None:
    repo.git("merge", "-q", "--no-ff", "--no-edit", branch)


def once(then: Callable[[], object], real: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which does something else beforehand the first time."""
    waiting = [then]

    def call(*args: Any, **kwargs: Any) -> Any:
        if waiting:
            waiting.pop()()
        return real(*args, **kwargs)

    return call


def test_what_was_merged_while_others_were_looked_at_waits_for_the_next_look(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = places.agent("agent")
    agent.lane("doing")
    places.main.file("elsewhere.txt")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-11-24T11:59:59Z")
    places.main.commit("elsewhere, before the agent's")
    monkeypatch.setenv("GIT_COMMITTER_DATE", NOON)
    merge(places.main, "agent")

    def go_on() -> None:
        agent.lane("for_review")
        merge(places.main, "agent")

    monkeypatch.setattr(catchup, "observe_head", once(go_on, catchup.observe_head))
    places.look(places.main)
    assert told() == ["planned>doing"]
    places.look_everywhere()
    assert told() == ["planned>doing", "doing>for_review"]
    agent.lane("done")
    places.look_everywhere()
    assert told() == ["planned>doing", "doing>for_review", "for_review>done"]


def test_what_came_up_while_others_were_read_is_told_where_it_was_made(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.main.git("switch", "-q", "-c", "side")
    places.main.file("elsewhere.txt")
    places.main.commit("elsewhere")
    places.main.git("switch", "-q", "main")
    places.look(places.main)
    one, other = places.agent("one"), places.agent("other")
    places.main.lane("doing", "WP02")
    merge(one, "side")

    def go_on() -> None:
        other.lane("doing")
        merge(places.main, "other")

    monkeypatch.setattr(catchup, "_pending", once(go_on, catchup._pending))
    places.look(one)
    places.look_everywhere()
    assert sorted(told()) == ["WP02 planned>doing", "planned>doing"]


def test_what_came_up_since_a_view_was_read_first_is_not_read_unordered(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = places.agent("agent")

    def go_on() -> None:
        agent.lane("doing")
        merge(places.main, "agent")

    monkeypatch.setattr(catchup, "observe_head", once(go_on, catchup.observe_head))
    places.look(places.main)
    assert told() == []
    places.look_everywhere()
    assert told() == ["planned>doing"]


def test_a_merge_of_what_was_told_here_does_not_take_the_board_back(places: Places) -> None:
    """Though the board says by chance what the main checkout says, too."""
    agent = places.agent("agent")
    agent.lane("for_review")
    merge(places.main, "agent")
    agent.lane("doing")
    places.look_everywhere()
    agent.write(lane="for_review")
    agent.observe()
    assert told() == ["planned>for_review", "for_review>doing", "doing>for_review"]
    merge(places.main, "agent")
    places.look_everywhere()
    agent.commit("as it was saved")
    places.look_everywhere()
    assert told() == ["planned>for_review", "for_review>doing", "doing>for_review"]


def test_what_a_mate_made_still_moves_the_board_when_it_is_merged(places: Places) -> None:
    mate = Repo(places.main.path.parent / "mate")
    places.main.git("clone", "-q", places.main.path, mate.path)
    mate.lane("doing")
    places.main.git("fetch", "-q", mate.path, "main:theirs")
    places.main.git("switch", "-q", "theirs")
    places.main.git("switch", "-q", "main")
    merge(places.main, "theirs")
    places.look_everywhere()
    places.main.lane("for_review")
    places.look_everywhere()
    assert told() == ["doing>for_review"]
