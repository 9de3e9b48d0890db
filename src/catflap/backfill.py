"""Tells the history that was made before catflap came: a first-parent chain, played and put into the queue.

Once, in pieces: queue rows, trace and the milestone of a piece are ONE transaction, and with the last one the ledger
goes to where the chain ends. A run that ends early, killed or for want of room, is gone on with by the next: ids are
derived from what happened, and what was told is known by its place in the chain. Git is read before the lock is taken.
"""

from __future__ import annotations

import importlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from sqlite3 import Connection

from catflap import ledger, queue, trace
from catflap.announce import Envelope
from catflap.announced import Ledger
from catflap.chain import Chain
from catflap.clock import LamportClock
from catflap.database import write_transaction
from catflap.events import Event
from catflap.facts import Key
from catflap.git import View
from catflap.instants import iso
from catflap.ledger import Project, ToldBefore
from catflap.milestone import Milestone, find_milestone, put_milestone
from catflap.moves import Rule
from catflap.outbox import trace_row
from catflap.replay import Identified, Replay, Retold
from catflap.settled import is_untold, keys_in, settled
from catflap.span import Since, Span
from catflap.trace import TraceRow

RESERVED = 1_000
"""Places of the queue that a backfill leaves free, for what is changed while it waits to be sent."""
ROOM = queue.CAPACITY - RESERVED
PIECE = 500
"""About how many events one transaction puts into the queue."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event with the commit and the file that say it."""

    event: Event
    commit: str
    path: str


@dataclass(slots=True)
class Outcome:
    """What came of a backfill so far.

    ``waiting`` events found no room in the queue; ``left_out`` are work packages that were told before, and how;
    ``missing`` counts the versions that a partial clone lacks; ``was_done``: an earlier run has told all of it.
    """

    types: Counter[str] = field(default_factory=Counter)
    features: set[str] = field(default_factory=set)
    place: int = 0
    waiting: int = 0
    left_out: dict[Key, str] = field(default_factory=dict)
    missing: int = 0
    is_shallow: bool = False
    was_done: bool = False

    def count(self, event: Event) -> None:
        """One more was told."""
        self.types[event.event_type] += 1
        self.features.add(event.payload["feature_slug"])


class Backfill:
    """One chain of one repository, to be previewed or told, once. ``outcome`` grows with it."""

    def __init__(self, view: View, span: Span, since: Since, *, envelope: Envelope, feature: str | None) -> None:
        self.outcome = Outcome()
        self._since = since
        self._feature = feature
        self._envelope = replace(envelope, git_branch=span.branch)
        self._chain = Chain(view, span.tip, length=span.commits, feature=feature)
        self._replay = Replay(self._chain, branch=span.branch)

    @property
    def found(self) -> Ledger:
        """Every work package that the chain has, in the state in which it leaves it."""
        return self._replay.ledger

    def is_asked_for(self, slug: str) -> bool:
        """Whether this is of the feature."""
        return self._feature in (None, slug)

    def preview(self, first_clock: int) -> Iterator[Told]:
        """What telling the whole chain would tell, with the clocks that it would get; nothing is written.

        Raises: GitFailed.
        """
        clock = first_clock
        for retold in self._retold():
            for told in self.stamped(retold, retold.drafts, clock):
                self.outcome.count(told.event)
                yield told
            clock += len(retold.drafts)

    def tell(self, connection: Connection, clock: LamportClock, project: Project, scope: str) -> Iterator[Told]:
        """Tell the chain, and yield each event once it is in the queue.

        Raises: GitFailed, DatabaseBusy, DatabaseUnusable, ClockBusy, ClockUnwritable; what was yielded is told.
        """
        begun = find_milestone(connection, project.id, scope)
        if begun is not None and begun.is_done:
            self.outcome.was_done = True
            return
        importlib.import_module("filelock")  # 50 ms: not while others wait for the database
        writer = _Writer(self, connection, clock, project, scope, begun or Milestone(since=self._since.at))
        if begun is not None:
            self._since = replace(self._since, at=begun.since)
        piece: list[Retold] = []
        size = 0
        for retold in self._retold():
            piece.append(retold)
            size += len(retold.drafts)
            if size >= PIECE:
                yield from writer.write(piece)
                piece, size = [], 0
        yield from writer.finish(piece)

    def _retold(self) -> Iterator[Retold]:
        """Every commit that tells something which is asked for."""
        for retold in self._replay.play():
            self.outcome.place = retold.place + 1
            if retold.drafts and self._since.covers(retold.place, retold.at):
                yield retold
        self.outcome.missing = self._chain.missing
        self.outcome.is_shallow = self._chain.is_shallow

    def stamped(self, retold: Retold, drafts: list[Identified], first_clock: int) -> list[Told]:
        """The events of ``drafts``, some of a commit's, with consecutive clocks."""
        paths = {one.event_id: one.path for one in drafts}
        events = retold.events(drafts, self._envelope, first_clock)
        return [Told(event, retold.commit, paths[event.event_id]) for event in events]


