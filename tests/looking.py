"""Looks at one repository from within this process, at any date."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from catflap import git, ledger
from catflap.clock import LamportClock
from catflap.git import View
from catflap.observe import Outcome
from catflap.saves import Glance, look_ahead, observe_view
from catflap.worktree import SETTLE_S
from tests.world import Repo


@dataclass
class Looking:
    """A repository with catflap in it, the queue.db that knows it, and the home that this lies in."""

    repo: Repo
    connection: Connection
    home: Path

    @property
    def view(self) -> View:
        return git.locate(str(self.repo.path))

    def look(self, now_s: float, glance: Glance | None = None) -> Outcome:
        clock = LamportClock.load(self.home / "clock.json", floor=0)
        home = str(self.home)
        outcome = observe_view(self.connection, clock, self.view, home=home, now_s=now_s, glance=glance)
        assert outcome is not None
        return outcome

    def glance(self) -> Glance:
        """What the watcher asks git shortly before it looks."""
        found = look_ahead(self.connection, self.view, now_s=time.time())
        assert found is not None
        return found

    def has_followed(self) -> bool:
        """Whether HEAD's moves were looked at, all of them."""
        state = ledger.find_view(self.connection, self.view.git_dir)
        return state is not None and state.cursor.head == self.repo.head()

    def later(self) -> float:
        """A date at which every file of now is settled, whatever a checkout left."""
        return time.time() + 10 * SETTLE_S


def statuses(outcome: Outcome) -> list[str]:
    """The statuses that a look told."""
    return [event.payload["new_status"] for event in outcome.told]
