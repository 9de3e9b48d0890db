"""The session: kept for one's own eyes, renewed once whoever asks, bound to its server; and what is said of it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catflap import auth
from catflap.auth import Session, load_session
from catflap.errors import BadAnswer, BadInput, CredentialsUnusable, LoginRefused, NotLoggedIn, ServerUnreachable
from catflap.sync.address import read_address
from catflap.sync.http import Server, Timing
from tests.badserver import PASSWORD, REFRESH, TOKEN, Request, TeamServer, answer
from tests.world import catflap, planned


def http(server: TeamServer) -> Server:
    return Server(read_address(server.url), Timing(1.0, 1.0, 2.0))


def log_in(server: TeamServer, home: Path) -> Session:
    with http(server) as asked:
        return auth.log_in(home, asked, "ada", PASSWORD)


def login(server: TeamServer, *args: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """The real command."""
    return catflap(
        "auth", "login", "--server", server.url, "--username", "ada", "--password-stdin", *args, stdin=f"{password}\n"
    )


# -- which addresses a token may go to


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://hub.example.org", "https://hub.example.org"),
        ("https://HUB.example.org:443/", "https://hub.example.org"),
        ("https://hub.example.org:8443/catflap/", "https://hub.example.org:8443/catflap"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:8787", "http://[::1]:8787"),
        (" https://hub.example.org ", "https://hub.example.org"),
    ],
)
def test_an_address_has_one_name(text: str, url: str) -> None:
    assert read_address(text).url == url
    assert read_address(url).url == url


@pytest.mark.parametrize(
    "text",
    [
        "http://hub.example.org",
        "http://10.0.0.1",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "https://ada:secret@hub.example.org",
        "https://hub.example.org/?next=1",
        "https://hub.example.org/#x",
        "https://hub.example.org:99999",
        "https://[::1",
        "https://",
        "hub.example.org",
        "ftp://hub.example.org",
        "file:///etc/passwd",
        "https://hub.example.org/a b",
        "",
    ],
)
def test_a_token_goes_to_no_such_address(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_address(text)
    assert "secret" not in str(caught.value)


# -- the file


def test_credentials_are_for_their_owner_only_from_the_first_byte(home: Path) -> None:
    seen: list[int] = []
    home.mkdir()
    (home / "credentials.tmp").touch(0o644)  # what a killed process left, of an umask that lets others read
    real_write = os.write

    def spying_write(descriptor: int, data: Any) -> int:
        if b"refresh-0" in bytes(data):
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return real_write(descriptor, data)

    before = os.umask(0)
    try:
        with TeamServer() as server, pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", spying_write)
            log_in(server, home)
    finally:
        os.umask(before)
    assert seen == [0o600]
    assert stat.S_IMODE((home / "credentials").stat().st_mode) == 0o600
    assert not (home / "credentials.tmp").exists()


def test_what_was_logged_in_is_read_again_and_forgotten_at_logout(home: Path) -> None:
    with TeamServer() as server:
        session = log_in(server, home)
        assert load_session(home) == session
        assert (session.server, session.team_slug, session.access_lifetime) == (server.url, "alpha", 900.0)
    assert auth.log_out(home) == session
    assert load_session(home) is None
    assert auth.log_out(home) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"server": 1}', b"\xff", b'{"is_in_keyring": true}'])
def test_credentials_that_nobody_wrote_so_are_said_and_a_login_replaces_them(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "credentials").write_bytes(content)
    with pytest.raises(CredentialsUnusable, match="catflap auth login"):
        load_session(home)
    assert (home / "credentials").read_bytes() == content
    with TeamServer() as server:
        session = log_in(server, home)
        assert load_session(home) == session
        (home / "credentials").write_bytes(content)
        auth.log_out(home)
    assert load_session(home) is None


def test_a_wrong_password_leaves_the_former_session(home: Path) -> None:
    with TeamServer() as server:
        session = log_in(server, home)
        with http(server) as asked, pytest.raises(LoginRefused) as caught:
            auth.log_in(home, asked, "ada", "wrong-guess")
    assert "wrong-guess" not in str(caught.value)
    assert load_session(home) == session


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, {"access": "a", "refresh": "b"}),  # no team
        answer(200, {"access": "a\r\nX-Evil: 1", "refresh": "b", "team_slug": "t"}),
        answer(200, {"access": "", "refresh": "b", "team_slug": "t"}),
        answer(200, {"access": 3, "refresh": "b", "team_slug": "t"}),
        answer(200, {"access": "a" * 9000, "refresh": "b", "team_slug": "t"}),
        answer(200, raw=b"<html>"),
        answer(500, {"error": PASSWORD}),
        answer(302, headers=["Location: http://elsewhere.example/"]),
    ],
)
def test_a_login_believes_nothing_but_tokens(home: Path, reply: bytes) -> None:
    with (
        TeamServer(script=lambda *_: reply) as server,
        http(server) as asked,
        pytest.raises(BadAnswer) as caught,
    ):
        auth.log_in(home, asked, "ada", PASSWORD)
    assert PASSWORD not in str(caught.value)
    assert load_session(home) is None
    assert len(server.requests) == 1


# -- renewal


def test_a_renewal_keeps_both_new_tokens(home: Path) -> None:
    with TeamServer() as server, http(server) as asked:
        session = log_in(server, home)
        renewed = auth.renew(home, session, asked)
        assert (renewed.access, renewed.refresh, renewed.team_slug) == ("access-1", "refresh-1", "alpha")
        assert load_session(home) == renewed


def test_many_that_renew_at_once_are_one_renewal_and_one_session(home: Path) -> None:
    """Eight processes find the token expired: the server accepts a refresh token once, and sees one."""
    program = (
        "import sys; from pathlib import Path; from catflap import auth; from catflap.sync.http import Server\n"
        "from catflap.sync.address import read_address\n"
        "home = Path(sys.argv[1]); session = auth.load_session(home); print('ready', flush=True); sys.stdin.read(1)\n"
        "with Server(read_address(session.server)) as server: print(auth.renew(home, session, server).access)\n"
    )
    with TeamServer() as server:
        log_in(server, home)
        command = [sys.executable, "-c", program, str(home)]
        crew = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
        for one in crew:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        found = [one.communicate("\n")[0] for one in crew]
        assert server.renewals == 1
    assert found == ["access-1\n"] * 8
    session = load_session(home)
    assert session is not None
    assert session.refresh == "refresh-1"


def test_a_refused_renewal_keeps_the_file_and_asks_for_a_login(home: Path) -> None:
    with TeamServer() as server, http(server) as asked:
        session = log_in(server, home)
        server.refresh = "another"
        with pytest.raises(NotLoggedIn, match="catflap auth login"):
            auth.renew(home, session, asked)
        assert load_session(home) == session


def test_a_session_is_not_renewed_at_another_server(home: Path) -> None:
    with TeamServer() as first, TeamServer() as other:
        session = log_in(first, home)
        log_in(other, home)
        with http(first) as asked, pytest.raises(NotLoggedIn):
            auth.renew(home, session, asked)
        assert REFRESH not in first.paths()
        assert other.paths() == [TOKEN]


def test_a_full_disk_shows_before_the_server_has_made_the_old_tokens_void(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TeamServer() as server, http(server) as asked:
        session = log_in(server, home)

        def full(_descriptor: int, _data: Any) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(CredentialsUnusable, match="No space left on device"):
            auth.renew(home, session, asked)
        monkeypatch.undo()
        assert REFRESH not in server.paths()
        assert load_session(home) == session
        assert auth.renew(home, session, asked).access == "access-1"


def test_an_answer_that_got_lost_is_not_a_refusal(home: Path) -> None:
    with TeamServer() as server, http(server) as asked:
        session = log_in(server, home)
        server.script = lambda *_: answer(503)
        with pytest.raises(BadAnswer):
            auth.renew(home, session, asked)
        server.script = lambda *_: b""
        with pytest.raises(ServerUnreachable):
            auth.renew(home, session, asked)
        assert load_session(home) == session


@pytest.mark.parametrize(
    ("age_s", "lifetime_s", "is_stale"),
    [
        (0, 900, False),
        (860, 900, False),
        (875, 900, True),
        (5000, 900, True),
        (-86_400, 900, False),  # the clock was set back: the server will say
        (4, 10, False),
        (6, 10, True),
    ],
)
def test_how_old_a_token_is_is_told_by_our_own_clock(age_s: float, lifetime_s: float, is_stale: bool) -> None:
    session = Session("https://h", "ada", "alpha", 1000.0, lifetime_s, 604_800, "a", "b")
    assert session.is_stale(1000.0 + age_s) is is_stale


def test_wrong_clocks_on_both_sides_cost_a_renewal_and_no_session(home: Path) -> None:
    """The server's dates are never looked at, and a wall clock that jumped a year ahead renews at once."""
    with TeamServer(access_lifetime="not a number") as server, http(server) as asked:
        session = log_in(server, home)
        assert session.access_lifetime == 900.0
        assert session.is_stale(time.time() + 365 * 86_400)
        assert auth.renew(home, session, asked).access == "access-1"
        assert auth.renew(home, session, asked).access == "access-1"
        assert server.renewals == 1


