"""Who may come in: logins, refreshes, socket tickets, and whose a request is. Knows no route and no event."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from catflap.hub import accounts, sessions
from catflap.hub.database import HubDatabase
from catflap.hub.limits import Limits, RateLimit
from catflap.hub.refusal import Refused, no_session
from catflap.hub.sessions import Session
from catflap.hub.tokens import ACCESS_LIFETIME_S, REFRESH_LIFETIME_S, Claims, Tickets, Tokens

_log = logging.getLogger("catflap.hub")


class Gate:
    """Lets users in, and knows them again."""

    def __init__(self, database: HubDatabase, tokens: Tokens, limits: Limits) -> None:
        self._database, self._tokens, self._tickets = database, tokens, Tickets()
        self._by_user = RateLimit(burst=limits.user_guesses, refill_s=10.0)
        self._by_address = RateLimit(burst=limits.address_guesses, refill_s=2.0)
        # argon2 takes 64 MiB each time: two at once, the others wait.
        self._hashing = ThreadPoolExecutor(2, thread_name_prefix="hub-hashing")

    async def start(self) -> None:
        """Make the hash that unknown names are measured by, so that the first one takes no longer than the next."""
        await asyncio.get_running_loop().run_in_executor(self._hashing, accounts.nobodys_hash)

    def close(self) -> None:
        self._hashing.shutdown()

    async def login(self, name: str, password: str, team: str | None, address: str) -> dict[str, Any]:
        """The tokens of a new session. Raises: Refused 401, 403 when the user is not in that team, 429."""
        self._count_guess(name, address)
        account = await self._database.read(lambda connection: accounts.find(connection, name))
        loop = asyncio.get_running_loop()
        is_right = await loop.run_in_executor(self._hashing, accounts.is_password, account, password)
        if account is None or not is_right or not account.teams:
            # An unknown name may be a password in the wrong field: it is not logged.
            _log.warning("login refused from %s for %s", address, account.name if account else "an unknown name")
            raise Refused(401, "log you in", why="the user name or the password is wrong")
        self._by_user.give_back(name[:100])
        self._by_address.give_back(address)
        wanted = team if team is not None else account.teams[0]
        user_id = account.user_id

        def begin(connection: Any) -> Session | None:
            member = accounts.membership(connection, user_id, wanted)
            return sessions.begin(connection, member, now_s=int(time.time())) if member is not None else None

        session = await self._database.write(begin)
        if session is None:
            teams = ", ".join(account.teams)
            raise Refused(403, "log you in", where=f"to team {wanted!r:.80}", why="you are not in it", hint=teams)
        _log.info("%s logged in to team %s from %s", session.user, session.team, address)
        return self._answer(session)

    async def refresh(self, token: str) -> dict[str, Any]:
        """The next tokens of a session. Raises: Refused 401."""
        claims = self._tokens.read_refresh(token)
        session = await self._database.write(
            lambda connection: sessions.refresh(connection, claims.session_id, claims.jti, now_s=int(time.time()))
        )
        if session is None:
            _log.warning("refresh refused for %s: the session is over, or a token came again", claims.user)
            raise no_session("the session is over, or this refresh token was used before")
        return self._answer(session)

    async def logout(self, token: str) -> None:
        """End the session of a refresh token. Raises: Refused 401."""
        claims = self._tokens.read_refresh(token)
        await self._database.write(lambda connection: sessions.end(connection, claims.session_id))

    async def session_of(self, access_token: str) -> Session:
        """The session that a request belongs to. Raises: Refused 401."""
        return await self._holding(self._tokens.read_access(access_token))

    def ticket_for(self, session: Session) -> str:
        """A token that opens one socket."""
        claims = Claims(session.user, session.team, session.id, session.refresh_jti)
        return self._tickets.issue(claims, now_s=time.monotonic())

    async def session_of_ticket(self, ticket: str) -> Session:
        """The session that a socket belongs to; the ticket is gone. Raises: Refused 401."""
        return await self._holding(self._tickets.redeem(ticket, now_s=time.monotonic()))

    async def holds(self, session: Session) -> bool:
        """Whether the session was neither ended nor has expired."""
        now_s = int(time.time())
        found = await self._database.read(lambda connection: sessions.find(connection, session.id, now_s=now_s))
        return found is not None

    async def _holding(self, claims: Claims) -> Session:
        now_s = int(time.time())
        session = await self._database.read(
            lambda connection: sessions.find(connection, claims.session_id, now_s=now_s)
        )
        if session is None or (session.user, session.team) != (claims.user, claims.team):
            raise no_session("the session is over")
        return session

    def _count_guess(self, name: str, address: str) -> None:
        now_s = time.monotonic()
        for rate, key in ((self._by_address, address), (self._by_user, name[:100])):
            wait_s = rate.take(key, now_s)
            if wait_s > 0:
                _log.warning("too many logins from %s", address)
                again_s = math.ceil(wait_s)
                raise Refused(429, "log you in", why="too many tries", hint=f"wait {again_s} s", retry_after_s=again_s)

    def _answer(self, session: Session) -> dict[str, Any]:
        access = Claims(session.user, session.team, session.id, secrets.token_urlsafe(16))
        refresh = Claims(session.user, session.team, session.id, session.refresh_jti)
        return {
            "access": self._tokens.access(access, now_s=time.time()),
            "refresh": self._tokens.refresh(refresh, issued_at_s=session.refreshed_at_s),
            "access_lifetime": ACCESS_LIFETIME_S,
            "refresh_lifetime": REFRESH_LIFETIME_S,
            "team_slug": session.team,
        }
