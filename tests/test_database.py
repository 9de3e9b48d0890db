"""queue.db as a file: its schema, what is adopted, what is refused and left alone, and its transactions."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from catflap import database, ledger
from catflap.announced import LIVE, Ledger, WPAnnounced
from catflap.database import SCHEMA_VERSION, open_database, write_transaction
from catflap.errors import DatabaseBusy, DatabaseUnusable
from catflap.queue import OfflineQueue, highest_clock

DATA_MODEL = """
CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT UNIQUE NOT NULL,
    event_type TEXT NOT NULL,
    data TEXT NOT NULL,           -- Full JSON event
    timestamp INTEGER NOT NULL,   -- Queue time (epoch seconds)
    retry_count INTEGER DEFAULT 0
);

CREATE INDEX idx_timestamp ON queue(timestamp);
CREATE INDEX idx_retry ON queue(retry_count);
"""


FIRST_TABLES = set("queue meta project view base feature announced seen_error trace sqlite_sequence".split())
"""Those of version 1."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[sqlite3.Connection]:
    with closing(open_database(path, **options)) as connection:
        yield connection


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def shape(connection: sqlite3.Connection) -> dict[str, Any]:
    """Everything that SQLite knows of the queue table."""
    indexes = sorted(row[1:] for row in connection.execute("PRAGMA index_list(queue)"))
    return {
        "columns": connection.execute("PRAGMA table_xinfo(queue)").fetchall(),
        "indexes": indexes,
        "index columns": {one[0]: connection.execute(f"PRAGMA index_xinfo({one[0]})").fetchall() for one in indexes},
        "autoincrement": connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE name='sqlite_sequence'"
        ).fetchall(),
        "triggers": connection.execute("SELECT * FROM sqlite_master WHERE type='trigger'").fetchall(),
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_queue_table_is_the_data_models_to_the_letter(path: Path, tmp_path: Path) -> None:
    with opened(path) as ours, raw(tmp_path / "model.db") as models:
        models.executescript(DATA_MODEL)
        assert shape(ours) == shape(models)
        text = "SELECT sql FROM sqlite_master WHERE name = 'queue'"
        assert ours.execute(text).fetchone() == models.execute(text).fetchone()


