"""The session: who is logged in at which server, with which tokens. Owns `credentials` in the home.

One process at a time renews the tokens, and whoever comes second takes what the first has got: a server accepts a
refresh token once. They are sent to the server that issued them only, and are in no text that this file makes.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from catflap.errors import BadAnswer, CredentialsUnusable, LoginRefused, NotLoggedIn, ServerUnreachable
from catflap.kernellock import kernel_lock
from catflap.patience import put_over
from catflap.sync.answers import Answer, read_object, trouble_of
from catflap.sync.keyrings import Keyring, keyring

if TYPE_CHECKING:
    from catflap.sync.http import Server  # httpx: 100 ms, which who only reads the session need not pay

LOCK_WAIT_S = 90.0
"""How long to wait for another process that renews: longer than its request may take."""
EARLY_S = 30.0
"""How long before its end a token is renewed."""
DEFAULT_LIFETIMES = {"access_lifetime": 900.0, "refresh_lifetime": 604_800.0}
LOG_IN = "log in: `catflap auth login`"
_IS_IT_OURS = "is it a catflap hub? correct the address in --server"
_RESERVE_BYTES = 32 << 10
_MAX_BYTES = 64 << 10
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")
_TEAM_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A login. ``received_at``: when we got the tokens, by our own wall clock (epoch seconds); lifetimes in seconds."""

    server: str
    username: str
    team_slug: str
    received_at: float
    access_lifetime: float
    refresh_lifetime: float
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    is_in_keyring: bool = False

    def is_stale(self, now_s: float) -> bool:
        """Whether the access token has ended, or is about to. A wall clock that was set back says nothing: False."""
        return now_s >= self.received_at + self.access_lifetime - min(EARLY_S, self.access_lifetime / 2)


def load_session(home: Path) -> Session | None:
    """The session that is kept; None when nobody is logged in. Raises: CredentialsUnusable."""
    path = _path(home)
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(_MAX_BYTES))
        if fields.get("is_in_keyring"):
            fields |= json.loads(_keyring().get(fields["server"], fields["username"]))
        return Session(**fields)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error), "make it readable for you, or log in again") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _unusable(path, "it is not what a login writes", LOG_IN) from error


def mark(home: Path) -> tuple[int, ...] | None:
    """Changes whenever a session is kept or ended; None without one. Costs one stat."""
    try:
        found = _path(home).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def log_in(home: Path, server: Server, username: str, password: str, *, team: str | None = None) -> Session:
    """The session, which is kept now; one before it is forgotten.

    Raises: LoginRefused, ServerUnreachable, BadAnswer, CredentialsUnusable, LockHeld; then the former session stays.
    """
    question = {"username": username, "password": password} | ({"team": team} if team is not None else {})
    with _writing(home, 0) as keep:
        answer = server.post("/api/v1/token/", value=question)
        url = server.address.url
        if answer.status in (400, 401, 403):
            why = f"it does not accept {username} with this password" + (f" for team {team}" if team else "")
            hint = "try again, or ask whoever runs the server for a new password"
            raise LoginRefused("log in", where=f"at {url}", why=why, hint=hint)
        tokens = _read_tokens(answer, "log in", url)
        if not isinstance(tokens.get("team_slug"), str):
            raise BadAnswer("log in", where=f"at {url}", why="its answer names no team", hint=_IS_IT_OURS)
        has_keyring = keyring() is not None
        former = _load_any(home)
        session = Session(server=url, username=username, received_at=time.time(), is_in_keyring=has_keyring, **tokens)
        keep.put(session)
        is_other = former is not None and (former.server, former.username) != (url, username)
        if former is not None and former.is_in_keyring and (is_other or not has_keyring):
            _forget(former)
    return session


def renew(home: Path, stale: Session, server: Server) -> Session:
    """The session with new tokens: those that another process got meanwhile, else the server's.

    Raises: NotLoggedIn when the server accepts the session no longer, or somebody logged out, or in elsewhere;
    ServerUnreachable, BadAnswer, CredentialsUnusable (no room to keep them: nothing was asked), LockHeld.
    """
    with _writing(home, _RESERVE_BYTES) as keep:
        current = load_session(home)
        if current is None or current.server != server.address.url:
            raise NotLoggedIn("renew the session", where=f"at {server.address.url}", why="it was ended", hint=LOG_IN)
        if current.access != stale.access:
            return current
        answer = server.post("/api/v1/token/refresh/", value={"refresh": current.refresh})
        if answer.status in (400, 401, 403):
            why = "the server accepts it no longer"
            raise NotLoggedIn("renew the session", where=f"at {current.server}", why=why, hint=LOG_IN)
        tokens = {"team_slug": current.team_slug} | _read_tokens(answer, "renew the session", current.server)
        session = replace(current, received_at=time.time(), **tokens)
        keep.put(session)
    return session


