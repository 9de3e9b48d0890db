"""`catflap watch`: the watcher in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import errno
import logging
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from catflap import git, log
from catflap.clock import LamportClock
from catflap.config import home
from catflap.database import open_database
from catflap.errors import CatflapError
from catflap.events import Event
from catflap.git import View
from catflap.terminal import can_redraw, say
from catflap.watch import LOCK_WAIT_S, Report, Watcher
from catflap.watchstate import watch_lock
from catflap.wording import one_line

if TYPE_CHECKING:
    from catflap.sync.service import Service

_LOG_BYTES = 1 << 20
_LOG_FILES = 2
"""Old ones beside the log itself: three of 1 MiB in all."""


def watch(paths: Sequence[Path], *, is_polling: bool = False) -> int:
    """0 after SIGTERM or Ctrl-C; watches the worktrees of ``paths``, or all that are registered.

    Raises: AlreadyWatching, NotARepository, DatabaseBusy, DatabaseUnusable.
    """
    only = [git.locate(str(path)).worktree for path in paths]
    folder = home()
    open_database(folder / "queue.db").close()  # makes the home, or says why it cannot be used
    with watch_lock(folder), _logging_to(folder / "watch.log"), _report(folder / "queue.db") as report:
        connection = open_database(folder / "queue.db")
        try:
            clock = LamportClock.load(folder / "clock.json", floor=0, lock_timeout_s=LOCK_WAIT_S)
            with Uplink(folder, report) as uplink:
                watcher = Watcher(connection, clock, uplink, home=folder, only=only, is_polling=is_polling)
                _obey_signals(watcher)
                return watcher.run()
        finally:
            connection.close()


def _report(queue_db: Path) -> AbstractContextManager[Display]:
    """The live view on a terminal that can show one, lines anywhere else."""
    if not can_redraw():
        return nullcontext(Lines())
    from catflap.watchscreen import WatchScreen

    return WatchScreen(queue_db)


class Display(Report, Protocol):
    """Where people see what the watcher does, and how the exchange with the server goes."""

    def connection(self, state: str) -> None:
        """The connection is called this now."""


class Uplink(Report):
    """Passes the watcher's report on, and to the exchange with the server: there is one once somebody has logged in.

    Before, nothing of it is imported: httpx and websockets are 20 MB, and most watchers have nobody to tell.
    """

    def __init__(self, folder: Path, display: Display) -> None:
        self._folder, self._display = folder, display
        self._service: Service | None = None

    def __enter__(self) -> Uplink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._service is not None:
            self._service.stop()

    def views(self, views: Sequence[View], polled: Sequence[View]) -> None:
        self._display.views(views, polled)

    def told(self, events: Sequence[Event]) -> None:
        self._display.told(events)
        if self._service is not None:
            self._service.told()

    def trouble(self, place: str, why: str) -> None:
        self._display.trouble(place, why)

    def alive(self) -> None:
        if self._service is None and (self._folder / "credentials").exists():
            from catflap.sync.service import Service

            try:
                self._service = Service(self._folder, self._display)
            except CatflapError as error:  # queue.db is held, or cannot be used: the next heartbeat tries again
                self._display.trouble("sync", str(error))
            else:
                self._service.start()


class Lines(Display):
    """A line for everything, for logs and pipes."""

    def views(self, views: Sequence[View], polled: Sequence[View]) -> None:
        repositories = len({view.common_dir for view in views})
        _line(f"watching {len(views)} worktrees of {repositories} repositories")
        if not views:
            _line("no repository is registered: run `catflap install` in one")
        for view in polled:
            _line(f"{view.worktree} is polled: no events come from there")

    def told(self, events: Sequence[Event]) -> None:
        for event in events:
            _line(one_line(event))

    def trouble(self, place: str, why: str) -> None:
        _line(f"{place}: {why}")

    def connection(self, state: str) -> None:
        _line(f"connection: {state}")

    def alive(self) -> None:
        return


def _line(text: str) -> None:
    """Print a line. Where the disk under a log is full it costs the line, not the watcher: there will be room again."""
    try:
        say(text)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


def _obey_signals(watcher: Watcher) -> None:
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: watcher.stop())
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: watcher.reload())


class _logging_to:
    """The log file, for as long as the body runs."""

    def __init__(self, path: Path) -> None:
        self._handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8")
        self._handler.setLevel(logging.INFO)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self._handler)
        if not log.is_on:
            logging.getLogger("catflap").setLevel(logging.INFO)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()
