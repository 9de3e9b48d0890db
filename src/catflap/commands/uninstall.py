"""`catflap uninstall`: opts a repository out. Takes the hooks away and gives the user's own back, byte for byte."""

from __future__ import annotations

import sys
from pathlib import Path

from catflap import git, hookfiles, ledger, seen
from catflap.commands.install import hook_folders
from catflap.config import home
from catflap.database import open_database, write_transaction


def uninstall(path: Path, *, purge: bool = False) -> int:
    """0 once catflap is out of the repository of ``path``; 1 when a hook could not be given back.

    Without ``purge`` the ledger stays, so that a later install knows what the world was told.
    """
    view = git.locate(str(path))
    problems = [problem for folder in _folders(view) for problem in hookfiles.take_away(folder)]
    connection = open_database(home() / "queue.db")
    try:
        project = ledger.find_project(connection, view.common_dir)
        with write_transaction(connection):
            if purge:
                ledger.drop_project(connection, view.common_dir)
            elif project is not None:
                ledger.retire_project(connection, project.id)
    finally:
        connection.close()
    seen.unregister(str(home()), view.common_dir)  # a watcher reads the registry anew then
    for problem in problems:
        print(f"catflap: {problem}", file=sys.stderr)
    what = "is forgotten" if purge else "was not registered" if project is None else "is no longer observed"
    print(f"{view.worktree} {what}; its hooks are as they were before.")
    return 1 if problems else 0


def _folders(view: git.View) -> list[Path]:
    """The hooks folders in effect, and git's own where shims lie that husky's core.hooksPath has put out of effect."""
    own = Path(view.common_dir) / "hooks"
    in_effect = hook_folders(view)
    has_shims = hookfiles.State.OURS in hookfiles.states(own).values()
    return [*in_effect, own] if has_shims and own not in in_effect else in_effect
