"""What queue.db still knows of what was told and what was held back: the queue's events beside the trace's decisions.

Reads the tables in one transaction, and writes none. The newest events that were sent are kept whole. One that is
older, was dropped, or is of a project kept local is known by what the trace keeps of its decision, if it had one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from sqlite3 import Connection
from typing import Any

from catflap.database import when_free
from catflap.instants import epoch_of
from catflap.ledger import Project
from catflap.queue import MAX_RETRIES
from catflap.trace import TraceRow

_SENT = -1
"""Stands for the number of refusals of an event that the server has."""
_TRACE = (
    "SELECT trace.id, project_id, slug, at, feature_slug, wp_id, rule, outcome, fact, before, after, commit_sha, "
    "trace.path, event_id, note FROM trace JOIN project ON project.id = project_id WHERE trace.id > ? ORDER BY trace.id"
)
_QUEUE = (
    "SELECT id, event_id, event_type, data, coalesce(retry_count, 0) FROM queue WHERE id > ?1 "
    f"UNION ALL SELECT id, event_id, event_type, data, {_SENT} FROM sent WHERE id > ?1 ORDER BY id"
)
_LANES = (
    "SELECT feature_slug, wp_id, rule, outcome, CASE fact WHEN 'created' THEN 'planned' ELSE after END, at FROM trace "
    "WHERE project_id = ? AND fact IN ('created', 'status') AND wp_id IS NOT NULL ORDER BY id"
)
_TIME_CHARS = 10
"""How many characters of a ULID are its time, in milliseconds."""


class State(StrEnum):
    """Where an entry's event is: in the queue (refused for good: parked), out of it, or nowhere, since it was held."""

    PENDING = "pending"
    PARKED = "parked"
    TOLD = "told"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event that was told, or one change that was held back; ``decision`` says why, where that was recorded.

    ``event`` is whole while it is queued and, for the newest, after it was sent; else, and of what was held back, it
    has the fields that the decision knows.
    """

    at_s: float
    state: State
    event: Mapping[str, Any]
    is_whole: bool
    decision: TraceRow | None = None

    @property
    def feature(self) -> str:
        """The slug of its feature; empty when it has none."""
        payload = self.event.get("payload")
        return str(payload.get("feature_slug") or "") if isinstance(payload, Mapping) else ""

    def to_dict(self) -> dict[str, Any]:
        """The event's own fields, and beside them what became of it, and why."""
        why = self.decision
        return {
            **self.event,
            "state": self.state.value,
            "is_whole": self.is_whole,
            "rule": why.rule if why is not None else None,
            "why": why.note if why is not None else None,
            "commit": why.commit_sha if why is not None else None,
            "path": why.path if why is not None else None,
        }


@dataclass(frozen=True, slots=True)
class _Decision:
    """A row of the trace with its place in it, and its project."""

    id: int
    project_id: int
    slug: str
    row: TraceRow


