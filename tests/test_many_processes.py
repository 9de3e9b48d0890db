"""Eight processes emitting at once: no clock twice, queue order is clock order, nothing lost; SIGKILL included."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.world import events

PROCESSES = 8
EACH = 250
LIVES = 8
WORKER = """
import os, sys
import catflap

name, count = sys.argv[1], int(sys.argv[2])
catflap.get_emitter().queue
os.write(1, b"ready\\n")
sys.stdin.read(1)
for number in range(count):
    event = catflap.emit_history_added("WP01", "note", f"{name} {number}")
    assert event is not None
    os.write(1, f"{number} {event['lamport_clock']}\\n".encode())
"""


class Worker:
    """A process that says `ready`, waits for the end of its input, and then says each event when it is stored."""

    def __init__(self, name: str, count: int, folder: Path) -> None:
        self.name = name
        command = [sys.executable, "-c", WORKER, name, str(count)]
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.heard = b""

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.__exit__(None, None, None)  # closes the pipes and waits

    def wait_until_ready(self) -> None:
        assert self.hear_line() == b"ready\n"

    def start(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def hear_line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def hear(self, lines: int) -> None:
        """Wait until so many more events are stored."""
        for _ in range(lines):
            self.heard += self.hear_line()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.hear_out()
        assert self.process.returncode == -signal.SIGKILL

    def hear_out(self) -> None:
        """Wait until the process has ended."""
        assert self.process.stdout is not None
        self.heard += self.process.stdout.read()
        self.process.wait()

    @property
    def stored(self) -> dict[tuple[str, int], int]:
        """The clock of each event that the worker said was stored; a line cut off by a kill does not count."""
        whole = [line.split() for line in self.heard.splitlines(keepends=True) if line.endswith(b"\n")]
        return {(self.name, int(number)): int(clock) for number, clock in whole}


def queued() -> dict[tuple[str, int], int]:
    """The clock of each event in the queue by worker and number; that order and clocks are right is looked at here."""
    found = events()
    clocks = [event["lamport_clock"] for event in found]
    assert all(before < after for before, after in pairwise(clocks))  # queue order is clock order, and none twice
    assert len({event["node_id"] for event in found}) == 1
    assert len({event["event_id"] for event in found}) == len(found)
    names = [event["payload"]["entry_content"].split() for event in found]
    by_name = {(name, int(number)): clock for (name, number), clock in zip(names, clocks, strict=True)}
    assert len(by_name) == len(found)
    return by_name


def crew(stack: ExitStack, names: list[str], count: int, folder: Path) -> list[Worker]:
    """Workers that are ready to start."""
    workers = [stack.enter_context(Worker(name, count, folder)) for name in names]
    for worker in workers:
        worker.wait_until_ready()
    return workers


def test_eight_processes_share_no_clock_and_lose_nothing(tmp_path: Path) -> None:
    names = [f"w{index}" for index in range(PROCESSES)]
    stored: dict[tuple[str, int], int] = {}
    with ExitStack() as stack:
        workers = crew(stack, names, EACH, tmp_path)
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.hear_out()
            assert worker.process.returncode == 0
            stored |= worker.stored
    assert queued() == stored
    assert sorted(stored) == sorted((name, number) for name in names for number in range(EACH))
    assert sorted(stored.values()) == list(range(1, PROCESSES * EACH + 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_process_takes_no_clock_and_no_event_with_it(tmp_path: Path, seed: int) -> None:
    moments, never = random.Random(seed), threading.Event()
    with ExitStack() as stack:
        others = crew(stack, [f"w{index}" for index in range(PROCESSES - 1)], EACH, tmp_path)
        lives = crew(stack, [f"life{number}" for number in range(LIVES)], 1_000, tmp_path)
        for worker in others:
            worker.start()
        for life in lives:
            life.start()
            life.hear(moments.randrange(1, 30))
            never.wait(moments.uniform(0, 0.005))  # somewhere in a later emission: lock, file, transaction, commit
            life.kill()
        for worker in others:
            worker.hear_out()
            assert worker.process.returncode == 0
    found = queued()
    for worker in others:
        assert {key: clock for key, clock in found.items() if key[0] == worker.name} == worker.stored
        assert len(worker.stored) == EACH
    for life in lives:
        own = [number for name, number in found if name == life.name]
        assert life.stored.items() <= found.items()  # what was said to be stored is
        assert own == list(range(len(own)))
        assert len(own) - len(life.stored) in (0, 1)  # killed after the commit, before it could say so


def test_clock_goes_on_after_everybody_was_killed(tmp_path: Path) -> None:
    """The last to hold the locks is dead, and clock.json is gone: the queue knows what must not be repeated."""
    with ExitStack() as stack:
        workers = crew(stack, ["a", "b"], 1_000, tmp_path)
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.hear(20)
        for worker in workers:
            worker.kill()
        highest = max(queued().values())
        (Path(os.environ["SPEC_KITTY_HOME"]) / "clock.json").unlink()
        (later,) = crew(stack, ["later"], 10, tmp_path)
        later.start()
        later.hear_out()
    found = queued()
    assert [found["later", number] for number in range(10)] == list(range(highest + 1, highest + 11))
