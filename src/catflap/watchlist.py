"""Which views are watched, and by what: inotify, or polling where no events come or no watches are left.

Owns the folder watches and the marks by which hooks know that a watcher lives. Decides nothing about what happened.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection

from catflap import git, ledger, seen
from catflap.errors import GitFailed, NotARepository, OutOfWatches
from catflap.folderwatch import FolderWatch, Post, folder_watch, polling_watch
from catflap.git import View
from catflap.mounts import reports_no_events
from catflap.places import Kind, folders_of

Trouble = Callable[[str, str], None]
"""(place, why): something there does not work now."""


class Watchlist:
    """The views of every registered repository, or those of ``only`` (paths of worktrees), with their folders.

    ``is_polling``: no events are asked for, whatever the filesystem. ``post`` is called by watchdog's threads.
    """

    def __init__(
        self,
        connection: Connection,
        post: Post,
        trouble: Trouble,
        *,
        home: Path,
        only: Sequence[str] = (),
        is_polling: bool = False,
    ) -> None:
        self._connection, self._post, self._trouble = connection, post, trouble
        self._home, self._only, self._is_polling = str(home), only, is_polling
        self.views: dict[str, View] = {}
        self._silent: set[str] = set()  # views whose filesystem reports no events
        self._exceeding: set[str] = set()  # common dirs for which no inotify watches are left; empty: for nothing
        self._said: set[str] = set()  # those of which this was said already
        self._folders: dict[str, tuple[str, Kind]] = {}
        self._watches: dict[bool, FolderWatch] = {}
        self._marked: set[str] = set()

    @property
    def polled(self) -> list[View]:
        """The views that are looked at again and again, since no events come from there."""
        return [view for git_dir, view in self.views.items() if self._is_polled(git_dir)]

    def refresh(self) -> list[str]:
        """Bring the views in line with what is registered; the git dirs of those that are new, or elsewhere now.

        Where there were too few inotify watches they are asked for again: there may be more now.
        """
        found = {view.git_dir: view for view in self._registered()}
        silent = {git_dir for git_dir, view in found.items() if reports_no_events(view.worktree)}
        fresh = [
            git_dir
            for git_dir, view in found.items()
            if self.views.get(git_dir) != view or (git_dir in silent) is not (git_dir in self._silent)
        ]
        self.views, self._silent = found, silent
        self._said, self._exceeding = self._exceeding, set()
        self.watch_folders()
        return fresh

    def watch_folders(self) -> None:
        """Ask for events of every folder that matters now, those of polled views apart."""
        self._folders = {seen.changes_folder(self._home): ("", Kind.HOME)}
        for git_dir, view in self.views.items():
            with contextlib.suppress(OSError):  # a full disk: then no notes come from there, and hooks do the work
                os.makedirs(seen.notes_folder(self._home, git_dir), mode=0o700, exist_ok=True)
            for folder, kind in folders_of(view, self._home).items():
                if kind is not Kind.LINK or folder not in self._folders:
                    self._folders[folder] = (git_dir, kind)
        while not self._has_watches_for_all():
            pass
        self._ask_for(is_polled=True)

    def owner(self, folder: str) -> tuple[str, Kind]:
        """The git dir of the view that a folder belongs to, and what it is; of one that has just appeared, as well."""
        while folder not in self._folders:
            if folder == (folder := os.path.dirname(folder)):
                return "", Kind.HOME
            if folder in self._folders:
                return self._folders[folder][0], Kind.SPECS
        return self._folders[folder]

    def mark(self, failing: Collection[str]) -> None:
        """Let hooks leave notes where this system can show them that we are alive; not for the ``failing`` git dirs."""
        process = None if self._only else seen.process_mark(os.getpid())
        wanted = {view.common_dir for view in self.views.values()} if process is not None else set()
        wanted -= {self.views[git_dir].common_dir for git_dir in failing}
        for common_dir in self._marked - wanted:
            seen.unmark_watched(self._home, common_dir)
        self._marked &= wanted
        for common_dir in wanted - self._marked:
            with contextlib.suppress(OSError):  # a full disk: hooks do the work themselves until there is room
                seen.mark_watched(self._home, common_dir, str(process))
                self._marked.add(common_dir)

    def drop_dead(self) -> bool:
        """Whether a thread that should see changes had died; the next refresh starts another."""
        dead = [is_polled for is_polled, watch in self._watches.items() if not watch.is_alive()]
        for is_polled in dead:
            self._trouble("watchdog", "its thread has died; a new one is started")
            with contextlib.suppress(OSError):
                self._watches.pop(is_polled).close()
        return bool(dead)

    def close(self) -> None:
        """Give every watch and every mark back."""
        for watch in self._watches.values():
            watch.close()
        for common_dir in self._marked:
            seen.unmark_watched(self._home, common_dir)

    def _registered(self) -> Iterator[View]:
        for project in ledger.projects(self._connection):
            try:
                view = git.locate(project.path)
                views = git.worktrees(view)
            except (NotARepository, GitFailed) as error:  # moved away, or on a disk that is not there now
                self._trouble(project.path, str(error))
                continue
            wanted = [one for one in views if not self._only or one.worktree in self._only]
            yield from (one for one in wanted if one.common_dir == project.common_dir)

    def _is_polled(self, git_dir: str) -> bool:
        if self._is_polling or "" in self._exceeding:
            return True
        view = self.views.get(git_dir)
        return view is not None and (git_dir in self._silent or view.common_dir in self._exceeding)

    def _has_watches_for_all(self) -> bool:
        """Whether there are inotify watches for all that are not polled; else one repository more is polled now."""
        try:
            self._ask_for(is_polled=False)
        except OutOfWatches as error:
            view = self.views.get(self._folders.get(error.where, ("", Kind.HOME))[0])
            common_dir = view.common_dir if view is not None else ""
            self._exceeding.add(common_dir)
            if common_dir not in self._said:
                place = view.worktree if view is not None else "inotify"
                self._trouble(place, f"{error}; until then files are polled")
            return False
        return True

    def _ask_for(self, *, is_polled: bool) -> None:
        folders: Mapping[str, Kind] = {
            folder: kind for folder, (git_dir, kind) in self._folders.items() if self._is_polled(git_dir) is is_polled
        }
        if not folders:
            if (unused := self._watches.pop(is_polled, None)) is not None:
                unused.close()
            return
        if is_polled not in self._watches:
            self._watches[is_polled] = (polling_watch if is_polled else folder_watch)(self._post)
        self._watches[is_polled].watch_only(folders)
