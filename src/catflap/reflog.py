"""Reads what a view's HEAD did from where we stopped last: moves, and the cursor after each. Judges nothing.

The lines are reflogfile.py's; here a rebase is folded into one move, and HEAD itself is read where no reflog is kept.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace

from catflap import git
from catflap.cursor import Cursor
from catflap.moves import Entry, Move, OpenRebase, Rule, conclude, fold, fold_over, is_zero
from catflap.reflogfile import entries_of, new_entries, path_of

START_S = 3.0
"""A rebase whose state directory is not there this long after its start is over."""
_OID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What happened since ``start``: the moves, oldest first, and the cursor after each of them and at the end.

    ``start`` is another cursor than the one asked for where the worktree was replaced by one of the same name.
    """

    start: Cursor
    moves: list[Move]
    after: list[Cursor]
    end: Cursor

    def up_to(self, count: int) -> Reading:
        """The first ``count`` moves alone; the others are read again by the next reading."""
        if count >= len(self.moves):
            return self
        end = self.after[count - 1] if count else self.start
        return Reading(self.start, self.moves[:count], self.after[:count], end)


def first_cursor(view: git.View) -> Cursor:
    """The cursor before the first entry of the reflog: the tree of that entry is the base of a view never seen."""
    entries = entries_of(view)
    if not entries:
        return Cursor(head=_head(view) or _zeros(view), ref=_ref(view), born=_born(view))
    first = entries[0]
    start = Cursor(
        head=first.new, offset=first.end, last=first.line, first=first.line, ref=_ref(view), born=_born(view)
    )
    if is_zero(first.old) and first.message.startswith("commit"):
        return replace(start, head=first.old, offset=0, last="")
    return start


def end_cursor(view: git.View) -> Cursor:
    """The cursor after everything that happened so far."""
    entries = entries_of(view)
    head = _head(view) or _zeros(view)
    if not entries:
        return Cursor(head=head, ref=_ref(view), born=_born(view))
    last = entries[-1]
    return Cursor(head=head, offset=last.end, last=last.line, first=entries[0].line, ref=_ref(view), born=_born(view))


def is_rebasing(view: git.View) -> bool:
    """Whether git keeps the state of a rebase (or of `am`, which shares the folder) in this view."""
    return any(os.path.isdir(os.path.join(view.git_dir, name)) for name in ("rebase-merge", "rebase-apply"))


def read_since(view: git.View, cursor: Cursor, *, hook: tuple[str, ...] = ()) -> Reading:
    """The moves of this view since ``cursor``; ``hook``: the name and arguments of the hook that runs."""
    entries, is_continued, here = new_entries(view, cursor)
    moves, rebase = fold(entries, cursor.rebase)
    if rebase is not None and _is_over(view, hook, rebase):
        # git writes the finish before its state directory goes: it may have come since we read.
        entries, is_continued, here = new_entries(view, cursor)
        moves, rebase = fold(entries, cursor.rebase)
    if not is_continued:
        return _read_another(view, cursor, hook)
    if rebase is not None and _is_over(view, hook, rebase):
        over: OpenRebase | None = rebase
        after: list[Move] = []
        if hook[:1] != ("post-rewrite",):
            moves, over, after = fold_over(entries, cursor.rebase)
        moves += [*([conclude(_true_start(view, over))] if over is not None else []), *after]
        rebase = None
    last = entries[-1] if entries else None
    end = replace(
        here,
        head=moves[-1].new if moves else cursor.head,
        offset=last.end if last else here.offset,
        last=last.line if last else cursor.last,
        first=here.first or (entries[0].line if entries else ""),
        ref=_ref(view),
        rebase=rebase,
    )
    if not entries and not moves and rebase is None:
        # Nothing new, or a repository that keeps no reflog (core.logAllRefUpdates=false): HEAD itself tells.
        head = _head(view) or cursor.head
        if head != cursor.head and new_entries(view, cursor)[0]:
            return read_since(view, cursor, hook=hook)  # git writes the reflog before HEAD: it moved since we read
        return _without_reflog(view, cursor, replace(end, head=head), hook)
    cursors = [_cursor_after(move, entries, cursor, end) for move in moves]
    return Reading(start=cursor, moves=moves, after=[*cursors[:-1], end] if cursors else [], end=end)


def _is_over(view: git.View, hook: tuple[str, ...], rebase: OpenRebase) -> bool:
    """Whether a rebase without a finish entry is over: a detached one writes none, and with --apply post-rewrite runs
    before it is written. In the post-checkout of its start the state directory of --apply does not exist yet; one with
    the flag 0 is of files.
    """
    if hook[:2] == ("post-rewrite", "rebase"):
        return True
    is_start = hook[:1] == ("post-checkout",) and hook[-1:] != ("0",)
    return not is_start and not is_rebasing(view) and not _is_starting(view, rebase)


