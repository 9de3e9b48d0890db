"""What may be wrong with a repository and the hooks in it. Pure: works on what was seen of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from shlex import quote

from catflap.doctor.finding import Finding, Kind, Level

INSTALL = "`catflap install`"
_SILENT = "what git does there is told late: by the watcher, or by `catflap observe`"

NOT_INSTALLED = Kind(
    "not-installed", Level.ERROR, "nothing of a repository is told before `catflap install` was run there"
)
GONE = Kind("repository-gone", Level.WARNING, "it is looked for again and again; what it was told stays known", True)
CHECKOUT_GONE = Kind(
    "checkout-gone", Level.WARNING, "the watcher finds the repository by this checkout; its hooks go on"
)
REPLACED = Kind("repository-replaced", Level.WARNING, "another repository is there now, of which nothing is told", True)
UNSAFE = Kind("repository-unsafe", Level.ERROR, "git refuses to read a repository of another owner, so nothing is told")
UNMARKED = Kind(
    "repository-unmarked", Level.ERROR, "the hooks look for a mark in catflap's folder, and do nothing", True
)
HOOK_MISSING = Kind("hook-missing", Level.ERROR, _SILENT, True)
HOOK_FOREIGN = Kind("hook-replaced", Level.ERROR, f"another tool put its hook there; {_SILENT}", True)
HOOK_IN_THE_WAY = Kind(
    "hook-in-the-way", Level.ERROR, f"catflap keeps one hook of yours, and this is another; {_SILENT}"
)
HOOK_MODE = Kind("hook-not-executable", Level.ERROR, f"git does not run it; {_SILENT}", True)
HOOK_PYTHON = Kind("hook-python-gone", Level.ERROR, f"the hook does nothing without it; {_SILENT}", True)
HOOK_OLD = Kind(
    "hook-outdated", Level.WARNING, "the hook runs another catflap than this, or an earlier form of it", True
)
HOOK_HOME = Kind("hook-other-home", Level.WARNING, "where SPEC_KITTY_HOME is not set, the hook looks in another folder")
KEPT_MODE = Kind("kept-hook-not-executable", Level.NOTE, "your own hook is not run, as git would not run it either")
ELSEWHERE = Kind("hooks-path-changed", Level.ERROR, f"git runs the hooks of another folder now; {_SILENT}", True)
SHARED = Kind(
    "hooks-path-shared", Level.NOTE, "its hooks run in each of your repositories; not installed, they do nothing"
)
NOBODY = Kind("nobody-tells", Level.WARNING, "there are no hooks and no watcher: only `catflap observe` tells anything")
DOUBLED = Kind("hooks-doubled", Level.NOTE, "harmless: the first tells the change, the second has nothing left to tell")
NO_REFLOG = Kind(
    "reflog-off", Level.WARNING, "catflap reads from it what git did; without it several moves count as one"
)
REFTABLE = Kind("reftable", Level.NOTE, "all works, but each look asks git for the reflog, which takes some ms longer")
SHALLOW = Kind("shallow-clone", Level.NOTE, "`catflap backfill` tells only the history that is here")
PARTIAL = Kind(
    "partial-clone", Level.NOTE, "catflap fetches nothing: what is not here is not told by `catflap backfill`"
)
IGNORED = Kind(
    "specs-ignored", Level.WARNING, "git never commits them: only saves are told, by the watcher or an observe"
)
UNREADABLE = Kind("wp-unreadable", Level.WARNING, "such a file changes nothing: its last good state stays on the board")
NO_SPECS = Kind(
    "no-work-packages", Level.NOTE, "there is nothing to tell yet: catflap reads kitty-specs/*/tasks/**/WP*.md"
)
LOCAL = Kind("kept-local", Level.NOTE, "nothing of it is queued or sent, as you asked")
KINDS = (
    NOT_INSTALLED,
    GONE,
    CHECKOUT_GONE,
    REPLACED,
    UNSAFE,
    UNMARKED,
    HOOK_MISSING,
    HOOK_FOREIGN,
    HOOK_IN_THE_WAY,
    HOOK_MODE,
    HOOK_PYTHON,
    HOOK_OLD,
    HOOK_HOME,
    KEPT_MODE,
    ELSEWHERE,
    SHARED,
    NOBODY,
    DOUBLED,
    NO_REFLOG,
    REFTABLE,
    SHALLOW,
    PARTIAL,
    IGNORED,
    UNREADABLE,
    NO_SPECS,
    LOCAL,
)


class Presence(StrEnum):
    """What is at a registered path, or at the one that was asked about."""

    HERE = "here"
    GONE = "gone"
    CHECKOUT_GONE = "checkout gone"
    REPLACED = "replaced"
    UNSAFE = "unsafe"


class HookState(StrEnum):
    """How one hook stands; of several reasons the first that keeps it from running."""

    GOOD = "good"
    MISSING = "missing"
    FOREIGN = "foreign"
    IN_THE_WAY = "in the way"
    NOT_EXECUTABLE = "not executable"
    PYTHON_GONE = "Python gone"
    OTHER_HOME = "other home"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Hook:
    """One of our hook names in one folder. ``detail``: the interpreter, or the home, that the shim names.

    ``kept``: the user's own hook behind it is not executable.
    """

    folder: str
    name: str
    state: HookState
    detail: str = ""
    kept_is_idle: bool = False


@dataclass(frozen=True, slots=True)
class Repository:
    """A registered repository, or the one asked about. Of one that is not HERE only ``path`` and ``trouble`` count.

    ``is_here``: doctor was run in it. ``wants_hooks``: it was not installed with --no-hooks. ``hooks_path``: where git
    takes the hooks from, when that is another folder than at the install; ``shared_path``: core.hooksPath, when it is
    set for all repositories.
    ``framework``: the file of a hook manager that calls catflap, too. ``unreadable``: paths of work packages.
    """

    path: str
    presence: Presence = Presence.HERE
    trouble: str = ""
    is_here: bool = True
    is_installed: bool = True
    is_marked: bool = True
    wants_hooks: bool = True
    has_watcher: bool = False
    hooks: tuple[Hook, ...] = ()
    hooks_path: str | None = None
    shared_path: str | None = None
    framework: str | None = None
    has_reflog: bool = True
    is_reftable: bool = False
    is_shallow: bool = False
    is_partial: bool = False
    is_ignored: bool = False
    has_specs: bool = True
    is_local: bool = False
    unreadable: tuple[str, ...] = ()
    worktrees: int = 1

    @property
    def words(self) -> str:
        if self.presence is not Presence.HERE:
            return f"{self.path}: cannot be used"
        if not self.is_installed:
            return f"{self.path}: not installed"
        wrong = any(hook.state is not HookState.GOOD for hook in self.hooks)
        hooks = "no hooks" if not self.wants_hooks else "hooks to mend" if wrong else "hooks in place"
        return f"{self.path}: {hooks}, {self.worktrees} worktree{'' if self.worktrees == 1 else 's'}"


def judge_repository(repository: Repository) -> Iterator[Finding]:
    """What is wrong with the repository and its hooks."""
    path = repository.path
    match repository.presence:
        case Presence.GONE:
            fix = "mount its disk, if that is all; else `catflap doctor --fix` lets it go"
            yield GONE.found(f"{path} is registered, and no repository is there", fix=fix, where=path)
        case Presence.CHECKOUT_GONE:
            fix = f"run {INSTALL} in another checkout of it"
            yield CHECKOUT_GONE.found(f"{path} is gone, and the repository that it was of is not", fix=fix, where=path)
        case Presence.REPLACED:
            fix = f"`catflap install {quote(path)}`; `catflap doctor --fix` forgets the one that is gone"
            yield REPLACED.found(f"{path} belongs to another repository now", fix=fix, where=path)
        case Presence.UNSAFE:
            fix = f"`git config --global --add safe.directory {quote(path)}`, if you trust it"
            yield UNSAFE.found(repository.trouble, fix=fix, where=path)
        case Presence.HERE if not repository.is_installed:
            yield NOT_INSTALLED.found(
                f"catflap is not installed in {path}", fix=f"`catflap install {quote(path)}`", where=path
            )
        case Presence.HERE:
            yield from _judge_telling(repository)
            yield from _judge_git(repository)


def _judge_telling(repository: Repository) -> Iterator[Finding]:
    path, again = repository.path, f"`catflap install {quote(repository.path)}`"
    if not repository.is_marked:
        yield UNMARKED.found(f"catflap's folder lacks its mark of {path}", fix=again, where=path)
    if repository.hooks_path is not None:
        what = f"git takes the hooks of {path} from {repository.hooks_path} now, where catflap's are not"
        yield ELSEWHERE.found(what, fix=again, where=path)
    elif repository.wants_hooks:
        yield from _judge_hooks(repository.hooks, path, again)
    if repository.shared_path is not None and repository.wants_hooks:
        what = f"core.hooksPath is set for all repositories of this user: {repository.shared_path}"
        yield SHARED.found(what, fix="nothing, or give this repository a core.hooksPath of its own", where=path)
    if not repository.wants_hooks and not repository.has_watcher and repository.framework is None:
        fix = f"{again}, or `catflap service install`"
        yield NOBODY.found(f"{path} was installed with --no-hooks, and no watcher runs", fix=fix, where=path)
    if repository.wants_hooks and repository.framework is not None:
        what = f"{repository.framework} calls catflap's hooks, and they are in place as well"
        yield DOUBLED.found(what, fix=f"nothing, or take them out of {repository.framework}", where=path)
    if repository.is_local:
        fix = f"nothing, or `catflap auth bind {quote(path)} --any`"
        yield LOCAL.found(f"{path} is kept local", fix=fix, where=path)


_WRONG = {
    HookState.MISSING: (HOOK_MISSING, "{names} {is_are} not in {folder}"),
    HookState.FOREIGN: (HOOK_FOREIGN, "{names} in {folder} {is_are} not catflap's"),
    HookState.NOT_EXECUTABLE: (HOOK_MODE, "{names} in {folder} cannot be executed"),
    HookState.PYTHON_GONE: (HOOK_PYTHON, "{names} in {folder} would run {detail}, which is gone"),
    HookState.OUTDATED: (HOOK_OLD, "{names} in {folder} {is_are} not what this catflap puts there"),
}


def _judge_hooks(hooks: Iterable[Hook], path: str, again: str) -> Iterator[Finding]:
    """One finding for all hooks of a folder that stand alike."""
    groups: dict[tuple[str, HookState, str], list[str]] = {}
    for hook in hooks:
        groups.setdefault((hook.folder, hook.state, hook.detail), []).append(hook.name)
    for (folder, state, detail), names in groups.items():
        listed = ", ".join(names)
        if state in _WRONG:
            kind, words = _WRONG[state]
            is_are = "is" if len(names) == 1 else "are"
            what = words.format(names=listed, folder=folder, detail=detail, is_are=is_are)
            yield kind.found(what, fix=again, where=path)
        elif state is HookState.IN_THE_WAY:
            fix = f"put together what you need in one of them, delete the other, then {again}"
            what = f"{listed} in {folder} is not catflap's, and {names[0]}.catflap-kept beside it is another hook"
            yield HOOK_IN_THE_WAY.found(what, fix=fix, where=path)
        elif state is HookState.OTHER_HOME:
            what = f"{listed} in {folder} would use {detail}"
            yield HOOK_HOME.found(what, fix=f"{again}, if this home is the right one", where=path)
    for hook in hooks:
        if hook.kept_is_idle:
            kept = f"{hook.folder}/{hook.name}.catflap-kept"
            fix = f"`chmod +x {quote(kept)}`, if it should run"
            yield KEPT_MODE.found(f"{kept} cannot be executed", fix=fix, where=path)


def _judge_git(repository: Repository) -> Iterator[Finding]:
    path = repository.path
    if not repository.has_reflog:
        fix = f"`git -C {quote(path)} config core.logAllRefUpdates true`"
        yield NO_REFLOG.found(f"core.logAllRefUpdates is false in {path}", fix=fix, where=path)
    if repository.is_reftable:
        yield REFTABLE.found(f"{path} keeps its refs in a reftable", fix="nothing", where=path)
    if repository.is_shallow:
        fix = f"nothing, or `git -C {quote(path)} fetch --unshallow`"
        yield SHALLOW.found(f"{path} is a shallow clone", fix=fix, where=path)
    if repository.is_partial:
        fix = f"nothing, or `git -C {quote(path)} fetch --refetch`"
        yield PARTIAL.found(f"{path} is a partial clone", fix=fix, where=path)
    if not repository.has_specs:
        yield NO_SPECS.found(f"{path} has no kitty-specs/", fix="nothing; plan a feature with Spec Kitty", where=path)
    if repository.is_ignored:
        fix = f"take kitty-specs/ out of the rule: `git -C {quote(path)} check-ignore -v kitty-specs/` shows it"
        yield IGNORED.found(f"git ignores kitty-specs/ in {path}", fix=fix, where=path)
    if repository.unreadable:
        first, count = repository.unreadable[0], len(repository.unreadable)
        what = f"{first} cannot be read" if count == 1 else f"{first} and {count - 1} more cannot be read"
        yield UNREADABLE.found(f"{what} as work packages", fix="`catflap check`", where=path)
