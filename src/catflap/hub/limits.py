"""How much of everything the hub takes, and how long it waits: sizes, times, and the rate of logins. Reads no clock."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MAX_EVENTS = 1000
"""Events in one batch (contract, The wire)."""
MAX_EVENT_CHARS = 256 * 1024
"""One event's JSON text: frames must stay below the 1 MiB that WebSocket clients accept by default."""
MAX_DEPTH = 64
"""Objects and lists within each other in one event; ours has two."""
MAX_SMALL_BODY_BYTES = 8 * 1024
"""A login or a refresh."""
MAX_PASSWORD_CHARS = 1024
MAX_FRAME_BYTES = 1024 * 1024
"""One message from a client over the socket."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator, or a test, may want otherwise. Times in seconds, sizes in bytes."""

    head_s: float = 10.0
    """From a connection, or the first byte of a further request, to the end of its head."""
    body_s: float = 60.0
    """From the end of the head to the end of the body."""
    chunk_s: float = 15.0
    """Between two pieces of a body."""
    stall_s: float = 30.0
    """As long as a reader may take nothing at all while we have something for it."""
    ping_s: float = 20.0
    """Between two pings on a socket; whoever was not heard for two and a half of them is gone."""
    body_bytes: int = 4 * 1024 * 1024
    """A batch as it is sent. Clients send at most 1 MiB."""
    inflated_bytes: int = 16 * 1024 * 1024
    """A batch once it is unpacked."""
    page_bytes: int = 4 * 1024 * 1024
    """The events of one answer of the feed."""
    user_guesses: int = 10
    """Logins to one account in a row; after that one every ten seconds."""
    address_guesses: int = 30
    """Logins from one address in a row; after that one every two seconds."""
    sockets: int = 2000
    """Open at once, over all teams."""


class RateLimit:
    """Tokens by key: ``burst`` at first, one more every ``refill_s``; keys that are full again are forgotten."""

    def __init__(self, *, burst: int, refill_s: float, max_keys: int = 10_000) -> None:
        self._burst, self._refill_s, self._max_keys = burst, refill_s, max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, now_s: float) -> float:
        """0 when there was a token, which is taken; else the seconds until there is one. ``now_s`` never goes back."""
        full_at = max(self._full_at.get(key, now_s), now_s)
        wait_s = full_at + self._refill_s - now_s - self._burst * self._refill_s
        if wait_s > 0:
            return wait_s
        self._full_at[key] = full_at + self._refill_s
        self._full_at.move_to_end(key)
        self._forget(now_s)
        return 0.0

    def give_back(self, key: str) -> None:
        """Return a token: what it was taken for was no guess."""
        if key in self._full_at:
            self._full_at[key] -= self._refill_s

    def _forget(self, now_s: float) -> None:
        while self._full_at and (len(self._full_at) > self._max_keys or next(iter(self._full_at.values())) <= now_s):
            self._full_at.popitem(last=False)
