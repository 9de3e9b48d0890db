"""Reads the sides that `catflap check` compares: a view's working tree, its index, and HEAD. Judges nothing itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from catflap import findings, git, worktree
from catflap.findings import DEFAULTS, Finding, Levels
from catflap.git import View
from catflap.lanelog import log_path
from catflap.lint import Side, lint
from catflap.objects import Objects
from catflap.workpackage import MAX_BYTES, wp_path

SETTINGS = ".kittify/catflap.toml"
_OTHERS_WORK = ("CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "sequencer", "SQUASH_MSG")
"""While git puts commits together anew, a status comes from another commit than HEAD: no step of this hand."""

Entries = Mapping[str, str | None]
"""An object id per path; None for what is there but is no regular file."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A side with what lint says of it."""

    side: Side
    findings: list[Finding]


class Sides:
    """The sides of one view. Reads; writes nothing. ``index`` is the file that git names to its hooks, if it does."""

    def __init__(self, view: View, objects: Objects, *, index: str | None) -> None:
        self._view = view
        self._objects = objects
        self._index = index
        self.is_judging_steps = not any(os.path.exists(os.path.join(view.git_dir, name)) for name in _OTHERS_WORK)

    def saved(self, wanted: Sequence[str]) -> Checked:
        """The working tree: all of it, or of the ``wanted`` files, and what their features make of them."""
        only = {feature_of(path) for path in wanted}
        sparse = {one.path: one.oid for one in git.staged(self._view) if one.is_sparse}
        paths = [path for path in _walk(self._view) if not only or feature_of(path) in only]
        features = only or {feature_of(path) for path in (*paths, *sparse)}
        left_out, here = self._side(sparse, features), self._saved(paths)
        side = Side(files={**left_out.files, **here.files}, logs={**left_out.logs, **here.logs})
        dirty = features & {feature_of(path) for path in worktree.dirt(self._view).paths}
        found = lint(side, self._before(dirty, self._heads() if dirty else []))
        return Checked(side, [one for one in found if not wanted or one.path in wanted])

    def staged(self, wanted: Sequence[str]) -> Checked:
        """The index: of the ``wanted`` files, or of those that the next commit changes.

        Besides them only what that commit breaks in files that it does not touch; what was wrong in HEAD already does
        not hold it up.
        """
        entries = git.staged(self._view, index=self._index)
        index = {one.path: one.oid for one in entries}
        unmerged = frozenset(one.path for one in entries if not one.is_merged)
        heads = self._heads()
        head = self._entries(heads[0]) if heads else {}
        changed = {path for path in {*index, *head} if index.get(path, "") != head.get(path, "")}
        changed = {path for path in changed | unmerged if worktree.is_ours(path)}
        features = {feature_of(path) for path in wanted or changed}
        side = replace(self._side(index, features), unmerged=unmerged)
        found = lint(side, self._before(features, heads))
        old = {(one.path, one.rule, one.message) for one in lint(self._side(head, features), ())}
        asked = set(wanted) or changed
        found = [
            one
            for one in found
            if one.path in asked or (one.path not in changed and (one.path, one.rule, one.message) not in old)
        ]
        if not wanted:
            side = replace(side, files={path: data for path, data in side.files.items() if path in changed})
        return Checked(side, found)

    def levels(self, *, is_staged: bool) -> Levels:
        """How serious each rule is here: git config, else the settings file of the side that is checked, else ours.

        Raises: BadInput for settings that cannot be used.
        """
        saved = worktree.read_file(self._view, SETTINGS) if not is_staged else None
        text = self._staged_settings() if is_staged else saved.data if saved is not None else None
        stated = findings.from_settings(text.decode("utf-8", "replace"), where=SETTINGS) if text is not None else {}
        answer = git.ask(self._view.worktree, "config", "-z", "--get-regexp", r"^catflap\.check\.", ok=(0, 1))
        return {**DEFAULTS, **stated, **findings.from_git_config(answer)}

    def _staged_settings(self) -> bytes | None:
        answer = git.ask(self._view.worktree, "ls-files", "-z", "--stage", "--", SETTINGS, index=self._index)
        found = re.match(r"100\d+ ([0-9a-f]+) 0\t", answer)  # a regular file, merged
        return self._objects.blob(found[1], MAX_BYTES) if found is not None else None

    def _before(self, features: set[str], heads: Sequence[str]) -> list[Side]:
        """What HEAD, and each commit that is being merged, say of these features; nothing when steps don't count."""
        if not self.is_judging_steps or not features:
            return []
        return [self._side(self._entries(tree), features) for tree in heads]

    def _heads(self) -> list[str]:
        """The trees of HEAD and of what is being merged; none before the first commit."""
        names = ["HEAD"]
        try:
            with open(os.path.join(self._view.git_dir, "MERGE_HEAD"), encoding="ascii") as file:
                names += file.read().split()
        except FileNotFoundError:  # no merge is under way
            pass
        commits = [self._objects.commit(name) for name in names]
        return [commit.tree for commit in commits if commit is not None]

    def _entries(self, tree: str) -> Entries:
        return {diff.path: diff.new for diff in git.list_tree(self._view.git_dir, tree)}

    def _side(self, entries: Entries, features: set[str]) -> Side:
        """The files and logs of these features in a tree or an index."""
        own = {path: oid for path, oid in entries.items() if worktree.is_ours(path) and feature_of(path) in features}
        files = self._blobs({path: oid for path, oid in own.items() if wp_path(path)}, MAX_BYTES)
        logs = {path: oid for path, oid in own.items() if log_path(path)}
        return _side(files, self._blobs(logs, _log_limit()) if logs else {})

    def _blobs(self, named: Entries, limit: int) -> dict[str, bytes | None]:
        """The content of each blob under its name; None for what is no file."""
        oids = [oid for oid in named.values() if oid is not None]
        found = iter(self._objects.blobs(oids, limit))
        return {name: next(found) if oid is not None else None for name, oid in named.items()}

    def _saved(self, paths: Sequence[str]) -> Side:
        """These files and logs in the working tree."""
        files = self._contents([path for path in paths if wp_path(path)], MAX_BYTES)
        logs = [path for path in paths if log_path(path)]
        return _side(files, self._contents(logs, _log_limit()) if logs else {})

    def _contents(self, paths: Sequence[str], limit: int) -> dict[str, bytes | None]:
        found = worktree.read_files(self._view, paths, limit=limit)
        return {path: one.data if one is not None else None for path, one in found.items()}


