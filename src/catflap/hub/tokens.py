"""The signed tokens of a login (PyJWT, HS256 and nothing else), and the tickets that open one socket each.

Knows no database: whether a session still holds is sessions.py's to say.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from catflap.errors import CatflapError
from catflap.hub.refusal import no_session

ACCESS_LIFETIME_S = 900
REFRESH_LIFETIME_S = 604_800
TICKET_LIFETIME_S = 30
ALGORITHM = "HS256"
AUDIENCE = "catflap-hub"
MAX_TOKEN_CHARS = 4096
_KEY_BYTES = 64
_CLAIMS = ("exp", "iat", "aud", "sub", "jti", "typ", "team", "sid")
_MAX_TICKETS = 10_000


class KeyUnusable(CatflapError):
    """The file that holds the signing key cannot be used."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says: the user, the team, the session, and the token's own id."""

    user: str
    team: str
    session_id: str
    jti: str


class Tokens:
    """Signs and reads tokens with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def access(self, claims: Claims, *, now_s: float) -> str:
        return self._signed("access", claims, int(now_s), ACCESS_LIFETIME_S)

    def refresh(self, claims: Claims, *, issued_at_s: int) -> str:
        """The refresh token; for the same claims and instant it is the same text."""
        return self._signed("refresh", claims, issued_at_s, REFRESH_LIFETIME_S)

    def read_access(self, token: str) -> Claims:
        """Raises: Refused 401."""
        return self._read(token, "access")

    def read_refresh(self, token: str) -> Claims:
        """Raises: Refused 401."""
        return self._read(token, "refresh")

    def _signed(self, kind: str, claims: Claims, issued_at_s: int, lifetime_s: int) -> str:
        said: dict[str, Any] = {
            "typ": kind,
            "sub": claims.user,
            "team": claims.team,
            "sid": claims.session_id,
            "jti": claims.jti,
            "aud": AUDIENCE,
            "iat": issued_at_s,
            "exp": issued_at_s + lifetime_s,
        }
        return jwt.encode(said, self._key, algorithm=ALGORITHM)

    def _read(self, token: str, kind: str) -> Claims:
        if len(token) > MAX_TOKEN_CHARS:
            raise no_session("the token is too long")
        try:
            said = jwt.decode(
                token, self._key, algorithms=[ALGORITHM], audience=AUDIENCE, options={"require": list(_CLAIMS)}
            )
        except jwt.ExpiredSignatureError as error:
            raise no_session("the token has expired") from error
        except jwt.InvalidTokenError as error:
            raise no_session("the token is not one of ours") from error
        if said["typ"] != kind:
            raise no_session(f"the token is no {kind} token")
        return Claims(str(said["sub"]), str(said["team"]), str(said["sid"]), str(said["jti"]))


class Tickets:
    """Socket tokens: random, good once, for 30 s. Lost when the hub stops; the client asks for another."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[float, Claims]] = OrderedDict()

    def issue(self, claims: Claims, *, now_s: float) -> str:
        """A new ticket. ``now_s`` never goes back."""
        while self._open and (len(self._open) >= _MAX_TICKETS or next(iter(self._open.values()))[0] <= now_s):
            self._open.popitem(last=False)
        ticket = secrets.token_urlsafe(32)
        self._open[ticket] = now_s + TICKET_LIFETIME_S, claims
        return ticket

    def redeem(self, ticket: str, *, now_s: float) -> Claims:
        """Whose ticket it was; nobody's from now on. Raises: Refused 401."""
        expires_s, claims = self._open.pop(ticket, (0.0, None))
        if claims is None or expires_s <= now_s:
            raise no_session("the socket token is unknown, used, or older than 30 s")
        return claims


def signing_key(path: Path) -> bytes:
    """The key kept at `path`, made where it is missing, readable for its owner only. Raises: KeyUnusable."""
    try:
        with contextlib.suppress(FileExistsError):
            _make_key(path)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            key = file.read(_KEY_BYTES + 1)
    except OSError as error:
        raise _key_unusable(path, error.strerror or str(error), "make it readable for the hub") from error
    if os.name != "nt" and mode & 0o077:
        raise _key_unusable(path, f"others can read it (mode {mode:04o})", "delete it: everybody logs in again")
    if len(key) != _KEY_BYTES:
        raise _key_unusable(path, f"it has not {_KEY_BYTES} bytes", "delete it: everybody logs in again")
    return key


def _make_key(path: Path) -> None:
    """Whole or not at all, even when two make one: the first link wins. Raises: FileExistsError."""
    if path.exists():
        raise FileExistsError
    spare = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(spare, path)
    finally:
        spare.unlink()


def _key_unusable(path: Path, why: str, hint: str) -> KeyUnusable:
    return KeyUnusable("use the signing key", where=str(path), why=why, hint=hint)
