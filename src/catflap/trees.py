"""Reads what the trees of a move say: paths that differ, their blobs, the facts on each side. Judges nothing.

Everything is read through one `diff-tree` and one `cat-file`, whatever the number of moves and of work packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from catflap import git
from catflap.drafts import WPChange
from catflap.errors import GitFailed
from catflap.facts import NOTHING, Facts, Key, place, rows_by_wp
from catflap.featuremeta import FeatureMeta, parse_meta
from catflap.git import View
from catflap.gitformats import Diff
from catflap.lanelog import LaneRow, log_path, parse_log
from catflap.moves import Move, Rule, rebased_from
from catflap.objects import Objects
from catflap.reflogfile import branch_entries
from catflap.workpackage import MAX_BYTES, WorkPackage, parse_wp, wp_path

LOG_MAX_BYTES = 64 << 20
"""A lane log grows by a row per transition; this is a bound against mistakes, far above any real one."""

IsKnown = Callable[[Key], bool]
Logs = dict[str, dict[str, tuple[LaneRow, ...]]]


@dataclass(frozen=True, slots=True)
class Step:
    """One move with what differs: ``new_tree`` and ``olds`` are trees, in the order that the rule wants them."""

    move: Move
    new_tree: str
    old_trees: tuple[str, ...]


class TreeReader:
    """The facts of trees of one repository; each blob is read and parsed once."""

    def __init__(self, view: View, objects: Objects) -> None:
        self._view = view
        self._objects = objects
        self._wps: dict[tuple[str, str], WorkPackage | None] = {}
        self._logs: dict[str, dict[str, tuple[LaneRow, ...]]] = {}

    def tree(self, commit: str) -> str | None:
        """The tree of a commit; None when the commit is gone (expired, pruned, shallow)."""
        found = self._objects.commit(commit)
        return found.tree if found is not None else None

    def step(self, move: Move, *, hook: str = "") -> Step | None:
        """The move with its sides found; None when its commits are not there, so that nothing can be said.

        Raises: GitFailed when the repository is damaged.
        """
        new = self._objects.commit(move.new)
        if new is None:
            return None
        if move.rule is Rule.UNKNOWN:
            move = replace(move, rule=self._judge_unknown(move, new.parents, hook))
        olds: Sequence[str | None] = [move.old]
        if move.rule is Rule.MERGE:
            if len(new.parents) < 2:
                move = replace(move, rule=Rule.PULL)
            else:
                olds = [move.old, *(parent for parent in new.parents if parent != move.old)]
        elif move.rule is Rule.ONTO:
            olds = self._onto(move)
        trees = [self.tree(old) if old is not None else git.EMPTY_TREES[len(move.new)] for old in olds]
        known = tuple(tree for tree in trees if tree is not None)
        if len(known) < len(trees):
            return None
        self._require(new.tree, *known)
        return Step(move=move, new_tree=new.tree, old_trees=known)

    def _require(self, *trees: str) -> None:
        """Raise GitFailed for a tree that its commit has lost: `diff-tree --stdin` passes over it without a word."""
        for tree in trees:
            if not self._objects.has(tree):
                where, why = f"in {self._view.git_dir}", f"the tree {tree} is missing"
                raise GitFailed("compare trees", where=where, why=why, hint="try it: git fsck")

    def _onto(self, move: Move) -> list[str | None]:
        """Of a reset or rebase: the old commit, what it was put onto, and their merge base."""
        old, onto = move.old, move.onto or move.new
        if move.branch is not None:
            own = rebased_from(branch_entries(self._view, move.branch), move.branch, move.new)
            old, onto = own if own is not None else (old, onto)
        if not old.strip("0"):
            return [old, onto, old]
        return [old, onto, git.merge_base(self._view.git_dir, old, onto)]

    def _judge_unknown(self, move: Move, parents: Sequence[str], hook: str) -> Rule:
        """Design, The journal: the hook's name decides, else a remote's commit is a pull, a child a commit.

        A commit of several parents that moves the branch on from one of them is a merge, whoever made it: Spec Kitty
        merges in a worktree elsewhere and then moves the branch, which leaves a reflog entry without a word.
        """
        if hook != "post-checkout" and len(parents) > 1 and move.old in parents:
            return Rule.MERGE
        stated = {"post-commit": Rule.HAND, "post-checkout": Rule.SWITCH, "post-applypatch": Rule.PICK}.get(hook)
        if stated is not None:
            return stated
        if hook == "post-merge" or git.is_on_a_remote(self._view.git_dir, move.new):
            return Rule.MERGE if len(parents) > 1 else Rule.PULL
        return Rule.HAND if parents[:1] == (move.old,) else Rule.ONTO

    def changes(self, steps: Sequence[Step], is_known: IsKnown) -> list[list[WPChange]]:
        """For each step every work package whose file or lane-log rows differ between its first old side and the new.

        Of a switch only work packages that are not known yet: it tells nothing, and known ones it does not move.
        """
        pairs = [(old, step.new_tree) for step in steps for old in step.old_trees]
        diffs = iter(git.diff_trees(self._view.git_dir, pairs))
        return [self.changes_of(step, [next(diffs) for _ in step.old_trees], is_known) for step in steps]

    def changes_of(self, step: Step, diffs: list[list[Diff]], is_known: IsKnown) -> list[WPChange]:
        """As :meth:`changes`, for one step of which it is known already what differs from each old side."""
        own = diffs[0]
        others = [{diff.path: diff.old for diff in side} for side in diffs[1:]]
        files = [diff for diff in own if wp_path(diff.path) is not None]
        if step.move.rule is Rule.SWITCH:
            files = [diff for diff in files if diff.new is not None and not is_known(_key_of(diff.path))]
        new_wps = self._parse((diff.path, diff.new) for diff in files)
        if step.move.rule is not Rule.SWITCH:
            gone = [diff.path for diff in files if diff.new is None]
            new_wps = [*self._left_behind(step.new_tree, gone), *new_wps]
        old_wps = [self._parse((diff.path, diff.old) for diff in files)]
        old_wps += [self._parse(_files_of(side, files)) for side in others]
        keys = {(wp.feature, wp.wp_id) for wps in [new_wps, *old_wps] for wp in wps}
        new_logs, old_logs = self._logs_of(step, own, others, {key[0] for key in keys})
        if step.move.rule is not Rule.SWITCH:
            for feature, log in [*new_logs.items(), *old_logs[0].items()]:
                before, after = old_logs[0].get(feature, {}), new_logs.get(feature, {})
                keys |= {(feature, wp_id) for wp_id in log if before.get(wp_id) != after.get(wp_id)}
        places = [place(old_wps[i], old_logs[i]) for i in range(len(old_wps))]
        new_place = place(new_wps, new_logs)
        return [
            WPChange(
                key=key,
                olds=tuple(side.get(key, NOTHING) for side in places),
                new=new_place.get(key, NOTHING),
            )
            for key in sorted(keys)
        ]

    def _logs_of(
        self, step: Step, own: list[Diff], others: list[dict[str, str | None]], features: set[str]
    ) -> tuple[Logs, list[Logs]]:
        """The lane logs of the touched features, at the new side and at each old one."""
        touched = {feature: diff for diff in own if (feature := log_path(diff.path)) is not None}
        new_logs: Logs = {}
        old_logs: list[Logs] = [{} for _ in step.old_trees]
        for feature in features | set(touched):
            path = f"{git.SPECS}/{feature}/{git.LANE_LOG}"
            diff = touched.get(feature)
            new = diff.new if diff is not None else self._log_name(step.new_tree, feature)
            olds = [diff.old if diff is not None else new, *(side.get(path, new) for side in others)]
            for logs, oid in zip([new_logs, *old_logs], [new, *olds], strict=True):
                if oid is not None and (rows := self.log(oid)):
                    logs[feature] = rows
        return new_logs, old_logs

    def _log_name(self, tree: str, feature: str) -> str | None:
        """What names the lane log of a feature in ``tree``; None where it is known that there is none."""
        return f"{tree}:{git.SPECS}/{feature}/{git.LANE_LOG}"

    def _left_behind(self, tree: str, gone: Sequence[str]) -> list[WorkPackage]:
        """The other files of work packages that lost one: of two with the same id the one that is left speaks."""
        lost = {_key_of(path) for path in gone}
        members = (wp for slug in sorted({key[0] for key in lost}) for wp in self._members(tree, slug))
        return [wp for wp in members if (wp.feature, wp.wp_id) in lost]

    def _parse(self, files: Iterable[tuple[str, str | None]]) -> list[WorkPackage]:
        found = (self.wp(path, oid) for path, oid in files if oid is not None)
        return [wp for wp in found if wp is not None]

    def wp(self, path: str, name: str) -> WorkPackage | None:
        """The work package in the blob that ``name`` means (an oid, or ``tree:path``)."""
        if (path, name) not in self._wps:
            data = self._objects.blob(name, MAX_BYTES)
            self._wps[(path, name)] = parse_wp(path, data) if data is not None else None
        return self._wps[(path, name)]

    def log(self, name: str) -> dict[str, tuple[LaneRow, ...]]:
        """The rows per work package of the lane log in the blob that ``name`` means; empty when there is none."""
        if name not in self._logs:
            data = self._objects.blob(name, LOG_MAX_BYTES)
            self._logs[name] = rows_by_wp(parse_log(data)) if data is not None else {}
        return self._logs[name]

    def feature_log(self, tree: str, feature: str) -> dict[str, tuple[LaneRow, ...]]:
        return self.log(f"{tree}:{git.SPECS}/{feature}/{git.LANE_LOG}")

    def meta(self, tree: str, slug: str) -> FeatureMeta:
        """The feature's meta.json in ``tree``."""
        return parse_meta(slug, self._objects.blob(f"{tree}:{git.SPECS}/{slug}/meta.json", MAX_BYTES))

    def has_feature(self, tree: str, slug: str) -> bool:
        """Whether ``tree`` has a folder of work packages for this feature."""
        return self._objects.has(f"{tree}:{git.SPECS}/{slug}/tasks")

    def feature(self, tree: str, slug: str) -> dict[Key, Facts]:
        """Every work package of one feature in ``tree``."""
        return place(self._members(tree, slug), {slug: self.feature_log(tree, slug)})

    def everything(self, tree: str) -> dict[Key, Facts]:
        """Every work package in ``tree``."""
        found: dict[Key, Facts] = {}
        for slug, is_folder in self._objects.folder(f"{tree}:{git.SPECS}"):
            if is_folder:
                found |= self.feature(tree, slug)
        return found

    def _members(self, tree: str, slug: str) -> list[WorkPackage]:
        """The work package files of one feature in ``tree``, by path."""
        paths = sorted(path for path in self._paths(tree, f"{git.SPECS}/{slug}/tasks") if wp_path(path) is not None)
        return self._parse((path, f"{tree}:{path}") for path in paths)

    def _paths(self, tree: str, folder: str) -> Iterator[str]:
        for name, is_folder in self._objects.folder(f"{tree}:{folder}"):
            if is_folder:
                yield from self._paths(tree, f"{folder}/{name}")
            else:
                yield f"{folder}/{name}"


def _files_of(side: dict[str, str | None], files: Sequence[Diff]) -> list[tuple[str, str | None]]:
    """The files of one side, for the work packages of ``files``: there it may have another path.

    ``side`` holds what differs between that side and the new tree.
    """
    names = {_key_of(diff.path) for diff in files}
    found: dict[str, str | None] = {diff.path: diff.new for diff in files}
    found |= {path: old for path, old in side.items() if wp_path(path) is not None and _key_of(path) in names}
    return sorted(found.items())


def _key_of(path: str) -> Key:
    found = wp_path(path)
    assert found is not None
    return (found.feature, found.wp_id)
