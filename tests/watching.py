"""A real watcher process for tests: started, waited for by conditions, stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.world import told

UNIT_S = float(os.environ.get("CATFLAP_TEST_UNIT_S", "1"))
"""What every wait is measured in: a slow machine sets it higher."""
PATIENCE = 20
"""How many units a condition may take before the test fails."""


def wait_for(condition: Callable[[], object], what: str = "") -> None:
    """Return once ``condition`` holds; fail when it does not in PATIENCE units."""
    deadline = time.monotonic() + PATIENCE * UNIT_S
    while not condition():
        assert time.monotonic() < deadline, what or "it did not come about"
        select_nothing(0.01)


def select_nothing(seconds: float) -> None:
    """Give others time. For waits between two looks at a condition only."""
    time.sleep(seconds)


class Watch:
    """`catflap watch` in a process of its own."""

    def __init__(self, log: Path, *args: str | Path) -> None:
        self._log = log
        self._args = args
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.stop()

    @property
    def lines(self) -> list[str]:
        """What it has printed so far, over all starts."""
        return self._log.read_text("utf-8").splitlines() if self._log.exists() else []

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, and return once it watches."""
        seen = len(self.lines)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "catflap", "watch", *map(str, self._args)],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        wait_for(lambda: self._has_begun(seen), f"the watcher did not start: {self.lines}")

    def _has_begun(self, seen: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.lines
        return any(line.startswith("watching ") for line in self.lines[seen:])

    def stop(self) -> int:
        """End it as a service manager does; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE * UNIT_S)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None


def wait_told(expected: list[str]) -> None:
    """Return once exactly this is told; what is told beyond it later is the caller's to ask for."""
    wait_for(lambda: len(told()) >= len(expected), f"told {told()}, not {expected}")
    assert told() == expected
