"""The command line's door: an exit code for every end. The verbs are in commandline.py, their work in commands/."""

from __future__ import annotations

import sys
from types import TracebackType

from catflap.config import is_disabled
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
            return
        if isinstance(error, CatflapError):
            print(f"catflap: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        if isinstance(error, KeyboardInterrupt):
            sys.exit(130)
        if isinstance(error, BrokenPipeError):  # the reader of our output (`| head`) has seen enough
            sys.stderr.close()
            sys.exit(0)
        import traceback

        traceback.print_exception(error)
        print(f"catflap: this is our bug; please report it with the lines above: {REPORT_TO}", file=sys.stderr)
        sys.exit(3)


def run() -> None:
    """Run `catflap` with this process's arguments."""
    if is_disabled():
        return
    if sys.argv[1:2] == ["hook"] and sys.argv[2:3] not in ([], ["--help"], ["-h"]):
        # A hook runs at every commit: Typer, which costs 50 ms to import, stays outside.
        from catflap import hook

        del sys.argv[1]
        hook.run()
        return
    with Boundary():
        from catflap.commandline import app

        app()
