"""The only file that runs git: what we ask it. How its answers read is gitformats.py's; knows no work packages.

Every call has git's local environment cleared (a hook's GIT_DIR or GIT_INDEX_FILE would send us to another
repository) and takes no optional lock. Costs measured with git 2.39: a process is 2 to 4 ms, so objects are read
through one long-lived `cat-file --batch`, and any number of trees is compared by one `diff-tree --stdin`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from catflap import log
from catflap.errors import GitFailed, NotARepository
from catflap.gitformats import Diff, Link, parse_diffs, parse_link

# What `git rev-parse --local-env-vars` lists in git 2.39; a test compares. A process less in every hook.
LOCAL_ENV_VARS = frozenset(
    "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_OBJECT_DIRECTORY GIT_DIR "
    "GIT_WORK_TREE GIT_IMPLICIT_WORK_TREE GIT_GRAFT_FILE GIT_INDEX_FILE GIT_NO_REPLACE_OBJECTS GIT_REPLACE_REF_BASE "
    "GIT_PREFIX GIT_INTERNAL_SUPER_PREFIX GIT_SHALLOW_FILE GIT_COMMON_DIR".split()
)
EMPTY_TREES = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
SPECS = "kitty-specs"
AS_MADE = ("--no-replace-objects",)
"""The option by which objects are read as they were made, whatever refs/replace says here: the same on each clone."""
_PIPE_BYTES = 1 << 16
"""What a pipe holds on Linux: each read takes all that is there, so that git and other threads can go on."""
_NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Windows opens a console for each git that a process without one starts, such as the watcher as a task."""
LANE_LOG = "status.events.jsonl"

CatFile: TypeAlias = "subprocess.Popen[bytes]"
"""A git process that answers questions."""


@dataclass(frozen=True, slots=True)
class View:
    """One worktree of one repository: absolute paths, as git gives them. The git dir is the key, since paths move."""

    git_dir: str
    common_dir: str
    worktree: str


def environment() -> dict[str, str]:
    """The environment for our git calls: this process's, without what binds git to one repository.

    In a partial clone git would fetch an object that is missing, in the middle of a hook: it may not. git 2.45 and
    later obey the first of the two names, and those before find that every protocol is forbidden.
    """
    found = {name: value for name, value in os.environ.items() if name not in LOCAL_ENV_VARS}
    found.update(GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LC_ALL="C", LANGUAGE="")
    found.update(GIT_NO_LAZY_FETCH="1", GIT_ALLOW_PROTOCOL="", GIT_GRAFT_FILE=os.devnull)
    return found


@contextmanager
def _starting_in(folder: str) -> Iterator[None]:
    """Turn what can keep a process from starting into GitFailed: no git on PATH, or the folder is gone."""
    try:
        yield
    except OSError as error:
        is_there = os.path.isdir(folder)
        hint = "is git installed and on PATH?" if is_there else "was the worktree removed?"
        raise GitFailed("run git", where=f"in {folder}", why=str(error), hint=hint) from error


def ask(cwd: str, *args: str, ok: Sequence[int] = (0,), index: str | None = None, words: str = "") -> str:
    """What ``git ARGS`` prints when run in ``cwd``; ``index`` names another index file than the usual one,
    ``words`` are what it reads from its standard input.

    Raises: GitFailed with git's own last words, when it ends with a code that is not in ``ok``.
    """
    env = environment() | ({"GIT_INDEX_FILE": index} if index is not None else {})
    with _starting_in(cwd), log.timed("git", *args, "in", cwd):
        done = subprocess.run(
            ["git", *args],
            cwd=cwd,
            env=env,
            capture_output=True,
            input=words.encode("ascii"),
            check=False,
            creationflags=_NO_WINDOW,
        )
    if done.returncode not in ok:
        why = _last_words(done.stderr, done.returncode)
        verb = next(arg for arg in args if not arg.startswith("-"))
        raise GitFailed(f"run git {verb}", where=f"in {cwd}", why=why, hint=f"try it: git {' '.join(args)}")
    return os.fsdecode(done.stdout)


def _last_words(stderr: bytes, code: int) -> str:
    words = stderr.decode("utf-8", "replace").strip().splitlines()
    return words[-1] if words else f"exit code {code}"


def locate(path: str) -> View:
    """The view that ``path`` lies in.

    Raises: NotARepository when it lies in none, in a bare one, or where no text can name it.
    """
    try:
        answer = ask(
            path, "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--is-bare-repository"
        )
        git_dir, common_dir, is_bare = answer.splitlines()
        if is_bare == "true":
            raise NotARepository("use", where=path, why="it is a bare repository", hint="run this in a checkout of it")
        worktree = ask(path, "rev-parse", "--path-format=absolute", "--show-toplevel").rstrip("\n")
    except GitFailed as error:
        raise NotARepository(
            "use", where=path, why=f"git says: {error.why}", hint="run this inside a git checkout, or name one"
        ) from error
    for part in (git_dir, common_dir, worktree):
        if any("\ud800" <= letter <= "\udfff" for letter in part):
            why = "its path is not UTF-8, and events could not name it"
            raise NotARepository("use", where=repr(part), why=why, hint="give its folders names in UTF-8")
    return View(git_dir=git_dir, common_dir=common_dir, worktree=worktree)


