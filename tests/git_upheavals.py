"""What else hands do with git in the model-based test: history rewritten, files put back, worktrees, mates, tidying."""

from __future__ import annotations

import shutil
from random import Random

from tests.git_files import TASKS
from tests.git_hands import Hands
from tests.git_model import Kind
from tests.git_operations import conclude, made, often, start_branch, tidy

# -- history rewritten


@often(8)
def rebase(hands: Hands, view: str, dice: Random) -> None:
    tidy(hands, view, dice)
    start, onto = hands.heads[view], hands.other(view, dice)
    way = dice.choice(("plain", "apply", "onto", "elsewhere", "list", "list", "list"))
    if way == "elsewhere":
        topic = onto
        onto, start = hands.ask(view, "symbolic-ref", "-q", "--short", "HEAD") or start, hands.rev(view, topic)
        args = [onto, topic]
    elif way == "onto":
        args = ["--onto", onto, f"HEAD~{dice.choice((1, 2))}"]
    elif way == "list":
        onto = dice.choice((f"HEAD~{dice.choice((2, 3))}", onto))
        args = ["-i", onto]
        sed = dice.choice(("1s/^pick/drop/", "2s/^pick/drop/", "2s/^pick/squash/", "2s/^pick/fixup/", "1{h;d};2{G}"))
        sed = dice.choice((sed, sed, "1s/^pick/edit/"))
        hands.edit_lists(sed)
    else:
        args = [*(["--apply"] if way == "apply" else []), onto]
    target, is_stopped = hands.rev(view, onto), "edit/" in "".join(hands.editor.values())
    done = hands.git(view, "rebase", "-q", *args)
    if done.returncode and not hands.is_rebasing(view):
        start = hands.heads[view]  # refused
    if is_stopped and done.returncode == 0 and hands.is_rebasing(view):
        hands.change(hands.places[view], dice)
        hands.git(view, "commit", "-q", "-a", "--amend", "--no-edit")
        hands.git(view, "rebase", "--continue")
    for _ in range(8):
        if not hands.is_rebasing(view):
            break
        if dice.random() < 0.2:
            break
        hands.resolve(view, dice)
        if hands.git(view, "rebase", "--continue").returncode and hands.is_clean(view):
            hands.git(view, "rebase", "--skip")
    hands.edit_lists("")
    rebased(hands, view, start, target)


def rebased(hands: Hands, view: str, start: str, target: str) -> None:
    """Abort a rebase that waits for a hand, and hand on what came of it."""
    if hands.is_rebasing(view):
        hands.git(view, "clean", "-q", "-f", "-d")  # an abort would stumble over what is not in git
        hands.git(view, "rebase", "--abort")
        kind, start = Kind.SWITCH, ""  # back on the branch that was rebased, which may be another than before
    else:
        kind = Kind.REBASE
    if hands.rev(view) == hands.heads[view] and start in ("", hands.heads[view]):
        hands.returned(view)
    else:
        hook = "post-rewrite" if hands.rev(view) != target else None
        hands.moved(view, kind, hook=hook, onto=target, start=start)


@often(6)
def reset(hands: Hands, view: str, dice: Random) -> None:
    mode = dice.choice(("--soft", "--mixed", "--hard", "--hard", "--keep", "--merge"))
    target = dice.choice(("HEAD~1", "HEAD~1", "HEAD~2", "ORIG_HEAD", "origin/main", hands.other(view, dice)))
    made(hands, view, Kind.RESET, "reset", "-q", mode, target, hook=None)


# -- the working tree


@often(3)
def stash(hands: Hands, view: str, dice: Random) -> None:
    hands.git(view, "stash", "push", "-q", *dice.choice(((), ("-u",))))
    hands.saved(view)


@often(3)
def unstash(hands: Hands, view: str, dice: Random) -> None:
    hands.git(view, "stash", dice.choice(("pop", "pop", "apply", "drop")), "-q")
    hands.resolve(view, dice)
    hands.saved(view)


