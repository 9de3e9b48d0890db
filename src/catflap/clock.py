"""The Lamport clock of this machine and user, in a file that all processes share. Knows no events and no database.

Lamport 1978: a local event ticks the clock, a received one moves it past the sender's. Every operation reads the
file anew under a kernel lock and replaces it before the lock goes, so no value is given out twice whatever number
of processes and threads ask. A file that lost its value (damaged, restored, power cut) starts from a floor: the
highest clock ever put in queue.db. Where both are locked, queue.db comes first.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catflap.config import home
from catflap.errors import BadInput, ClockBusy, ClockUnwritable
from catflap.patience import naps, put_over

MAX_CLOCK = 2**53 - 1
"""The highest value that every JSON reader keeps exact (RFC 8259, section 6); a file with more is damaged."""
MAX_REMOTE = 2**52
"""The highest clock that a team's event may have; a hub refuses one with more."""
MAX_FOLLOWED = MAX_REMOTE // 2
"""The highest clock of others that we follow. Below `MAX_REMOTE`, so that after one bad sender there is as much again
to count on, and the hub takes what is told then."""

_MAX_BYTES = 64 * 1024
# Opening must neither wait for a pipe's writer nor follow a link; the names are missing on Windows.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def generate_node_id() -> str:
    """12 hex digits: the same for this user on this machine each time, and telling neither (data model, Node ID)."""
    import getpass
    import hashlib
    import socket

    try:
        username = getpass.getuser()
    except (KeyError, ImportError, OSError):  # no name in the environment, and no entry for the uid (containers)
        username = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    raw = f"{socket.gethostname()}:{username}"
    return hashlib.sha256(raw.encode(errors="surrogateescape")).hexdigest()[:12]


