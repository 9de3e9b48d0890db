"""The hub as an operator has it: users, two on one database, kill -9, a full disk, files that are not its own."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from catflap import main
from catflap.hub import store
from catflap.hub.database import HubDatabaseUnusable, opened, transaction
from catflap.hub.fold import Board
from catflap.hub.server import CannotListen, bound
from tests.hubs import PASSWORD, TEAM, Hub, Member, add_user, event
from tests.watching import wait_for
from tests.world import catflap

ROUNDS = 60 if os.environ.get("CATFLAP_TEST_LONG") else 4
STATUSES = ("planned", "doing", "for_review", "done")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as started:
        add_user(started.database, "ada", TEAM)
        yield started


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Users(Protocol):
    def __call__(self, *words: str, stdin: str = "", database: Path | None = None) -> Done: ...


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Users:
    """`catflap hub user`, run in this process through its real door."""

    def run(*words: str, stdin: str = "", database: Path | None = None) -> Done:
        where = ["--database", f"sqlite:///{database}"] if database is not None else []
        monkeypatch.setattr(sys, "argv", ["catflap", "hub", "user", *words, *where])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as end:
            main.run()
        said = capsys.readouterr()
        return Done(int(end.value.code or 0), said.out, said.err)

    return run


# -- users


def test_users_are_added_listed_given_passwords_and_removed(users: Users, home: Path) -> None:
    assert users("list").stdout == "no users; catflap hub user add NAME --team TEAM\n"
    added = users("add", "ada", "--team", TEAM, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (added.returncode, added.stdout) == (0, f"ada can log in to team {TEAM}.\n"), added.stderr
    joined = users("add", "ada", "--team", "weavers")
    assert joined.stdout == "ada is in team weavers, too; the password is as it was.\n"
    assert json.loads(users("list", "--json").stdout) == {"name": "ada", "teams": [TEAM, "weavers"]}
    assert users("list").stdout.split() == ["ada", f"{TEAM},", "weavers"]
    assert users("remove", "ada", "--team", TEAM).returncode == 0
    assert json.loads(users("list", "--json").stdout)["teams"] == ["weavers"]
    assert users("password", "ada", "--password-stdin", stdin="another password\n").returncode == 0
    assert users("remove", "ada").stdout == "ada is removed, and logged out there.\n"
    assert users("list", "--json").stdout == ""
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home / "hub").iterdir()}
    assert modes == {"hub.db": 0o600}
    assert (home / "hub").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("words", "stdin", "why"),
    [
        (("add", "ada", "--team", "x", "--password-stdin"), "short\n", "it must have 8 to 1,024 characters"),
        (("add", "ada", "--team", "x", "--password-stdin"), "", "it must have 8 to 1,024 characters"),
        (("add", "ada", "--team", "x"), "", "there is no terminal; use --password-stdin"),
        (("add", "a b", "--team", "x", "--password-stdin"), "long enough\n", "a name is 1 to 64"),
        (("add", "ada", "--team", "local", "--password-stdin"), "long enough\n", "made before a login"),
        (("remove", "ada"), "", "there is none; see `catflap hub user list`"),
        (("remove", "ada", "--team", "x"), "", "there is none; see `catflap hub user list`"),
        (("password", "ada", "--password-stdin"), "long enough\n", "there is none"),
    ],
)
def test_what_cannot_be_done_with_a_user_is_said(users: Users, words: tuple[str, ...], stdin: str, why: str) -> None:
    done = users(*words, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert users("list", "--json").stdout == ""


def test_a_known_user_is_not_given_a_password_by_the_way(users: Users) -> None:
    users("add", "ada", "--team", TEAM, "--password-stdin", stdin=f"{PASSWORD}\n")
    done = users("add", "ada", "--team", "weavers", "--password-stdin", stdin="another password\n")
    assert (done.returncode, "catflap hub user password ada" in done.stderr) == (2, True)
    assert json.loads(users("list", "--json").stdout)["teams"] == [TEAM]
    assert users("add", "ada", "--team", TEAM).returncode == 2


def test_a_password_given_while_the_hub_runs_counts_at_once(users: Users, hub: Hub) -> None:
    with Member(hub) as ada:
        done = users("password", "ada", "--password-stdin", stdin="another password\n", database=hub.database)
        assert done.returncode == 0, done.stderr
        assert ada.http.get("/api/v1/board/", headers=ada.bearer).status_code == 401
    answers = [
        httpx.post(f"{hub.url}/api/v1/token/", json={"username": "ada", "password": password}).status_code
        for password in (PASSWORD, "another password")
    ]
    assert answers == [401, 200]


def test_without_the_extra_the_command_says_what_to_install() -> None:
    for missing, *words in (("starlette", "hub", "--port", "0"), ("argon2", "hub", "user", "list")):
        code = f"import sys; sys.modules[{missing!r}] = None; from catflap.main import run; run()"
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        why = f"the package {missing} is not installed"
        assert done.stderr == f"catflap: cannot run the hub: {why}; pip install 'catflap[hub]'\n"


# -- where it is, and where it listens


def test_the_first_line_is_the_address_and_people_read_the_rest(hub: Hub) -> None:
    assert httpx.get(f"{hub.url}/api/v1/sync/health/").status_code == 200
    assert "nobody can log in yet: catflap hub user add NAME --team TEAM" in hub.log.read_text()


@pytest.mark.parametrize("url", ["postgres://x/y", "sqlite://", "sqlite:///", "hub.db", ""])
def test_a_database_that_is_no_sqlite_file_is_a_usage_error(users: Users, url: str) -> None:
    done = users("list", "--database", url)
    assert (done.returncode, "use sqlite:///FILE" in done.stderr) == (2, True)


def test_a_database_may_be_named_relative_absolute_or_by_the_environment(
    users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEC_KITTY_HUB", str(tmp_path / "deep" / "er"))
    for words, place in (
        (["--database", "sqlite:///here.db"], tmp_path / "here.db"),
        (["--database", f"sqlite:///{tmp_path}/there.db"], tmp_path / "there.db"),
        ([], tmp_path / "deep" / "er" / "hub.db"),
    ):
        assert users("list", *words).returncode == 0
        assert place.exists()


def test_an_address_in_use_is_said(hub: Hub, tmp_path: Path) -> None:
    done = catflap("hub", "--port", str(hub.port), "--database", f"sqlite:///{tmp_path}/other.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{hub.port}: " in done.stderr
    assert "name another --host or --port" in done.stderr


@pytest.mark.parametrize("host", ["no.such.host.invalid", "999.1.1.1"])
def test_an_address_that_is_none_is_said(host: str) -> None:
    with pytest.raises(CannotListen, match="name another --host"):
        bound(host, 0)


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """asyncio sets TCP_NODELAY only where the socket's protocol is named."""
    with bound("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_two_hubs_on_one_database_are_refused(hub: Hub) -> None:
    done = catflap("hub", "--port", "0", "--database", f"sqlite:///{hub.database}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot start the hub on {hub.database}: another hub uses it; stop that one first" in done.stderr
    with Member(hub) as ada:
        assert ada.send(event(1)) == ["success"]
    hub.kill()
    hub.start()  # the lock was the kernel's


# -- files that are not ours, or not as they were


def test_another_programs_database_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(HubDatabaseUnusable, match="the database of another program"), opened(path):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at" * 9])
def test_a_file_that_is_no_database_is_said(users: Users, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(content)
    done = users("list", database=path)
    assert (done.returncode, "file is not a database" in done.stderr) == (1, True)
    assert path.read_bytes() == content


def test_a_database_of_a_newer_catflap_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with opened(path) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(HubDatabaseUnusable, match="newer catflap"), opened(path):
        pass


def test_two_processes_that_make_the_database_at_once_make_one(tmp_path: Path) -> None:
    ready = threading.Barrier(8)
    failed: list[Exception] = []

    def make() -> None:
        ready.wait()
        try:
            with opened(tmp_path / "hub.db"):
                pass
        except HubDatabaseUnusable as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_full_disk_is_503_stores_nothing_and_is_over_when_there_is_room(hub: Hub) -> None:
    import resource

    assert hub.process is not None
    with Member(hub) as ada:
        assert ada.send(event(1)) == ["success"]
        size = hub.database.with_name("hub.db-wal").stat().st_size
        _, hard = resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        answer = ada.post([event(number, extra="x" * 5000) for number in range(2, 100)])
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert len(hub.events()) == 1
        assert ada.send(*(event(number) for number in range(1, 100))) == ["duplicate"] + ["success"] * 98


# -- the end


def consistent(hub: Hub, team: str = TEAM) -> None:
    """The board is what all stored events make, and the sequence has no holes."""
    found = hub.events(team)
    expected = Board()
    for one in found:
        expected.add(one)
    with opened(hub.database) as connection:
        (team_id,) = connection.execute("SELECT id FROM team WHERE slug = ?", (team,)).fetchone()
        assert store.board(connection, team_id).shown() == expected.shown()
        assert store.sequence_of(connection, team_id) == len(found)


def test_killed_at_any_moment_what_was_answered_is_there(hub: Hub) -> None:
    chance = random.Random(5)
    numbers = iter(range(1, 1_000_000))
    answered: set[str] = set()

    def send_until_it_dies(lock: threading.Lock) -> None:
        try:
            with Member(hub) as ada:
                while True:
                    with lock:
                        batch = [event(next(numbers), status=chance.choice(STATUSES)) for _ in range(50)]
                    ada.send(*batch)
                    answered.update(one["event_id"] for one in batch)
        except httpx.TransportError:
            return  # killed

    for _ in range(ROUNDS):
        before = len(answered)
        lock = threading.Lock()
        senders = [threading.Thread(target=send_until_it_dies, args=(lock,)) for _ in range(3)]
        for sender in senders:
            sender.start()
        enough = before + chance.randint(1, 900)
        wait_for(lambda enough=enough: len(answered) >= enough)
        hub.kill()
        for sender in senders:
            sender.join()
        stored = {one["event_id"] for one in hub.events()}
        assert answered <= stored
        consistent(hub)
        hub.start()


def test_sigterm_answers_what_it_has_begun_and_ends_with_0(hub: Hub) -> None:
    results: list[Any] = []

    def send(number: int) -> None:
        with Member(hub) as ada:
            begun.wait()
            try:
                for first in range(number, number + 4000, 200):
                    results.append((ada.send(*(event(one) for one in range(first, first + 200))), first))
            except httpx.TransportError:
                return  # it was asked to stop before it took this batch

    begun = threading.Barrier(3)
    senders = [threading.Thread(target=send, args=(number,)) for number in (10_000, 20_000)]
    for sender in senders:
        sender.start()
    begun.wait()
    wait_for(lambda: len(results) >= 3)
    assert hub.stop() == 0
    for sender in senders:
        sender.join()
    stored = {one["lamport_clock"] for one in hub.events()}
    assert {first for _, first in results} <= stored
    assert not {name.name for name in hub.database.parent.iterdir()} & {"hub.db-wal", "hub.db-shm"}
    consistent(hub)


def test_ctrl_c_ends_it_like_sigterm(hub: Hub) -> None:
    assert hub.process is not None
    hub.process.send_signal(signal.SIGINT)
    assert hub.stop() == 0
    assert "Traceback" not in hub.log.read_text()


def test_one_poisoned_piece_of_work_does_not_undo_its_neighbours(tmp_path: Path) -> None:
    import asyncio

    from catflap.hub.database import HubDatabase

    def insert(slug: str) -> Any:
        return lambda connection: connection.execute("INSERT INTO team (slug) VALUES (?)", (slug,)).lastrowid

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO team (slug) VALUES ('undone')")
        raise ValueError("poison")

    async def work() -> list[Any]:
        database = HubDatabase(tmp_path / "hub.db")
        database.start()
        published: list[Any] = []
        waiting = [
            database.write(insert("a"), published.append),
            database.write(fail, published.append),
            database.write(insert("a"), published.append),
            database.write(insert("b"), published.append),
        ]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        await database.close()
        return [*found, published]

    first, poison, twice, last, published = asyncio.run(work())
    assert isinstance(poison, ValueError)
    assert isinstance(twice, sqlite3.IntegrityError)
    assert published == [first, last]
    with opened(tmp_path / "hub.db") as connection, transaction(connection):
        assert connection.execute("SELECT slug FROM team ORDER BY slug").fetchall() == [("a",), ("b",)]
