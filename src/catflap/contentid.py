"""The ids of events that are told from history: derived from what happened, so every clone gives the same. Pure.

Two machines that tell the same history send the same ids, and the server keeps one of each. Design: Storage,
identity, locks.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Mapping, Sequence

from catflap.drafts import Draft
from catflap.events import encode_ulid

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
_RANDOM_LETTERS = 16
_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")
"""Base 32 of RFC 4648, which Python has in C, to that of ULIDs."""


def content_ids(root: str, commit: str, committed_at: int, drafts: Sequence[Draft]) -> list[str]:
    """A ULID for each draft of one commit. ``root`` is the first commit of the chain, ``committed_at`` epoch seconds.

    Time is the commit's (as near as 48 bits of milliseconds come to it); the 80 bits of randomness are the first of a
    SHA-256 over root, feature, work package, event type, commit, what changed, and how many equal ones came before.
    """
    time = encode_ulid(min(max(committed_at * 1000, 0), _LAST_MS), 0)[:-_RANDOM_LETTERS]
    before: dict[tuple[str, ...], int] = {}
    ids = []
    for draft in drafts:
        what = [str(draft.payload.get(name)) for name in _WHAT[draft.event_type]]
        parts = (root, draft.feature, draft.wp_id or "", draft.event_type, commit, *what)
        count = before[parts] = before.get(parts, -1) + 1
        ids.append(time + _letters(_hash(*parts, str(count))))
    return ids


def _hash(*parts: str) -> bytes:
    """80 bits."""
    # Each part with its length, so that no two lists of parts read the same.
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:10]


def _letters(randomness: bytes) -> str:
    """The last 16 letters of a ULID, as encode_ulid has them, for 80 bits."""
    return b32encode(randomness).translate(_CROCKFORD).decode("ascii")
