"""The watcher: one process that says *look at this view now* when something was saved, committed or moved there.

All decisions are the observation's. One thread, the one that runs :meth:`Watcher.run`, owns timers, views and the
database; watchdog's threads only post. What happens while nobody looks is found by a full look at each view: at
start, every five minutes, when events were lost, and after the machine slept.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Protocol

from catflap import __version__
from catflap.agenda import Agenda
from catflap.clock import LamportClock
from catflap.database import explained
from catflap.errors import CatflapError
from catflap.events import Event
from catflap.git import View
from catflap.instants import iso
from catflap.newversion import InstalledVersion
from catflap.places import Meaning, meaning
from catflap.saves import Glance, look_ahead, observe_view
from catflap.watchlist import Watchlist
from catflap.watchstate import BEAT_S, WatchState, write_state
from catflap.worktree import SETTLE_S

RECONCILE_S = 300.0
RETRY_S = 5.0
GROWING_S = (0.3, 1.0, 3.0)
"""When to look for worktrees again after one came: git makes its folders and files one by one."""
LOCK_WAIT_S = 1.0
"""How long a look waits for another process's lock: within two seconds of SIGTERM the watcher must be gone."""
AHEAD_S = 0.1
"""How long before a file is settled git is asked about it: far more than it takes."""
JUMP_S = 2.0
"""A wall clock that went this much further than the monotonic one: the machine slept."""
_MARGIN_S = 0.0003
"""A file is settled SETTLE_S after it changed; the wall clock and ours drift by less than this meanwhile."""
RESTART = 75
"""The exit code that asks a service manager to start the new version (EX_TEMPFAIL in sysexits.h)."""
_log = logging.getLogger("catflap.watch")


class Report(Protocol):
    """Who is told what the watcher does."""

    def views(self, views: Sequence[View], polled: Sequence[View]) -> None:
        """These worktrees are watched now; the ``polled`` ones by looking again and again."""

    def told(self, events: Sequence[Event]) -> None:
        """These were queued."""

    def trouble(self, place: str, why: str) -> None:
        """Something at ``place`` does not work now; it is tried again."""

    def alive(self) -> None:
        """The watcher is well, and has just looked at what is registered, or said so in its heartbeat."""


