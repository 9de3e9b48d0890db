"""A journal's entry in one line: when, where, what changed, by whom, and the decision behind it. Knows values only."""

from __future__ import annotations

from catflap.errors import InvalidEvent
from catflap.events import Event
from catflap.instants import iso
from catflap.journal import Entry, State
from catflap.wording import COLOURS, by_whom, what_changed

_SHORT_SHA = 12
_HELD_STYLE = "yellow"


def line_of(entry: Entry) -> str:
    """``2026-02-03T12:00:05Z  001-demo WP01  planned → doing  by claude  (commit 0123456789ab)``."""
    who = _by(entry)
    parts = [iso(entry.at_s), _where(entry), _change(entry), f"by {who}" if who else "", _evidence(entry)]
    return "  ".join(part for part in parts if part)


def style_of(entry: Entry) -> str:
    """Rich's style for the line: the colour of the event's type, another for what was held back."""
    if entry.state is State.HELD:
        return _HELD_STYLE
    return COLOURS.get(str(entry.event.get("event_type")), "")


def _where(entry: Entry) -> str:
    payload = entry.event.get("payload")
    wp_id = payload.get("wp_id") if isinstance(payload, dict) else None
    return " ".join(str(part) for part in (entry.feature, wp_id) if part)


def _change(entry: Entry) -> str:
    event = _valid(entry)
    words = what_changed(event) if event is not None else _partly(entry)
    if entry.state is State.HELD and entry.decision is not None:
        return f"held back: {words}: {entry.decision.note}"
    return words


def _partly(entry: Entry) -> str:
    """The change, from what the decision knows of it."""
    why = entry.decision
    if why is None:
        return f"no event: {entry.event.get('event_type', '?')}"
    match why.fact:
        case "status":
            return f"{why.before or 'unknown'} → {why.after or 'unknown'}"
        case "agent":
            return f"assigned to {why.after}"
        case "created":
            return f"created: {why.after}"
        case "error":
            return f"error: {why.after}"
        case _:
            return why.after or why.fact


def _by(entry: Entry) -> str:
    event = _valid(entry)
    return by_whom(event) if event is not None else ""


def _evidence(entry: Entry) -> str:
    """The rule, with the commit or else the file that was looked at; and where a told event is parked."""
    why = entry.decision
    words = ["parked"] if entry.state is State.PARKED else []
    if why is not None:
        words.append(f"{why.rule} {why.commit_sha[:_SHORT_SHA] if why.commit_sha else why.path or ''}".rstrip())
    return f"({', '.join(words)})" if words else ""


def _valid(entry: Entry) -> Event | None:
    if not entry.is_whole:
        return None
    try:
        return Event.from_dict(entry.event)
    except InvalidEvent:  # another program put it into the queue
        return None
