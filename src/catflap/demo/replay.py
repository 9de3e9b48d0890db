"""Makes a real repository's last commits again, one by one, in a scratch clone with the hook on.

Only kitty-specs/ is made: the state before the first of them, then each with its message, author and dates. The
repository itself, or the bundle, is read and nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from catflap.demo.act import Act, Stage
from catflap.demo.board import Files
from catflap.demo.scratch import Scratch
from catflap.errors import BadInput, GitFailed
from catflap.git import LANE_LOG, SPECS

_BRANCH = "catflap-demo"
_FIELDS = "%H%x00%P%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%s%x00%B%x00"
_COUNT = _FIELDS.count("%x00")
_TOUCHES = (f":(glob){SPECS}/*/tasks/**", f":(glob){SPECS}/*/{LANE_LOG}")


@dataclass(frozen=True, slots=True)
class Original:
    """A commit to make again. ``parent`` is None of a root."""

    oid: str
    parent: str | None
    author: tuple[str, str, str]
    committer: tuple[str, str, str]
    subject: str
    message: str


def open_replay(scratch: Scratch, source: Path, *, last: int) -> Stage:
    """The scratch clone of ``source`` with catflap installed, before the first of its ``last`` commits that touch WPs.

    Raises: BadInput when ``source`` is missing, no repository or bundle, or has no such commits.
    """
    _clone(scratch, source)
    originals = _originals(scratch, source, last)
    before, originals = _state_before(scratch, source, originals)
    trees = _spec_trees(scratch, [before, *(one.oid for one in originals)])
    scratch.git("symbolic-ref", "HEAD", f"refs/heads/{_BRANCH}")
    scratch.git("read-tree", "--reset", "-u", trees[0])
    scratch.git("commit", "-q", "--allow-empty", "-m", "What was there before")
    scratch.install()
    files = Files(scratch.repository)
    acts = [
        Act(f"{one.oid[:8]} {one.subject}", partial(_make_again, scratch, one, tree))
        for one, tree in zip(originals, trees[1:], strict=True)
    ]
    about = f"The last {len(acts)} commits of {source} that touch work packages"
    return Stage(about, files, files.statuses(), acts, is_whole=True)


def _clone(scratch: Scratch, source: Path) -> None:
    if not source.exists():
        raise _bad(source, "there is no such file or folder")
    place, hint = source.resolve(), "name a git repository, or a file that `git bundle create` made"
    try:
        if place.is_dir():
            answer = scratch.git("rev-parse", "--is-bare-repository", "--absolute-git-dir", cwd=place).splitlines()
            is_bare = answer[0] == "true"
            top = answer[1] if is_bare else scratch.git("rev-parse", "--show-toplevel", cwd=place).rstrip("\n")
            place = Path(top)
        # --shared: a large repository is not copied, since its objects can be read where they are.
        options = ("--quiet", "--no-checkout", "--no-tags", "--template=", "--shared")
        scratch.git("clone", *options, str(place), str(scratch.repository), cwd=scratch.root)
    except GitFailed as error:
        raise _bad(source, f"git says: {error.why}", hint) from error


def _originals(scratch: Scratch, source: Path, last: int) -> list[Original]:
    """The commits, oldest first: of HEAD, or of the newest branch when a bundle names no HEAD."""
    tips = scratch.git("for-each-ref", "--sort=-committerdate", "--format=%(objectname)", "refs/heads", "refs/remotes")
    try:
        tip = scratch.git("rev-parse", "--verify", "-q", "HEAD^{commit}").strip()
    except GitFailed:  # an unborn HEAD says nothing on stderr with -q: that is an answer, too
        tip = next(iter(tips.split()), "")
    if not tip:
        raise _bad(source, "it has no commits")
    log = scratch.git(
        "log",
        "--first-parent",
        f"-{last}",
        "--date=raw",
        f"--format={_FIELDS}",
        "--encoding=UTF-8",
        tip,
        "--",
        *_TOUCHES,
    )
    fields = log.split("\0")
    found = [_original(fields[at : at + _COUNT]) for at in range(0, len(fields) - _COUNT + 1, _COUNT)]
    if not found:
        raise _bad(
            source,
            f"none of its commits touches {SPECS}/*/tasks/ or a {LANE_LOG}",
            "name a repository that uses Spec Kitty",
        )
    return found[::-1]


def _state_before(scratch: Scratch, source: Path, originals: list[Original]) -> tuple[str | None, list[Original]]:
    """The commit whose state is the start, None for none, and the commits that can be made again after it.

    Where a shallow history ends nobody knows what the commit changed: it is the start then, and not made again.
    """
    shallow = scratch.repository / ".git" / "shallow"
    ends = shallow.read_text("ascii").split() if shallow.exists() else []
    if originals[0].oid not in ends:
        return originals[0].parent, originals
    if len(originals) == 1:
        raise _bad(source, "its history is too shallow", "run `git fetch --unshallow` there")
    return originals[0].oid, originals[1:]


def _original(fields: list[str]) -> Original:
    oid, parents, *people, subject, message = fields
    return Original(
        oid=oid.strip(),
        parent=parents.split(" ")[0] or None,
        author=(people[0], people[1], people[2]),
        committer=(people[3], people[4], people[5]),
        subject=subject,
        message=message,
    )


def _spec_trees(scratch: Scratch, commits: list[str | None]) -> list[str]:
    """For each commit a tree that holds its kitty-specs/ alone; an empty one for None, or where there is none."""
    names = "".join(f"{oid}:{SPECS}\n" if oid is not None else "none\n" for oid in commits)
    answers = scratch.git("cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=names.encode("ascii"))
    entries = []
    for answer in answers.splitlines():
        kind, _, oid = answer.partition(" ")
        entries.append(f"040000 tree {oid}\t{SPECS}\n" if kind == "tree" else "")
    return scratch.git("mktree", "--batch", stdin="\n".join([*entries, ""]).encode("ascii")).split()


def _make_again(scratch: Scratch, original: Original, tree: str) -> None:
    """Commit the tree as the original was: message, author, committer, dates. Raises: GitFailed."""
    people: dict[str, str] = {}
    for role, (name, email, date) in (("AUTHOR", original.author), ("COMMITTER", original.committer)):
        people |= {f"GIT_{role}_NAME": name or "unknown", f"GIT_{role}_EMAIL": email, f"GIT_{role}_DATE": f"@{date}"}
    scratch.git("read-tree", "--reset", "-u", tree)
    scratch.git(
        "commit",
        "-q",
        "--allow-empty",
        "--allow-empty-message",
        "--cleanup=verbatim",
        "--no-verify",
        "-F",
        "-",
        stdin=os.fsencode(original.message),
        extra=people,
    )


def _bad(source: Path, why: str, hint: str = "") -> BadInput:
    return BadInput("replay", where=str(source), why=why, hint=hint)
