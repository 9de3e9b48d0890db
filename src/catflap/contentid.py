"""The ids of events that are told from history: derived from what happened, so every clone gives the same. Pure.

Two machines that tell the same history send the same ids, and the server keeps one of each. Design: Storage,
identity, locks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from catflap.drafts import Draft
from catflap.events import CROCKFORD

_WHAT: Mapping[str, Sequence[str]] = {
    "FeatureCreated": (),
    "WPCreated": (),
    "WPStatusChanged": ("new_status",),
    "WPAssigned": ("agent_id", "phase"),
    "HistoryAdded": ("entry_content",),
    "DependencyResolved": ("dependency_wp_id",),
    "FeatureCompleted": (),
    "ErrorLogged": ("error_message",),
}
"""What of a payload tells it from the others of the same work package in the same commit. Not what is inferred from
the state before: a clone that lacks a part of the history may see another one, and it is the same change."""
_LAST_MS = (1 << 48) - 1
_PAIRS = [first + second for first in CROCKFORD for second in CROCKFORD]
"""Two letters for each 10 bits: half the steps, of which a history takes many."""


def content_ids(root: str, commit: str, committed_at: int, drafts: Sequence[Draft]) -> list[str]:
    """A ULID for each draft of one commit. ``root`` is the first commit of the chain, ``committed_at`` epoch seconds.

    Time is the commit's (as near as 48 bits of milliseconds come to it); the 80 bits of randomness are the first of a
    SHA-256 over root, feature, work package, event type, commit, what changed, and how many equal ones came before.
    """
    time = _letters(min(max(committed_at * 1000, 0), _LAST_MS), 5)
    before: dict[tuple[str, ...], int] = {}
    ids = []
    for draft in drafts:
        what = [str(draft.payload.get(name)) for name in _WHAT[draft.event_type]]
        parts = (root, draft.feature, draft.wp_id or "", draft.event_type, commit, *what)
        count = before[parts] = before.get(parts, -1) + 1
        ids.append(time + _letters(_hash(*parts, str(count)), 8))
    return ids


def _hash(*parts: str) -> int:
    """80 bits."""
    # Each part with its length, so that no two lists of parts read the same.
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:10], "big")


def _letters(value: int, pairs: int) -> str:
    """So many pairs of a ULID's letters, as `encode_ulid` has them."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(10 * pairs - 10, -1, -10)])
