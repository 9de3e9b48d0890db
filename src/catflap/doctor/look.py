"""Looks at machine, home, watcher and team, and times each look. Changes nothing; says nothing of what is wrong."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path

from catflap import __version__, clock, expectation, git, ledger, soundness, syncstate, watchstate
from catflap.bindings import Binding, read_bindings
from catflap.clock import LamportClock, generate_node_id
from catflap.commands import service as service_command
from catflap.database import SCHEMA_VERSION, open_database
from catflap.doctor.home import Clock, Home, Queue
from catflap.doctor.machine import Machine
from catflap.doctor.team import Team
from catflap.doctor.watcher import Service, Watcher
from catflap.errors import (
    CatflapError,
    ConfigUnusable,
    CredentialsUnusable,
    GitFailed,
    NotARepository,
    ServerUnreachable,
)
from catflap.instants import iso
from catflap.ledger import Project
from catflap.queue import CAPACITY, MAX_RETRIES, OfflineQueue, highest_clock_in
from catflap.service import interpreter_in

INOTIFY = Path("/proc/sys/fs/inotify")
"""Where Linux keeps inotify's limits (inotify(7)); elsewhere there is nothing."""


def look_at_machine() -> Machine:
    """Versions, programs and limits."""
    try:
        version = git.ask("/" if os.name == "posix" else os.getcwd(), "version").strip()
    except GitFailed:
        version = None
    return Machine(
        git=version,
        python=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        programs=_programs(os.environ.get("PATH", "")),
        watches=_number(INOTIFY / "max_user_watches"),
        instances=_number(INOTIFY / "max_user_instances"),
    )


def look_at_home(folder: Path) -> Home:
    """The folder itself, and the modes of the files in it."""
    if not os.path.lexists(folder):
        return Home(str(folder), is_there=False, mode=None)
    is_usable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    config_trouble = None
    try:
        read_bindings(folder)
    except CatflapError as error:
        config_trouble = str(error)
    has_modes = os.name == "posix"
    return Home(
        str(folder),
        is_writable=is_usable,
        mode=_mode(folder) if has_modes and folder.is_dir() else None,
        credentials_mode=_mode(folder / "credentials") if has_modes else None,
        queue_mode=_mode(folder / "queue.db") if has_modes else None,
        inside=_worktree_around(folder) if folder.is_dir() else None,
        free_bytes=shutil.disk_usage(folder).free,
        config_trouble=config_trouble if folder.is_dir() else None,
    )


def look_at_queue(folder: Path) -> Queue:
    """Whether queue.db is sound, and how full it is."""
    path = folder / "queue.db"
    if not folder.is_dir():
        return Queue(str(path), is_there=False)
    found = soundness.soundness(path)
    queue = Queue(
        str(path),
        is_there=found.is_there,
        trouble=found.trouble,
        is_busy=found.is_busy,
        damage=found.damage,
        version=found.version,
        known_version=SCHEMA_VERSION,
        missing=found.missing,
        journal=found.journal,
        capacity=CAPACITY,
    )
    if not found.is_usable:
        return queue
    with OfflineQueue(path) as rows:
        retries = [row.retry_count for row in rows.rows()]
    return replace(
        queue,
        size=len(retries),
        parked=sum(count >= MAX_RETRIES for count in retries),
        can_wal=found.journal == "wal" or soundness.can_wal(folder),
    )


def look_at_clock(folder: Path) -> Clock:
    """clock.json beside the highest clock that was queued."""
    path = folder / "clock.json"
    loaded = LamportClock.load(path, floor=0)
    machine_id = generate_node_id()
    return Clock(
        str(path),
        trouble=clock.trouble(path) if folder.is_dir() else None,
        value=loaded.value,
        highest=highest_clock_in(folder / "queue.db"),
        node_id=loaded.node_id if path.exists() else machine_id,
        machine_id=machine_id,
    )


def look_at_watcher(folder: Path) -> Watcher:
    """The watcher by its lock and its last words, and the service that should run it."""
    state = watchstate.read_state(folder)
    is_running = watchstate.is_running(folder)
    service = _service(folder)
    if state is None:
        return Watcher(is_running=is_running, our_version=__version__, version=__version__, service=service)
    return Watcher(
        is_running=is_running,
        pid=state.pid,
        heartbeat=state.heartbeat,
        is_late=state.heartbeat < iso(time.time() - watchstate.STALE_S),
        version=state.version,
        our_version=__version__,
        polled=tuple(state.polled),
        service=service,
    )


