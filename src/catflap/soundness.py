"""Whether queue.db is sound: its locks, its pages, its tables, its journal. Reads only, but for `turn_to_wal`.

What is in the tables is not looked at: the files that own them know.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from catflap.database import SCHEMA_VERSION, explained, is_there, open_database, prefer_wal, when_free
from catflap.errors import DatabaseBusy, DatabaseUnusable

PATIENCE_S = 1.0
"""How long another process may hold the database before that is worth a word: as long as a hook waits."""


@dataclass(frozen=True, slots=True)
class Soundness:
    """``trouble``: why it cannot be used; ``damage``: what is wrong in it; ``missing``: tables, and ``table.column``.

    ``version`` is its user_version. All empty where there is no queue.db.
    """

    is_there: bool = True
    trouble: str | None = None
    is_busy: bool = False
    damage: str | None = None
    version: int = 0
    missing: tuple[str, ...] = ()
    journal: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether `open_database` can be asked for it."""
        is_good = self.trouble is None and not self.is_busy and self.damage is None
        return self.is_there and is_good and self.version <= SCHEMA_VERSION and not self.missing


def soundness(path: Path) -> Soundness:
    """How the queue.db at ``path`` is; nothing is created or changed."""
    if not is_there(path):
        return Soundness(is_there=False)
    try:
        with (
            explained(path),
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as found,
        ):
            found.isolation_level = None
            when_free(lambda: found.execute("BEGIN IMMEDIATE"), path, wait_s=PATIENCE_S)
            try:
                return _look(found)
            finally:
                found.execute("ROLLBACK")
    except DatabaseBusy:
        return Soundness(is_busy=True)
    except DatabaseUnusable as error:
        is_damage = isinstance(error.__cause__, sqlite3.DatabaseError) and "malformed" in error.why
        return Soundness(damage=error.why) if is_damage else Soundness(trouble=str(error))


def can_wal(folder: Path) -> bool:
    """Whether a database in ``folder`` can have a WAL: tried in a folder that is gone again."""
    try:
        with (
            TemporaryDirectory(prefix=".journal-", dir=folder) as place,
            closing(sqlite3.connect(Path(place) / "try.db")) as connection,
        ):
            return prefer_wal(connection) == "wal"
    except (OSError, sqlite3.Error):  # nothing can be written there: then that is what is wrong, not the journal
        return True


def turn_to_wal(path: Path) -> str:
    """The journal mode that queue.db has now. Raises: DatabaseUnusable, DatabaseBusy."""
    with closing(open_database(path)) as connection, explained(path):
        return when_free(lambda: prefer_wal(connection), path)


def _look(connection: sqlite3.Connection) -> Soundness:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    damage = None if said == ["ok"] else "; ".join(line for text in said for line in text.splitlines())
    journal = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    missing: tuple[str, ...] = ()
    if version == SCHEMA_VERSION:
        absent = _expected() - _shape(connection)
        missing = tuple(sorted(name for name in absent if "." not in name or name.partition(".")[0] not in absent))
    return Soundness(damage=damage, version=version, missing=missing, journal=journal)


def _expected() -> set[str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(Path(__file__).with_name("schema.sql").read_text("utf-8"))
        return _shape(connection)


def _shape(connection: sqlite3.Connection) -> set[str]:
    """Each table's name, and ``table.column`` of each column of a table that is there in full or in part."""
    names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {
        f"{name}.{row[0]}"
        for name in names
        for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
    }
    return {*names, *columns}