@often(3)
def restore(hands: Hands, view: str, dice: Random) -> None:
    source = dice.choice(("HEAD", "HEAD", "HEAD~1", hands.other(view, dice)))
    hands.git(view, "restore", *dice.choice(((), ("--staged", "--worktree"))), f"--source={source}", "--", TASKS)
    hands.saved(view, hook="post-checkout")


@often(2)
def move(hands: Hands, view: str, dice: Random) -> None:
    here = hands.here(view)
    if here:
        path = here[dice.choice(sorted(here))].path
        name = path.rpartition("/")[2]
        (hands.places[view] / TASKS / "deep").mkdir(exist_ok=True)
        hands.git(view, "mv", path, f"{TASKS}/{name}" if "/deep/" in path else f"{TASKS}/deep/{name}")
        hands.saved(view)


@often(1)
def remove(hands: Hands, view: str, dice: Random) -> None:
    here = hands.here(view)
    if here:
        hands.git(view, "rm", "-q", here[dice.choice(sorted(here))].path)
        hands.saved(view)


# -- worktrees, and others


@often(2)
def add_worktree(hands: Hands, view: str, dice: Random) -> None:
    free = [name for name in ("left", "right") if name not in hands.places]
    if free:
        name = f"b{len(hands.branches)}"
        folder = hands.folder / hands.token(free[0])
        done = hands.git(view, "worktree", "add", "-q", "-b", name, folder, dice.choice(("HEAD", "main")))
        if done.returncode == 0:
            hands.branches.append(name)
            hands.added(free[0], folder)


@often(1)
def remove_worktree(hands: Hands, view: str, dice: Random) -> None:
    names = [name for name in hands.places if name not in ("main", view)]
    if names:
        hands.removed(dice.choice(names))


@often(1)
def move_worktree(hands: Hands, view: str, dice: Random) -> None:
    names = [name for name in hands.places if name not in ("main", view)]
    if names:
        name = dice.choice(names)
        folder = hands.folder / hands.token(name)
        if hands.git(view, "worktree", "move", hands.places[name], folder).returncode == 0:
            hands.added(name, folder)


@often(5)
def pull(hands: Hands, view: str, dice: Random) -> None:
    """A mate edits and pushes; then this hand pulls, in one of three ways, often onto what the mate did before."""
    tidy(hands, view, dice)
    way = dice.choice(("--ff-only", "--ff-only", "--no-rebase", "--rebase"))
    if way == "--ff-only":
        hands.git(view, "fetch", "-q")
        start_branch(hands, view, "origin/main")
    hands.mate_works(dice)
    start = hands.heads[view]
    done = hands.git(view, "pull", "-q", "--no-edit", way, "origin", "main")
    target = hands.rev(view, "FETCH_HEAD")
    is_forward = hands.rev(view) == target and hands.ask(view, "merge-base", start, target) == start
    if way != "--rebase" or is_forward:
        if done.returncode == 0:
            hands.moved(view, Kind.MERGE, hook="post-merge")
        elif hands.is_under_way(view):
            conclude(hands, view, dice, Kind.MERGE, "merge")
        return
    rebased(hands, view, start, target)


@often(2)
def push(hands: Hands, view: str, _dice: Random) -> None:
    hands.git(view, "push", "-q", "origin", "HEAD:main")


@often(1)
def fetch(hands: Hands, view: str, dice: Random) -> None:
    hands.mate_works(dice)
    hands.git(view, "fetch", "-q")


@often(1)
def clean_up(hands: Hands, view: str, dice: Random) -> None:
    """What git tidies: reflogs that were read may go, and objects that nothing names."""
    hands.read_all()
    if dice.random() < 0.7:
        hands.git(view, "reflog", "expire", "--expire=all", dice.choice(("--all", "HEAD")))
    if dice.random() < 0.5:
        hands.git(view, "gc", "-q", "--prune=now")


@often(1)
def clone(hands: Hands, view: str, _dice: Random) -> None:
    folder = hands.folder / hands.token("clone")
    hands.git(view, "clone", "-q", hands.places[view], folder)
    shutil.rmtree(folder)


@often(8)
def observe(hands: Hands, _view: str, _dice: Random) -> None:
    """`catflap observe`."""
    hands.eyes.look_everywhere()
