"""What the ledger is after a backfill: where the chain ends, but for what was told before. Knows values only."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Any

from catflap.announced import HISTORY, FeatureAnnounced, Key, Ledger, WPAnnounced, is_complete
from catflap.lanelog import log_path
from catflap.workpackage import wp_path


def settled(before: Ledger, found: Ledger, told: Set[Key], created: Set[str]) -> Ledger:
    """The ledger's changes after a backfill: what it ``found``, but for work packages that were told ``before``.

    ``told`` are the work packages of which it told anything, ``created`` the features whose FeatureCreated it told.
    """
    after = Ledger()
    for key, state in found.items():
        known = before.wp(key)
        if known is None or is_untold(before, key):
            after.put(key, _of_wp(known, replace(state, told=HISTORY if key in told else None)))
    for slug in after.wps:
        known_feature = before.feature(slug) or FeatureAnnounced()
        own = found.feature(slug) or FeatureAnnounced()
        after.features[slug] = FeatureAnnounced(
            created_id=known_feature.created_id or (own.created_id if slug in created else None),
            created_at=own.created_at or known_feature.created_at,
            is_complete=is_complete({**before.of_feature(slug), **after.of_feature(slug)}),
        )
    after.errors = set(found.errors)
    return after


def is_untold(ledger: Ledger, key: Key) -> bool:
    """Whether the ledger has the work package as it was taken, and nothing more."""
    state = ledger.wp(key)
    return state is not None and state.told is None


def keys_in(path: str, facts: Any) -> list[Key]:
    """The work packages that a row of a view's base speaks of; ``facts`` as base.py writes them, None: a file gone."""
    if (slug := log_path(path)) is not None:
        return [(slug, wp_id) for wp_id in facts or {}]
    if facts is not None:
        return [(facts["feature"], facts["wp_id"])]
    named = wp_path(path)
    return [(named.feature, named.wp_id)] if named is not None else []


def _of_wp(known: WPAnnounced | None, found: WPAnnounced) -> WPAnnounced:
    """What is announced of a work package now. ``known`` is how the install took it, and what git brought since.

    A status or agent that it was taken with, but that the chain does not have (an edit that was not committed, another
    branch), is told when a commit or a merge brings it: as one that was dropped. What no event tells is the newer.
    """
    if known is None:
        return found
    return replace(
        found,
        title=known.title or found.title,
        dependencies=known.dependencies if known.title else found.dependencies,
        is_present=known.is_present,
        dropped=known.status if known.status != found.status else None,
        dropped_agent=known.agent if known.agent != found.agent else None,
    )
