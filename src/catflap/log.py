"""What catflap does, line by line, in the file that CATFLAP_LOG names: for whoever looks for a delay, or a silence.

Off, which it is without that variable, it costs a look at one name. A file that cannot be written stops nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

is_on = False
_FORMAT = "%(asctime)s.%(msecs)03d %(process)d %(name)s: %(message)s"


def begin(path: str, what: str) -> str | None:
    """Write from now on, first that ``what`` has begun. Why that cannot be done; None when it can."""
    global is_on  # noqa: PLW0603 - as with logging itself: of the process, set once, at its door
    import logging  # 4 ms

    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        return f"cannot write {path}: {error.strerror}; name another file in CATFLAP_LOG"
    handler.setFormatter(logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S"))
    ours = logging.getLogger("catflap")
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    is_on = True
    note("door", what)
    return None


def note(subject: str, text: str) -> None:
    """Write a line, when somebody asked for it."""
    if is_on:
        import logging

        logging.getLogger(f"catflap.{subject}").debug("%s", text)


@contextmanager
def timed(subject: str, *words: str) -> Iterator[None]:
    """Write a line of these words with how long the body took, when somebody asked for it."""
    if not is_on:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        note(subject, f"{' '.join(words)} ({(time.perf_counter() - began) * 1000:.1f} ms)")
