"""`catflap status`: repositories, hooks, watcher, queue and connection at a glance. Looks only: creates nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catflap import __version__, clock, git, hookfiles, ledger, syncstate, watchstate
from catflap.bindings import read_bindings, where_to
from catflap.clock import LamportClock
from catflap.config import LOCAL_TEAM, home
from catflap.database import explained, is_there, open_database
from catflap.errors import CatflapError, GitFailed, NotARepository
from catflap.hookfiles import State
from catflap.instants import iso
from catflap.ledger import Project, ViewState
from catflap.queue import CAPACITY, MAX_RETRIES, OfflineQueue
from catflap.terminal import show_table

_IN_PLACE = (State.OURS, State.CHAINED)


@dataclass(slots=True)
class _Found:
    """What queue.db says; ``problems`` are what stands in the way of catflap's work, in words."""

    repositories: list[dict[str, Any]] = field(default_factory=list)
    queue: dict[str, Any] = field(
        default_factory=lambda: {"size": 0, "parked": 0, "capacity": CAPACITY, "oldest": None}
    )
    problems: list[str] = field(default_factory=list)


def status(*, as_json: bool = False) -> int:
    """0 when all can be used; 1 when queue.db, clock.json or their folder cannot: the problems are said."""
    folder = home()
    found = _Found()
    _look_at_home(folder, found)
    _look_at_queue(folder / "queue.db", found)
    exchange = _exchange(folder, found)
    lamport = LamportClock.load(folder / "clock.json")
    _look_at_clock(lamport, found)
    value = {
        "version": __version__,
        "home": str(folder),
        "node_id": lamport.node_id,
        "clock": lamport.value,
        "repositories": found.repositories,
        "watcher": _watcher(folder),
        "queue": found.queue,
        **exchange,
        "problems": found.problems,
    }
    if as_json:
        print(json.dumps(value))
    else:
        show_table(("", ""), list(_lines(value)))
    for problem in found.problems:
        print(f"catflap: {problem}", file=sys.stderr)
    return 1 if found.problems else 0


def _look_at_home(folder: Path, found: _Found) -> None:
    if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
        hint = "make it a folder that you can write to, or name another in SPEC_KITTY_HOME"
        found.problems.append(f"cannot write in {folder}: nothing can be told; {hint}")


def _look_at_queue(path: Path, found: _Found) -> None:
    """Repositories and the queue, when there is a queue.db that can be used."""
    if not is_there(path):
        return
    try:
        with explained(path):
            connection = open_database(path)
            try:
                known = [(one, ledger.views(connection, one.id)) for one in ledger.projects(connection)]
            finally:
                connection.close()
            with OfflineQueue(path) as queue:
                rows = queue.rows()
    except CatflapError as error:
        found.problems.append(str(error))
        found.queue.update(size=None, parked=None)
        return
    found.repositories = [_repository(project, views) for project, views in known]
    found.queue["size"] = len(rows)
    found.queue["parked"] = sum(row.retry_count >= MAX_RETRIES for row in rows)
    found.queue["oldest"] = iso(rows[0].queued_at) if rows and isinstance(rows[0].queued_at, int) else None


def _exchange(folder: Path, found: _Found) -> dict[str, Any]:
    """How the exchange with the server stands, and in each repository's ``where`` what becomes of its events."""
    state = syncstate.read_sync_state(folder)
    value = {
        "connection": syncstate.connection_of(folder),
        "last_sync": state.last_sync,
        "last_error": state.last_error,
        "team": LOCAL_TEAM,
        "server": None,
    }
    try:
        session = None
        if (folder / "credentials").exists():
            from catflap.auth import load_session  # 40 ms, which nobody needs before a login

            session = load_session(folder)
        if session is not None:
            value.update(team=session.team_slug, server=session.server)
        bindings = read_bindings(folder)
    except CatflapError as error:
        found.problems.append(str(error))
        return value
    for one in found.repositories:
        words, _ = where_to(
            bindings.get(one["common_dir"]), session.team_slug if session else None, one["slug"], bindings
        )
        one["where"] = words
    return value