def _is_starting(view: git.View, rebase: OpenRebase) -> bool:
    """Whether a rebase that shows no step yet may be one with --apply before its state directory exists.

    It writes its start, then all patches into ``rebased-patches``, and only then makes the directory (git 2.39).
    """
    if rebase.new != rebase.onto:
        return False
    if os.path.exists(os.path.join(view.git_dir, "rebased-patches")):
        return True
    try:
        started_at = os.stat(path_of(view)).st_mtime
    except FileNotFoundError:  # another ref backend: whole seconds will do
        started_at = rebase.at
    return 0 <= time.time() - started_at < START_S


def _true_start(view: git.View, rebase: OpenRebase) -> OpenRebase:
    """`git rebase main topic` starts from wherever HEAD was; while its state directory exists, it knows better.

    With --apply the directory holds orig-head only after a conflict; before one, ORIG_HEAD is what the rebase set.
    """
    places = ["rebase-merge/orig-head", "rebase-apply/orig-head"]
    if os.path.isdir(os.path.join(view.git_dir, "rebase-apply")):
        places.append("ORIG_HEAD")
    for place in places:
        try:
            with open(os.path.join(view.git_dir, *place.split("/")), encoding="ascii") as file:
                return replace(rebase, old=file.read().strip() or rebase.old)
        except FileNotFoundError:  # the other backend, or over already
            continue
    return rebase


def _cursor_after(move: Move, entries: list[Entry], cursor: Cursor, end: Cursor) -> Cursor:
    """The cursor that makes ``move`` read, and nothing after it. A concluded rebase ends where its last step does."""
    if move.line:
        return replace(end, head=move.new, offset=move.end, last=move.line, rebase=None)
    for entry in entries:
        if entry.new == move.new:
            return replace(end, head=move.new, offset=entry.end, last=entry.line, rebase=None)
    return replace(cursor, head=move.new, rebase=None)


def _read_another(view: git.View, cursor: Cursor, hook: tuple[str, ...]) -> Reading:
    """The reflog is not the one that we knew: a new worktree of an old name starts anew, else HEAD itself is a move."""
    entries = entries_of(view)
    is_other = bool(entries) and (entries[0].line != cursor.first or _born(view) != cursor.born)
    if is_other and is_zero(entries[0].old):
        return read_since(view, first_cursor(view))
    end = end_cursor(view)
    return _without_reflog(view, cursor, end if end.head.strip("0") else replace(end, head=cursor.head), hook)


def _without_reflog(view: git.View, cursor: Cursor, end: Cursor, hook: tuple[str, ...]) -> Reading:
    """HEAD itself as one move of unknown kind. A commit on another branch than before came after a switch to it."""
    if end.head == cursor.head:
        return Reading(start=cursor, moves=[], after=[], end=end)
    if end.ref == cursor.ref:
        moves = [_untold(Rule.UNKNOWN, cursor.head, end.head)]
    elif hook[:1] == ("post-commit",):
        parent = _resolve(view, "HEAD^") or _zeros(view)
        moves = [_untold(Rule.SWITCH, cursor.head, parent), _untold(Rule.HAND, parent, end.head)]
    else:
        moves = [_untold(Rule.SWITCH, cursor.head, end.head)]
    return Reading(start=cursor, moves=moves, after=[replace(end, head=move.new) for move in moves], end=end)


def _untold(rule: Rule, old: str, new: str) -> Move:
    return Move(rule=rule, old=old, new=new, at=int(time.time()), label="HEAD moved, and no reflog tells how")


def _born(view: git.View) -> str:
    """When this linked worktree was added: git writes its ``commondir`` once. Empty for the main worktree."""
    try:
        return str(os.stat(os.path.join(view.git_dir, "commondir")).st_mtime_ns)
    except FileNotFoundError:
        return ""


def _head(view: git.View) -> str | None:
    """The commit that HEAD means; None before the first one. Mostly a branch in a file of its own: no need for git."""
    ref = _ref(view)
    try:
        with open(os.path.join(view.common_dir, *ref.split("/")), encoding="ascii") as file:
            found = file.read(80).strip()
    except (OSError, UnicodeError):  # packed, or not in files, or not there
        found = ""
    is_branch = ref.startswith("refs/heads/")  # other refs may be this worktree's own
    return found if is_branch and _OID.fullmatch(found) else _resolve(view, "HEAD")


def _resolve(view: git.View, rev: str) -> str | None:
    answer = git.ask(view.git_dir, f"--git-dir={view.git_dir}", "rev-parse", "-q", "--verify", rev, ok=(0, 1, 128))
    return answer.strip() or None


def _zeros(view: git.View) -> str:
    algorithm = git.ask(view.git_dir, f"--git-dir={view.git_dir}", "rev-parse", "--show-object-format").strip()
    return "0" * (64 if algorithm == "sha256" else 40)


def _ref(view: git.View) -> str:
    """The branch that HEAD points to, ``refs/heads/...``; empty when detached."""
    with open(os.path.join(view.git_dir, "HEAD"), encoding="utf-8", errors="replace") as file:
        kind, _, name = file.read().strip().partition("ref: ")
        return "" if kind else name
