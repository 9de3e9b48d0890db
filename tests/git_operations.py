"""What hands do with git in the model-based test: edits, commits, branches, merges and picks. git_upheavals.py has the
other operations; a weight says how often each is done.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.git_files import TASKS, files_of
from tests.git_hands import Hands
from tests.git_model import Kind

Operation = Callable[[Hands, str, Random], None]
OPERATIONS: dict[str, Operation] = {}
OFTEN: list[str] = []
"""The names of operations, each as often as its weight."""
_CLEAN_FIRST = 0.8
"""How often a hand commits before it has git do what would be refused otherwise."""


def often(weight: int) -> Callable[[Operation], Operation]:
    def put(operation: Operation) -> Operation:
        OPERATIONS[operation.__name__] = operation
        OFTEN.extend([operation.__name__] * weight)
        return operation

    return put


def tidy(hands: Hands, view: str, dice: Random) -> None:
    if dice.random() < _CLEAN_FIRST and not hands.is_clean(view):
        commit(hands, view, dice)


def made(hands: Hands, view: str, kind: Kind, *args: str, hook: str | None) -> bool:
    """Run a command that moves HEAD, and hand on what it did; whether git did it."""
    done = hands.git(view, *args)
    hands.moved(view, kind, hook=hook)
    return done.returncode == 0


def some_commit(hands: Hands, view: str, dice: Random) -> str:
    """A commit of some branch that is no merge and moves no file: picked elsewhere, that leaves two of one id."""
    other = hands.other(view, dice)
    moving = hands.ask(view, "rev-list", "-n", "8", "--diff-filter=AD", other, "--", TASKS).split()
    found = hands.ask(view, "rev-list", "--no-merges", "-n", "8", other).split()
    return dice.choice([commit for commit in found if commit not in moving] or found or ["HEAD"])


# -- edits and commits


@often(14)
def edit(hands: Hands, view: str, dice: Random) -> None:
    hands.change(hands.places[view], dice)
    hands.saved(view)


@often(10)
def commit(hands: Hands, view: str, dice: Random) -> None:
    if hands.is_clean(view):
        hands.change(hands.places[view], dice)
    if dice.random() < 0.5:
        hands.git(view, "add", "-A")
        made(hands, view, Kind.COMMIT, "commit", "-q", "-m", "all", hook="post-commit")
    else:
        made(hands, view, Kind.COMMIT, "commit", "-q", "-a", "-m", "a", hook="post-commit")


@often(4)
def partial_commit(hands: Hands, view: str, dice: Random) -> None:
    """One work package staged, another one edited and left."""
    here = sorted(hands.here(view))
    if len(here) < 2:
        return
    one, other = dice.sample(here, 2)
    for wp in (one, other):
        hands.change(hands.places[view], dice, wp=wp)
    path = files_of(one)
    if dice.random() < 0.5:
        made(hands, view, Kind.COMMIT, "commit", "-q", "-m", "only", "--", path, hook="post-commit")
    else:
        hands.git(view, "reset", "-q")
        hands.git(view, "add", "--", path)
        made(hands, view, Kind.COMMIT, "commit", "-q", "-m", "staged", hook="post-commit")


@often(4)
def hunk_commit(hands: Hands, view: str, dice: Random) -> None:
    """One hunk of a file staged with `add -p`, the other ones left."""
    wp = hands.change(hands.places[view], dice, what="lane agent row")
    if wp:
        answers = "".join(dice.choice("yn") + "\n" for _ in range(4)) + "q\n"
        hands.git(view, "add", "-p", "--", hands.here(view)[wp].path, stdin=answers)
        made(hands, view, Kind.COMMIT, "commit", "-q", "-m", "hunk", hook="post-commit")


@often(5)
def amend(hands: Hands, view: str, dice: Random) -> None:
    way = dice.choice(("message", "edit", "edit", "unstage"))
    if way == "edit":
        hands.change(hands.places[view], dice)
    elif way == "unstage":  # take a file out of the last commit, and keep what it says
        hands.git(view, "reset", "-q", "HEAD~1", "--", TASKS)
    args = () if way == "unstage" else ("-a",)
    made(hands, view, Kind.COMMIT, "commit", "-q", *args, "--amend", "-m", way, hook="post-commit")
    if way == "unstage":
        hands.git(view, "reset", "-q")  # where nothing was left to commit


# -- branches


@often(4)
def branch(hands: Hands, view: str, dice: Random) -> None:
    start_branch(hands, view, dice.choice(("HEAD", "HEAD", "HEAD~1", hands.other(view, dice))))


def start_branch(hands: Hands, view: str, start: str) -> None:
    """A new branch, checked out."""
    name = f"b{len(hands.branches)}"
    if hands.git(view, "switch", "-q", "-c", name, "--no-track", start).returncode == 0:
        hands.branches.append(name)
    hands.moved(view, Kind.SWITCH, hook="post-checkout")


@often(6)
def switch(hands: Hands, view: str, dice: Random) -> None:
    way = dice.choice(("plain", "plain", "plain", "merge", "detach"))
    if way == "plain":
        tidy(hands, view, dice)
    args = {"plain": (), "merge": ("-m",), "detach": ("--detach",)}[way]
    made(hands, view, Kind.SWITCH, "switch", "-q", *args, hands.other(view, dice), hook="post-checkout")
    hands.resolve(view, dice)
    hands.saved(view)


@often(1)
def bisect(hands: Hands, view: str, dice: Random) -> None:
    tidy(hands, view, dice)
    if hands.git(view, "bisect", "start", "HEAD", "HEAD~3").returncode == 0:
        hands.moved(view, Kind.SWITCH, hook="post-checkout")
        made(hands, view, Kind.SWITCH, "bisect", dice.choice(("good", "bad")), hook="post-checkout")
    made(hands, view, Kind.SWITCH, "bisect", "reset", hook="post-checkout")


@often(1)
def tag(hands: Hands, view: str, _dice: Random) -> None:
    hands.git(view, "tag", hands.token("v"))


# -- merges and picks


@often(8)
def merge(hands: Hands, view: str, dice: Random) -> None:
    tidy(hands, view, dice)
    way = dice.choice(("--ff-only", "--ff", "--no-ff", "--no-ff", "--squash", "octopus"))
    heads = [hands.other(view, dice) for _ in range(2 if way == "octopus" else 1)]
    args = ["merge", "-q", "--no-edit"] + ([] if way == "octopus" else [way]) + heads
    done = hands.git(view, *args)
    if way == "--squash":
        hands.resolve(view, dice)
        made(hands, view, Kind.COMMIT, "commit", "-q", "-m", "squashed", hook="post-commit")
    elif done.returncode == 0:
        hands.moved(view, Kind.MERGE, hook="post-merge")
    else:
        conclude(hands, view, dice, Kind.MERGE, "merge")


def conclude(hands: Hands, view: str, dice: Random, kind: Kind, command: str) -> None:
    """After a conflict: resolve and go on, or abort; what cannot go on is skipped."""
    go_on = ("commit", "-q", "--no-edit") if kind is Kind.MERGE else (command, "--continue")
    for _ in range(4):
        if not hands.is_under_way(view):
            return
        if dice.random() < 0.2:
            break
        is_resolved = hands.has_conflict(view)
        hands.resolve(view, dice)
        if not is_resolved or not made(hands, view, kind, *go_on, hook="post-commit"):
            if kind is Kind.MERGE:
                break
            made(hands, view, kind, command, "--skip", hook="post-commit")
    made(hands, view, Kind.RESET, command, "--abort", hook=None)
    if hands.is_under_way(view):  # an abort stumbles over files that were there before
        hands.git(view, command, "--quit")


@often(5)
def cherry_pick(hands: Hands, view: str, dice: Random) -> None:
    tidy(hands, view, dice)
    commits = [some_commit(hands, view, dice) for _ in range(dice.choice((1, 1, 2)))]
    if not made(hands, view, Kind.PICK, "cherry-pick", *commits, hook="post-commit"):
        conclude(hands, view, dice, Kind.PICK, "cherry-pick")


@often(4)
def revert(hands: Hands, view: str, dice: Random) -> None:
    tidy(hands, view, dice)
    commit = dice.choice(("HEAD", "HEAD", "HEAD~1"))
    if not made(hands, view, Kind.COMMIT, "revert", "--no-edit", commit, hook="post-commit"):
        conclude(hands, view, dice, Kind.COMMIT, "revert")


@often(3)
def am(hands: Hands, view: str, dice: Random) -> None:
    tidy(hands, view, dice)
    patch = hands.ask(view, "format-patch", "-1", "--stdout", some_commit(hands, view, dice)) + "\n"
    if hands.git(view, "am", "-q", *dice.choice(((), ("-3",))), stdin=patch).returncode == 0:
        hands.moved(view, Kind.PICK, hook="post-applypatch")
    else:
        hands.git(view, "am", "--abort")


@often(2)
def apply(hands: Hands, view: str, dice: Random) -> None:
    patch = hands.ask(view, "format-patch", "-1", "--stdout", some_commit(hands, view, dice)) + "\n"
    hands.git(view, "apply", *dice.choice(((), ("--index",))), stdin=patch)
    hands.saved(view)
