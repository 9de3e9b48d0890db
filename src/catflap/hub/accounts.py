"""Users, their passwords (argon2id), and the teams that they belong to. Knows no request and no token."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from catflap.config import LOCAL_TEAM
from catflap.errors import BadInput
from catflap.hub.limits import MAX_PASSWORD_CHARS

MIN_PASSWORD_CHARS = 8
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")
_TEAM = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the teams that they belong to, the first one first."""

    user_id: int
    name: str
    password_hash: str
    teams: tuple[str, ...]


def find(connection: sqlite3.Connection, name: str) -> Account | None:
    row = connection.execute("SELECT id, name, password_hash FROM user WHERE name = ?", (name,)).fetchone()
    return _account(connection, row) if row is not None else None


def everybody(connection: sqlite3.Connection) -> list[Account]:
    """Every account, by name."""
    rows = connection.execute("SELECT id, name, password_hash FROM user ORDER BY name").fetchall()
    return [_account(connection, row) for row in rows]


def membership(connection: sqlite3.Connection, user_id: int, team: str) -> int | None:
    """The id of this user's membership of the team; None when there is none."""
    row = connection.execute(
        "SELECT membership.id FROM membership JOIN team ON team.id = team_id WHERE user_id = ? AND slug = ?",
        (user_id, team),
    ).fetchone()
    return int(row[0]) if row is not None else None


def add(connection: sqlite3.Connection, name: str, password_hash: str, *, team: str, now_s: int) -> None:
    """A new user in a team, which is made when it is new. Raises: BadInput when the name is taken."""
    if find(connection, name) is not None:
        raise BadInput("add the user", where=name, why="the name is taken", hint="see `catflap hub user list`")
    row = (name, password_hash, now_s)
    connection.execute("INSERT INTO user (name, password_hash, created_at) VALUES (?, ?, ?)", row)
    join(connection, name, team)


def join(connection: sqlite3.Connection, name: str, team: str) -> None:
    """Let a user belong to one more team, which is made when it is new. Raises: BadInput."""
    account = existing(connection, name)
    if team in account.teams:
        raise BadInput(
            "add the user", where=name, why=f"the user is in team {team!r} already", hint="see `catflap hub user list`"
        )
    connection.execute("INSERT INTO team (slug) VALUES (?) ON CONFLICT (slug) DO NOTHING", (team,))
    connection.execute(
        "INSERT INTO membership (user_id, team_id) SELECT ?, id FROM team WHERE slug = ?", (account.user_id, team)
    )


def leave(connection: sqlite3.Connection, name: str, team: str) -> None:
    """Let a user no longer belong to a team; their sessions there are over. Raises: BadInput."""
    account = existing(connection, name)
    found = membership(connection, account.user_id, team)
    if found is None:
        teams = ", ".join(account.teams) or "none"
        raise BadInput("remove the user", where=name, why=f"not in team {team!r}", hint=f"teams: {teams}")
    connection.execute("DELETE FROM membership WHERE id = ?", (found,))


def remove(connection: sqlite3.Connection, name: str) -> None:
    """Forget a user; their sessions are over, what they sent stays. Raises: BadInput."""
    connection.execute("DELETE FROM user WHERE id = ?", (existing(connection, name).user_id,))


def set_password(connection: sqlite3.Connection, name: str, password_hash: str) -> None:
    """A new password; every session that the old one began is over. Raises: BadInput."""
    user_id = existing(connection, name).user_id
    connection.execute("UPDATE user SET password_hash = ? WHERE id = ?", (password_hash, user_id))
    connection.execute(
        "DELETE FROM session WHERE membership_id IN (SELECT id FROM membership WHERE user_id = ?)", (user_id,)
    )


def existing(connection: sqlite3.Connection, name: str) -> Account:
    """The account of this name. Raises: BadInput when there is none."""
    account = find(connection, name)
    if account is None:
        raise BadInput("find the user", where=f"{name!r:.80}", why="there is none", hint="see `catflap hub user list`")
    return account


def checked_name(name: str) -> str:
    """The name, when it may be a user's. Raises: BadInput."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            "add the user",
            where=f"{name!r:.80}",
            why="a name is 1 to 64 of A-Z a-z 0-9 _ . @ + -",
            hint="choose another one",
        )
    return name


def checked_team(team: str) -> str:
    """The slug, when it may be a team's. Raises: BadInput."""
    if not _TEAM.fullmatch(team):
        raise BadInput(
            "add the team", where=f"{team!r:.80}", why="a team is 1 to 64 of a-z 0-9 _ -", hint="choose another one"
        )
    if team == LOCAL_TEAM:
        raise BadInput(
            "add the team",
            where=team,
            why="that is what events made before a login are marked with",
            hint="choose another one",
        )
    return team


def hashed(password: str) -> str:
    """The argon2id hash of a password; takes about 50 ms and 64 MiB. Raises: BadInput when it is too short or long."""
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        why = f"it must have {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS:,} characters"
        raise BadInput("take the password", why=why, hint="choose another one")
    return _hasher.hash(password)


def is_password(account: Account | None, password: str) -> bool:
    """Whether the password is the account's; for nobody's account False, after the same work."""
    known = account.password_hash if account is not None else nobodys_hash()
    try:
        return _hasher.verify(known, password) and account is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobodys_hash() -> str:
    """A hash that no password has, as costly as all others: an unknown name takes the time of a wrong password."""
    return _hasher.hash(secrets.token_hex())


def _account(connection: sqlite3.Connection, row: tuple[int, str, str]) -> Account:
    rows: Sequence[tuple[str]] = connection.execute(
        "SELECT slug FROM membership JOIN team ON team.id = team_id WHERE user_id = ? ORDER BY membership.id",
        (row[0],),
    ).fetchall()
    return Account(*row, tuple(slug for (slug,) in rows))
