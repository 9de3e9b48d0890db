"""Each team's board as JSON text, made anew only when something happened. Knows no request; for one thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from catflap.hub import store


@dataclass(frozen=True, slots=True)
class Shown:
    """A team's board at a place of its sequence: its projects, and the first frame of a socket."""

    sequence: int
    projects: str
    snapshot: str

    @classmethod
    def of(cls, sequence: int, projects: Sequence[Mapping[str, Any]]) -> Shown:
        cards = [
            {**card, "project_slug": project["project_slug"], "feature_slug": feature["feature_slug"]}
            for project in projects
            for feature in project["features"]
            for card in feature["work_packages"]
        ]
        snapshot = {"type": "snapshot", "sequence": sequence, "work_packages": cards}
        return cls(sequence, _text(projects), _text(snapshot))


class Boards:
    """The boards that were asked for last: after a restart everybody asks at once."""

    def __init__(self) -> None:
        self._known: dict[int, Shown] = {}

    def of(self, connection: Connection, team_id: int) -> Shown:
        """The team's board as the connection sees it."""
        sequence = store.sequence_of(connection, team_id)
        known = self._known.get(team_id)
        if known is None or known.sequence != sequence:
            known = self._known[team_id] = Shown.of(sequence, store.board(connection, team_id))
        return known


def _text(value: Any) -> str:
    """Compact: clients of sockets take frames of 1 MiB, and no more by default."""
    return json.dumps(value, separators=(",", ":"))
