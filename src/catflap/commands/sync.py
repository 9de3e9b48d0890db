"""`catflap sync now|status`: sends what is pending, with a progress bar and honest counts; how the last one went."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from catflap import auth, syncstate
from catflap.clock import LamportClock
from catflap.config import home
from catflap.database import is_there
from catflap.errors import CatflapError, NotLoggedIn
from catflap.queue import OfflineQueue
from catflap.sync.address import read_address
from catflap.sync.batch import Account, Outcome, Sender, patient
from catflap.sync.http import Server
from catflap.sync.protocol import Counts
from catflap.terminal import can_redraw, say

TRIES = 4
"""How often in a row a server may fail before this command gives up."""
LONGEST_WAIT_S = 60.0
"""The longest wait that a server may ask for while a person looks on."""


def now(*, as_json: bool = False) -> int:
    """0 when the server took all that it may be sent; 1 when it did not: what is left stays queued.

    Where no watcher listens it takes what others told, too; that fails for itself, since nothing is lost by it.

    Raises: NotLoggedIn, CredentialsUnusable, ConfigUnusable, DatabaseBusy, DatabaseUnusable, LockHeld.
    """
    folder = home()
    session = auth.load_session(folder)
    if session is None:
        raise NotLoggedIn("send", why="nobody is logged in", hint="use `catflap auth login --server URL`")
    with (
        Server(read_address(session.server)) as server,
        OfflineQueue(folder / "queue.db") as queued,
        _progress(queued.count_sendable(), is_shown=not as_json) as on_progress,
    ):
        account, clock = Account(folder, session, server), LamportClock.load(folder / "clock.json")
        sender = Sender(
            account,
            queued,
            clock,
            tries=TRIES,
            wait=patient(threading.Event(), LONGEST_WAIT_S),
            on_progress=on_progress,
        )
        outcome = sender.run()
        moved = 0 if outcome.why else _listen(account, queued, clock)
    is_done = not outcome.why and not outcome.counts.left
    if as_json:
        value = {**asdict(outcome.counts), "received": moved, "server": session.server, "team": session.team_slug}
        print(json.dumps(value | {"error": outcome.why or None, "refusals": dict(outcome.refusals or {})}))
    else:
        _show(outcome, session.server, session.team_slug)
        if moved:
            say(f"{moved:,} {'change' if moved == 1 else 'changes'} of others known now.")
    if outcome.why:
        print(f"catflap: {outcome.why}", file=sys.stderr)
    return 0 if is_done else 1


def status(*, as_json: bool = False) -> int:
    """0 once the connection, the last sync and the last error are shown. Asks no server.

    Raises: CredentialsUnusable, DatabaseBusy, DatabaseUnusable.
    """
    folder = home()
    value = exchange_of(folder)
    if as_json:
        print(json.dumps(value))
        return 0
    say(f"{value['connection']}; last sync {value['last_sync'] or 'never'}; {value['pending']:,} pending")
    if value["last_error"]:
        say(f"last error: {value['last_error']}", style="yellow")
    if value["server"] is None:
        say("Not logged in: catflap auth login --server URL")
    return 0


def exchange_of(folder: Path) -> dict[str, Any]:
    """How the exchange with the server stands. Raises: CredentialsUnusable, DatabaseBusy, DatabaseUnusable."""
    session = auth.load_session(folder)
    state = syncstate.read_sync_state(folder)
    pending = 0
    if is_there(folder / "queue.db"):
        with OfflineQueue(folder / "queue.db") as queued:
            pending = queued.count_sendable()
    return {
        "connection": syncstate.connection_of(folder),
        "last_sync": state.last_sync,
        "last_error": state.last_error,
        "server": session.server if session is not None else None,
        "team": session.team_slug if session is not None else None,
        "pending": pending,
    }


def _listen(account: Account, queued: OfflineQueue, clock: LamportClock) -> int:
    """How many changes of others are known now; 0, and a word on stderr, when the server does not say."""
    if syncstate.connection_of(account.home) == syncstate.CONNECTED:  # a watcher hears of them as they come
        return 0
    from catflap.sync.listening import listen_once  # websockets, 40 ms

    try:
        return listen_once(account, queued=queued, clock=clock)
    except CatflapError as error:
        print(f"catflap: what others told is not known yet: {account.words(str(error))}", file=sys.stderr)
        return 0


@contextmanager
def _progress(total: int, *, is_shown: bool) -> Iterator[Callable[[Counts], None]]:
    """Who is told of the counts: a bar on a terminal, nobody anywhere else."""
    if not is_shown or not total or not can_redraw():
        yield lambda _: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("Sending", total=total)
        yield lambda counts: bar.update(task, completed=counts.accepted + counts.duplicates + counts.refused)


def _show(outcome: Outcome, server: str, team: str) -> None:
    counts = outcome.counts
    if not counts.sent and not counts.left and not outcome.why:
        say(f"Nothing is waiting for {server}, team {team}.")
    elif counts.sent or counts.left:
        say(_sentence(counts, server, team))
    for event_id, why in list((outcome.refusals or {}).items())[:5]:
        say(f"refused: {event_id}: {why}", style="yellow")
    for why, number in (outcome.held or {}).items():
        say(f"held back: {number:,} events: {why}")


def _sentence(counts: Counts, server: str, team: str) -> str:
    words = [f"{counts.accepted:,} accepted"]
    words += [f"{counts.duplicates:,} known already"] if counts.duplicates else []
    words += [f"{counts.refused:,} refused"] if counts.refused else []
    words += [f"{counts.parked:,} of these parked"] if counts.parked else []
    words += [f"{counts.left:,} left"] if counts.left else []
    words += [f"{counts.held:,} held back"] if counts.held else []
    return f"{counts.sent:,} sent to {server}, team {team}: {', '.join(words)}."
