"""`catflap check`: lints work packages of the working tree, or of what is staged. The rules are in lint.py."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from catflap import git, worktree
from catflap.errors import BadInput
from catflap.git import Objects, View
from catflap.lanelog import log_path
from catflap.lint import Finding, Side, lint
from catflap.terminal import say
from catflap.trees import LOG_MAX_BYTES
from catflap.workpackage import MAX_BYTES, wp_path

_OTHERS_WORK = ("CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "sequencer", "SQUASH_MSG")
"""While git puts commits together anew, a status comes from another commit than HEAD: no step of this hand."""

Entries = Mapping[str, str | None]
"""An object id per path; None for what is there but is no regular file."""


def check(files: Sequence[Path], *, staged: bool = False, as_json: bool = False) -> int:
    """0 when nothing is wrong, 1 when something is.

    Without ``files`` all of the working tree, or with ``staged`` what the next commit changes: what was wrong in
    HEAD already does not hold it up.

    Raises: NotARepository, GitFailed, BadInput for a file that is no work package.
    """
    view = git.locate(".")
    wanted = [_wanted(view, file) for file in files]
    with Objects(view.git_dir) as objects:
        look = _Look(view, objects)
        side, findings = look.staged(wanted) if staged else look.saved(wanted)
    missing = [path for path in wanted if path not in side.files]
    if missing:
        why, hint = "there is no such file", "correct the name"
        if staged:
            why, hint = "it is not staged, and in no commit", "`git add` it first"
        raise BadInput("check", where=missing[0], why=why, hint=hint)
    if wanted:
        findings = [finding for finding in findings if finding.path in wanted]
    _report(view, findings, checked=len(wanted) or len(side.files), as_json=as_json)
    if not look.is_judging_steps:
        print("catflap: git is putting commits together anew, so changes of status are not judged", file=sys.stderr)
    return 1 if findings else 0


class _Look:
    """The sides of one view, and what lint says of them. Reads; writes nothing."""

    def __init__(self, view: View, objects: Objects) -> None:
        self._view = view
        self._objects = objects
        self.is_judging_steps = not any(os.path.exists(os.path.join(view.git_dir, name)) for name in _OTHERS_WORK)
        self._heads = self._trees()

    def saved(self, wanted: Sequence[str]) -> tuple[Side, list[Finding]]:
        """The working tree: all of it, or the features of the ``wanted`` files."""
        only = {_feature(path) for path in wanted}
        sparse = {one.path: one.oid for one in git.staged(self._view) if one.is_sparse}
        paths = [path for path in _walk(self._view) if not only or _feature(path) in only]
        features = only or {_feature(path) for path in (*paths, *sparse)}
        left_out = self._side(sparse, features)
        side = Side(
            files={**left_out.files, **{path: _file(self._view, path, MAX_BYTES) for path in paths if wp_path(path)}},
            logs={**left_out.logs, **{feature: log for feature in features if (log := self._saved_log(feature))}},
        )
        dirty = features & {_feature(path) for path in worktree.dirt(self._view).paths}
        return side, lint(side, self._before(dirty))

    def staged(self, wanted: Sequence[str]) -> tuple[Side, list[Finding]]:
        """The index: the features of the ``wanted`` files, or those that the next commit changes."""
        entries = git.staged(self._view, index=_index(self._view))
        index = {one.path: one.oid for one in entries}
        unmerged = frozenset(one.path for one in entries if not one.is_merged)
        head = self._entries(self._heads[0]) if self._heads else {}
        changed = {path for path in {*index, *head} if index.get(path, "") != head.get(path, "")}
        changed = {path for path in changed | unmerged if worktree.is_ours(path)}
        features = {_feature(path) for path in wanted or changed}
        side = replace(self._side(index, features), unmerged=unmerged)
        findings = lint(side, self._before(features))
        if wanted:
            return side, findings
        old = {(one.path, one.rule, one.message) for one in lint(self._side(head, features), ())}
        news = [one for one in findings if one.path in changed or (one.path, one.rule, one.message) not in old]
        return replace(side, files={path: data for path, data in side.files.items() if path in changed}), news

    def _before(self, features: set[str]) -> list[Side]:
        """What HEAD, and each commit that is being merged, say of these features; nothing when steps don't count."""
        if not self.is_judging_steps or not features:
            return []
        return [self._side(self._entries(tree), features) for tree in self._heads]

    def _trees(self) -> list[str]:
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
        own = {path: oid for path, oid in entries.items() if worktree.is_ours(path) and _feature(path) in features}
        files = {path: self._blob(oid, MAX_BYTES) for path, oid in own.items() if wp_path(path)}
        logs = {_feature(path): self._blob(oid, LOG_MAX_BYTES) for path, oid in own.items() if log_path(path)}
        return Side(files, {feature: log for feature, log in logs.items() if log is not None})

    def _blob(self, oid: str | None, limit: int) -> bytes | None:
        return self._objects.blob(oid, limit) if oid is not None else None

    def _saved_log(self, feature: str) -> bytes | None:
        return _file(self._view, f"{git.SPECS}/{feature}/{git.LANE_LOG}", LOG_MAX_BYTES)


def _wanted(view: View, file: Path) -> str:
    """The path of a work package in the repository, as an argument names it from here. Raises: BadInput."""
    # Only the folder is resolved: a link in the place of a file is itself what is checked.
    here = file.parent.resolve() / file.name
    top = Path(view.worktree).resolve()
    if not here.is_relative_to(top):
        raise BadInput("check", where=str(file), why=f"it is not in {top}", hint="run this in its own checkout")
    path = here.relative_to(top).as_posix()
    if wp_path(path) is None:
        hint = "name files like kitty-specs/<feature>/tasks/WP01-title.md, or none to check all"
        raise BadInput("check", where=str(file), why="it is not the file of a work package", hint=hint)
    return path


def _index(view: View) -> str | None:
    """The index that git names to its hooks (a partial commit has one of its own); None: the view's own.

    One that is not in this view's git dir belongs to whoever called us from another repository.
    """
    named = os.environ.get("GIT_INDEX_FILE")
    if not named:
        return None
    path = os.path.join(view.worktree, named)
    is_ours = os.path.realpath(os.path.dirname(path)) == os.path.realpath(view.git_dir)
    return path if is_ours and os.path.exists(path) else None


def _walk(view: View) -> Iterable[str]:
    """Every path in the working tree that catflap reads, links and pipes of such names among them."""
    top = os.path.join(view.worktree, git.SPECS)
    if os.path.islink(top):
        return
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), view.worktree).replace(os.sep, "/")
            if worktree.is_ours(path):
                yield path


def _file(view: View, path: str, limit: int) -> bytes | None:
    found = worktree.read_file(view, path, limit=limit)
    return found.data if found is not None else None


def _feature(path: str) -> str:
    return path.split("/", 2)[1]


def _report(view: View, findings: Sequence[Finding], *, checked: int, as_json: bool) -> None:
    if as_json:
        found = [
            {"path": one.path, "line": one.line, "rule": one.rule.value, "message": one.message} for one in findings
        ]
        print(json.dumps({"checked": checked, "findings": found}))
        return
    here = os.path.realpath(os.curdir)
    for one in findings:
        shown = os.path.relpath(os.path.join(os.path.realpath(view.worktree), one.path), here)
        say(f"{shown}:{one.line}: {one.message}")
    files = f"{checked} work package{'' if checked == 1 else 's'} checked"
    if findings:
        print(f"{files}, {len(findings)} finding{'' if len(findings) == 1 else 's'}.", file=sys.stderr)
    else:
        say(f"{files}, nothing found.")
