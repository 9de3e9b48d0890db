"""Logins as they last: begun by a password, carried on by refresh tokens that are good once, ended at any time.

A refresh token that comes a second time was stolen, or its thief was faster: the session ends for both. For 30 s it
may be an honest process that refreshed at the same moment, or an answer that was lost: it gets the same answer again.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass

from catflap.hub.tokens import REFRESH_LIFETIME_S

GRACE_S = 30
MAX_SESSIONS = 100
"""Of one user in one team; a further login ends the one that was refreshed longest ago."""


@dataclass(frozen=True, slots=True)
class Session:
    """A login that holds: whose, in which team, and its refresh token's id and instant."""

    id: str
    user: str
    team: str
    team_id: int
    refresh_jti: str
    refreshed_at_s: int


def begin(connection: sqlite3.Connection, membership_id: int, *, now_s: int) -> Session:
    """A new session."""
    connection.execute("DELETE FROM session WHERE expires_at <= ?", (now_s,))
    connection.execute(
        "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE membership_id = ?"
        " ORDER BY refreshed_at DESC LIMIT -1 OFFSET ?)",
        (membership_id, MAX_SESSIONS - 1),
    )
    session_id = secrets.token_urlsafe(16)
    row = (session_id, membership_id, secrets.token_urlsafe(16), now_s, now_s + REFRESH_LIFETIME_S)
    connection.execute(
        "INSERT INTO session (id, membership_id, refresh_jti, refreshed_at, expires_at) VALUES (?, ?, ?, ?, ?)", row
    )
    session = find(connection, session_id, now_s=now_s)
    assert session is not None
    return session


def find(connection: sqlite3.Connection, session_id: str, *, now_s: int) -> Session | None:
    """The session, as long as it holds: not ended, not expired, its user still in its team."""
    row = connection.execute(
        "SELECT session.id, user.name, team.slug, team.id, refresh_jti, refreshed_at FROM session"
        " JOIN membership ON membership.id = membership_id JOIN user ON user.id = user_id"
        " JOIN team ON team.id = team_id WHERE session.id = ? AND expires_at > ?",
        (session_id, now_s),
    ).fetchone()
    return Session(*row) if row is not None else None


def refresh(connection: sqlite3.Connection, session_id: str, jti: str, *, now_s: int) -> Session | None:
    """The session with its next refresh token; None when it does not hold, or ends now because a token came again."""
    session = find(connection, session_id, now_s=now_s)
    if session is None:
        return None
    if jti != session.refresh_jti:
        used = connection.execute(
            "SELECT used_at FROM used_refresh WHERE jti = ? AND session_id = ?", (jti, session_id)
        ).fetchone()
        if used is not None and now_s - used[0] <= GRACE_S:
            return session
        end(connection, session_id)
        return None
    connection.execute("DELETE FROM used_refresh WHERE session_id = ? AND used_at < ?", (session_id, now_s - GRACE_S))
    connection.execute("INSERT INTO used_refresh (jti, session_id, used_at) VALUES (?, ?, ?)", (jti, session_id, now_s))
    connection.execute(
        "UPDATE session SET refresh_jti = ?, refreshed_at = ?, expires_at = ? WHERE id = ?",
        (secrets.token_urlsafe(16), now_s, now_s + REFRESH_LIFETIME_S, session_id),
    )
    return find(connection, session_id, now_s=now_s)


def end(connection: sqlite3.Connection, session_id: str) -> None:
    connection.execute("DELETE FROM session WHERE id = ?", (session_id,))
