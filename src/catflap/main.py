"""The command line's door: an exit code for every end. The verbs are in commandline/, their work in commands/."""

from __future__ import annotations

import errno
import io
import sys
from types import TracebackType
from typing import NoReturn

from catflap.config import home, is_disabled, log_path
from catflap.errors import CatflapError

REPORT_TO = "https://github.com/catflap/catflap/issues"


class Boundary:
    """Where every exception ends, with the contract's codes: 1 yours to fix, 2 usage, 3 our bug, 130 interrupted."""

    def __enter__(self) -> Boundary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, SystemExit):
            _flush()
            return
        if type(error).__module__ == "sqlite3":
            error = _meaning_of(error)
        if isinstance(error, CatflapError):
            print(f"catflap: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        if isinstance(error, KeyboardInterrupt):
            sys.exit(130)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _say_no_room(error)
        import traceback

        traceback.print_exception(error)
        print(f"catflap: this is our bug; please report it with the lines above: {REPORT_TO}", file=sys.stderr)
        sys.exit(3)


def _meaning_of(error: BaseException) -> BaseException:
    """What an error of SQLite's says of queue.db, such as DatabaseUnusable; the error itself when it is our mistake."""
    from catflap.database import explained

    try:
        with explained(home() / "queue.db"):
            raise error
    except CatflapError as known:
        return known
    except BaseException as same:  # noqa: BLE001 - not swallowed: the boundary goes on with it
        return same


def _flush() -> None:
    """Bring out what was printed, as long as there is somebody to say why it cannot be: then exits with 1.

    A reader that has seen enough (`| head`) is no error.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            _say_no_room(error)
        from catflap.terminal import say_no_more

        say_no_more()


def _say_no_room(error: OSError) -> NoReturn:
    from catflap.terminal import say_no_more

    say_no_more()
    where = error.filename or "the output"
    print(f"catflap: cannot write {where}: {error.strerror}; make room, or send it elsewhere", file=sys.stderr)
    sys.exit(1)


def warn_of_watcher() -> None:
    """Say on stderr that a watcher which should keep things told does not."""
    import time

    from catflap.watchstate import trouble

    words = trouble(home(), time.time())
    if words is not None:
        print(f"catflap: {words}", file=sys.stderr)


def _begin_log() -> None:
    path = log_path()
    if path is None:
        return
    from catflap import log

    if (why := log.begin(path, " ".join(["catflap", *sys.argv[1:]]))) is not None:
        print(f"catflap: {why}", file=sys.stderr)


def run() -> None:
    """Run `catflap` with this process's arguments."""
    if is_disabled():
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold bytes that are no text here
    if sys.argv[1:2] == ["hook"] and sys.argv[2:3] not in (["--help"], ["-h"]):
        # A hook runs at every commit: Typer, which costs 50 ms to import, stays outside.
        from catflap import hook

        del sys.argv[1]
        hook.run()
        return
    _begin_log()
    if sys.argv[1:] == ["watch"]:
        # A watcher stays for days: Typer and Rich, 11 MB, stay outside.
        with Boundary():
            from catflap.commands.watch import watch

            sys.exit(watch(()))
    if sys.argv[1:2] == ["check"] and all(word == "--staged" or word[:1] not in ("", "-") for word in sys.argv[2:]):
        # A pre-commit hook runs at every commit, too: Typer takes longer than 300 work packages.
        with Boundary():
            import gc

            gc.disable()  # what is read is kept, and the process ends in a moment
            warn_of_watcher()
            from pathlib import Path

            from catflap.commands.check import check

            files = [Path(word) for word in sys.argv[2:] if word != "--staged"]
            sys.exit(check(files, staged="--staged" in sys.argv))
    with Boundary():
        from catflap.commandline import app

        app(prog_name="catflap")