def look_at_team(folder: Path, projects: Sequence[Project], *, asks_server: bool) -> Team:
    """The session and its server, which is asked how it is, unless ``asks_server`` is False."""
    if not os.path.lexists(folder / "credentials"):
        return Team(at=time.time())
    from catflap.auth import load_session
    from catflap.sync.address import read_address

    try:
        session = load_session(folder)
    except CredentialsUnusable as error:
        return Team(at=time.time(), trouble=str(error))
    if session is None:
        return Team(at=time.time())
    try:
        bindings = read_bindings(folder)
    except ConfigUnusable:  # said of the home
        bindings = {}
    team = Team(
        at=time.time(),
        server=session.server,
        team=session.team_slug,
        username=session.username,
        ends_at=session.received_at + session.refresh_lifetime,
        others=tuple(_bound_to_others(projects, bindings, session.team_slug)),
        last_error=syncstate.read_sync_state(folder).last_error,
    )
    try:
        address = read_address(session.server)
    except CatflapError as error:
        return replace(team, address_trouble=str(error))
    if not asks_server:
        return team
    from catflap.sync.http import Server, Timing

    started = time.perf_counter()
    try:
        with Server(address, Timing(connect_s=2.0, piece_s=2.0, total_s=3.0)) as server:
            answer = server.get("/api/v1/sync/health/")
    except ServerUnreachable as error:
        return replace(team, reach_trouble=error.why)
    took_ms = (time.perf_counter() - started) * 1000
    return replace(team, status=answer.status, answer_ms=took_ms, at=time.time(), server_at=_instant(answer.date))


def registered(folder: Path) -> list[Project]:
    """Every registered repository; none where queue.db cannot be used: that is said elsewhere."""
    path = folder / "queue.db"
    if not soundness.soundness(path).is_usable:
        return []
    with closing(open_database(path)) as connection:
        return ledger.projects(connection)


def _service(folder: Path) -> Service | None:
    known = expectation.read(folder)
    if known is None:
        return None
    unit = Path(known.unit)
    service = Service(known.unit, is_there=unit.is_file(), is_stopped=known.is_stopped)
    if not service.is_there:
        return service
    data = unit.read_bytes()
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    python = interpreter_in(text)
    service = replace(service, python=python if python is not None and not os.path.exists(python) else None)
    try:
        health, is_current = service_command.compare()
    except service_command.ServiceInTheWay as error:
        return replace(service, is_foreign=True, trouble=str(error))
    except CatflapError as error:
        return replace(service, trouble=str(error))
    return replace(service, is_current=is_current, is_running=health.is_running)


def _programs(path: str) -> tuple[str, ...]:
    """Each `catflap` in the folders of ``path``; one that several names lead to counts once."""
    name = "catflap.exe" if os.name == "nt" else "catflap"
    found: dict[str, str] = {}
    for place in path.split(os.pathsep):
        program = os.path.join(place, name)
        if place and os.path.isfile(program) and os.access(program, os.X_OK):
            found.setdefault(os.path.realpath(program), program)
    return tuple(found.values())


def _worktree_around(folder: Path) -> str | None:
    """The worktree that the folder lies in and that does not ignore it."""
    try:
        view = git.locate(str(folder))
        inside = git.ask(view.worktree, "check-ignore", str(folder.resolve()), ok=(0, 1))
    except (NotARepository, GitFailed):
        return None
    return None if inside else view.worktree


def _bound_to_others(projects: Sequence[Project], bindings: dict[str, Binding], team: str) -> list[tuple[str, str]]:
    known = [project for project in projects if project.common_dir in bindings]
    bound = [(project.path, bindings[project.common_dir].team) for project in known]
    return [(path, other) for path, other in bound if other is not None and other != team]


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):  # no inotify here
        return None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777
    except OSError:  # it is not there
        return None


def _instant(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, IndexError, OverflowError):  # the server names no date
        return None
