"""How work flowed through a feature: counts by status over time, and cycle times. Pure: events in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catflap.events import STATUSES
from catflap.hub.fold import stamp_of
from catflap.instants import epoch_of, iso

Change = tuple[float, str]
"""(epoch seconds, status)"""


def history(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Cumulative flow and cycle times, as JSON, from the valid events of one feature in any order.

    A work package's changes are in the order of their clocks; where a timestamp goes back behind the change before it
    (wall clocks differ), it counts as that one's.
    """
    changes = _changes(events)
    return {"flow": _flow(changes), "cycle_times": [one for one in map(_cycle, changes, changes.values()) if one]}


def _changes(events: Iterable[Mapping[str, Any]]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    told = [one for one in events if one["event_type"] in ("WPCreated", "WPStatusChanged")]
    for event in sorted(told, key=stamp_of):
        changes = found.setdefault(event["payload"]["wp_id"], [])
        at_s = epoch_of(event["timestamp"])
        if changes:
            at_s = max(at_s, changes[-1][0])
        if event["event_type"] == "WPStatusChanged":
            changes.append((at_s, event["payload"]["new_status"]))
        elif not changes:
            changes.append((at_s, "planned"))
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def _flow(changes: Mapping[str, list[Change]]) -> list[dict[str, Any]]:
    """A point per instant at which a count changed."""
    moves: list[tuple[float, str | None, str]] = []
    for one in changes.values():
        before: str | None = None
        for at_s, status in one:
            moves.append((at_s, before, status))
            before = status
    counts = dict.fromkeys(STATUSES, 0)
    points: dict[str, dict[str, Any]] = {}
    for at_s, before, status in sorted(moves, key=lambda move: move[0]):
        if before is not None:
            counts[before] -= 1
        counts[status] += 1
        at = iso(at_s)
        points[at] = {"at": at, **counts}
    return list(points.values())


def _cycle(wp_id: str, changes: list[Change]) -> dict[str, Any] | None:
    """From the first move out of planned to the last move to done; None as long as it is not done."""
    if changes[-1][1] != "done":
        return None
    started_s = next(at_s for at_s, status in changes if status != "planned")
    done_s = next(at_s for number, (at_s, _) in enumerate(changes) if all(s == "done" for _, s in changes[number:]))
    return {
        "wp_id": wp_id,
        "started_at": iso(started_s),
        "done_at": iso(done_s),
        "seconds": int(done_s - started_s),
    }
