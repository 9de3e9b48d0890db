"""Which projects a command is about: the one that the current directory lies in, or all that are registered.

Makes no queue.db: where there is none, nothing is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from sqlite3 import Connection

from catflap import git, ledger
from catflap.config import home
from catflap.database import is_there, open_database
from catflap.errors import CatflapError, NotInstalled
from catflap.ledger import Project


class UnknownFeature(CatflapError):
    """Nobody has seen a feature of this slug in the projects that the command is about."""


@contextmanager
def project_here(what: str) -> Iterator[tuple[Connection, Project]]:
    """queue.db, and the project of the current directory; ``what`` is wanted there, such as ``explain``.

    Raises: NotARepository, NotInstalled, DatabaseBusy, DatabaseUnusable.
    """
    view = git.locate(".")
    path = home() / "queue.db"
    if not is_there(path):
        raise _not_installed(what, view.worktree)
    connection = open_database(path)
    try:
        project = ledger.find_project(connection, view.common_dir)
        if project is None:
            raise _not_installed(what, view.worktree)
        yield connection, project
    finally:
        connection.close()


@contextmanager
def every_project(what: str) -> Iterator[tuple[Connection, list[Project]]]:
    """queue.db, and all registered projects. Raises: NotInstalled, DatabaseBusy, DatabaseUnusable."""
    path = home() / "queue.db"
    if not is_there(path):
        raise _not_installed(what, str(path.parent))
    connection = open_database(path)
    try:
        yield connection, ledger.projects(connection)
    finally:
        connection.close()


@contextmanager
def projects_here(what: str, *, is_all: bool) -> Iterator[tuple[Connection, list[Project]]]:
    """The projects that a command with ``--all`` is about. Raises: as `project_here`, and `every_project`."""
    if is_all:
        with every_project(what) as (connection, projects):
            yield connection, projects
        return
    with project_here(what) as (connection, project):
        yield connection, [project]


def _not_installed(what: str, where: str) -> NotInstalled:
    return NotInstalled(what, where=where, why="catflap is not installed here", hint="run `catflap install` there")


def require_feature(what: str, connection: Connection, projects: Sequence[Project], feature: str | None) -> None:
    """Nothing, when one of the projects has the feature, or none is named. Raises: UnknownFeature."""
    if feature is None or any(ledger.knows_feature(connection, project.id, feature) for project in projects):
        return
    raise UnknownFeature(
        what,
        where=f"feature {feature!r:.80}",
        why="no such feature was seen here",
        hint="its name is that of its folder in kitty-specs/; `catflap board` lists them",
    )
