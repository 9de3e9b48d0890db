"""Reads a first-parent chain, oldest commit first: what each commit changed in the work packages. Judges nothing.

A merge is one step, from its first parent. The chain is read in pieces, and of what was read only the newest versions
are kept, so that memory does not grow with the length of the history. Objects are read as they were made: replacements
and grafts are of one clone alone.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from catflap import git
from catflap.drafts import WPChange
from catflap.facts import Key
from catflap.featuremeta import FeatureMeta, parse_meta
from catflap.git import SPECS, Objects, View
from catflap.gitformats import Diff, Link
from catflap.lanelog import log_path
from catflap.moves import Move, Rule
from catflap.trees import Step, TreeReader
from catflap.workpackage import MAX_BYTES, WorkPackage, parse_wp, wp_path

PIECE = 512
"""How many commits are compared by one `diff-tree`."""
WINDOW = 200
"""How many versions are read ahead of the commit that needs them."""
WPS_KEPT, LOGS_KEPT = 4_096, 64
"""How many parsed files are kept: the older side of a change was the newer side of an earlier one."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One commit that changed work packages; ``place`` is its place in the chain, from 0.

    ``is_start``: a shallow clone ends here. What is there was made by commits that nobody has.
    """

    place: int
    link: Link
    changes: list[WPChange]
    is_start: bool = False


class Chain:
    """The first-parent chain that ends at one commit. ``feature``: read this one only.

    ``root`` is its first commit once it was read, ``missing`` counts the versions that a partial clone lacks; such a
    version says nothing, as if its commit had left the file as it was.
    """

    def __init__(self, view: View, tip: str, *, feature: str | None = None) -> None:
        self.root = ""
        self.is_shallow = False
        self.missing = 0
        self._view = view
        self._tip = tip
        self._pathspec = SPECS if feature is None else f":(literal){SPECS}/{feature}"
        self._reader: _Reader | None = None

    def visits(self) -> Iterator[Visit]:
        """Every commit that changed work packages, oldest first. Raises: GitFailed."""
        with Objects(self._view.git_dir, git.AS_MADE) as objects, closing(_ahead(self._windows())) as windows:
            reader = self._reader = _Reader(self._view, objects)
            for window in windows:
                self.missing += len(window.missing)
                reader.parse(window)
                for found in window.compared:
                    move = Move(rule=Rule.HAND, old=self._tip, new=found.link.commit, at=found.link.at, label="")
                    step = Step(move=move, new_tree=found.link.tree, old_trees=(found.before,))
                    if changes := reader.changes_at(step, found.diffs, window.missing):
                        is_start = self.is_shallow and found.place == 0
                        yield Visit(found.place, found.link, changes, is_start=is_start)
                reader.forget_old()

    def meta(self, slug: str) -> FeatureMeta:
        """A feature's meta.json at the commit that was visited last."""
        assert self._reader is not None
        return self._reader.meta_now(slug)

    def _windows(self) -> Generator[_Window, None, None]:
        """All that differs along the chain, with the newer versions of the files that matter, piece by piece."""
        git_dir = self._view.git_dir
        is_partial = git.is_partial(git_dir)
        with Objects(git_dir, git.AS_MADE) as objects:
            for compared in _in_windows(self._compared()):
                new = [diff for one in compared for diff in one.diffs if diff.new is not None]
                wanted = {diff.new or "": None for diff in new if _matters(diff.path)}
                logs = {diff.new or "": None for diff in new if log_path(diff.path) is not None}
                asked = [*wanted, *logs]
                missing = set(asked) - git.present(git_dir, asked) if is_partial else set()
                here = [oid for oid in wanted if oid not in missing]
                yield _Window(compared, dict(zip(here, objects.blobs(here, MAX_BYTES), strict=True)), missing)

    def is_known(self, slug: str) -> bool:
        """Whether the newest version of each of the feature's files was here to be read."""
        return self._reader is None or self._reader.is_known(slug)

    def _compared(self) -> Iterator[_Compared]:
        """Each commit that changed something, with the tree before it, and what differs."""
        links = git.first_parents(self._view.git_dir, self._tip)
        place, before = 0, ""
        while piece := list(islice(links, PIECE)):
            if not before:
                self.root = piece[0].commit
                self.is_shallow = self.root in _shallow_ends(self._view)
                before = git.EMPTY_TREES[len(piece[0].tree)]
            pairs = list(zip([before, *(link.tree for link in piece)], (link.tree for link in piece), strict=False))
            found = git.diff_trees(self._view.git_dir, pairs, self._pathspec, options=git.AS_MADE)
            for link, (old, _), diffs in zip(piece, pairs, found, strict=True):
                if diffs:
                    yield _Compared(place, link, old, diffs)
                place += 1
            before = piece[-1].tree


