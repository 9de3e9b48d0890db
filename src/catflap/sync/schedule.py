"""When to connect, when to send a batch, and what the connection is called meanwhile. Pure: the time comes in.

    state                     what ends it
    Offline                   a login → Reconnecting
    Reconnecting              the socket opens → Connected; `TRIES` tries in a row fail → Offline - Batch Mode
    Connected                 the socket breaks → Reconnecting
    Offline - Batch Mode      a batch succeeds: one try of the socket → Connected, or it stays
    any                       the session is refused, or ends → Offline

A batch is due at the start, when the socket opens, every `BATCH_S`, and when something was told that no socket takes.
In batch mode, after a batch that got no answer, the server is asked every `PROBE_S` whether it is back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from catflap.sync.protocol import backoff_s

TRIES = 10
BATCH_S = 300.0
PROBE_S = 20.0
AGAIN_S = 20.0
"""How soon a batch that failed is tried again while the socket is open, or being opened."""
GATHER_S = 0.5
"""How long what is told is gathered before a batch goes: a commit often tells several things, one after the other."""
STEADY_S = 30.0
"""A socket that was open so long was worth the name: the count of tries begins anew."""


class State(Enum):
    """The four states, by the names that people and programs see (contract, Command line)."""

    OFFLINE = "Offline"
    RECONNECTING = "Reconnecting"
    CONNECTED = "Connected"
    BATCH = "Offline - Batch Mode"


class Due(Enum):
    """What it is time for."""

    CONNECT = "try the socket"
    BATCH = "send a batch"
    PROBE = "ask whether the server is there"


@dataclass(slots=True)
class Schedule:
    """The dates, in seconds of a monotonic clock; ``jitter`` gives numbers from 0 to 1."""

    jitter: Callable[[], float]
    state: State = State.OFFLINE
    connect_at: float = math.inf
    batch_at: float = math.inf
    probe_at: float = math.inf
    _tries: int = 0
    _since: float = 0.0
    _not_before: float = 0.0
    _has_got_through: bool = True
    _is_away: bool = False

    def due(self, now: float) -> Due | None:
        """What it is time for: the batch first, since it tells what the socket is worth."""
        if self.batch_at <= now:
            return Due.BATCH
        if self.connect_at <= now:
            return Due.CONNECT
        return Due.PROBE if self.probe_at <= now else None

    def next_at(self) -> float:
        """When something is due next."""
        return min(self.batch_at, self.connect_at, self.probe_at)

    def logged_in(self, now: float) -> None:
        """There is a session: begin."""
        self.state = State.RECONNECTING
        self.batch_at, self.connect_at, self.probe_at = now, now, math.inf
        self._tries, self._not_before, self._has_got_through, self._is_away = 0, 0.0, True, False

    def logged_out(self) -> None:
        """There is none any more, or the server refuses it: nothing is due until the next login."""
        self.state = State.OFFLINE
        self.batch_at = self.connect_at = self.probe_at = math.inf

    def connected(self, now: float) -> None:
        """The socket is open. What waits goes as a batch now: it may be much, and tells what else it did not."""
        self.state, self._since = State.CONNECTED, now
        self.connect_at = self.probe_at = math.inf
        self.batch_at = max(now, self._not_before)

    def not_connected(self, now: float) -> None:
        """A try of the socket failed."""
        if self.state is State.BATCH:
            self.connect_at = math.inf
            return
        self._tries += 1
        self.state = State.RECONNECTING
        self.connect_at = now + backoff_s(self._tries + 1, self.jitter())
        if self._tries >= TRIES:
            self.state, self.connect_at = State.BATCH, math.inf
            if self._is_away:
                self.probe_at = now + PROBE_S

    def lost(self, now: float) -> None:
        """The socket broke. One that was hardly open counts as one that did not open."""
        if now - self._since < STEADY_S:
            self.not_connected(now)
            return
        self._tries = 0
        self.state, self.connect_at = State.RECONNECTING, now + backoff_s(1, self.jitter())

    def batch_done(self, now: float) -> None:
        """The server took what there was, or is there at least."""
        self._has_got_through, self._is_away = True, False
        self.batch_at, self.probe_at = now + BATCH_S, math.inf
        if self.state is State.BATCH:
            self.connect_at = now

    def batch_failed(self, now: float, *, wait_s: float = 0.0, is_away: bool = False) -> None:
        """It did not. ``is_away``: there was no answer at all. ``wait_s``: what the server asked for, and gets."""
        self._has_got_through, self._not_before, self._is_away = False, now + wait_s, is_away
        again_s = BATCH_S if self.state is State.BATCH else AGAIN_S
        self.batch_at = now + max(again_s, wait_s)
        if self.state is State.BATCH and is_away:
            self.probe_at = now + PROBE_S

    def probed(self, now: float, *, is_there: bool) -> None:
        """The server was asked whether it is there."""
        if is_there:
            self.batch_at, self.probe_at = now, math.inf
        else:
            self.probe_at = now + PROBE_S

    def told(self, now: float) -> None:
        """Something was queued that no socket takes: it goes soon, unless batches do not get through."""
        if self._has_got_through and self.state is not State.OFFLINE:
            self.batch_at = min(self.batch_at, max(now + GATHER_S, self._not_before))

    def asked(self, now: float) -> None:
        """Somebody else got through (`catflap sync now`), or wants a batch at once."""
        if self.state is not State.OFFLINE:
            self.batch_at = max(now, self._not_before)
