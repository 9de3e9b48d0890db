"""One observation, start to end: what happened in a view since we last looked becomes events, told once.

The heart. HEAD moves are read from the reflog, judged, and written in ONE transaction: queue rows, announced
states, base, cursor, trace. A crash leaves all of it or none, and the next observation starts where the last ended.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from sqlite3 import Connection

from catflap import ledger, log, queue, worktree
from catflap.announced import Ledger
from catflap.base import Base
from catflap.clock import LamportClock
from catflap.cursor import Cursor
from catflap.database import write_transaction
from catflap.drafts import Context, Inference, WPChange
from catflap.events import Event
from catflap.facts import Facts, Key
from catflap.featuremeta import FeatureMeta
from catflap.git import View
from catflap.infer import infer, take_feature
from catflap.instants import iso
from catflap.ledger import BaseRow, Project, ViewState
from catflap.leftovers import Leftovers
from catflap.moves import Rule
from catflap.objects import Objects
from catflap.origins import mark_known
from catflap.outbox import Judged, begin, branch_of, record
from catflap.reflog import Reading, first_cursor, read_since
from catflap.trees import Step, TreeReader

_TRIES = 5


@dataclass(slots=True)
class Outcome:
    """What an observation told. ``waiting`` drafts found no room in the queue and are told later.

    ``is_quiet``: nothing is left open, so that a view whose tree does not change need not be looked at again.
    ``unsettled_s``: seconds until files that were just saved may be believed; 0 when all were.
    """

    told: list[Event] = field(default_factory=list)
    waiting: int = 0
    is_quiet: bool = True
    unsettled_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that git says about a reading, found before the database is locked.

    ``strangers`` are features that were there before but that nobody told us of, whole; ``head`` is where HEAD is now,
    which may be further than the moves that are read.
    """

    reading: Reading
    steps: list[Step | None]
    changes: list[list[WPChange]]
    features: dict[str, FeatureMeta]
    strangers: dict[str, dict[Key, Facts]]
    head: str
    is_in_hook: bool


def observe_head(
    connection: Connection,
    clock: LamportClock,
    view: View,
    *,
    hook: tuple[str, ...] = (),
    wait_s: float = 10.0,
    limit: int | None = None,
) -> Outcome | None:
    """Tell what HEAD's moves since the last look did by hand; None when the repository is not registered.

    ``hook`` is the name and the arguments of the git hook that runs, ``wait_s`` the longest wait for a lock,
    ``limit`` how many moves to read at the most.

    Raises: GitFailed, DatabaseBusy, DatabaseUnusable, ClockBusy, ClockUnwritable; then nothing has changed.
    """
    project = ledger.find_project(connection, view.common_dir)
    if project is None:
        return None
    for _ in range(_TRIES):
        state = ledger.find_view(connection, view.git_dir)
        cursor = state.cursor if state is not None else first_cursor(view)
        reading = read_since(view, cursor, hook=hook)
        asked = reading.up_to(limit) if limit is not None else reading
        if state is not None and asked.end == cursor:
            return Outcome(is_quiet=cursor.rebase is None and asked is reading)
        with Objects(view.git_dir) as objects:
            reader = TreeReader(view, objects)
            gathered = _gather(connection, project, view, reader, asked, hook[0] if hook else "", reading.end.head)
            if any(gathered.changes):
                # The clock's lock takes 50 ms to import: not while others wait for the database.
                importlib.import_module("filelock")
            with write_transaction(connection, wait_s=wait_s):
                if ledger.find_view(connection, view.git_dir) == state:
                    return _write_moves(connection, clock, project, view, reader, gathered, state)
    return Outcome(is_quiet=False)  # others observe this very view all the time: they tell it


def _gather(
    connection: Connection, project: Project, view: View, reader: TreeReader, reading: Reading, hook: str, head: str
) -> Gathered:
    steps = [reader.step(move, hook=hook) for move in reading.moves]
    found = iter(
        reader.changes(
            [step for step in steps if step is not None],
            lambda key: ledger.knows_wp(connection, project.id, key),
        )
    )
    changes = [next(found) if step is not None else [] for step in steps]
    changes = mark_known(view, ledger.views(connection, project.id), steps, changes)
    features: dict[str, FeatureMeta] = {}
    strangers: dict[str, dict[Key, Facts]] = {}
    for step, own in zip(steps, changes, strict=True):
        for slug in {change.key[0] for change in own}:
            if step is None or slug in features or ledger.knows_feature(connection, project.id, slug):
                continue
            features[slug] = reader.meta(step.new_tree, slug)
            if reader.has_feature(step.old_trees[0], slug):
                strangers[slug] = reader.feature(step.old_trees[0], slug)
    return Gathered(reading, steps, changes, features, strangers, head, is_in_hook=bool(hook))


