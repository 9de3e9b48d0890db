"""What people write for "since when": an ISO 8601 date or time, or an age such as 3d. Reads no clock."""

from __future__ import annotations

import re
from datetime import datetime

from catflap.errors import BadInput

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_age = re.compile(r"([0-9]{1,9})\s*([smhdw])").fullmatch
_HINT = "use a date such as 2026-02-03, a time such as 2026-02-03T12:00, or an age such as 2h or 3d"


def since(text: str, now_s: float) -> float:
    """The epoch seconds that ``text`` means at ``now_s``: ``90s``, ``30m``, ``2h``, ``3d``, ``1w`` ago, or an instant.

    A date is its midnight. What names no zone is in the local one, as everywhere in git.

    Raises: BadInput.
    """
    words = text.strip()
    if (age := _age(words.lower())) is not None:
        return now_s - int(age[1]) * _SECONDS[age[2]]
    try:
        return datetime.fromisoformat(words.upper()).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadInput("look back", where=f"to {text!r:.80}", why="it is no date, time or age", hint=_HINT) from error


def age(seconds: float) -> str:
    """How long ago in one short word: ``now``, ``5m``, ``3h``, ``12d``; a clock that was set back counts as now."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit]:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return "now"
