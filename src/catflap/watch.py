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
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Protocol

from catflap import __version__, git, ledger, seen
from catflap.agenda import Agenda
from catflap.clock import LamportClock
from catflap.database import explained
from catflap.errors import CatflapError, GitFailed, NotARepository, OutOfWatches
from catflap.events import Event
from catflap.folderwatch import FolderWatch, folder_watch, polling_watch
from catflap.git import View
from catflap.instants import iso
from catflap.mounts import reports_no_events
from catflap.places import Kind, Meaning, folders_of, meaning
from catflap.saves import observe_view
from catflap.watchstate import BEAT_S, WatchState, write_state
from catflap.worktree import SETTLE_S

RECONCILE_S = 300.0
RETRY_S = 5.0
GROWING_S = (0.3, 1.0, 3.0)
"""When to look for worktrees again after one came: git makes its folders and files one by one."""
LOCK_WAIT_S = 1.0
"""How long a look waits for another process's lock: within two seconds of SIGTERM the watcher must be gone."""
JUMP_S = 2.0
"""A wall clock that went this much further than the monotonic one: the machine slept."""
_MARGIN_S = 0.001
"""A file is settled SETTLE_S after it changed; the wall clock and ours may drift by less than this meanwhile."""
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
        """Something at ``place`` cannot be looked at now; it is tried again."""


