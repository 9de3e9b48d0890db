"""Reads a first-parent chain window by window: what each commit changed, and the versions that are new, parsed.

A window is what `ahead.py` hands from process to process: values only. Judges nothing.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from catflap import git
from catflap.git import View
from catflap.gitformats import Diff, Link
from catflap.lanelog import log_path
from catflap.objects import Objects
from catflap.workpackage import MAX_BYTES, WorkPackage, parse_wp, wp_path

PIECE = 512
"""How many commits are compared by one `diff-tree`."""
WINDOW = 200
"""How many differences one window has, about."""


class Compared(NamedTuple):
    """One commit that changed something; ``place`` is its place in the chain, ``before`` the tree that it changed."""

    place: int
    link: Link
    before: str
    diffs: list[Diff]


@dataclass(frozen=True, slots=True)
class Window:
    """Commits in a row with the work packages, by path and blob, and the meta.json blobs that are new in them.

    ``missing`` blobs are not in this partial clone. ``root``: the chain's first commit; ``is_shallow``: it has parents,
    and this clone lacks them.
    """

    compared: list[Compared]
    wps: dict[tuple[str, str], WorkPackage]
    metas: dict[str, bytes | None]
    missing: set[str]
    root: str
    is_shallow: bool


def read_windows(view: View, tip: str, pathspec: str) -> Generator[Window, None, None]:
    """The windows of the chain that ends at ``tip``, oldest first; the last may be empty. Raises: GitFailed."""
    chain = _Chain(view, tip, pathspec)
    with Objects(view.git_dir, git.AS_MADE) as objects:
        for compared in _in_windows(chain.compared()):
            yield _read(chain, objects, compared)


def meta_path(path: str) -> str | None:
    """The feature's slug for ``kitty-specs/<feature>/meta.json``; None for any other path."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[2] == "meta.json" else None


class _Chain:
    """The commits of a chain, compared piece by piece; what is known of its start once the first piece was read."""

    def __init__(self, view: View, tip: str, pathspec: str) -> None:
        self.view = view
        self.root = ""
        self.is_shallow = False
        self.is_partial = git.is_partial(view.git_dir)
        self._tip = tip
        self._pathspec = pathspec

    def compared(self) -> Iterator[Compared]:
        """Each commit that changed something, with the tree before it, and what differs."""
        git_dir = self.view.git_dir
        links = git.first_parents(git_dir, self._tip)
        place, before = 0, ""
        while piece := list(islice(links, PIECE)):
            if not before:
                self.root = piece[0].commit
                self.is_shallow = self.root in _shallow_ends(self.view)
                before = git.EMPTY_TREES[len(piece[0].tree)]
            pairs = list(zip([before, *(link.tree for link in piece)], (link.tree for link in piece), strict=False))
            found = git.diff_trees(git_dir, pairs, self._pathspec, options=git.AS_MADE)
            for link, (old, _), diffs in zip(piece, pairs, found, strict=True):
                if diffs:
                    yield Compared(place, link, old, diffs)
                place += 1
            before = piece[-1].tree


def _read(chain: _Chain, objects: Objects, compared: list[Compared]) -> Window:
    """A window with what is new in it. Lane logs can be large and are read one by one, by whoever needs them."""
    new = [diff for one in compared for diff in one.diffs if diff.new is not None]
    wps = {(diff.path, diff.new or ""): None for diff in new if wp_path(diff.path) is not None}
    metas = {diff.new or "": None for diff in new if meta_path(diff.path) is not None}
    logs = {diff.new or "": None for diff in new if log_path(diff.path) is not None}
    wanted = dict.fromkeys([*(oid for _, oid in wps), *metas])
    asked = [*wanted, *logs]
    missing = set(asked) - git.present(chain.view.git_dir, asked) if chain.is_partial else set()
    here = [oid for oid in wanted if oid not in missing]
    blobs = dict(zip(here, objects.blobs(here, MAX_BYTES), strict=True))
    return Window(
        compared,
        wps={key: parse_wp(key[0], data) for key in wps if (data := blobs.get(key[1])) is not None},
        metas={oid: blobs.get(oid) for oid in metas},
        missing=missing,
        root=chain.root,
        is_shallow=chain.is_shallow,
    )


def _in_windows(compared: Iterator[Compared]) -> Iterator[list[Compared]]:
    """The same, in lists of some WINDOW differences, the last perhaps empty; a commit is never divided."""
    window: list[Compared] = []
    size = 0
    for one in compared:
        window.append(one)
        size += len(one.diffs)
        if size >= WINDOW:
            yield window
            window, size = [], 0
    yield window


def _shallow_ends(view: View) -> set[str]:
    """The commits at which a shallow clone ends: they have parents, and nobody has those (gitglossary(7), shallow)."""
    try:
        with open(os.path.join(view.common_dir, "shallow"), encoding="ascii") as file:
            return set(file.read().split())
    except FileNotFoundError:  # a whole clone
        return set()