def _write_moves(
    connection: Connection,
    clock: LamportClock,
    project: Project,
    view: View,
    reader: TreeReader,
    gathered: Gathered,
    state: ViewState | None,
) -> Outcome:
    """Inside the transaction: judge each step in turn, write what is told, move the cursor."""
    reading = gathered.reading
    rows = ledger.base(connection, state.id) if state is not None and state.cursor == reading.start else {}
    base = Base(view, reader, reading.start.head, rows)
    told = begin(connection, project.id, [change for own in gathered.changes for change in own])
    for slug, members in gathered.strangers.items():
        take_feature(told, slug, members, gathered.features.get(slug))
    outcome, cursor = Outcome(), reading.end
    free = queue.room(connection)
    judged: list[Judged] = []
    leftovers = Leftovers(base, reader.tree(gathered.head))
    every = _mark_restored(gathered.steps, gathered.changes, base)
    for index, (step, changes) in enumerate(zip(gathered.steps, every, strict=True)):
        if step is None or not changes:
            continue
        context = Context(
            rule=step.move.rule, at=iso(step.move.at), branch=branch_of(reading.end.ref), features=gathered.features
        )
        kept, out = leftovers.narrow(step.move, context, changes, told)
        inference = infer(context, kept, told)
        if len(inference.drafts) > free:
            outcome.waiting = len(inference.drafts)
            inference = what_fits(context, kept, told, free)
            outcome.waiting -= len(inference.drafts)
            cursor = reading.after[index - 1] if index else reading.start
        told.absorb(inference.ledger)
        free -= len(inference.drafts)
        judged.append(Judged(step.move, inference))
        if outcome.waiting:
            break
        leftovers.left_out += out
    if leftovers.left_out and not gathered.is_in_hook and worktree.is_arriving(view, time.time()):
        # What looks left out may be what a checkout that is under way has put there: look when HEAD has moved.
        return Outcome(is_quiet=False, unsettled_s=worktree.SETTLE_S)
    outcome.told = record(connection, clock, project, judged, told, branch=branch_of(cursor.ref))
    _note(view, gathered, outcome)
    _write_view(connection, project, view, cursor, leftovers.rows(cursor.head), rows)
    outcome.is_quiet = not outcome.waiting and cursor.rebase is None
    return outcome


def _note(view: View, gathered: Gathered, outcome: Outcome) -> None:
    if not log.is_on:
        return
    for move, changes in zip(gathered.reading.moves, gathered.changes, strict=True):
        log.note("observe", f"{view.worktree}: {move.rule.value}, {len(changes)} work packages differ: {move.label}")
    told = ", ".join(f"{event.event_type} {event.aggregate_id}" for event in outcome.told) or "nothing"
    log.note("observe", f"{view.worktree}: told {told}; no room for {outcome.waiting}")


def _write_view(
    connection: Connection,
    project: Project,
    view: View,
    cursor: Cursor,
    changed: dict[str, BaseRow | None],
    rows: dict[str, BaseRow],
) -> None:
    view_id = ledger.put_view(connection, project.id, view.git_dir, cursor)
    if not rows:
        ledger.clear_base(connection, view_id)  # of another worktree that had this name
    ledger.put_base(connection, view_id, changed)


def what_fits(context: Context, changes: Sequence[WPChange], told: Ledger, free: int) -> Inference:
    """The inference of as many work packages as the queue has room for; the others stay unannounced.

    A feature that is new goes whole or not at all: its event says how many work packages it has.
    """
    count = len(changes)
    while True:
        count = count // 2
        slug = changes[count].key[0]
        if told.feature(slug) is None:
            count = next(index for index, change in enumerate(changes) if change.key[0] == slug)
        inference = infer(context, changes[:count], told)
        if len(inference.drafts) <= free:
            return inference


def _mark_restored(steps: Sequence[Step | None], changes: list[list[WPChange]], base: Base) -> list[list[WPChange]]:
    """Mark what a reset took back and a later step of the same observation brought again, as it was in the commit
    before or as it was seen saved: nobody saw it gone.
    """
    marked = [list(own) for own in changes]
    for index, step in enumerate(steps):
        if step is None or step.move.rule is not Rule.ONTO or step.move.is_rebase:
            continue
        later = {
            change.key: change
            for after, own in zip(steps[index + 1 :], changes[index + 1 :], strict=True)
            if after is not None and after.move.rule is not Rule.SWITCH
            for change in own
        }
        marked[index] = [
            replace(change, is_restored=True) if _comes_back(change, later.get(change.key), base) else change
            for change in changes[index]
        ]
    return marked


def _comes_back(change: WPChange, later: WPChange | None, base: Base) -> bool:
    if later is None:
        return False
    news = (later.new.status, later.new.agent, later.new.newest)
    return any(
        was is not None and (was.status, was.agent, was.newest) == news for was in (change.olds[0], base.saved(change))
    )
