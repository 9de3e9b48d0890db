"""Makes things ahead of their use, in a thread or in a process of its own: while one is used, the next is made.

What is made ahead is one thing, and what lies in a pipe: memory does not grow with the number of things.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import IO, Any, TypeVar

from catflap.errors import GitFailed

T = TypeVar("T")
_CHILD = "import sys; sys.path[:] = {path!r}; from catflap.ahead import _serve; _serve()"
"""Modules come from where ours do, and not from the folder that we are in, which is a user's repository."""


def in_thread(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """The same items. Git works while we think, but Python's lock lets only one of us think."""
    from concurrent.futures import ThreadPoolExecutor  # it imports logging: 10 ms, which a process need not pay

    with ThreadPoolExecutor(1) as thread:
        try:
            coming = thread.submit(next, items, None)
            while (item := coming.result()) is not None:
                coming = thread.submit(next, items, None)
                yield item
        finally:
            thread.submit(items.close)


def in_process(make: Callable[..., Iterator[T]], *args: Any) -> Generator[T, None, None]:
    """The items of ``make(*args)``, a function of a module with values that pickle; what it raises is raised here.

    The process is begun at once. Raises: OSError when there is none to be had; with an item GitFailed when it was
    killed.
    """
    # Not by multiprocessing, which takes 70 ms of processor time more: it imports much, and starts two processes.
    command = [sys.executable, "-c", _CHILD.format(path=sys.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as asked:  # it has ended already: there will be no answer
        asked.write(pickle.dumps((make, args)))
    return _received(process)


def _received(process: subprocess.Popen[bytes]) -> Generator[Any, None, None]:
    assert process.stdout is not None
    with process.stdout as answers:
        try:
            while True:
                try:
                    item, error = pickle.load(answers)
                except (EOFError, pickle.UnpicklingError):  # it ends between two messages, or within one
                    why, hint = "the process that does was ended", "run the same command again"
                    raise GitFailed("read ahead", why=why, hint=hint) from None
                if error is not None:
                    raise error
                if item is None:
                    return
                yield item
        finally:
            process.kill()
            process.wait()


def _serve() -> None:
    """In the process: answer what stdin asks for, as long as somebody takes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever uses the items, who ends us
    make, args = pickle.load(sys.stdin.buffer)
    _send(sys.stdout.buffer, _messages(make, args))


def _send(pipe: IO[bytes], messages: Iterator[tuple[Any, Exception | None]]) -> None:
    with suppress(BrokenPipeError):  # nobody uses them any more
        for message in messages:
            pipe.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
            pipe.flush()


def _messages(make: Callable[..., Iterator[T]], args: tuple[Any, ...]) -> Iterator[tuple[T | None, Exception | None]]:
    """Each item and None for no error, then (None, None); or (None, the error)."""
    try:
        for item in make(*args):
            yield item, None
    except Exception as error:  # noqa: BLE001 - not swallowed: raised where the items are used
        error.add_note(traceback.format_exc())
        yield None, error
    else:
        yield None, None
