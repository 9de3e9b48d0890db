"""Shows what is printed through the user's pager, on a terminal only. The only file that runs a pager.

The choice is git's: GIT_PAGER, core.pager, PAGER, else less; `cat` and nothing mean none. So are the options: `less`
ends at once where all fits on the screen, and keeps colours.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import IO

from catflap import git
from catflap.errors import GitFailed

DEFAULTS: Mapping[str, str] = {"LESS": "FRX", "LV": "-c"}
"""What git sets for a pager, where the user has not."""
_SHELLS = frozenset("|&;<>()$`\\*?[#~=%\n")
"""A command with one of these is the shell's to run (git's run-command.c)."""


def paged(*, is_wanted: bool = True) -> AbstractContextManager[None]:
    """A pager for what the body prints; nothing where none is wanted, or nobody sits at a terminal."""
    if not is_wanted or sys.stdout is None or not sys.stdout.isatty():
        return nullcontext()
    command = pager_command()
    return _through(command) if command else nullcontext()


def pager_command(*, system: str = os.name) -> list[str]:
    """The pager as words; none when there is to be none.

    Git for Windows names `less`, which its own shell alone has on PATH: then nobody has chosen one.
    """
    try:
        named = git.ask(".", "var", "GIT_PAGER").strip()
    except GitFailed:  # no git, or a folder that is gone: then the environment alone says it
        named = os.environ.get("PAGER", "less").strip()
    if named in ("", "cat") or (system == "nt" and named == "less" and shutil.which(named) is None):
        return []
    if set(named) & _SHELLS:
        return ["sh", "-c", named]
    try:
        return shlex.split(named)
    except ValueError:  # a quote without its end: the shell says so
        return ["sh", "-c", named]


@contextmanager
def _through(command: Sequence[str]) -> Iterator[None]:
    """Prints into the pager until the body ends, and waits for it to be left.

    Ctrl-C is the pager's then: it stays, as it does below git.
    """
    env = {**DEFAULTS, **os.environ}
    try:
        pager = subprocess.Popen(command, stdin=subprocess.PIPE, env=env)
    except OSError as error:
        print(
            f"catflap: cannot run the pager {command[0]}: {error.strerror}; set PAGER, or --no-pager", file=sys.stderr
        )
        yield
        return
    assert pager.stdin is not None
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal, sys.stdout = sys.stdout, _Paged(pager.stdin, encoding="utf-8", errors="backslashreplace")
    try:
        with suppress(BrokenPipeError):  # it was left before the end
            yield
    finally:
        shown, sys.stdout = sys.stdout, terminal
        with suppress(BrokenPipeError):
            shown.close()
        pager.wait()
        signal.signal(signal.SIGINT, on_interrupt)


class _Paged(io.TextIOWrapper):
    """The pager's end of a terminal: what is printed here is seen there, in the same colours and width."""

    def __init__(self, pipe: IO[bytes], *, encoding: str, errors: str) -> None:
        super().__init__(pipe, encoding=encoding, errors=errors)

    def isatty(self) -> bool:
        return True