def test_database_is_in_wal_mode_and_synced_at_checkpoints(path: Path) -> None:
    with opened(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_folder_and_files_are_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with opened(tmp_path / "home" / "queue.db") as connection, write_transaction(connection):
            connection.execute("INSERT INTO queue (event_id, event_type, data, timestamp) VALUES ('a', 'b', '{}', 1)")
            modes = {one.name: one.stat().st_mode & 0o777 for one in (tmp_path / "home").iterdir()}
    finally:
        os.umask(before)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert modes == {"queue.db": 0o600, "queue.db-wal": 0o600, "queue.db-shm": 0o600}


def test_opening_again_changes_nothing(path: Path) -> None:
    with opened(path):
        pass
    before = digest(path)
    with opened(path):
        pass
    assert digest(path) == before


def test_spec_kittys_own_queue_is_adopted_with_its_events(path: Path) -> None:
    rows = [
        (1, "a", "WPCreated", '{"event_id": "a", "lamport_clock": 7}', 10, 0),
        (2, "b", "WPCreated", '{"event_id": "b", "lamport_clock": 41}', 11, 3),
        (5, "c", "WPCreated", "not json", 12, None),
        (6, "d", "WPCreated", '{"event_id": "d", "lamport_clock": "99"}', 13, 0),
        (7, "e", "WPCreated", '{"event_id": "e", "lamport_clock": 9.5}', 13, 0),
    ]
    with raw(path) as theirs:
        theirs.executescript(DATA_MODEL)
        theirs.executemany("INSERT INTO queue VALUES (?, ?, ?, ?, ?, ?)", rows)
        before = shape(theirs)
    with opened(path) as connection:
        assert connection.execute("SELECT * FROM queue ORDER BY id").fetchall() == rows
        assert shape(connection) == before
        assert highest_clock(connection) == 41
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_empty_file_becomes_a_queue(path: Path) -> None:
    path.touch()
    with opened(path) as connection:
        assert highest_clock(connection) == 0


def as_text(path: Path) -> None:
    path.write_text("this is no database, but it is long enough to look at\n" * 50)


def as_another_programs(path: Path) -> None:
    with raw(path) as connection:
        connection.executescript("CREATE TABLE bookmark (url TEXT); INSERT INTO bookmark VALUES ('x')")


def as_another_queue(path: Path) -> None:
    with raw(path) as connection:
        connection.executescript("CREATE TABLE queue (id INTEGER PRIMARY KEY, job TEXT)")


def as_of_a_newer_catflap(path: Path) -> None:
    with opened(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def as_damaged(path: Path) -> None:
    with opened(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(size - 100))


@pytest.mark.parametrize(
    ("make", "why", "hint"),
    [
        (as_text, "not a database", "move the file away"),
        (as_another_programs, "another program", "SPEC_KITTY_HOME"),
        (as_another_queue, "another program", "SPEC_KITTY_HOME"),
        (as_of_a_newer_catflap, f"version is {SCHEMA_VERSION + 1}", "update catflap"),
        (as_damaged, "malformed", "recover"),
    ],
)
def test_file_that_is_not_ours_is_refused_and_stays_as_it_was(
    path: Path, make: Callable[[Path], None], why: str, hint: str
) -> None:
    make(path)
    before = digest(path)
    with pytest.raises(DatabaseUnusable, match=why) as caught:
        open_database(path)
    assert str(path) in str(caught.value)
    assert hint in str(caught.value)
    assert digest(path) == before
    assert {one.name for one in path.parent.iterdir()} <= {"queue.db"}


def test_folder_in_place_of_the_file_is_said_so(path: Path) -> None:
    path.mkdir()
    with pytest.raises(DatabaseUnusable, match="make it a file"):
        open_database(path)
    assert list(path.iterdir()) == []


@pytest.mark.parametrize("home", ["file/queue.db", "file/deeper/queue.db"])
def test_home_that_cannot_be_a_folder_is_said_so(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatabaseUnusable, match=str(tmp_path / "file")):
        open_database(tmp_path / home)
    assert (tmp_path / "file").read_text() == "mine"


def test_transaction_is_undone_by_any_exception(path: Path) -> None:
    class Stop(BaseException):
        pass

    def stopped(connection: sqlite3.Connection) -> None:
        with write_transaction(connection):
            connection.execute("UPDATE meta SET highest_clock = 9")
            raise Stop

    with opened(path) as connection:
        with pytest.raises(Stop):
            stopped(connection)
        assert not connection.in_transaction
        assert highest_clock(connection) == 0


def test_transaction_says_who_is_in_the_way_and_keeps_nothing(path: Path) -> None:
    with opened(path) as first, opened(path) as second, write_transaction(first):
        first.execute("UPDATE meta SET highest_clock = 9")
        with pytest.raises(DatabaseBusy, match="another process") as caught, write_transaction(second, wait_s=0.05):
            pytest.fail("two write at once")
        assert caught.value.retryable
        assert highest_clock(second) == 0


def test_full_disk_is_said_so_and_undone(path: Path) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with write_transaction(connection):
            connection.execute("UPDATE meta SET highest_clock = 9")
            row = ("a", "WPCreated", "x" * 100_000, 1)
            connection.execute("INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, ?, ?, ?)", row)

    with opened(path) as connection:
        with pytest.raises(DatabaseUnusable, match="make room on the disk"):
            fill(connection)
        assert highest_clock(connection) == 0


def test_migration_step_is_one_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path):
        pass
    monkeypatch.setattr(database, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    broken = "CREATE TABLE later (x);\nINSERT INTO nowhere VALUES (1);\n"
    monkeypatch.setattr(database, "STEPS", {SCHEMA_VERSION: broken})
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        open_database(path)
    with raw(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'later'").fetchall() == []
    whole = "CREATE TABLE later (x);\nINSERT INTO later VALUES (1);\n"
    monkeypatch.setattr(database, "STEPS", {SCHEMA_VERSION: whole})
    with opened(path) as connection:
        assert connection.execute("SELECT x FROM later").fetchall() == [(1,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)


def test_database_of_version_1_is_carried_over(path: Path) -> None:
    """It had no project.heads and no milestone, and did not know what of a work package was told."""
    with opened(path) as connection:
        project = ledger.put_project(
            connection, common_dir="/a/.git", path="/a", slug="a", hooks_dir=None, installed_at="2026-02-03T12:00:00Z"
        )
        told = Ledger()
        told.put(("001-demo", "WP01"), WPAnnounced(status="doing", title="Build"))
        ledger.save(connection, project.id, told)
        fresh = connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
    with raw(path) as connection:
        connection.execute("ALTER TABLE project DROP COLUMN heads")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in sorted(tables - FIRST_TABLES):
            connection.execute(f"DROP TABLE {name}")
        connection.execute("UPDATE announced SET announced = json_remove(announced, '$.told')")
        connection.execute("PRAGMA user_version = 1")
    with opened(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall() == fresh
        assert connection.execute("SELECT * FROM milestone").fetchall() == []
        assert ledger.find_project(connection, "/a/.git") == project
        assert project.heads is None
        state = ledger.everything(connection, project.id).wp(("001-demo", "WP01"))
        assert state == WPAnnounced(status="doing", title="Build", assigned={}, told=LIVE)


def test_schema_that_fails_halfway_leaves_no_table(path: Path) -> None:
    with raw(path) as theirs:
        theirs.executescript(DATA_MODEL)
        theirs.executescript("CREATE TABLE trace (mine)")
    with pytest.raises(sqlite3.OperationalError, match="trace"):
        open_database(path)
    with raw(path) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {"queue", "sqlite_sequence", "trace"}
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_processes_that_open_a_new_home_at_once_all_can(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from catflap.database import open_database\n"
        "sys.stdin.read(); open_database(Path(sys.argv[1])).close()"
    )
    path = tmp_path / "home" / "queue.db"
    command = [sys.executable, "-c", code, str(path)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for worker in workers:  # they wait for the end of their input, so that they start together
        assert worker.stdin is not None
        worker.stdin.close()
    for worker in workers:
        assert worker.stderr is not None
        with worker.stderr:
            assert worker.stderr.read() == ""
        assert worker.wait() == 0
    with OfflineQueue(path) as queue:
        assert queue.size() == 0