def _look_at_clock(lamport: LamportClock, found: _Found) -> None:
    why = clock.trouble(lamport.path)
    if why is not None and os.path.isdir(lamport.path.parent):
        then = f"the next event sets it aside and counts on from {lamport.value}"
        found.problems.append(f"cannot use the clock {lamport.path}: {why}; {then}")


def _repository(project: Project, views: Iterable[ViewState]) -> dict[str, Any]:
    """The repository as it is registered, with the states of its hooks by name, and its worktrees."""
    try:
        here = git.worktrees(git.locate(project.path))
        here = [one for one in here if one.common_dir == project.common_dir]
    except (GitFailed, NotARepository):  # moved, or deleted: its rows say so
        here = []
    places = {one.git_dir: one.worktree for one in here}
    folders = dict.fromkeys(git.hooks_dir(one) for one in here) if project.hooks_dir is not None else {}
    return {
        "path": project.path,
        "common_dir": project.common_dir,
        "slug": project.slug,
        "where": "wait for a login",
        "is_there": bool(here),
        "installed_at": project.installed_at,
        "hooks": _hooks([Path(folder) for folder in folders]),
        "views": [
            {"git_dir": one.git_dir, "path": places.get(one.git_dir), "head": one.cursor.head or None} for one in views
        ],
    }


def _watcher(folder: Path) -> dict[str, Any]:
    """Whether a watcher runs, by its lock, and what it said of itself last; ``polled``: worktrees without events."""
    running = watchstate.is_running(folder)
    state = watchstate.read_state(folder)
    return {
        "running": running,
        "pid": state.pid if state is not None and running else None,
        "since": state.since if state is not None and running else None,
        "heartbeat": state.heartbeat if state is not None else None,
        "polled": state.polled if state is not None and running else [],
    }


def _hooks(folders: list[Path]) -> dict[str, str]:
    """The state of each hook: of several folders (a relative core.hooksPath), one that is not in place speaks."""
    found: dict[str, State] = {}
    for folder in folders:
        for name, state in hookfiles.states(folder).items():
            if found.get(name, State.OURS) in _IN_PLACE:
                found[name] = state
    return {name: state.value for name, state in found.items()}


def _lines(value: dict[str, Any]) -> Iterable[tuple[str, str]]:
    queue = value["queue"]
    yield "catflap", value["version"]
    yield "home", value["home"]
    yield "node", f"{value['node_id']}, clock {value['clock']}"
    yield "team", value["team"]
    for one in value["repositories"]:
        yield "repository", f"{one['path']}: {_state(one)}"
        if value["server"] or one["where"] != "wait for a login":
            yield "its events", f"{one['where']}"
    if not value["repositories"]:
        yield "repository", "none; run `catflap install` in one"
    watcher = value["watcher"]
    if watcher["running"]:
        yield "watcher", f"running, process {watcher['pid']} since {watcher['since']}, last well {watcher['heartbeat']}"
    else:
        yield "watcher", "not running; hooks tell each commit, `catflap watch` each save"
    for path in watcher["polled"]:
        yield "polled", f"{path}: its filesystem reports no events"
    if queue["size"] is None:
        yield "queue", "cannot be used"
    else:
        oldest = f", the oldest since {queue['oldest']}" if queue["oldest"] else ""
        yield "queue", f"{queue['size']:,} of {queue['capacity']:,} events, {queue['parked']:,} parked{oldest}"
    since = f"last sync {value['last_sync']}" if value["last_sync"] else "never in touch with a server"
    server = f", {value['server']}" if value["server"] else ""
    yield "connection", f"{value['connection']}{server}, {since}"
    if value["last_error"]:
        yield "last error", value["last_error"]


def _state(repository: dict[str, Any]) -> str:
    if not repository["is_there"]:
        return "not there any more; run `catflap install` where it is now"
    places = sum(view["path"] is not None for view in repository["views"])
    worktrees = f"{places} worktree{'' if places == 1 else 's'}"
    hooks = repository["hooks"]
    if not hooks:
        return f"no hooks, {worktrees}"
    wrong = [f"{name} is {state}" for name, state in hooks.items() if state not in _IN_PLACE]
    if wrong:
        return f"{', '.join(wrong)}; run `catflap install` there; {worktrees}"
    return f"hooks in place, {worktrees}"
