"""Instants as text (ISO 8601, UTC) and as epoch seconds. Reads no clock."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

_FIRST_S = -62_135_596_800
_LAST_S = 253_402_300_799


@lru_cache(maxsize=16)  # the events of one commit share theirs
def iso(epoch_s: float) -> str:
    """``2026-02-03T12:00:00Z``: the instant in UTC, whole seconds; one outside of the years 1 to 9999 is the nearest.

    git keeps a date of any size, and a commit with a wrong one must be told, too.
    """
    moment = datetime.fromtimestamp(min(max(int(epoch_s), _FIRST_S), _LAST_S), UTC)
    return moment.isoformat().replace("+00:00", "Z")


def duration(start: str | None, end: str) -> str | None:
    """The ISO 8601 duration from ``start`` to ``end``; None when the start is unknown, or lies after the end."""
    if start is None:
        return None
    seconds = int(epoch_of(end) - epoch_of(start))
    if seconds < 0:
        return None
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    date = f"{days}D" if days else ""
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if n)
    return f"P{date}T{clock}" if clock else f"P{date or 'T0S'}"


def epoch_of(text: str) -> float:
    """Epoch seconds of a timestamp with zone, as events.is_timestamp accepts it; a leap second counts as the last."""
    return datetime.fromisoformat(text.upper().replace("Z", "+00:00").replace(":60", ":59")).timestamp()
