"""What the demo looks like: a live table on a terminal, plain lines elsewhere, and the board. Knows values only."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from catflap.events import STATUSES, Event
from catflap.eventtable import Row, cells, event_table, one_line, row

_AROUND_ROWS = 8
"""Lines of the terminal that the live table's frame, head and prompt take."""

Lanes = Mapping[str, Mapping[str, Sequence[str]]]
"""feature → status → work package ids"""


class Screen(Console):
    """Standard output. When its reader (`| head`) has left, that is the door's affair, where Rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Show(Protocol):
    """Where a run of acts is shown, as it happens."""

    def __enter__(self) -> Show: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def act(self, number: int, title: str) -> None:
        """Something is about to happen."""

    def event(self, event: Event) -> None:
        """An event came of it."""

    def nothing(self) -> None:
        """No event came of it."""

    def said(self, line: str) -> None:
        """The hook said something to the user."""


def show_on(console: Console) -> Show:
    """The live table when the console is a terminal that can, else plain lines."""
    return LiveShow(console) if console.is_terminal and not console.is_dumb_terminal else PlainShow(console)


class PlainShow:
    """A line for each act, and one for each event below it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> PlainShow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def act(self, number: int, title: str) -> None:
        _print(self._console, f"{number:>3}. {one_line(title)}")

    def event(self, event: Event) -> None:
        when, feature, wp, change, who, clock = cells(event)
        place = f"{feature} {wp}".rstrip()
        _print(self._console, f"     {when}  {clock:>4}  {place}  {change}{f'  by {who}' if who else ''}")

    def nothing(self) -> None:
        _print(self._console, "     nothing to tell")

    def said(self, line: str) -> None:
        _print(self._console, f"     the hook says: {one_line(line)}")


class LiveShow:
    """A table that grows at its end, as many rows of it as the terminal holds; at the end all of it stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: list[Row] = []
        self._live = Live(
            console=console, get_renderable=self._window, refresh_per_second=8, transient=True, redirect_stderr=False
        )

    def __enter__(self) -> LiveShow:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if error is None:
            self._console.print(self.table())

    def act(self, number: int, title: str) -> None:
        self._rows.append(("", "", "", Text(f"{number}. {one_line(title)}", style="dim italic"), "", ""))

    def event(self, event: Event) -> None:
        self._rows.append(row(event))

    def nothing(self) -> None:
        self._rows.append(("", "", "", Text("   nothing to tell", style="dim"), "", ""))

    def said(self, line: str) -> None:
        self._rows.append(("", "", "", Text(f"   the hook says: {one_line(line)}", style="yellow"), "", ""))

    def _window(self) -> Table:
        room = max(4, self._console.height - _AROUND_ROWS)
        return self.table(last=room)

    def table(self, *, last: int = 0) -> Table:
        """The ``last`` rows so far; 0: all of them."""
        return event_table(self._rows[-last:])


def show_board(console: Console, lanes: Lanes, completed: frozenset[str]) -> None:
    """Print the board: a row per feature, a column per status; plain lines when the console is no terminal."""
    if not console.is_terminal:
        for slug, own in lanes.items():
            mark = "  completed" if slug in completed else ""
            _print(console, f"  {one_line(slug)}{mark}")
            for status in STATUSES:
                if own.get(status):
                    _print(console, f"    {status:<10}  {' '.join(own[status])}")
        return
    table = Table(title="The board", title_justify="left", show_lines=True)
    table.add_column("feature", overflow="fold")
    for status in STATUSES:
        table.add_column(status)
    for slug, own in lanes.items():
        name = Text(one_line(slug)).append("\n✓ completed" if slug in completed else "", style="green")
        table.add_row(name, *(" ".join(own.get(status, ())) for status in STATUSES))
    console.print(table)


def _print(console: Console, text: str) -> None:
    """The text as it is: no markup, no wrapping, no colours."""
    console.print(Text(text), soft_wrap=True)
