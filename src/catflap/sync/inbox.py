"""What a thread waits for: frames of its socket, and short words of other threads. Knows no frame's meaning."""

from __future__ import annotations

import contextlib
import queue
from typing import Any

from catflap.sync.live import Live

AT_ONCE = 500
"""How many posts are taken in one go: their frames share a transaction."""
_ROOM = 1000


class Inbox:
    """Bounded, so that a socket which brings more than is taken is held back. Safe in any thread."""

    def __init__(self) -> None:
        self.posts: queue.Queue[Any] = queue.Queue(_ROOM)
        """Words, and (Live, text or None) as `Live` puts them."""

    def post(self, word: str) -> None:
        """Wake whoever takes; nothing when it is full, since it is awake then."""
        with contextlib.suppress(queue.Full):
            self.posts.put_nowait(word)

    def take(self, wait_s: float) -> list[Any]:
        """What is there, a burst in one go; empty when nothing comes in so many seconds."""
        found: list[Any] = []
        with contextlib.suppress(queue.Empty):
            found.append(self.posts.get(timeout=max(0.0, wait_s)))
        while len(found) < AT_ONCE and not self.posts.empty():
            found.append(self.posts.get())
        return found


def frames_of(live: Live, posts: list[Any]) -> tuple[list[str], bool]:
    """The frames of this socket among the posts, and whether it has broken after them."""
    frames = [post[1] for post in posts if isinstance(post, tuple) and post[0] is live]
    return [text for text in frames if text is not None], None in frames
