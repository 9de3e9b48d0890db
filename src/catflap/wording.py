"""An event in a person's words: what changed, by whom. Knows events only, and what may be printed of them."""

from __future__ import annotations

from catflap.events import Event

COLOURS = {
    "WPStatusChanged": "bold",
    "WPCreated": "green",
    "FeatureCreated": "bold green",
    "FeatureCompleted": "bold green",
    "DependencyResolved": "cyan",
    "ErrorLogged": "red",
}
"""Rich's style of an event, by its type."""


def what_changed(event: Event) -> str:
    """``planned → doing``, ``assigned to claude``, and the like: the change without its WP and feature."""
    payload = event.payload
    match event.event_type:
        case "WPStatusChanged":
            return f"{payload['previous_status']} → {payload['new_status']}"
        case "WPCreated":
            return f"created: {payload['title']}"
        case "WPAssigned":
            return f"assigned to {payload['agent_id']} ({payload['phase']})"
        case "HistoryAdded":
            return f"{payload['entry_type']}: {payload['entry_content']}"
        case "DependencyResolved":
            return f"no longer waits for {payload['dependency_wp_id']}"
        case "FeatureCreated":
            return f"feature created, {payload['wp_count']} work packages"
        case "FeatureCompleted":
            return f"feature completed, {payload['total_wps']} work packages"
        case _:
            return f"error: {payload.get('error_message', '')}"


def by_whom(event: Event) -> str:
    """Who changed it, as far as the event says; empty when it does not."""
    payload = event.payload
    return str(payload.get("changed_by") or payload.get("author") or payload.get("agent_id") or "")


def where(event: Event) -> str:
    """``001-demo WP01``, or the feature alone."""
    return " ".join(part for part in (event.payload.get("feature_slug"), event.payload.get("wp_id")) if part)


def one_line(event: Event) -> str:
    """The event in one line: clock, place, change, by whom."""
    who = by_whom(event)
    words = f"{where(event)}  {what_changed(event)}{f'  by {who}' if who else ''}"
    return f"{event.lamport_clock:>5}  {printable(words)}"


def printable(text: str) -> str:
    """``text`` on one line, with nothing in it that steers a terminal; columns keep their two spaces."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text)


def queue_is_full(waiting: int) -> str:
    """That so many changes found no room in the queue, and what becomes of them."""
    count = "1 change waits" if waiting == 1 else f"{waiting:,} changes wait"
    return f"the queue is full: {count} in your files, to be told once there is room; run `catflap sync now`"
