"""The queue table and the highest clock ever put in it: the only file that reads or writes either. Knows no network.

A row waits until the server has confirmed its event; after `MAX_RETRIES` refusals it is parked, kept and shown.
At 10,000 rows the queue is full: nothing is dropped, what comes next is refused (data model, Offline Queue).
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakSet

from catflap.clock import MAX_CLOCK
from catflap.config import home
from catflap.database import open_database, when_free, write_transaction
from catflap.errors import InvalidEvent, QueueFull

__all__ = [
    "CAPACITY",
    "MAX_RETRIES",
    "OfflineQueue",
    "QueueFull",
    "QueuedEvent",
    "append",
    "exact_room",
    "highest_clock",
    "highest_clock_in",
    "highest_clocks",
    "remove",
    "room",
]

CAPACITY = 10_000
MAX_RETRIES = 5
SENT_ROWS = 10_000
"""How many events `catflap events` can still show whole once they were sent; older ones are forgotten."""
COUNT_BELOW = 1_000
"""Free places by the ids' span below which the rows are counted: the span is free to ask, but counts gaps too."""

_INSERT = (
    "INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"
)
_REFUSE = "UPDATE queue SET retry_count = coalesce(retry_count, 0) + 1 WHERE event_id = ?"
_KEEP = "INSERT OR REPLACE INTO sent (id, event_id, event_type, data) SELECT id, event_id, event_type, data FROM queue"
_SPAN = "SELECT (SELECT max(id) FROM queue) - (SELECT min(id) FROM queue) + 1"
_ROWS = "SELECT id, data, timestamp, coalesce(retry_count, 0), event_id, event_type FROM queue"
_BY_CLOCK = "CASE WHEN json_valid(data) THEN json_extract(data, '$.lamport_clock') END, id"
_said_full: set[str] = set()


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """A row of the queue: `queued_at` in epoch seconds, `retry_count` the times that the server refused the event.

    `refusal` is why, in the server's words, where it said so and the event was refused since it waits.
    `event_id` is the column's, by which a row is found; what another program put into `event` may differ.
    """

    id: int
    event_id: str
    event: dict[str, Any]
    queued_at: int
    retry_count: int
    refusal: str | None = None


def room(connection: sqlite3.Connection) -> int:
    """At least how many more events fit: exact when fewer than `COUNT_BELOW` do. Inside the caller's transaction."""
    span = connection.execute(_SPAN).fetchone()[0] or 0
    if CAPACITY - span >= COUNT_BELOW:
        return int(CAPACITY - span)
    return exact_room(connection)


def exact_room(connection: sqlite3.Connection) -> int:
    """How many more events fit. Inside the caller's transaction."""
    return max(0, CAPACITY - int(connection.execute("SELECT count(*) FROM queue").fetchone()[0]))


def append(connection: sqlite3.Connection, events: Sequence[Mapping[str, Any]], *, queued_at: int) -> None:
    """Put full events at the end of the queue, in order, inside the caller's transaction; it has asked for `room`.

    An event whose id is queued already stays as it was. The highest clock moves with the events, so that a lost
    clock.json can be rebuilt even after they were sent.

    Raises: InvalidEvent when one has no id or type, or is no JSON; then the caller's transaction must not commit.
    """
    connection.executemany(_INSERT, [(*_columns(event), queued_at) for event in events])
    highest = max((_clock_of(event) for event in events), default=0)
    connection.execute("UPDATE meta SET highest_clock = ?1 WHERE id = 1 AND highest_clock < ?1", (highest,))


def highest_clock(connection: sqlite3.Connection) -> int:
    """The highest Lamport clock ever put in the queue, 0 for none: a clock below it went backwards."""
    return int(connection.execute("SELECT highest_clock FROM meta WHERE id = 1").fetchone()[0])