class Journal:
    """The entries of some projects, or of all and of none with None; each is handed out once.

    An event without a decision is known by its project_slug, which two clones share.
    """

    def __init__(self, connection: Connection, projects: Sequence[Project] | None) -> None:
        self._connection = connection
        self._ids = {project.id for project in projects} if projects is not None else None
        self._slugs = {project.slug for project in projects} if projects is not None else None
        self._traced = self._queued = 0

    def new(self) -> list[Entry]:
        """What came since the last call, in the order of time. Raises: DatabaseBusy, DatabaseUnusable."""
        decisions, rows = when_free(self._read, self._connection)
        self._traced = max((one.id for one in decisions), default=self._traced)
        self._queued = max((row[0] for row in rows), default=self._queued)
        by_event = {one.row.event_id: one for one in decisions if one.row.event_id is not None}
        found = [self._queued_entry(row, by_event.get(row[1])) for row in rows]
        queued = {row[1] for row in rows}
        found += [self._traced_entry(one) for one in decisions if one.row.event_id not in queued]
        return [entry for _, entry in sorted((pair for pair in found if pair is not None), key=lambda pair: pair[0])]

    def _read(self) -> tuple[list[_Decision], list[tuple[Any, ...]]]:
        """The new rows of both tables, as of one moment: an observation writes both in one transaction."""
        self._connection.execute("BEGIN")
        try:
            highest = self._connection.execute("SELECT coalesce(max(id), 0) FROM trace").fetchone()[0]
            # Ids below it are given again once `uninstall --purge` has taken the newest rows away.
            self._traced = min(self._traced, int(highest))
            decisions = [
                _Decision(row[0], row[1], row[2], TraceRow(*row[3:]))
                for row in self._connection.execute(_TRACE, (self._traced,))
            ]
            return decisions, self._connection.execute(_QUEUE, (self._queued,)).fetchall()
        finally:
            self._connection.execute("ROLLBACK")

    def _queued_entry(self, row: tuple[Any, ...], why: _Decision | None) -> tuple[_Place, Entry] | None:
        _, event_id, event_type, data, refusals = row
        event = _decoded(data) or {"event_id": event_id, "event_type": event_type}
        if why is not None:
            is_ours = self._ids is None or why.project_id in self._ids
        else:
            is_ours = self._slugs is None or event.get("project_slug") in self._slugs
        if not is_ours:
            return None
        state = State.TOLD if refusals == _SENT else State.PARKED if refusals >= MAX_RETRIES else State.PENDING
        at_s = _instant(event.get("timestamp"), why)
        entry = Entry(at_s, state, event, is_whole=True, decision=why.row if why is not None else None)
        return (at_s, _ulid_time(event_id), 1, row[0]), entry

    def _traced_entry(self, one: _Decision) -> tuple[_Place, Entry] | None:
        if self._ids is not None and one.project_id not in self._ids:
            return None
        at_s = epoch_of(one.row.at)
        state = State.TOLD if one.row.event_id is not None else State.HELD
        entry = Entry(at_s, state, _recollected(one.row, one.slug), is_whole=False, decision=one.row)
        # What left the queue was told before what is in it; what was held back comes last of its second.
        return (at_s, _ulid_time(one.row.event_id), 0, one.id), entry


_Place = tuple[float, str, int, int]
"""Instant, time of the id, 0 before what is still queued, place in its table."""


def lane_times(connection: Connection, project: Project) -> dict[tuple[str, str], tuple[str, str]]:
    """By (feature_slug, wp_id): the last status that the trace knows, and since when (ISO 8601).

    What was held back counts as far as the ledger may have followed it: a switch moves nothing, and what was
    announced already changes nothing. Raises: DatabaseBusy, DatabaseUnusable.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    rows = when_free(lambda: connection.execute(_LANES, (project.id,)).fetchall(), connection)
    for slug, wp_id, rule, outcome, after, at in rows:
        known = found.get((slug, wp_id))
        is_move = outcome == "told" or rule != "switch"
        if is_move and (known is None or known[0] != after):
            found[(slug, wp_id)] = (after, at)
    return found


_TYPES = {
    "created": ("WPCreated", None, "title"),
    "status": ("WPStatusChanged", "previous_status", "new_status"),
    "agent": ("WPAssigned", None, "agent_id"),
    "history": ("HistoryAdded", None, "entry_content"),
    "error": ("ErrorLogged", None, "error_message"),
}
"""By fact: the event's type, and the payload's fields that the decision has as ``before`` and ``after``."""


def _recollected(row: TraceRow, project_slug: str) -> dict[str, Any]:
    """As much of the event as the decision knows; one that was refused as not valid is named by its type."""
    event_type, before, after = _TYPES.get(row.fact, (row.fact, None, None))
    payload: dict[str, Any] = {"wp_id": row.wp_id, "feature_slug": row.feature_slug}
    payload |= {name: value for name, value in ((before, row.before), (after, row.after)) if name is not None}
    return {
        "event_id": row.event_id,
        "event_type": event_type,
        "aggregate_id": row.wp_id or row.feature_slug,
        "aggregate_type": "WorkPackage" if row.wp_id is not None else "Feature",
        "payload": payload,
        "timestamp": row.at,
        "project_slug": project_slug,
        "head_commit_sha": row.commit_sha,
    }


def _instant(timestamp: Any, why: _Decision | None) -> float:
    try:
        return epoch_of(timestamp)
    except (AttributeError, TypeError, ValueError):  # a row of another program
        return epoch_of(why.row.at) if why is not None else 0.0


def _ulid_time(event_id: str | None) -> str:
    return event_id[:_TIME_CHARS] if event_id is not None else "~"


def _decoded(data: Any) -> dict[str, Any] | None:
    try:
        event = json.loads(data)
    except (TypeError, ValueError, RecursionError):  # another program put it there
        return None
    return event if isinstance(event, dict) else None
