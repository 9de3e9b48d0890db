"""One look at a working tree: files saved but not committed. What a hand changed there is told, once it is settled."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from sqlite3 import Connection

from catflap import git, ledger, log, queue, seen, worktree
from catflap.base import Base, log_row, wp_row
from catflap.catchup import observe_moves
from catflap.clock import LamportClock
from catflap.database import write_transaction
from catflap.drafts import Context, WPChange
from catflap.facts import NOTHING, Facts, Key, place
from catflap.featuremeta import FeatureMeta, parse_meta
from catflap.git import View
from catflap.infer import infer, take_feature
from catflap.instants import iso
from catflap.lanelog import log_path
from catflap.ledger import BaseRow, Project, ViewState
from catflap.moves import Move, Rule, is_zero
from catflap.objects import Objects
from catflap.observe import Outcome, what_fits
from catflap.outbox import Judged, begin, branch_of, record
from catflap.reflogfile import has_entries
from catflap.trees import Logs, TreeReader
from catflap.workpackage import WorkPackage
from catflap.worktree import Dirt, Found


@dataclass(frozen=True, slots=True)
class Save:
    """One file that is not as we last saw it; ``wait_s`` is 0 once it may be believed."""

    path: str
    found: Found | None
    new: WorkPackage | None
    wait_s: float


@dataclass(frozen=True, slots=True)
class Glance:
    """What git says of a view, asked before its saves are settled. It holds as long as index and cursor do.

    A file that was saved since then is not missed: what is in it is read at the look, and its own save asks for one.
    Of a file that changed after ``asked_s`` (epoch seconds; infinite: it was asked within the look) it says nothing.
    ``wait_s``: seconds until what was found then is settled.
    """

    state: ViewState
    index: str
    dirt: Dirt
    reader: TreeReader
    objects: Objects
    asked_s: float = float("inf")
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Look:
    """What the saves of a view amount to, before the database is locked."""

    changes: list[WPChange]
    rows: dict[str, BaseRow | None]
    features: dict[str, FeatureMeta]
    strangers: dict[str, dict[Key, Facts]]
    wait_s: float


def observe_view(
    connection: Connection,
    clock: LamportClock,
    view: View,
    *,
    home: str,
    now_s: float,
    wait_s: float = 10.0,
    glance: Glance | None = None,
) -> Outcome | None:
    """Tell what happened in a view since the last look: HEAD's moves, then saved files. None: not registered.

    ``now_s`` is epoch seconds, ``wait_s`` the longest wait for a lock. Raises: as `observe_head` and `observe_files`.
    """
    moved = observe_moves(connection, clock, view, wait_s=wait_s)
    if moved is None:
        return None
    if not moved.is_quiet:
        seen.forget_tree(home, view.git_dir)
    saved = observe_files(connection, clock, view, now_s=now_s, wait_s=wait_s, glance=glance) or Outcome()
    return Outcome(
        told=[*moved.told, *saved.told],
        waiting=moved.waiting + saved.waiting,
        is_quiet=moved.is_quiet and saved.is_quiet,
        unsettled_s=max(moved.unsettled_s, saved.unsettled_s),
    )


def look_ahead(connection: Connection, view: View, *, now_s: float) -> Glance | None:
    """What a look at the files of this view will ask git, asked now; None when the view says nothing at this moment.

    ``now_s`` is epoch seconds. Raises: GitFailed.
    """
    project = ledger.find_project(connection, view.common_dir)
    state = ledger.find_view(connection, view.git_dir)
    if project is None or state is None or has_entries(view.git_dir, state.cursor) or worktree.is_under_way(view):
        return None
    glance = _glance(view, state)
    with glance.objects:
        _look(connection, project, view, glance, now_s=float("inf"))  # what it reads of git is remembered
        wait_s = _look(connection, project, view, glance, now_s).wait_s
        return replace(glance, asked_s=now_s, wait_s=wait_s)


def observe_files(
    connection: Connection,
    clock: LamportClock,
    view: View,
    *,
    now_s: float,
    wait_s: float = 10.0,
    glance: Glance | None = None,
) -> Outcome | None:
    """Tell what was saved in a view since the last look; None when it, or its repository, is not registered.

    HEAD's moves must have been observed before. ``unsettled_s`` of the outcome says when to look again.
    ``glance`` saves asking git, when nothing happened since it.

    Raises: GitFailed, DatabaseBusy, DatabaseUnusable, ClockBusy, ClockUnwritable; then nothing has changed.
    """
    project = ledger.find_project(connection, view.common_dir)
    state = ledger.find_view(connection, view.git_dir)
    if project is None or state is None:
        return None
    if worktree.is_under_way(view):
        return Outcome(is_quiet=False, unsettled_s=worktree.DOUBT_S)
    if glance is None or glance.state != state or glance.index != worktree.index_stamp(view):
        glance = _glance(view, state)
    dirt = glance.dirt
    if dirt.head != ("" if is_zero(state.cursor.head) else state.cursor.head) or (
        dirt.has_staged and worktree.is_arriving(view, now_s)
    ):
        return Outcome(is_quiet=False, unsettled_s=worktree.SETTLE_S)
    with glance.objects:
        look = _look(connection, project, view, glance, now_s)
        outcome = Outcome(unsettled_s=look.wait_s, is_quiet=not look.wait_s)
        if not look.changes and not look.rows:
            return outcome
        if has_entries(view.git_dir, state.cursor) or worktree.is_under_way(view):  # git has begun while we looked
            return Outcome(is_quiet=False, unsettled_s=worktree.SETTLE_S)
        importlib.import_module("filelock")  # 50 ms: not while others wait for the database
        with write_transaction(connection, wait_s=wait_s):
            if ledger.find_view(connection, view.git_dir) != state:
                return Outcome(is_quiet=False, unsettled_s=worktree.SETTLE_S)
            _write(connection, clock, project, state, look, outcome, now_s)
        if log.is_on:
            told = ", ".join(f"{event.event_type} {event.aggregate_id}" for event in outcome.told) or "nothing"
            log.note("observe", f"{view.worktree}: {len(look.rows)} files saved; told {told}")
    return outcome


def _glance(view: View, state: ViewState) -> Glance:
    index = worktree.index_stamp(view)  # before git reads it
    objects = Objects(view.git_dir)
    return Glance(state, index, worktree.dirt(view), TreeReader(view, objects), objects)


def _look(connection: Connection, project: Project, view: View, glance: Glance, now_s: float) -> _Look:
    dirt, reader, state = glance.dirt, glance.reader, glance.state
    base = Base(view, reader, state.cursor.head, ledger.base(connection, state.id))
    saves = list(_saves(view, base, glance, now_s))
    slugs = {_feature_of(save) for save in saves}
    unknown = {slug for slug in slugs if not ledger.knows_feature(connection, project.id, slug)}
    # A new feature is told when all its files are settled: its event says how many there are.
    held = {_feature_of(save) for save in saves if save.wait_s} & unknown
    settled = [save for save in saves if not save.wait_s and _feature_of(save) not in held]
    rows = {save.path: _row(save) if save.path in dirt.paths else None for save in settled}
    features = {slug: _meta(view, slug) for slug in unknown}
    strangers = {
        slug: reader.feature(base.tree, slug)
        for slug in unknown
        if base.tree is not None and reader.has_feature(base.tree, slug)
    }
    wait_s = max((save.wait_s for save in saves), default=0.0)
    return _Look(_changes(view, base, settled), rows, features, strangers, wait_s)


def _saves(view: View, base: Base, glance: Glance, now_s: float) -> Iterable[Save]:
    """The files that are not as we last saw them. Unmerged ones say nothing yet."""
    dirt, hold = glance.dirt, _Hold(view)
    for path in sorted((dirt.paths | set(base.rows)) - dirt.unmerged):
        found = worktree.read_file(view, path)
        row = base.rows.get(path)
        if row is not None and path in dirt.paths:
            if found is None and row.facts is None:
                continue
            if found is not None and row.stamp == found.stamp:
                continue
        quiet_s = worktree.SETTLE_S
        if path not in dirt.unstaged:
            quiet_s = hold.quiet_s(is_back=path not in dirt.paths, is_told=row is not None)
            found = worktree.read_file(view, path)  # again: a commit that ended before we asked has put it back
        new = worktree.read_wp(view, path) if log_path(path) is None else None
        if new is not None and new.problem is not None:
            quiet_s = max(quiet_s, worktree.DOUBT_S)
        wait_s = 0.0
        if found is not None:
            wait_s = worktree.unsettled_for(found, now_s, quiet_s=quiet_s)
            wait_s = wait_s or worktree.unsettled_for(found, glance.asked_s, quiet_s=worktree.TICK_S)
        yield Save(path, found, new, min(wait_s, worktree.DOUBT_S))


class _Hold:
    """How long a file must be quiet that is as the index has it: perhaps a commit's hook holds an edit back."""

    def __init__(self, view: View) -> None:
        self._view = view

    @cached_property
    def _is_committing(self) -> bool | None:
        return worktree.is_committing(self._view)

    def quiet_s(self, *, is_back: bool, is_told: bool) -> float:
        """``is_back``: it is as HEAD has it, too; ``is_told``: something else that it said was told."""
        if not is_back and not is_told:
            return worktree.SETTLE_S  # no edit was seen that could be held back
        if self._is_committing is None:
            return worktree.HELD_S
        if self._is_committing:
            return float("inf")
        return worktree.DOUBT_S if is_back else worktree.SETTLE_S


