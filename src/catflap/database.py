"""Opens queue.db and gives write transactions in it: files, locks, versions. Knows no table but the data model's.

SQLite waits for nobody here (busy_timeout 0); `when_free` does the waiting, since its naps are fairer to whoever
waits longest. A file that cannot be used as it is stays as it is: the error says what it is and what to do.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from catflap.errors import CatflapError, DatabaseBusy, DatabaseUnusable
from catflap.patience import naps

T = TypeVar("T")

SCHEMA_VERSION = 5
STEPS: Mapping[int, str] = {
    1: """
ALTER TABLE project ADD COLUMN heads TEXT;
CREATE TABLE milestone (
    project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    since INTEGER,
    next_commit INTEGER NOT NULL,
    told_of_it INTEGER NOT NULL,
    is_done INTEGER NOT NULL,
    PRIMARY KEY (project_id, scope)
) WITHOUT ROWID;
UPDATE announced SET announced = json_set(announced, '$.told', 'live');
""",
    2: """
CREATE TABLE heard (
    project_slug TEXT NOT NULL,
    feature_slug TEXT NOT NULL,
    wp_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    lamport_clock INTEGER NOT NULL,
    node_id TEXT NOT NULL,
    PRIMARY KEY (project_slug, feature_slug, wp_id, event_type)
) WITHOUT ROWID;
""",
    3: """
CREATE TABLE sent (
    id INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    data TEXT NOT NULL
);
""",
    4: """
CREATE TABLE refusal (
    event_id TEXT PRIMARY KEY,
    why TEXT NOT NULL
) WITHOUT ROWID;
""",
}
"""The SQL that leads from each version to the next. schema.sql, always the newest, leads from 0 to SCHEMA_VERSION."""
QUEUE_COLUMNS = frozenset(("id", "event_id", "event_type", "data", "timestamp", "retry_count"))

_BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL))
_UNUSABLE: Mapping[int, str] = {
    sqlite3.SQLITE_NOTADB: "move the file away and run the command again",
    sqlite3.SQLITE_CORRUPT: "move it away with its -wal and -shm; `sqlite3 FILE .recover` saves what can be saved",
    sqlite3.SQLITE_CANTOPEN: "make it a file, in a folder, that you can write to",
    sqlite3.SQLITE_READONLY: "make it a file, in a folder, that you can write to",
    sqlite3.SQLITE_PERM: "make it a file, in a folder, that you can write to",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "look at the disk, and at the limits on file sizes",
}


def open_database(path: Path, *, wait_s: float = 10.0) -> sqlite3.Connection:
    """A connection to the queue.db at `path`, created or brought up to date where needed; the caller closes it.

    It is in autocommit mode: write inside `write_transaction`. Several threads may use it, one at a time.

    Raises:
        DatabaseUnusable: the file is not ours to use; it is as it was.
        DatabaseBusy: another process was in the way for `wait_s` seconds.
    """
    missing = not os.path.exists(path)
    if missing:
        _make_folder(path.parent)
    with ExitStack() as on_failure:
        try:
            connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            on_failure.callback(connection.close)
            if missing:  # events tell who works on what; -wal and -shm take their mode from the file
                path.chmod(0o600)
            version = when_free(lambda: _user_version(connection), path, wait_s=wait_s)
            if version != SCHEMA_VERSION:
                _bring_up_to_date(connection, path, version, wait_s=wait_s)
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.DatabaseError as error:
            if known := _explained(error, path):
                raise known from error
            raise
        except OSError as error:
            raise _unusable(path, error.strerror or str(error), _UNUSABLE[sqlite3.SQLITE_CANTOPEN]) from error
        on_failure.pop_all()
    return connection


def is_there(path: Path) -> bool:
    """Whether anything is at `path`. True, too, when nobody may look: `open_database` then says why it is unusable."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def write_transaction(connection: sqlite3.Connection, *, wait_s: float = 10.0) -> Iterator[None]:
    """One transaction that holds the write lock from its start: committed at the end, undone by any exception.

    Raises:
        DatabaseBusy: another process held the lock for `wait_s` seconds.
        DatabaseUnusable: queue.db cannot be written (read-only, damaged, disk full); nothing of the body is kept.
    """
    try:
        when_free(lambda: connection.execute("BEGIN IMMEDIATE"), connection, wait_s=wait_s)
        try:
            yield
            # Without WAL a reader can hold up the commit; the transaction stays open, so it can be tried again.
            when_free(lambda: connection.execute("COMMIT"), connection, wait_s=wait_s)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        if known := _explained(error, connection):
            raise known from error
        raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns SQLite's errors about the queue.db at `path` as a whole into DatabaseUnusable and DatabaseBusy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if known := _explained(error, path):
            raise known from error
        raise


