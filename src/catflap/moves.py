"""What a HEAD reflog says that git did, and by whose hand. Knows text and object ids; runs nothing, reads no file.

A *move* takes a view from one commit to another. Its rule says which of the facts that differ were changed by a
hand: design, By whose hand. Reset and rebase are one rule (ONTO); bisect, stash and squash merges need none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Rule(StrEnum):
    """By whose hand the facts of a move differ; the value is what `catflap explain` prints."""

    HAND = "commit"
    PICK = "cherry-pick"
    MERGE = "merge"
    PULL = "fast-forward"
    ONTO = "reset or rebase"
    SWITCH = "switch"
    EDIT = "edit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a reflog; ``at`` is epoch seconds, ``end`` the byte offset after the line."""

    old: str
    new: str
    at: int
    message: str
    line: str
    end: int


@dataclass(frozen=True, slots=True)
class OpenRebase:
    """A rebase under way: where HEAD was, what it was put onto, and the last commit that it made."""

    old: str
    onto: str
    new: str
    at: int


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a view. ``branch`` is set for a finished rebase only: there lies the true old commit.

    ``end`` is the reflog offset and ``line`` the entry after which the next observation starts.
    """

    rule: Rule
    old: str
    new: str
    at: int
    label: str
    line: str = ""
    end: int = 0
    onto: str | None = None
    branch: str | None = None
    parents: tuple[str, ...] = ()

    @property
    def is_rebase(self) -> bool:
        return self.rule is Rule.ONTO and self.onto is not None


def is_zero(oid: str) -> bool:
    """Whether ``oid`` is git's way to say "nothing there" (40 zeros, or 64 with SHA-256)."""
    return not oid.strip("0")


def parse_reflog(text: bytes, start: int) -> list[Entry]:
    """The whole lines of ``text``, a reflog from byte ``start`` on; a last line without newline is not there yet."""
    entries = []
    end = start
    for raw in text.splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            break
        end += len(raw)
        line = line_of(raw)
        head, _, message = line.partition("\t")
        oids = head.split(" ", 2)
        stamp = head.rsplit(" ", 2)
        if len(oids) < 3 or len(stamp) < 3:
            continue
        at = int(stamp[1]) if stamp[1].isdigit() else 0
        entries.append(Entry(old=oids[0], new=oids[1], at=at, message=message, line=line, end=end))
    return entries


def line_of(raw: bytes) -> str:
    """The line of a reflog by which it is known again: git ends one without a message with a tab, or does not."""
    return raw.decode("utf-8", "replace").rstrip("\n").rstrip("\t")


_MESSAGE = re.compile(r"(?P<action>[^:(]*)(?:\((?P<step>[^)]*)\))?:? ?(?P<rest>.*)", re.DOTALL)
_ACTIONS = {
    "commit": Rule.HAND,
    "revert": Rule.HAND,
    "cherry-pick": Rule.PICK,
    "am": Rule.PICK,
    "merge": Rule.MERGE,
    "pull": Rule.MERGE,
    "reset": Rule.ONTO,
    "checkout": Rule.SWITCH,
    "switch": Rule.SWITCH,
    "clone": Rule.SWITCH,
    "bisect": Rule.SWITCH,
}
_STEPS = {"merge": Rule.MERGE, "cherry-pick": Rule.PICK, "initial": Rule.HAND, "amend": Rule.HAND}


def classify(message: str) -> Rule:
    """The rule for a reflog message outside a rebase; UNKNOWN for what GIT_REFLOG_ACTION made up."""
    match = _MESSAGE.match(message)
    assert match is not None
    words = match["action"].split()
    action, step, rest = words[0] if words else "", match["step"], match["rest"]
    if rest.lower().startswith("fast-forward") and action != "commit":
        return Rule.PULL
    if action in ("rebase", "pull") and rest.startswith("checkout "):
        return Rule.SWITCH  # `git rebase main topic` of a topic that is on top of main already
    if action == "commit" and step in _STEPS:
        return _STEPS[step]
    return _ACTIONS.get(action, Rule.UNKNOWN)


def rebase_step(message: str) -> str | None:
    """``start``, ``finish``, ``abort`` or another step when a rebase wrote this entry, else None."""
    match = _MESSAGE.match(message)
    assert match is not None
    words = match["action"].split()
    is_rebase = bool(words) and (words[0] == "rebase" or (words[0] == "pull" and match["step"] is not None))
    return match["step"] if is_rebase else None