@dataclass(slots=True)
class _Watched:
    view: View
    is_polled: bool


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
        self._connection, self._clock, self._report = connection, clock, report
        self._home, self._only, self._is_polling = home, only, is_polling
        self._posts: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._agenda: Agenda[str] = Agenda()
        self._views: dict[str, _Watched] = {}
        self._folders: dict[str, tuple[str, Kind]] = {}
        self._stale: set[str] = set()
        self._marked: set[str] = set()
        self._failing: set[str] = set()
        self._watches: dict[bool, FolderWatch] = {}
        self._stopping = threading.Event()
        self._is_reload_wanted, self._is_report_wanted = False, True
        self._reload_at: list[float] = []
        self._since = iso(time.time())
        self._offset_s = time.time() - time.monotonic()
        self._code_stamp = _code_stamp()
        self._exit_code = 0

    def run(self) -> int:
        """0 after :meth:`stop`, `RESTART` when a service should start the version that is on disk now."""
        try:
            self._reload()
            self._reconcile()
            beat_at, reconcile_at = 0.0, time.monotonic() + RECONCILE_S
            while not self._stopping.is_set():
                now = time.monotonic()
                if now >= beat_at:
                    self._beat()
                    beat_at = now + BEAT_S
                if now >= reconcile_at or self._has_slept() or not self._is_seeing():
                    self._is_reload_wanted = True
                    self._reconcile()
                    reconcile_at = now + RECONCILE_S
                waits = [
                    beat_at - now,
                    reconcile_at - now,
                    self._agenda.wait_s(now),
                    *(at - now for at in self._reload_at),
                ]
                self._take_posts(min(wait for wait in waits if wait is not None))
                if self._is_reload_wanted or min(self._reload_at, default=math.inf) <= time.monotonic():
                    self._reload()
                for git_dir in self._agenda.take_due(time.monotonic()):
                    self._look(git_dir)
                    if self._stopping.is_set():
                        break
        finally:
            for watch in self._watches.values():
                watch.close()
            for common_dir in self._marked:
                seen.unmark_watched(str(self._home), common_dir)
        return self._exit_code

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
        self._reload_at = [at for at in self._reload_at if at > time.monotonic()]
        known = dict(self._views)
        found = {view.git_dir: view for view in self._registered()}
        for git_dir in [git_dir for git_dir in self._views if git_dir not in found]:
            del self._views[git_dir]
        for git_dir, view in found.items():
            is_polled = self._is_polling or reports_no_events(view.worktree)
            if self._views.get(git_dir) != _Watched(view, is_polled):
                self._views[git_dir] = _Watched(view, is_polled)
                self._agenda.ask(git_dir, time.monotonic())
        self._agenda.keep(self._views)
        self._failing &= set(self._views)
        self._watch_folders()
        self._mark()
        if self._is_report_wanted or known != self._views:
            self._is_report_wanted = False
            watched = list(self._views.values())
            self._report.views([one.view for one in watched], [one.view for one in watched if one.is_polled])

    def _registered(self) -> Iterator[View]:
        for project in ledger.projects(self._connection):
            try:
                view = git.locate(project.path)
                views = git.worktrees(view)
            except (NotARepository, GitFailed) as error:  # moved away, or on a disk that is not there now
                self._report.trouble(project.path, str(error))
                continue
            wanted = [one for one in views if not self._only or one.worktree in self._only]
            yield from (one for one in wanted if one.common_dir == project.common_dir)

    def _watch_folders(self) -> None:
        """Ask for events of every folder that matters, those of polled views apart."""
        self._stale.clear()
        self._folders = {seen.changes_folder(str(self._home)): ("", Kind.HOME)}
        for git_dir, one in self._views.items():
            with contextlib.suppress(OSError):  # a full disk: then no notes come from there, and hooks do the work
                os.makedirs(seen.notes_folder(str(self._home), git_dir), mode=0o700, exist_ok=True)
            for folder, kind in folders_of(one.view, str(self._home)).items():
                if kind is not Kind.LINK or folder not in self._folders:
                    self._folders[folder] = (git_dir, kind)
        try:
            self._ask_for(is_polled=False)
        except OutOfWatches as error:
            self._report.trouble("inotify", f"{error}; until then files are polled")
            self._is_polling = True
            for one in self._views.values():
                one.is_polled = True
            self._ask_for(is_polled=False)
        self._ask_for(is_polled=True)

    def _ask_for(self, *, is_polled: bool) -> None:
        folders: Mapping[str, Kind] = {
            folder: kind
            for folder, (git_dir, kind) in self._folders.items()
            if (self._views[git_dir].is_polled if git_dir in self._views else self._is_polling) is is_polled
        }
        if not folders:
            if (unused := self._watches.pop(is_polled, None)) is not None:
                unused.close()
            return
        if is_polled not in self._watches:
            make = polling_watch if is_polled else folder_watch
            self._watches[is_polled] = make(lambda folder, name: self._posts.put((folder, name)))
        self._watches[is_polled].watch_only(folders)

    def _mark(self) -> None:
        """Let hooks leave notes where this system can show them that we are alive; not where a look fails now."""
        process = None if self._only else seen.process_mark(os.getpid())
        failing = {self._views[git_dir].view.common_dir for git_dir in self._failing}
        wanted = {one.view.common_dir for one in self._views.values()} - failing if process is not None else set()
        for common_dir in self._marked - wanted:
            seen.unmark_watched(str(self._home), common_dir)
        self._marked &= wanted
        for common_dir in wanted - self._marked:
            with contextlib.suppress(OSError):  # a full disk: hooks do the work themselves until there is room
                seen.mark_watched(str(self._home), common_dir, str(process))
                self._marked.add(common_dir)

    def _is_seeing(self) -> bool:
        """False once a thread that should see changes has died; it is replaced at the reload that follows."""
        dead = [is_polled for is_polled, watch in self._watches.items() if not watch.is_alive()]
        for is_polled in dead:
            self._report.trouble("watchdog", "its thread has died; a new one is started")
            with contextlib.suppress(OSError):
                self._watches.pop(is_polled).close()
        return not dead

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
        git_dir, kind = self._folders.get(folder) or self._above(folder)
        match meaning(kind, name):
            case Meaning.MOVES:
                self._agenda.ask(git_dir, now)
            case Meaning.FILES:
                self._agenda.ask(git_dir, now + SETTLE_S + _MARGIN_S)
            case Meaning.FOLDERS:
                self._stale.add(git_dir)
                self._agenda.ask(git_dir, now)
            case Meaning.VIEWS:
                self._is_reload_wanted = True
                self._reload_at = [now + delay for delay in GROWING_S]
            case Meaning.NOTHING:
                return

    def _above(self, folder: str) -> tuple[str, Kind]:
        """The nearest folder above that we know: one below it has just appeared."""
        while folder != (folder := os.path.dirname(folder)):
            if folder in self._folders:
                return self._folders[folder][0], Kind.SPECS
        return "", Kind.HOME

    def _look(self, git_dir: str) -> None:
        watched = self._views.get(git_dir)
        if watched is None:
            return
        with _Guard(self, watched.view):
            if self._stale:
                self._watch_folders()
            with explained(self._home / "queue.db"):
                outcome = observe_view(
                    self._connection,
                    self._clock,
                    watched.view,
                    home=str(self._home),
                    now_s=time.time(),
                    wait_s=LOCK_WAIT_S,
                )
            if git_dir in self._failing:
                self._failing.discard(git_dir)
                self._mark()
            if outcome is None or not os.path.isdir(watched.view.worktree):
                self._is_reload_wanted = True
                return
            if outcome.told:
                self._report.told(outcome.told)
            if outcome.waiting:
                self._report.trouble(watched.view.worktree, f"the queue is full; {outcome.waiting} changes wait")
                self._agenda.ask(git_dir, time.monotonic() + RETRY_S)
            if outcome.unsettled_s:
                self._agenda.ask(git_dir, time.monotonic() + outcome.unsettled_s + _MARGIN_S)

    def failed(self, view: View, why: str, *, is_passing: bool) -> None:
        """A look failed: say so, and try again; unless it ``is_passing``, hooks do the work themselves until then."""
        self._report.trouble(view.worktree, why)
        if not is_passing and view.git_dir in self._views:
            self._failing.add(view.git_dir)
            self._mark()
        if not (os.path.isdir(view.git_dir) and os.path.isdir(view.worktree)):
            self._is_reload_wanted = True
        self._agenda.ask(view.git_dir, time.monotonic() + RETRY_S)

    def _reconcile(self) -> None:
        """A full look at each view, and at which folders there are."""
        now = time.monotonic()
        for git_dir in self._views:
            self._agenda.ask(git_dir, now)
            self._stale.add(git_dir)

    # -- life

    def _beat(self) -> None:
        state = WatchState(
            pid=os.getpid(),
            since=self._since,
            heartbeat=iso(time.time()),
            version=__version__,
            views=len(self._views),
            polled=[one.view.worktree for one in self._views.values() if one.is_polled],
        )
        with contextlib.suppress(OSError):  # a full disk: the next beat tries again, and looks say what is wrong
            write_state(self._home, state)
        stamp = _code_stamp()
        if stamp != self._code_stamp:
            self._code_stamp = stamp
            self._meet_new_version()

    def _meet_new_version(self) -> None:
        version = _version_on_disk()
        if version in (None, __version__):
            return
        is_service = bool(os.environ.get("CATFLAP_SERVICE"))
        self._report.trouble(
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
        is_gone = isinstance(error, FileNotFoundError) and not os.path.isdir(self._view.git_dir)
        if isinstance(error, CatflapError) or is_gone:  # removed while we looked
            _log.warning("%s: %s", self._view.worktree, error)
        else:
            _log.error("our bug, in %s", self._view.worktree, exc_info=error)
        is_passing = is_gone or (isinstance(error, CatflapError) and error.retryable)
        self._watcher.failed(self._view, str(error) or type(error).__name__, is_passing=is_passing)
        return True


def _code_stamp() -> tuple[int, int] | None:
    try:
        found = os.stat(Path(__file__).with_name("__init__.py"))
    except OSError:  # uninstalled while we run
        return None
    return found.st_mtime_ns, found.st_ino


def _version_on_disk() -> str | None:
    try:
        text = Path(__file__).with_name("__init__.py").read_text("utf-8")
    except OSError:
        return None
    match = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    return match[1] if match else None
