"""How many events a second a hub accepts over HTTP, beside SQLite inserting the same rows in batches of the same size.

The hub is `catflap hub` in a process of its own; senders are processes of their own, too, with bodies made beforehand.
An event counts once its batch was answered, so it is on the disk. SQLite's floor writes the very rows that the hub
has written (its events, with their indexes), one transaction per batch, WAL and synchronous=FULL, nothing else; once
having them in memory, once from the JSON bodies that were sent.
Rounds are interleaved; the figures are medians.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import httpx

from bench.table import Aim, Row, table
from catflap.events import encode_ulid
from catflap.hub import accounts, database

PASSWORD = "only for the bench"
FLOOR = "SQLite, same rows"
PARSED = "the same, from JSON"
LIFE: list[tuple[str, dict[str, Any]]] = [
    ("WPCreated", {"title": "Build the part that everything else waits for", "dependencies": ["WP01"]}),
    ("WPStatusChanged", {"previous_status": "planned", "new_status": "doing", "changed_by": "claude"}),
    ("WPAssigned", {"agent_id": "claude", "phase": "implementation", "retry_count": 0}),
    ("HistoryAdded", {"entry_type": "note", "entry_content": "started, and read the plan", "author": "claude"}),
    ("WPStatusChanged", {"previous_status": "doing", "new_status": "for_review", "changed_by": "claude"}),
    ("HistoryAdded", {"entry_type": "note", "entry_content": "ready for review, tests pass", "author": "claude"}),
    ("WPAssigned", {"agent_id": "codex", "phase": "review", "retry_count": 0}),
    ("WPStatusChanged", {"previous_status": "for_review", "new_status": "done", "changed_by": "codex"}),
]
"""What is told of a work package from its plan to its end."""
INSERT = "INSERT INTO event (team_id, sequence, event_id, feature_id, received_at, body) VALUES (?, ?, ?, ?, ?, ?)"


def events(count: int, seed: int) -> list[dict[str, Any]]:
    """The lives of work packages, features of seven one after the other, as a client tells them."""
    chance = random.Random(seed)
    return list(itertools.islice(_events(seed, chance), count))


def _events(seed: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    number = 0
    for feature in itertools.count():
        slug = f"{feature:03}-some-feature-of-ours"
        for kind, payload in LIFE:
            for wp in range(1, 8):
                number += 1
                wp_id = f"WP0{wp}"
                yield {
                    "event_id": encode_ulid(1_770_000_000_000 + number, chance.getrandbits(80)),
                    "event_type": kind,
                    "aggregate_id": wp_id,
                    "aggregate_type": "WorkPackage",
                    "payload": {"wp_id": wp_id, **payload, "feature_slug": slug},
                    "node_id": f"{seed:012x}",
                    "lamport_clock": number,
                    "causation_id": None,
                    "timestamp": "2026-02-03T12:00:00Z",
                    "team_slug": "bench",
                    "project_slug": "spec-kitty",
                    "git_branch": "main",
                    "head_commit_sha": "0123456789abcdef0123456789abcdef01234567",
                }


def bodies(count: int, batch: int, seed: int) -> list[bytes]:
    made = events(count, seed)
    return [
        gzip.compress(json.dumps({"events": made[first : first + batch]}).encode()) for first in range(0, count, batch)
    ]


@contextmanager
def hub(path: Path) -> Iterator[str]:
    """The URL of a hub on a fresh database, with one user."""
    with database.opened(path) as connection, database.transaction(connection):
        accounts.add(connection, "ada", accounts.hashed(PASSWORD), team="bench", now_s=0)
    command = [sys.executable, "-m", "catflap", "hub", "--port", "0", "--database", f"sqlite:///{path}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def send(url: str, waiting: Sequence[bytes], ready: Barrier) -> None:
    """Log in, wait for the others, and send every body."""
    with httpx.Client(base_url=url, timeout=60) as http:
        answer = http.post("/api/v1/token/", json={"username": "ada", "password": PASSWORD})
        headers = {"Authorization": f"Bearer {answer.json()['access']}", "Content-Encoding": "gzip"}
        ready.wait()
        for body in waiting:
            http.post("/api/v1/events/batch/", content=body, headers=headers).raise_for_status()


def hub_rate(folder: Path, senders: int, count: int, batch: int) -> float:
    """Accepted events a second, over all senders."""
    with hub(folder / "hub.db") as url:
        ready = multiprocessing.Barrier(senders + 1)
        each = count // senders
        crew = [
            multiprocessing.Process(target=send, args=(url, bodies(each, batch, seed), ready))
            for seed in range(senders)
        ]
        for process in crew:
            process.start()
        ready.wait()
        began = time.perf_counter()
        for process in crew:
            process.join()
        seconds = time.perf_counter() - began
    with closing(sqlite3.connect(folder / "hub.db")) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM event").fetchone()
    assert stored == each * senders, f"{stored} of {each * senders} were stored"
    return each * senders / seconds


def stored_rows(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT team_id, sequence, event_id, feature_id, received_at, body FROM event ORDER BY id"
        return connection.execute(query).fetchall()


def floor_rate(rows: Sequence[tuple[Any, ...]], target: Path, batch: int) -> float:
    """Rows a second that bare SQLite inserts, having them in memory already."""
    with database.opened(target) as connection:
        began = time.perf_counter()
        for first in range(0, len(rows), batch):
            with database.transaction(connection):
                connection.executemany(INSERT, rows[first : first + batch])
        return len(rows) / (time.perf_counter() - began)


def parsed_rate(rows: Sequence[tuple[Any, ...]], target: Path, batch: int) -> float:
    """The same from bodies as they are sent: unpacked and parsed, each event written as JSON again; nothing checked."""
    parts = [rows[first : first + batch] for first in range(0, len(rows), batch)]
    sent = [gzip.compress(f"[{','.join(row[-1] for row in part)}]".encode()) for part in parts]
    with database.opened(target) as connection:
        began = time.perf_counter()
        for part, body in zip(parts, sent, strict=True):
            found = json.loads(gzip.decompress(body))
            with database.transaction(connection):
                made = [(*row[:-1], json.dumps(one)) for row, one in zip(part, found, strict=True)]
                connection.executemany(INSERT, made)
        return len(rows) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hub", description=__doc__)
    parser.add_argument("--events", type=int, default=40_000, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, SQLite {sqlite3.sqlite_version}, files in {tempfile.gettempdir()}\n")
    for batch, senders, aims in ((1000, 4, [Aim(FLOOR, 0.5)]), (1000, 1, []), (100, 4, [])):
        ours: list[float] = []
        floor: list[float] = []
        parsed: list[float] = []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                ours.append(hub_rate(folder, senders, options.events, batch))
                rows = stored_rows(folder / "hub.db")
                floor.append(floor_rate(rows, folder / "floor.db", batch))
                parsed.append(parsed_rate(rows, folder / "parsed.db", batch))
        title = f"Events a second, batches of {batch:,}, {senders} sender{'s' if senders > 1 else ''}"
        contenders = [Row("catflap hub", ours), Row(FLOOR, floor), Row(PARSED, parsed)]
        print(table(title, "events/s", contenders, aims), end="\n\n")


if __name__ == "__main__":
    main()
