"""Which queued events may be sent, as whose, and in which bytes. Pure: events and bindings in, a request body out.

An event is sent with the session's team in place of `local`, and is the same, byte for byte, however often it is
sent: the server tells a repetition from another event by that.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from catflap.bindings import Binding
from catflap.config import LOCAL_TEAM

MAX_EVENTS = 1000
MAX_BODY_BYTES = 1 << 20
"""What a batch may have, compressed (contract, The wire). One event that is larger goes alone: the server judges it."""
MAX_PLAIN_BYTES = 4 << 20
"""What a batch may have before compression: a server has to unpack it."""
_LEVEL = 3
"""gzip's: half the time of 6, for an eighth more of bytes."""
_LOCAL = f'"team_slug":"{LOCAL_TEAM}"'
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

Bindings = Mapping[str, Sequence[Binding]]
"""Every binding by project_slug."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event as it is sent."""

    event_id: str
    text: str


def why_held(event: Mapping[str, Any], team: str, bindings: Bindings) -> str | None:
    """Why an event must not be sent to ``team``, in words; None when it may.

    Where several clones have the same project_slug, the strictest binding speaks for all.
    """
    own = event.get("team_slug")
    if own not in (LOCAL_TEAM, team):
        return f"it belongs to team {own}"
    slug = event.get("project_slug")
    for binding in bindings.get(slug, ()) if isinstance(slug, str) else ():
        if binding.is_local:
            return f"project {slug} is kept local"
        if binding.team not in (None, team):
            return f"project {slug} is bound to team {binding.team}"
    return None


def parcel_of(event_id: str, event: Mapping[str, Any], text: str, *, team: str) -> Parcel | None:
    """The queued event as ``team``'s; None when another program queued what cannot be sent under that id.

    ``text`` is its JSON. In what we wrote ourselves only the team is replaced: a third of the time of writing it anew.
    """
    if event.get("event_id") != event_id:
        return None
    if event.get("team_slug") == LOCAL_TEAM and _is_plain(text):
        return Parcel(event_id, text.replace(_LOCAL, _named(team)))
    try:
        return Parcel(event_id, _encode({**event, "team_slug": team}))
    except (ValueError, TypeError, RecursionError):  # infinite numbers, as 1e999 in JSON becomes
        return None


@lru_cache(maxsize=4)
def _named(team: str) -> str:
    return f'"team_slug":{_encode(team)}'


def _is_plain(text: str) -> bool:
    """Whether the team is named once in it, at the only place where that can be, and all of it is JSON."""
    if text.count('"team_slug"') != 1 or _LOCAL not in text:
        return False
    return "\\u" not in text and "NaN" not in text and "Infinity" not in text


def pack(parcels: Sequence[Parcel]) -> tuple[bytes, int]:
    """The gzipped body of a batch, and how many of ``parcels``, from the first on, are in it: at least one."""
    count, size = 0, 0
    for parcel in parcels[:MAX_EVENTS]:
        size += len(parcel.text) + 1
        if count and size > MAX_PLAIN_BYTES:
            break
        count += 1
    while True:
        text = f'{{"events":[{",".join(parcel.text for parcel in parcels[:count])}]}}'
        body = gzip.compress(text.encode(), _LEVEL, mtime=0)
        if len(body) <= MAX_BODY_BYTES or count == 1:
            return body, count
        count //= 2


def by_slug(bindings: Iterable[Binding]) -> Bindings:
    """The bindings of each project_slug."""
    found: dict[str, list[Binding]] = {}
    for binding in bindings:
        for slug in binding.slugs:
            found.setdefault(slug, []).append(binding)
    return found
