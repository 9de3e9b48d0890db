"""The transactional outbox: queue rows, announced states and the trace of one observation, written together.

Runs inside the caller's transaction, and knows no git: a HEAD move, a look at files and the emitter end here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection

from catflap import ledger, queue, trace
from catflap.announce import Envelope, announce
from catflap.announced import FeatureAnnounced, Ledger
from catflap.clock import LamportClock
from catflap.config import LOCAL_TEAM, is_kept_local
from catflap.drafts import Draft, Inference, Note, WPChange
from catflap.events import Event
from catflap.instants import iso
from catflap.ledger import Project
from catflap.moves import Move, Rule
from catflap.trace import TraceRow


@dataclass(frozen=True, slots=True)
class Judged:
    """A move and what it amounts to."""

    move: Move
    inference: Inference


def begin(connection: Connection, project_id: int, changes: Iterable[WPChange]) -> Ledger:
    """A fork of what was announced of the features that ``changes`` touch: what is told goes there."""
    changes = list(changes)
    announced = ledger.load(connection, project_id, {change.key[0] for change in changes})
    digests = {
        change.new.wp.problem.digest
        for change in changes
        if change.new.wp is not None and change.new.wp.problem is not None
    }
    log_digests = {
        f"{change.key[0]}/{change.key[1]}:{row.to_lane}"
        for change in changes
        for row in change.new.rows
        if row.status is None
    }
    announced.errors = ledger.load_errors(connection, project_id, digests | log_digests)
    return announced.fork()


def record(
    connection: Connection,
    clock: LamportClock,
    project: Project,
    judged: Sequence[Judged],
    told: Ledger,
    *,
    branch: str | None,
) -> list[Event]:
    """Queue what was judged worth telling, with ids and clock, and write the ledger and why; the events told."""
    events: list[Event] = []
    envelope = Envelope(
        node_id=clock.node_id,
        team_slug=LOCAL_TEAM,
        now_s=time.time(),
        entropy=os.urandom(10),
        project_slug=project.slug,
        git_branch=branch,
    )
    drafts = [draft for one in judged for draft in one.inference.drafts]
    shas = {id(draft): one.move.new for one in judged for draft in one.inference.drafts}
    floor = queue.highest_clock(connection) if drafts else 0
    announcement = announce(drafts, envelope, lambda count: clock.tick_many(count, floor=floor))
    events = [
        replace(event, head_commit_sha=shas[id(draft)] or None)
        for event, draft in zip(announcement.events, announcement.drafts, strict=True)
    ]
    if events and not is_kept_local(clock.path.parent, project.common_dir):
        queue.append(connection, [event.to_dict() for event in events], queued_at=int(envelope.now_s))
    _remember_created(told, events)
    ledger.save(connection, project.id, told)
    ids = {id(draft): event.event_id for draft, event in zip(announcement.drafts, events, strict=True)}
    rows = [row for one in judged for row in _trace(one, ids, iso(envelope.now_s))]
    rows += [_refused(draft, error, iso(envelope.now_s)) for draft, error in announcement.refused]
    if rows:
        trace.add(connection, project.id, rows)
    return events


def branch_of(ref: str) -> str | None:
    """The short name of a branch; None when HEAD is detached."""
    return ref.removeprefix("refs/heads/") or None


def _remember_created(told: Ledger, events: Iterable[Event]) -> None:
    """A work package that comes later names the FeatureCreated of its feature as its cause."""
    for event in events:
        if event.event_type == "FeatureCreated":
            slug = event.payload["feature_slug"]
            told.features[slug] = replace(told.feature(slug) or FeatureAnnounced(), created_id=event.event_id)


def _trace(one: Judged, ids: dict[int, str], at: str) -> Iterable[TraceRow]:
    for note in one.inference.notes:
        event_id = ids.get(id(note.draft)) if note.draft is not None else None
        yield trace_row(note, rule=one.move.rule, commit=one.move.new, event_id=event_id, at=at)


def trace_row(note: Note, *, rule: Rule, commit: str, event_id: str | None, at: str) -> TraceRow:
    """Why a fact was told (``event_id``) or held back, for `catflap explain`; ``at`` is ISO 8601."""
    return TraceRow(
        at=at,
        feature_slug=note.key[0],
        wp_id=note.key[1],
        rule=rule.value,
        outcome="told" if event_id is not None else "held",
        fact=note.fact,
        before=note.before,
        after=note.after,
        commit_sha=commit or None,
        path=note.path,
        event_id=event_id,
        note=note.why,
    )


def _refused(draft: Draft, error: Exception, at: str) -> TraceRow:
    return TraceRow(
        at=at,
        feature_slug=draft.feature,
        wp_id=draft.wp_id,
        rule="validation",
        outcome="held",
        fact=draft.event_type,
        before=None,
        after=None,
        commit_sha=None,
        path=None,
        event_id=None,
        note=str(error),
    )
