"""A lock that the kernel holds for this process, and gives back when it dies; on a file that is never deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catflap.errors import LockHeld
from catflap.patience import naps


@contextmanager
def kernel_lock(path: Path, *, wait_s: float, what: str) -> Iterator[None]:
    """The lock on ``path`` for as long as the body runs. Between threads it holds as well.

    Raises: LockHeld when another had it for ``wait_s`` seconds; ``what`` is what could not be done meanwhile.
    """
    from filelock import lock_descriptor, unlock_descriptor

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in naps(wait_s):
            if lock_descriptor(descriptor, blocking=False):
                break
        else:
            why = f"another process has held the lock for {wait_s:g} s"
            raise LockHeld(what, where=str(path), why=why, hint="try again")
        try:
            yield
        finally:
            unlock_descriptor(descriptor)
    finally:
        os.close(descriptor)
