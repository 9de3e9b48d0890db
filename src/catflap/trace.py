"""What was decided, and why: the table `trace` of queue.db, which `catflap explain` and the journal look back on.

The only one that writes that table. Begins no transaction of its own, since an observation is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from sqlite3 import Connection

from catflap.database import when_free

ROWS = 20_000
"""How many decisions `catflap explain` can look back on; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One decision: a fact that was told (``event_id``) or held back, by which rule, seen where."""

    at: str
    feature_slug: str
    wp_id: str | None
    rule: str
    outcome: str
    fact: str
    before: str | None
    after: str | None
    commit_sha: str | None
    path: str | None
    event_id: str | None
    note: str


def add(connection: Connection, project_id: int, rows: Iterable[TraceRow]) -> None:
    """Remember decisions; the oldest of all are forgotten past ROWS."""
    connection.executemany(
        "INSERT INTO trace (project_id, at, feature_slug, wp_id, rule, outcome, fact, before, after, commit_sha, "
        "path, event_id, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                project_id,
                row.at,
                row.feature_slug,
                row.wp_id,
                row.rule,
                row.outcome,
                row.fact,
                row.before,
                row.after,
                row.commit_sha,
                row.path,
                row.event_id,
                row.note,
            )
            for row in rows
        ],
    )
    connection.execute("DELETE FROM trace WHERE id <= (SELECT max(id) FROM trace) - ?", (ROWS,))


def last(
    connection: Connection, project_id: int, wp_id: str, *, feature: str | None = None, limit: int = 50
) -> list[TraceRow]:
    """The last decisions about a work package (of one feature, or of all that have such an id), oldest first."""
    rows = connection.execute(
        "SELECT at, feature_slug, wp_id, rule, outcome, fact, before, after, commit_sha, path, event_id, note "
        "FROM trace WHERE project_id = ? AND wp_id = ? AND feature_slug = coalesce(?, feature_slug) "
        "ORDER BY id DESC LIMIT ?",
        (project_id, wp_id, feature, limit),
    ).fetchall()
    return [TraceRow(*row) for row in reversed(rows)]


def count_told(connection: Connection, project_id: int, *, limit: int) -> int:
    """How many events of the project the trace knows, counted up to ``limit``. Raises: DatabaseBusy, DatabaseUnusable.

    By this one knows a beginner from somebody who has seen it all before.
    """
    sql = "SELECT count(*) FROM (SELECT 1 FROM trace WHERE project_id = ? AND event_id IS NOT NULL LIMIT ?)"
    return int(when_free(lambda: connection.execute(sql, (project_id, limit)).fetchone()[0], connection))
