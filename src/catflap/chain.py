"""Reads a first-parent chain, oldest commit first: what each commit changed in the work packages. Judges nothing.

A merge is one step, from its first parent. The chain is read in pieces, and of what was read only the newest versions
are kept, so that memory does not grow with the length of the history. Objects are read as they were made: replacements
and grafts are of one clone alone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Set
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice

from catflap import git
from catflap.ahead import in_process, in_thread
from catflap.chainwindow import Window, meta_path, read_windows
from catflap.drafts import WPChange
from catflap.facts import Key
from catflap.featuremeta import FeatureMeta, parse_meta
from catflap.git import SPECS, View
from catflap.gitformats import Diff, Link
from catflap.lanelog import log_path
from catflap.moves import Move, Rule
from catflap.objects import Objects
from catflap.trees import Step, TreeReader
from catflap.workpackage import WorkPackage, wp_path

LONG = 2_000
"""From so many commits on a chain is read by a process of its own, which takes 0.1 s to start."""
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

    def __init__(self, view: View, tip: str, *, length: int, feature: str | None = None) -> None:
        self.root = ""
        self.is_shallow = False
        self.missing = 0
        self._view = view
        self._tip = tip
        self._length = length
        self._pathspec = SPECS if feature is None else f":(literal){SPECS}/{feature}"
        self._reader: _Reader | None = None

    def visits(self) -> Iterator[Visit]:
        """Every commit that changed work packages, oldest first. Raises: GitFailed."""
        with Objects(self._view.git_dir, git.AS_MADE) as objects, closing(self._windows()) as windows:
            reader = self._reader = _Reader(self._view, objects)
            for window in windows:
                self.root, self.is_shallow = window.root, window.is_shallow
                self.missing += len(window.missing)
                reader.take(window)
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

    def is_known(self, slug: str) -> bool:
        """Whether the newest version of each of the feature's files was here to be read."""
        return self._reader is None or self._reader.is_known(slug)

    def _windows(self) -> Generator[Window, None, None]:
        """The chain's windows, read ahead: where it is long by a process, which takes half of the work."""
        asked = (self._view, self._tip, self._pathspec)
        if self._length >= LONG:
            with suppress(OSError):  # no process is to be had
                return in_process(read_windows, *asked)
        return in_thread(read_windows(*asked))


class _Reader(TreeReader):
    """Facts along a chain. It knows the newest version of each file from the differences, and asks no tree for it."""

    def __init__(self, view: View, objects: Objects) -> None:
        super().__init__(view, objects)
        self._files: dict[str, dict[str, str]] = {}
        self._log_oids: dict[str, str] = {}
        self._metas: dict[str, FeatureMeta] = {}
        self._lost: dict[str, str | None] = {}
        self._metas_new: dict[str, bytes | None] = {}

    def take(self, window: Window) -> None:
        """Know the versions that are new in a window."""
        self._metas_new = window.metas
        for key, wp in window.wps.items():
            self._wps.setdefault(key, wp)

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
        elif (slug := meta_path(diff.path)) is not None:
            self._metas[slug] = parse_meta(slug, self._metas_new.get(diff.new or ""))

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


def _nobody(_: Key) -> bool:
    return False
