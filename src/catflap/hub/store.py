"""The teams' events and the boards that they make, in hub.db: takes a batch, answers questions. Knows no network.

One transaction holds the check for duplicates, the team's sequence, the events and the board.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from catflap.hub.flow import history
from catflap.hub.fold import (
    Board,
    Card,
    Feature,
    fold_into,
    packed,
    place_of,
    unpacked_card,
    unpacked_feature,
)
from catflap.hub.wire import Bad, Good, is_same
from catflap.instants import iso

MAX_HISTORY_EVENTS = 20_000
"""The newest events of a feature that its history is made of."""
_TOGETHER = 150
"""Rows in one statement. SQLite's step lets go of Python's lock, and then waits for it: at each row, were it one by
one, whoever reads the next batch would hold it up. 150 rows of 6 values are within every SQLite's 999 variables."""
_Row = tuple[int, int, str, int, int, str]
_ROW = "(?, ?, ?, ?, ?, ?)"
_INSERT = "INSERT INTO event (team_id, sequence, event_id, feature_id, received_at, body) VALUES "
_INSERT_MANY = _INSERT + ", ".join([_ROW] * _TOGETHER)


class Stored(NamedTuple):
    """An event as it was accepted: its place in the team, when (epoch seconds), and its JSON."""

    sequence: int
    received_at_s: int
    text: str


@dataclass(slots=True)
class Outcome:
    """What became of a batch: a result per event, in its order, and what is new."""

    results: list[dict[str, Any]] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)


def accept(connection: sqlite3.Connection, team_id: int, events: Sequence[Good | Bad], *, now_s: int) -> Outcome:
    """Store what is new and move the board by it, inside the caller's transaction."""
    outcome = Outcome()
    known = _known(connection, team_id, [one.event_id for one in events if isinstance(one, Good)])
    (sequence,) = connection.execute("SELECT sequence FROM team WHERE id = ?", (team_id,)).fetchone()
    board = _Touched(connection, team_id)
    rows: list[_Row] = []
    for one in events:
        if isinstance(one, Bad):
            outcome.results.append(_result(one.event_id, "error", one.why))
        elif (text := known.get(one.event_id)) is None:
            known[one.event_id] = one.text
            sequence += 1
            rows.append((team_id, sequence, one.event_id, board.fold(one), now_s, one.text))
            outcome.stored.append(Stored(sequence, now_s, one.text))
            outcome.results.append({"event_id": one.event_id, "status": "success"})
        elif is_same(text, one.text):
            outcome.results.append({"event_id": one.event_id, "status": "duplicate"})
        else:
            why = "another event has this event_id already; it stays as it was"
            outcome.results.append(_result(one.event_id, "error", why))
    if rows:
        board.save()
        _insert(connection, rows)
        connection.execute("UPDATE team SET sequence = ? WHERE id = ?", (sequence, team_id))
    return outcome


def sequence_of(connection: sqlite3.Connection, team_id: int) -> int:
    """The place of the team's newest event; 0 before the first."""
    return int(connection.execute("SELECT sequence FROM team WHERE id = ?", (team_id,)).fetchone()[0])


def board(connection: sqlite3.Connection, team_id: int) -> Board:
    """The team's board."""
    found = Board()
    places: dict[int, tuple[str, str]] = {}
    for feature_id, project, slug, state in connection.execute(
        "SELECT id, project_slug, feature_slug, state FROM feature WHERE team_id = ?", (team_id,)
    ):
        places[feature_id] = project, slug
        found.put(project, slug, unpacked_feature(state))
    for feature_id, wp_id, state in connection.execute(
        "SELECT feature_id, wp_id, work_package.state FROM work_package"
        " JOIN feature ON feature.id = feature_id WHERE team_id = ?",
        (team_id,),
    ):
        found.put_card(*places[feature_id], wp_id, unpacked_card(state))
    return found


def events_after(
    connection: sqlite3.Connection, team_id: int, after: int, *, limit: int, limit_bytes: int
) -> list[Stored]:
    """The team's events behind a place, oldest first: at most so many, and at least one however long it is."""
    found: list[Stored] = []
    size_bytes = 0
    for row in connection.execute(
        "SELECT sequence, received_at, body FROM event WHERE team_id = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        (team_id, after, limit),
    ):
        size_bytes += len(row[2])
        if found and size_bytes > limit_bytes:
            break
        found.append(Stored(*row))
    return found


