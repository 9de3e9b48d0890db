"""One emission: an event that a program states instead of a file, stamped, queued and announced in one transaction.

Room, clock, row, and the ledger of the project that the current directory lies in, so that a later observation of
the same fact tells nothing. Knows no names of single events; they are emitter.py's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from catflap import ledger, queue
from catflap.announced import apply_event
from catflap.clock import LamportClock
from catflap.config import LOCAL_TEAM, home, is_kept_local
from catflap.errors import CatflapError, InvalidEvent, QueueFull
from catflap.events import Event, encode_ulid, validate_payload
from catflap.git import locate
from catflap.instants import iso
from catflap.queue import OfflineQueue

_FEATURE_EVENTS = ("FeatureCreated", "FeatureCompleted")
_NOT_YET = "0" * 26


class Emission:
    """Emits into the queue.db and clock.json of one folder, from any thread; a forked child may go on with it.

    Nothing is opened before the first emission, so that making one cannot fail.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self._folder = Path(folder) if folder is not None else None
        self._lock = threading.Lock()
        self._opened: tuple[OfflineQueue, LamportClock] | None = None
        self._place: tuple[str, str | None] | None = None
        self._last_ulid = 0

    @property
    def queue(self) -> OfflineQueue:
        """The queue that events go to. Raises: BadInput, DatabaseBusy, DatabaseUnusable."""
        return self._open()[0]

    @property
    def clock(self) -> LamportClock:
        """The clock that stamps them. Raises: BadInput, DatabaseBusy, DatabaseUnusable."""
        return self._open()[1]

    def emit(
        self, event_type: str, aggregate_id: str, payload: Mapping[str, Any], causation_id: str | None = None
    ) -> Event:
        """The event; it is queued now, behind every event with a lower clock.

        Raises:
            InvalidEvent: a rule of the data model is broken; nothing was locked and the clock did not move.
            QueueFull: the queue holds its 10,000 events; nothing was stored.
            BadInput, DatabaseBusy, DatabaseUnusable, ClockBusy, ClockUnwritable: nothing was stored.
        """
        event = _unstamped(event_type, aggregate_id, payload, causation_id)
        common_dir = self._common_dir()
        events, clock = self._open()
        with events.writing() as connection:
            if queue.room(connection) < 1:
                why = f"it holds {queue.CAPACITY:,} events already"
                raise QueueFull("add to the queue", where=str(events.path), why=why, hint="run `catflap sync now`")
            project = ledger.find_project(connection, common_dir) if common_dir is not None else None
            value = clock.tick(floor=queue.highest_clock(connection))
            event = replace(
                event,
                event_id=encode_ulid(*divmod(self._next_ulid(), 1 << 80)),
                node_id=clock.node_id,
                lamport_clock=value,
                project_slug=project.slug if project is not None else None,
            )
            if project is None or not is_kept_local(events.path.parent, project.common_dir):
                queue.append(connection, [event.to_dict()], queued_at=int(time.time()))
            if project is not None:
                _announce(connection, project.id, event)
        return event

    def generate_causation_id(self) -> str:
        """A new ULID, for the `causation_id` of events that belong together; above every one made here before."""
        from ulid import ULID  # 40 ms, which a program that only emits need not pay

        return str(ULID.from_int(self._next_ulid()))

    def get_connection_status(self) -> str:
        """The watcher's connection to the team's server: Connected, Reconnecting, Offline, Offline - Batch Mode."""
        from catflap.syncstate import connection_of

        return connection_of(self._folder if self._folder is not None else home())

    def close(self) -> None:
        """Close queue.db; a later emission opens it again."""
        if self._opened is not None:
            self._opened[0].close()

    def _open(self) -> tuple[OfflineQueue, LamportClock]:
        if self._opened is not None:
            return self._opened
        with self._lock:
            if self._opened is None:
                folder = self._folder if self._folder is not None else home()
                events = OfflineQueue(folder / "queue.db")
                # The floor is asked for at each tick, under the lock.
                self._opened = events, LamportClock.load(folder / "clock.json", floor=0)
            return self._opened

    def _common_dir(self) -> str | None:
        """The git common dir that the current directory lies in, asked once per directory: git takes 5 ms."""
        try:
            here = os.getcwd()
        except FileNotFoundError:  # the directory was removed under us: it is in no repository any more
            return None
        if self._place is None or self._place[0] != here:
            try:
                self._place = here, locate(here).common_dir
            except CatflapError:  # no repository, or no git: then there is no ledger to move
                self._place = here, None
        return self._place[1]

    def _next_ulid(self) -> int:
        """The 128 bits of a ULID of now, above the last one, whatever the wall clock does.

        In one millisecond the step is random: a forked child starts from the same last one.
        """
        fresh = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
        if fresh <= self._last_ulid:
            fresh = self._last_ulid + 1 + int.from_bytes(os.urandom(8), "big")
        self._last_ulid = fresh
        return fresh


def _unstamped(event_type: str, aggregate_id: str, payload: Mapping[str, Any], causation_id: str | None) -> Event:
    """The valid event, still without id, node and clock, which it gets under the lock. Raises: InvalidEvent."""
    validate_payload(event_type, payload)
    is_feature = event_type in _FEATURE_EVENTS or (event_type == "ErrorLogged" and payload.get("wp_id") is None)
    return Event(
        event_id=_NOT_YET,
        event_type=event_type,
        aggregate_id=aggregate_id,
        aggregate_type="Feature" if is_feature else "WorkPackage",
        payload=dict(payload),
        node_id="-",
        lamport_clock=0,
        causation_id=causation_id,
        timestamp=iso(time.time()),
        team_slug=LOCAL_TEAM,
    )


def _announce(connection: Connection, project_id: int, event: Event) -> None:
    """Let the project's ledger know what the event told, inside the caller's transaction."""
    slug = event.payload.get("feature_slug")
    if slug:
        told = ledger.load(connection, project_id, [slug]).fork()
        apply_event(told, event.event_type, event.payload, event.event_id)
        try:
            ledger.save(connection, project_id, told)
        except UnicodeEncodeError as error:  # half of a surrogate pair: JSON can hold it, SQLite's text cannot
            hint = "use text that can be written in UTF-8"
            raise InvalidEvent("announce the event", where=event.event_type, why=str(error), hint=hint) from error
