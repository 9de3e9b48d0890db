"""How events make the board: each field says what the newest event about it said. Pure: events in, values out.

Newest is the highest (lamport_clock, node_id, event_id), so the board is the same for any order, grouping and
repetition of the same events (Lamport 1978: a total order from clocks, ties broken by process). What wins:

    status                  WPStatusChanged; planned before there is one
    agent, phase            WPAssigned
    title, dependencies     WPCreated
    resolved dependencies   DependencyResolved, until the dependency's status is newer
    updated                 WPCreated, WPStatusChanged, WPAssigned, HistoryAdded
    number, branch, count   FeatureCreated
    completed               FeatureCompleted, until a status that is not done is newer, or a work package that is open
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from catflap.instants import epoch_of, iso

Stamp = tuple[int, str, str]
"""(lamport_clock, node_id, event_id) of the event that said it."""
BEFORE_ALL: Stamp = (-1, "", "")
MAX_TITLE_CHARS = 1000
_OF_CARDS = frozenset(("WPStatusChanged", "WPAssigned", "WPCreated", "HistoryAdded", "DependencyResolved"))


@dataclass(slots=True)
class Card:
    """What is known of one work package; the instants are as their events have them."""

    created: Stamp = BEFORE_ALL
    created_at: str | None = None
    title: str = ""
    dependencies: list[str] = field(default_factory=list)
    moved: Stamp = BEFORE_ALL
    moved_at: str | None = None
    status: str = "planned"
    assigned: Stamp = BEFORE_ALL
    agent: str | None = None
    phase: str | None = None
    updated: Stamp = BEFORE_ALL
    updated_at: str | None = None
    updated_by: str | None = None
    resolved: dict[str, Stamp] = field(default_factory=dict)

    @property
    def is_shown(self) -> bool:
        """Whether any event said that there is such a work package; a note or a resolution alone does not."""
        return max(self.created, self.moved, self.assigned) != BEFORE_ALL


@dataclass(slots=True)
class Feature:
    """What is known of one feature itself."""

    created: Stamp = BEFORE_ALL
    created_at: str | None = None
    number: str | None = None
    target_branch: str | None = None
    wp_count: int = 0
    completed: Stamp = BEFORE_ALL
    completed_at: str | None = None
    opened: Stamp = BEFORE_ALL
    """The newest status of any of its work packages that is not done."""


def place_of(event: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """(project_slug, feature_slug, wp_id) that the event moves; a slug is empty where the event does not say."""
    payload = event["payload"]
    wp_id = payload["wp_id"] if event["event_type"] in _OF_CARDS else None
    return event.get("project_slug") or "", payload.get("feature_slug") or "", wp_id


def stamp_of(event: Mapping[str, Any]) -> Stamp:
    return int(event["lamport_clock"]), event["node_id"], event["event_id"]


def fold_into(feature: Feature, card: Card | None, event: Mapping[str, Any]) -> None:
    """Move a feature, and one of its work packages when the event is about one, by a valid event."""
    stamp, payload, kind = stamp_of(event), event["payload"], event["event_type"]
    if card is not None:
        _fold_card(card, event, stamp)
        if kind == "WPStatusChanged" and payload["new_status"] != "done":
            feature.opened = max(feature.opened, stamp)
    elif kind == "FeatureCreated" and stamp > feature.created:
        feature.created, feature.created_at = stamp, payload["created_at"]
        feature.number, feature.target_branch = payload["feature_number"], payload["target_branch"]
        feature.wp_count = int(payload["wp_count"])
    elif kind == "FeatureCompleted" and stamp > feature.completed:
        feature.completed, feature.completed_at = stamp, payload["completed_at"]


def _fold_card(card: Card, event: Mapping[str, Any], stamp: Stamp) -> None:
    payload, at = event["payload"], event["timestamp"]
    by: str | None = None
    match event["event_type"]:
        case "WPStatusChanged":
            by = payload["changed_by"]
            if stamp > card.moved:
                card.moved, card.moved_at, card.status = stamp, at, payload["new_status"]
        case "WPAssigned":
            by = payload["agent_id"]
            if stamp > card.assigned:
                card.assigned, card.agent, card.phase = stamp, payload["agent_id"], payload["phase"]
        case "WPCreated":
            if stamp > card.created:
                card.created, card.created_at = stamp, at
                card.title, card.dependencies = payload["title"], list(payload["dependencies"])
        case "HistoryAdded":
            by = payload["author"]
        case "DependencyResolved":
            name = payload["dependency_wp_id"]
            card.resolved[name] = max(card.resolved.get(name, BEFORE_ALL), stamp)
            return
    if stamp > card.updated:
        card.updated, card.updated_at, card.updated_by = stamp, at, by


# -- what the board shows


def shown_feature(slug: str, feature: Feature, cards: Mapping[str, Card]) -> dict[str, Any] | None:
    """The feature with its cards as the board's JSON; None when nobody said that there is one."""
    shown = {wp_id: card for wp_id, card in cards.items() if card.is_shown}
    if not shown and max(feature.created, feature.completed) == BEFORE_ALL:
        return None
    is_open = feature.opened > feature.completed or any(
        card.created > feature.completed and card.status != "done" for card in shown.values()
    )
    return {
        "feature_slug": slug,
        "feature_number": feature.number,
        "target_branch": feature.target_branch,
        "created_at": _utc(feature.created_at),
        "completed_at": None if is_open else _utc(feature.completed_at),
        "wp_count": max(feature.wp_count, len(shown)),
        "work_packages": [_shown_card(wp_id, shown[wp_id], shown) for wp_id in sorted(shown, key=_by_number)],
    }