def test_a_hung_server_holds_no_other_process_for_ever(home: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(server: TeamServer, request: Request) -> bytes:
        entered.set()
        leave.wait(5)
        return server.behave(request)

    with TeamServer() as server, http(server) as one, http(server) as two:
        session = log_in(server, home)
        server.script = slow
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(auth.renew(home, session, one).access))
        thread.start()
        entered.wait(5)
        other = threading.Thread(target=lambda: found.append(auth.renew(home, session, two).access))
        other.start()
        leave.set()
        thread.join()
        other.join()
        assert (found, server.renewals) == (["access-1", "access-1"], 1)


# -- the commands


def test_login_says_what_will_be_sent_where(tmp_path: Path, home: Path) -> None:
    repo, diary = planned(tmp_path / "project"), planned(tmp_path / "diary")
    repo.install()
    diary.install()
    assert catflap("auth", "bind", diary.path, "--local").returncode == 0
    with TeamServer() as server:
        done = login(server)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Logged in at {server.url} as ada, team alpha.\n")
    assert f"{repo.path}  team alpha\n" in done.stdout
    assert f"{diary.path}    kept local, nothing is sent\n" in done.stdout
    found = json.loads(catflap("auth", "status", "--json").stdout)
    assert (found["logged_in"], found["server"], found["username"]) == (True, server.url, "ada")
    assert (found["team"], found["kept_in"]) == ("alpha", "file")
    assert {Path(one["path"]).name: one["sends"] for one in found["repositories"]} == {"project": True, "diary": False}
    status = catflap("status").stdout
    assert "team        alpha\n" in status
    assert "its events  kept local, nothing is sent\n" in status
    done = catflap("auth", "logout")
    assert done.stdout == f"Logged out at {server.url}. What is queued stays queued.\n"
    assert "there the session ends by itself" in done.stderr  # nobody listens there any more
    assert not (home / "credentials").exists()
    assert catflap("auth", "status").returncode == 1


