"""What a view looked like when we last looked: its commit's tree, and a row for each file seen otherwise.

Almost every file is as its commit has it, so rows are few: edits that a look at the working tree has told, edits
that were there at the install, and what a commit left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from catflap import git, worktree
from catflap.drafts import WPChange
from catflap.facts import NOTHING, Facts, Key, place, wp_from_json, wp_to_json
from catflap.git import View
from catflap.lanelog import LaneRow
from catflap.ledger import BaseRow
from catflap.trees import TreeReader
from catflap.workpackage import WorkPackage, parse_wp, wp_path


class Base:
    """The base of one view: ``head`` is the commit it stands on, ``rows`` the files that differ from it, by path."""

    def __init__(self, view: View, reader: TreeReader, head: str, rows: Mapping[str, BaseRow]) -> None:
        self._view = view
        self._reader = reader
        self.tree = reader.tree(head)
        self.rows = rows

    def wp(self, path: str) -> WorkPackage | None:
        """The work package at ``path`` as we last saw it."""
        if path in self.rows:
            facts = self.rows[path].facts
            return wp_from_json(facts) if facts is not None else None
        return self._reader.wp(path, f"{self.tree}:{path}") if self.tree is not None else None

    def log(self, feature: str) -> dict[str, tuple[LaneRow, ...]]:
        """The lane log of a feature as we last saw it; of an override the newest row per work package only."""
        row = self.rows.get(f"{git.SPECS}/{feature}/{git.LANE_LOG}")
        if row is not None:
            return {wp_id: (LaneRow(**fields),) for wp_id, fields in (row.facts or {}).items()}
        return self._reader.feature_log(self.tree, feature) if self.tree is not None else {}

    def facts(self, key: Key, paths: Iterable[str]) -> Facts:
        """One work package as we last saw it, in the files at ``paths``, or wherever else it was."""
        moved = [path for path, row in self.rows.items() if _key_in(path, row) == key]
        wps = [wp for path in dict.fromkeys((*paths, *moved)) if (wp := self.wp(path)) is not None]
        logs = {key[0]: self.log(key[0])}
        if not wps and self.tree is not None:
            elsewhere = self._reader.feature(self.tree, key[0]).get(key, NOTHING).wp
            wps = [elsewhere] if elsewhere is not None and elsewhere.path not in self.rows else []
        return place(wps, logs).get(key, NOTHING)

    def was_left_out(self, change: WPChange, final_tree: str) -> bool:
        """Whether a commit left this work package out: its file is still as the base has it, unlike the commit."""
        key, paths = change.key, paths_of(change)
        here = self._here(key, paths, final_tree)
        if here.told_part == change.new.told_part:
            return False
        final = self._in_tree(final_tree, key, paths)
        return here.told_part != final.told_part and here.told_part == self.facts(key, paths).told_part

    def has_file(self, change: WPChange) -> bool:
        """Whether a file of this work package is in the working tree, though a commit may have taken it out of git."""
        return any(worktree.read_file(self._view, path) is not None for path in paths_of(change))

    def _here(self, key: Key, paths: Sequence[str], final_tree: str) -> Facts:
        """One work package as the working tree has it now, in the files at ``paths``, or wherever it was moved. What
        git has laid out there in the middle of a pick or a merge is nobody's word yet; nor is it what a commit's hook
        has laid out while it holds an edit back.
        """
        if worktree.is_waiting(self._view) and git.has_staged(self._view.git_dir, paths):
            return NOTHING
        wps = [wp for path in paths if (wp := self._in_file(path, final_tree)) is not None]
        if not wps:
            files = worktree.members(self._view, key[0])
            wps = worktree.newest_last((wp, at) for wp, at in files if (wp.feature, wp.wp_id) == key)
        return place(wps, {key[0]: worktree.read_log(self._view, key[0])}).get(key, NOTHING)

    def _in_file(self, path: str, final_tree: str) -> WorkPackage | None:
        """The work package in the file at ``path`` now; as we last saw it, where its edit may be held back."""
        found = worktree.read_file(self._view, path)
        if found is None:
            return None
        wp = parse_wp(path, found.data)
        if path not in self.rows or wp != self._reader.wp(path, f"{final_tree}:{path}"):
            return wp
        # It is as committed, and has not been since the commit: the pre-commit framework lays that out for its hooks.
        is_laid_out = found.changed_at > worktree.head_moved_at(self._view)
        is_held = is_laid_out and worktree.is_committing(self._view) is not False
        return self.wp(path) if is_held else wp

    def _in_tree(self, tree: str, key: Key, paths: Iterable[str]) -> Facts:
        """One work package as ``tree`` has it, in the files at ``paths``, or wherever it was moved."""
        wps = [wp for path in paths if (wp := self._reader.wp(path, f"{tree}:{path}")) is not None]
        if not wps:
            return self._reader.feature(tree, key[0]).get(key, NOTHING)
        return place(wps, {key[0]: self._reader.feature_log(tree, key[0])}).get(key, NOTHING)

    def saved(self, change: WPChange) -> Facts | None:
        """The work package as we saw it saved, or left out of a commit; None when its file was as the commit has it."""
        paths = paths_of(change)
        if not any(path in self.rows for path in paths):
            return None
        found = self.facts(change.key, paths)
        return found if found.wp is not None else None

    def since_saved(self, change: WPChange, final_tree: str) -> WPChange:
        """The change that a commit makes of a file that was seen saved before: against what it said then, not against
        the commit before. What the file still says so, and HEAD does not, was left out: no change.
        """
        paths, saved = paths_of(change), self.saved(change)
        here = self._here(change.key, paths, final_tree) if saved is not None else NOTHING
        if saved is None or here.wp is None or change.new.wp is None or change.new.rows:
            return change  # gone, or come; and of a lane log no row is told twice
        final = self._in_tree(final_tree, change.key, paths)
        left = (here.digests & saved.digests) - change.new.digests - final.digests
        wp = replace(
            change.new.wp,
            status=saved.status if here.status == saved.status != final.status else change.new.status,
            agent=saved.agent if here.agent == saved.agent != final.agent else change.new.agent,
            history=(*(row for row in saved.history if row.digest in left), *change.new.history),
        )
        return replace(change, olds=(saved,), new=replace(change.new, wp=wp))

    def after_moves(
        self,
        head: str,
        left_out: Iterable[WPChange],
        *,
        in_part: Iterable[WPChange],
        moved: Collection[Key],
        was_reset: Iterable[WPChange],
    ) -> dict[str, BaseRow | None]:
        """What changes in the rows when the view's HEAD goes to ``head``: None removes a row.

        A file that the moves touched (``moved``: though HEAD has it as before in the end) is as the new commit has it,
        unless nobody touched it; one that was left out stays as we last saw it, and one of which a part was left out
        is as ``in_part`` says. What ``was_reset`` last, and no switch laid out anew, stays as we saw it saved, where
        that says something of its own: the next look tells whether the reset threw that away.
        """
        changes: dict[str, BaseRow | None] = {}
        new = self._reader.tree(head)
        if self.rows and self.tree is not None and new is not None:
            pairs = [(self.tree, new)] if new != self.tree else []
            touched = {diff.path for diffs in git.diff_trees(self._view.git_dir, pairs) for diff in diffs}
            reset = {one.key: one for one in was_reset if self._is_as_in(new, one)}
            own = {key for key in reset if self._says_its_own(key)}
            for path in self.rows:
                key = self._key_of(path)
                if key in reset:
                    is_stale = key not in own
                else:
                    is_stale = (path in touched or key in moved) and not self._still_says(path, new)
                if is_stale:
                    changes[path] = None
        changes.update({change.new.wp.path: wp_row(change.new.wp) for change in in_part if change.new.wp is not None})
        for change in left_out:
            log = f"{git.SPECS}/{change.key[0]}/{git.LANE_LOG}"
            changes.update({path: self.rows.get(path) or wp_row(self.wp(path)) for path in paths_of(change)})
            if any(facts.rows for facts in (change.new, *change.olds)):
                changes[log] = self.rows.get(log) or log_row(self.log(change.key[0]))
        return changes

    def _key_of(self, path: str) -> Key | None:
        """The work package of a row, also of a file that is gone; None for a lane log's."""
        if wp_path(path) is None:
            return None
        assert self.tree is not None
        wp = self.wp(path) or self._reader.wp(path, f"{self.tree}:{path}")
        return (wp.feature, wp.wp_id) if wp is not None else None

    def _is_as_in(self, tree: str, change: WPChange) -> bool:
        """Whether ``tree`` still has what the change brought."""
        return self._in_tree(tree, change.key, paths_of(change)).told_part == change.new.told_part

    def _says_its_own(self, key: Key) -> bool:
        """Whether we saw more of a work package than other words, or another place, for what its commit says."""
        assert self.tree is not None
        paths = [path for path in self.rows if self._key_of(path) == key]
        return self.facts(key, paths).told_part != self._in_tree(self.tree, key, paths).told_part

    def _still_says(self, path: str, tree: str) -> bool:
        """Whether the work package file at ``path`` is as we last saw it, unlike in ``tree``."""
        if wp_path(path) is None:
            return False
        here = worktree.read_wp(self._view, path)
        if here is None or wp_to_json(here) != self.rows[path].facts:
            return False
        committed = self._reader.wp(path, f"{tree}:{path}")
        return committed is None or wp_to_json(committed) != self.rows[path].facts


def _key_in(path: str, row: BaseRow) -> Key | None:
    """Of a row of a work package file that is there its key; None for a lane log's."""
    if row.facts is None or wp_path(path) is None:
        return None
    return (row.facts["feature"], row.facts["wp_id"])


def paths_of(change: WPChange) -> list[str]:
    """The files that spoke for a work package before and after."""
    found = [facts.wp.path for facts in (change.olds[0], change.new) if facts.wp is not None]
    return list(dict.fromkeys(found))


def wp_row(wp: WorkPackage | None, stamp: str | None = None) -> BaseRow:
    """The row for a file that is not as the commit has it; None: it is gone."""
    return BaseRow(wp_to_json(wp) if wp is not None else None, stamp)


def log_row(log: Mapping[str, tuple[LaneRow, ...]], stamp: str | None = None) -> BaseRow:
    """The row for a lane log: the newest row of each work package."""
    return BaseRow({wp_id: _fields(rows[-1]) for wp_id, rows in log.items()}, stamp)


def _fields(row: LaneRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("at", "event_id", "wp_id", "to_lane", "status", "actor")}
