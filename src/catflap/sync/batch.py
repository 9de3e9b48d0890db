"""Sends what is queued in batches, and takes out of the queue what the server confirms. What an answer means is pure.

Queue first: an event leaves it only when the server said `success` or `duplicate` about it, in one transaction with
what the team has been told. Killed at any point, the worst is an event sent twice, which the server knows.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catflap import auth, heard, ledger, queue
from catflap.auth import Session
from catflap.bindings import read_bindings
from catflap.clock import MAX_FOLLOWED, LamportClock
from catflap.database import open_database
from catflap.errors import BadAnswer, NotLoggedIn, ServerUnreachable
from catflap.instants import iso
from catflap.kernellock import kernel_lock
from catflap.queue import OfflineQueue
from catflap.sync.answers import Verdict, read_batch, trouble_of
from catflap.sync.http import Server
from catflap.sync.outgoing import Bindings, Parcel, by_slug, pack, parcel_of, why_held
from catflap.sync.protocol import Counts, Do, Run
from catflap.syncstate import SyncState, change_sync_state

LOCK_WAIT_S = 30.0
_log = logging.getLogger("catflap.sync")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``why`` is empty when the server took all that it could be sent; ``is_away``: it did not answer.

    ``wait_s``: the patience that it asked for; ``refusals``: its reasons by event id; ``held``: why others wait.
    """

    counts: Counts
    why: str = ""
    is_logged_in: bool = True
    is_away: bool = False
    wait_s: float = 0.0
    refusals: Mapping[str, str] | None = None
    held: Mapping[str, int] | None = None


@dataclass(slots=True)
class Account:
    """A session, with the server that it is for, and what it may send."""

    home: Path
    session: Session
    server: Server

    def renew(self) -> None:
        """Get new tokens. Raises: as `auth.renew`."""
        self.session = auth.renew(self.home, self.session, self.server)

    def token(self) -> str:
        """An access token that has not ended, as far as we know. Raises: as `auth.renew`."""
        if self.session.is_stale(time.time()):
            self.renew()
        return self.session.access

    def words(self, text: str) -> str:
        """``text``, perhaps the server's own, without the session's secrets."""
        return auth.redact(text, self.session)


