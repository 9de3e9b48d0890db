"""What goes over one open socket and comes from it: events, acknowledgements, pings. Knows nothing of when to open it.

An event that went over it stays queued until it is acknowledged, here or by a batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catflap.bindings import read_bindings
from catflap.clock import LamportClock
from catflap.instants import iso
from catflap.queue import OfflineQueue
from catflap.sync.batch import Account, bindings_by_slug, follow_clock, settle
from catflap.sync.frames import MAX_EVENT_BYTES, Ack, Ping, Received, Snapshot, Unknown, read_frame
from catflap.sync.live import Live
from catflap.sync.outgoing import parcel_of, why_held
from catflap.sync.receiving import receive, receive_snapshot
from catflap.syncstate import change_sync_state

LIVE_EVENTS = 100
"""Up to how many events go over the socket one by one; more go as a batch."""
ACK_S = 10.0
"""How long an event that went over the socket waits for its acknowledgement before a batch asks for it."""
MAX_UNTAKEN = 1000
"""How many received events may wait for a database that is busy before the socket is given up."""
_log = logging.getLogger("catflap.sync")


@dataclass(slots=True)
class _InFlight:
    """An event that went over the socket, at ``sent_at`` (monotonic seconds)."""

    event: Mapping[str, Any]
    sent_at: float


class Conversation:
    """From the opening of ``live`` to its end.

    ``sequence``: the last event of the team that we have; ``moved``: how many changes of others moved a ledger.
    """

    def __init__(
        self, live: Live, account: Account, *, queued: OfflineQueue, clock: LamportClock, sequence: int | None
    ) -> None:
        self.live, self._account, self._queue, self._clock = live, account, queued, clock
        self.sequence, self.moved = sequence, 0
        self._newest = sequence
        self._in_flight: dict[str, _InFlight] = {}
        self._refused: set[str] = set()
        self._held: set[str] = set()
        self._received: list[Mapping[str, Any]] = []
        self._snapshot: Snapshot | None = None
        self._told_before: int | None = None

    @property
    def is_flooded(self) -> bool:
        """Whether more came than could be taken."""
        return len(self._received) > MAX_UNTAKEN

    @property
    def is_up_to_date(self) -> bool:
        """Whether all is taken that the team had told when the socket was opened."""
        return self._told_before is not None and (self.sequence or 0) >= self._told_before

    def is_overdue(self, now: float) -> bool:
        """Whether an event has waited too long for its acknowledgement."""
        return any(now - one.sent_at > ACK_S for one in self._in_flight.values())

    def expect_nothing(self) -> None:
        """A batch has asked for all that is queued: no acknowledgement is waited for any more."""
        self._in_flight.clear()

    def reconsider(self) -> None:
        """The bindings have changed: what was held back may go now."""
        self._held.clear()

    def tell(self, now: float) -> bool:
        """Send what is queued and new; False when a batch has to send some of it.

        Raises: ServerUnreachable when the socket has broken; ConfigUnusable, DatabaseBusy, DatabaseUnusable.
        """
        known = self._in_flight.keys() | self._refused | self._held
        fresh = [one for one in self._queue.sendable_ids() if one not in known]
        if len(fresh) > LIVE_EVENTS:
            return False
        home, team = self._account.home, self._account.session.team_slug
        bindings = bindings_by_slug(home, self._queue.path) if fresh else {}
        is_all = True
        for event_id, (event, text) in self._queue.events_of(fresh).items():
            if why_held(event, team, bindings) is not None:
                self._held.add(event_id)
                continue
            parcel = parcel_of(event_id, event, text, team=team)
            if parcel is not None and len(parcel.text) <= MAX_EVENT_BYTES:
                self.live.send(parcel.text)
                self._in_flight[event_id] = _InFlight(event, now)
            else:
                is_all = False
        return is_all

    def hear(self, frames: Sequence[str]) -> None:
        """Do what the frames say, and what earlier ones said that could not be done then.

        Raises: ServerUnreachable when the socket has broken; ConfigUnusable, DatabaseBusy, DatabaseUnusable,
        ClockBusy, ClockUnwritable: what was received waits for the next call.
        """
        acked: dict[str, Mapping[str, Any]] = {}
        for text in frames:
            self._take(text, acked)
        if acked:
            settle(self._queue, list(acked.values()), list(acked))
            now = iso(time.time())
            change_sync_state(self._account.home, lambda state: replace(state, last_sync=now, last_error=None))
        if self._snapshot is not None:
            self._receive_snapshot(self._snapshot)
        if self._received:
            self._receive()
        if self.sequence != self._newest:
            self._keep_sequence()

    def _take(self, text: str, acked: dict[str, Mapping[str, Any]]) -> None:
        match read_frame(text):
            case Ping(pong):
                self.live.send(pong)
            case Ack(event_id, is_confirmed, why, clock):
                if event_id not in self._in_flight:
                    _log.info("an acknowledgement of %.40r, which is not waited for, is ignored", event_id)
                elif is_confirmed:
                    acked[event_id] = self._in_flight.pop(event_id).event
                else:
                    self._refuse(event_id, why, clock)
            case Received(event, sequence):
                self._received.append(event)
                self._newest = sequence if sequence is not None else self._newest
            case Snapshot(sequence) as snapshot:
                self._told_before = sequence or 0
                if sequence is None or self._newest is None:  # else what we missed follows, event by event
                    self._snapshot = snapshot
                # Without a number to go on from, or with one from before the server's data was restored: from here on.
                if sequence is None or self._newest is None or self._newest > sequence:
                    self._newest = sequence
            case Unknown(why):
                _log.info("a frame is ignored: %s", why)

    def _refuse(self, event_id: str, why: str, clock: int) -> None:
        """The server does not want an event; a batch asks again, later."""
        why = self._account.words(why)
        words = f"{event_id} is refused: {why}"
        self._queue.refuse({event_id: why})
        self._refused.add(event_id)
        del self._in_flight[event_id]
        follow_clock(self._clock, clock)
        _log.warning("%s", words)
        now = iso(time.time())
        change_sync_state(self._account.home, lambda state: replace(state, last_error=f"{now} {words}"))

    def _receive_snapshot(self, snapshot: Snapshot) -> None:
        self.moved += receive_snapshot(
            snapshot.cards,
            snapshot.clock,
            queued=self._queue,
            clock=self._clock,
            team=self._account.session.team_slug,
            bindings=read_bindings(self._account.home),
        )
        self._snapshot = None

    def _receive(self) -> None:
        found = receive(
            self._received,
            queued=self._queue,
            clock=self._clock,
            team=self._account.session.team_slug,
            bindings=read_bindings(self._account.home),
        )
        self._received.clear()
        self.moved += found.applied
        if found.invalid:
            _log.warning("%d events from the server are none: %s", found.invalid, found.why)

    def _keep_sequence(self) -> None:
        """All up to the newest is taken: a later conversation goes on from there."""
        self.sequence, session = self._newest, self._account.session
        change_sync_state(
            self._account.home,
            lambda state: replace(state, server=session.server, team=session.team_slug, sequence=self.sequence),
        )
