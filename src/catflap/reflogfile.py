"""Reads the lines of a view's HEAD reflog, and of a branch's. Knows files and cursors, not what a line means.

The file is read from a byte offset, so a long history costs nothing. The last line read and the first line of the
file are remembered: a reflog that was expired, rewritten or replaced is noticed, never misread.
"""

from __future__ import annotations

import os
from dataclasses import replace

from catflap import git
from catflap.cursor import Cursor
from catflap.moves import Entry, Rule, classify, is_zero, line_of, parse_reflog, rebase_step

_READ_BACK = 1 << 16
_CAME_BYTES = 1 << 20


def has_entries(git_dir: str, cursor: Cursor) -> bool:
    """Whether the reflog file has grown since ``cursor``, or is another: a quick question before a reading."""
    try:
        return os.stat(os.path.join(git_dir, "logs", "HEAD")).st_size != cursor.offset
    except FileNotFoundError:  # no reflog, or not in a file
        return False


def path_of(view: git.View) -> str:
    """The reflog file of the view's HEAD."""
    return os.path.join(view.git_dir, "logs", "HEAD")


def entries_of(view: git.View, offset: int = 0) -> list[Entry]:
    """Every entry from byte ``offset`` on, oldest first."""
    path = path_of(view)
    if os.path.exists(path):
        with open(path, "rb") as file:
            file.seek(offset)
            return parse_reflog(file.read(), offset)
    if os.path.isdir(os.path.join(view.common_dir, "reftable")):
        return parse_reflog(os.fsencode(git.walk_reflog(view.git_dir)), 0)
    return []


def new_entries(view: git.View, cursor: Cursor) -> tuple[list[Entry], bool, Cursor]:
    """The entries after the cursor; whether the reflog is the one that the cursor knows; and the cursor as the file has
    it now: `git gc` writes a reflog anew, without its oldest entries.
    """
    path = path_of(view)
    if cursor.offset and os.path.exists(path) and _knows(path, cursor):
        return entries_of(view, cursor.offset), True, cursor
    every = entries_of(view)
    entries, is_continued = _after_line(every, cursor)
    if is_continued and every:
        read = every[: len(every) - len(entries)]
        cursor = replace(cursor, offset=read[-1].end if read else 0, first=every[0].line)
    return entries, is_continued, cursor


def _after_line(entries: list[Entry], cursor: Cursor) -> tuple[list[Entry], bool]:
    if not cursor.last:
        return entries, not entries or entries[0].old == cursor.head
    for index in range(len(entries) - 1, -1, -1):
        if entries[index].line == cursor.last:
            return entries[index + 1 :], True
    # Our line has expired; what was written since is whole when it starts where we stopped.
    is_whole = bool(entries) and entries[0].old == cursor.head and not is_zero(cursor.head)
    return (entries, True) if is_whole else ([], False)


def branch_entries(view: git.View, ref: str) -> list[Entry]:
    """The last entries of a branch's own reflog; none where the ref backend keeps no files."""
    path = os.path.join(view.common_dir, "logs", *ref.split("/"))
    return parse_reflog(_tail(path, _READ_BACK), 0)


def came_to(git_dir: str, cursor: Cursor) -> set[str]:
    """The commits that this worktree made, merged, pulled or was reset to, as far as the cursor has read; of a long
    reflog the last. A switch to a commit tells nothing of it, so it does not count.
    """
    path = os.path.join(git_dir, "logs", "HEAD")
    if not os.path.exists(path):  # no reflog, or not in a file
        return set()
    if _knows(path, cursor):
        with open(path, "rb") as file:
            file.seek(max(0, cursor.offset - _CAME_BYTES))
            read = parse_reflog(file.read(min(cursor.offset, _CAME_BYTES)), 0)
    else:  # written anew, or another: of what is there now, what was read before
        with open(path, "rb") as file:
            every = parse_reflog(file.read(), 0)
        new, is_continued = _after_line(every, cursor)
        read = every[: len(every) - len(new)] if is_continued else []
    return {entry.new for entry in read if _counts(entry)}


def _knows(path: str, cursor: Cursor) -> bool:
    """Whether the reflog file at ``path`` is the one that the cursor has read, up to its offset."""
    return _line_before(path, cursor.offset) == cursor.last and _first_line(path) == cursor.first


def _counts(entry: Entry) -> bool:
    """A rebase counts where it ends: its steps are judged then. `worktree add` begins a reflog as a switch would, and
    then resets to where it is; so does `stash`.
    """
    if entry.old == entry.new or (is_zero(entry.old) and not entry.message.startswith(("commit", "clone"))):
        return False
    step = rebase_step(entry.message)
    return step == "finish" if step is not None else classify(entry.message) is not Rule.SWITCH


def _line_before(path: str, offset: int) -> str:
    """The line that ends at byte ``offset``; empty when none does."""
    with open(path, "rb") as file:
        start = max(0, offset - _READ_BACK)
        file.seek(start)
        text = file.read(offset - start)
    if len(text) != offset - start or not text.endswith(b"\n"):
        return ""
    return line_of(text[:-1].rpartition(b"\n")[2])


def _first_line(path: str) -> str:
    with open(path, "rb") as file:
        return line_of(file.readline())


def _tail(path: str, size_bytes: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            start = max(0, file.tell() - size_bytes)
            file.seek(start)
            text = file.read()
    except FileNotFoundError:  # a branch without a reflog
        return b""
    return text if start == 0 else text.partition(b"\n")[2]
