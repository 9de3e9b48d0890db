"""Opts a repository in and out: registers its views and takes their work packages as they are, silently."""

from __future__ import annotations

from dataclasses import dataclass, replace
from sqlite3 import Connection

from catflap import git, ledger, worktree
from catflap.announced import FeatureAnnounced, Ledger, WPAnnounced, is_complete
from catflap.base import Base, log_row, wp_row
from catflap.cursor import Cursor
from catflap.database import write_transaction
from catflap.events import STATUSES
from catflap.facts import Facts, Key
from catflap.git import View
from catflap.lanelog import log_path
from catflap.ledger import BaseRow, Project
from catflap.moves import is_zero
from catflap.objects import Objects
from catflap.reflog import end_cursor
from catflap.telling import adopt
from catflap.trees import TreeReader
from catflap.workpackage import wp_path


@dataclass(frozen=True, slots=True)
class Registration:
    """What an install found. ``is_new`` is False when the repository was registered before."""

    project: Project
    views: int
    features: int
    work_packages: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One view as it is now: facts of its working tree, and the rows of files that are not as HEAD has them."""

    view: View
    cursor: Cursor
    facts: dict[Key, Facts]
    rows: dict[str, BaseRow]
    created_at: dict[str, str | None]


def register(connection: Connection, view: View, *, hooks_dir: str | None, now: str) -> Registration:
    """Register the repository of ``view`` with all its worktrees; what their files say now counts as announced.

    Again: the path and the hooks folder are brought up to date, views that are known stay where they stand.
    """
    known = ledger.find_project(connection, view.common_dir)
    registered = {state.git_dir for state in ledger.views(connection, known.id)} if known is not None else set()
    snapshots = [_snapshot(one) for one in git.worktrees(view) if one.git_dir not in registered]
    with write_transaction(connection):
        project = ledger.put_project(
            connection,
            common_dir=view.common_dir,
            path=view.worktree,
            slug=git.project_slug(view),
            hooks_dir=hooks_dir,
            installed_at=known.installed_at if known is not None else now,
            heads=None
            if registered
            else sorted({one.cursor.head for one in snapshots if not is_zero(one.cursor.head)}),
        )
        if not registered:
            _adopt(connection, project.id, snapshots)
            for snapshot in snapshots:
                view_id = ledger.put_view(connection, project.id, snapshot.view.git_dir, snapshot.cursor)
                ledger.put_base(connection, view_id, dict(snapshot.rows))
        announced = ledger.everything(connection, project.id)
        views = len(ledger.views(connection, project.id))
    return Registration(
        project=project,
        views=views,
        features=len(announced.features),
        work_packages=sum(len(wps) for wps in announced.wps.values()),
        is_new=not registered,
    )


def _snapshot(view: View) -> _Snapshot:
    cursor = end_cursor(view)
    with Objects(view.git_dir) as objects:
        reader = TreeReader(view, objects)
        tree = reader.tree(cursor.head)
        facts = reader.everything(tree) if tree is not None else {}
        base = Base(view, reader, cursor.head, {})
        rows = {path: _row(view, path) for path in worktree.dirt(view).paths}
        edited = Base(view, reader, cursor.head, rows)
        touched = {key for path in rows for key in _keys(base, edited, path)}
        for key in touched:
            paths = [f.wp.path for f in (facts.get(key),) if f is not None and f.wp is not None]
            paths += [path for path in rows if wp_path(path) is not None and key in _keys(base, edited, path)]
            facts[key] = edited.facts(key, dict.fromkeys(paths))
        created = {
            slug: reader.meta(tree, slug).created_at if tree is not None else None for slug in {key[0] for key in facts}
        }
    return _Snapshot(view, cursor, facts, rows, created)


def _row(view: View, path: str) -> BaseRow:
    feature = log_path(path)
    if feature is not None:
        return log_row(worktree.read_log(view, feature))
    return wp_row(worktree.read_wp(view, path))


def _keys(base: Base, edited: Base, path: str) -> set[Key]:
    """The work packages that a file spoke for, or speaks for now."""
    feature = log_path(path)
    if feature is not None:
        return {(feature, wp_id) for log in (base.log(feature), edited.log(feature)) for wp_id in log}
    return {(wp.feature, wp.wp_id) for wp in (base.wp(path), edited.wp(path)) if wp is not None}


def _adopt(connection: Connection, project_id: int, snapshots: list[_Snapshot]) -> None:
    """Take what the working trees say. Where they differ, the one that is further along: the others are stale copies.

    What is remembered of an earlier install (ids, history rows, assignments) is kept.
    """
    earlier = ledger.everything(connection, project_id)
    told = Ledger()
    for snapshot in snapshots:
        for key, facts in snapshot.facts.items():
            created_at = snapshot.created_at.get(key[0])
            told.features.setdefault(key[0], earlier.feature(key[0]) or FeatureAnnounced(created_at=created_at))
            before = told.wp(key)
            if before is None or _progress(facts.status) > _progress(before.status):
                told.put(key, _with_memory(adopt(facts), earlier.wp(key)))
            if facts.wp is not None and facts.wp.problem is not None:
                told.errors.add(facts.wp.problem.digest)
    for slug, feature in told.features.items():
        told.features[slug] = replace(feature, is_complete=is_complete(told.of_feature(slug)))
    ledger.save(connection, project_id, told)


def _with_memory(state: WPAnnounced, earlier: WPAnnounced | None) -> WPAnnounced:
    if earlier is None:
        return state
    return replace(state, history=state.history | earlier.history, assigned=earlier.assigned, told=earlier.told)


def _progress(status: str | None) -> int:
    return STATUSES.index(status) if status in STATUSES else -1
