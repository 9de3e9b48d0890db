"""Keeps the team told while a watcher runs: the socket as long as it holds, batches otherwise, one thread for both.

When to do which is schedule.py's; what goes over the socket is conversation.py's.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

from catflap import auth, syncstate
from catflap.auth import load_session
from catflap.bindings import bindings_mark
from catflap.clock import LamportClock
from catflap.database import explained
from catflap.errors import BadAnswer, CatflapError, NotLoggedIn, ServerUnreachable
from catflap.instants import iso
from catflap.queue import OfflineQueue
from catflap.sync.address import read_address
from catflap.sync.batch import Account, Sender, is_there
from catflap.sync.conversation import Conversation
from catflap.sync.http import USUAL, Server, Timing
from catflap.sync.inbox import Inbox, frames_of
from catflap.sync.listening import open_socket
from catflap.sync.schedule import Due, Schedule, State
from catflap.syncstate import change_sync_state, read_sync_state

LOOK_S = 1.0
"""How often to look at what other processes did: queue.db, credentials, a `sync now`. Each costs a few µs."""
_FAILED_S = 5.0
_BUG_S = 60.0
_STOP_S = 1.5
_log = logging.getLogger("catflap.sync")


class Listener(Protocol):
    """Who is told how the exchange goes."""

    def connection(self, state: str) -> None:
        """It is called this now, one of the four states."""

    def trouble(self, place: str, why: str) -> None:
        """Something does not work; it is tried again."""


class Service:
    """The exchange for one home, from :meth:`start` to :meth:`stop`."""

    def __init__(self, home: Path, listener: Listener, *, timing: Timing = USUAL) -> None:
        self._home, self._listener, self._timing = home, listener, timing
        self._queue = OfflineQueue(home / "queue.db")
        self._clock = LamportClock.load(home / "clock.json", floor=0)
        self._schedule = Schedule(random.random)
        self._inbox = Inbox()
        self._account: Account | None = None
        self._talk: Conversation | None = None
        self._sequence: int | None = None
        self._shown: State | None = None
        self._look_at = 0.0
        self._seen: dict[str, object] = {}
        self._last_sync: str | None = None
        self._said: tuple[str, str] = ("", "")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catflap-sync", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def told(self) -> None:
        """Something was queued just now. Safe in any thread."""
        self._inbox.post("told")

    def stop(self) -> None:
        """End soon, whatever the server does: within `_STOP_S` seconds, or with the process. Nothing is lost by it."""
        self._stopping.set()
        self._inbox.post("stop")
        account, talk = self._account, self._talk
        if account is not None:
            account.server.cut()
        if talk is not None:
            talk.live.cut()
        self._thread.join(_STOP_S)

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with _Guard(self), explained(self._home / "queue.db"):
                self._turn()
        self._leave()
        if self._account is not None:
            self._account.server.close()
        self._say_connection(State.OFFLINE)
        self._queue.close()

    def _turn(self) -> None:
        """Do one thing that is due, or wait until something is."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look(now)
        match self._schedule.due(now):
            case Due.BATCH:
                self._batch()
            case Due.CONNECT:
                self._connect()
            case Due.PROBE:
                self._probe()
            case None:
                self._take_posts(min(self._look_at, self._schedule.next_at()) - now)
        self._say_connection(self._schedule.state)

    # -- what others did

    def _look(self, now: float) -> None:
        """Meet what has changed; what fails of it is looked at again the next time."""
        self._look_at = now + LOOK_S
        if self._has_changed("session", auth.mark(self._home)):
            self._meet_session(now)
            self._seen["session"] = auth.mark(self._home)
        if self._has_changed("state", mark := syncstate.mark(self._home)):
            self._seen["state"] = mark
            state = read_sync_state(self._home)
            if state.last_sync not in (self._last_sync, None) and self._schedule.state is not State.CONNECTED:
                self._schedule.asked(now)
            self._last_sync = state.last_sync
            if self._shown is not None and state.connection != self._shown.value:
                self._shown = None
        if self._has_changed("config", config := bindings_mark(self._home)):
            self._seen["config"] = config
            if self._talk is not None:
                self._talk.reconsider()
        if self._has_changed("queue", version := self._queue.version()):
            self._tell(now)
            self._seen["queue"] = version
        if self._talk is not None and self._talk.is_overdue(now):
            self._talk.expect_nothing()
            self._schedule.asked(now)

    def _has_changed(self, name: str, now: object) -> bool:
        return name not in self._seen or self._seen[name] != now

    def _meet_session(self, now: float) -> None:
        """Somebody logged in or out, or the tokens are new."""
        session = load_session(self._home)
        account = self._account
        if account is not None and session is not None:
            own = account.session
            if (own.server, own.username, own.team_slug) == (session.server, session.username, session.team_slug):
                is_waiting = self._schedule.state is State.OFFLINE and session.access != own.access
                account.session = session
                if is_waiting:
                    self._schedule.logged_in(now)
                return
        self._leave()
        if account is not None:
            account.server.close()
        if session is None:
            self._account = None
            self._schedule.logged_out()
            return
        self._account = Account(self._home, session, Server(read_address(session.server), self._timing))
        state = read_sync_state(self._home)
        self._sequence = state.sequence_at(session.server, session.team_slug)
        self._last_sync = state.last_sync
        self._schedule.logged_in(now)

    # -- out

    def _tell(self, now: float) -> None:
        """Send what is queued and new, over the socket as far as that can take it."""
        if self._talk is None or not self._talk.tell(now):
            self._schedule.told(now)

    def _batch(self) -> None:
        account = self._account
        assert account is not None  # nothing is due without a session
        sender = Sender(account, self._queue, self._clock, tries=0, wait=lambda _: False)
        outcome = sender.run()
        if self._talk is not None:
            self._talk.expect_nothing()
        now = time.monotonic()
        if not outcome.is_logged_in:
            self._end_session(outcome.why)
            return
        if outcome.why:
            self._say_trouble(account.server.address.url, outcome.why)
            self._schedule.batch_failed(now, wait_s=outcome.wait_s, is_away=outcome.is_away)
        else:
            self._said = ("", "")
            self._schedule.batch_done(now)
        self._last_sync = read_sync_state(self._home).last_sync

    def _probe(self) -> None:
        assert self._account is not None
        is_well = is_there(self._account.server) is None
        self._schedule.probed(time.monotonic(), is_there=is_well)

    # -- the socket

    def _connect(self) -> None:
        account = self._account
        assert account is not None
        try:
            live = open_socket(account, self._inbox, after=self._sequence)
        except (ServerUnreachable, BadAnswer) as error:
            self._say_trouble(account.server.address.url, account.words(str(error)))
            self._schedule.not_connected(time.monotonic())
            return
        self._talk = Conversation(live, account, queued=self._queue, clock=self._clock, sequence=self._sequence)
        self._schedule.connected(time.monotonic())
        self._said = ("", "")

    def _take_posts(self, wait_s: float) -> None:
        """Wait for frames and words, and do what they say; a burst of them in one go."""
        posts = self._inbox.take(wait_s)
        if "told" in posts:
            self._tell(time.monotonic())
        if self._talk is not None:
            frames, is_broken = frames_of(self._talk.live, posts)
            self._talk.hear(frames)
            if is_broken or self._talk.is_flooded:
                self._lose()

    def _lose(self) -> None:
        _log.info("the socket has broken: %s", self._talk.live.why if self._talk is not None else "")
        self._leave()
        self._schedule.lost(time.monotonic())

    def _leave(self) -> None:
        """Close the socket; what went over it and was not acknowledged is in the queue."""
        talk, self._talk = self._talk, None
        if talk is not None:
            self._sequence = talk.sequence
            talk.live.close()

    # -- words

    def _end_session(self, why: str) -> None:
        """The server accepts the session no longer: say it once, and wait for a login."""
        self._leave()
        self._schedule.logged_out()
        self._say_trouble("sync", why)

    def _say_trouble(self, place: str, why: str) -> None:
        if self._said != (place, why) and not self._stopping.is_set():
            self._said = place, why
            _log.warning("%s: %s", place, why)
            self._listener.trouble(place, why)
            now = iso(time.time())
            change_sync_state(self._home, lambda state: replace(state, last_error=f"{now} {why}"))

    def _say_connection(self, state: State) -> None:
        if self._shown is not state:
            self._shown = state
            change_sync_state(self._home, lambda known: replace(known, connection=state.value))
            self._listener.connection(state.value)

    def failed(self, error: Exception) -> None:
        """A turn failed: say why, and go on in a while."""
        if isinstance(error, NotLoggedIn):
            self._end_session(str(error))
            return
        if isinstance(error, ServerUnreachable):  # the socket broke as we wrote; its reader says so in a moment
            self._lose()
            return
        is_ours = not isinstance(error, CatflapError)
        if is_ours:
            _log.error("our bug, in the exchange with the server", exc_info=error)
        self._say_trouble("sync", f"our bug: {error!r}" if is_ours else str(error))
        self._stopping.wait(_BUG_S if is_ours else _FAILED_S)


class _Guard:
    """Where a turn's exception ends: the thread goes on."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._service.failed(error)
        return True
