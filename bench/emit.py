"""How many events a second can be emitted, by one process and by eight, beside other durable queues.

Every contender stores the same row, one transaction each, in the same folder's filesystem. What a stored row
outlives differs and is printed: `power` means that its transaction was synced, `kill` that it survives the process.
Rounds are interleaved, so that a slow minute of the machine is everybody's; the figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import persistqueue

from bench.table import Aim, Row, ratio, table
from catflap.emitter import EventEmitter

Put = Callable[[], object]
OURS, SYNCED, PERSIST, INSERT, DELETE, FLOOR = (
    "catflap",
    "catflap, synced",
    "persist-queue",
    "plain INSERT, WAL",
    "DELETE journal",
    "fdatasync",
)
OUTLIVES = {OURS: "kill", SYNCED: "power", PERSIST: "power", INSERT: "kill", DELETE: "power", FLOOR: "power"}

EVENT = {
    "event_id": "",
    "event_type": "WPStatusChanged",
    "aggregate_id": "WP01",
    "aggregate_type": "WorkPackage",
    "payload": {
        "wp_id": "WP01",
        "previous_status": "planned",
        "new_status": "doing",
        "changed_by": "user",
        "feature_slug": "001-demo",
    },
    "node_id": "b805cd5cee74",
    "lamport_clock": 4711,
    "causation_id": None,
    "timestamp": "2026-02-03T12:00:00Z",
    "team_slug": "local",
}
TEXT = str(EVENT).replace("'", '"').replace("None", "null").replace(": ", ":").replace(", ", ",")
TABLE = """CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE NOT NULL,
    event_type TEXT NOT NULL, data TEXT NOT NULL, timestamp INTEGER NOT NULL, retry_count INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS idx_timestamp ON queue(timestamp);
CREATE INDEX IF NOT EXISTS idx_retry ON queue(retry_count);"""
ROW = "INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, ?, ?, ?)"


DONE = "closed"
SLOWEST_MS = 50


@dataclass(frozen=True, slots=True)
class Lap:
    """What one process measured: when its first call began and its last ended (seconds, one clock for all)."""

    began: float
    ended: float
    slowest_s: float


@dataclass(slots=True)
class Result:
    """Per contender, of each round: events a second over all processes, and the slowest single call in ms."""

    rates: list[float] = field(default_factory=list)
    slowest_ms: list[float] = field(default_factory=list)


@contextmanager
def catflap(folder: Path) -> Iterator[Put]:
    with closing(EventEmitter(folder)) as emitter:
        yield lambda: emitter.emit_wp_status_changed("WP01", "planned", "doing", "user", "001-demo")


@contextmanager
def catflap_synced(folder: Path) -> Iterator[Put]:
    with closing(EventEmitter(folder)) as emitter:
        emitter.queue._open().execute("PRAGMA synchronous=FULL")  # not on offer: what it would cost
        yield lambda: emitter.emit_wp_status_changed("WP01", "planned", "doing", "user", "001-demo")


@contextmanager
def persist_queue(folder: Path) -> Iterator[Put]:
    with closing(persistqueue.SQLiteQueue(str(folder), auto_commit=True, timeout=60)) as events:
        yield lambda: events.put(EVENT)


@contextmanager
def plain(folder: Path, *pragmas: str) -> Iterator[Put]:
    """The data model's table and one INSERT per transaction; who finds it locked waits as SQLite does."""
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None, timeout=60)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(TABLE)
        ids = (f"{os.getpid():08}{number:018}" for number in itertools.count())

        def put() -> None:
            event_id = next(ids)
            connection.execute("BEGIN IMMEDIATE")
            row = (event_id, "WPStatusChanged", TEXT.replace('""', f'"{event_id}"', 1), int(time.time()))
            connection.execute(ROW, row)
            connection.execute("COMMIT")

        yield put


