"""Which steps a status may take, by the rules of the source that states it. Pure; knows tables and lane logs.

A file or a folder states one of the model's four statuses. A lane log states Spec Kitty's own lanes, which have more
steps, and any step is allowed to who forces it and says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from catflap.workpackage import normalise_wp_id

STATUS_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "planned": ("doing",),
    "doing": ("for_review",),
    "for_review": ("doing", "done"),
    "done": (),
}
"""Where a status may go: data model, State Transitions."""

LANE_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "genesis": ("planned", "canceled"),
    "planned": ("claimed", "blocked", "canceled"),
    "claimed": ("in_progress", "blocked", "canceled"),
    "in_progress": ("for_review", "approved", "planned", "blocked", "canceled"),
    "for_review": ("in_review", "approved", "done", "in_progress", "planned", "blocked", "canceled"),
    "in_review": ("approved", "done", "in_progress", "planned", "blocked", "canceled"),
    "approved": ("done", "in_progress", "planned", "blocked", "canceled"),
    "blocked": ("in_progress", "canceled"),
    "done": (),
    "canceled": (),
}
"""Where a lane may go without force in any Spec Kitty from 3.0 to 3.2; 3.2 alone sends for_review by in_review only."""


@dataclass(frozen=True, slots=True)
class LogStep:
    """One row of a lane log with both its lanes as they are written; ``line`` and ``column`` (of to_lane) from 1."""

    wp_id: str
    event_id: str
    from_lane: str
    to_lane: str
    is_forced: bool
    line: int
    column: int


def log_steps(data: bytes) -> Iterator[LogStep]:
    """The rows of a lane log that name where a work package came from, in the order of the file."""
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].split(b"\n"), 1):
        if b'"from_lane"' not in line:
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):  # no row of Spec Kitty's: lanelog.py passes over it, too
            continue
        if not isinstance(row, dict) or "event_type" in row or row.get("kind") == "annotation":
            continue
        stated = [row.get(key) for key in ("wp_id", "event_id", "from_lane", "to_lane")]
        wp_id, event_id, from_lane, to_lane = (one if isinstance(one, str) else "" for one in stated)
        known_id = normalise_wp_id(wp_id)
        if known_id is not None and event_id and to_lane:
            column = max(line.decode("utf-8").find('"to_lane"'), 0) + 1
            yield LogStep(known_id, event_id, from_lane, to_lane, row.get("force") is True, number, column)


def refusal_of_status(wp_id: str, old: str, new: str) -> str | None:
    """Why a file's status may not go from ``old`` to ``new``, and what to do; None when it may."""
    ways = STATUS_TRANSITIONS[old]
    if new == old or new in ways:
        return None
    said = f"{wp_id} goes from {old} to {new}"
    if not ways:
        return f"{said}, but {old} is final; leave it {old}, and plan new work as a new work package"
    if new in STATUS_TRANSITIONS[ways[-1]]:
        return f"{said} at once; commit the step to {_either(ways)} first"
    return f"{said}, which is no step; from {old} take it to {_either(ways)}"


def refusal_of_step(step: LogStep) -> str | None:
    """Why Spec Kitty does not allow the row of a lane log, and what to do; None when it does, or knows no such lane."""
    old, new = _canonical(step.from_lane), _canonical(step.to_lane)
    ways = LANE_TRANSITIONS.get(old)
    if step.is_forced or ways is None or new not in LANE_TRANSITIONS or new == old or new in ways:
        return None
    said = f"{step.wp_id} goes from {old} to {new}"
    if not ways:
        return f"{said}, but {old} is final; take the row out, or let Spec Kitty force it with a reason"
    return f"{said}, which is no step; take it to {_either(ways)}, or let Spec Kitty force it with a reason"


def _canonical(lane: str) -> str:
    found = "_".join(lane.strip().lower().replace("-", " ").split())
    return "in_progress" if found == "doing" else found


def _either(ways: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(ways[:-1]), ways[-1])))
