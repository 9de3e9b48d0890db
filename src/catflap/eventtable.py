"""Events as a table for a terminal: a row each, coloured by type. Imports Rich; knows events only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from catflap.events import Event
from catflap.wording import COLOURS, by_whom, what_changed

Row = tuple[Text | str, ...]
"""Time of day, feature, work package, change, by whom, clock."""


def one_line(text: str) -> str:
    """The text as it may be printed: no line breaks, nothing that steers a terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cells(event: Event) -> tuple[str, str, str, str, str, str]:
    """A row's texts; the time is local."""
    payload = event.payload
    when = datetime.fromisoformat(event.timestamp).astimezone().strftime("%H:%M:%S")
    return (
        when,
        one_line(payload.get("feature_slug") or ""),
        str(payload.get("wp_id") or ""),
        one_line(what_changed(event)),
        one_line(by_whom(event)),
        str(event.lamport_clock),
    )


def row(event: Event) -> Row:
    """The event as a row, work package and change in the colour of its type."""
    when, feature, wp, change, who, clock = cells(event)
    style = COLOURS.get(event.event_type, "")
    return (when, Text(feature), Text(wp, style=style), Text(change, style=style), Text(who), clock)


def event_table(rows: Iterable[Row]) -> Table:
    """The rows under their heads, a line each, as wide as the terminal."""
    table = Table(expand=True)
    table.add_column("time", no_wrap=True)
    table.add_column("feature", no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column("WP", no_wrap=True)
    table.add_column("change", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("by", no_wrap=True, overflow="ellipsis", max_width=16)
    table.add_column("clock", justify="right", no_wrap=True)
    for one in rows:
        table.add_row(*one)
    return table
