"""That a watcher runs, and since when: its kernel lock, its heartbeat. Owns watch.lock and watch.json in the home.

Only the held lock proves that it runs; the heartbeat says when it was last well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from catflap.errors import AlreadyWatching
from catflap.expectation import is_expected
from catflap.instants import iso
from catflap.patience import naps, put_over

BEAT_S = 20.0
STALE_S = 60.0
"""A heartbeat older than this means that the watcher hangs, or is stopped."""
_START_WAIT_S = 1.0
"""How long a start tries: somebody who asks whether one runs holds the lock for a moment."""


@dataclass(frozen=True, slots=True)
class WatchState:
    """What a watcher says of itself; instants are ISO 8601, ``polled`` the worktrees that report no events."""

    pid: int
    since: str
    heartbeat: str
    version: str
    views: int = 0
    polled: list[str] = field(default_factory=list)


@contextmanager
def watch_lock(home: Path) -> Iterator[None]:
    """The one watcher of this user, for as long as the body runs.

    Raises: AlreadyWatching when there is another.
    """
    from filelock import lock_descriptor, unlock_descriptor

    descriptor = _open_lock(home)
    try:
        for _ in naps(_START_WAIT_S):
            if lock_descriptor(descriptor, blocking=False):
                break
        else:
            state = read_state(home)
            why = f"one runs already{f', process {state.pid} since {state.since}' if state is not None else ''}"
            raise AlreadyWatching("watch", where=str(home), why=why, hint="stop it first, or leave it to it")
        try:
            yield
        finally:
            _state_path(home).unlink(missing_ok=True)
            unlock_descriptor(descriptor)
    finally:
        os.close(descriptor)


def is_running(home: Path) -> bool:
    """Whether a watcher of this home runs now, by its lock."""
    from filelock import lock_descriptor, unlock_descriptor

    if not _lock_path(home).is_file():
        return False
    try:
        descriptor = _open_lock(home)
    except OSError:  # not ours to open: then none of ours holds it
        return False
    try:
        if not lock_descriptor(descriptor, blocking=False):
            return True
        unlock_descriptor(descriptor)
        return False
    finally:
        os.close(descriptor)


def trouble(home: Path, now_s: float) -> str | None:
    """What is wrong with a watcher that is expected (a service, or one that did not end by itself); None: nothing.

    ``now_s`` is epoch seconds.
    """
    state = read_state(home)
    if state is None and not is_expected(home):
        return None
    if not is_running(home):
        last = f" since {state.heartbeat}" if state is not None else ""
        return f"the watcher does not run{last}, though it should; use `catflap service start`, or `catflap watch`"
    if state is not None and state.heartbeat < iso(now_s - STALE_S):
        return f"the watcher, process {state.pid}, gives no sign of life since {state.heartbeat}; start it again"
    return None


def write_state(home: Path, state: WatchState) -> None:
    """Replace the heartbeat in one step."""
    path = _state_path(home)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(json.dumps(asdict(state)).encode())
    put_over(temporary, path)


def forget_state(home: Path) -> None:
    """Expect nothing more of a watcher that died without a word; one that runs writes its state again."""
    _state_path(home).unlink(missing_ok=True)


def read_state(home: Path) -> WatchState | None:
    """What the watcher said last; None when none did, or in words that this version does not know."""
    try:
        fields: Any = json.loads(_state_path(home).read_bytes())
        return WatchState(**fields)
    except (OSError, ValueError, TypeError):
        return None


def _open_lock(home: Path) -> int:
    return os.open(_lock_path(home), os.O_RDWR | os.O_CREAT, 0o600)


def _lock_path(home: Path) -> Path:
    return home / "watch.lock"


def _state_path(home: Path) -> Path:
    return home / "watch.json"
