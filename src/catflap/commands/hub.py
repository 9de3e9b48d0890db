"""`catflap hub` and `catflap hub user add|list|remove|password`: the team server, and who may log in to it."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from catflap import log
from catflap.config import home
from catflap.errors import BadInput, CatflapError
from catflap.terminal import advise, say, show_table

if TYPE_CHECKING:
    from sqlite3 import Connection

_EXTRA = frozenset(("argon2", "jwt", "starlette", "uvicorn"))
_SCHEME = "sqlite:///"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class MissingExtra(CatflapError):
    """The hub's packages are not installed."""


def serve(host: str, port: int, database: str | None, *, is_behind_proxy: bool = False) -> int:
    """0 after SIGTERM or Ctrl-C. Its first line on stdout is its address.

    Raises: MissingExtra, BadInput, HubRunning, HubDatabaseUnusable, KeyUnusable, CannotListen.
    """
    path = _database_path(database)
    with _extra():
        from catflap.hub import accounts
        from catflap.hub.database import opened
        from catflap.hub.server import serve as work

    with opened(path) as connection:
        has_users = bool(accounts.everybody(connection))
    _log_to_stderr()

    def announce(url: str) -> None:
        print(url, flush=True)
        print(f"catflap: the hub listens there, its board too; everything is in {path}", file=sys.stderr)
        if not has_users:
            print("catflap: nobody can log in yet: catflap hub user add NAME --team TEAM", file=sys.stderr)
        else:
            print(f"catflap: the team logs in by: catflap auth login --server {url}", file=sys.stderr)
        if host not in _LOOPBACK:
            words = "passwords cross the network as they are, and clients refuse to send theirs without TLS"
            print(f"catflap: {words}; put a TLS proxy in front (see --behind-proxy)", file=sys.stderr, flush=True)

    return work(path, host, port, announce=announce, is_behind_proxy=is_behind_proxy)


def add_user(name: str, team: str, *, from_stdin: bool = False, database: str | None = None) -> int:
    """0 once the user can log in to the team. A known user joins it, and keeps the password.

    Raises: MissingExtra, BadInput, HubDatabaseUnusable.
    """
    with _accounts(database) as connection:
        from catflap.hub import accounts
        from catflap.hub.database import transaction

        accounts.checked_name(name), accounts.checked_team(team)
        if accounts.find(connection, name) is not None:
            if from_stdin:
                hint = f"leave out --password-stdin to let them join, or: catflap hub user password {name}"
                raise BadInput("add the user", where=name, why="there is one with a password already", hint=hint)
            with transaction(connection):
                accounts.join(connection, name, team)
            say(f"{name} is in team {team}, too; the password is as it was.")
            return 0
        password_hash = accounts.hashed(_password(from_stdin=from_stdin))
        with transaction(connection):
            accounts.add(connection, name, password_hash, team=team, now_s=int(time.time()))
    say(f"{name} can log in to team {team}.")
    advise(f"`catflap hub`, if it does not run; then `catflap auth login --server URL --username {name}`.")
    return 0


def list_users(*, as_json: bool = False, database: str | None = None) -> int:
    """0 once every user is shown with their teams. Raises: MissingExtra, HubDatabaseUnusable."""
    with _accounts(database) as connection:
        from catflap.hub import accounts

        found = accounts.everybody(connection)
    if as_json:
        for one in found:
            print(json.dumps({"name": one.name, "teams": list(one.teams)}))
    elif found:
        show_table(("user", "teams"), [(one.name, ", ".join(one.teams) or "none") for one in found])
    else:
        say("no users; catflap hub user add NAME --team TEAM")
    return 0


def remove_user(name: str, team: str | None, *, database: str | None = None) -> int:
    """0 once the user can no longer log in, or no longer to this team; what they sent stays.

    Raises: MissingExtra, BadInput, HubDatabaseUnusable.
    """
    with _accounts(database) as connection:
        from catflap.hub import accounts
        from catflap.hub.database import transaction

        with transaction(connection):
            if team is None:
                accounts.remove(connection, name)
            else:
                accounts.leave(connection, name, team)
    say(f"{name} is removed{f' from team {team}' if team else ''}, and logged out there.")
    return 0


def set_password(name: str, *, from_stdin: bool = False, database: str | None = None) -> int:
    """0 once the new password counts, and the user is logged out everywhere.

    Raises: MissingExtra, BadInput, HubDatabaseUnusable.
    """
    with _accounts(database) as connection:
        from catflap.hub import accounts
        from catflap.hub.database import transaction

        accounts.existing(connection, name)
        password_hash = accounts.hashed(_password(from_stdin=from_stdin))
        with transaction(connection):
            accounts.set_password(connection, name, password_hash)
    say(f"{name} has a new password, and is logged out everywhere.")
    return 0


@contextmanager
def _accounts(database: str | None) -> Iterator[Connection]:
    path = _database_path(database)
    with _extra():
        import_module("catflap.hub.accounts")
    from catflap.hub.database import opened

    with opened(path) as connection:
        yield connection


@contextmanager
def _extra() -> Iterator[None]:
    """Says which package of the extra is missing, or too old, when that is why an import fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        why, hint = f"the package {package} is not installed", "pip install 'catflap[hub]'"
        if sys.modules.get(package) is not None:
            why, hint = f"the package {package} is too old: it has no {error.name}", f"pip install --upgrade {package}"
        raise MissingExtra("run the hub", why=why, hint=hint) from error


def _database_path(url: str | None) -> Path:
    """Where hub.db is: the URL's, else in SPEC_KITTY_HUB, else in the home's folder `hub`. Raises: BadInput."""
    if url is None:
        named = os.environ.get("SPEC_KITTY_HUB")
        folder = Path(named).expanduser().absolute() if named else home() / "hub"
        return folder / "hub.db"
    path = url.removeprefix(_SCHEME)
    if not url.startswith(_SCHEME) or not path:
        hint = "use sqlite:///FILE, with a fourth slash for an absolute path"
        raise BadInput("use the database", where=f"{url!r:.200}", why="it is no URL of an SQLite file", hint=hint)
    return Path(path).expanduser().absolute()


def _password(*, from_stdin: bool) -> str:
    """A password from stdin's first line, or asked for twice on the terminal. Raises: BadInput."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise BadInput("ask for a password", why="there is no terminal", hint="use --password-stdin")
    from getpass import getpass

    password = getpass("Password: ")
    if getpass("The same again: ") != password:
        raise BadInput(
            "take the password", why="the two are not the same", hint="type it twice, or use --password-stdin"
        )
    return password


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    if not log.is_on:
        logging.getLogger("catflap").setLevel(logging.INFO)