def log_out(home: Path) -> Session | None:
    """The session that was, and is forgotten now; None when there was none.

    Raises: CredentialsUnusable, LockHeld.
    """
    if not _path(home).exists():
        return None
    with _writing(home, 0):
        session = _load_any(home)
        if session is not None and session.is_in_keyring:
            _forget(session)
        try:
            _path(home).unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(_path(home), error.strerror or str(error), "remove it by hand") from error
    return session


def revoke(session: Session, server: Server) -> str | None:
    """End the session at the server as well: None when it is ended there, or the server knows no such thing; else why
    it is not. Then it ends by itself, a week after its last renewal.
    """
    try:
        answer = server.post("/api/v1/token/revoke/", value={"refresh": session.refresh})
    except ServerUnreachable as error:
        return error.why
    return None if answer.status in (200, 204, 401, 404, 405) else redact(trouble_of(answer), session)


def redact(text: str, session: Session) -> str:
    """``text`` without the session's tokens: a server may repeat what it was sent."""
    for secret in (session.access, session.refresh):
        text = text.replace(secret, "…")
    return text


def _load_any(home: Path) -> Session | None:
    """The session that is kept; None, too, when nothing can be read in it: it is about to be removed or replaced."""
    try:
        return load_session(home)
    except CredentialsUnusable:
        return None


def _forget(session: Session) -> None:
    """Take the session's tokens out of the keyring, where there still is one."""
    found = keyring()
    if found is not None:
        found.remove(session.server, session.username)


def _read_tokens(answer: Answer, what: str, url: str) -> dict[str, Any]:
    """Tokens, lifetimes, and the team where one is named. Raises: BadAnswer; its text repeats nothing of the body."""
    if answer.status != 200:
        raise BadAnswer(what, where=f"at {url}", why=trouble_of(replace(answer, body=b"")), hint="try again later")
    value = read_object(answer)
    if value is None or not all(is_token(value.get(name)) for name in ("access", "refresh")):
        raise BadAnswer(what, where=f"at {url}", why="it answers no tokens", hint=_IS_IT_OURS)
    found: dict[str, Any] = {name: value[name] for name in ("access", "refresh")}
    for name, default in DEFAULT_LIFETIMES.items():
        found[name] = _seconds(value.get(name), default)
    team = value.get("team_slug")
    if isinstance(team, str) and team and team.isprintable() and len(team) <= _TEAM_LENGTH:
        found["team_slug"] = team
    return found


def is_token(value: Any) -> bool:
    """Whether it can stand in a header: a line break in it would begin another one."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _seconds(value: Any, default: float) -> float:
    """A lifetime, which may arrive as a string (contract, The wire)."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return default
    return found if 0 < found < 10 * 365 * 86_400 else default


class _writing:
    """The lock on the credentials, and a place to put them, for as long as the body runs.

    ``reserve_bytes``: so much room is taken on the disk first. Once a server has renewed the tokens the old ones are
    void: a disk that is full must show before.
    """

    def __init__(self, home: Path, reserve_bytes: int) -> None:
        self._home, self._path, self._reserve = home, _path(home), reserve_bytes
        self._spare = home / "credentials.tmp"
        self._lock = kernel_lock(home / "credentials.lock", wait_s=LOCK_WAIT_S, what="use the credentials")

    def __enter__(self) -> _writing:
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.__enter__()
        except OSError as error:
            why = error.strerror or str(error)
            raise _unusable(self._path, why, "make its folder one that you can write to") from error
        try:
            if self._reserve:
                self._write(b" " * self._reserve)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._spare.unlink(missing_ok=True)
        finally:
            self._lock.__exit__(None, None, None)

    def put(self, session: Session) -> None:
        """Replace the credentials in one step; on the disk when it returns. Raises: CredentialsUnusable."""
        fields = asdict(session)
        if session.is_in_keyring:
            secrets = {name: fields.pop(name) for name in ("access", "refresh")}
            _keyring().put(session.server, session.username, json.dumps(secrets))
        self._write(json.dumps(fields).encode())
        try:
            put_over(self._spare, self._path)
        except OSError as error:
            raise _unusable(self._path, error.strerror or str(error), "move away what is there") from error

    def _write(self, data: bytes) -> None:
        """Fill the spare file, over what is reserved in it, so that no room is asked for twice."""
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(self._spare, flags, 0o600)
            try:
                if hasattr(os, "fchmod"):
                    os.fchmod(descriptor, 0o600)  # before anything is in it: what a killed process left may be wider
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.ftruncate(descriptor, len(data))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            why = error.strerror or str(error)
            raise _unusable(self._path, why, "make room, or its folder one that you can write to") from error


def _keyring() -> Keyring:
    found = keyring()
    if found is None:
        raise CredentialsUnusable(
            "use the session", where="in the keyring", why="there is no keyring that can be used now", hint=LOG_IN
        )
    return found


def _path(home: Path) -> Path:
    return home / "credentials"


def _unusable(path: Path, why: str, hint: str) -> CredentialsUnusable:
    return CredentialsUnusable("use the credentials", where=str(path), why=why, hint=hint)
