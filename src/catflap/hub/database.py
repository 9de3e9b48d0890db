"""Opens hub.db for the one hub that may use it: one thread writes, another reads. Knows no table.

What waits for the writer goes into one transaction together (group commit), each piece of work in a savepoint of its
own; whoever waits is answered after the commit. synchronous=FULL: what was answered outlives a power cut.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from catflap.errors import CatflapError
from catflap.hub.refusal import Refused

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

APPLICATION_ID = 0x63666C70
"""Says in the file's header that it is a hub's (sqlite.org/pragma.html#pragma_application_id)."""
SCHEMA_VERSION = 1
MAX_WAITING = 256
"""Pieces of work before the writer; the next one is not taken up until there is room."""
MAX_TOGETHER = 32
"""Pieces of work in one transaction."""
_WAIT_S = 10.0
"""For another process: `catflap hub user` writes, too."""
_log = logging.getLogger("catflap.hub")


class HubDatabaseUnusable(CatflapError):
    """hub.db cannot be used as it is."""


class HubRunning(CatflapError):
    """Another hub uses this database: its sockets would not hear of our events."""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the hub.db at `path`, made where it is missing; autocommit. Raises: HubDatabaseUnusable."""
    try:
        _make(path)
        with closing(_connect(path)) as connection:
            _bring_up_to_date(connection, path)
            yield connection
    except (sqlite3.DatabaseError, OSError) as error:
        raise _unusable(path, str(error)) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: committed at the end, undone by any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@dataclass(slots=True)
class _Piece(Generic[T]):
    """Work that waits for the writer; `then` runs in the event loop, in the order of the commits."""

    work: Work[T]
    then: Callable[[T], None]
    answer: asyncio.Future[T]
    result: T | None = None
    error: Exception | None = field(default=None)


class HubDatabase:
    """hub.db while a hub runs, held against other hubs. `start` it in the event loop that will await its answers."""

    def __init__(self, path: Path) -> None:
        """Raises: HubRunning, HubDatabaseUnusable."""
        self.path = path
        self._lock = FileLock(path.with_name(f"{path.name}.lock"), mode=0o600, thread_local=False)
        with opened(path):
            pass
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            why = "another hub uses it"
            raise HubRunning("start the hub on", where=str(path), why=why, hint="stop that one first") from error
        self._waiting: queue.SimpleQueue[_Piece[Any] | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer = threading.Thread(target=self._write, name="hub-writer", daemon=True)
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="hub-reader")
        self._reading: sqlite3.Connection | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to write and read, with answers to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()

    async def write(self, work: Work[T], then: Callable[[T], None] = lambda _: None) -> T:
        """What `work` returns, once its transaction is on the disk. Raises: Refused 503, or what `work` raises."""
        async with self._room:
            if self._is_closed:
                raise _unavailable("the hub is about to stop", 5)
            piece = _Piece(work, then, asyncio.get_running_loop().create_future())
            self._waiting.put(piece)
            answer: T = await piece.answer
            return answer

    async def read(self, work: Work[T]) -> T:
        """What `work` returns, having seen one state of the database. Raises: Refused 503, or what `work` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def close(self) -> None:
        """Let go of the file, once everything that waits is written."""
        if self._is_closed:
            return
        self._is_closed = True
        loop = asyncio.get_running_loop()
        if self._writer.is_alive():
            self._waiting.put(None)
            await loop.run_in_executor(None, self._writer.join)
        await loop.run_in_executor(self._readers, self._close_reading)
        self._readers.shutdown()
        self._lock.release()

    def _read(self, work: Work[T]) -> T:
        try:
            if self._reading is None:
                self._reading = _connect(self.path)
                self._reading.execute("PRAGMA query_only=ON")
            self._reading.execute("BEGIN")
            try:
                return work(self._reading)
            finally:
                self._reading.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise _broken(error) from error

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()

    def _write(self) -> None:
        with closing(_connect(self.path)) as connection:
            while (first := self._waiting.get()) is not None:
                pieces = [first]
                is_last = False
                while len(pieces) < MAX_TOGETHER and not is_last:
                    try:
                        following = self._waiting.get_nowait()
                    except queue.Empty:
                        break
                    if following is None:
                        is_last = True
                    else:
                        pieces.append(following)
                self._commit(connection, pieces)
                if is_last:
                    return

    def _commit(self, connection: sqlite3.Connection, pieces: list[_Piece[Any]]) -> None:
        try:
            with transaction(connection):
                for piece in pieces:
                    _do(connection, piece)
        except sqlite3.Error as error:  # nothing of any of them is kept
            for piece in pieces:
                piece.error = _broken(error)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(_answer, pieces)


def _do(connection: sqlite3.Connection, piece: _Piece[Any]) -> None:
    connection.execute("SAVEPOINT piece")
    try:
        piece.result = piece.work(connection)
    except Exception as error:
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise  # disk full, damaged, locked: it is not this piece's fault, and the transaction may be gone
        piece.error = error  # whoever waits for this piece gets it
        connection.execute("ROLLBACK TO piece")
    connection.execute("RELEASE piece")


def _answer(pieces: list[_Piece[Any]]) -> None:
    """Tell everybody what became of their work, in the event loop; those who left are told nothing."""
    for piece in pieces:
        if piece.error is None:
            piece.then(piece.result)
        if piece.answer.done():
            continue
        if piece.error is not None:
            piece.answer.set_exception(piece.error)
        else:
            piece.answer.set_result(piece.result)


def _make(path: Path) -> None:
    """The file, readable for nobody else from its first byte; -wal and -shm take their mode from it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    if _is_ours(connection):
        return
    _refuse_strangers(connection, path)
    if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
        raise _unusable(path, "its filesystem has no shared memory for SQLite's WAL")
    with transaction(connection):
        if _version(connection) == SCHEMA_VERSION:  # another process was faster
            return
        _refuse_strangers(connection, path)
        statement = ""
        for line in Path(__file__).with_name("schema.sql").read_text("utf-8").splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                connection.execute(statement)
                statement = ""
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _is_ours(connection: sqlite3.Connection) -> bool:
    return _version(connection) == SCHEMA_VERSION and _application_id(connection) == APPLICATION_ID


def _refuse_strangers(connection: sqlite3.Connection, path: Path) -> None:
    is_used = _version(connection) or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if is_used and not _is_ours(connection):  # asked last: another process may just have made it ours
        raise _unusable(path, "it is the database of another program, or of a newer catflap")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _application_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def _unusable(path: Path, why: str) -> HubDatabaseUnusable:
    hint = "name another file with --database sqlite:///FILE"
    return HubDatabaseUnusable("use the hub's database", where=str(path), why=why, hint=hint)


def _broken(error: sqlite3.Error) -> Refused:
    _log.error("the database does not do what it should: %s", error)
    return _unavailable(f"the database says: {error}", 10)


def _unavailable(why: str, retry_after_s: int) -> Refused:
    return Refused(503, "do it now", why=why, hint="try again", retry_after_s=retry_after_s)
