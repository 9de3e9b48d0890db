"""The small files by which the shim knows, without Python, that there is nothing to do. Knows paths, no git.

``<home>/seen/<git dir>/tree`` holds the id of kitty-specs/ that was observed last, ``<common dir>/registered`` says
that `catflap install` was run there. They are hints: one that is missing costs a Python start, nothing else.
"""

from __future__ import annotations

import os


def remember_tree(home: str, git_dir: str, tree: str) -> None:
    """Say that all up to ``tree`` was observed."""
    _write(_path(home, git_dir, "tree"), tree + "\n")


def forget_tree(home: str, git_dir: str) -> None:
    """Say that something is left to observe, whatever the tree."""
    _remove(_path(home, git_dir, "tree"))


def register(home: str, common_dir: str) -> None:
    """Let the shim do its work in this repository."""
    _write(_path(home, common_dir, "registered"), "")


def unregister(home: str, common_dir: str) -> None:
    """Let the shim do nothing in this repository."""
    _remove(_path(home, common_dir, "registered"))


def _path(home: str, git_dir: str, name: str) -> str:
    return f"{home}/seen{git_dir}/{name}"


def _write(path: str, text: str) -> None:
    """Atomic: a shim that reads meanwhile sees the old or the new, never half."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(temporary, path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
