"""`catflap observe`: one observation by hand: HEAD's moves and saved files, in every worktree of a repository."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from sqlite3 import Connection

from catflap import git
from catflap.clock import LamportClock
from catflap.config import home
from catflap.database import open_database
from catflap.errors import NotInstalled
from catflap.observe import Outcome
from catflap.saves import observe_view
from catflap.wording import one_line, queue_is_full

PATIENCE_S = 4.0
"""How long to wait for files that were saved a moment ago; what settles later is told by the next look."""


def observe(path: Path, *, as_json: bool = False) -> int:
    """0 once every worktree of the repository of ``path`` was looked at.

    Raises: NotARepository, NotInstalled, GitFailed, DatabaseBusy, DatabaseUnusable, ClockBusy, ClockUnwritable.
    """
    view = git.locate(str(path))
    told = waiting = 0
    connection = open_database(home() / "queue.db")
    try:
        clock = LamportClock.load(home() / "clock.json", floor=0)
        deadline = time.monotonic() + PATIENCE_S
        views = git.worktrees(view)
        while views:
            outcomes = [(one, _look(connection, clock, one)) for one in views]
            for _, outcome in outcomes:
                for event in outcome.told:
                    print(json.dumps(event.to_dict()) if as_json else one_line(event), flush=True)
                told += len(outcome.told)
                waiting += outcome.waiting
            unsettled = [(one, outcome.unsettled_s) for one, outcome in outcomes if outcome.unsettled_s]
            views = [one for one, _ in unsettled]
            pause_s = max((wait_s for _, wait_s in unsettled), default=0.0)
            if views and time.monotonic() + pause_s > deadline:
                print(f"{len(views)} worktrees have files that are not settled yet; look again.", file=sys.stderr)
                break
            threading.Event().wait(pause_s)
    finally:
        connection.close()
    if waiting:
        print(f"catflap: {queue_is_full(waiting)}", file=sys.stderr)
    if not told and not as_json:
        print("Nothing to tell.")
    return 0


def _look(connection: Connection, clock: LamportClock, view: git.View) -> Outcome:
    outcome = observe_view(connection, clock, view, home=str(home()), now_s=time.time())
    if outcome is None:
        raise NotInstalled(
            "observe",
            where=view.worktree,
            why="catflap is not installed here",
            hint="run `catflap install` there",
        )
    return outcome
