"""A scratch clone with the same hooks: it shares the objects, and nothing is written into the repository itself.

Settings of the repository come along, but for those that name places or people; no remote can be reached from it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from catflap import git
from catflap.doctor.driver import Driver
from catflap.git import Setting, View

NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")
"""Options of a git command that is to run no hooks."""
_LEFT_OUT = ("remote.", "branch.", "submodule.", "url.", "credential.", "include", "extensions.", "gc.", "maintenance.")
_REPLACED = frozenset(
    "core.worktree core.bare core.hookspath core.repositoryformatversion core.fsmonitor core.sparsecheckout "
    "core.sparsecheckoutcone commit.gpgsign tag.gpgsign user.signingkey".split()
)
_MOST_FILES = 2000
"""A folder of hooks with more than that is something else, and what of it is committed is in the clone anyway."""


class CannotClone(Exception):
    """Why there is no scratch clone."""


@dataclass(frozen=True, slots=True)
class Clone:
    """``path``: the clone's worktree; ``hooks``: names of hooks that git may run in it.

    ``has_own_hooks``: a new worktree of it has them as well.
    """

    path: Path
    hooks: tuple[str, ...]
    has_own_hooks: bool


def make_clone(view: View, driver: Driver) -> Clone:
    """A clone of ``view`` at its HEAD, its hooks in place; no hook has run yet. Raises: CannotClone, TookTooLong."""
    path = driver.root / "clone" / os.path.basename(view.worktree.rstrip("/"))
    path.parent.mkdir()
    options = ("--shared", "--no-checkout", "--no-tags", "--single-branch", "--quiet", "--template=")
    _run(driver, "clone", *options, view.worktree, str(path), cwd=driver.root, extra={"GIT_ALLOW_PROTOCOL": "file"})
    settings = git.settings(view)
    _configure(path, settings, nowhere=driver.root / "nowhere")
    if git.ask(view.worktree, "rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1)):
        _run(driver, *NO_HOOKS, "reset", "--quiet", "--hard", cwd=path)
    if not git.ask(view.worktree, "var", "GIT_COMMITTER_IDENT", ok=(0, 128)):
        _append(path, '[user]\n\tname = "catflap doctor"\n\temail = "doctor@catflap.invalid"\n')
    hooks_setting = settings.get("core.hookspath")
    folder = _bring_hooks(view, path, hooks_setting)
    is_relative = hooks_setting is not None and not os.path.isabs(os.path.expanduser(hooks_setting.value))
    has_own = not is_relative or bool(git.ask(str(path), "ls-files", "--", str(folder)))
    return Clone(path, tuple(_names(folder)), has_own)


def _bring_hooks(view: View, clone: Path, setting: Setting | None) -> Path:
    """Where git takes the clone's hooks from: a copy of where it takes the repository's from, at the same place.

    A folder outside of the repository is used as it is.
    """
    source = Path(git.hooks_dir(view))
    if setting is None:
        target = clone / ".git" / "hooks"
    elif source.is_relative_to(view.worktree):
        target = clone / source.relative_to(view.worktree)
        is_absolute = os.path.isabs(os.path.expanduser(setting.value))
        named = str(target) if is_absolute else source.relative_to(view.worktree).as_posix()
        _append(clone, f"[core]\n\thooksPath = {_quoted(named)}\n")
    else:
        _append(clone, f"[core]\n\thooksPath = {_quoted(str(source))}\n")
        return source
    if source.name == "_":  # husky's stubs, which run what lies in the folder above
        _copy(source.parent, target.parent)
    else:
        _copy(source, target)
    return target


def _copy(source: Path, target: Path) -> None:
    """Copy a folder of hooks over what is there; a link that would lead nowhere leads to what it means."""
    if not source.is_dir() or sum(len(files) for _, _, files in os.walk(source)) > _MOST_FILES:
        return
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sample"))
    for folder, _, files in os.walk(target):
        for name in files:
            path = Path(folder) / name
            if path.is_symlink() and not path.exists():
                meant = source / path.relative_to(target)
                path.unlink()
                path.symlink_to(meant.resolve())


def _configure(clone: Path, settings: Mapping[str, Setting], *, nowhere: Path) -> None:
    text = "".join(_lines(settings))
    text += f'[remote "origin"]\n\turl = {_quoted(str(nowhere))}\n'
    text += "[commit]\n\tgpgSign = false\n[tag]\n\tgpgSign = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    text += "[core]\n\tfsmonitor = false\n"
    git.ask(str(clone), "config", "--local", "--remove-section", "remote.origin", ok=(0, 128))
    _append(clone, text)


def _lines(settings: Mapping[str, Setting]) -> Iterator[str]:
    for name, setting in settings.items():
        if setting.scope not in ("local", "worktree") or name in _REPLACED or name.startswith(_LEFT_OUT):
            continue
        section, _, key = name.rpartition(".")
        head, has_more, rest = section.partition(".")
        more = f" {_quoted(rest)}" if has_more else ""
        yield f"[{head}{more}]\n\t{key} = {_quoted(setting.value)}\n"


def _quoted(text: str) -> str:
    """``text`` as a value of git's configuration (git-config(1), Syntax)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _append(clone: Path, text: str) -> None:
    with (clone / ".git" / "config").open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _names(folder: Path) -> Iterator[str]:
    """The hooks in a folder that git would run."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            is_hook = path.name.replace("-", "").isalpha() and "-" in path.name
            if is_hook and path.is_file() and os.access(path, os.X_OK):
                yield path.name


def _run(driver: Driver, *args: str, cwd: Path, extra: Mapping[str, str] | None = None) -> None:
    done = driver.git(*args, cwd=cwd, extra=extra)
    if done.code != 0:
        raise CannotClone(done.words)
