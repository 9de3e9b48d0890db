"""Reads what a working tree says, and when it may be believed: dirty files, settled files, operations under way."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from catflap import git
from catflap.facts import rows_by_wp
from catflap.git import View
from catflap.lanelog import LaneRow, log_path, parse_log
from catflap.workpackage import MAX_BYTES, WorkPackage, parse_wp, wp_path

SETTLE_S = 0.3
"""A file that did not change for this long is settled: design, By whose hand."""
DOUBT_S = 3.0
"""What does not parse, or went back to HEAD's content, is believed after this long."""
HELD_S = 30.0
"""The same of what went back, where the system does not tell whether a commit's hook holds the edit back meanwhile."""
TICK_S = 0.02
"""By how much the date of a file may lie before its change: the kernel's clock for dates ticks so slowly."""
UNDER_WAY = (
    "index.lock",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "BISECT_LOG",
)
_O_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Found:
    """One file in the working tree. ``changed_at`` in epoch seconds; ``stamp`` identifies this state of it."""

    data: bytes
    changed_at: float
    stamp: str


@dataclass(frozen=True, slots=True)
class Dirt:
    """Paths under kitty-specs/ that differ from ``head`` (empty before the first commit), and the unmerged ones.

    ``unstaged``: those of them that are not as the index has them. ``has_staged``: the index differs from ``head``
    somewhere there.
    """

    head: str
    paths: frozenset[str]
    unmerged: frozenset[str]
    unstaged: frozenset[str]
    has_staged: bool


def read_file(view: View, path: str, *, limit: int = MAX_BYTES) -> Found | None:
    """The file at ``path`` (relative, ``/``), its first ``limit`` + 1 bytes; None for anything but a regular file.

    A symlink in any part of the path is not followed: what it points to is not this repository's.
    """
    return read_files(view, [path], limit=limit)[path]


def read_files(view: View, paths: Iterable[str], *, limit: int = MAX_BYTES) -> dict[str, Found | None]:
    """As `read_file` for each of ``paths``; whether a folder is reached by a symlink is asked once."""
    top = os.path.realpath(view.worktree)
    is_ours: dict[str, bool] = {}
    found: dict[str, Found | None] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        full = os.path.join(view.worktree, *folder.split("/"))
        if folder not in is_ours:
            is_ours[folder] = _is_same(os.path.realpath(full), os.path.join(top, *folder.split("/")))
        found[path] = _read(os.path.join(full, name), limit) if is_ours[folder] else None
    return found


def _is_same(one: str, other: str) -> bool:
    """Whether two absolute paths are one; Windows gives a path as it is on the disk, git as somebody wrote it."""
    return os.path.normcase(one) == os.path.normcase(other)


def _read(full: str, limit: int) -> Found | None:
    if not hasattr(os, "O_NOFOLLOW") and os.path.islink(full):  # Windows: no flag says it at once
        return None
    try:
        handle = os.open(full, _O_FLAGS)
    except OSError:  # gone, a symlink (ELOOP), not ours to read: as good as not there
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            return None
        data = file.read(limit + 1)
    return Found(data=data, changed_at=max(found.st_mtime, found.st_ctime), stamp=_stamp(found))


def read_wp(view: View, path: str) -> WorkPackage | None:
    """The work package in the working tree at ``path``; None when there is no regular file."""
    found = read_file(view, path)
    return parse_wp(path, found.data) if found is not None else None


def members(view: View, feature: str) -> list[tuple[WorkPackage, float]]:
    """Every work package file of one feature, with when it changed (epoch seconds)."""
    paths = (path for path in _walk(view, f"{git.SPECS}/{feature}/tasks") if wp_path(path) is not None)
    files = ((path, read_file(view, path)) for path in paths)
    return [(parse_wp(path, found.data), found.changed_at) for path, found in files if found is not None]


def read_log(view: View, feature: str) -> dict[str, tuple[LaneRow, ...]]:
    """The lane log of a feature in the working tree, rows per work package."""
    from catflap.trees import LOG_MAX_BYTES  # it knows moves and drafts: who reads work packages alone needs neither

    found = read_file(view, f"{git.SPECS}/{feature}/{git.LANE_LOG}", limit=LOG_MAX_BYTES)
    return rows_by_wp(parse_log(found.data)) if found is not None else {}


def dirt(view: View) -> Dirt:
    """What differs from HEAD under kitty-specs/, ignored and untracked files included; work packages and logs only."""
    answer = git.ask(
        view.worktree,
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignored=traditional",
        "--",
        git.SPECS,
    )
    head, has_staged = "", False
    paths, unmerged, as_staged = set[str](), set[str](), set[str]()
    for record in answer.split("\0"):
        kind = record[:1]
        if record.startswith("# branch.oid "):
            head = record.removeprefix("# branch.oid ").replace("(initial)", "")
        path = record.split(" ", {"1": 8, "u": 10, "?": 1, "!": 1}.get(kind, 0))[-1]
        if kind in ("?", "!") and path.endswith("/"):
            paths |= set(_walk(view, path))
        elif kind in ("1", "u", "?", "!"):
            paths.add(path)
            has_staged |= kind == "1" and record[2] != "."
            if kind == "1" and record[3] == ".":
                as_staged.add(path)
            if kind == "u":
                unmerged.add(path)
    ours = frozenset(filter(is_ours, paths))
    return Dirt(head, paths=ours, unmerged=frozenset(unmerged), unstaged=ours - as_staged, has_staged=has_staged)


