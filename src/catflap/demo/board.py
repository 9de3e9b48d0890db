"""The board: which work package is in which status, as the events tell it and as the files say it.

Two readings that must agree. Events come from the queue alone; files are read with no memory of what was before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from catflap.events import Event
from catflap.facts import Facts, Key, place, rows_by_wp
from catflap.git import SPECS
from catflap.lanelog import LaneRow, log_path, parse_log
from catflap.queue import OfflineQueue
from catflap.workpackage import MAX_BYTES, WorkPackage, parse_wp, wp_path
from catflap.worktree import as_git_names

_FIRST = "planned"
"""The status of a work package that nobody has given one yet."""
_TAKE_ABOVE = 8_000
"""Queued events above which those that were read are taken out, as a server would: the queue holds 10,000."""


class Board:
    """Statuses by work package: those at the start, moved by every event since.

    ``told`` are the work packages whose status was told. ``holes`` says where an event's previous status is not the one
    told before it.
    """

    def __init__(self, start: Mapping[Key, str | None]) -> None:
        self.statuses = {key: status or _FIRST for key, status in start.items()}
        self.touched: set[str] = set()
        self.told: set[Key] = set()
        self.completed: set[str] = set()
        self.holes: list[str] = []

    def fold(self, event: Event) -> None:
        """Move the board by one event."""
        feature = event.payload.get("feature_slug") or ""
        key = (feature, event.payload.get("wp_id") or "")
        self.touched.add(feature)
        if event.event_type in ("WPCreated", "WPStatusChanged"):
            self.told.add(key)
        if event.event_type == "WPCreated":
            self.statuses.setdefault(key, _FIRST)
        elif event.event_type == "WPStatusChanged":
            previous, new = event.payload["previous_status"], event.payload["new_status"]
            if self.statuses.get(key, _FIRST) != previous:
                self.holes.append(f"{feature} {key[1]}: {previous} → {new}, but it was {self.statuses.get(key)}")
            self.statuses[key] = new
            if new != "done":
                self.completed.discard(feature)
        elif event.event_type == "FeatureCompleted":
            self.completed.add(feature)

    def differences(self, facts: Mapping[Key, Facts]) -> dict[Key, str]:
        """Where the files say something else, in words. A file that says nothing, or is gone, contradicts nothing."""
        found = {}
        for key, own in facts.items():
            told = self.statuses.get(key, None if own.wp is not None and own.wp.readable else _FIRST)
            if own.status is not None and own.status != told:
                found[key] = f"{key[0]} {key[1]}: events say {told or 'nothing'}, its files say {own.status}"
        return found


class Files:
    """What the working tree of a repository says. A file that has not changed is not read again."""

    def __init__(self, worktree: Path) -> None:
        self._worktree = worktree
        self._known: dict[str, tuple[tuple[int, ...], WorkPackage | dict[str, tuple[LaneRow, ...]]]] = {}

    def facts(self) -> dict[Key, Facts]:
        """The facts of every work package; of two files with one id the newest-changed speaks."""
        wps: list[tuple[int, WorkPackage]] = []
        logs: dict[str, dict[str, tuple[LaneRow, ...]]] = {}
        for path, status in self._regular_files():
            found = self._read(path, (status.st_mtime_ns, status.st_size, status.st_ino))
            if isinstance(found, WorkPackage):
                wps.append((status.st_mtime_ns, found))
            else:
                logs[log_path(path) or ""] = found
        wps.sort(key=lambda pair: (pair[0], pair[1].path))
        return place([wp for _, wp in wps], logs)

    def statuses(self) -> dict[Key, str | None]:
        """The status of every work package; None where nothing states one."""
        return {key: facts.status for key, facts in self.facts().items()}

    def _regular_files(self) -> Iterator[tuple[str, os.stat_result]]:
        top = self._worktree / SPECS
        for folder, names, files in os.walk(top):
            names.sort()
            for name in sorted(files):
                full = os.path.join(folder, name)
                path = as_git_names(os.path.relpath(full, self._worktree))
                if wp_path(path) is None and log_path(path) is None:
                    continue
                status = os.lstat(full)
                if stat.S_ISREG(status.st_mode):
                    yield path, status

    def _read(self, path: str, stamp: tuple[int, ...]) -> WorkPackage | dict[str, tuple[LaneRow, ...]]:
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            with (self._worktree / path).open("rb") as file:
                is_log = log_path(path) is not None
                data = file.read() if is_log else file.read(MAX_BYTES + 1)
            known = (stamp, rows_by_wp(parse_log(data)) if is_log else parse_wp(path, data))
            self._known[path] = known
        return known[1]


class Feed:
    """The events of a queue.db, each handed out once, in queue order. ``has_taken``: some are not queued any more."""

    def __init__(self, database: Path) -> None:
        self._queue = OfflineQueue(database)
        self._last = 0
        self.has_taken = False

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.close()

    def new(self) -> list[Event]:
        """The events that came since the last call."""
        rows = self._queue.rows()
        fresh = [row for row in rows if row.id > self._last]
        self._last = max((row.id for row in fresh), default=self._last)
        if len(rows) > _TAKE_ABOVE:
            self.has_taken = True
            self._queue.mark_synced(str(row.event["event_id"]) for row in rows)
        return [Event.from_dict(row.event) for row in fresh]


def by_feature(statuses: Mapping[Key, str], features: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """For each of the features, by slug, its work package ids in each status."""
    found: dict[str, dict[str, list[str]]] = {slug: {} for slug in sorted(features)}
    for (slug, wp_id), status in sorted(statuses.items()):
        if slug in found:
            found[slug].setdefault(status, []).append(wp_id)
    return found
