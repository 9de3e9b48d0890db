"""Eight processes emitting at once: no clock twice, queue order is clock order, nothing lost; SIGKILL included."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

from tests.world import events

PROCESSES = 8
EACH = 250
WORKER = """
import os, sys
import catflap

name, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
catflap.get_emitter().queue
os.write(1, b"ready\\n")
sys.stdin.read(1)
for number in range(first, last):
    event = catflap.emit_history_added("WP01", "note", f"{name} {number}")
    assert event is not None
    os.write(1, f"{number} {event['lamport_clock']}\\n".encode())
"""


@contextmanager
def worker(name: str, first: int, last: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says `ready`, waits for the end of its input, and then says each event when it is stored."""
    command = [sys.executable, "-c", WORKER, name, str(first), str(last)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def wait_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def said(lines: bytes) -> dict[int, int]:
    """Number and clock of each event that a worker said it had stored; a line cut off by a kill does not count."""
    whole = [line for line in lines.splitlines(keepends=True) if line.endswith(b"\n")]
    return {int(number): int(clock) for number, clock in (line.split() for line in whole)}


def queued() -> dict[tuple[str, int], int]:
    """The clock of each event in the queue by worker and number, after the order and the clocks were looked at."""
    found = events()
    clocks = [event["lamport_clock"] for event in found]
    assert all(before < after for before, after in pairwise(clocks))  # queue order is clock order, and none twice
    assert len({event["node_id"] for event in found}) == 1
    assert len({event["event_id"] for event in found}) == len(found)
    names = [event["payload"]["entry_content"].split() for event in found]
    by_name = {(name, int(number)): clock for (name, number), clock in zip(names, clocks, strict=True)}
    assert len(by_name) == len(found)
    return by_name


def test_eight_processes_share_no_clock_and_lose_nothing(tmp_path: Path) -> None:
    os.chdir(tmp_path)
    workers = [worker(str(index), 0, EACH) for index in range(PROCESSES)]
    processes = [each.__enter__() for each in workers]
    for process in processes:
        wait_ready(process)
    for process in processes:
        go(process)
    stored = {}
    for index, process in enumerate(processes):
        assert process.stdout is not None
        stored |= {(str(index), number): clock for number, clock in said(process.stdout.read()).items()}
    for each in workers:
        each.__exit__(None, None, None)
    assert all(process.returncode == 0 for process in processes)
    assert queued() == stored
    assert sorted(stored) == sorted((str(index), number) for index in range(PROCESSES) for number in range(EACH))
    assert sorted(stored.values()) == list(range(1, PROCESSES * EACH + 1))
