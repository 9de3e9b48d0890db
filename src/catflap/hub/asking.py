"""What a request says of itself: its token, its team, the numbers in its query. Knows no session and no route."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection

from catflap.hub.refusal import Refused, foreign_team, no_session
from catflap.hub.sessions import Session

TICKET = "token."
"""How a browser, which cannot set headers for a socket, sends its ticket: as one of the subprotocols it offers."""


def bearer(connection: HTTPConnection) -> str:
    """The token in the Authorization header. Raises: Refused 401."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise no_session("there is no Bearer token")
    return token.strip()


def ticket_of(connection: HTTPConnection) -> str:
    """A socket's ticket, from its header or among its subprotocols. Raises: Refused 401."""
    offered = connection.scope.get("subprotocols", [])
    tickets = [one.removeprefix(TICKET) for one in offered if one.startswith(TICKET)]
    return tickets[0] if tickets and "authorization" not in connection.headers else bearer(connection)


def of_team(connection: HTTPConnection, session: Session) -> Session:
    """The session, unless the request names another team. Raises: Refused 403."""
    named = connection.headers.get("x-team-slug", session.team)
    if named != session.team:
        raise foreign_team(named, session.team)
    return session


def number(connection: HTTPConnection, name: str, default: Any) -> Any:
    """A whole number, 0 or more, from the query. Raises: Refused 400."""
    text = connection.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise Refused(400, "read the query", where=name, why=f"{text!r:.40} is no number, 0 or more")
    return int(text)
