"""What the body of a batch must look like, and which of its events are good. Pure: bytes in, values out.

A body that is no batch is refused as a whole. A bad event is refused alone: its neighbours go on. Each event's own
text is kept beside its value, so that it is stored and passed on as it was sent, without being written again.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from catflap.clock import MAX_REMOTE
from catflap.config import LOCAL_TEAM
from catflap.errors import InvalidEvent
from catflap.events import validate
from catflap.hub.limits import MAX_DEPTH, MAX_EVENT_CHARS, MAX_EVENTS
from catflap.hub.refusal import Refused, foreign_team

_BLANK = re.compile(r"[ \t\n\r]*")
_SIGN = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_GZIP_ONLY = 31
"""zlib's window bits for the gzip format and no other."""


class Good(NamedTuple):
    """An event that may be stored: ``text`` is its JSON, with the team that it counts for."""

    event_id: str
    event: Mapping[str, Any]
    text: str


class Bad(NamedTuple):
    """An event that is refused, and why; ``event_id`` is None where it has none."""

    event_id: str | None
    why: str


def inflate(body: bytes, *, limit_bytes: int) -> bytes:
    """The bytes that a gzip body holds; no more than the limit is ever unpacked. Raises: Refused 400 or 413."""
    stream = zlib.decompressobj(_GZIP_ONLY)
    try:
        unpacked = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise _no_batch(f"it is no gzip: {error}") from error
    if len(unpacked) > limit_bytes:
        raise too_large(f"it unpacks to more than {limit_bytes:,} bytes")
    if not stream.eof:
        raise _no_batch("its gzip ends too early")
    if stream.unused_data:
        raise _no_batch("there is more behind its gzip")
    return unpacked


def read_batch(body: bytes) -> list[tuple[Any, str]]:
    """The events of a batch in order, each as its value and its text. Raises: Refused 400 or 413."""
    try:
        events = _events(body.decode("utf-8"))
    except RecursionError as error:
        raise _no_batch("its JSON is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise _no_batch(f"it is not UTF-8: {error.reason} at byte {error.start}") from error
    except ValueError as error:
        raise _no_batch(str(error)) from error
    if events is None:
        raise _no_batch('it has no list "events"')
    return events


def read_object(body: bytes | str) -> dict[str, Any]:
    """The JSON object that `body` is, as strict as a batch. Raises: Refused 400."""
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        value, end = _scan(text, _skip(text, 0))
        if _skip(text, end) != len(text):
            raise ValueError(f"there is more after its end, at character {end}")
    except RecursionError as error:
        raise _no_object("its JSON is nested too deeply") from error
    except ValueError as error:
        raise _no_object(str(error)) from error
    if not isinstance(value, dict):
        raise _no_object("it is no object")
    return value


def judged(value: Any, text: str, *, team: str) -> Good | Bad:
    """The event, once it is known to be good for this team. Raises: Refused 403 for another team's event."""
    named = value.get("team_slug") if isinstance(value, dict) else None
    if isinstance(named, str) and named not in (team, LOCAL_TEAM, ""):
        raise foreign_team(named, team)
    event_id = value.get("event_id") if isinstance(value, dict) else None
    shown_id = event_id if isinstance(event_id, str) and len(event_id) <= 100 else None
    if len(text) > MAX_EVENT_CHARS:
        return Bad(shown_id, f"the event is longer than {MAX_EVENT_CHARS:,} characters")
    if _is_deep(value, text):
        return Bad(shown_id, f"the event is nested deeper than {MAX_DEPTH} levels")
    try:
        validate(value)
    except InvalidEvent as error:
        return Bad(shown_id, str(error))
    if value["lamport_clock"] > MAX_REMOTE:
        return Bad(shown_id, f"its lamport_clock is above {MAX_REMOTE}: every clock of the team would follow it")
    if (name := _unstorable(value)) is not None:
        return Bad(shown_id, f"its {name} holds half of a surrogate pair, which is no text")
    if named == LOCAL_TEAM:
        value = {**value, "team_slug": team}
        try:
            text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        except ValueError:
            return Bad(shown_id, "it holds a number that is too large")
    return Good(value["event_id"], value, text)


def is_same(text: str, other: str) -> bool:
    """Whether two texts of good events say the same, whatever the order of their keys."""
    return text == other or _canonical(text) == _canonical(other)


def too_large(why: str) -> Refused:
    """413: the client halves its batch."""
    return Refused(413, "take the batch", why=why, hint=f"send fewer events, at most {MAX_EVENTS:,}")


def _events(text: str) -> list[tuple[Any, str]] | None:
    """The list under "events"; None when there is none. Raises: ValueError, RecursionError, Refused 413."""
    events: list[tuple[Any, str]] | None = None
    at = _after(text, 0, "{")
    names: set[str] = set()
    while text[at : at + 1] != "}" or names:
        name, at = _scan(text, at)
        if not isinstance(name, str) or name in names:
            raise ValueError(f"the key {name!r:.60} is there twice, or is no string")
        names.add(name)
        at = _after(text, at, ":")
        if name == "events" and text[at : at + 1] == "[":
            events, at = _elements(text, at)
        else:
            _, at = _scan(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            break
        at = _after(text, at, ",")
    if _skip(text, at + 1) != len(text):
        raise ValueError(f"there is more after its end, at character {at + 1}")
    return events


def _elements(text: str, at: int) -> tuple[list[tuple[Any, str]], int]:
    """The elements of the list that begins at ``at``, and where the text goes on."""
    found: list[tuple[Any, str]] = []
    at = _after(text, at, "[")
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        value, end = _scan(text, at)
        if len(found) == MAX_EVENTS:
            raise too_large(f"it has more than {MAX_EVENTS:,} events")
        found.append((value, text[at:end]))
        sign = _SIGN.match(text, end)
        if sign is None:
            raise ValueError(f"there is no ',' and no ']' at character {end}")
        at = sign.end()
        if sign[1] == "]":
            return found, at


def _after(text: str, at: int, sign: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"there is no {sign!r} at character {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


_scan = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).raw_decode


def _is_deep(value: Any, text: str) -> bool:
    """Whether the nesting is beyond MAX_DEPTH; most texts have too few brackets to be looked into."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _within(one)]
        if not level:
            return False
    return True


def _within(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (one for one in inner if isinstance(one, (dict, list)))


def _unstorable(event: Mapping[str, Any]) -> str | None:
    """The name of a key of the board that SQLite could not keep: JSON may hold halves of surrogate pairs."""
    slugs = {"project_slug": event.get("project_slug"), "feature_slug": event["payload"].get("feature_slug")}
    for name, slug in slugs.items():
        if slug and not slug.isascii():
            try:
                slug.encode("utf-8")
            except UnicodeEncodeError:
                return name
    return None


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _no_batch(why: str) -> Refused:
    return Refused(400, "read the batch", why=why, hint='send {"events": [...]}')


def _no_object(why: str) -> Refused:
    return Refused(400, "read the request", why=why, hint="send a JSON object")