def _changes(view: View, base: Base, saves: list[Save]) -> list[WPChange]:
    """What the saves changed: of two files with one id the newest-changed speaks."""
    paths = [save.path for save in saves if log_path(save.path) is None]
    old_wps = [wp for path in paths if (wp := base.wp(path)) is not None]
    files = [(save.new, save.found.changed_at) for save in saves if save.new is not None and save.found is not None]
    gone = {(wp.feature, wp.wp_id) for wp in old_wps} - {(wp.feature, wp.wp_id) for wp, _ in files}
    for feature in {key[0] for key in gone}:  # of two files with one id the one that is left speaks
        files += [(wp, at) for wp, at in worktree.members(view, feature) if (wp.feature, wp.wp_id) in gone]
    new_wps = worktree.newest_last(files)
    features = {_feature_of(save) for save in saves}
    old_logs: Logs = {feature: base.log(feature) for feature in features}
    new_logs: Logs = {feature: worktree.read_log(view, feature) for feature in features}
    before, after = place(old_wps, old_logs), place(new_wps, new_logs)
    keys = {(wp.feature, wp.wp_id) for wp in [*old_wps, *new_wps]}
    keys |= {key for key in {*before, *after} if before.get(key, NOTHING).newest != after.get(key, NOTHING).newest}
    found = (WPChange(key=key, olds=(before.get(key, NOTHING),), new=after.get(key, NOTHING)) for key in sorted(keys))
    return [change for change in found if change.olds[0].told_part != change.new.told_part]


