"""What the world must be told when hands drive git: a small model that knows no catflap and no diff.

It knows what a hand typed (the kind of move), what the files said before and after (lines that plain git prints), the
order of time, and of the reflog only whether the commits that a move brought were here before. What each kind of move
tells is design, *By whose hand*, fact by fact. Every agent and every history row that a hand writes is one that never
was before, so an event names the one change that it can be about.

Left free, and no more than this: a row that stands where another was taken away in the same look may count as that
row, edited. Views whose hands made nothing but commits are read as they are looked at, all others in the order of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any

from tests.git_files import IN_CONFLICT, Place, Says


class Kind(StrEnum):
    """What a hand had git do."""

    COMMIT = "commit, amend or revert"
    PICK = "cherry-pick or am"
    MERGE = "merge commit"
    FORWARD = "fast-forward"
    RESET = "reset"
    REBASE = "rebase"
    SWITCH = "switch"


@dataclass(frozen=True)
class Move:
    """One move of a view's HEAD. ``others``: of MERGE the other parents; of RESET and REBASE what it went onto, and
    the merge base of that and ``old``, which is where the branch was. ``at`` orders the moves of all views.
    """

    kind: Kind
    old: Place
    new: Place
    others: tuple[Place, ...] = ()
    at: int = 0
    fresh: frozenset[str] = frozenset()
    """The work packages that commits touch which no worktree had before; what others bring moves the ledger only so."""


Event = tuple[str, str, str | None, str | None]
"""(wp, "status" or "agent" or "row", the status before, what it is now)"""


@dataclass
class View:
    """One worktree: the commit at which it was last read, files seen otherwise than there, and the moves since."""

    base: Place
    seen: dict[str, Says | None] = field(default_factory=dict)
    pending: list[Move] = field(default_factory=list)

    def saw(self, wp: str) -> Says | None:
        return self.seen[wp] if wp in self.seen else self.base.get(wp)


@dataclass
class World:
    """What was told, and what the next look must tell."""

    told: dict[tuple[str, str], str | None]
    """(wp, fact) → the announced value."""
    dropped: dict[tuple[str, str], str | None] = field(default_factory=dict)
    rows: set[tuple[str, str]] = field(default_factory=set)
    """(wp, history row) that was told, or came from others."""
    views: dict[str, View] = field(default_factory=dict)
    speaker: dict[str, str | None] = field(default_factory=dict)
    """wp → the view that said last what was told, as long as no move there said otherwise."""
    optional: set[Event] = field(default_factory=set)
    """What the last look may have told, or not."""

    def read(self, name: str, here: Mapping[str, Place]) -> list[Event]:
        """What a look at the HEAD of this view tells, and first what others must tell before; ``here``: the working
        trees of all views as they are now.
        """
        self.optional = set()
        own = self.views[name].pending
        if not own:
            return []
        waiting = [(move.at, view) for view, state in self.views.items() for move in state.pending]
        is_own_only = all(move.kind is Kind.COMMIT for state in self.views.values() for move in state.pending)
        turns = [view for at, view in sorted(waiting) if view == name or (not is_own_only and at < own[-1].at)]
        events: list[Event] = []
        for view, batch in groupby(turns):
            events += self._read(view, len(list(batch)), here[view])
        return events

    def look(self, name: str, here: Mapping[str, Place]) -> list[Event]:
        """What a look at HEAD and then at the saved files of this view tells: any change of a file is a hand's."""
        events = self.read(name, here)
        view = self.views[name]
        for wp in self.known:
            old, new = view.saw(wp), here[name].get(wp)
            if new is not None and new.lane == IN_CONFLICT:
                continue  # nobody's word, until a hand has resolved it
            if _meaning(old) != _meaning(new):
                events += self._judge(name, wp, [old], new, _by_commit)
            if new != view.base.get(wp):
                view.seen[wp] = new
            else:
                view.seen.pop(wp, None)
        return events

    @property
    def known(self) -> list[str]:
        return sorted({wp for wp, _ in self.told})

    def _read(self, name: str, count: int, here: Place) -> list[Event]:
        """Read the first ``count`` pending moves of a view in one look."""
        view = self.views[name]
        moves, view.pending = view.pending[:count], view.pending[count:]
        head = (view.pending or moves)[-1].new
        kept: dict[str, Says | None] = {}
        events: list[Event] = []
        part: dict[str, Says | None] = {}  # of what was left out of a commit in part, what is known of the file
        touched: set[str] = set()
        was_reset: set[str] = set()
        for index, move in enumerate(moves):
            for wp in self.known:
                if move.old.get(wp) == move.new.get(wp):
                    continue
                if move.kind is Kind.RESET and _comes_back(
                    [move.old.get(wp), view.seen.get(wp, move.old.get(wp))], wp, moves[index + 1 :]
                ):
                    was_reset.add(wp)
                    self.rows |= {(wp, row) for row in _rows(move.new.get(wp))}
                    continue  # nobody saw it gone
                before = self.copy()
                saved = view.seen.get(wp) if move.kind is Kind.COMMIT and wp not in touched else None
                found, part[wp] = self._move(name, wp, move, saved, here.get(wp), head.get(wp))
                was_left = move.kind in (Kind.COMMIT, Kind.RESET, Kind.REBASE) and _is_left(
                    view.saw(wp), here.get(wp), [move.new.get(wp), head.get(wp)]
                )
                if was_left and (found or move.new.get(wp) is None):  # taken out of git, it is still there as it was
                    self.restore(before)
                    kept[wp] = view.saw(wp)
                else:
                    events += found
                # A reset may leave the file as it was seen, or throw away what was saved: the next look tells.
                (was_reset if move.kind is Kind.RESET else touched).add(wp)
        new = moves[-1].new
        for wp in self.known:
            if wp in kept or part.get(wp) is not None:
                view.seen[wp] = kept.get(wp, part.get(wp))
            elif wp in was_reset - touched:
                if _meaning(view.saw(wp)) == _meaning(view.base.get(wp)):
                    view.seen.pop(wp, None)  # other words, or another place, for what was committed
            elif (wp in touched or view.base.get(wp) != new.get(wp)) and not _is_left(
                view.seen.get(wp), here.get(wp), [new.get(wp)]
            ):
                view.seen.pop(wp, None)
            if self.speaker.get(wp) == name and any(move.kind in (Kind.SWITCH, Kind.REBASE) for move in moves):
                says = new.get(wp)  # a rebase of another branch starts from there, without a move of its own
                self.speaker[wp] = name if says is not None and says.lane == self.told[wp, "status"] else None
        view.base = new
        return events

    def _move(
        self, name: str, wp: str, move: Move, saved: Says | None, here: Says | None, head: Says | None
    ) -> tuple[list[Event], Says | None]:
        """What a move tells of one work package; and what is known of its file, when the commit left a part out."""
        olds = [place.get(wp) for place in (move.old, *move.others)]
        new = move.new.get(wp)
        if move.kind is Kind.SWITCH:
            self.speaker[wp] = None if self.speaker.get(wp) == name else self.speaker.get(wp)
            return [], None
        if saved is None or here is None or new is None:
            is_news = move.kind in (Kind.COMMIT, Kind.PICK) or wp in move.fresh
            return self._judge(name, wp, olds, new, _HAND[move.kind], is_news), None
        # A look has seen the file saved: what it has told is no news, and what the file still says was left out.
        known = Says(
            new.path,
            saved.lane if here.lane == saved.lane != _value(head, "status") else new.lane,
            saved.agent if here.agent == saved.agent != _value(head, "agent") else new.agent,
            (*(row for row in saved.rows if row in here.rows and row not in _rows(head) | _rows(new)), *new.rows),
            new.words,
        )
        return self._judge(name, wp, [saved], known, _by_commit), known if known != new else None

    def _judge(
        self, name: str, wp: str, olds: list[Says | None], new: Says | None, hand: Any, is_news: bool = True
    ) -> list[Event]:
        if new is None:
            self.speaker[wp] = None
            return []
        events: list[Event] = []
        for fact in ("status", "agent"):
            values = [_value(old, fact) for old in olds]
            events += self._state(name, wp, fact, values, _value(new, fact), hand, is_news)
        sides = olds[:2] if hand is _by_onto else olds
        for row in new.rows if hand is not None else ():
            if (wp, row) not in self.rows and not any(row in _rows(old) for old in sides):
                event = (wp, "row", None, row)
                events.append(event)
                if any(_rows(old) - set(new.rows) for old in olds):
                    self.optional.add(event)
        self.rows |= {(wp, row) for row in new.rows}
        return events

    def _state(
        self, name: str, wp: str, fact: str, olds: list[str | None], new: str | None, hand: Any, is_news: bool
    ) -> list[Event]:
        """Of a status or an agent: told, or, where others' commits are news here, followed silently when the file said
        before what was announced.
        """
        told, old = self.told[wp, fact], olds[0]
        if new is None or new == told:
            return []
        returns = new == self.dropped.get((wp, fact)) and new != old
        if returns or (hand is not None and hand(new, olds, told)):
            self.told[wp, fact] = new
            self.dropped[wp, fact] = None
            if hand is _by_onto and new == olds[2] != old:
                self.dropped[wp, fact] = old
            if fact == "status":
                self.speaker[wp] = name
            return [(wp, fact, told if fact == "status" else None, new)]
        if new != old:
            if told == old and is_news:
                self.told[wp, fact] = new
            if fact == "status" and (told == old or self.speaker.get(wp) == name):
                self.speaker[wp] = None
        return []

    def copy(self) -> tuple[Any, ...]:
        return dict(self.told), dict(self.dropped), set(self.rows), dict(self.speaker)

    def restore(self, kept: tuple[Any, ...]) -> None:
        self.told, self.dropped, self.rows, self.speaker = kept