def highest_clock_in(path: Path) -> int:
    """`highest_clock` of the queue.db at `path`, read without creating it; 0 when it does not say."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return when_free(lambda: highest_clock(connection), path)
    except sqlite3.Error:  # no such file, or not ours: no event of it has a clock that could repeat
        return 0


def remove(connection: sqlite3.Connection, event_ids: Iterable[str]) -> int:
    """How many events left the queue, inside the caller's transaction: the server has them. The newest are kept."""
    ids = json.dumps(list(event_ids))  # one statement takes three quarters of the time of one each
    connection.execute(f"{_KEEP} WHERE event_id IN (SELECT value FROM json_each(?))", (ids,))
    connection.execute("DELETE FROM sent WHERE id <= (SELECT max(id) FROM sent) - ?", (SENT_ROWS,))
    return connection.execute("DELETE FROM queue WHERE event_id IN (SELECT value FROM json_each(?))", (ids,)).rowcount


def highest_clocks(connection: sqlite3.Connection) -> dict[tuple[str, str, str, str], int]:
    """The highest clock of the queued events of each (project_slug, feature_slug, wp_id, event_type), '' for none."""
    rows = connection.execute(
        "SELECT coalesce(json_extract(data, '$.project_slug'), ''), "
        "coalesce(json_extract(data, '$.payload.feature_slug'), ''), "
        "coalesce(json_extract(data, '$.payload.wp_id'), ''), event_type, "
        "max(json_extract(data, '$.lamport_clock')) FROM queue WHERE json_valid(data) GROUP BY 1, 2, 3, 4"
    )
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows if type(row[4]) is int}


