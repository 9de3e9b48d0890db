"""The board as values: features with their work packages by lane, from what is announced. Pure: draws nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catflap.announced import Key, Ledger, WPAnnounced
from catflap.events import STATUSES
from catflap.instants import epoch_of
from catflap.since import age

LaneTimes = Mapping[Key, tuple[str, str]]
"""By work package: a status, and since when it has it (ISO 8601)."""


@dataclass(frozen=True, slots=True)
class Card:
    """One work package; ``status`` None where nothing states one, ``since`` (ISO 8601) where nobody saw it come.

    ``blocked_by``: the dependencies that are not done.
    """

    wp_id: str
    title: str
    status: str | None
    agent: str | None
    dependencies: tuple[str, ...]
    blocked_by: tuple[str, ...]
    since: str | None

    @property
    def lane(self) -> str:
        """The lane that it stands in: the first one, where nothing states one."""
        return self.status or STATUSES[0]

    def age(self, now_s: float) -> str:
        """How long it has been in its lane; empty where that is not known."""
        return age(now_s - epoch_of(self.since)) if self.since is not None else ""

    def facts(self, now_s: float) -> str:
        """``claude, 3h``: who works on it, and how long it has been in its lane."""
        return ", ".join(part for part in (self.agent, self.age(now_s)) if part)

    def waits(self) -> str:
        """``waits for WP02, WP03``; empty for one that waits for nothing, or is done."""
        return f"waits for {', '.join(self.blocked_by)}" if self.blocked_by and self.status != "done" else ""


@dataclass(frozen=True, slots=True)
class Section:
    """One feature with its work packages in the order of their numbers."""

    feature_slug: str
    cards: tuple[Card, ...]

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(card.status == "done" for card in self.cards)

    @property
    def is_complete(self) -> bool:
        """Whether none is open."""
        return self.done == len(self.cards)

    def lane(self, status: str) -> list[Card]:
        """The cards in this lane."""
        return [card for card in self.cards if card.lane == status]

    def bar(self, width: int) -> str:
        """The progress in ``width`` characters; full only when all is done, empty only when nothing is."""
        filled = self.done * width // max(1, len(self.cards))
        filled = max(filled, 1) if self.done else 0
        return "█" * filled + "░" * (width - filled)

    def progress(self) -> str:
        """``3 of 7 done``."""
        return f"{self.done} of {len(self.cards)} done"

    def to_dict(self) -> dict[str, Any]:
        """As JSON, in the words that the server's board uses."""
        return {
            "feature_slug": self.feature_slug,
            "done": self.done,
            "total": len(self.cards),
            "work_packages": [
                {
                    "wp_id": card.wp_id,
                    "title": card.title,
                    "status": card.status,
                    "agent": card.agent,
                    "dependencies": list(card.dependencies),
                    "blocked_by": list(card.blocked_by),
                    "status_since": card.since,
                }
                for card in self.cards
            ],
        }


def sections(ledger: Ledger, times: LaneTimes, feature: str | None = None) -> list[Section]:
    """A section per feature (or of the one named) that has work packages; deleted ones are left out."""
    found = []
    for slug, wps in sorted(ledger.wps.items()):
        present = {wp_id: state for wp_id, state in wps.items() if state.is_present}
        if present and feature in (None, slug):
            cards = (_card(slug, wp_id, present[wp_id], wps, times) for wp_id in _by_number(present))
            found.append(Section(slug, tuple(cards)))
    return found


def lines(found: Sequence[Section], now_s: float) -> list[tuple[str, ...]]:
    """A row per work package: feature, id, status, agent, age, title, what it waits for."""
    return [
        (
            section.feature_slug,
            card.wp_id,
            card.status or "unknown",
            card.agent or "-",
            card.age(now_s) or "-",
            card.title,
            card.waits(),
        )
        for section in found
        for card in section.cards
    ]


def _card(slug: str, wp_id: str, state: WPAnnounced, others: Mapping[str, WPAnnounced], times: LaneTimes) -> Card:
    status, since = times.get((slug, wp_id), (None, None))
    return Card(
        wp_id=wp_id,
        title=state.title or wp_id,
        status=state.status,
        agent=state.agent,
        dependencies=state.dependencies,
        blocked_by=tuple(name for name in state.dependencies if not _is_done(others.get(name))),
        since=since if status is not None and status == state.status else None,
    )


def _is_done(state: WPAnnounced | None) -> bool:
    return state is not None and state.status == "done"


def _by_number(wp_ids: Iterable[str]) -> list[str]:
    return sorted(wp_ids, key=lambda wp_id: (len(wp_id), wp_id))
