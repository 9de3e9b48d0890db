"""What `catflap watch` shows on a terminal: what is watched, the last events, the queue, troubles. Imports Rich.

It has the terminal's second screen, so that what was there before is there again at the end, whatever its size is
then. One thread draws; the others, and signals, only wake it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from catflap import __version__
from catflap.errors import CatflapError
from catflap.events import Event
from catflap.eventtable import event_table, one_line, row
from catflap.git import View
from catflap.queue import CAPACITY, OfflineQueue
from catflap.watch import Report

TICK_S = 2.0
"""How often the queue is looked at while nothing else happens: other programs fill and empty it too."""
_FRAME_S = 0.1
"""The shortest time between two drawings."""
_TROUBLES = 3
_TABLE_ROWS = 4
"""Lines that the table of events takes besides its rows."""


class WatchScreen(Report):
    """The live view, for as long as the body runs; events, views and troubles come as a watcher's report."""

    def __init__(self, db_path: Path, console: Console | None = None) -> None:
        self._console = console if console is not None else Console(highlight=False)
        self._queue = OfflineQueue(db_path)
        self._lock = threading.Lock()
        self._views: list[View] = []
        self._polled: set[str] = set()
        self._events: deque[Event] = deque(maxlen=200)
        self._told = 0
        self._troubles: dict[str, str] = {}
        self._waiting: int | None = None
        self._connection = "Offline"
        # What a signal handler may put into while this very thread is in the middle of a put.
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._live = Live(
            console=self._console,
            get_renderable=self.frame,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._thread = threading.Thread(target=self._draw_on, name="watchscreen")
        self._on_resize: Any = None

    def __enter__(self) -> WatchScreen:
        if hasattr(signal, "SIGWINCH"):
            self._on_resize = signal.signal(signal.SIGWINCH, lambda *_: self._wakes.put(None))
        self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wakes.put(None)
        self._thread.join()
        if hasattr(signal, "SIGWINCH"):
            signal.signal(signal.SIGWINCH, self._on_resize)
        self._queue.close()
        with contextlib.suppress(OSError):  # the terminal was closed
            self._live.stop()
            see = "; `catflap events` lists them, `catflap board` where all stands" if self._told else ""
            self._console.print(Text(f"{_count(self._told, 'event')} told{see}"), soft_wrap=True)

    # -- the watcher's report

    def views(self, views: Sequence[View], polled: Sequence[View]) -> None:
        with self._lock:
            self._views, self._polled = list(views), {view.git_dir for view in polled}
        self._wakes.put(None)

    def told(self, events: Sequence[Event]) -> None:
        with self._lock:
            self._events.extend(events)
            self._told += len(events)
        self._wakes.put(None)

    def trouble(self, place: str, why: str) -> None:
        with self._lock:
            self._troubles.pop(place, None)
            self._troubles[place] = f"{time.strftime('%H:%M:%S')} {one_line(f'{place}: {why}')}"
        self._wakes.put(None)

    def alive(self) -> None:
        return

    def connection(self, state: str) -> None:
        with self._lock:
            self._connection = state
        self._wakes.put(None)

    # -- what is drawn

    def frame(self) -> Group:
        """All of it, in as many lines as the terminal has."""
        height = self._console.height
        with self._lock:
            views = _view_lines(self._views, self._polled, room=max(2, height // 3))
            troubles = list(self._troubles.values())[-_TROUBLES:]
            room = height - 2 - len(views) - len(troubles) - _TABLE_ROWS
            events = list(self._events)[-max(1, room) :]
            connection = self._connection
        queued = "cannot be used" if self._waiting is None else f"{self._waiting:,} of {CAPACITY:,} events"
        return Group(
            _line(f"catflap {__version__}", "bold", "  Ctrl-C ends the watch"),
            _line(f"queue: {queued}, connection: {connection}"),
            *views,
            *(_line(words, "yellow") for words in troubles),
            event_table(map(row, events)),
        )

    def _draw_on(self) -> None:
        """Draw whenever something is new, until the end."""
        is_new = True
        while not self._ended.is_set():
            waiting, size = _size(self._queue), _terminal_size(self._console)
            if is_new or (waiting, size) != (self._waiting, self._console.size):
                self._waiting, self._console.size = waiting, size
                if not self._has_drawn():
                    _end()
                    return
            self._ended.wait(_FRAME_S)
            is_new = self._has_woken()

    def _has_drawn(self) -> bool:
        """False when the terminal was closed: who sat there has left."""
        try:
            self._live.refresh()
        except OSError:  # EIO
            return False
        return self._console.is_terminal

    def _has_woken(self) -> bool:
        """Wait for a wake, and take all others with it; False when none came in a tick."""
        try:
            self._wakes.get(timeout=TICK_S)
        except queue.Empty:
            return False
        while not self._wakes.empty():
            self._wakes.get_nowait()
        return True


def _end() -> None:
    """As if somebody had ended this process by SIGTERM. Windows' `os.kill` would end it at once, locks and all."""
    if os.name == "nt":
        signal.raise_signal(signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)


def _size(waiting: OfflineQueue) -> int | None:
    try:
        return waiting.size()
    except CatflapError:  # the watcher meets the same, and says it as a trouble
        return None


def _terminal_size(console: Console) -> tuple[int, int]:
    """Columns and lines, now: Rich would believe COLUMNS and LINES, which are wrong after a resize."""
    try:
        size = os.get_terminal_size(console.file.fileno())
    except OSError:  # closed, or no terminal (a test's console)
        return console.size
    return (size.columns, size.lines) if all(size) else console.size


def _view_lines(views: Sequence[View], polled: Set[str], *, room: int) -> list[Text]:
    """A line per worktree, a repository's own first and its linked ones below it; at most ``room`` lines."""
    by_repository: dict[str, list[View]] = {}
    for view in views:
        by_repository.setdefault(view.common_dir, []).append(view)
    lines: list[Text] = []
    for own in by_repository.values():
        own.sort(key=lambda view: (view.git_dir != view.common_dir, view.worktree))
        for number, view in enumerate(own):
            path = one_line(view.worktree)
            name, indent = (path, "") if number == 0 else (_below(path, one_line(own[0].worktree)), "  ")
            line = _line(f"{indent}{name}", "bold" if number == 0 else "")
            lines.append(line.append("  polled", "yellow") if view.git_dir in polled else line)
    if len(lines) > room:
        hidden = len(lines) - room + 1
        lines[room - 1 :] = [_line(f"and {_count(hidden, 'worktree')} more", "dim")]
    return lines or [_line("no repository is registered: run `catflap install` in one", "yellow")]


def _below(path: str, top: str) -> str:
    return path.removeprefix(f"{top}/")


def _line(text: str, style: str = "", note: str = "") -> Text:
    """One line, cut where the terminal ends."""
    line = Text(text, style=style, no_wrap=True, overflow="ellipsis")
    return line.append(note, "not bold dim") if note else line


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