class OfflineQueue:
    """The queue of one queue.db, for any thread and any process; every call is a transaction of its own.

    What a call has changed outlives the process from its return on; a power cut can take back the last calls, in
    order (synchronous=NORMAL). Every method may raise DatabaseBusy and DatabaseUnusable.
    """

    def __init__(self, db_path: Path | str | None = None) -> None:
        self.path = home() / "queue.db" if db_path is None else Path(db_path)
        self._lock = threading.RLock()
        self._before_fork: list[sqlite3.Connection] = []
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._open()
        _queues.add(self)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction in queue.db: committed at the end, undone by any exception; other threads wait."""
        with self._lock:
            connection = self._open()
            with write_transaction(connection):
                yield connection

    def queue_event(self, event: Mapping[str, Any]) -> bool:
        """Whether the event is in the queue now; False, and one warning per process, when the queue is full.

        An event that is there already stays as it was. Raises: InvalidEvent, as `append`.
        """
        event_id, _, _ = _columns(event)
        with self.writing() as connection:
            if connection.execute("SELECT 1 FROM queue WHERE event_id = ?", (event_id,)).fetchone():
                return True
            if room(connection) > 0:
                append(connection, [event], queued_at=int(time.time()))
                return True
        self._warn_full()
        return False

    def drain_queue(self, limit: int = 1000) -> list[dict[str, Any]]:
        """Up to `limit` events that wait to be sent, oldest first; they stay queued until `mark_synced`."""
        return self._events(f"{_ROWS} WHERE coalesce(retry_count, 0) < ? ORDER BY id LIMIT ?", MAX_RETRIES, limit)

    def get_events_by_retry_count(self, max_retries: int = 5) -> list[dict[str, Any]]:
        """The events refused fewer than `max_retries` times, oldest first."""
        return self._events(f"{_ROWS} WHERE coalesce(retry_count, 0) < ? ORDER BY id", max_retries)

    def parked(self) -> list[dict[str, Any]]:
        """The events refused `MAX_RETRIES` times, oldest first: kept, and not sent until `retry_parked`."""
        return self._events(f"{_ROWS} WHERE coalesce(retry_count, 0) >= ? ORDER BY id", MAX_RETRIES)

    def rows(self) -> list[QueuedEvent]:
        """Every row, oldest first; one whose data is no JSON has an event of only its id and type."""
        reasons: dict[str, str] = dict(self._fetch("SELECT event_id, why FROM refusal"))
        return [
            QueuedEvent(
                id=row[0],
                event_id=row[4],
                event=_decoded(row) or {"event_id": row[4], "event_type": row[5]},
                queued_at=row[2],
                retry_count=row[3],
                refusal=reasons.get(row[4]) if row[3] else None,
            )
            for row in self._fetch(f"{_ROWS} ORDER BY id")
        ]

    def sendable_ids(self) -> list[str]:
        """The ids of the events that wait to be sent, those of each node in the order of its clock."""
        sql = f"SELECT event_id FROM queue WHERE coalesce(retry_count, 0) < ? ORDER BY {_BY_CLOCK}"
        rows = self._fetch(sql, MAX_RETRIES)
        return [row[0] for row in rows]

    def events_of(self, event_ids: Sequence[str]) -> dict[str, tuple[dict[str, Any], str]]:
        """The queued events with these ids, and their JSON; what is no event, or has left the queue, is missing."""
        rows = self._fetch(f"{_ROWS} WHERE event_id IN (SELECT value FROM json_each(?))", json.dumps(list(event_ids)))
        return {row[4]: (event, row[1]) for row in rows if (event := _decoded(row)) is not None}

    def own_ids(self, event_ids: Sequence[str]) -> set[str]:
        """Which of these events were told here: they wait in the queue, or are among the newest that were sent."""
        sql = "SELECT event_id FROM queue WHERE event_id IN (SELECT value FROM json_each(?1)) UNION "
        sql += "SELECT event_id FROM sent WHERE event_id IN (SELECT value FROM json_each(?1))"
        return {row[0] for row in self._fetch(sql, json.dumps(list(event_ids)))}

    def count_parked(self) -> int:
        """How many events are parked."""
        return int(self._fetch("SELECT count(*) FROM queue WHERE retry_count >= ?", MAX_RETRIES)[0][0])

    def count_sendable(self) -> int:
        """How many events wait to be sent."""
        return self.size() - self.count_parked()

    def version(self) -> int:
        """A number that changes whenever another connection has changed queue.db; 5 µs."""
        return int(self._fetch("PRAGMA data_version")[0][0])

    def size(self) -> int:
        """How many events are queued, the parked ones too."""
        return int(self._fetch("SELECT count(*) FROM queue")[0][0])

    def mark_synced(self, event_ids: Iterable[str]) -> int:
        """How many events left the queue because the server has them."""
        with self.writing() as connection:
            return remove(connection, event_ids)

    def drop(self, event_ids: Iterable[str]) -> int:
        """How many events left the queue because a person gave them up."""
        return self._for_each("DELETE FROM queue WHERE event_id = ?", event_ids)

    def increment_retry(self, event_ids: Iterable[str]) -> int:
        """How many of the events were found, and have been refused once more now."""
        return self._for_each(_REFUSE, event_ids)

    def refuse(self, reasons: Mapping[str, str]) -> int:
        """As `increment_retry`, and keeps why, by event id: what `rows` shows of them."""
        with self.writing() as connection:
            found = connection.executemany(_REFUSE, [(event_id,) for event_id in reasons]).rowcount
            keep = "INSERT INTO refusal (event_id, why) VALUES (?, ?) ON CONFLICT DO UPDATE SET why = excluded.why"
            connection.executemany(keep, reasons.items())
            connection.execute("DELETE FROM refusal WHERE event_id NOT IN (SELECT event_id FROM queue)")
        return found

    def retry_parked(self, event_ids: Iterable[str] | None = None) -> int:
        """How many parked events, all or the named, wait to be sent again as if never refused."""
        sql = f"UPDATE queue SET retry_count = 0 WHERE retry_count >= {MAX_RETRIES}"
        if event_ids is not None:
            return self._for_each(f"{sql} AND event_id = ?", event_ids)
        with self.writing() as connection:
            return connection.execute(sql).rowcount

    def clear(self) -> None:
        """Empty the queue. The highest clock stays, so that no later event repeats one."""
        with self.writing() as connection:
            connection.execute("DELETE FROM queue")

    def close(self) -> None:
        """Close queue.db; a later call opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
                self._connection = None

    def __enter__(self) -> OfflineQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A forked child may neither use nor close its parent's connection (sqlite.org/howtocorrupt.html, 2.6).
            if self._connection is not None:
                self._before_fork.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is None:
            self._connection = open_database(self.path)
        return self._connection

    def _prepare_fork(self) -> None:
        """Take the lock, and close queue.db unless this very thread is in a transaction."""
        self._lock.acquire()
        if self._connection is not None and not self._connection.in_transaction:
            self.close()

    def _end_fork(self) -> None:
        self._lock.release()

    def _fetch(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            connection = self._open()
            return when_free(lambda: connection.execute(sql, values).fetchall(), self.path)

    def _events(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return [event for row in self._fetch(sql, *values) if (event := _decoded(row)) is not None]

    def _for_each(self, sql: str, event_ids: Iterable[str]) -> int:
        with self.writing() as connection:
            return connection.executemany(sql, [(event_id,) for event_id in event_ids]).rowcount

    def _warn_full(self) -> None:
        if str(self.path) not in _said_full:
            _said_full.add(str(self.path))
            why = f"it holds {CAPACITY:,} events already"
            hint = "run `catflap sync now`, or `catflap queue drop` what is not wanted"
            _warn(str(QueueFull("add to the queue", where=str(self.path), why=why, hint=hint)))


def _columns(event: Mapping[str, Any]) -> tuple[str, str, str]:
    """What the row keeps of the event: id, type, and all of it as compact JSON."""
    for name in ("event_id", "event_type"):
        if not isinstance(event.get(name), str):
            why, hint = f"it is {event.get(name)!r:.80}, not a string", "give the event one, as `catflap schema` says"
            raise InvalidEvent("queue the event", where=name, why=why, hint=hint)
    try:
        return event["event_id"], event["event_type"], _encode(event)
    except (TypeError, ValueError, RecursionError) as error:
        why, hint = f"it is no JSON: {error}", "use strings, finite numbers, lists and dicts"
        raise InvalidEvent("queue the event", where=event["event_id"], why=why, hint=hint) from error


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _clock_of(event: Mapping[str, Any]) -> int:
    value = event.get("lamport_clock")
    return value if type(value) is int and 0 <= value <= MAX_CLOCK else 0


def _decoded(row: tuple[Any, ...]) -> dict[str, Any] | None:
    """The row's event; None, with a warning, when another program has put something else there."""
    try:
        event = json.loads(row[1])
    except (TypeError, ValueError, RecursionError):
        event = None
    if isinstance(event, dict):
        return event
    _warn(f"row {row[0]} of the queue is no event and is not sent; `catflap queue drop {row[4]}` removes it")
    return None


def _warn(text: str) -> None:
    import logging  # 4 ms, which a hook that has nothing to say need not pay

    logging.getLogger("catflap.queue").warning("%s", text)


# A forked child inherits not only SQLite's connections but also its belief about which locks this process holds. A
# connection that the child opens beside an inherited one takes no kernel lock, so that another process, once the
# parent is gone, counts itself the last, deletes the WAL, and the child's later events go to a file without a name.
# So no connection is open while the process forks, and no thread is inside a transaction.
_queues: WeakSet[OfflineQueue] = WeakSet()
_forking: list[list[OfflineQueue]] = []


def _before_fork() -> None:
    found = sorted(_queues, key=id)  # the same order in every thread that forks
    for queue in found:
        queue._prepare_fork()
    _forking.append(found)


def _after_fork() -> None:
    for queue in _forking.pop():
        queue._end_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