def _shown_card(wp_id: str, card: Card, others: Mapping[str, Card]) -> dict[str, Any]:
    return {
        "wp_id": wp_id,
        "title": card.title[:MAX_TITLE_CHARS] or wp_id,
        "status": card.status,
        "agent": card.agent,
        "phase": card.phase,
        "dependencies": card.dependencies,
        "blocked_by": [name for name in card.dependencies if _is_blocked(card, name, others.get(name))],
        "status_since": _utc(card.moved_at or card.created_at or card.updated_at),
        "updated_at": _utc(card.updated_at),
        "updated_by": card.updated_by,
    }


def _is_blocked(card: Card, name: str, dependency: Card | None) -> bool:
    resolved = card.resolved.get(name, BEFORE_ALL)
    if dependency is None:
        return resolved == BEFORE_ALL
    return dependency.status != "done" and resolved <= dependency.moved


def _by_number(wp_id: str) -> tuple[int, str]:
    return len(wp_id), wp_id


def _utc(timestamp: str | None) -> str | None:
    """In one form, which every browser reads: ISO 8601 allows more than they do."""
    return iso(epoch_of(timestamp)) if timestamp is not None else None


# -- as text, for the database


def packed(known: Card | Feature) -> str:
    return json.dumps([getattr(known, name) for name in known.__slots__], separators=(",", ":"))


def unpacked_card(text: str) -> Card:
    card = Card(*json.loads(text))
    card.created, card.moved = _stamp(card.created), _stamp(card.moved)
    card.assigned, card.updated = _stamp(card.assigned), _stamp(card.updated)
    card.resolved = {name: _stamp(stamp) for name, stamp in card.resolved.items()}
    return card


def unpacked_feature(text: str) -> Feature:
    feature = Feature(*json.loads(text))
    feature.created, feature.completed = _stamp(feature.created), _stamp(feature.completed)
    feature.opened = _stamp(feature.opened)
    return feature


def _stamp(parts: Iterable[Any]) -> Stamp:
    clock, node_id, event_id = parts
    return clock, node_id, event_id


# -- a whole board at once


class Board:
    """Everything that a set of events says, by (project_slug, feature_slug)."""

    def __init__(self) -> None:
        self._features: dict[tuple[str, str], Feature] = {}
        self._cards: dict[tuple[str, str], dict[str, Card]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Move the board by one valid event."""
        project, slug, wp_id = place_of(event)
        key = project, slug
        cards = self._cards.setdefault(key, {})
        card = cards.setdefault(wp_id, Card()) if wp_id is not None else None
        fold_into(self._features.setdefault(key, Feature()), card, event)

    def put(self, project: str, slug: str, feature: Feature) -> None:
        self._features[project, slug] = feature

    def put_card(self, project: str, slug: str, wp_id: str, card: Card) -> None:
        self._cards.setdefault((project, slug), {})[wp_id] = card

    def clock(self) -> int:
        """The highest clock of any event that moved the board; 0 for none."""
        found = [stamp[0] for one in self._features.values() for stamp in (one.created, one.completed, one.opened)]
        for cards in self._cards.values():
            for card in cards.values():
                stamps = card.created, card.moved, card.assigned, card.updated, *card.resolved.values()
                found.append(max(stamps)[0])
        return max([0, *found])

    def told(self, project: str, slug: str, wp_id: str) -> dict[str, list[Any]]:
        """When each fact of a card was told, as [lamport_clock, node_id] by the type of its event."""
        card = self._cards[project, slug][wp_id]
        stamps = {"WPCreated": card.created, "WPStatusChanged": card.moved, "WPAssigned": card.assigned}
        return {name: list(stamp[:2]) for name, stamp in stamps.items() if stamp != BEFORE_ALL}

    def shown(self) -> list[dict[str, Any]]:
        """The board's projects as JSON."""
        projects: dict[str, list[dict[str, Any]]] = {}
        for (project, slug), feature in sorted(self._features.items(), key=lambda item: item[0]):
            found = shown_feature(slug, feature, self._cards.get((project, slug), {}))
            if found is not None:
                projects.setdefault(project, []).append(found)
        return [{"project_slug": project, "features": features} for project, features in projects.items()]