def history_of(connection: sqlite3.Connection, team_id: int, project: str, feature: str) -> dict[str, Any]:
    """Cumulative flow and cycle times of a feature, as JSON; empty for one that nobody told of."""
    of_feature = "SELECT id FROM feature WHERE team_id = ? AND project_slug = ? AND feature_slug = ?"
    rows = connection.execute(
        f"SELECT body FROM event WHERE feature_id = ({of_feature}) ORDER BY id DESC LIMIT ?",
        (team_id, project, feature, MAX_HISTORY_EVENTS),
    )
    return history(json.loads(body) for (body,) in rows)


def as_frame(stored: Stored) -> str:
    """The event as a socket's frame (contract, The wire), with its place besides."""
    return f'{{"type":"event",{_fields(stored)}}}'


def as_json(events: Iterable[Stored]) -> str:
    """The events as a JSON list, each with its place and when it came."""
    return f"[{','.join(f'{{{_fields(one)}}}' for one in events)}]"


def _fields(stored: Stored) -> str:
    return f'"sequence":{stored.sequence},"received_at":"{iso(stored.received_at_s)}","event":{stored.text}'


def _insert(connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    whole = len(rows) - len(rows) % _TOGETHER
    for first in range(0, whole, _TOGETHER):
        connection.execute(_INSERT_MANY, list(chain.from_iterable(rows[first : first + _TOGETHER])))
    connection.executemany(_INSERT + _ROW, rows[whole:])


def _result(event_id: str | None, status: str, why: str) -> dict[str, Any]:
    return {"event_id": event_id, "status": status, "error_message": why}


def _known(connection: sqlite3.Connection, team_id: int, ids: Sequence[str]) -> dict[str, str]:
    """The texts of those events that the team has already."""
    query = "SELECT event_id, body FROM event WHERE team_id = ? AND event_id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (team_id, json.dumps(ids))))


class _Touched:
    """The part of a team's board that one batch moves: read when it is first met, written by `save`."""

    def __init__(self, connection: sqlite3.Connection, team_id: int) -> None:
        self._connection, self._team_id = connection, team_id
        self._features: dict[tuple[str, str], tuple[int, Feature]] = {}
        self._cards: dict[tuple[int, str], Card] = {}

    def fold(self, good: Good) -> int:
        """Move the board by an event; the id of its feature."""
        project, slug, wp_id = place_of(good.event)
        found = self._features.get((project, slug))
        if found is None:
            found = self._features[project, slug] = self._load(project, slug)
        feature_id, feature = found
        card: Card | None = None
        if wp_id is not None:
            card = self._cards.get((feature_id, wp_id))
            if card is None:
                card = self._cards[feature_id, wp_id] = self._load_card(feature_id, wp_id)
        fold_into(feature, card, good.event)
        return feature_id

    def save(self) -> None:
        self._connection.executemany(
            "UPDATE feature SET state = ? WHERE id = ?",
            [(packed(feature), feature_id) for feature_id, feature in self._features.values()],
        )
        self._connection.executemany(
            "INSERT INTO work_package (feature_id, wp_id, state) VALUES (?, ?, ?)"
            " ON CONFLICT (feature_id, wp_id) DO UPDATE SET state = excluded.state",
            [(feature_id, wp_id, packed(card)) for (feature_id, wp_id), card in self._cards.items()],
        )

    def _load(self, project: str, slug: str) -> tuple[int, Feature]:
        place = self._team_id, project, slug
        query = "SELECT id, state FROM feature WHERE team_id = ? AND project_slug = ? AND feature_slug = ?"
        row = self._connection.execute(query, place).fetchone()
        if row is not None:
            return row[0], unpacked_feature(row[1])
        feature = Feature()
        insert = "INSERT INTO feature (team_id, project_slug, feature_slug, state) VALUES (?, ?, ?, ?)"
        feature_id = self._connection.execute(insert, (*place, packed(feature))).lastrowid
        assert feature_id is not None
        return feature_id, feature

    def _load_card(self, feature_id: int, wp_id: str) -> Card:
        query = "SELECT state FROM work_package WHERE feature_id = ? AND wp_id = ?"
        row = self._connection.execute(query, (feature_id, wp_id)).fetchone()
        return unpacked_card(row[0]) if row is not None else Card()
