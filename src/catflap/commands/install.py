"""`catflap install`: opts a repository in. Registers it, takes its work packages as they are, and puts the hooks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from catflap import git, hookfiles, registry, seen
from catflap.config import home
from catflap.database import open_database
from catflap.instants import iso
from catflap.shipped import shipped


def install(path: Path, *, with_hooks: bool = True) -> int:
    """0 once the repository of ``path`` is registered. Again: repairs what is missing, changes nothing else.

    Raises: NotARepository, HookInTheWay, DatabaseUnusable.
    """
    view = git.locate(str(path))
    found, folders, kept = put_in_place(view, with_hooks=with_hooks)
    _report(found, view, folders, kept)
    return 0


def put_in_place(view: git.View, *, with_hooks: bool) -> tuple[registry.Registration, list[Path], list[str]]:
    """Register the repository and put its hooks: what was found, the hooks folders, the names of hooks that are kept.

    Raises: HookInTheWay, DatabaseUnusable.
    """
    kept: list[str] = []
    folders = hook_folders(view) if with_hooks else []
    connection = open_database(home() / "queue.db")
    try:
        found = registry.register(
            connection, view, hooks_dir=str(folders[0]) if folders else None, now=iso(time.time())
        )
    finally:
        connection.close()
    for folder in folders:
        kept += hookfiles.put(folder, shim())
    seen.register(str(home()), view.common_dir)
    for one in git.worktrees(view):
        seen.forget_tree(str(home()), one.git_dir)
    return found, folders, kept


def hook_folders(view: git.View) -> list[Path]:
    """The hooks folders that are in effect: one for all worktrees, or one each when core.hooksPath is relative."""
    return [Path(folder) for folder in dict.fromkeys(git.hooks_dir(one) for one in git.worktrees(view))]


def shim() -> hookfiles.Shim:
    """The shim as this installation of catflap fills it in."""
    import filelock
    import yaml

    import catflap

    modules = dict.fromkeys(str(Path(str(module.__file__)).parents[1]) for module in (catflap, yaml, filelock))
    return hookfiles.Shim(
        template=shipped("hooks/hook.sh").read_text("utf-8"),
        python=sys.executable,
        entry=str(Path(__file__).parents[1] / "hook.py"),
        modules=";".join(modules),
        home=str(home()),
    )


def _report(found: registry.Registration, view: git.View, folders: list[Path], kept: list[str]) -> None:
    what = "registered" if found.is_new else "was registered already; repaired"
    print(f"{view.worktree} {what} as project {found.project.slug}.")
    print(
        f"Found {found.work_packages} work packages in {found.features} features and {found.views} worktrees: "
        "taken as they are, nothing is told of them."
    )
    if found.work_packages and found.is_new:
        print("To tell the history that lies behind them, see: catflap backfill --help")
    for folder in folders:
        print(f"Hooks are in {folder}.")
    for name in dict.fromkeys(kept):
        print(f"Your own {name} hook is kept and runs first.")
    if not folders:
        print("No hooks: changes are told when `catflap observe` runs.")
    how = "and commit" if folders else "and run `catflap observe`"
    print(f"Next: edit a work package's lane {how}; `catflap board` shows it then, `catflap events` what was told.")