class LamportClock:
    """A counter that every process of this user shares; `value` is what this process last saw of it."""

    def __init__(self, path: Path, *, value: int = 0, node_id: str = "", lock_timeout_s: float = 10.0) -> None:
        self.path = path
        self.value = value
        self.node_id = node_id or generate_node_id()
        self.lock_timeout_s = lock_timeout_s
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._spare = path.with_name(f"{path.name}.tmp")
        self._previous = path.with_name(f"{path.name}.old")

    @classmethod
    def load(
        cls, path: Path | str | None = None, *, floor: int | None = None, lock_timeout_s: float = 10.0
    ) -> LamportClock:
        """The clock kept at `path`, by default the home's; nothing is written before the first tick.

        `floor` is a value that was certainly given out; without one, the queue.db beside the file is asked.
        """
        path = home() / "clock.json" if path is None else Path(path)
        if floor is None:
            from catflap.queue import highest_clock_in

            floor = highest_clock_in(path.with_name("queue.db"))
        try:
            fields = _read(path) or {}
        except OSError:  # a folder without permission, say: the first tick says so
            fields = {}
        value = max(fields.get("value", 0), floor)
        return cls(path, value=value, node_id=fields.get("node_id", ""), lock_timeout_s=lock_timeout_s)

    def tick(self, *, floor: int = 0) -> int:
        """The next value, this process's own. Raises: as `tick_many`."""
        return self.tick_many(1, floor=floor)[0]

    def tick_many(self, count: int, *, floor: int = 0) -> range:
        """`count` consecutive values that nobody else gets, all above `floor`, for one lock and one write.

        Raises:
            BadInput: `count` is negative.
            ClockBusy: another process held the lock for `lock_timeout_s`.
            ClockUnwritable: the file cannot be kept; no value was given out.
        """
        if count < 0:
            raise BadInput("tick the clock", why=f"{count} is not a number of ticks", hint="ask for 0 or more")
        if count == 0:
            return range(0)
        last = self._advance(count, floor)
        return range(last - count + 1, last + 1)

    def receive(self, remote: int) -> int:
        """The value after an event with clock `remote` arrived: one past the higher of both (Lamport 1978).

        Raises:
            BadInput: `remote` is no integer up to `MAX_FOLLOWED`; the clock did not move.
            ClockBusy, ClockUnwritable: as `tick_many`.
        """
        if type(remote) is not int or remote > MAX_FOLLOWED:
            why, hint = f"no integer up to {MAX_FOLLOWED}", "correct the clock of the machine that sent it"
            raise BadInput("follow the clock", where=f"{remote!r:.40}", why=why, hint=hint)
        return self._advance(1, remote)

    def _advance(self, count: int, floor: int) -> int:
        try:
            with self._locked():
                fields = _read(self.path)
                if fields is None:
                    _set_aside(self.path)
                    fields = {}
                self.node_id = fields.get("node_id", self.node_id)
                # Our own last value counts too: somebody may restore an old file while we run.
                value: int = max(fields.get("value", 0), floor, self.value) + count
                if value > MAX_CLOCK:
                    raise ClockUnwritable(
                        "tick the clock",
                        where=str(self.path),
                        why=f"it stands at {value - count}, the highest value that JSON keeps exact is {MAX_CLOCK}",
                        hint="set its value back by hand: no event so far can have come by it in an honest way",
                    )
                now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                self._write(json.dumps(fields | {"value": value, "node_id": self.node_id, "updated_at": now}))
                self.value = value
        except OSError as error:
            raise ClockUnwritable(
                "keep the clock",
                where=str(self.path),
                why=_reason(error),
                hint=f"make {self.path.parent} a folder that you can write to, or name another in SPEC_KITTY_HOME",
            ) from error
        return value

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The kernel's lock on `clock.json.lock`, the same that `filelock.FileLock` takes on that path.

        `lock_descriptor` rather than `FileLock`: 7 µs instead of 150, and it never falls back to judging a lock by
        the existence of a file. A descriptor of our own per call makes it hold between threads as well.
        """
        from filelock import lock_descriptor, unlock_descriptor  # 50 ms, which a hook that never ticks need not pay

        descriptor = self._open_lock()
        try:
            for _ in naps(self.lock_timeout_s):
                if lock_descriptor(descriptor, blocking=False):
                    break
            else:
                why = f"another process has held it for {self.lock_timeout_s:g} s"
                raise ClockBusy("lock the clock", where=str(self._lock_path), why=why, hint="try again")
            try:
                yield
            finally:
                unlock_descriptor(descriptor)  # closing is not enough: a forked child may hold a copy
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | _SAFELY
        try:
            return os.open(self._lock_path, flags, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._lock_path, flags, 0o600)

    def _write(self, text: str) -> None:
        """Replace the file in one step, without fsync: after a power cut the floor repairs it.

        The file replaced becomes the next temporary file. To free it and allocate another takes ext4 150 µs, two
        thirds of a durable emission; this takes 30. Only the holder of the lock is here, so names can be fixed, and
        what a killed process leaves is used or removed by the next.
        """
        data = text.encode()
        descriptor = self._open_spare(len(data))
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError("the disk took only a part of it")
        finally:
            os.close(descriptor)
        kept = self._keep_previous()
        put_over(self._spare, self.path)
        if kept:
            put_over(self._previous, self._spare)

    def _open_spare(self, size: int) -> int:
        """A descriptor of a file that is nobody's clock: the last one if its size fits, so that no read is torn."""
        try:
            descriptor = os.open(self._spare, os.O_WRONLY | _SAFELY)
        except FileNotFoundError:
            pass
        except OSError:  # a link, when the clock was one (a folder of dotfiles)
            self._spare.unlink()
        else:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size == size:
                return descriptor
            os.close(descriptor)
            self._spare.unlink()
        return os.open(self._spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600)

    def _keep_previous(self) -> bool:
        """Whether the file about to be replaced has a second name now; not every filesystem can."""
        try:
            os.link(self.path, self._previous)
        except FileExistsError:  # left by a process that was killed: use it up
            self._previous.unlink()
            return self._keep_previous()
        except OSError:
            return False
        return True


def trouble(path: Path) -> str | None:
    """Why the file at `path` is no clock; None when it is one, or not there yet. Changes nothing."""
    try:
        return "it is damaged" if _read(path) is None else None
    except OSError as error:
        return _reason(error)


def _read(path: Path) -> dict[str, Any] | None:
    """The file's fields, unknown ones too: `value` always a clock, `node_id` only when usable. None: damaged.

    A missing file is a clock at 0. Raises: OSError when the file is there but cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | (_SAFELY & ~getattr(os, "O_NOFOLLOW", 0)))
    except FileNotFoundError:
        return {"value": 0}
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    value = fields.get("value")
    if type(value) is not int or not 0 <= value <= MAX_CLOCK:
        return None
    node_id = fields.get("node_id")
    if not isinstance(node_id, str) or not node_id.strip():
        fields.pop("node_id", None)
    return fields


def _set_aside(path: Path) -> None:
    """Give what is in the clock's place another name, for a person to look at; the lock is held."""
    path.rename(path.with_name(f"{path.name}.broken-{time.time_ns()}"))


def _reason(error: OSError) -> str:
    why = error.strerror or str(error)
    return f"{why} ({error.filename})" if error.filename else why