def when_free(call: Callable[[], T], where: Path | sqlite3.Connection, *, wait_s: float = 10.0) -> T:
    """What `call` returns, tried again for as long as another process is in its way.

    Raises: DatabaseBusy after `wait_s` seconds; any other error of `call` at once.
    """
    busy: sqlite3.OperationalError | None = None
    for _ in naps(wait_s):
        try:
            return call()
        except sqlite3.OperationalError as error:
            if _primary(error) not in _BUSY:
                raise
            busy = error
    path = str(_path_of(where))
    why = f"another process has held it for {wait_s:g} s"
    raise DatabaseBusy("use the queue", where=path, why=why, hint="try again") from busy


def prefer_wal(connection: sqlite3.Connection) -> str:
    """The journal mode that the file has from now on: `wal`, or what it had on a filesystem that cannot."""
    return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])


def _bring_up_to_date(connection: sqlite3.Connection, path: Path, version: int, *, wait_s: float) -> None:
    if version > SCHEMA_VERSION or version < 0:
        why = f"its version is {version}, and this catflap knows versions up to {SCHEMA_VERSION}"
        raise _unusable(path, why, "update catflap, or name another folder in SPEC_KITTY_HOME")
    if version == 0:
        when_free(lambda: _refuse_strangers(connection, path), path, wait_s=wait_s)
        when_free(lambda: prefer_wal(connection), path, wait_s=wait_s)
    with write_transaction(connection, wait_s=wait_s):
        version = _user_version(connection)  # another process may have been faster
        if version == 0:
            _refuse_strangers(connection, path)
            _run(connection, Path(__file__).with_name("schema.sql").read_text("utf-8"))
        else:
            for step in range(version, SCHEMA_VERSION):
                _run(connection, STEPS[step])
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _refuse_strangers(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseUnusable for a database of another program: one with tables, but without the data model's queue.

    Spec Kitty's own queue.db has that table and no version: it is adopted as it is, events included.
    """
    names = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(queue)")}
    if names and not columns >= QUEUE_COLUMNS and _user_version(connection) == 0:
        why = "it is a database of another program"
        raise _unusable(path, why, "move it away, or name another folder in SPEC_KITTY_HOME")


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Execute each statement within the open transaction, which `executescript` would commit."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _user_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise _unusable(folder, why, "make it a folder that you can write to, or set SPEC_KITTY_HOME") from error


def _primary(error: sqlite3.Error) -> int:
    """The primary result code (sqlite.org/rescode.html); 0 for an error of Python's module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _explained(error: sqlite3.DatabaseError, where: Path | sqlite3.Connection) -> CatflapError | None:
    """What the error means for queue.db as a whole; None when it is about one statement."""
    code = _primary(error)
    if code in _BUSY:
        return DatabaseBusy("use the queue", where=str(_path_of(where)), why=str(error), hint="try again")
    return _unusable(_path_of(where), str(error), _UNUSABLE[code]) if code in _UNUSABLE else None


def _unusable(path: Path, why: str, hint: str) -> DatabaseUnusable:
    return DatabaseUnusable("use the queue", where=os.fspath(path), why=why, hint=hint)


def _path_of(where: Path | sqlite3.Connection) -> Path:
    if isinstance(where, Path):
        return where
    return Path(str(where.execute("PRAGMA database_list").fetchone()[2]))
