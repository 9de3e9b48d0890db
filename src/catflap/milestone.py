"""How far each backfill of a project has come: the only owner of that table. Knows SQL, and no history."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection


@dataclass(frozen=True, slots=True)
class Milestone:
    """Everything before the chain's ``next_commit`` (from 0) is told, and ``told_of_it`` drafts of that one.

    ``since`` (epoch seconds, None: all) is what the first run made of its ``--since``, so that the next means the same.
    """

    since: int | None = None
    next_commit: int = 0
    told_of_it: int = 0
    is_done: bool = False


def find_milestone(connection: Connection, project_id: int, scope: str) -> Milestone | None:
    """Where the backfill of ``scope`` stands; None when it has not begun."""
    row = connection.execute(
        "SELECT since, next_commit, told_of_it, is_done FROM milestone WHERE project_id = ? AND scope = ?",
        (project_id, scope),
    ).fetchone()
    return Milestone(row[0], row[1], row[2], bool(row[3])) if row is not None else None


def put_milestone(connection: Connection, project_id: int, scope: str, milestone: Milestone) -> None:
    """Remember where it stands, inside the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO milestone (project_id, scope, since, next_commit, told_of_it, is_done) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (project_id, scope, milestone.since, milestone.next_commit, milestone.told_of_it, milestone.is_done),
    )