def fold(entries: Sequence[Entry], rebase: OpenRebase | None) -> tuple[list[Move], OpenRebase | None]:
    """The moves that ``entries`` amount to, and the rebase still open at the end.

    ``rebase`` is the one open at the start. Everything between a rebase's start and its end is a step of it, commits
    of the user included, and no move of its own.
    """
    moves: list[Move] = []
    stepped, since = rebase, list[Entry]()  # the open rebase at its own last step, and what hands did since then
    for entry in entries:
        step = rebase_step(entry.message)
        if rebase is not None and stepped is not None and (step == "start" or _leaves(entry)):
            # A detached rebase writes no finish: this entry shows that it is over.
            moves += [conclude(stepped), *fold(since, None)[0]]
            rebase = None
        if step is not None and step != "start" and rebase is None and entry.old != entry.new:
            # `git rebase HEAD topic` writes no start: HEAD is there already, and the branch's own reflog knows more.
            rebase = OpenRebase(old=entry.old, onto=entry.old, new=entry.old, at=entry.at)
        if step == "start":
            rebase = OpenRebase(old=entry.old, onto=entry.new, new=entry.new, at=entry.at)
        elif rebase is not None and step == "finish":
            moves.append(_finished(rebase, entry))
            rebase = None
        elif rebase is not None and step == "abort":
            moves.append(_move(Rule.SWITCH, entry))
            rebase = None
        elif rebase is not None:
            rebase = OpenRebase(old=rebase.old, onto=rebase.onto, new=entry.new, at=entry.at)
        elif step is None and _moves_head(entry):
            moves.append(_move(classify(entry.message), entry))
        if _is_step(entry):
            stepped, since = rebase, []
        else:
            since.append(entry)
    return moves, rebase


def fold_over(entries: Sequence[Entry], rebase: OpenRebase | None) -> tuple[list[Move], OpenRebase | None, list[Move]]:
    """As `fold`, when the rebase that it leaves open is over, though it wrote no finish: the moves before it, the
    rebase at its own last step, and the moves after it. What a hand did after that step is no part of it.
    """
    steps = [index for index, entry in enumerate(entries) if _is_step(entry)]
    end = steps[-1] + 1 if steps else 0
    moves, over = fold(entries[:end], rebase)
    return moves, over, fold(entries[end:], None)[0]


def _is_step(entry: Entry) -> bool:
    """Whether a rebase itself wrote this entry; one that it could fast-forward over names no step."""
    return rebase_step(entry.message) is not None or entry.message.startswith("rebase: ")


def _leaves(entry: Entry) -> bool:
    return rebase_step(entry.message) is None and classify(entry.message) is Rule.SWITCH


def _moves_head(entry: Entry) -> bool:
    """False for entries that only name a branch anew (zeros) or leave HEAD where it is (a stash's reset)."""
    if is_zero(entry.new) or entry.old == entry.new:
        return False
    return not is_zero(entry.old) or classify(entry.message) is Rule.HAND


def _move(rule: Rule, entry: Entry) -> Move:
    return Move(
        rule=rule,
        old=entry.old,
        new=entry.new,
        at=entry.at,
        label=entry.message,
        line=entry.line,
        end=entry.end,
    )


def _finished(rebase: OpenRebase, entry: Entry) -> Move:
    _, found, branch = entry.message.rpartition("returning to ")
    return Move(
        rule=Rule.ONTO,
        old=rebase.old,
        new=entry.new,
        at=entry.at,
        label=entry.message,
        line=entry.line,
        end=entry.end,
        onto=rebase.onto,
        branch=branch if found else None,
    )


def conclude(rebase: OpenRebase) -> Move:
    """The move of a rebase that is over without a finish entry: a detached one, or ``--apply`` in post-rewrite."""
    return Move(rule=Rule.ONTO, old=rebase.old, new=rebase.new, at=rebase.at, label="rebase (over)", onto=rebase.onto)


def rebased_from(entries: Sequence[Entry], branch: str, new: str) -> tuple[str, str] | None:
    """The old commit of ``branch`` and the commit it was put onto, from its own reflog; None when it has no such line.

    ``git rebase main topic`` starts from wherever HEAD was: only the branch's own entry knows the old commit.
    """
    prefix = f"(finish): {branch} onto "
    for entry in reversed(entries):
        _, found, onto = entry.message.partition(prefix)
        if found and entry.new == new:
            return entry.old, onto.strip()
    return None


def by_hand(rule: Rule, new: Any, olds: Sequence[Any], announced: Any) -> bool:
    """Whether a hand made the fact ``new``: design, By whose hand. Never asks whether the world knows it already.

    ``olds`` are the fact at: HAND, PICK, EDIT (old,); MERGE every parent; ONTO (old, onto, merge base).
    """
    match rule:
        case Rule.HAND | Rule.EDIT:
            return bool(new != olds[0])
        case Rule.PICK:
            return bool(new != olds[0] and olds[0] == announced)
        case Rule.MERGE:
            return all(new != old for old in olds)
        case Rule.ONTO:
            return is_drop(rule, new, olds) or bool(new != olds[0] and new != olds[1])
        case _:
            return False


def is_drop(rule: Rule, new: Any, olds: Sequence[Any]) -> bool:
    """Whether a reset or rebase let a change of this hand fall: as at the merge base again, unlike before."""
    return rule is Rule.ONTO and bool(new == olds[2] and new != olds[0])


def newer_by_hand(rule: Rule, olds: Sequence[Any]) -> Iterator[Any]:
    """The places in which something that was *added* by a hand must be missing, for facts told by presence."""
    match rule:
        case Rule.HAND | Rule.EDIT | Rule.PICK:
            yield olds[0]
        case Rule.MERGE:
            yield from olds
        case Rule.ONTO:
            yield from olds[:2]
        case _:
            return