def _value(says: Says | None, fact: str) -> str | None:
    if says is None:
        return None
    return says.lane if fact == "status" else says.agent


def _meaning(says: Says | None) -> Any:
    return says and says.meaning


def _rows(says: Says | None) -> set[str]:
    return set(says.rows) if says is not None else set()


def _comes_back(olds: list[Says | None], wp: str, later: list[Move]) -> bool:
    """Whether a later move of the same look brings what a reset took away, as it was committed or as it was saved."""
    news = [move.new.get(wp) for move in later if move.kind is not Kind.SWITCH and move.old.get(wp) != move.new.get(wp)]
    return bool(news) and any(
        [_value(news[-1], fact) for fact in ("status", "agent")] == [_value(old, fact) for fact in ("status", "agent")]
        for old in olds
    )


def _is_left(saw: Says | None, here: Says | None, commits: list[Says | None]) -> bool:
    """Whether the working file still says what was seen last, unlike these commits: they left it out."""
    meanings = [_meaning(says) for says in (saw, here, *commits)]
    return meanings[0] == meanings[1] and meanings[1] not in meanings[2:]


def _by_commit(new: str, olds: list[str | None], _told: str | None) -> bool:
    return new not in olds


def _by_pick(new: str, olds: list[str | None], told: str | None) -> bool:
    return new != olds[0] == told


def _by_onto(new: str, olds: list[str | None], _told: str | None) -> bool:
    old, onto, base = olds
    return new == base != old or new not in (old, onto)


_HAND = {
    Kind.COMMIT: _by_commit,
    Kind.PICK: _by_pick,
    Kind.MERGE: _by_commit,
    Kind.FORWARD: None,
    Kind.RESET: _by_onto,
    Kind.REBASE: _by_onto,
}
