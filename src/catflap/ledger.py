"""What queue.db remembers of repositories: projects, views with cursor and base, and what was announced.

The only owner of those tables. Knows SQL; begins no transaction of its own, since an observation is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from catflap.announced import FeatureAnnounced, Key, Ledger, WPAnnounced
from catflap.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Project:
    """A git common dir in which `catflap install` was run. ``hooks_dir`` is None after ``--no-hooks``.

    ``heads`` are the commits that its worktrees stood at then; None when an earlier catflap did not keep them.
    """

    id: int
    common_dir: str
    path: str
    slug: str
    hooks_dir: str | None
    installed_at: str
    heads: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ViewState:
    """A view as we left it."""

    id: int
    git_dir: str
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class BaseRow:
    """What we last saw of a file that was not as the base's commit has it. ``facts`` None: it was gone.

    ``stamp`` identifies the file that had these facts, so that it need not be read again.
    """

    facts: Any
    stamp: str | None = None


_PROJECT = "SELECT id, common_dir, path, slug, hooks_dir, installed_at, heads FROM project"


def find_project(connection: Connection, common_dir: str) -> Project | None:
    """The project, when it is installed."""
    row = connection.execute(f"{_PROJECT} WHERE common_dir = ? AND is_installed", (common_dir,)).fetchone()
    return _project(row) if row is not None else None


def projects(connection: Connection) -> list[Project]:
    """Every installed project."""
    return [_project(row) for row in connection.execute(f"{_PROJECT} WHERE is_installed ORDER BY path")]


def put_project(
    connection: Connection,
    *,
    common_dir: str,
    path: str,
    slug: str,
    hooks_dir: str | None,
    installed_at: str,
    heads: Iterable[str] | None = None,
) -> Project:
    """Register a project, or bring its row up to date (``heads`` None: they stay); what it announced stays."""
    connection.execute(
        "INSERT INTO project (common_dir, path, slug, hooks_dir, installed_at, heads, is_installed) "
        "VALUES (?, ?, ?, ?, ?, ?, 1) "
        "ON CONFLICT (common_dir) DO UPDATE SET path = excluded.path, slug = excluded.slug, "
        "hooks_dir = excluded.hooks_dir, installed_at = excluded.installed_at, "
        "heads = coalesce(excluded.heads, heads), is_installed = 1",
        (common_dir, path, slug, hooks_dir, installed_at, _dump(list(heads)) if heads is not None else None),
    )
    found = find_project(connection, common_dir)
    assert found is not None
    return found


def _project(row: tuple[Any, ...]) -> Project:
    heads = json.loads(row[6]) if row[6] is not None else None
    return Project(row[0], row[1], row[2], row[3], row[4], row[5], heads=tuple(heads) if heads is not None else None)


def retire_project(connection: Connection, project_id: int) -> None:
    """Observe the project no longer, and forget where the reading of its views stands; what was announced stays."""
    connection.execute("UPDATE project SET is_installed = 0 WHERE id = ?", (project_id,))
    connection.execute("DELETE FROM view WHERE project_id = ?", (project_id,))


def drop_project(connection: Connection, common_dir: str) -> None:
    """Forget the project, installed or not, and everything that was announced of it."""
    connection.execute("DELETE FROM project WHERE common_dir = ?", (common_dir,))


def find_view(connection: Connection, git_dir: str) -> ViewState | None:
    row = connection.execute("SELECT id, git_dir, cursor FROM view WHERE git_dir = ?", (git_dir,)).fetchone()
    return ViewState(row[0], row[1], Cursor.from_json(row[2])) if row is not None else None


def views(connection: Connection, project_id: int) -> list[ViewState]:
    rows = connection.execute(
        "SELECT id, git_dir, cursor FROM view WHERE project_id = ? ORDER BY git_dir", (project_id,)
    )
    return [ViewState(row[0], row[1], Cursor.from_json(row[2])) for row in rows]


def put_view(connection: Connection, project_id: int, git_dir: str, cursor: Cursor) -> int:
    """The id of the view, which now stands at ``cursor``."""
    row = connection.execute(
        "INSERT INTO view (project_id, git_dir, cursor) VALUES (?, ?, ?) "
        "ON CONFLICT (git_dir) DO UPDATE SET cursor = excluded.cursor, project_id = excluded.project_id RETURNING id",
        (project_id, git_dir, cursor.to_json()),
    ).fetchone()
    return int(row[0])


def base(connection: Connection, view_id: int) -> dict[str, BaseRow]:
    """The files of a view that were not as its cursor's commit has them, by path."""
    rows = connection.execute("SELECT path, facts, stamp FROM base WHERE view_id = ?", (view_id,))
    return {path: BaseRow(json.loads(facts), stamp) for path, facts, stamp in rows}


def put_base(connection: Connection, view_id: int, rows: Mapping[str, BaseRow | None]) -> None:
    """Change rows of a view's base; None removes one: the file is as the commit has it."""
    connection.executemany(
        "DELETE FROM base WHERE view_id = ? AND path = ?", [(view_id, p) for p, row in rows.items() if row is None]
    )
    connection.executemany(
        "INSERT OR REPLACE INTO base (view_id, path, facts, stamp) VALUES (?, ?, ?, ?)",
        [(view_id, path, _dump(row.facts), row.stamp) for path, row in rows.items() if row is not None],
    )


def clear_base(connection: Connection, view_id: int) -> None:
    connection.execute("DELETE FROM base WHERE view_id = ?", (view_id,))


