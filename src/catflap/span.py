"""What a backfill is asked to read, as git understands it: a revision, a date, the end of a chain. Reads no files."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from catflap import git
from catflap.errors import NotInHistory
from catflap.git import View

_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}|[0-9]{4}[./][0-9]{1,2}[./]|@[0-9]")


@dataclass(frozen=True, slots=True)
class Span:
    """A first-parent chain: the commit that it ends at, how many commits it has, and the branch that it is of."""

    tip: str
    commits: int
    branch: str | None


@dataclass(frozen=True, slots=True)
class Since:
    """Where telling begins: at the chain's commit ``place`` (from 0), and of those at epoch seconds ``at`` or later."""

    place: int = 0
    at: int | None = None

    def covers(self, place: int, at: int) -> bool:
        return place >= self.place and (self.at is None or at >= self.at)


def find_span(view: View, rev: str) -> Span | None:
    """The chain that ends at ``rev``; None when this repository has no commits yet, and nothing else was asked for.

    Raises: NotInHistory when ``rev`` names no commit.
    """
    tip = find_commit(view, rev)
    if tip is None:
        if rev == "HEAD":
            return None
        why = "it names no commit here"
        raise NotInHistory("read the history of", where=repr(rev), why=why, hint="see `git log --oneline --all`")
    return Span(tip, count(view, tip), _branch(view, rev))


def find_commit(view: View, rev: str) -> str | None:
    """The commit that ``rev`` names, whatever it looks like; None when it names none."""
    if not rev.isprintable():
        return None
    answer = _ask(view, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", ok=(0, 1, 128))
    return answer.strip() or None


def count(view: View, tip: str, *, without: Sequence[str] = ()) -> int:
    """How many commits the first-parent chain of ``tip`` has, without those that the commits ``without`` reach."""
    known = [oid for oid in without if find_commit(view, oid) is not None]
    return int(_ask(view, "rev-list", "--first-parent", "--count", tip, *(f"^{oid}" for oid in known), "--"))


def up_to(view: View, span: Span, heads: Sequence[str]) -> Span | None:
    """The part of the chain that ``heads`` reach; None when that is none of it."""
    later = count(view, span.tip, without=heads)
    if later >= span.commits:
        return None
    tip = find_commit(view, f"{span.tip}~{later}")
    assert tip is not None
    return Span(tip, span.commits - later, span.branch)


def find_since(view: View, span: Span, text: str) -> Since:
    """Where telling begins for ``--since``: a commit, from the next one on, or a date as `git log --since` takes it.

    Raises: NotInHistory when it is neither.
    """
    if not _DATE.match(text) and (commit := find_commit(view, text)) is not None:
        return Since(place=span.commits - count(view, span.tip, without=[commit]))
    before = int(time.time())
    answer = _ask(view, "rev-parse", f"--since={text}").strip().removeprefix("--max-age=")
    # git takes what it cannot read for now.
    if not answer.isdigit() or int(answer) >= before:
        why = "it is neither a commit nor a date in the past"
        raise NotInHistory("begin at", where=repr(text), why=why, hint="write it like 2026-02-03, or name a commit")
    return Since(at=int(answer))


def _branch(view: View, rev: str) -> str | None:
    name = _ask(
        view, "rev-parse", "--symbolic-full-name", "--verify", "--quiet", "--end-of-options", rev, ok=(0, 1, 128)
    )
    kind, _, rest = name.strip().removeprefix("refs/").partition("/")
    return {"heads": rest, "remotes": rest.partition("/")[2]}.get(kind) or None


def _ask(view: View, *args: str, ok: Sequence[int] = (0,)) -> str:
    return git.ask(view.git_dir, *git.AS_MADE, f"--git-dir={view.git_dir}", *args, ok=ok)
