"""The words of an inference: what is judged, and what comes out before ids and clocks are known. Knows values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catflap.announced import Ledger
from catflap.facts import Facts, Key, row_key
from catflap.featuremeta import FeatureMeta
from catflap.history import HistoryRow
from catflap.lanelog import LaneRow
from catflap.moves import Rule, newer_by_hand

_ORDER = {
    "FeatureCreated": 0,
    "WPCreated": 0,
    "WPStatusChanged": 1,
    "WPAssigned": 2,
    "HistoryAdded": 3,
    "DependencyResolved": 4,
    "FeatureCompleted": 5,
    "ErrorLogged": 6,
}


@dataclass(frozen=True, slots=True)
class Context:
    """The move that is judged. ``at`` is ISO 8601; ``features`` holds the meta of features that the ledger lacks."""

    rule: Rule
    at: str
    branch: str | None = None
    features: Mapping[str, FeatureMeta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WPChange:
    """One work package before and after. ``olds``: HAND, PICK, EDIT (old,); MERGE every parent; ONTO (old, onto, base).

    ``is_restored``: a later move of the same observation brings status and agent back to what they were before.
    ``is_known``: it came with commits that a worktree of the repository had before.
    """

    key: Key
    olds: tuple[Facts, ...]
    new: Facts
    is_restored: bool = False
    is_known: bool = False

    def appended_history(self, rule: Rule) -> list[HistoryRow]:
        """The history rows that a hand appended; rows that say an old one in other words are not among them."""
        sides = list(newer_by_hand(rule, self.olds))
        rows = list(self.new.history) if sides else []
        for side in sides:
            appended = {row.digest for row in _appended(side.history, self.new.history)}
            rows = [row for row in rows if row.digest in appended]
        return rows

    def appended_lanes(self, rule: Rule, seen: tuple[str, str] | None) -> list[LaneRow]:
        """The lane-log rows that a hand appended, oldest first; rows older than ``seen``, or than a side's newest, are
        not among them."""
        sides = [side.newest for side in newer_by_hand(rule, self.olds)]
        floor = max((newest for newest in (*sides, seen) if newest is not None), default=("", ""))
        return [row for row in self.new.rows if row_key(row) > floor] if sides else []


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An event before it has an id and a clock; ``cause`` is another draft, or the id of an event told before."""

    event_type: str
    feature: str
    wp_id: str | None
    payload: dict[str, Any]
    cause: Draft | str | None = None

    @property
    def order(self) -> tuple[int, str, str]:
        """The place in one observation: design, What a work package says."""
        return (_ORDER[self.event_type], self.feature, self.wp_id or "")


@dataclass(frozen=True, slots=True)
class Note:
    """Why a fact was told (``draft``) or held back (None): what `catflap explain` shows."""

    key: Key
    fact: str
    before: str | None
    after: str | None
    path: str | None
    why: str
    draft: Draft | None = None


@dataclass(slots=True)
class Inference:
    """What one move amounts to: drafts in telling order, the ledger as it is once they are told, and the notes."""

    drafts: list[Draft]
    ledger: Ledger
    notes: list[Note]


def _appended(old: Sequence[HistoryRow], new: Sequence[HistoryRow]) -> list[HistoryRow]:
    """The rows of ``new`` that ``old`` lacks; one in the place of a row that is gone is that row, edited."""
    before, after = {row.digest for row in old}, {row.digest for row in new}
    gone: Counter[str] = Counter()
    place = ""  # the kept row that stands before, in either order
    for row in old:
        if row.digest in after:
            place = row.digest
        else:
            gone[place] += 1
    appended = []
    place = ""
    for row in new:
        if row.digest in before:
            place = row.digest
        elif gone[place]:
            gone[place] -= 1
        else:
            appended.append(row)
    return appended
