"""Observes HEAD's moves of one view, after what other views of its project must tell before them.

Usually there is nothing to catch up with: each commit's own hook has told it. Hooks that were off, or a watcher that
was dead, leave commits in one worktree that another has merged meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from sqlite3 import Connection

from catflap import git, ledger
from catflap.clock import LamportClock
from catflap.cursor import Cursor
from catflap.errors import GitFailed, NotARepository
from catflap.events import Event
from catflap.git import View
from catflap.moves import Move
from catflap.objects import Objects
from catflap.observe import Outcome, observe_head
from catflap.reflog import first_cursor, read_since
from catflap.reflogfile import has_entries
from catflap.turns import brings, turns


def observe_moves(
    connection: Connection, clock: LamportClock, view: View, *, hook: tuple[str, ...] = (), wait_s: float = 10.0
) -> Outcome | None:
    """As `observe_head`, but what other worktrees did before is told first. Raises: as `observe_head`."""
    told: list[Event] = []
    # Read first, and no further in the end: whatever others did before these moves is there when they are asked.
    mine = _moves(connection, view, hook)
    left = len(mine)
    for other, count in _turns_before(connection, view, mine):
        try:
            outcome = observe_head(connection, clock, other, wait_s=wait_s, limit=count)
        except (GitFailed, FileNotFoundError):  # damaged, or gone: its own look says so, and this one goes on
            continue
        if outcome is None:
            break
        told += outcome.told
        if outcome.waiting or (outcome.unsettled_s and not hook):
            outcome.told = told
            return outcome
        if other == view:
            left -= count
    last = observe_head(connection, clock, view, hook=hook, wait_s=wait_s, limit=left)
    if last is not None:
        last.told = [*told, *last.told]
    return last


def _turns_before(connection: Connection, view: View, mine: list[Move]) -> list[tuple[View, int]]:
    """The views and numbers of moves to observe before the rest of ``view`` itself; almost always none."""
    if not mine or not any(_is_lagging(connection, git_dir) for git_dir in _git_dirs(view)):
        return []
    views = [one for one in git.worktrees(view) if one.git_dir != view.git_dir]
    counts = [len(_pending(connection, one)) for one in views]
    # Once more: what those moves brought is there now, wherever it was made. Of what came since, only own work counts.
    again = (_pending(connection, one) for one in views)
    queues = [mine, *(_until_it_brings(moves, count) for moves, count in zip(again, counts, strict=True))]
    if not any(brings(queue) for queue in queues):
        return []
    with Objects(view.common_dir) as objects:

        def parents(commit: str) -> tuple[str, ...]:
            found = objects.commit(commit)
            return found.parents if found is not None else ()

        return [([view, *views][index], count) for index, count in turns(queues, parents)][:-1]


def _git_dirs(view: View) -> Iterator[str]:
    """The git dirs of the other worktrees."""
    links = os.path.join(view.common_dir, "worktrees")
    names = sorted(os.listdir(links)) if os.path.isdir(links) else []
    for git_dir in (view.common_dir, *(os.path.join(links, name) for name in names)):
        if git_dir != view.git_dir:
            yield git_dir


def _is_lagging(connection: Connection, git_dir: str) -> bool:
    state = ledger.find_view(connection, git_dir)
    return has_entries(git_dir, state.cursor if state is not None else Cursor(head=""))


def _until_it_brings(moves: list[Move], count: int) -> list[Move]:
    """The first ``count`` moves, and those that follow up to one that brings something from elsewhere."""
    for place in range(count, len(moves)):
        if brings(moves[place : place + 1]):
            return moves[:place]
    return moves


def _pending(connection: Connection, view: View) -> list[Move]:
    """What another worktree has done that nobody has looked at."""
    return _moves(connection, view, ()) if _is_lagging(connection, view.git_dir) else []


def _moves(connection: Connection, view: View, hook: tuple[str, ...]) -> list[Move]:
    state = ledger.find_view(connection, view.git_dir)
    try:
        return read_since(view, state.cursor if state is not None else first_cursor(view), hook=hook).moves
    except (GitFailed, NotARepository, FileNotFoundError):  # gone meanwhile, or damaged: its own look says so
        return []