def _side(files: Mapping[str, bytes | None], logs: Mapping[str, bytes | None]) -> Side:
    """A side of files and lane logs by path. A log that cannot be read is none."""
    return Side(files, {feature_of(path): log for path, log in logs.items() if log is not None})


def _log_limit() -> int:
    """How much of a lane log is read, in bytes."""
    from catflap.trees import LOG_MAX_BYTES  # it knows moves and drafts, which take 8 ms to import

    return LOG_MAX_BYTES


def hooks_index(view: View, named: str | None) -> str | None:
    """The index that git ``named`` to its hooks (a partial commit has one of its own); None: the view's own.

    One that is not in this view's git dir belongs to whoever called us from another repository.
    """
    if not named:
        return None
    path = os.path.join(view.worktree, named)
    is_ours = os.path.realpath(os.path.dirname(path)) == os.path.realpath(view.git_dir)
    return path if is_ours and os.path.exists(path) else None


def feature_of(path: str) -> str:
    """The feature that a path under kitty-specs/ belongs to."""
    return path.split("/", 2)[1]


def _walk(view: View) -> Iterable[str]:
    """Every path in the working tree that catflap reads, links and pipes of such names among them."""
    top = os.path.join(view.worktree, git.SPECS)
    if os.path.islink(top):
        return
    for folder, _, names in os.walk(top):
        for name in names:
            path = worktree.as_git_names(os.path.relpath(os.path.join(folder, name), view.worktree))
            if worktree.is_ours(path):
                yield path
