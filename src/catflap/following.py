"""Looks at queue.db again and again, until whoever reads our output has left. Knows no table."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Iterator
from sqlite3 import Connection

from catflap.database import when_free

TICK_S = 0.25
"""How often it is asked whether another connection has changed queue.db, which costs 5 µs."""


def looks(connection: Connection) -> Iterator[bool]:
    """Each tick, whether queue.db may have changed since the last; ends when the reader of stdout has left.

    Raises: DatabaseBusy, DatabaseUnusable.
    """
    has_left = _watch_reader()
    seen: int | None = None
    while True:
        version = when_free(lambda: int(connection.execute("PRAGMA data_version").fetchone()[0]), connection)
        yield version != seen
        seen = version
        if has_left():
            return


def _watch_reader() -> Callable[[], bool]:
    """Waits a tick, or less when the reader leaves: whether it has."""
    try:
        descriptor = sys.stdout.fileno()
        poll = select.poll()
    except (AttributeError, OSError, ValueError):  # Windows has no poll; nobody reads what has no descriptor
        return _nap
    poll.register(descriptor, 0)  # an error (a pipe without reader) and a hang-up (a terminal) are always reported
    return lambda: bool(poll.poll(TICK_S * 1000))


def _nap() -> bool:
    time.sleep(TICK_S)
    return False
