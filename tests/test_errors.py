"""Every error that catflap knows, provoked for real: in one line it says what, where, why and what to do now."""

from __future__ import annotations

import ast
import importlib
import json
import re
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer

import catflap as package
from catflap import main, watchstate
from catflap.clock import MAX_CLOCK, LamportClock
from catflap.commandline import app
from catflap.database import open_database
from catflap.emitter import EventEmitter
from catflap.errors import BadInput, CatflapError
from catflap.folderwatch import InotifyWatch
from catflap.kernellock import kernel_lock
from catflap.watchstate import watch_lock
from tests.badserver import PASSWORD, TeamServer, answer
from tests.test_service import Fake, fake
from tests.world import Repo, planned

__all__ = ["fake"]  # a fixture, which pytest finds by its name here
SOURCE = Path(package.__file__).parent
COMMAND = typer.main.get_command(app)
PAYLOAD = {"wp_id": "WP01", "previous_status": "planned", "new_status": "doing", "changed_by": "user"}


class Scene:
    """Where an error is provoked: a repository of which catflap knows nothing yet, a home, a fake service manager."""

    def __init__(self, repo: Repo, home: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repo, self.home, self.fake, self.monkeypatch = repo, home, fake, monkeypatch

    def run(self, *words: str | Path, stdin: str = "") -> None:
        """`catflap WORDS` in the repository, up to the door that turns its error into a line and an exit code."""
        self.monkeypatch.setattr(sys, "stdin", _Lines(stdin))
        COMMAND.main([str(word) for word in words], "catflap", standalone_mode=False)

    def put(self, name: str, data: bytes) -> Path:
        """A file in the home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    def log_in(self, url: str, password: str = PASSWORD) -> None:
        self.run("auth", "login", "--server", url, "--username", "reviewer", "--password-stdin", stdin=f"{password}\n")


class _Lines:
    """A standard input that nobody sits at."""

    def __init__(self, text: str) -> None:
        self._lines = iter(text.splitlines(keepends=True))

    def readline(self) -> str:
        return next(self._lines, "")

    def isatty(self) -> bool:
        return False


@pytest.fixture
def scene(tmp_path: Path, home: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Scene:
    repo = planned(tmp_path / "project")
    monkeypatch.chdir(repo.path)
    return Scene(repo, home, fake, monkeypatch)


# -- one way into each


def an_event_that_says_too_little(scene: Scene) -> None:
    with closing(EventEmitter(scene.home)) as emitter:
        emitter.emit("WPStatusChanged", "WP01", PAYLOAD | {"new_status": "nearly"})


def a_database_of_another_kind(scene: Scene) -> None:
    scene.put("queue.db", b"no database, but long enough to be read as one" * 50)
    scene.run("queue", "list")


def a_database_that_is_held(scene: Scene) -> None:
    path = scene.home / "queue.db"
    open_database(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        open_database(path, wait_s=0).close()


def a_queue_without_room(scene: Scene) -> None:
    scene.monkeypatch.setattr("catflap.queue.CAPACITY", 0)
    with closing(EventEmitter(scene.home)) as emitter:
        emitter.emit("WPStatusChanged", "WP01", PAYLOAD)


def a_clock_that_is_held(scene: Scene) -> None:
    scene.home.mkdir()
    clock = LamportClock(scene.home / "clock.json", lock_timeout_s=0)
    with kernel_lock(scene.home / "clock.json.lock", wait_s=0, what="hold the clock"):
        clock.tick()


def a_clock_at_its_end(scene: Scene) -> None:
    LamportClock.load(scene.put("clock.json", json.dumps({"value": MAX_CLOCK}).encode())).tick()


def a_damaged_repository(scene: Scene) -> None:
    scene.run("install")
    scene.repo.lane("doing")
    oid = scene.repo.head("HEAD^{tree}")
    (scene.repo.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    (scene.repo.path / ".git" / "index").unlink()
    scene.run("observe")


def a_folder_of_no_repository(scene: Scene) -> None:
    scene.monkeypatch.chdir(scene.repo.path.parent)
    scene.run("check")


def a_repository_without_catflap(scene: Scene) -> None:
    scene.run("observe")


def a_history_that_is_kept_local(scene: Scene) -> None:
    scene.run("install")
    scene.run("auth", "bind", "--local")
    scene.run("backfill")


def a_word_that_is_no_work_package(scene: Scene) -> None:
    scene.run("explain", "first")


def no_descriptor_for_inotify(_: Scene) -> None:
    resource = pytest.importorskip("resource")
    pytest.importorskip("watchdog.observers.inotify_c")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        InotifyWatch(lambda _folder, _name: None).close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def a_second_watcher(scene: Scene) -> None:
    scene.monkeypatch.setattr(watchstate, "_START_WAIT_S", 0.0)
    scene.run("install")
    with watch_lock(scene.home):
        scene.run("watch")


def a_hook_where_one_is_kept_already(scene: Scene) -> None:
    hooks = scene.repo.path / ".git" / "hooks"
    for name in ("post-commit", "post-commit.catflap-kept"):
        (hooks / name).write_text(f"#!/bin/sh\n# {name}\n")
    scene.run("install")


def a_revision_that_nobody_made(scene: Scene) -> None:
    scene.run("backfill", "no-such-branch", "--dry-run")


def a_lock_that_is_held(scene: Scene) -> None:
    scene.put("some.lock", b"")
    with (
        kernel_lock(scene.home / "some.lock", wait_s=0, what="hold it"),
        kernel_lock(scene.home / "some.lock", wait_s=0, what="write the credentials"),
    ):
        pass


def settings_that_are_no_toml(scene: Scene) -> None:
    scene.run("install")
    scene.put("config.toml", b"[[[")
    scene.run("auth", "status")


def credentials_that_are_no_json(scene: Scene) -> None:
    scene.put("credentials", b"{")
    scene.run("auth", "status")


def nobody_logged_in(scene: Scene) -> None:
    scene.run("sync", "now")


def a_wrong_password(scene: Scene) -> None:
    with TeamServer(lambda _server, _request: answer(401, {"error": "no"})) as server:
        scene.log_in(server.url)


def a_server_that_is_down(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    scene.log_in(f"http://127.0.0.1:{port}")


def a_server_of_another_kind(scene: Scene) -> None:
    with TeamServer(lambda _server, _request: answer(200, raw=b"<html>Welcome</html>")) as server:
        scene.log_in(server.url)


def a_hub_without_its_packages(scene: Scene) -> None:
    scene.monkeypatch.setitem(sys.modules, "catflap.hub.server", None)
    scene.monkeypatch.delitem(sys.modules, "catflap.hub.server")
    scene.monkeypatch.setitem(sys.modules, "uvicorn", None)
    scene.run("hub", "--port", "0")


def a_hub_beside_a_hub(scene: Scene) -> None:
    from filelock import FileLock

    scene.run("hub", "user", "list")
    with FileLock(scene.home / "hub" / "hub.db.lock"):
        scene.run("hub", "--port", "0")


def a_port_that_is_taken(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        scene.run("hub", "--port", str(listening.getsockname()[1]))


def a_hubs_database_of_another_kind(scene: Scene) -> None:
    scene.put("hub/hub.db", b"no database, but long enough to be read as one" * 50)
    scene.run("hub", "user", "list")


def a_key_that_is_too_short(scene: Scene) -> None:
    scene.run("hub", "user", "list")
    scene.put("hub/hub.key", b"short")
    scene.run("hub", "--port", "0")


def a_request_without_a_session(_: Scene) -> None:
    from catflap.hub.tokens import Tokens

    Tokens(bytes(32)).read_access("no.token.of-ours")


def a_feature_that_nobody_saw(scene: Scene) -> None:
    scene.run("install")
    scene.run("board", "--feature", "002-none")


def a_work_package_that_nobody_saw(scene: Scene) -> None:
    scene.run("install")
    scene.run("explain", "WP99")


def no_service_manager(scene: Scene) -> None:
    scene.fake.turn("down")
    scene.run("service", "install")


def a_service_that_does_not_start(scene: Scene) -> None:
    scene.fake.turn("broken")
    scene.run("service", "install")


def a_service_without_a_sandbox(scene: Scene) -> None:
    scene.fake.turn("no-namespaces")
    scene.monkeypatch.setattr("catflap.manager.unconfined", lambda unit: f"{unit}\n")
    scene.run("service", "install")


def a_service_that_is_not_there(scene: Scene) -> None:
    scene.run("service", "start")


def a_unit_of_somebody_elses(scene: Scene) -> None:
    scene.fake.unit.parent.mkdir(parents=True)
    scene.fake.unit.write_text("[Service]\nExecStart=/bin/true\n")
    scene.run("service", "install")


WAYS: dict[str, Callable[[Scene], None]] = {
    "InvalidEvent": an_event_that_says_too_little,
    "DatabaseUnusable": a_database_of_another_kind,
    "DatabaseBusy": a_database_that_is_held,
    "QueueFull": a_queue_without_room,
    "ClockBusy": a_clock_that_is_held,
    "ClockUnwritable": a_clock_at_its_end,
    "GitFailed": a_damaged_repository,
    "NotARepository": a_folder_of_no_repository,
    "NotInstalled": a_repository_without_catflap,
    "KeptLocal": a_history_that_is_kept_local,
    "BadInput": a_word_that_is_no_work_package,
    "OutOfWatches": no_descriptor_for_inotify,
    "AlreadyWatching": a_second_watcher,
    "HookInTheWay": a_hook_where_one_is_kept_already,
    "NotInHistory": a_revision_that_nobody_made,
    "LockHeld": a_lock_that_is_held,
    "ConfigUnusable": settings_that_are_no_toml,
    "CredentialsUnusable": credentials_that_are_no_json,
    "NotLoggedIn": nobody_logged_in,
    "LoginRefused": a_wrong_password,
    "ServerUnreachable": a_server_that_is_down,
    "BadAnswer": a_server_of_another_kind,
    "MissingExtra": a_hub_without_its_packages,
    "HubRunning": a_hub_beside_a_hub,
    "CannotListen": a_port_that_is_taken,
    "HubDatabaseUnusable": a_hubs_database_of_another_kind,
    "KeyUnusable": a_key_that_is_too_short,
    "Refused": a_request_without_a_session,
    "UnknownFeature": a_feature_that_nobody_saw,
    "UnknownWorkPackage": a_work_package_that_nobody_saw,
    "NoServiceManager": no_service_manager,
    "ServiceFailed": a_service_that_does_not_start,
    "NoSandbox": a_service_without_a_sandbox,
    "ServiceMissing": a_service_that_is_not_there,
    "ServiceInTheWay": a_unit_of_somebody_elses,
}
NOWHERE = {"BadAnswer", "MissingExtra", "NoServiceManager", "NotLoggedIn", "OutOfWatches", "Refused", "ServiceMissing"}
"""Those that have no place to name, or whose words for what was done name it."""


def known() -> Iterator[type[CatflapError]]:
    """Every class of error that any file of catflap's defines."""
    for path in SOURCE.rglob("*.py"):
        if path.stem not in ("__init__", "__main__"):
            importlib.import_module(".".join(("catflap", *path.relative_to(SOURCE).with_suffix("").parts)))
    waiting = [CatflapError]
    while waiting:
        inner = waiting.pop().__subclasses__()
        yield from (one for one in inner if one.__module__.startswith("catflap."))
        waiting += inner


def test_every_class_of_error_has_a_way_into_it() -> None:
    assert {one.__name__ for one in known()} == set(WAYS)


@pytest.mark.parametrize("name", list(WAYS))
def test_an_error_says_what_where_why_and_what_to_do(
    name: str, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CatflapError) as caught:
        WAYS[name](scene)
    error = caught.value
    assert type(error).__name__ == name, error
    for part in (error.what, error.why, error.hint, *([error.where] if name not in NOWHERE else [])):
        assert part.strip(), vars(error)
        assert part in str(error)
    assert re.match(r"cannot .+: .+; .+", str(error))
    capsys.readouterr()
    with pytest.raises(SystemExit) as end, main.Boundary():
        raise error
    out, said = capsys.readouterr()
    assert (end.value.code, out) == (2 if isinstance(error, BadInput) else 1, "")
    assert said == f"catflap: {error}\n"
    assert said.count("\n") == 1


# -- every place that raises one


def makings() -> Iterator[tuple[str, ast.Call]]:
    """Each call in the source that makes an error of ours, with its file and line."""
    names = {one.__name__ for one in known()}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield f"{path.relative_to(SOURCE).as_posix()}:{node.lineno}", node


def test_every_error_that_is_made_names_a_next_step() -> None:
    """What the hub answers to a program (Refused) is read by no person: its status is the next step."""
    silent = set()
    for place, call in makings():
        given = {word.arg: word.value for word in call.keywords}
        hint = given.get("hint")
        is_empty = isinstance(hint, ast.Constant) and not hint.value
        if (hint is None or is_empty) and getattr(call.func, "id", "") != "Refused":
            silent.add(place.partition(":")[0])
    assert not silent
