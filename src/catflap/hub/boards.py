"""Each team's board as JSON text, made anew only when something happened. Knows no request; for one thread."""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from catflap.hub import store
from catflap.hub.fold import Board


@dataclass(frozen=True, slots=True)
class Shown:
    """A team's board at a place of its sequence: its projects, and the first frame of a socket."""

    sequence: int
    projects: str
    snapshot: str

    @classmethod
    def of(cls, sequence: int, board: Board) -> Shown:
        projects = board.shown()
        snapshot = {"type": "snapshot", "sequence": sequence, "lamport_clock": board.clock()}
        cards = [
            card
            | {"project_slug": project["project_slug"], "feature_slug": feature["feature_slug"]}
            | {"told": board.told(project["project_slug"], feature["feature_slug"], card["wp_id"])}
            for project in projects
            for feature in project["features"]
            for card in feature["work_packages"]
        ]
        return cls(sequence, _text(projects), _text(snapshot | {"work_packages": cards}))


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