@dataclass(frozen=True, slots=True)
class _Compared:
    place: int
    link: Link
    before: str
    diffs: list[Diff]


@dataclass(frozen=True, slots=True)
class _Window:
    """Commits in a row with the blobs that are new in them (None: too odd to read); ``missing`` are not here."""

    compared: list[_Compared]
    blobs: dict[str, bytes | None]
    missing: set[str]


class _Reader(TreeReader):
    """Facts along a chain. It knows the newest version of each file from the differences, and asks no tree for it."""

    def __init__(self, view: View, objects: Objects) -> None:
        super().__init__(view, objects)
        self._files: dict[str, dict[str, str]] = {}
        self._log_oids: dict[str, str] = {}
        self._metas: dict[str, FeatureMeta] = {}
        self._lost: dict[str, str | None] = {}
        self._blobs: dict[str, bytes | None] = {}

    def parse(self, window: _Window) -> None:
        """Parse the work packages that are new in a window, each version once."""
        self._blobs = window.blobs
        for one in window.compared:
            for diff in one.diffs:
                key = (diff.path, diff.new or "")
                data = window.blobs.get(key[1])
                if data is not None and key not in self._wps and wp_path(diff.path) is not None:
                    self._wps[key] = parse_wp(diff.path, data)

    def changes_at(self, step: Step, diffs: Iterable[Diff], missing: Set[str]) -> list[WPChange]:
        """What the next commit of the chain changed in work packages."""
        found = []
        for diff in diffs:
            if diff.new in missing:
                self._lost.setdefault(diff.path, diff.old)
                continue
            seen = Diff(diff.path, self._lost.pop(diff.path, diff.old), diff.new) if self._lost else diff
            if seen.old != seen.new:
                self._note(seen)
                found.append(seen)
        return self.changes_of(step, [found], _nobody)

    def _note(self, diff: Diff) -> None:
        """Remember which version of a file is the newest now."""
        named = wp_path(diff.path)
        if named is not None and diff.new is not None:
            self._files.setdefault(named.feature, {})[diff.path] = diff.new
        elif named is not None:
            self._files.get(named.feature, {}).pop(diff.path, None)
        elif (slug := log_path(diff.path)) is not None:
            self._log_oids[slug] = diff.new or ""
        elif (slug := _meta_path(diff.path)) is not None:
            self._metas[slug] = parse_meta(slug, self._blobs.get(diff.new or ""))

    def meta_now(self, slug: str) -> FeatureMeta:
        """What a feature's meta.json says at the commit that was visited last."""
        return self._metas.get(slug) or parse_meta(slug, None)

    def is_known(self, slug: str) -> bool:
        return not any(path.startswith(f"{SPECS}/{slug}/") for path in self._lost)

    def forget_old(self) -> None:
        """Keep what was read last, as much as there is room for."""
        for key in list(islice(self._wps, max(0, len(self._wps) - WPS_KEPT))):
            del self._wps[key]
        for oid in list(islice(self._logs, max(0, len(self._logs) - LOGS_KEPT))):
            del self._logs[oid]

    def _log_name(self, tree: str, feature: str) -> str | None:  # noqa: ARG002 - of the newest tree alone we know it
        return self._log_oids.get(feature) or None

    def _members(self, tree: str, slug: str) -> list[WorkPackage]:  # noqa: ARG002 - likewise
        return self._parse(sorted(self._files.get(slug, {}).items()))


T = TypeVar("T")


def _ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """The same, each made in another thread while the one before it is used: git works while we think."""
    with ThreadPoolExecutor(1) as thread:
        try:
            coming = thread.submit(next, items, None)
            while (item := coming.result()) is not None:
                coming = thread.submit(next, items, None)
                yield item
        finally:
            thread.submit(items.close)


def _in_windows(compared: Iterator[_Compared]) -> Iterator[list[_Compared]]:
    """The same, in lists of some WINDOW differences; a commit is never divided."""
    window: list[_Compared] = []
    size = 0
    for one in compared:
        window.append(one)
        size += len(one.diffs)
        if size >= WINDOW:
            yield window
            window, size = [], 0
    if window:
        yield window


def _matters(path: str) -> bool:
    """Whether the file is one whose text is read ahead; lane logs can be large and are read one by one."""
    return wp_path(path) is not None or _meta_path(path) is not None


def _meta_path(path: str) -> str | None:
    """The feature's slug for ``kitty-specs/<feature>/meta.json``; None for any other path."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[2] == "meta.json" else None


def _nobody(_: Key) -> bool:
    return False


def _shallow_ends(view: View) -> set[str]:
    """The commits at which a shallow clone ends: they have parents, and nobody has those (gitglossary(7), shallow)."""
    try:
        with open(os.path.join(view.common_dir, "shallow"), encoding="ascii") as file:
            return set(file.read().split())
    except FileNotFoundError:  # a whole clone
        return set()
