"""The lean door: what a git hook runs. Always ends with 0, says at most one line, and imports only what it needs.

Run as a file, by ``python -I -S``: without site-packages the start takes half the time, so the shim names the
folders that modules come from.
"""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path += sys.argv.pop(1).split(";")
    gc.disable()  # a tenth of the hook's time: what is imported is kept, and the process ends in a moment

import os

from catflap.config import home, is_disabled, log_path
from catflap.errors import CatflapError

if TYPE_CHECKING:
    from sqlite3 import Connection

    from catflap.events import Event
    from catflap.git import View

WAIT_S = 1.0
"""How long a commit may wait for another process's lock; then its change is told later."""

_FRAMEWORK = {
    "post-checkout": ("FROM_REF", "TO_REF", "CHECKOUT_TYPE"),
    "post-merge": ("IS_SQUASH_MERGE",),
    "post-rewrite": ("REWRITE_COMMAND",),
}
"""The variables, without PRE_COMMIT_, in which the pre-commit framework hands on each hook's arguments, in order."""


class Door:
    """Where every exception ends: git must go on. One line for the user, the whole story in ``<home>/catflap.log``."""

    def __enter__(self) -> Door:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if isinstance(error, CatflapError):
            say(f"{error}. The change is told later.")
        else:
            import traceback

            where = _log("".join(traceback.format_exception(error)))
            say(f"our bug, not yours ({type(error).__name__}: {error}); the change is told later. {where}")
        return True


def say(text: str) -> None:
    """One line on stderr, whatever is in ``text``."""
    sys.stderr.write(f"catflap: {' '.join(text.split())}\n")


def run_hook(name: str, args: tuple[str, ...], place: tuple[str, str, str], tree: str) -> None:
    """Observe the view after git ran the hook ``name``. ``place``: its git dir, common dir and working tree."""
    from catflap import log, seen
    from catflap.catchup import observe_moves
    from catflap.clock import LamportClock
    from catflap.database import explained, open_database
    from catflap.git import View

    if (path := log_path()) is not None:
        log.begin(path, " ".join(("hook", name, *args, "in", place[2])))  # git's user is not told of its troubles
    folder = home()
    view = View(*place)
    outcome = None
    connection = open_database(folder / "queue.db", wait_s=WAIT_S)
    try:
        clock = LamportClock.load(folder / "clock.json", floor=0, lock_timeout_s=WAIT_S)
        with explained(folder / "queue.db"):
            outcome = observe_moves(connection, clock, view, hook=(name, *args), wait_s=WAIT_S)
        if outcome is not None and outcome.told and not outcome.waiting and sys.stderr.isatty():
            with (
                suppress(CatflapError),
                explained(folder / "queue.db"),
            ):  # it is told; that nobody hears so is no trouble
                _welcome(connection, view, outcome.told)
    finally:
        connection.close()
        if outcome is not None and outcome.is_quiet:
            seen.remember_tree(str(folder), view.git_dir, tree)
        else:
            seen.forget_tree(str(folder), view.git_dir)
    if outcome is not None and outcome.waiting:
        from catflap.wording import queue_is_full

        say(queue_is_full(outcome.waiting))


def _welcome(connection: Connection, view: View, told: list[Event]) -> None:
    """Say, to a person at a terminal, that the first events of a project were told: all later ones are in silence."""
    from catflap.ledger import find_project
    from catflap.trace import count_told
    from catflap.wording import what_changed, where

    project = find_project(connection, view.common_dir)
    if project is not None and count_told(connection, project.id, limit=len(told) + 1) <= len(told):
        more = f" and {len(told) - 1} more" if len(told) > 1 else ""
        what = f"told {where(told[0])} {what_changed(told[0])}{more}"
        say(f"{what}; `catflap board` shows it. From now on commits are told in silence.")


def main(argv: list[str]) -> None:
    """The shim's call: hook name, working tree, git dir, common dir, tree of kitty-specs/, the hook's own arguments."""
    with Door():
        name, worktree, git_dir, common_dir, tree, *args = argv
        if not is_disabled():
            run_hook(name, tuple(args), (git_dir, common_dir, worktree), tree)


def observe_here(name: str, args: tuple[str, ...]) -> None:
    """`catflap hook NAME [ARGS...]`, for hook managers: the same without the shim, so git is asked where we are."""
    with Door():
        if is_disabled() or not (home() / "queue.db").exists():  # nothing was ever installed for this user
            return
        from catflap.git import ask, locate

        view = locate(os.getcwd())
        tree = ask(view.worktree, "rev-parse", "HEAD:kitty-specs", ok=(0, 128)).strip()
        place = (view.git_dir, view.common_dir, view.worktree)
        run_hook(name, args or _args_from_framework(name), place, tree or "HEAD:kitty-specs")


def _args_from_framework(name: str) -> tuple[str, ...]:
    """What git gave the hook, where the pre-commit framework keeps it: in variables, whatever its entry's arguments."""
    if os.environ.get("PRE_COMMIT") != "1":
        return ()
    found = (os.environ.get(f"PRE_COMMIT_{variable}") for variable in _FRAMEWORK.get(name, ()))
    return tuple(value for value in found if value is not None)


def run() -> None:
    """The console script `catflap-hook`, and `catflap hook`: ``NAME [ARGS...]``."""
    if len(sys.argv) < 2:
        say("which hook runs? use: catflap hook NAME [ARGS...]")
    else:
        observe_here(sys.argv[1], tuple(sys.argv[2:]))


def _log(story: str) -> str:
    try:
        path = home() / "catflap.log"
        with path.open("a", encoding="utf-8") as file:
            file.write(story)
    except OSError as error:  # no place to write it down: say so, the line on stderr is all there is
        return f"It could not be written to a log ({error})."
    return f"Please report it with {path}"


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(0)  # nothing is left to clean up, and an orderly end of the interpreter costs milliseconds