@contextmanager
def fdatasync(folder: Path) -> Iterator[Put]:
    """The same bytes at the end of a file of this process's own, synced: what the disk itself can do."""
    descriptor = os.open(folder / f"{os.getpid()}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    data = TEXT.encode()

    def put() -> None:
        os.write(descriptor, data)
        os.fdatasync(descriptor)

    try:
        yield put
    finally:
        os.close(descriptor)


CONTENDERS: Mapping[str, Callable[[Path], AbstractContextManager[Put]]] = {
    OURS: catflap,
    SYNCED: catflap_synced,
    PERSIST: persist_queue,
    INSERT: lambda folder: plain(folder, "journal_mode=WAL", "synchronous=NORMAL"),
    DELETE: lambda folder: plain(folder, "journal_mode=DELETE"),
    FLOOR: fdatasync,
}


def work(pipe: Connection, start: Barrier) -> None:
    """A process that puts what it is told to, at once with the others: (name, folder, count) in, a `Lap` out."""
    while (order := pipe.recv()) is not None:
        name, folder, count = order
        with CONTENDERS[name](folder) as put:
            put()
            start.wait()
            pipe.send(run(put, count))
            start.wait()  # nobody closes, and checkpoints, while others are measured
        pipe.send(DONE)


def run(put: Put, count: int) -> Lap:
    """How long `count` calls took, and the slowest of them."""
    slowest_s = 0.0
    began = before = time.monotonic()
    for _ in range(count):
        put()
        now = time.monotonic()
        slowest_s, before = max(slowest_s, now - before), now
    return Lap(began, before, slowest_s)


class Crew:
    """Processes that measure together, started once: an interpreter's start is none of the contenders' doing."""

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.start = context.Barrier(size)
        self.pipes: list[Connection] = []
        self.processes = []
        for _ in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, self.start), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def measure(self, name: str, count: int, result: Result) -> None:
        """Add one round in a fresh folder: `count` events by each process."""
        folder = Path(tempfile.mkdtemp(prefix="catflap-bench-"))
        try:
            with CONTENDERS[name](folder) as put:  # the tables are there before anybody counts
                put()
            for pipe in self.pipes:
                pipe.send((name, folder, count))
            laps = [pipe.recv() for pipe in self.pipes]
            for pipe in self.pipes:
                assert pipe.recv() == DONE
        finally:
            shutil.rmtree(folder)
        seconds = max(lap.ended for lap in laps) - min(lap.began for lap in laps)
        result.rates.append(count * len(laps) / seconds)
        result.slowest_ms.append(max(lap.slowest_s for lap in laps) * 1000)

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()


def measure(processes: int, names: Sequence[str], *, events: int, rounds: int) -> dict[str, Result]:
    """The result of each contender: `events` per round, shared by the processes; one round before is not counted."""
    results = {name: Result() for name in names}
    with closing(Crew(processes)) as crew:
        for number in range(rounds + 1):
            for name in names:
                crew.measure(name, events // processes, results[name] if number else Result())
    return results


def show(processes: int, results: Mapping[str, Result], aims: Sequence[Aim]) -> None:
    who = "one process" if processes == 1 else f"{processes} processes at once"
    rows = [Row(name, result.rates, OUTLIVES[name]) for name, result in results.items()]
    print(table(f"Events a second, {who}", "events/s", rows, aims))
    by_name = {row.name: row for row in rows}
    for aim in aims:
        found = ratio(by_name[SYNCED], by_name[aim.name])
        verdict = "would hold" if aim.is_held(found) else "would be MISSED"
        print(f"  Like for like, both synced: {found:.2f}× {aim.name}; there the aim {aim} {verdict}", end="\n\n")
    rows = [Row(name, result.slowest_ms) for name, result in results.items()]
    print(table(f"The slowest single call of a round, {who}", "ms", rows), end="\n\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.emit", description=__doc__)
    parser.add_argument("--events", type=int, default=2000, help="per contender and round (at most 9000)")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, SQLite {sqlite3.sqlite_version}, files in {tempfile.gettempdir()}")
    print("A stored event outlives: power = a power cut, kill = the death of its process\n")
    names = [OURS, SYNCED, PERSIST, INSERT, DELETE, FLOOR]
    one = measure(1, names, events=options.events // 2, rounds=options.rounds)
    show(1, one, [Aim(PERSIST, 0.9)])
    eight = measure(8, names, events=options.events, rounds=options.rounds)
    show(8, eight, [Aim(DELETE, 1.5)])
    slowest_ms = max(eight[OURS].slowest_ms)
    verdict = "held" if slowest_ms < SLOWEST_MS else "MISSED"
    print(f"Slowest call of catflap in all rounds, 8 processes: {slowest_ms:.1f} ms  aim < {SLOWEST_MS} ms: {verdict}")


if __name__ == "__main__":
    main()
