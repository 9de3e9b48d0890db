"""`catflap auth login|status|logout|bind`: who speaks to which server, and which repositories speak to it at all."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catflap import auth, git, ledger, seen
from catflap.bindings import Binding, check_team, put_binding, read_bindings, where_to
from catflap.config import home
from catflap.database import is_there, open_database
from catflap.errors import BadInput, NotInstalled
from catflap.sync.address import read_address
from catflap.sync.http import Server, Timing
from catflap.terminal import advise, say, show_table

_GOODBYE = Timing(connect_s=3.0, piece_s=3.0, total_s=5.0)


@dataclass(frozen=True, slots=True)
class Destination:
    """A repository and where its events go: ``sends`` says whether they do in the session that there is now."""

    path: str
    words: str
    sends: bool


def login(
    *,
    server: str | None,
    username: str | None,
    team: str | None = None,
    from_stdin: bool = False,
    as_json: bool = False,
) -> int:
    """0 once the session is kept. The password comes from a prompt, or is the first line of stdin.

    Raises: BadInput, LoginRefused, ServerUnreachable, BadAnswer, CredentialsUnusable, LockHeld.
    """
    folder = home()
    known = auth.load_session(folder) if server is None else None
    if server is None and known is None:
        raise BadInput("log in", why="no server is named", hint="use --server https://…")
    address = read_address(server if server is not None else known.server if known is not None else "")
    if username is None:
        username = known.username if known is not None and from_stdin else _ask_name(known)
    password = sys.stdin.readline().rstrip("\r\n") if from_stdin else getpass.getpass("Password: ")
    if not username or not password:
        raise BadInput("log in", why="the name or the password is empty", hint="give both")
    with Server(address) as asked:
        session = auth.log_in(folder, asked, username, password, team=team)
    seen.report_change(str(folder))
    destinations = destinations_of(folder, session.team_slug)
    if as_json:
        print(json.dumps(_value(session, destinations)))
        return 0
    say(f"Logged in at {session.server} as {session.username}, team {session.team_slug}.")
    _show(destinations, session.team_slug)
    advise("`catflap sync now` sends what waits; while `catflap watch` runs, each change goes at once.")
    return 0


def status(*, as_json: bool = False) -> int:
    """0 when there is a session, 1 when there is none. Asks no server. Raises: CredentialsUnusable, ConfigUnusable."""
    folder = home()
    session = auth.load_session(folder)
    destinations = destinations_of(folder, session.team_slug if session is not None else None)
    if as_json:
        print(json.dumps(_value(session, destinations)))
    elif session is None:
        say("Not logged in: events wait in the queue. Use: catflap auth login --server URL")
        _show(destinations, None)
    else:
        kept = "the keyring" if session.is_in_keyring else str(folder / "credentials")
        say(f"Logged in at {session.server} as {session.username}, team {session.team_slug}; kept in {kept}.")
        _show(destinations, session.team_slug)
    return 0 if session is not None else 1


def logout(*, as_json: bool = False) -> int:
    """0; there is no session now. What is queued stays queued. Raises: CredentialsUnusable, LockHeld."""
    folder = home()
    session = auth.log_out(folder)
    trouble = None
    if session is not None:
        seen.report_change(str(folder))
        with Server(read_address(session.server), _GOODBYE) as server:
            trouble = auth.revoke(session, server)
    if as_json:
        print(json.dumps({"logged_in": False, "server": session.server if session is not None else None}))
    elif session is None:
        say("Nobody was logged in.")
    else:
        say(f"Logged out at {session.server}. What is queued stays queued.")
    if trouble is not None:
        print(f"catflap: the server was not told: {trouble}; there the session ends by itself", file=sys.stderr)
    return 0


def bind(path: Path, *, team: str | None, is_local: bool, is_any: bool, as_json: bool = False) -> int:
    """0 once config.toml says where the repository's events go.

    Raises: BadInput unless exactly one is asked for; NotARepository, NotInstalled, ConfigUnusable.
    """
    if (team is not None) + is_local + is_any != 1:
        raise BadInput("bind the repository", why="say where to", hint="use one of --team T, --local, --any")
    folder, view = home(), git.locate(str(path))
    if not is_there(folder / "queue.db"):
        raise _not_installed(view.worktree)
    with closing(open_database(folder / "queue.db")) as connection:
        project = ledger.find_project(connection, view.common_dir)
    if project is None:
        raise _not_installed(view.worktree)
    name = check_team(team) if team is not None else None
    binding = Binding(view.common_dir, (project.slug,), name, is_local)
    put_binding(folder, binding)
    if as_json:
        print(json.dumps({"path": project.path, "team": name, "local": is_local}))
    elif is_local:
        say(f"{project.path} is kept local: what changes there is remembered here, and never queued or sent.")
    else:
        say(f"{project.path} speaks to {binding.words}.")
    return 0


def destinations_of(folder: Path, team: str | None) -> list[Destination]:
    """Every registered repository, and where its events go; ``team``: the session's, None without one."""
    if not is_there(folder / "queue.db"):
        return []
    bindings = read_bindings(folder)
    with closing(open_database(folder / "queue.db")) as connection:
        projects = ledger.projects(connection)
    return [
        Destination(project.path, *where_to(bindings.get(project.common_dir), team, project.slug, bindings))
        for project in projects
    ]


def _ask_name(known: auth.Session | None) -> str:
    suggestion = f" [{known.username}]" if known is not None else ""
    print(f"Username{suggestion}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or (known.username if known is not None else "")


def _value(session: auth.Session | None, destinations: Iterable[Destination]) -> dict[str, Any]:
    return {
        "logged_in": session is not None,
        "server": session.server if session is not None else None,
        "username": session.username if session is not None else None,
        "team": session.team_slug if session is not None else None,
        "kept_in": None if session is None else "keyring" if session.is_in_keyring else "file",
        "repositories": [{"path": one.path, "where": one.words, "sends": one.sends} for one in destinations],
    }


def _show(destinations: list[Destination], team: str | None) -> None:
    if destinations:
        show_table(("repository", "its events"), [(one.path, one.words) for one in destinations])
    if team is not None and any(one.sends for one in destinations):
        say("Keep one to yourself, or to one team: catflap auth bind PATH --local, or --team T")


def _not_installed(where: str) -> NotInstalled:
    return NotInstalled("bind the repository", where=where, why="it is not registered", hint="run `catflap install`")
