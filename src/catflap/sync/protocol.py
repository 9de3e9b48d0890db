"""One way through the queue: what to send next, and what follows from what was answered. Pure: no IO, no clock.

    answer      the part that was sent
    GO_ON       is done; what the results left out comes again at the end, as long as others are settled
    REFRESH     comes again with a new access token, once; refused again: the end
    HALVE       comes again in two halves, down to one event, which then is the culprit
    WAIT        comes again after the wait that the server asked for
    RETRY       comes again after min(0.5 s · 2ⁿ, 30 s), at most `tries` times in a row; then the end
    STOP        the end

A server that refuses everything must not wear the queue out: after `LONE_REFUSALS` events refused one by one,
with none taken, it is the end as well. Whatever ends a run, what was not confirmed stays in the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from catflap.sync.answers import Next, Verdict
from catflap.sync.outgoing import MAX_EVENTS

LONE_REFUSALS = 3
WAITS = 20
"""How often in a row a server may ask for patience before the run is over."""


def backoff_s(failures: int, jitter: float) -> float:
    """The wait after so many failures in a row (from 1): min(0.5 s · 2ⁿ, 30 s), of which ``jitter`` (0 to 1) takes
    up to a half away, so that a team's clients do not come back all at once.
    """
    return float(min(0.5 * 2 ** min(failures - 1, 10), 30.0) * (1.0 - jitter / 2))


class Do(Enum):
    """What a run wants next."""

    SEND = "the part"
    REFRESH = "a new access token"
    WAIT = "that time passes"
    END = "nothing"


@dataclass(slots=True)
class Counts:
    """What became of the events. ``left`` are still in the queue for the next run, ``held`` wait for another team."""

    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    parked: int = 0
    left: int = 0
    held: int = 0
    strangers: int = 0


@dataclass(slots=True)
class Run:
    """The state of one run over the events ``ids`` (in the order of sending)."""

    ids: Sequence[str]
    tries: int
    jitter: Callable[[], float]
    counts: Counts = field(default_factory=Counts)
    why: str = ""
    wait_s: float = 0.0
    refusals: dict[str, str] = field(default_factory=dict)
    _todo: deque[str] = field(default_factory=deque)
    _parts: list[list[str]] = field(default_factory=list)
    _sent: set[str] = field(default_factory=set)
    _suspects: dict[str, str] = field(default_factory=dict)
    _limit: int = MAX_EVENTS
    _failures: int = 0
    _waits: int = 0
    _lone: int = 0
    _has_refreshed: bool = False
    _has_ended: bool = False

    def __post_init__(self) -> None:
        self._todo.extend(self.ids)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to send."""
        return self._has_ended or not (self._parts or self._todo)

    def part(self) -> list[str]:
        """The ids to send now; the same until `take` is told of an answer."""
        if not self._parts:
            self._parts.append([self._todo.popleft() for _ in range(min(self._limit, len(self._todo)))])
        return list(self._parts[-1])

    def only(self, count: int) -> None:
        """The part was too large: its first ``count`` events are the part now, the others come after it."""
        part = self._parts.pop()
        if part[count:]:
            self._parts.append(part[count:])
        self._parts.append(part[:count])

    def leave(self, event_ids: Sequence[str]) -> None:
        """These events of the part are not sent in this run, for a reason of our own."""
        gone = set(event_ids)
        part = [one for one in self._parts.pop() if one not in gone]
        if part:
            self._parts.append(part)

    def take(self, verdict: Verdict) -> Do:
        """What to do after the part was answered with ``verdict``."""
        part = self._parts[-1]
        self._count(part, verdict)
        match verdict.next:
            case Next.GO_ON:
                return self._go_on(part, verdict)
            case Next.REFRESH if not self._has_refreshed:
                self._has_refreshed = True
                return Do.REFRESH
            case Next.HALVE:
                self._halve(part, verdict)
                return Do.SEND
            case Next.WAIT if self._waits < WAITS:
                self._waits += 1
                return self._wait(verdict.wait_s, verdict.why)
            case Next.RETRY:
                return self.failed(verdict.why)
        return self.end(verdict.why)

    def failed(self, why: str) -> Do:
        """What to do after no answer came, or one of no use."""
        if self._failures < self.tries:
            self._failures += 1
            return self._wait(backoff_s(self._failures, self.jitter()), why)
        return self.end(why)

    def end(self, why: str) -> Do:
        """The run is over; what it did not settle is left."""
        self.why, self._has_ended = why, True
        return Do.END

    def suspects(self) -> dict[str, str]:
        """Events that were refused alone with 403, and why: their own fault, if others of this session were taken."""
        return dict(self._suspects) if self.counts.accepted + self.counts.duplicates else {}

    def _count(self, part: Sequence[str], verdict: Verdict) -> None:
        counts = self.counts
        self._sent.update(part)
        counts.sent = len(self._sent)
        counts.accepted += len(verdict.accepted)
        counts.duplicates += len(verdict.duplicates)
        counts.refused += len(verdict.refused)
        counts.strangers += verdict.strangers
        self.refusals.update(verdict.refused)

    def _go_on(self, part: Sequence[str], verdict: Verdict) -> Do:
        self._parts.pop()
        self._failures = self._waits = 0
        self._has_refreshed = False
        self._todo.extend(verdict.unanswered)
        if verdict.suspect is not None:
            self._suspects[verdict.suspect] = verdict.why
        if len(part) == 1 and verdict.why:
            self._lone += 1
        if self._lone >= LONE_REFUSALS and not self.counts.accepted + self.counts.duplicates:
            return self.end(f"{verdict.why} (to one event after the other)")
        if self.is_over:
            self.why = verdict.why
            return Do.END
        return Do.SEND

    def _halve(self, part: list[str], verdict: Verdict) -> None:
        self._parts.pop()
        middle = len(part) // 2
        self._parts += [part[middle:], part[:middle]]
        if verdict.is_too_large:
            self._limit = max(1, min(self._limit, middle))

    def _wait(self, wait_s: float, why: str) -> Do:
        self.wait_s, self.why = wait_s, why
        return Do.WAIT