class Sender:
    """Runs over one queue, for one account. ``on_progress`` is told of the counts after each answer.

    ``wait``: waits so many seconds and says whether the run may go on; ``tries``: how often in a row it may fail.
    """

    def __init__(
        self,
        account: Account,
        queued: OfflineQueue,
        clock: LamportClock,
        *,
        tries: int,
        wait: Callable[[float], bool],
        on_progress: Callable[[Counts], None] = lambda _: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._account, self._queue, self._clock = account, queued, clock
        self._tries, self._wait, self._on_progress, self._jitter = tries, wait, on_progress, jitter
        self._is_away = False
        self._has_said: set[str] = set()

    def run(self) -> Outcome:
        """Send what may be sent now, all of it.

        Raises: NotLoggedIn, CredentialsUnusable, ConfigUnusable, DatabaseBusy, DatabaseUnusable, LockHeld; what was
        confirmed before is out of the queue, the rest is in it.
        """
        with kernel_lock(self._account.home / "sync.lock", wait_s=LOCK_WAIT_S, what="send the queue"):
            bindings = bindings_by_slug(self._account.home, self._queue.path)
            run = Run(self._queue.sendable_ids(), self._tries, self._jitter)
            held: dict[str, int] = {}
            parked = self._queue.count_parked()
            logged_out = ""
            try:
                self._send_all(run, bindings, held)
            except NotLoggedIn as error:
                logged_out = str(error)
                run.end(logged_out)
            if suspects := run.suspects():
                self._refuse(suspects)
                run.counts.refused += len(suspects)
                run.refusals.update(suspects)
            counts = replace(run.counts, held=sum(held.values()), parked=self._queue.count_parked() - parked)
            counts.left = self._queue.count_sendable() - counts.held
        why = run.why
        if not why and not counts.sent:  # nothing to send: then at least say whether it could be
            why = is_there(self._account.server) or ""
            self._is_away = bool(why)
        outcome = Outcome(
            counts,
            self._account.words(why),
            is_logged_in=not logged_out,
            is_away=bool(why) and self._is_away,
            wait_s=run.wait_s,
            refusals={event_id: self._account.words(why) for event_id, why in run.refusals.items()},
            held=held,
        )
        self._remember(outcome)
        return outcome

    def _send_all(self, run: Run, bindings: Bindings, held: dict[str, int]) -> None:
        while not run.is_over:
            part = run.part()
            parcels, events = self._parcels(part, bindings, held)
            if len(parcels) < len(part):
                wanted = {parcel.event_id for parcel in parcels}
                run.leave([event_id for event_id in part if event_id not in wanted])
                if not parcels:
                    continue
            body, count = pack(parcels)
            if count < len(parcels):
                run.only(count)
            do = self._send(run, [parcel.event_id for parcel in parcels[:count]], body, events)
            self._on_progress(run.counts)
            if do is Do.REFRESH:
                self._renew(run)
            elif do is Do.WAIT and not self._wait(run.wait_s):
                run.end(run.why)

    def _parcels(
        self, part: Sequence[str], bindings: Bindings, held: dict[str, int]
    ) -> tuple[list[Parcel], Mapping[str, Mapping[str, Any]]]:
        """What of the part may be sent, in its order, and the queued events."""
        found = self._queue.events_of(part)
        parcels: list[Parcel] = []
        team = self._account.session.team_slug
        for event_id in part:
            if event_id not in found:
                continue
            event, text = found[event_id]
            why = why_held(event, team, bindings)
            if why is not None:
                held[why] = held.get(why, 0) + 1
            elif (parcel := parcel_of(event_id, event, text, team=team)) is not None:
                parcels.append(parcel)
            else:
                self._say_once(f"row {event_id} is no event that can be sent; `catflap queue drop` removes it")
        return parcels, {event_id: event for event_id, (event, _) in found.items()}

    def _send(self, run: Run, ids: Sequence[str], body: bytes, events: Mapping[str, Mapping[str, Any]]) -> Do:
        account = self._account
        try:
            answer = account.server.post("/api/v1/events/batch/", token=account.token(), gzipped=body)
        except (ServerUnreachable, BadAnswer) as error:  # the latter from a renewal
            self._is_away = isinstance(error, ServerUnreachable)
            return run.failed(str(error))
        self._is_away = False
        verdict = read_batch(ids, answer, now_s=time.time())
        self._settle(verdict, events)
        return run.take(verdict)

    def _renew(self, run: Run) -> None:
        try:
            self._account.renew()
        except (ServerUnreachable, BadAnswer) as error:
            self._is_away = isinstance(error, ServerUnreachable)
            run.end(str(error))

    def _settle(self, verdict: Verdict, events: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep what the server said, and follow the clock that it named."""
        confirmed = [*verdict.accepted, *verdict.duplicates]
        if confirmed:
            settle(self._queue, [events[event_id] for event_id in confirmed], confirmed)
        if verdict.refused:
            self._refuse(verdict.refused)
            for event_id, why in verdict.refused.items():
                _log.warning("%s is refused: %s", event_id, self._account.words(why))
        if verdict.strangers:
            self._say_once(f"the server names {verdict.strangers} events that were not sent; they are ignored")
        follow_clock(self._clock, verdict.clock)

    def _refuse(self, reasons: Mapping[str, str]) -> None:
        self._queue.refuse({event_id: self._account.words(why) for event_id, why in reasons.items()})

    def _remember(self, outcome: Outcome) -> None:
        if self._account.server.is_cut:  # it was us who ended it
            return
        session, now = self._account.session, iso(time.time())

        def change(state: SyncState) -> SyncState:
            if state.server != session.server or state.team != session.team_slug:
                state = replace(state, server=session.server, team=session.team_slug, sequence=None)
            if outcome.why:
                return replace(state, last_error=f"{now} {outcome.why}")
            first = next(iter(outcome.refusals.items()), None) if outcome.refusals else None
            error = f"{now} {first[0]} is refused: {first[1]}" if first is not None else None
            return replace(state, last_sync=now, last_error=error)

        change_sync_state(self._account.home, change)

    def _say_once(self, text: str) -> None:
        if text not in self._has_said:
            self._has_said.add(text)
            _log.warning("%s", text)


def settle(queued: OfflineQueue, events: Sequence[Mapping[str, Any]], confirmed: Sequence[str]) -> None:
    """The server has these events: out of the queue with them, and the team knows what they say."""
    with queued.writing() as connection:
        queue.remove(connection, confirmed)
        heard.note(connection, events)


def follow_clock(clock: LamportClock, value: int) -> None:
    """Move past a clock that the server named in a refusal, 0 for none."""
    if value > MAX_FOLLOWED:
        _log.warning("the server names the clock %d, which is beyond all reason; ours stays at %d", value, clock.value)
    elif value > clock.value:
        clock.receive(value)


def bindings_by_slug(home: Path, db_path: Path) -> Bindings:
    """Every binding by the slugs of its project: the one that config.toml names, and the one it is registered with.

    Raises: ConfigUnusable, DatabaseBusy, DatabaseUnusable.
    """
    bindings = read_bindings(home)
    if not bindings:
        return {}
    with contextlib.closing(open_database(db_path)) as connection:
        registered = {project.common_dir: project.slug for project in ledger.projects(connection)}
    return by_slug(
        replace(one, slugs=tuple(dict.fromkeys([*one.slugs, *filter(None, [registered.get(one.common_dir)])])))
        for one in bindings.values()
    )


def is_there(server: Server) -> str | None:
    """None when the server answers that it is well; else what is wrong. Raises nothing."""
    try:
        answer = server.get("/api/v1/sync/health/")
    except ServerUnreachable as error:
        return str(error)
    return None if answer.status == 200 else trouble_of(answer)


def patient(stopped: threading.Event, longest_s: float) -> Callable[[float], bool]:
    """A `wait` for Sender: waits, unless that is longer than ``longest_s``, or ``stopped`` is set meanwhile."""
    return lambda wait_s: wait_s <= longest_s and not stopped.wait(wait_s)