def worktrees(view: View) -> list[View]:
    """Every worktree of the repository whose folder exists, the main one first.

    Read from the git dirs themselves: in a submodule `git worktree list` gives no usable path.
    """
    paths = []
    for line in ask(view.worktree, "worktree", "list", "--porcelain").splitlines():
        kind, _, value = line.partition(" ")
        if kind == "worktree" and os.path.isdir(value):
            paths.append(value)
    found = {view.git_dir: view}
    for path in [os.path.dirname(view.common_dir), *paths]:
        try:
            other = locate(path)
        except NotARepository:  # the main worktree of a bare repository, or a folder taken away meanwhile
            continue
        if other.common_dir == view.common_dir:
            found.setdefault(other.git_dir, other)
    return sorted(found.values(), key=lambda one: (one.git_dir != one.common_dir, one.git_dir))


def start_cat_file(git_dir: str, options: Sequence[str]) -> CatFile:
    """A `cat-file --batch` that waits for questions; ``options`` are git's. Raises: GitFailed."""
    with _starting_in(git_dir), log.timed("git", "cat-file --batch begins in", git_dir):
        return subprocess.Popen(
            ["git", *options, f"--git-dir={git_dir}", "cat-file", "--batch"],
            bufsize=_PIPE_BYTES,
            cwd=git_dir,
            env=environment(),
            creationflags=_NO_WINDOW,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def diff_trees(
    git_dir: str, pairs: Sequence[tuple[str, str]], pathspec: str = SPECS, *, options: Sequence[str] = ()
) -> list[list[Diff]]:
    """For each pair of trees what differs under ``pathspec``, in one process whatever the number of pairs.

    Raises: GitFailed when a tree is missing, of which `diff-tree --stdin` itself says nothing.
    """
    if not pairs:
        return []
    with _starting_in(git_dir), log.timed("git", "diff-tree of", str(len(pairs)), "pairs of trees in", git_dir):
        done = subprocess.run(
            [
                "git",
                *options,
                f"--git-dir={git_dir}",
                "diff-tree",
                "--stdin",
                "-r",
                "--raw",
                "-z",
                "--no-renames",
                "--",
                pathspec,
            ],
            cwd=git_dir,
            env=environment(),
            creationflags=_NO_WINDOW,
            input="".join(f"{old} {new}\n" for old, new in pairs).encode("ascii"),
            capture_output=True,
            check=False,
        )
    why = "" if done.returncode == 0 else _last_words(done.stderr, done.returncode)
    found = list(parse_diffs(done.stdout))
    if not why and [pair for pair, _ in found] != list(pairs):
        read = {tree for pair, _ in found for tree in pair}
        why = f"the tree {next(tree for pair in pairs for tree in pair if tree not in read)} is missing"
    if why:
        raise GitFailed("compare trees", where=f"in {git_dir}", why=why, hint="try it: git fsck")
    return [diffs for _, diffs in found]


def list_tree(git_dir: str, tree: str) -> list[Diff]:
    """Every regular file under kitty-specs/ in ``tree``, as if each were new."""
    return diff_trees(git_dir, [(EMPTY_TREES[len(tree)], tree)])[0]


def first_parents(git_dir: str, tip: str) -> Iterator[Link]:
    """The first-parent chain of a commit, oldest first, as git walks it: nothing of it is kept here.

    Raises: GitFailed when a commit is missing.
    """
    with _starting_in(git_dir):
        command = ["rev-list", "--first-parent", "--reverse", "--format=%H %T %ct", tip, "--"]
        process = subprocess.Popen(
            ["git", *AS_MADE, f"--git-dir={git_dir}", *command],
            cwd=git_dir,
            env=environment(),
            creationflags=_NO_WINDOW,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if (link := parse_link(line.decode("ascii"))) is not None:
                yield link
        words = process.stderr.read()
    if process.returncode != 0:
        why = _last_words(words, process.returncode)
        raise GitFailed("read the history", where=f"in {git_dir}", why=why, hint="try it: git fsck")


def is_partial(git_dir: str) -> bool:
    """Whether this is a partial clone, in which objects may be missing: they are on a remote (gitglossary(7))."""
    names = r"^(extensions\.partialclone|remote\..*\.promisor)$"
    return bool(ask(git_dir, f"--git-dir={git_dir}", "config", "--get-regexp", names, ok=(0, 1)))


def present(git_dir: str, oids: Sequence[str]) -> set[str]:
    """Those of ``oids``, blobs, that are here. Fetches nothing, and asks no remote: for partial clones."""
    command = ["rev-list", "--objects", "--no-walk", "--missing=allow-any", "--ignore-missing", "--stdin"]
    answer = ask(git_dir, *AS_MADE, f"--git-dir={git_dir}", *command, words="".join(f"{oid}\n" for oid in oids))
    return {line.split()[0] for line in answer.splitlines()}


@dataclass(frozen=True, slots=True)
class Staged:
    """One path of the index; ``oid`` is None for what is no regular file, or not merged yet.

    ``is_sparse``: a sparse checkout leaves it out of the working tree.
    """

    path: str
    oid: str | None
    is_merged: bool
    is_sparse: bool


def staged(view: View, *, index: str | None = None) -> list[Staged]:
    """Every path under kitty-specs/ in the index, each once.

    ``index`` is the file that git names to the hooks of a partial commit; None: the view's own.
    """
    answer = ask(view.worktree, "ls-files", "-z", "-t", "--stage", "--", SPECS, index=index)
    found: dict[str, Staged] = {}
    for record in answer.split("\0")[:-1]:
        head, _, path = record.partition("\t")
        tag, mode, oid, stage = head.split(" ")
        is_merged = stage == "0"
        is_file = is_merged and mode.startswith("100")
        found[path] = Staged(path, oid=oid if is_file else None, is_merged=is_merged, is_sparse=tag == "S")
    return list(found.values())


def merge_base(git_dir: str, one: str, other: str) -> str | None:
    """The best common ancestor; None when there is none, or a commit is not there any more."""
    answer = ask(git_dir, f"--git-dir={git_dir}", "merge-base", one, other, ok=(0, 1, 128))
    return answer.strip() or None


def touched(git_dir: str, tip: str, known: Iterable[str]) -> set[str]:
    """The paths under kitty-specs/ that commits touch which ``tip`` has and none of ``known``; those of merges not.

    Raises: GitFailed when ``tip`` is missing; of ``known`` some may be.
    """
    command = ["log", "--ignore-missing", "--format=", "--name-only", "-z", "--no-renames", "--stdin", "--", SPECS]
    words = "".join(f"{line}\n" for line in (tip, *(f"^{oid}" for oid in known if oid.strip("0"))))
    answer = ask(git_dir, *AS_MADE, f"--git-dir={git_dir}", *command, words=words)
    return set(filter(None, answer.split("\0")))


def has_staged(git_dir: str, paths: Iterable[str]) -> bool:
    """Whether the index has any of these files otherwise than HEAD, or unmerged."""
    command = ["diff-index", "--cached", "--name-only", "HEAD", "--"]
    return bool(ask(git_dir, f"--git-dir={git_dir}", "--literal-pathspecs", *command, *paths))


def is_on_a_remote(git_dir: str, oid: str) -> bool:
    """Whether a remote-tracking branch holds this commit: then somebody else may have made it."""
    answer = ask(
        git_dir, f"--git-dir={git_dir}", "for-each-ref", "--count=1", "--contains", oid, "refs/remotes", ok=(0, 129)
    )
    return bool(answer.strip())


def walk_reflog(git_dir: str) -> str:
    """The HEAD reflog, oldest entry first, in the shape of the reflog file, for ref backends that are not files."""
    answer = ask(
        git_dir,
        f"--git-dir={git_dir}",
        "log",
        "-g",
        "--date=raw",
        "--format=%H%x00%gn <%ge>%x00%gd%x00%gs",
        "HEAD",
        "--",
        ok=(0, 128),
    )
    lines = []
    old: str | None = None
    for row in reversed(answer.splitlines()):
        new, who, selector, message = row.split("\0")
        stamp = selector.partition("@{")[2].rstrip("}")
        lines.append(f"{old or '0' * len(new)} {new} {who} {stamp}\t{message}\n")
        old = new
    return "".join(lines)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of git's configuration; ``scope`` is system, global, local, worktree or command."""

    value: str
    scope: str


def settings(view: View) -> dict[str, Setting]:
    """git's configuration as it counts in this view: of each name, in small letters, the last value."""
    words = iter(ask(view.worktree, "config", "--list", "-z", "--show-scope").split("\0"))
    found = {}
    for scope, entry in zip(words, words, strict=False):
        name, _, value = entry.partition("\n")
        section, _, key = name.rpartition(".")
        head, dot, rest = section.partition(".")
        found[f"{head.lower()}{dot}{rest}.{key.lower()}"] = Setting(value, scope)
    return found


def project_slug(view: View) -> str:
    """The last part of origin's URL, else the name of the folder: design, What a work package says."""
    url = ask(view.worktree, "config", "--get", "remote.origin.url", ok=(0, 1)).strip().rstrip("/")
    name = url.replace("\\", "/").replace(":", "/").rpartition("/")[2].removesuffix(".git")
    folder = os.path.dirname(view.common_dir) if os.path.basename(view.common_dir) == ".git" else view.common_dir
    return name or os.path.basename(folder).removesuffix(".git")


def hooks_dir(view: View) -> str:
    """The effective hooks folder, absolute: core.hooksPath, else the one that all worktrees share."""
    return ask(view.worktree, "rev-parse", "--path-format=absolute", "--git-path", "hooks").rstrip("\n")