def test_no_command_shows_a_token_or_the_password(home: Path) -> None:
    with TeamServer() as server:
        server.access, server.refresh = "top-access", "top-refresh"
        said = [login(server, "--json"), catflap("auth", "status", "--json"), catflap("auth", "status")]
        said += [catflap("status", "--json"), catflap("sync", "now", "--json"), catflap("sync", "status", "--json")]
        said += [login(server, password="wrong-guess"), catflap("auth", "logout", "--json")]
        assert server.revoked == ["top-refresh"]
    for done in said:
        for secret in ("top-access", "top-refresh", PASSWORD, "wrong-guess"):
            assert secret not in done.stdout + done.stderr, done.args
    for path in home.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes()


def test_login_without_a_server_or_a_password_is_usage(home: Path) -> None:
    done = catflap("auth", "login", "--username", "ada", "--password-stdin", stdin="x\n")
    assert (done.returncode, "--server" in done.stderr) == (2, True)
    done = catflap("auth", "login", "--server", "http://127.0.0.1:9", "--username", "ada", "--password-stdin", stdin="")
    assert (done.returncode, "password is empty" in done.stderr) == (2, True)
    done = catflap(
        "auth", "login", "--server", "http://hub.example.org", "--username", "a", "--password-stdin", stdin="x\n"
    )
    assert (done.returncode, "http would show tokens" in done.stderr) == (2, True)
    assert not (home / "credentials").exists()


def test_a_login_again_needs_neither_server_nor_name() -> None:
    with TeamServer() as server:
        login(server)
        done = catflap("auth", "login", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert f"Logged in at {server.url} as ada" in done.stdout


# -- the keyring

KEYRING = """
import json, os
class _Backend:
    priority = float(os.environ.get("TEST_KEYRING_PRIORITY", "5"))
def get_keyring(): return _Backend()
def _load():
    path = os.environ["TEST_KEYRING"]
    return json.load(open(path)) if os.path.exists(path) else {}
def _dump(value):
    with open(os.environ["TEST_KEYRING"], "w") as file: json.dump(value, file)
def get_password(service, name):
    if os.environ.get("TEST_KEYRING_LOCKED"): raise RuntimeError("the collection is locked")
    return _load().get(f"{service}/{name}")
def set_password(service, name, secret): _dump(_load() | {f"{service}/{name}": secret})
def delete_password(service, name):
    value = _load(); del value[f"{service}/{name}"]; _dump(value)
"""


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package named keyring for child processes, which keeps its secrets in the returned file."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "keyring.py").write_text(KEYRING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "ring.json"))
    return tmp_path / "ring.json"


def test_with_a_keyring_no_token_is_in_the_file(keyring: Path, home: Path) -> None:
    with TeamServer() as server:
        assert login(server).returncode == 0
        server.access = "expired-by-now"
        assert "refresh-0" not in (home / "credentials").read_text()
        assert "refresh-0" in keyring.read_text()
        assert json.loads(catflap("auth", "status", "--json").stdout)["kept_in"] == "keyring"
        assert catflap("sync", "now").returncode == 0
        done = catflap("auth", "status", env={"TEST_KEYRING_LOCKED": "1"})
        assert (done.returncode, "the collection is locked" in done.stderr) == (1, True)
        with TeamServer() as other:
            assert login(other).returncode == 0
            assert list(json.loads(keyring.read_text())) == [f"catflap/ada at {other.url}"]
            assert catflap("auth", "logout").returncode == 0
    assert json.loads(keyring.read_text()) == {}


def test_a_keyring_without_a_place_for_secrets_is_none(
    keyring: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEYRING_PRIORITY", "0")
    with TeamServer() as server:
        assert login(server).returncode == 0
    assert "refresh-0" in (home / "credentials").read_text()
    assert not keyring.exists()


def test_a_session_says_nothing_of_its_tokens() -> None:
    session = Session("https://h", "ada", "alpha", 0.0, 900, 604_800, "top-access", "top-refresh")
    assert "top-" not in repr(session)
    assert auth.redact("no: top-access, top-refresh!", replace(session)) == "no: …, …!"
