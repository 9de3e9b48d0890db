"""Which folders of a view matter to the watcher, and what a change in one of them means. Reads folders, no files.

Never the whole tree: kitty-specs/ and two folders per feature, the git dir and its log, the folder of linked
worktrees, and the folder where hooks leave notes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum

from catflap import git
from catflap.git import View
from catflap.seen import CHANGED, notes_folder
from catflap.workpackage import is_wp_name
from catflap.worktree import UNDER_WAY


class Kind(StrEnum):
    """What a watched folder is."""

    ROOT = "the worktree"
    SPECS = "kitty-specs"
    FEATURE = "a feature"
    TASKS = "tasks"
    GIT = "the git dir"
    LOGS = "the reflogs"
    WORKTREES = "the linked worktrees"
    LINK = "a linked worktree's git dir, whose folder may not be there now"
    NOTES = "the hooks' notes"
    HOME = "what is registered"


class Meaning(StrEnum):
    """What to do about a change."""

    NOTHING = "nothing"
    MOVES = "HEAD may have moved"
    FILES = "a file may have been saved"
    FOLDERS = "folders came or went"
    VIEWS = "worktrees came or went"


_MOVES = frozenset(("HEAD", "ORIG_HEAD"))


def folders_of(view: View, home: str) -> dict[str, Kind]:
    """The folders to watch for a view, as they are now; links are not followed."""
    found = {view.worktree: Kind.ROOT, view.git_dir: Kind.GIT, notes_folder(home, view.git_dir): Kind.NOTES}
    found[os.path.join(view.git_dir, "logs")] = Kind.LOGS
    if view.git_dir == view.common_dir:
        links = os.path.join(view.common_dir, "worktrees")
        found[links] = Kind.WORKTREES
        found.update(dict.fromkeys(_subfolders(links), Kind.LINK))
    specs = os.path.join(view.worktree, git.SPECS)
    if os.path.isdir(specs) and not os.path.islink(specs):
        found[specs] = Kind.SPECS
        for feature in _subfolders(specs):
            found[feature] = Kind.FEATURE
            for folder in _tree(os.path.join(feature, "tasks")):
                found[folder] = Kind.TASKS
    return found


def meaning(kind: Kind, name: str) -> Meaning:
    """What it means that ``name`` changed in a folder of this kind; an empty name is the folder itself."""
    if not name:
        return Meaning.FOLDERS
    match kind:
        case Kind.ROOT:
            return Meaning.FOLDERS if name == git.SPECS else Meaning.NOTHING
        case Kind.SPECS:
            return Meaning.FOLDERS
        case Kind.FEATURE if name == "tasks":
            return Meaning.FOLDERS
        case Kind.FEATURE:
            return Meaning.FILES if name in (git.LANE_LOG, "meta.json") else Meaning.NOTHING
        case Kind.TASKS:
            if is_wp_name(name):
                return Meaning.FILES
            return Meaning.NOTHING if "." in name else Meaning.FOLDERS
        case Kind.GIT:
            if name in _MOVES:
                return Meaning.MOVES
            if name in ("logs", "worktrees", "gitdir"):
                return Meaning.VIEWS
            return Meaning.FILES if name == "index" or name in UNDER_WAY else Meaning.NOTHING
        case Kind.LOGS:
            return Meaning.MOVES if name == "HEAD" else Meaning.NOTHING
        case Kind.WORKTREES:
            return Meaning.VIEWS
        case Kind.LINK:
            return Meaning.VIEWS if name == "gitdir" else Meaning.NOTHING
        case Kind.HOME:
            return Meaning.VIEWS if name == CHANGED else Meaning.NOTHING
        case _:
            return {"note": Meaning.MOVES, "registered": Meaning.VIEWS}.get(name, Meaning.NOTHING)


def _subfolders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # gone meanwhile, or not ours to read: then nothing in it is watched
        return []


def _tree(folder: str) -> Iterator[str]:
    if os.path.isdir(folder) and not os.path.islink(folder):
        yield folder
        for inner in _subfolders(folder):
            if not os.path.basename(inner).startswith("."):
                yield from _tree(inner)
