"""Makes things ahead of their use, in a thread or in a process of its own: while one is used, the next is made.

What is made ahead is one thing, and what lies in a pipe: memory does not grow with the number of things.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from catflap.errors import GitFailed

T = TypeVar("T")


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
    # Spawned, not forked: a progress bar's thread may hold any lock at this moment.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, make, args), daemon=True)
    with theirs:  # its end is the end of the pipe: we keep none
        process.start()
    return _received(process, ours)


def _received(process: BaseProcess, pipe: Connection) -> Generator[Any, None, None]:
    with pipe:
        try:
            while True:
                try:
                    item, error = pipe.recv()
                except EOFError:
                    why, hint = "the process that does was ended", "run the same command again"
                    raise GitFailed("read ahead", why=why, hint=hint) from None
                if error is not None:
                    raise error
                if item is None:
                    return
                yield item
        finally:
            process.terminate()
            process.join()


def _send(pipe: Connection, make: Callable[..., Iterator[T]], args: tuple[Any, ...]) -> None:
    """In the process: send what `_messages` says, as long as somebody takes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever uses the items, who ends us
    with suppress(BrokenPipeError):  # nobody uses them any more
        for message in _messages(make, args):
            pipe.send(message)


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
