"""How far the team has been told of each fact, ours and theirs: what comes late must not move the ledger back.

The only owner of the table; begins no transaction of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sqlite3 import Connection
from typing import Any

from catflap.clock import MAX_CLOCK

Fact = tuple[str, str, str, str]
"""(project_slug, feature_slug, wp_id, event_type), '' for what an event does not name."""
Stamp = tuple[int, str]
"""(lamport_clock, node_id): the order of events that the board has too."""

MOVING = frozenset(("WPCreated", "WPStatusChanged", "WPAssigned", "FeatureCreated", "FeatureCompleted"))
"""The events that move a ledger; of the others it does not matter when they come."""


def fact_of(event: Mapping[str, Any]) -> Fact:
    """What the event, a valid one, is about."""
    payload = event["payload"]
    names = event.get("project_slug"), payload.get("feature_slug"), payload.get("wp_id")
    return (names[0] or "", names[1] or "", names[2] or "", event["event_type"])


def stamp_of(event: Mapping[str, Any]) -> Stamp:
    """When the event, a valid one, was."""
    return int(event["lamport_clock"]), event["node_id"]


def newest(connection: Connection, fact: Fact) -> Stamp:
    """The stamp of the newest event about it that the server has, as far as we know; (-1, '') for none."""
    row = connection.execute(
        "SELECT lamport_clock, node_id FROM heard "
        "WHERE project_slug = ? AND feature_slug = ? AND wp_id = ? AND event_type = ?",
        fact,
    ).fetchone()
    return (row[0], row[1]) if row is not None else (-1, "")


def note(connection: Connection, events: Iterable[Mapping[str, Any]]) -> None:
    """The server has these events. One without the fields of an event, of another program, says nothing."""
    found: dict[Fact, Stamp] = {}
    for event in events:
        if event.get("event_type") in MOVING and (fact := _fact_in(event)) is not None:
            stamp = stamp_of(event)
            if stamp > found.get(fact, (-1, "")):
                found[fact] = stamp
    connection.executemany(
        "INSERT INTO heard (project_slug, feature_slug, wp_id, event_type, lamport_clock, node_id) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project_slug, feature_slug, wp_id, event_type) DO UPDATE "
        "SET lamport_clock = excluded.lamport_clock, node_id = excluded.node_id "
        "WHERE (excluded.lamport_clock, excluded.node_id) > (lamport_clock, node_id)",
        [(*fact, *stamp) for fact, stamp in found.items()],
    )


def _fact_in(event: Mapping[str, Any]) -> Fact | None:
    payload, clock, node_id = event.get("payload"), event.get("lamport_clock"), event.get("node_id")
    if not isinstance(payload, dict) or type(clock) is not int or not 0 <= clock <= MAX_CLOCK:
        return None
    fact = fact_of(event)
    try:
        names = f"{node_id}".join(fact)
    except TypeError:  # one of them is no text
        return None
    # JSON can hold half of a surrogate pair, which UTF-8, and so SQLite, cannot.
    is_storable = names.isascii() or names.encode(errors="replace").decode() == names
    return fact if is_storable and isinstance(node_id, str) else None
