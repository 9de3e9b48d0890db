"""Reads a feature's lane log, ``status.events.jsonl``: who moved which work package where, and when. Knows no file.

Spec Kitty 3 appends a row per transition and other rows between them; merges and coordination worktrees shuffle them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from catflap.history import MAX_NAME, one_line, person, utc_text
from catflap.workpackage import normalise_wp_id, status_of_lane

_NAME = "status.events.jsonl"


@dataclass(frozen=True, slots=True, order=True)
class LaneRow:
    """One transition. ``at`` is UTC as text that compares as time; ``status`` is None for a lane nobody knows."""

    at: str
    event_id: str
    wp_id: str
    to_lane: str
    status: str | None
    actor: str | None


def log_path(path: str) -> str | None:
    """The feature's slug for ``kitty-specs/<feature>/status.events.jsonl``; None for any other path."""
    parts = path.split("/")
    if len(parts) != 3 or parts[0] != "kitty-specs" or parts[2] != _NAME:
        return None
    return parts[1] if parts[1] and not parts[1].startswith(".") else None


def parse_log(data: bytes) -> tuple[LaneRow, ...]:
    """The transitions in the order of (``at``, ``event_id``), each event once.

    Rows of another shape and broken lines are skipped; a last line without its newline is not there yet.
    """
    complete = data[: data.rfind(b"\n") + 1].removeprefix(b"\xef\xbb\xbf")
    rows: dict[str, LaneRow] = {}
    for line in complete.split(b"\n"):
        row = _row(line) if line.strip() else None
        if row is not None:
            rows.setdefault(row.event_id, row)
    return tuple(sorted(rows.values(), key=lambda row: (row.at, row.event_id)))


def _row(line: bytes) -> LaneRow | None:
    """The transition that the line tells; None when it tells something else."""
    try:
        fields = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested without end: no row of Spec Kitty's
        return None
    if not isinstance(fields, dict) or "event_type" in fields or fields.get("kind") == "annotation":
        return None
    wp_id, to_lane, at, event_id = (_text(fields.get(key)) for key in ("wp_id", "to_lane", "at", "event_id"))
    instant, known_id = utc_text(at), normalise_wp_id(wp_id)
    if instant is None or known_id is None or not to_lane or not event_id:
        return None
    return LaneRow(
        at=instant,
        event_id=event_id,
        wp_id=known_id,
        to_lane=to_lane,
        status=status_of_lane(to_lane),
        actor=person(fields.get("actor")),
    )


def _text(value: object) -> str:
    return one_line(value, limit=MAX_NAME) if isinstance(value, str) else ""
