"""The words of an inference: what is judged, and what comes out before ids and clocks are known. Knows values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from catflap.announced import Ledger
from catflap.facts import Facts, Key
from catflap.featuremeta import FeatureMeta
from catflap.moves import Rule

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
    """

    key: Key
    olds: tuple[Facts, ...]
    new: Facts
    is_restored: bool = False


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