def is_ours(path: str) -> bool:
    """Whether catflap reads this path: a work package or a lane log."""
    return wp_path(path) is not None or log_path(path) is not None


def is_under_way(view: View) -> bool:
    """Whether a git operation is in the middle of something in this view: then no file there is anybody's word."""
    return any(os.path.exists(os.path.join(view.git_dir, name)) for name in (*UNDER_WAY, "HEAD.lock"))


def is_waiting(view: View) -> bool:
    """Whether git waits for a hand, with files that it has laid out, in the middle of a merge, a pick or the like."""
    return any(os.path.exists(os.path.join(view.git_dir, name)) for name in UNDER_WAY if not name.endswith(".lock"))


def head_moved_at(view: View) -> float:
    """When HEAD's reflog was written last, epoch seconds; infinite where no file of its own tells (reftable)."""
    try:
        return os.stat(os.path.join(view.git_dir, "logs", "HEAD")).st_mtime
    except FileNotFoundError:
        return float("inf")


def index_stamp(view: View) -> str:
    """Identifies the state of the index; empty before anything was ever added."""
    try:
        found = os.stat(os.path.join(view.git_dir, "index"))
    except FileNotFoundError:
        return ""
    return _stamp(found)


def is_arriving(view: View, since_s: float) -> bool:
    """Whether git may be bringing files here whose HEAD is yet to move: it locks the index or HEAD, or has written the
    index since shortly before ``since_s`` (epoch seconds).

    A checkout writes the files, then the index, then HEAD with its reflog (git 2.39).
    """
    if any(os.path.exists(os.path.join(view.git_dir, name)) for name in ("index.lock", "HEAD.lock")):
        return True
    try:
        written_at = os.stat(os.path.join(view.git_dir, "index")).st_mtime
    except FileNotFoundError:  # nothing was ever added
        return False
    return since_s - written_at < SETTLE_S and not _is_future(written_at)


def unsettled_for(found: Found, now_s: float, *, quiet_s: float) -> float:
    """Seconds until the file has been quiet for ``quiet_s``; 0 when it is. A date in the future counts as quiet.

    ``now_s`` is when the look began: a file that changed since then was not quiet at all.
    """
    return 0.0 if _is_future(found.changed_at) else max(0.0, quiet_s - (now_s - found.changed_at))


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _is_future(at_s: float) -> bool:
    """Whether no clock here can have given this date: another machine's did, or a hand."""
    return at_s > time.time() + 1.0


def newest_last(wps: Iterable[tuple[WorkPackage, float]]) -> list[WorkPackage]:
    """Work packages sorted by when their files changed: of two with one id the newest-changed speaks."""
    return [wp for wp, _ in sorted(wps, key=lambda pair: pair[1])]


def is_committing(view: View, processes: str = "/proc") -> bool | None:
    """Whether a `git commit` runs in this worktree: its hooks (pre-commit's stash) may hold edits back for a while.

    Linux tells through /proc; None elsewhere, where the caller waits longer.
    """
    if not os.path.isdir(os.path.join(processes, "self")):
        return None
    worktree = os.path.realpath(view.worktree)
    for pid in filter(str.isdigit, os.listdir(processes)):
        try:
            with open(os.path.join(processes, pid, "cmdline"), "rb") as file:
                words = file.read().split(b"\0")
            is_git = os.path.basename(words[0]) in (b"git", b"git.exe")
            if is_git and b"commit" in words and _may_work_in(os.path.join(processes, pid), worktree):
                return True
        except OSError:  # the process ended meanwhile, or belongs to somebody else
            continue
    return False


def _may_work_in(process: str, folder: str) -> bool:
    """Whether the process, a folder of /proc, has this working folder. Raises: OSError when it ended meanwhile.

    From a user namespace (a guarded service) the system does not tell that of a process outside, even of one's own.
    """
    try:
        return os.readlink(os.path.join(process, "cwd")) == folder
    except PermissionError:
        return os.stat(process).st_uid == os.getuid()


def _walk(view: View, path: str) -> Iterable[str]:
    top = os.path.join(view.worktree, *path.rstrip("/").split("/"))
    for folder, names, files in os.walk(top):
        names[:] = [name for name in names if name not in (".git", ".worktrees")]
        for name in files:
            yield as_git_names(os.path.relpath(os.path.join(folder, name), view.worktree))


def as_git_names(path: str, *, platform: str = sys.platform) -> str:
    """A relative path of this system's as git has it: with ``/``, and on macOS composed (git's core.precomposeUnicode).

    A file whose name somebody's program wrote decomposed (ö as o and ¨) would be another one else.
    """
    if platform == "win32":
        return path.replace("\\", "/")
    if platform == "darwin" and not path.isascii():
        from unicodedata import normalize

        return normalize("NFC", path)
    return path
