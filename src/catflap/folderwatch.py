"""Says that something changed in a folder: by inotify on Linux, by watchdog's observers elsewhere. Knows no git.

On Linux watchdog's own inotify thread is used without its emitters: those take a thread per watch, and a recursive
one watches folders that do not matter. Every callback only posts: (folder, name), or a loss of events.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from catflap.errors import OutOfWatches
from catflap.places import Kind

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver, ObservedWatch
    from watchdog.observers.inotify_c import InotifyEvent

Post = Callable[[str, str], None]
"""(folder, name): ``name`` changed in ``folder``. An empty name: the folder itself; both empty: events were lost."""

POLL_S = 1.0


class FolderWatch(Protocol):
    """A set of folders under watch."""

    def watch_only(self, folders: Mapping[str, Kind]) -> None:
        """Watch these folders and no others; one that is not there is left out. Raises: OutOfWatches."""

    def is_alive(self) -> bool:
        """False when the thread that should see changes has died."""

    def close(self) -> None:
        """Stop, and give everything back."""


def folder_watch(post: Post, *, platform: str = sys.platform) -> FolderWatch:
    """The best that this system has. Raises: OutOfWatches."""
    if platform == "linux":
        return InotifyWatch(post)
    from watchdog.observers import Observer

    return ObserverWatch(post, Observer())


def polling_watch(post: Post) -> FolderWatch:
    """For filesystems that report no events: looks every `POLL_S` seconds."""
    from watchdog.observers.polling import PollingObserver

    return ObserverWatch(post, PollingObserver(timeout=POLL_S))


class InotifyWatch:
    """Folders under inotify, one watch each and one thread for all."""

    def __init__(self, post: Post) -> None:
        from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask

        flags = InotifyConstants
        self._mask = Mask(
            flags.IN_CREATE
            | flags.IN_DELETE
            | flags.IN_MOVE
            | flags.IN_MODIFY
            | flags.IN_CLOSE_WRITE
            | flags.IN_DELETE_SELF
            | flags.IN_MOVE_SELF
            | flags.IN_ONLYDIR
            | flags.IN_DONT_FOLLOW
        )
        self._post = post
        self._lock = threading.Lock()
        self._folders: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._id = CallbackId(id(self))
        try:
            self._inotify = InotifyFD()
        except OSError as error:  # EMFILE, by inotify_init(2)
            hint = "raise it: sudo sysctl fs.inotify.max_user_instances=1024"
            raise OutOfWatches("watch", why=error.strerror or str(error), hint=hint) from error
        self._inotify.start()

    def watch_only(self, folders: Mapping[str, Kind]) -> None:
        with self._lock:
            for folder, wd in list(self._folders.items()):
                if folder not in folders:
                    self._forget(wd)
            for folder in folders:
                if folder not in self._folders:
                    self._add(folder)

    def is_alive(self) -> bool:
        return self._inotify.is_alive()

    def close(self) -> None:
        self._names.clear()
        self._inotify.stop()
        self._inotify.join()

    def _add(self, folder: str) -> None:
        try:
            with warnings.catch_warnings():
                # A folder that was moved is watched already, under its old name, until we hear of its move.
                warnings.simplefilter("ignore", RuntimeWarning)
                wd = self._inotify.add_callback(os.fsencode(folder), self._mask, self, self._id)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise OutOfWatches(
                    "watch",
                    where=folder,
                    why=f"{error.strerror}",
                    hint="raise it: sudo sysctl fs.inotify.max_user_watches=524288",
                ) from error
            return  # gone meanwhile: its parent's event, or the next look, says so
        if wd == -1:  # not ours to read (EACCES), which watchdog passes over
            return
        if (stale := self._names.get(wd)) is not None and stale != folder:
            self._folders.pop(stale, None)  # the same folder under another name: it was moved
        self._folders[folder], self._names[wd] = wd, folder

    def _forget(self, wd: int) -> None:
        from watchdog.observers.inotify_c import WatchDescriptor

        self._drop(wd)
        self._inotify.remove_callbacks([(WatchDescriptor(wd), self._id)])

    def _drop(self, wd: int) -> None:
        folder = self._names.pop(wd, None)
        if folder is not None and self._folders.get(folder) == wd:
            del self._folders[folder]

    # -- called by watchdog's thread

    def on_event(self, event: InotifyEvent) -> None:
        with self._lock:
            folder = self._names.get(event.wd)
            if folder is None:
                return
            if event.is_move_self:
                # What lies below moved with it, which nobody says: another folder may have that name now.
                for name, wd in list(self._folders.items()):
                    if name == folder or name.startswith(folder + os.sep):
                        self._forget(wd)
        self._post(folder, os.fsdecode(event.name))

    def on_watch_deleted(self, wd: int) -> None:
        with self._lock:
            folder = self._names.get(wd)
            self._drop(wd)
        if folder is not None:
            self._post(folder, "")

    def on_queue_overflow(self) -> None:
        self._post("", "")


class ObserverWatch:
    """Folders under one of watchdog's observers: kitty-specs with all below it, the others by themselves."""

    def __init__(self, post: Post, observer: BaseObserver) -> None:
        self._post = post
        self._observer = observer
        self._watches: dict[str, ObservedWatch] = {}
        self._named: dict[str, str] = {}
        observer.start()

    def watch_only(self, folders: Mapping[str, Kind]) -> None:
        wanted = {folder for folder, kind in folders.items() if kind not in (Kind.FEATURE, Kind.TASKS)}
        for folder in [folder for folder in self._watches if folder not in wanted or not os.path.isdir(folder)]:
            self._observer.unschedule(self._watches.pop(folder))
        for folder in sorted(wanted - set(self._watches)):
            if os.path.isdir(folder):
                recursive = folders[folder] is Kind.SPECS
                self._watches[folder] = self._observer.schedule(
                    self,  # type: ignore[arg-type]
                    folder,
                    recursive=recursive,
                    event_filter=_wanted_events(),
                )
        self._named = {os.path.realpath(folder): folder for folder in self._watches}

    def is_alive(self) -> bool:
        return self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread."""
        for path in _paths(event):
            folder, name = os.path.split(path)
            self._post(as_watched(folder, self._named), name)


def as_watched(folder: str, named: Mapping[str, str]) -> str:
    """The folder as it was asked for; ``named`` has the names of watched folders by their real paths.

    FSEvents gives real paths: of a home in /var/folders it says /private/var/folders.
    """
    inner = folder
    while inner not in named:
        above = os.path.dirname(inner)
        if above == inner:
            return folder
        inner = above
    return named[inner] + folder[len(inner) :]


def _paths(event: FileSystemEvent) -> Iterable[str]:
    for path in (event.src_path, event.dest_path):
        if path:
            yield os.fsdecode(path)


def _wanted_events() -> list[type[FileSystemEvent]]:
    """Without opened and closed-no-write: our own reads would wake us."""
    from watchdog import events

    return [
        events.FileCreatedEvent,
        events.FileModifiedEvent,
        events.FileMovedEvent,
        events.FileDeletedEvent,
        events.FileClosedEvent,
        events.DirCreatedEvent,
        events.DirMovedEvent,
        events.DirDeletedEvent,
    ]