def scope_of(span: Span, *, since: str | None, feature: str | None) -> str:
    """What tells one backfill of a project from another: the same question goes on where it stopped."""
    return json.dumps({"tip": span.tip, "commits": span.commits, "since": since, "feature": feature})


class _Writer:
    """Puts pieces of one backfill into queue.db, and knows which work packages it has told."""

    def __init__(
        self,
        backfill: Backfill,
        connection: Connection,
        clock: LamportClock,
        project: Project,
        scope: str,
        start: Milestone,
    ) -> None:
        self._backfill = backfill
        self._outcome = backfill.outcome
        self._connection = connection
        self._clock = clock
        self._project = project
        self._scope = scope
        self._start = start
        self._told: set[Key] = set()
        self._created: set[str] = set()
        self._is_full = False

    def write(self, piece: list[Retold]) -> list[Told]:
        """What of a piece was told now: all of it, or as much as there is room for."""
        if self._is_full:
            self._count_waiting(piece, ledger.told_before(self._connection, self._project.id))
            return []
        with write_transaction(self._connection):
            mark = self._mark()
            told, mark = ([], mark) if mark.is_done else self._put(piece, mark)
            put_milestone(self._connection, self._project.id, self._scope, mark)
        return self._counted(told)

    def finish(self, piece: list[Retold]) -> list[Told]:
        """As `write`, of the last piece; when all is told, the ledger goes to where the chain ends."""
        if self._is_full:
            return self.write(piece)
        with write_transaction(self._connection):
            mark = self._mark()
            told: list[Told] = []
            if not mark.is_done:  # unless another run was faster
                told, mark = self._put(piece, mark)
                if not self._is_full:
                    self._settle()
                    mark = replace(mark, is_done=True)
                put_milestone(self._connection, self._project.id, self._scope, mark)
        return self._counted(told)

    def _settle(self) -> None:
        """Let the ledger be where the chain ends. What an install found edited is then no longer taken as it was."""
        connection, project_id = self._connection, self._project.id
        before = ledger.everything(connection, project_id)
        after = settled(before, self._backfill.found, self._told, self._created)
        ledger.save(connection, project_id, after)
        for view in ledger.views(connection, project_id):
            taken: dict[str, None] = {}
            for path, row in ledger.base(connection, view.id).items():
                keys = [key for key in keys_in(path, row.facts) if self._backfill.is_asked_for(key[0])]
                new = [key for key in keys if after.wp(key) is None and is_untold(before, key)]
                if new or any(after.wp(key) for key in keys):
                    taken[path] = None
                ledger.forget(connection, project_id, new)
            ledger.put_base(connection, view.id, taken)

    def _mark(self) -> Milestone:
        """Where this backfill stands now: another run of it may be ahead of us."""
        return find_milestone(self._connection, self._project.id, self._scope) or self._start

    def _put(self, piece: list[Retold], mark: Milestone) -> tuple[list[Told], Milestone]:
        """Inside the transaction: queue what of the piece is not told yet and fits, and the milestone after it."""
        before = ledger.told_before(self._connection, self._project.id)
        free = max(0, queue.exact_room(self._connection) - RESERVED)
        chosen: list[tuple[Retold, list[Identified]]] = []
        for index, retold in enumerate(piece):
            done = len(retold.drafts) if retold.place < mark.next_commit else 0
            done = mark.told_of_it if retold.place == mark.next_commit else done
            open_drafts = [one for one in retold.drafts[done:] if not self._is_left_out(one, before)]
            self._note([one for one in retold.drafts[:done] if not self._is_left_out(one, before)])
            fitting = open_drafts[: free if len(retold.drafts) > ROOM or len(open_drafts) <= free else 0]
            free -= len(fitting)
            self._note(fitting)
            if fitting:
                chosen.append((retold, [_with_cause(one, before) for one in fitting]))
            if len(fitting) < len(open_drafts):
                self._is_full = True
                place = retold.drafts.index(fitting[-1]) + 1 if fitting else done
                mark = replace(mark, next_commit=retold.place, told_of_it=place)
                self._outcome.waiting += len(open_drafts) - len(fitting)
                self._count_waiting(piece[index + 1 :], before)
                break
            if retold.place >= mark.next_commit:
                mark = replace(mark, next_commit=retold.place + 1, told_of_it=0)
        return self._queue(chosen), mark

    def _note(self, drafts: list[Identified]) -> None:
        """Remember of what was told, now or by an earlier run of this backfill."""
        self._told |= {one.key for one in drafts}
        self._created |= {one.draft.feature for one in drafts if one.draft.event_type == "FeatureCreated"}

    def _queue(self, chosen: list[tuple[Retold, list[Identified]]]) -> list[Told]:
        count = sum(len(drafts) for _, drafts in chosen)
        if not count:
            return []
        first = self._clock.tick_many(count, floor=queue.highest_clock(self._connection))[0]
        told: list[Told] = []
        rows: list[TraceRow] = []
        for retold, drafts in chosen:
            own = self._backfill.stamped(retold, drafts, first)
            first += len(drafts)
            told += own
            valid = {one.event.event_id for one in own}
            rows += [
                trace_row(one.note, rule=Rule.HAND, commit=retold.commit, event_id=one.event_id, at=iso(retold.at))
                for one in drafts
                if one.note is not None and one.event_id in valid
            ]
        queue.append(self._connection, [one.event.to_dict() for one in told], queued_at=int(time.time()))
        trace.add(self._connection, self._project.id, rows)
        return told

    def _is_left_out(self, one: Identified, before: ToldBefore) -> bool:
        """Whether this would speak of a work package, or feature, of which newer things were told already."""
        feature, draft = one.draft.feature, one.draft
        if draft.event_type == "FeatureCreated":
            return feature in before.created
        if draft.event_type == "FeatureCompleted":
            return feature in before.features()
        keys = [one.key, (feature, draft.payload.get("dependency_wp_id", ""))]
        found = {key: before.wps[key] for key in keys if key in before.wps}
        self._outcome.left_out |= found
        return bool(found)

    def _count_waiting(self, piece: list[Retold], before: ToldBefore) -> None:
        for retold in piece:
            self._outcome.waiting += sum(not self._is_left_out(one, before) for one in retold.drafts)

    def _counted(self, told: list[Told]) -> list[Told]:
        for one in told:
            self._outcome.count(one.event)
        return told


def _with_cause(one: Identified, before: ToldBefore) -> Identified:
    """A work package of a feature that was told before names that event as its cause."""
    known = before.created.get(one.draft.feature)
    return replace(one, causation_id=known) if known is not None and one.draft.event_type == "WPCreated" else one
