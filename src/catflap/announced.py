"""What the world has been told of each work package, and how an event moves it. Knows values only, no database.

Own events, the emitter's and those received from the server all move it through :func:`apply_event`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catflap.drafts import Draft

Key = tuple[str, str]
"""(feature_slug, wp_id)"""
LIVE, HISTORY = "live", "history"


@dataclass(frozen=True, slots=True)
class WPAnnounced:
    """The announced state of one work package.

    ``history`` holds digests of rows told or known; ``log_seen`` the (at, event_id) of the newest lane-log row;
    ``dropped`` and ``dropped_agent`` what a reset or rebase took back, so that its silent return is told. ``told``:
    how the world learned of it, LIVE by whoever changed it or HISTORY by a backfill; None as an install took it.
    """

    status: str | None = None
    agent: str | None = None
    title: str = ""
    dependencies: tuple[str, ...] = ()
    history: frozenset[str] = frozenset()
    log_seen: tuple[str, str] | None = None
    assigned: Mapping[str, int] | None = None
    dropped: str | None = None
    dropped_agent: str | None = None
    is_present: bool = True
    told: str | None = None


@dataclass(frozen=True, slots=True)
class FeatureAnnounced:
    """The announced state of one feature; ``created_id`` is its FeatureCreated event, where we know it."""

    created_id: str | None = None
    created_at: str | None = None
    is_complete: bool = False


class Ledger:
    """Announced states by feature and work package; a fork reads through to its parent and keeps its own changes."""

    def __init__(self, parent: Ledger | None = None) -> None:
        self._parent = parent
        self.wps: dict[str, dict[str, WPAnnounced]] = {}
        self.features: dict[str, FeatureAnnounced] = {}
        self.errors: set[str] = set()
        self.creations: dict[str, Draft] = {}  # FeatureCreated that is told, but has no id yet

    def fork(self) -> Ledger:
        return Ledger(self)

    def absorb(self, child: Ledger) -> None:
        """Take over what ``child``, a fork of this ledger, changed."""
        for feature, wps in child.wps.items():
            self.wps.setdefault(feature, {}).update(wps)
        self.features.update(child.features)
        self.errors |= child.errors
        self.creations.update(child.creations)

    def wp(self, key: Key) -> WPAnnounced | None:
        own = self.wps.get(key[0], {}).get(key[1])
        return own if own is not None or self._parent is None else self._parent.wp(key)

    def put(self, key: Key, state: WPAnnounced) -> None:
        self.wps.setdefault(key[0], {})[key[1]] = state

    def feature(self, slug: str) -> FeatureAnnounced | None:
        own = self.features.get(slug)
        return own if own is not None or self._parent is None else self._parent.feature(slug)

    def creation(self, slug: str) -> Draft | str | None:
        """The FeatureCreated of a feature: its draft as long as it has no id, then its id; None when nobody knows."""
        if slug in self.creations:
            return self.creations[slug]
        own = self.features.get(slug)
        if self._parent is not None and (own is None or own.created_id is None):
            return self._parent.creation(slug)
        return own.created_id if own is not None else None

    def knows_error(self, digest: str) -> bool:
        return digest in self.errors or (self._parent is not None and self._parent.knows_error(digest))

    def of_feature(self, slug: str) -> dict[str, WPAnnounced]:
        """Every work package of the feature, by id."""
        inherited = self._parent.of_feature(slug) if self._parent is not None else {}
        return {**inherited, **self.wps.get(slug, {})}

    def items(self) -> Iterator[tuple[Key, WPAnnounced]]:
        """Own entries only: for a fork, what changed."""
        for feature, wps in self.wps.items():
            for wp_id, state in wps.items():
                yield (feature, wp_id), state


def is_complete(wps: Mapping[str, WPAnnounced]) -> bool:
    """Whether a feature with these work packages has none left open; deleted ones do not count."""
    present = [state for state in wps.values() if state.is_present]
    return bool(present) and all(state.status == "done" for state in present)


def apply_event(ledger: Ledger, event_type: str, payload: Mapping[str, Any], event_id: str | None = None) -> None:
    """Move ``ledger`` by one valid event; one without ``feature_slug`` names no work package that we could know."""
    feature = payload.get("feature_slug")
    if not feature:
        return
    if event_type in ("FeatureCreated", "FeatureCompleted"):
        _apply_to_feature(ledger, event_type, payload, event_id)
        return
    wp_id = payload.get("wp_id")
    if not wp_id:
        return
    key = (feature, wp_id)
    known = ledger.wp(key)
    state = known or WPAnnounced()
    if event_type == "WPCreated":
        state = replace(
            state,
            title=payload["title"],
            dependencies=tuple(payload["dependencies"]),
            status=state.status or "planned",
            told=LIVE,
        )
        if ledger.feature(feature) is None:
            ledger.features[feature] = FeatureAnnounced()
    elif event_type == "WPStatusChanged":
        state = replace(state, status=payload["new_status"], dropped=None, told=LIVE)
        if state.status != "done" and _feature(ledger, feature).is_complete:
            ledger.features[feature] = replace(_feature(ledger, feature), is_complete=False)
    elif event_type == "WPAssigned":
        counts = dict(state.assigned or {})
        counts[payload["phase"]] = counts.get(payload["phase"], 0) + 1
        state = replace(state, agent=payload["agent_id"], assigned=counts, dropped_agent=None, told=LIVE)
    elif known is None:  # it says nothing of the work package's state, not even that there is one
        return
    elif known.told is None:
        state = replace(known, told=LIVE)
    ledger.put(key, state)


def _apply_to_feature(ledger: Ledger, event_type: str, payload: Mapping[str, Any], event_id: str | None) -> None:
    feature = payload["feature_slug"]
    if event_type == "FeatureCreated":
        ledger.features[feature] = replace(
            _feature(ledger, feature), created_id=event_id, created_at=payload["created_at"]
        )
    else:
        ledger.features[feature] = replace(_feature(ledger, feature), is_complete=True)


def _feature(ledger: Ledger, slug: str) -> FeatureAnnounced:
    return ledger.feature(slug) or FeatureAnnounced()
