"""A healthy set-up (a home, two repositories with hooks, a session, a queue) and the ways in which it can be broken."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from filelock import lock_descriptor

from catflap import __version__, git, soundness
from catflap.auth import Session
from catflap.clock import LamportClock
from catflap.commands import service as service_command
from catflap.commands.install import put_in_place
from catflap.doctor import home as about_home
from catflap.doctor import look
from catflap.hookfiles import KEPT, NAMES, take_away
from catflap.instants import iso
from catflap.queue import OfflineQueue
from catflap.service import UNIT
from catflap.watchstate import WatchState, write_state
from tests.test_commands import event
from tests.test_service import FAKE_SYSTEMCTL
from tests.world import FEATURE, Repo, planned

EVENTS = 10
OWN_HOOK = b"#!/bin/sh\n# the user's own\nexit 0\n"


@dataclass(slots=True)
class World:
    """A copy of the healthy set-up. ``path`` is where doctor is run; ``asks_server``: it asks the session's server."""

    base: Path
    patch: pytest.MonkeyPatch
    until_end: ExitStack
    path: Path = Path()
    asks_server: bool = False
    kept: dict[Path, bytes] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def project(self) -> Repo:
        return Repo(self.base / "project")

    @property
    def other(self) -> Repo:
        return Repo(self.base / "other")

    @property
    def hooks(self) -> Path:
        return self.project.path / ".git" / "hooks"

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.home / "queue.db", isolation_level=None)) as connection:
            connection.execute(statement, values)

    def session(self, **changes: object) -> None:
        """Another session than the one kept."""
        path = self.home / "credentials"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def config(self, repo: Repo, table: str) -> None:
        """A binding of the repository in config.toml."""
        path = self.home / "config.toml"
        before = path.read_text() if path.exists() else ""
        path.write_text(f'{before}[repositories."{repo.path / ".git"}"]\n{table}\n')

    def watching(self, *, heartbeat: float, version: str = __version__, polled: Iterable[str] = ()) -> None:
        """A watcher that holds its lock, and said this of itself."""
        descriptor = os.open(self.home / "watch.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self.until_end.callback(os.close, descriptor)
        assert lock_descriptor(descriptor, blocking=False)
        write_state(self.home, WatchState(4711, iso(heartbeat), iso(heartbeat), version, 2, list(polled)))

    def service(self) -> Path:
        """A service that was installed, by a `systemctl` that keeps its state in a folder; its unit."""
        fake = self.base / "fake"
        (fake / "bin").mkdir(parents=True)
        (fake / "bin" / "systemctl").write_text(FAKE_SYSTEMCTL)
        (fake / "bin" / "systemctl").chmod(0o755)
        self.patch.setenv("PATH", f"{fake / 'bin'}{os.pathsep}{os.environ['PATH']}")
        self.patch.setenv("FAKE", str(fake))
        self.patch.setenv("XDG_CONFIG_HOME", str(self.base / "config"))
        self.patch.setattr(sys, "platform", "linux")
        assert service_command.install() == 0
        return self.base / "config" / "systemd" / "user" / UNIT


def build(base: Path) -> None:
    """The healthy set-up in ``base``; SPEC_KITTY_HOME is ``base/home``."""
    home = base / "home"
    project, other = planned(base / "project", "--template="), planned(base / "other", "--template=")
    own = project.path / ".git" / "hooks" / "post-commit"
    own.parent.mkdir()
    own.write_bytes(OWN_HOOK)
    own.chmod(0o755)
    for repo in (project, other):
        put_in_place(git.locate(str(repo.path)), with_hooks=True)
    with OfflineQueue(home / "queue.db") as queue:
        for number in range(1, EVENTS + 1):
            queue.queue_event(event(number))
    LamportClock.load(home / "clock.json").tick_many(EVENTS)
    session = Session("http://127.0.0.1:9", "ada", "alpha", time.time(), 900.0, 604_800.0, "access", "refresh")
    with open(os.open(home / "credentials", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(json.dumps(asdict(session)))


@contextmanager
def server(*, status: int, skew_s: float) -> Iterator[str]:
    """The address of a server that says this of its health, by this wall clock."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            self.send_header("Date", formatdate(time.time() + skew_s, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


@dataclass(frozen=True, slots=True)
class Breaker:
    """``ids`` is what doctor must find once ``act`` was done. Two that touch the same thing do not go together."""

    name: str
    ids: frozenset[str]
    touches: frozenset[str]
    act: Callable[[World], None]


BREAKERS: list[Breaker] = []
ALL = "all"


def breaks(*ids: str, touching: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def note(act: Callable[[World], None]) -> Callable[[World], None]:
        BREAKERS.append(Breaker(act.__name__, frozenset(ids), frozenset(touching.split()), act))
        return act

    return note


# -- the machine


@breaks("git-missing", touching=ALL)
def no_git(world: World) -> None:
    (world.base / "nothing").mkdir()
    world.patch.setenv("PATH", str(world.base / "nothing"))


@breaks("git-too-old", touching="path")
def old_git(world: World) -> None:
    real = shutil.which("git")
    programs = world.base / "old"
    programs.mkdir()
    (programs / "git").write_text(f'#!/bin/sh\n[ "$1" = version ] && echo git version 2.30.2 || exec {real} "$@"\n')
    (programs / "git").chmod(0o755)
    world.patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@breaks("catflap-twice", touching="path")
def two_catflaps(world: World) -> None:
    for name in ("one", "two"):
        program = world.base / name / "catflap"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        world.patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def inotify(world: World, watches: int, instances: int) -> None:
    folder = world.base / "inotify"
    folder.mkdir()
    (folder / "max_user_watches").write_text(f"{watches}\n")
    (folder / "max_user_instances").write_text(f"{instances}\n")
    world.patch.setattr(look, "INOTIFY", folder)


@breaks("inotify-watches-low", touching="inotify")
def few_watches(world: World) -> None:
    inotify(world, 5, 128)


@breaks("inotify-instances-low", touching="inotify")
def no_instances(world: World) -> None:
    inotify(world, 65_536, 0)


# -- catflap's folder


@breaks("home-unwritable", touching=ALL)
def home_is_a_file(world: World) -> None:
    shutil.rmtree(world.home)
    world.home.touch()


@breaks("home-mode", touching="mode")
def open_home(world: World) -> None:
    world.home.chmod(0o755)


@breaks("credentials-mode", touching="mode session")
def open_credentials(world: World) -> None:
    (world.home / "credentials").chmod(0o644)


@breaks("queue-mode", touching="mode")
def open_queue(world: World) -> None:
    (world.home / "queue.db").chmod(0o640)


@breaks("home-in-repository", touching="around")
def home_in_repository(world: World) -> None:
    Repo.init(world.base)


@breaks("disk-low", touching="disk")
def full_disk(world: World) -> None:
    world.patch.setattr(about_home, "ROOM_BYTES", 1 << 60)


@breaks("config-unreadable", touching="config")
def broken_config(world: World) -> None:
    (world.home / "config.toml").write_text("[repositories\n")


@breaks("queue-unusable", touching=ALL)
def no_database(world: World) -> None:
    (world.home / "queue.db").write_text("this is no database\n" * 100)


@breaks("queue-damaged", touching=ALL)
def damaged_database(world: World) -> None:
    path = world.home / "queue.db"
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        for page in range(2, pages):
            file.seek(page * 4096)
            file.write(b"\xff" * 512)


@breaks("queue-newer", touching=ALL)
def newer_database(world: World) -> None:
    world.sql("PRAGMA user_version=99")


@breaks("queue-incomplete", touching=ALL)
def lost_table(world: World) -> None:
    world.sql("DROP TABLE heard")


@breaks("queue-busy", touching=ALL)
def busy_database(world: World) -> None:
    world.patch.setattr(soundness, "PATIENCE_S", 0.05)
    connection = sqlite3.connect(world.home / "queue.db", isolation_level=None)
    world.until_end.callback(connection.close)
    connection.execute("BEGIN IMMEDIATE")


@breaks("queue-not-wal", touching="journal")
def no_wal(world: World) -> None:
    world.sql("PRAGMA journal_mode=DELETE")


@breaks("wal-unsupported", touching="journal")
def wal_impossible(world: World) -> None:
    world.sql("PRAGMA journal_mode=DELETE")
    world.patch.setattr(soundness, "can_wal", lambda _: False)


@breaks("queue-full", touching="room")
def full_queue(world: World) -> None:
    world.patch.setattr(look, "CAPACITY", EVENTS)


@breaks("queue-nearly-full", touching="room")
def nearly_full_queue(world: World) -> None:
    world.patch.setattr(look, "CAPACITY", EVENTS + 1)


@breaks("events-parked", touching="retries")
def parked_events(world: World) -> None:
    world.sql("UPDATE queue SET retry_count = 5 WHERE id < 3")


@breaks("clock-broken", touching="clock")
def broken_clock(world: World) -> None:
    (world.home / "clock.json").write_text('{"value": ')


@breaks("clock-behind", touching="clock")
def old_clock(world: World) -> None:
    path = world.home / "clock.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"value": 3}))


@breaks("clock-other-node", touching="clock")
def other_node(world: World) -> None:
    path = world.home / "clock.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"node_id": "0123456789ab"}))


# -- the watcher and its service


@breaks("watcher-gone", touching="watcher")
def dead_watcher(world: World) -> None:
    write_state(world.home, WatchState(4711, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", __version__, 2))


@breaks("watcher-hangs", touching="watcher")
def hanging_watcher(world: World) -> None:
    world.watching(heartbeat=time.time() - 3600)


@breaks("watcher-other-version", touching="watcher")
def old_watcher(world: World) -> None:
    world.watching(heartbeat=time.time(), version="0.0.1")


@breaks("watcher-polls", touching="watcher")
def polling_watcher(world: World) -> None:
    world.watching(heartbeat=time.time(), polled=[str(world.project.path)])


@breaks("service-not-running", touching="watcher path")
def stopped_service(world: World) -> None:
    world.service()
    (world.base / "fake" / "active").unlink()


@breaks("service-outdated", touching="watcher path")
def old_service(world: World) -> None:
    unit = world.service()
    unit.write_text(unit.read_text().replace("Restart=", "Restart=no # "))


@breaks("service-python-gone", touching="watcher path")
def service_without_python(world: World) -> None:
    unit = world.service()
    unit.write_text(unit.read_text().replace(sys.executable, "/gone/python"))


@breaks("service-unit-gone", touching="watcher path")
def service_without_unit(world: World) -> None:
    world.service().unlink()


@breaks("service-no-manager", touching="watcher path")
def no_manager(world: World) -> None:
    world.service()
    (world.base / "fake" / "down").touch()


@breaks("service-not-ours", touching="watcher path")
def foreign_unit(world: World) -> None:
    world.service().write_text("[Service]\nExecStart=/bin/true\n")


# -- the session and its server


@breaks("credentials-unreadable", touching="session")
def broken_credentials(world: World) -> None:
    (world.home / "credentials").write_text("{}")


@breaks("session-expired", touching="session")
def old_session(world: World) -> None:
    world.session(received_at=time.time() - 30 * 86_400)


@breaks("server-address-unfit", touching="session")
def plain_http(world: World) -> None:
    world.session(server="http://catflap.example.org")


@breaks("team-other", touching="session config")
def other_team(world: World) -> None:
    world.config(world.project, 'team = "beta"')


@breaks("server-unreachable", touching="session server")
def no_server(world: World) -> None:
    world.asks_server = True


@breaks("server-unwell", touching="session server")
def unwell_server(world: World) -> None:
    world.asks_server = True
    world.session(server=world.until_end.enter_context(server(status=503, skew_s=0)))


@breaks("clock-skew", touching="session server")
def other_time(world: World) -> None:
    world.asks_server = True
    world.session(server=world.until_end.enter_context(server(status=200, skew_s=-3600)))


@breaks("last-sync-failed", touching="session sync")
def failed_sync(world: World) -> None:
    (world.home / "sync.json").write_text(json.dumps({"last_error": "2026-01-01T00:00:00Z: no route to host"}))


@breaks("kept-local", touching="config")
def kept_local(world: World) -> None:
    world.config(world.project, "local = true")


# -- repositories and hooks


@breaks("not-installed", touching=ALL)
def not_installed(world: World) -> None:
    world.path = planned(world.base / "stranger").path


@breaks("repository-gone", touching="other")
def gone_repository(world: World) -> None:
    shutil.rmtree(world.other.path)


@breaks("repository-replaced", touching="other")
def replaced_repository(world: World) -> None:
    shutil.rmtree(world.other.path)
    outer = Repo.init(world.base / "elsewhere")
    outer.file("x")
    outer.commit()
    outer.git("worktree", "add", "-q", str(world.other.path))


@breaks("checkout-gone", touching="other")
def gone_checkout(world: World) -> None:
    side = world.base / "side"
    world.other.git("worktree", "add", "-q", str(side))
    put_in_place(git.locate(str(side)), with_hooks=True)
    shutil.rmtree(side)


@breaks("repository-unsafe", touching=ALL)
def other_owner(world: World) -> None:
    world.patch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")


@breaks("repository-unmarked", touching="mark")
def lost_mark(world: World) -> None:
    Path(f"{world.home}/seen{world.project.path}/.git/registered").unlink()


@breaks("hook-missing", touching="hooks")
def lost_hook(world: World) -> None:
    (world.hooks / "post-merge").unlink()


@breaks("hook-replaced", touching="hooks")
def replaced_hook(world: World) -> None:
    (world.hooks / "post-merge").write_bytes(OWN_HOOK)
    world.kept[world.hooks / f"post-merge{KEPT}"] = OWN_HOOK


@breaks("hook-in-the-way", touching="hooks")
def hook_in_the_way(world: World) -> None:
    (world.hooks / "post-commit").write_bytes(b"#!/bin/sh\n# another\n")
    world.kept[world.hooks / "post-commit"] = b"#!/bin/sh\n# another\n"


@breaks("hook-not-executable", touching="hooks")
def idle_hook(world: World) -> None:
    (world.hooks / "post-rewrite").chmod(0o644)


@breaks("hook-python-gone", touching="hooks")
def hook_without_python(world: World) -> None:
    for name in NAMES:
        path = world.hooks / name
        path.write_bytes(path.read_bytes().replace(os.fsencode(sys.executable), b"/gone/python"))


@breaks("hook-outdated", touching="hooks")
def old_hook(world: World) -> None:
    with (world.hooks / "post-checkout").open("a") as file:
        file.write("# of an earlier version\n")


@breaks("hook-other-home", touching="hooks")
def hook_with_other_home(world: World) -> None:
    path = world.hooks / "post-commit"
    path.write_bytes(path.read_bytes().replace(os.fsencode(world.home), b"/home/ada/.spec-kitty"))


@breaks("kept-hook-not-executable", touching="kept")
def idle_kept_hook(world: World) -> None:
    (world.hooks / f"post-commit{KEPT}").chmod(0o644)


@breaks("hooks-path-changed", touching="hooks kept")
def moved_hooks(world: World) -> None:
    world.project.git("config", "core.hooksPath", ".husky")


@breaks("hooks-path-shared", touching="hooks kept other")
def shared_hooks(world: World) -> None:
    world.project.git("config", "--global", "core.hooksPath", str(world.base / "shared"))
    for repo in (world.project, world.other):
        put_in_place(git.locate(str(repo.path)), with_hooks=True)


@breaks("nobody-tells", touching="hooks kept watcher")
def no_hooks(world: World) -> None:
    take_away(world.hooks)
    world.kept.clear()
    world.sql("UPDATE project SET hooks_dir = NULL WHERE path = ?", str(world.project.path))


@breaks("hooks-doubled", touching="framework hooks kept")
def doubled_hooks(world: World) -> None:
    world.project.file(".pre-commit-config.yaml", "repos:\n- hooks:\n  - id: catflap-post-commit\n")


@breaks("reflog-off", touching="reflog")
def no_reflog(world: World) -> None:
    world.project.git("config", "core.logAllRefUpdates", "false")


@breaks("reftable", touching="refs")
def reftable(world: World) -> None:
    (world.project.path / ".git" / "reftable").mkdir()


@breaks("shallow-clone", touching="refs")
def shallow(world: World) -> None:
    (world.project.path / ".git" / "shallow").write_text(world.project.head() + "\n")


@breaks("partial-clone", touching="refs")
def partial(world: World) -> None:
    world.project.git("config", "remote.origin.promisor", "true")


@breaks("specs-ignored", touching="specs")
def ignored_specs(world: World) -> None:
    world.project.file(".git/info/exclude", "kitty-specs/\n")


@breaks("wp-unreadable", touching="specs here")
def unreadable_wp(world: World) -> None:
    world.project.file(f"kitty-specs/{FEATURE}/tasks/WP02-build.md", "---\nlane: [\n---\n")


@breaks("no-work-packages", touching="specs")
def no_specs(world: World) -> None:
    shutil.rmtree(world.project.path / "kitty-specs")
