"""`catflap sync now|status`: what they say to people and to machines, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from catflap.auth import load_session
from catflap.clock import LamportClock
from catflap.errors import ServerUnreachable
from catflap.queue import OfflineQueue
from catflap.sync.address import read_address
from catflap.sync.batch import Account
from catflap.sync.http import Server
from catflap.sync.listening import listen_once
from catflap.syncstate import SyncState, change_sync_state, read_sync_state
from tests.badserver import BATCH, WS_TOKEN, Request, SocketPeer, TeamServer, answer
from tests.test_auth import login
from tests.test_sync_bad_server import emit, queued_ids
from tests.world import catflap

NOTHING = {"accepted": 0, "duplicates": 0, "refused": 0, "parked": 0, "left": 0, "held": 0, "strangers": 0}


def test_counts_are_honest_and_the_exit_code_says_whether_all_is_there(home: Path) -> None:
    sent = list(emit(home, 5))

    def script(server: TeamServer, request: Request) -> bytes | None:
        if request.path != BATCH:
            return None
        results = server.take(event for event in request.events if event["event_id"] in sent[:3])
        results.append({"event_id": sent[3], "status": "error", "error_message": "no such lane"})
        results.append({"event_id": "01" + "Z" * 24, "status": "success"})
        return answer(200, {"results": results})

    with TeamServer(script=script) as server:
        assert login(server).returncode == 0
        done = catflap("sync", "now", "--json")
        found = json.loads(done.stdout)
        assert done.returncode == 1
        assert (found["sent"], found["accepted"], found["refused"], found["left"]) == (5, 3, 1, 2)
        assert found["refusals"] == {sent[3]: "no such lane"}
        assert found["strangers"] >= 1
        assert found["error"] in done.stderr
        server.script = lambda *_: None
        done = catflap("sync", "now")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"2 sent to {server.url}, team alpha: 2 accepted.\n"
        done = catflap("sync", "now")
        assert (done.returncode, done.stdout) == (0, f"Nothing is waiting for {server.url}, team alpha.\n")
        found = json.loads(catflap("sync", "now", "--json").stdout)
        expected: dict[str, Any] = {"server": server.url, "team": "alpha", "sent": 0, "error": None, "refusals": {}}
        assert found == NOTHING | expected | {"received": 0}
    assert queued_ids(home) == {}


def test_what_the_server_has_already_leaves_as_a_duplicate(home: Path) -> None:
    with TeamServer() as server:
        assert login(server).returncode == 0
        written = emit(home, 2)
        server.take([event | {"team_slug": "alpha"} for event in written.values()])
        done = catflap("sync", "now")
        assert done.stdout == f"2 sent to {server.url}, team alpha: 0 accepted, 2 known already.\n"
    assert queued_ids(home) == {}


def test_without_a_login_it_says_so_and_nothing_happens(home: Path) -> None:
    emit(home, 1)
    done = catflap("sync", "now", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "catflap auth login --server URL" in done.stderr
    found = json.loads(catflap("sync", "status", "--json").stdout)
    assert found == {
        "connection": "Offline",
        "last_sync": None,
        "last_error": None,
        "server": None,
        "team": None,
        "pending": 1,
    }


def test_a_server_that_asks_for_more_patience_than_a_person_has_is_left_alone(home: Path) -> None:
    with TeamServer(
        script=lambda _, r: answer(429, headers=["Retry-After: 3000"]) if r.path == BATCH else None
    ) as server:
        assert login(server).returncode == 0
        emit(home, 1)
        done = catflap("sync", "now")
        assert done.returncode == 1
        assert "the server answers 429" in done.stderr
        assert server.paths().count(BATCH) == 1
        found = json.loads(catflap("status", "--json").stdout)
        assert "the server answers 429" in found["last_error"]
        assert found["last_sync"] is None
    assert list(queued_ids(home).values()) == [0]


@pytest.mark.parametrize(
    ("reply", "why"),
    [(answer(503), "the server answers 503"), (answer(200, {"ws_token": "a\nb"}), "it answers no token for it")],
)
def test_what_was_sent_is_sent_even_if_nothing_can_be_heard(home: Path, reply: bytes, why: str) -> None:
    with TeamServer(script=lambda _, request: reply if request.path == WS_TOKEN else None) as server:
        assert login(server).returncode == 0
        emit(home, 1)
        done = catflap("sync", "now")
        assert done.returncode == 0
        assert "1 accepted" in done.stdout
        assert "what others told is not known yet" in done.stderr
        assert why in done.stderr
    assert queued_ids(home) == {}


def test_a_server_that_announces_more_than_it_tells_is_not_waited_for(home: Path) -> None:
    def hold_back(_server: TeamServer, peer: SocketPeer) -> None:
        peer.send({"type": "snapshot", "work_packages": [], "sequence": 9})
        list(peer.texts())

    with TeamServer(on_socket=hold_back) as server:
        assert login(server).returncode == 0
        session = load_session(home)
        assert session is not None
        state = SyncState(server=server.url, team="alpha", sequence=7)
        change_sync_state(home, lambda _: state)
        with Server(read_address(server.url)) as http, OfflineQueue(home / "queue.db") as queued:
            account, clock = Account(home, session, http), LamportClock.load(home / "clock.json")
            with pytest.raises(ServerUnreachable, match="told nothing"):
                listen_once(account, queued=queued, clock=clock, quiet_s=0.1)
    assert read_sync_state(home) == state


@pytest.mark.skipif(not hasattr(pty, "openpty"), reason="no pseudo-terminals here")
def test_a_terminal_gets_a_progress_bar_and_keeps_the_sentence(home: Path) -> None:
    is_shown = threading.Event()

    def slow(_server: TeamServer, request: Request) -> None:
        if request.path == BATCH:
            is_shown.wait(10)

    with TeamServer(script=slow) as server:
        assert login(server).returncode == 0
        emit(home, 3)
        leader, follower = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        process = subprocess.Popen(
            [sys.executable, "-m", "catflap", "sync", "now"],
            stdout=follower,
            stderr=follower,
            env={**environment, "TERM": "xterm-256color", "COLUMNS": "200"},
        )
        os.close(follower)
        written = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            written += piece
            if b"Sending" in written:
                is_shown.set()
        os.close(leader)
        assert process.wait() == 0
    assert b"Sending" in written
    assert b"3 accepted." in written.rpartition(b"Sending")[2]
