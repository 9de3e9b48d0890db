"""Opens a socket for an account, and, where no watcher keeps one open, listens once: until it is up to date.

What frames mean and move is conversation.py's.
"""

from __future__ import annotations

import time

from catflap import auth
from catflap.clock import LamportClock
from catflap.errors import BadAnswer, ServerUnreachable
from catflap.queue import OfflineQueue
from catflap.sync.answers import read_object, trouble_of
from catflap.sync.batch import Account
from catflap.sync.conversation import Conversation
from catflap.sync.inbox import Inbox, frames_of
from catflap.sync.live import Live
from catflap.syncstate import read_sync_state

_HINT = "batches go on; is this a server of Spec Kitty's sync API?"
QUIET_S = 5.0
"""How long a server may tell nothing of what it has announced."""


def open_socket(account: Account, inbox: Inbox, *, after: int | None) -> Live:
    """A socket that is open, with a token of its own. Raises: ServerUnreachable, BadAnswer, and as `Account.renew`."""
    url = account.server.address.url
    answer = account.server.post("/api/v1/ws-token/", token=account.token())
    if answer.status == 401:
        account.renew()
        answer = account.server.post("/api/v1/ws-token/", token=account.token())
    token = (read_object(answer) or {}).get("ws_token") if answer.status == 200 else None
    if answer.status != 200:
        raise BadAnswer("open the socket", where=f"at {url}", why=account.words(trouble_of(answer)), hint=_HINT)
    if not isinstance(token, str) or not auth.is_token(token):
        raise BadAnswer("open the socket", where=f"at {url}", why="it answers no token for it", hint=_HINT)
    return Live(account.server.address, token, inbox.posts, after=after)


def listen_once(account: Account, *, queued: OfflineQueue, clock: LamportClock, quiet_s: float = QUIET_S) -> int:
    """How many changes moved a ledger, of what the team told since the last time; clock and ledger know them now.

    Raises: as `open_socket` and `Conversation.hear`; what was taken before is known, and the rest comes the next time.
    """
    session, inbox = account.session, Inbox()
    sequence = read_sync_state(account.home).sequence_at(session.server, session.team_slug)
    live = open_socket(account, inbox, after=sequence)
    try:
        talk = Conversation(live, account, queued=queued, clock=clock, sequence=sequence)
        deadline = time.monotonic() + quiet_s
        while not talk.is_up_to_date:
            before = talk.sequence
            frames, is_broken = frames_of(live, inbox.take(deadline - time.monotonic()))
            talk.hear(frames)
            if talk.sequence != before:
                deadline = time.monotonic() + quiet_s
            if (is_broken or time.monotonic() > deadline) and not talk.is_up_to_date:
                why = live.why if is_broken else f"it has told nothing for {quiet_s:g} s"
                raise ServerUnreachable("listen", where=f"at {account.server.address.url}", why=why, hint="try again")
        return talk.moved
    finally:
        live.close()
