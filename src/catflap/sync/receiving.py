"""What the team's events do here: they move the clock, and the ledger of each project that they are about.

So a mate's change that a pull brings later tells nothing. Nothing received is ever queued, and no view's base moves:
the files here are as they were. Events come in any order and more than once; what is older than what the team knows
of the same fact, by (lamport_clock, node_id), moves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from catflap import heard, ledger, queue
from catflap.announced import apply_event
from catflap.bindings import Binding
from catflap.clock import MAX_REMOTE, LamportClock
from catflap.errors import InvalidEvent
from catflap.events import validate
from catflap.queue import OfflineQueue

MAX_FOLLOWED = MAX_REMOTE // 2
"""The highest clock that ours follows. Hubs take up to MAX_REMOTE: one bad sender must leave us room to count on."""


@dataclass(frozen=True, slots=True)
class Reception:
    """How many events moved a ledger; how many were none, and what was wrong with the first of them."""

    applied: int = 0
    invalid: int = 0
    why: str = ""


def receive(
    events: Sequence[Mapping[str, Any]],
    *,
    queued: OfflineQueue,
    clock: LamportClock,
    team: str,
    bindings: Mapping[str, Binding],
) -> Reception:
    """Take what ``team``'s server sent, whoever made it. The clock moves first: what is told next comes after it.

    ``bindings`` by common dir: a project that is kept local, or speaks to another team, does not listen either.

    Raises: DatabaseBusy, DatabaseUnusable, ClockBusy, ClockUnwritable; then the same events may be given again.
    """
    valid, why = [], ""
    for event in events:
        if (wrong := _why_not(event, team)) is None:
            valid.append(event)
        else:
            why = why or wrong
    others = [event for event in valid if event["node_id"] != clock.node_id]
    if others:
        clock.receive(max(int(event["lamport_clock"]) for event in others))
    applied = 0
    if valid:
        with queued.writing() as connection:
            applied = _apply(connection, others, team, bindings)
            heard.note(connection, valid)
    return Reception(applied, len(events) - len(valid), why)


def _why_not(event: Mapping[str, Any], team: str) -> str | None:
    try:
        validate(event)
        json.dumps(event, ensure_ascii=False).encode()
    except InvalidEvent as error:
        return f"{error.where}: {error.why}"
    except UnicodeEncodeError as error:  # half of a surrogate pair: JSON can hold it, SQLite's text cannot
        return str(error)
    if event["team_slug"] != team:
        return f"it is of team {event['team_slug']!r:.60}"
    if event["lamport_clock"] > MAX_FOLLOWED:
        return f"its clock is {event['lamport_clock']}"
    return None


def _apply(
    connection: Connection, events: Sequence[Mapping[str, Any]], team: str, bindings: Mapping[str, Binding]
) -> int:
    slugs = {event.get("project_slug") for event in events}
    listeners = [project for project in ledger.projects(connection) if project.slug in slugs]
    listeners = [project for project in listeners if _listens(bindings.get(project.common_dir), team)]
    if not listeners:
        return 0
    waiting = queue.highest_clocks(connection)
    fresh = [event for event in _in_order(events) if _is_news(connection, event, waiting)]
    applied: set[str] = set()
    for project in listeners:
        own = [event for event in fresh if event["project_slug"] == project.slug]
        features = {event["payload"].get("feature_slug") for event in own}
        told = ledger.load(connection, project.id, [slug for slug in features if slug]).fork()
        for event in own:
            apply_event(told, event["event_type"], event["payload"], event["event_id"])
            applied.add(event["event_id"])
        ledger.save(connection, project.id, told)
    return len(applied)


def _listens(binding: Binding | None, team: str) -> bool:
    return binding is None or (not binding.is_local and binding.team in (None, team))


def _in_order(events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each event once, in the order of stamps."""
    by_id = {event["event_id"]: event for event in events if event.get("project_slug")}
    return sorted(by_id.values(), key=heard.stamp_of)


def _is_news(connection: Connection, event: Mapping[str, Any], waiting: Mapping[heard.Fact, int]) -> bool:
    """Whether nothing newer is known of the fact, neither at the server nor in our own queue."""
    fact, stamp = heard.fact_of(event), heard.stamp_of(event)
    return stamp > heard.newest(connection, fact) and stamp[0] >= waiting.get(fact, -1)
