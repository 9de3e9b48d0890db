"""What the cards of a snapshot say that the team was told, as the events that would say so. Pure.

A catflap hub names with each card the stamps of the events that made it, so that what comes late is known to be older.
The cards of other servers stand for now, whenever that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from catflap.events import encode_ulid

_ANYTIME = "1970-01-01T00:00:00Z"
_NOBODY = "?"


@dataclass(frozen=True, slots=True)
class Shown:
    """Events that a snapshot stands for: ``dated`` with the stamps of those that were told, ``undated`` without."""

    dated: list[dict[str, Any]] = field(default_factory=list)
    undated: list[dict[str, Any]] = field(default_factory=list)


def events_shown(cards: Iterable[Mapping[str, Any]], *, team: str) -> Shown:
    """The events of the cards; not validated. What a card does not say clearly is left out."""
    shown = Shown()
    number = 0
    for card in cards:
        is_dated = "told" in card
        for event_type, payload in _facts(card):
            stamp = _stamp(card["told"], event_type) if is_dated else (0, _NOBODY)
            if stamp is None:  # nobody told it: a title, say, that stands in for one
                continue
            number += 1
            event = {
                "event_id": encode_ulid(0, number),
                "event_type": event_type,
                "aggregate_id": payload["wp_id"],
                "aggregate_type": "WorkPackage",
                "payload": payload,
                "node_id": stamp[1],
                "lamport_clock": stamp[0],
                "causation_id": None,
                "timestamp": _ANYTIME,
                "team_slug": team,
                "project_slug": card.get("project_slug"),
            }
            (shown.dated if is_dated else shown.undated).append(event)
    return shown


def _facts(card: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(event type, payload) of what the card says of its work package."""
    place = {"wp_id": card.get("wp_id", card.get("id")), "feature_slug": card.get("feature_slug")}
    yield "WPCreated", {**place, "title": card.get("title"), "dependencies": card.get("dependencies") or []}
    status = card.get("status")
    yield "WPStatusChanged", {**place, "previous_status": status, "new_status": status, "changed_by": _NOBODY}
    if card.get("agent") is not None:
        phase = card.get("phase") or "implementation"
        yield "WPAssigned", {**place, "agent_id": card["agent"], "phase": phase, "retry_count": 0}


def _stamp(told: Any, event_type: str) -> tuple[int, str] | None:
    match told.get(event_type) if isinstance(told, Mapping) else None:
        case [int(clock), str(node_id)] if node_id:
            return clock, node_id
    return None
