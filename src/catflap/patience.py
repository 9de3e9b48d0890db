"""How long to sleep between two tries at what another process holds: a lock, on Windows a file. Knows no locks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

FIRST_NAP_S = 0.006
LAST_NAP_S = 0.0002
SHRINKING_S = 0.02
"""Naps shrink over this much waiting, so whoever has waited longest tries most often and wins soonest."""
REPLACE_WAIT_S = 1.0


def naps(wait_s: float) -> Iterator[None]:
    """One item for each try that is due: the first at once, the last when ``wait_s`` seconds are over.

    SQLite's own busy handler naps longer the longer it waits (up to 100 ms), which starves the process that has
    waited most. Two processes that met once must not meet again, so each nap is between half and all of its length;
    the low digits of the nanosecond clock are random enough for that, and `import random` costs the hook 5 ms.
    """
    started = time.monotonic()
    yield
    while (waited := time.monotonic() - started) < wait_s:
        shrunk = min(1.0, waited / SHRINKING_S)
        longest = FIRST_NAP_S + (LAST_NAP_S - FIRST_NAP_S) * shrunk
        time.sleep(longest * (0.5 + time.perf_counter_ns() % 1000 / 2000))
        yield


def put_over(temporary: str | os.PathLike[str], path: str | os.PathLike[str], *, system: str = os.name) -> None:
    """Put ``temporary`` in the place of ``path``, at once. Raises: OSError.

    Windows refuses that while anybody has ``path`` open, to read it, say: so it is tried again for a while.
    """
    if system == "nt":
        for _ in naps(REPLACE_WAIT_S):
            try:
                os.replace(temporary, path)
                return
            except PermissionError:  # open elsewhere, or not ours to write: the last try below says it
                continue
    os.replace(temporary, path)