def _write(
    connection: Connection,
    clock: LamportClock,
    project: Project,
    state: ViewState,
    look: _Look,
    outcome: Outcome,
    now_s: float,
) -> None:
    told = begin(connection, project.id, look.changes)
    for slug, members in look.strangers.items():
        take_feature(told, slug, members, look.features.get(slug))
    branch = branch_of(state.cursor.ref)
    context = Context(rule=Rule.EDIT, at=iso(now_s), branch=branch, features=look.features)
    inference = infer(context, look.changes, told)
    free = queue.room(connection)
    if len(inference.drafts) > free:
        outcome.waiting = len(inference.drafts)
        inference = what_fits(context, look.changes, told, free)
        outcome.waiting -= len(inference.drafts)
        outcome.is_quiet = False
    told.absorb(inference.ledger)
    move = Move(rule=Rule.EDIT, old=state.cursor.head, new=state.cursor.head, at=int(now_s), label="saved")
    outcome.told = record(connection, clock, project, [Judged(move, inference)], told, branch=branch)
    if not outcome.waiting:
        ledger.put_base(connection, state.id, look.rows)


def _feature_of(save: Save) -> str:
    return save.path.split("/", 2)[1]


def _row(save: Save) -> BaseRow:
    stamp = save.found.stamp if save.found is not None else None
    if log_path(save.path) is None:
        return wp_row(save.new, stamp)
    from catflap.facts import rows_by_wp
    from catflap.lanelog import parse_log

    return log_row(rows_by_wp(parse_log(save.found.data)) if save.found is not None else {}, stamp)


def _meta(view: View, slug: str) -> FeatureMeta:
    found = worktree.read_file(view, f"{git.SPECS}/{slug}/meta.json")
    return parse_meta(slug, found.data if found is not None else None)
