"""How the last exchange with the server went, as every process can read it. Owns `sync.json` in the home.

It says what was; whether a connection is open now is only believed while a watcher holds its lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catflap import watchstate
from catflap.patience import put_over

OFFLINE, CONNECTED = "Offline", "Connected"
STATES = (OFFLINE, "Reconnecting", CONNECTED, "Offline - Batch Mode")


@dataclass(frozen=True, slots=True)
class SyncState:
    """``connection``: the watcher's, one of `STATES`. ``last_sync``: when the server last took all that it was sent.

    ``last_error``: the last thing that went wrong since then, with its time; None when nothing has. ``sequence``: the
    last event of ``team`` at ``server`` that was received, None where nobody counts. Times are ISO 8601.
    """

    connection: str = OFFLINE
    last_sync: str | None = None
    last_error: str | None = None
    server: str | None = None
    team: str | None = None
    sequence: int | None = None

    def sequence_at(self, server: str, team: str) -> int | None:
        """``sequence``, when it is one of this team at this server."""
        return self.sequence if (self.server, self.team) == (server, team) else None


def read_sync_state(home: Path) -> SyncState:
    """What was said last; all empty when nothing was, or in words that this version does not know."""
    try:
        fields: Any = json.loads(_path(home).read_bytes())
        return SyncState(**fields)
    except (OSError, ValueError, TypeError):
        return SyncState()


def connection_of(home: Path) -> str:
    """The state of the connection now, one of `STATES`."""
    if not _path(home).exists() or not (home / "credentials").exists():
        return OFFLINE
    found = read_sync_state(home).connection
    return found if found in STATES and found != OFFLINE and watchstate.is_running(home) else OFFLINE


def change_sync_state(home: Path, change: Callable[[SyncState], SyncState]) -> SyncState:
    """The state, changed and kept; unchanged on a disk that is full: it is said elsewhere, and nothing hangs on it."""
    found = read_sync_state(home)
    state = change(found)
    if state != found:
        path = _path(home)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            temporary.write_bytes(json.dumps(asdict(state)).encode())
            put_over(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return state


def mark(home: Path) -> tuple[int, ...] | None:
    """Changes whenever the state does; None without one. Costs one stat."""
    try:
        found = _path(home).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _path(home: Path) -> Path:
    return home / "sync.json"
