"""The small files by which the shim knows, without Python, that there is nothing to do. Knows paths, no git.

``<home>/seen/<git dir>/tree`` holds the id of kitty-specs/ that was observed last, ``<common dir>/registered`` says
that `catflap install` was run there, ``<common dir>/watched`` that a watcher does the work. They are hints: one that
is missing costs a Python start, nothing else.
"""

from __future__ import annotations

import os

from catflap.patience import put_over

CHANGED = "changed"


def remember_tree(home: str, git_dir: str, tree: str) -> None:
    """Say that all up to ``tree`` was observed."""
    _write(_path(home, git_dir, "tree"), tree + "\n")


def forget_tree(home: str, git_dir: str) -> None:
    """Say that something is left to observe, whatever the tree."""
    _remove(_path(home, git_dir, "tree"))


def register(home: str, common_dir: str) -> None:
    """Let the shim do its work in this repository."""
    _write(_path(home, common_dir, "registered"), "")
    report_change(home)


def is_registered(home: str, common_dir: str) -> bool:
    """Whether the shim does its work in this repository."""
    return os.path.exists(_path(home, common_dir, "registered"))


def unregister(home: str, common_dir: str) -> None:
    """Let the shim do nothing in this repository."""
    _remove(_path(home, common_dir, "registered"))
    report_change(home)


def report_change(home: str) -> None:
    """Let a watcher look anew at what is registered, and at who is logged in."""
    _write(f"{changes_folder(home)}/{CHANGED}", "")


def changes_folder(home: str) -> str:
    """Where a file ``CHANGED`` is replaced whenever a repository is registered or no longer is."""
    return f"{home}/seen"


def notes_folder(home: str, git_dir: str) -> str:
    """Where the shim leaves a note (an empty file, ``note``) for a watcher that is alive."""
    return os.path.dirname(_path(home, git_dir, "note"))


def mark_watched(home: str, common_dir: str, process: str) -> None:
    """Let the shim leave notes for the watcher ``process``: its pid and start time, as `process_mark` gives them."""
    _write(_path(home, common_dir, "watched"), process + "\n")


def unmark_watched(home: str, common_dir: str) -> None:
    """Let the shim do the work itself again."""
    _remove(_path(home, common_dir, "watched"))


def process_mark(pid: int) -> str | None:
    """``pid start``, which no other process ever has (proc(5), stat, field 22); None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:  # no /proc (macOS), or the process is gone
        return None
    return f"{pid} {fields[19]}"


def _path(home: str, git_dir: str, name: str) -> str:
    if git_dir[1:2] == ":":  # Windows: no colon can stand within a path; the shim does the same
        git_dir = f"/{git_dir[0]}{git_dir[2:]}"
    return f"{home}/seen{git_dir}/{name}"


def _write(path: str, text: str) -> None:
    """Atomic: a shim that reads meanwhile sees the old or the new, never half."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    put_over(temporary, path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
