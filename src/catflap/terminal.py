"""Prints for people on stdout: tables and colours on a terminal, plain lines anywhere else. Knows no subject.

Rich, which obeys NO_COLOR and TERM, is imported for terminals only: it takes 35 ms.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from catflap.wording import printable

if TYPE_CHECKING:
    from rich.console import Console

Row = Sequence[str]


def say(text: str, *, style: str = "") -> None:
    """Print one line. ``style`` is Rich's, such as ``bold``, and counts on a terminal only."""
    if not _is_terminal():
        print(printable(text))
        return
    from rich.text import Text

    screen().print(Text(printable(text), style=style), soft_wrap=True)


def show_table(head: Row, rows: Sequence[Row]) -> None:
    """Print rows of equal length: a table on a terminal; elsewhere a line each, without ``head``, columns aligned."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not _is_terminal():
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(head))
    for number, name in enumerate(head):
        is_words = any(" " in row[number] for row in cells)
        table.add_column(name, overflow="fold", no_wrap=not is_words)  # an id that is cut cannot be copied
    for row in cells:
        table.add_row(*map(Text, row))
    screen().print(table)


def advise(text: str) -> None:
    """Name the next step on stderr, to a person at a terminal: a script has none, and a pipe's reader did not ask."""
    if _is_terminal() and sys.stderr is not None and sys.stderr.isatty():
        print(f"Next: {text}", file=sys.stderr)


def can_redraw() -> bool:
    """Whether stdout is a terminal where what was drawn can be drawn over."""
    return _is_terminal() and not screen().is_dumb_terminal


def size_now(console: Console) -> tuple[int, int]:
    """Columns and lines, now: Rich would believe COLUMNS and LINES, which are wrong after a resize."""
    try:
        size = os.get_terminal_size(console.file.fileno())
    except (OSError, ValueError):  # closed, or no terminal
        return console.size
    return (size.columns, size.lines) if all(size) else console.size


def say_no_more() -> None:
    """Let what Python flushes at its end go nowhere: the reader has left (docs.python.org, Note on SIGPIPE)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def screen() -> Console:
    """Rich's console on stdout."""
    return _console_class()(highlight=False)


@functools.cache
def _console_class() -> type[Console]:
    """Rich's console, but that a reader who has left (a pager, say) is the caller's affair: Rich would exit with 1."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    return Screen