def load(connection: Connection, project_id: int, features: Iterable[str]) -> Ledger:
    """What was announced of these features."""
    ledger = Ledger()
    for slug in sorted(set(features)):
        row = connection.execute(
            "SELECT announced FROM feature WHERE project_id = ? AND feature_slug = ?", (project_id, slug)
        ).fetchone()
        if row is not None:
            ledger.features[slug] = FeatureAnnounced(**json.loads(row[0]))
        for wp_id, text in connection.execute(
            "SELECT wp_id, announced FROM announced WHERE project_id = ? AND feature_slug = ?", (project_id, slug)
        ):
            ledger.put((slug, wp_id), _wp_from_json(text))
    return ledger


def knows_feature(connection: Connection, project_id: int, slug: str) -> bool:
    """Whether anything was announced, or taken silently, of this feature."""
    row = connection.execute("SELECT 1 FROM feature WHERE project_id = ? AND feature_slug = ?", (project_id, slug))
    return row.fetchone() is not None


def knows_wp(connection: Connection, project_id: int, key: Key) -> bool:
    """Whether anything was announced, or taken silently, of this work package."""
    row = connection.execute(
        "SELECT 1 FROM announced WHERE project_id = ? AND feature_slug = ? AND wp_id = ?", (project_id, *key)
    )
    return row.fetchone() is not None


def forget(connection: Connection, project_id: int, keys: Iterable[Key]) -> None:
    """Know nothing of these work packages any more, nor of features that have no other and were never told."""
    for slug, wp_id in keys:
        connection.execute(
            "DELETE FROM announced WHERE project_id = ? AND feature_slug = ? AND wp_id = ?", (project_id, slug, wp_id)
        )
        connection.execute(
            "DELETE FROM feature WHERE project_id = ?1 AND feature_slug = ?2 "
            "AND json_extract(announced, '$.created_id') IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM announced WHERE project_id = ?1 AND feature_slug = ?2)",
            (project_id, slug),
        )


@dataclass(frozen=True, slots=True)
class ToldBefore:
    """What was told of a project: work packages and how (announced.LIVE or HISTORY); features with their event's id."""

    wps: dict[Key, str]
    created: dict[str, str]

    def features(self) -> set[str]:
        """The features of which a work package was told."""
        return {key[0] for key in self.wps}


def told_before(connection: Connection, project_id: int) -> ToldBefore:
    """Everything of which the world was told, by an event or by whoever pushed it; what was only taken is not in it."""
    wps = connection.execute(
        "SELECT feature_slug, wp_id, json_extract(announced, '$.told') AS told FROM announced "
        "WHERE project_id = ? AND told IS NOT NULL",
        (project_id,),
    )
    created = connection.execute(
        "SELECT feature_slug, json_extract(announced, '$.created_id') AS id FROM feature "
        "WHERE project_id = ? AND id IS NOT NULL",
        (project_id,),
    )
    return ToldBefore({(slug, wp_id): told for slug, wp_id, told in wps}, dict(created))


def load_errors(connection: Connection, project_id: int, digests: Iterable[str]) -> set[str]:
    """Those of ``digests`` for which an error was told, or known, before."""
    return {
        digest
        for digest in set(digests)
        if connection.execute(
            "SELECT 1 FROM seen_error WHERE project_id = ? AND digest = ?", (project_id, digest)
        ).fetchone()
    }


def save(connection: Connection, project_id: int, changes: Ledger) -> None:
    """Write what a fork of the ledger changed."""
    connection.executemany(
        "INSERT OR REPLACE INTO feature (project_id, feature_slug, announced) VALUES (?, ?, ?)",
        [
            (
                project_id,
                slug,
                _dump({"created_id": s.created_id, "created_at": s.created_at, "is_complete": s.is_complete}),
            )
            for slug, s in changes.features.items()
        ],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO announced (project_id, feature_slug, wp_id, announced) VALUES (?, ?, ?, ?)",
        [(project_id, key[0], key[1], _wp_to_json(state)) for key, state in changes.items()],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO seen_error (project_id, digest) VALUES (?, ?)",
        [(project_id, digest) for digest in changes.errors],
    )


def everything(connection: Connection, project_id: int) -> Ledger:
    """All that was announced of a project."""
    slugs = [
        row[0]
        for row in connection.execute(
            "SELECT feature_slug FROM feature WHERE project_id = ? "
            "UNION SELECT feature_slug FROM announced WHERE project_id = ?",
            (project_id, project_id),
        )
    ]
    return load(connection, project_id, slugs)


def _wp_to_json(state: WPAnnounced) -> str:
    return _dump(
        {
            "status": state.status,
            "agent": state.agent,
            "title": state.title,
            "dependencies": list(state.dependencies),
            "history": sorted(state.history),
            "log_seen": state.log_seen,
            "assigned": dict(state.assigned or {}),
            "dropped": state.dropped,
            "dropped_agent": state.dropped_agent,
            "is_present": state.is_present,
            "told": state.told,
        }
    )


def _wp_from_json(text: str) -> WPAnnounced:
    fields = json.loads(text)
    log_seen = fields["log_seen"]
    return WPAnnounced(
        **{
            **fields,
            "dependencies": tuple(fields["dependencies"]),
            "history": frozenset(fields["history"]),
            "log_seen": (log_seen[0], log_seen[1]) if log_seen else None,
        }
    )


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