class Watcher:
    """Watches every registered repository, or those of ``only`` (paths of worktrees), until :meth:`stop`.

    ``is_polling``: no events are asked for, whatever the filesystem.
    """

    def __init__(
        self,
        connection: Connection,
        clock: LamportClock,
        report: Report,
        *,
        home: Path,
        only: Sequence[str] = (),
        is_polling: bool = False,
    ) -> None:
        self._connection, self._clock, self._report, self._home = connection, clock, report, home
        self._posts: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._list = Watchlist(
            connection,
            lambda folder, name: self._posts.put((folder, name)),
            self._trouble,
            home=home,
            only=only,
            is_polling=is_polling,
        )
        self._agenda: Agenda[str] = Agenda()
        self._ahead: Agenda[str] = Agenda()
        self._glances: dict[str, Glance] = {}
        self._stale: set[str] = set()
        self._failing: set[str] = set()
        self._stopping = threading.Event()
        self._is_reload_wanted, self._is_report_wanted = False, True
        self._reload_at: list[float] = []
        self._since = iso(time.time())
        self._offset_s = time.time() - time.monotonic()
        self._installed = InstalledVersion()
        self._exit_code = 0

    def run(self) -> int:
        """0 after :meth:`stop`, `RESTART` when a service should start the version that is on disk now."""
        try:
            self._beat()  # before anybody hears that we watch: one that is killed now is missed
            self._reload()
            beat_at, reconcile_at = 0.0, time.monotonic() + RECONCILE_S
            while not self._stopping.is_set():
                now = time.monotonic()
                if now >= beat_at:
                    self._beat()
                    beat_at = now + BEAT_S
                if now >= reconcile_at or self._has_slept() or self._list.drop_dead():
                    self._reconcile()
                    reconcile_at = now + RECONCILE_S
                self._take_posts(self._next_at(beat_at, reconcile_at) - now)
                if self._is_reload_wanted or min(self._reload_at, default=math.inf) <= time.monotonic():
                    self._reload()
                for git_dir in self._ahead.take_due(time.monotonic()):
                    self._look_ahead(git_dir)
                for git_dir in self._agenda.take_due(time.monotonic()):
                    self._look(git_dir)
                    if self._stopping.is_set():
                        break
        finally:
            self._list.close()
        return self._exit_code

    def _next_at(self, *dates: float) -> float:
        """When something is to be done next, unless a post comes before."""
        if self._is_reload_wanted:  # the last look found a view gone
            return time.monotonic()
        planned = (self._agenda.next_at(), self._ahead.next_at())
        return min(*dates, *self._reload_at, *(at for at in planned if at is not None))

    def stop(self) -> None:
        """End after the observation under way. Safe in a signal handler."""
        self._stopping.set()
        self._posts.put(("", "stop"))

    def reload(self) -> None:
        """Read the registry anew, and report what is watched. Safe in a signal handler."""
        self._is_reload_wanted = self._is_report_wanted = True
        self._posts.put(("", "reload"))

    # -- what is watched

    def _reload(self) -> None:
        """Bring views and folders in line with what is registered, and look at the views that are new."""
        self._is_reload_wanted = False
        self._report.alive()
        now = time.monotonic()
        self._reload_at = [at for at in self._reload_at if at > now]
        known = set(self._list.views)
        self._stale.clear()
        fresh = self._list.refresh()
        for git_dir in fresh:
            self._agenda.ask(git_dir, now)
        for agenda in (self._agenda, self._ahead):
            agenda.keep(self._list.views)
        self._failing &= set(self._list.views)
        self._list.mark(self._failing)
        if self._is_report_wanted or fresh or known != set(self._list.views):
            self._is_report_wanted = False
            self._report.views(list(self._list.views.values()), self._list.polled)

    # -- what happens

    def _take_posts(self, wait_s: float) -> None:
        """Wait for a post, and put what it and all others that came mean on the agenda."""
        with contextlib.suppress(queue.Empty):
            posts = {self._posts.get(timeout=max(0.0, wait_s))}
            with contextlib.suppress(queue.Empty):
                while True:
                    posts.add(self._posts.get_nowait())
            now = time.monotonic()
            for folder, name in posts:
                self._take_post(folder, name, now)

    def _take_post(self, folder: str, name: str, now: float) -> None:
        if not folder:
            if not name:
                _log.warning("events were lost (inotify queue overflow); looking at everything")
                self._reconcile()
            return
        git_dir, kind = self._list.owner(folder)
        found = meaning(kind, name)
        if found is not Meaning.NOTHING:
            self._glances.pop(git_dir, None)
        match found:
            case Meaning.MOVES:
                self._agenda.ask(git_dir, now)
            case Meaning.FILES:
                self._ask_settled(git_dir, now + SETTLE_S + _MARGIN_S)
            case Meaning.FOLDERS:
                self._stale.add(git_dir)
                self._agenda.ask(git_dir, now)
            case Meaning.VIEWS:
                self._is_reload_wanted = True
                self._reload_at = [now + delay for delay in GROWING_S]
            case Meaning.NOTHING:
                return

    def _ask_settled(self, git_dir: str, at: float) -> None:
        """Look at files when they are settled, and shortly before ask git what it knows of them."""
        self._agenda.ask(git_dir, at)
        self._ahead.ask(git_dir, at - AHEAD_S)

    def _look_ahead(self, git_dir: str) -> None:
        view = self._list.views.get(git_dir)
        if view is None or self._stale:
            return
        with contextlib.suppress(CatflapError, OSError, sqlite3.Error):  # the look itself says what is wrong
            now, now_s = time.monotonic(), time.time()
            glance = look_ahead(self._connection, view, now_s=now_s)
            if glance is not None:
                self._glances[git_dir] = glance
                if glance.wait_s:  # the file knows better than its post when it was saved
                    self._agenda.ask(git_dir, now + glance.wait_s + _MARGIN_S)

    def _look(self, git_dir: str) -> None:
        view = self._list.views.get(git_dir)
        glance = self._glances.pop(git_dir, None)
        if view is None:
            return
        with _Guard(self, view):
            if self._stale:
                self._stale.clear()
                self._list.watch_folders()
            with explained(self._home / "queue.db"):
                outcome = observe_view(
                    self._connection,
                    self._clock,
                    view,
                    home=str(self._home),
                    now_s=time.time(),
                    wait_s=LOCK_WAIT_S,
                    glance=glance,
                )
            if git_dir in self._failing:
                self._failing.discard(git_dir)
                self._list.mark(self._failing)
            if outcome is None or not os.path.isdir(view.worktree):
                self._is_reload_wanted = True
                return
            if outcome.told:
                self._report.told(outcome.told)
            if outcome.waiting:
                self._trouble(view.worktree, f"the queue is full; {outcome.waiting} changes wait")
                self._agenda.ask(git_dir, time.monotonic() + RETRY_S)
            if outcome.unsettled_s:
                self._ask_settled(git_dir, time.monotonic() + outcome.unsettled_s + _MARGIN_S)

    def failed(self, view: View, why: str, *, is_passing: bool) -> None:
        """A look failed: say so, and try again; unless it ``is_passing``, hooks do the work themselves until then."""
        self._trouble(view.worktree, why)
        if not is_passing and view.git_dir in self._list.views:
            self._failing.add(view.git_dir)
            self._list.mark(self._failing)
        self._agenda.ask(view.git_dir, time.monotonic() + RETRY_S)

    def gone(self) -> None:
        """A view was removed while we looked, as worktrees are: nothing is wrong."""
        self._is_reload_wanted = True

    def _reconcile(self) -> None:
        """A full look at each view, and at which repositories and folders there are."""
        now = time.monotonic()
        self._is_reload_wanted = True
        for git_dir in self._list.views:
            self._agenda.ask(git_dir, now)

    # -- life

    def _trouble(self, place: str, why: str) -> None:
        _log.warning("%s: %s", place, why)
        self._report.trouble(place, why)

    def _beat(self) -> None:
        self._report.alive()
        state = WatchState(
            pid=os.getpid(),
            since=self._since,
            heartbeat=iso(time.time()),
            version=__version__,
            views=len(self._list.views),
            polled=[view.worktree for view in self._list.polled],
        )
        with contextlib.suppress(OSError):  # a full disk: the next beat tries again, and looks say what is wrong
            write_state(self._home, state)
        version = self._installed.other()
        if version is not None:
            self._meet_new_version(version)

    def _meet_new_version(self, version: str) -> None:
        is_service = bool(os.environ.get("CATFLAP_SERVICE"))
        self._trouble(
            "catflap",
            f"version {version} is on disk now, {__version__} runs; {'restarting' if is_service else 'restart'}",
        )
        if is_service:
            self._exit_code = RESTART
            self._stopping.set()

    def _has_slept(self) -> bool:
        offset_s = time.time() - time.monotonic()
        slept, self._offset_s = abs(offset_s - self._offset_s) > JUMP_S, offset_s
        return slept


class _Guard:
    """Where a look's exception ends: with its place in the log, and the other repositories go on."""

    def __init__(self, watcher: Watcher, view: View) -> None:
        self._watcher, self._view = watcher, view

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if not (os.path.isdir(self._view.git_dir) and os.path.isdir(self._view.worktree)):
            _log.info("%s is gone: %s", self._view.worktree, error)
            self._watcher.gone()
            return True
        if not isinstance(error, CatflapError):
            _log.error("our bug, in %s", self._view.worktree, exc_info=error)
        is_passing = isinstance(error, CatflapError) and error.retryable
        self._watcher.failed(self._view, str(error) or type(error).__name__, is_passing=is_passing)
        return True
