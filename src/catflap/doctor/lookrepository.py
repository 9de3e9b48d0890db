"""Looks at one repository and the hooks in it. Changes nothing; says nothing of what is wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from catflap import git, hookfiles, seen, worktree
from catflap.bindings import read_bindings
from catflap.commands.install import shim
from catflap.doctor.repository import Hook, HookState, Presence, Repository
from catflap.errors import CatflapError, NotARepository
from catflap.git import SPECS, View
from catflap.hookfiles import Seat, Shim, State
from catflap.ledger import Project
from catflap.places import folders_of
from catflap.workpackage import MAX_BYTES

_FRAMEWORKS = (".pre-commit-config.yaml", "lefthook.yml", "lefthook.yaml", ".lefthook.yml", ".husky/post-commit")
"""Files of hook managers that may call catflap, relative to the worktree."""
_CALLS = (b"catflap-post-", b"catflap hook")
_OFF = frozenset(("false", "no", "off", "0"))


@dataclass(frozen=True, slots=True)
class Look:
    """A repository, the view that it was looked at through (None: it is not here), and how many folders to watch."""

    repository: Repository
    view: View | None
    folders: int = 0


def look_at_registered(project: Project, folder: Path, *, has_watcher: bool) -> Look:
    """The repository of ``project``; ``folder`` is catflap's."""
    try:
        view = git.locate(project.path)
    except NotARepository as error:
        return Look(Repository(project.path, _why_not(project, error), str(error)), None)
    if view.common_dir != project.common_dir:
        presence = Presence.CHECKOUT_GONE if os.path.isdir(project.common_dir) else Presence.REPLACED
        return Look(Repository(project.path, presence), None)
    return _look(view, folder, project=project, has_watcher=has_watcher)


def look_at_here(path: Path, folder: Path) -> Look | None:
    """The repository at ``path``, which is not registered; None when there is none."""
    try:
        view = git.locate(str(path))
    except NotARepository as error:
        if "safe.directory" in error.why:
            return Look(Repository(str(path.absolute()), Presence.UNSAFE, str(error)), None)
        return None
    return _look(view, folder, project=None, has_watcher=False)


def with_unreadable(look: Look) -> Look:
    """The same with the work packages in the working tree that cannot be read, which takes a parse of each."""
    if look.view is None:
        return look
    top = os.path.join(look.view.worktree, SPECS)
    features = sorted(os.listdir(top)) if os.path.isdir(top) else []
    wps = [wp for feature in features for wp, _ in worktree.members(look.view, feature)]
    paths = tuple(wp.path for wp in wps if wp.problem is not None)
    return replace(look, repository=replace(look.repository, unreadable=paths))


def _why_not(project: Project, error: NotARepository) -> Presence:
    if "safe.directory" in error.why:
        return Presence.UNSAFE
    return Presence.CHECKOUT_GONE if os.path.isdir(project.common_dir) else Presence.GONE


def _look(view: View, folder: Path, *, project: Project | None, has_watcher: bool) -> Look:
    views = git.worktrees(view)
    settings = git.settings(view)
    hooks_setting = settings.get("core.hookspath")
    repository = Repository(
        project.path if project is not None else view.worktree,
        is_installed=project is not None,
        is_marked=seen.is_registered(str(folder), view.common_dir),
        has_watcher=has_watcher,
        shared_path=hooks_setting.value if hooks_setting and hooks_setting.scope in ("global", "system") else None,
        framework=_framework(view),
        has_reflog="core.logallrefupdates" not in settings
        or settings["core.logallrefupdates"].value.lower() not in _OFF,
        is_reftable=os.path.isdir(os.path.join(view.common_dir, "reftable")),
        is_shallow=os.path.exists(os.path.join(view.common_dir, "shallow")),
        is_partial=any(name.startswith("remote.") and name.endswith(".promisor") for name in settings),
        is_ignored=bool(git.ask(view.worktree, "check-ignore", f"{SPECS}/001-a/tasks/WP01-a.md", ok=(0, 1))),
        has_specs=any(os.path.isdir(os.path.join(one.worktree, SPECS)) for one in views),
        is_local=_is_local(folder, view),
        worktrees=len(views),
    )
    if project is not None and project.hooks_dir is None:
        repository = replace(repository, wants_hooks=False)
    elif project is not None:
        repository = _with_hooks(repository, views, folder, str(project.hooks_dir))
    return Look(repository, view, sum(len(folders_of(one, str(folder))) for one in views))


def _with_hooks(repository: Repository, views: Sequence[View], home: Path, hooks_dir: str) -> Repository:
    ours = shim()
    folders = [Path(folder) for folder in dict.fromkeys(git.hooks_dir(one) for one in views)]
    hooks = tuple(_hook(folder, name, ours, home) for folder in folders for name in hookfiles.NAMES)
    is_bare_of_ours = all(hook.state in (HookState.MISSING, HookState.FOREIGN) for hook in hooks)
    is_elsewhere = is_bare_of_ours and hooks_dir not in map(str, folders)
    return replace(repository, hooks=hooks, hooks_path=str(folders[0]) if is_elsewhere else None)


def _hook(folder: Path, name: str, ours: Shim, home: Path) -> Hook:
    seat = hookfiles.seat(folder, name)
    state, detail = _state(seat, ours.text(name), home)
    return Hook(str(folder), name, state, detail, seat.kept is not None and not os.access(seat.kept, os.X_OK))


def _state(seat: Seat, expected: bytes, home: Path) -> tuple[HookState, str]:
    match seat.state:
        case State.ABSENT:
            return HookState.MISSING, ""
        case State.FOREIGN:
            return (HookState.IN_THE_WAY if seat.is_in_the_way else HookState.FOREIGN), ""
    if not os.access(seat.path, os.X_OK):
        return HookState.NOT_EXECUTABLE, ""
    data = seat.path.read_bytes()
    if data == expected:
        return HookState.GOOD, ""
    named = hookfiles.named_in(data)
    for what in ("python", "entry"):
        if not os.path.exists(named.get(what, "")):
            return HookState.PYTHON_GONE, named.get(what, "no interpreter")
    if named.get("home") != str(home):
        return HookState.OTHER_HOME, named.get("home", "no folder")
    return HookState.OUTDATED, ""


def _framework(view: View) -> str | None:
    """The file of a hook manager that calls catflap."""
    for name in _FRAMEWORKS:
        path = Path(view.worktree, name)
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
        if any(call in data for call in _CALLS):
            return name
    return None


def _is_local(folder: Path, view: View) -> bool:
    try:
        binding = read_bindings(folder).get(view.common_dir)
    except CatflapError:  # said of the home
        return False
    return binding is not None and binding.is_local
