"""The exchange inside a watcher: the socket while it holds, batches otherwise, and what stays queued meanwhile."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from catflap import auth
from catflap.emitter import EventEmitter
from catflap.queue import OfflineQueue
from catflap.sync import conversation
from catflap.sync.address import read_address
from catflap.sync.http import Server, Timing
from catflap.sync.service import Service
from catflap.syncstate import connection_of, read_sync_state
from tests.badserver import (
    BATCH,
    HEALTH,
    PASSWORD,
    REFRESH,
    SOCKET,
    WS_TOKEN,
    Request,
    SocketPeer,
    TeamServer,
    Trick,
    answer,
)
from tests.test_auth import login
from tests.test_sync_bad_server import emit, queued_ids
from tests.watching import Watch, wait_for
from tests.world import catflap, events, planned


@dataclass
class Heard:
    """A listener that keeps what it was told."""

    states: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def connection(self, state: str) -> None:
        self.states.append(state)

    def trouble(self, place: str, why: str) -> None:
        self.troubles.append(f"{place}: {why}")


@contextmanager
def running(server: TeamServer, home: Path) -> Iterator[Heard]:
    """A service that is logged in at the server."""
    with Server(read_address(server.url), Timing(1.0, 1.0, 2.0)) as http:
        auth.log_in(home, http, "ada", PASSWORD)
    heard = Heard()
    service = Service(home, heard, timing=Timing(0.5, 0.5, 1.0))
    service.start()
    try:
        yield heard
    finally:
        service.stop()
        assert not service.is_alive()


def is_connected(heard: Heard) -> bool:
    return heard.states[-1:] == ["Connected"]


def test_an_event_goes_over_the_socket_and_leaves_with_its_acknowledgement(home: Path) -> None:
    with TeamServer() as server, running(server, home) as heard:
        wait_for(lambda: is_connected(heard))
        sent = emit(home, 3)
        wait_for(lambda: not queued_ids(home))
        assert server.accepted.keys() == sent.keys()
        assert BATCH not in server.paths()
        (peer,) = server.peers
        assert [json.loads(text)["event_id"] for text in peer.received] == list(sent)
        assert json.loads(peer.received[0])["team_slug"] == "alpha"
        assert "type" not in json.loads(peer.received[0])
        assert peer.request.headers["authorization"].startswith("Bearer ticket-")
    assert heard.states == ["Reconnecting", "Connected", "Offline"]


def test_what_waited_goes_as_a_batch_first(home: Path) -> None:
    sent = emit(home, 250)
    with TeamServer() as server, running(server, home) as heard:
        wait_for(lambda: is_connected(heard) and not queued_ids(home))
        assert server.accepted.keys() == sent.keys()
        assert server.paths().count(BATCH) == 1
        assert read_sync_state(home).last_sync is not None


def test_a_server_that_never_acknowledges_is_asked_by_a_batch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "ACK_S", 0.2)

    def mute(_server: TeamServer, peer: SocketPeer) -> None:
        list(peer.texts())

    with TeamServer(on_socket=mute) as server, running(server, home) as heard:
        wait_for(lambda: is_connected(heard))
        sent = emit(home, 2)
        wait_for(lambda: bool(server.peers[0].received))
        wait_for(lambda: not queued_ids(home))
        assert BATCH in server.paths()
        assert server.accepted.keys() == sent.keys()
        assert is_connected(heard)


def test_frames_of_all_kinds_are_met(home: Path) -> None:
    """Pings are answered; acknowledgements of strangers, binary, garbage and unknown frames are let pass."""

    def odd(server: TeamServer, peer: SocketPeer) -> None:
        for frame in (
            "told",
            "stop",
            "{",
            "[]",
            "null",
            b"\x00\xff",
            {"type": "ping", "timestamp": 17},
            {"type": "??"},
        ):
            peer.send(frame)
        peer.send({"type": "ack", "event_id": "01" + "Z" * 24, "status": "success"})
        peer.send({"type": "event", "event": {"event_type": "Nonsense"}})
        for event in peer.events():
            server.take([event])
            peer.send({"type": "ack", "event_id": event["event_id"], "status": "maybe"})
            peer.send({"type": "ack", "event_id": event["event_id"], "status": "duplicate"})

    with TeamServer(on_socket=odd) as server, running(server, home) as heard:
        wait_for(lambda: is_connected(heard))
        wait_for(lambda: json.dumps({"type": "pong", "timestamp": 17}) in server.peers[0].received)
        emit(home, 1)
        wait_for(lambda: not queued_ids(home))
        assert len(server.accepted) == 1
        assert is_connected(heard)
        assert heard.troubles == []


def test_an_event_refused_over_the_socket_counts_and_stays(home: Path) -> None:
    def refuse(_server: TeamServer, peer: SocketPeer) -> None:
        for event in peer.events():
            peer.send(
                {"type": "ack", "event_id": event["event_id"], "status": "error", "error_message": "clock 7 < 99"}
            )

    with TeamServer(on_socket=refuse) as server, running(server, home) as heard:
        wait_for(lambda: is_connected(heard))
        sent = emit(home, 1)
        wait_for(lambda: list(queued_ids(home).values()) == [1])
        wait_for(lambda: "refused: clock 7" in str(read_sync_state(home).last_error))
        emit(home, 1)
        wait_for(lambda: list(queued_ids(home).values()) == [1, 1])
        assert [json.loads(text)["event_id"] for text in server.peers[0].received].count(next(iter(sent))) == 1
        ((_, later),) = emit(home, 1).items()
        assert later["lamport_clock"] > 99
        with OfflineQueue(home / "queue.db") as queued:
            assert queued.rows()[0].refusal == "clock 7 < 99"


def test_a_broken_socket_is_opened_again_and_what_was_told_meanwhile_arrives(home: Path) -> None:
    with TeamServer() as server, running(server, home) as heard:
        wait_for(lambda: is_connected(heard))
        server.peers[0].break_off()
        wait_for(lambda: "Reconnecting" in heard.states[1:])
        sent = emit(home, 2)
        wait_for(lambda: is_connected(heard) and not queued_ids(home))
        assert server.accepted.keys() == sent.keys()


@pytest.mark.parametrize(
    "refusal",
    [
        answer(401),
        answer(404),
        answer(200, raw=b"<html>"),
        Trick("close"),
        Trick("reset", b"HTTP/1.1 101 Switching"),
    ],
    ids=["401", "404", "200", "close", "half"],
)
def test_without_a_socket_batches_do(home: Path, refusal: Any) -> None:
    def script(_server: TeamServer, request: Request) -> Any:
        return refusal if request.path.startswith(SOCKET) else None

    with TeamServer(script=script) as server, running(server, home) as heard:
        wait_for(lambda: any(path.startswith(SOCKET) for path in server.paths()))
        sent = emit(home, 2)
        wait_for(lambda: not queued_ids(home))
        assert server.accepted.keys() == sent.keys()
        wait_for(lambda: bool(heard.troubles))
        assert heard.states == ["Reconnecting"]


def test_a_socket_that_is_redirected_is_none_and_nobody_else_is_asked(home: Path) -> None:
    with TeamServer() as other:

        def script(_server: TeamServer, request: Request) -> Any:
            location = f"Location: ws://127.0.0.1:{other.port}{SOCKET}"
            return answer(302, headers=[location]) if request.path.startswith(SOCKET) else None

        with TeamServer(script=script) as server, running(server, home) as heard:
            wait_for(lambda: any("redirects (302)" in one for one in heard.troubles))
            assert heard.states == ["Reconnecting"]
        assert other.requests == []


def test_no_token_is_in_any_log_whatever_its_level(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with (
        TeamServer(access="top-access", refresh="top-refresh", access_lifetime=1) as server,
        running(server, home) as heard,
    ):
        wait_for(lambda: is_connected(heard))
        emit(home, 1)
        wait_for(lambda: not queued_ids(home))
    assert caplog.text
    for secret in ("top-access", "top-refresh", "access-1", "ticket-", PASSWORD):
        assert secret not in caplog.text


def test_ten_tries_in_vain_are_batch_mode_and_a_sync_by_hand_leads_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catflap.sync import schedule

    monkeypatch.setattr(schedule, "backoff_s", lambda *_: 0.01)
    is_shut = threading.Event()
    is_shut.set()

    def script(_server: TeamServer, request: Request) -> Any:
        return answer(503) if is_shut.is_set() and request.path != "/api/v1/token/" else None

    with TeamServer(script=script) as server, running(server, home) as heard:
        wait_for(lambda: heard.states[-1:] == ["Offline - Batch Mode"])
        assert server.paths().count(WS_TOKEN) == 10
        emit(home, 1)
        is_shut.clear()
        assert catflap("sync", "now").returncode == 0
        wait_for(lambda: is_connected(heard))
        assert queued_ids(home) == {}


def test_a_refused_session_is_said_once_and_a_login_goes_on(home: Path) -> None:
    def script(server: TeamServer, request: Request) -> Any:
        return answer(401) if request.path in (BATCH, WS_TOKEN, REFRESH) and server.access != "access-new" else None

    with TeamServer(script=script) as server, running(server, home) as heard:
        wait_for(lambda: heard.states[-1:] == ["Offline"])
        emit(home, 2)
        assert len(heard.troubles) == 1
        assert "catflap auth login" in heard.troubles[0]
        server.access = "access-new"
        assert login(server).returncode == 0
        wait_for(lambda: is_connected(heard) and not queued_ids(home))
        assert len(heard.troubles) == 1


def test_an_expired_token_is_renewed_for_the_socket(home: Path) -> None:
    with TeamServer() as server:
        with Server(read_address(server.url)) as http:
            auth.log_in(home, http, "ada", PASSWORD)
        server.access = "expired"
        server.access_lifetime = 1
        heard = Heard()
        service = Service(home, heard)
        service.start()
        wait_for(lambda: is_connected(heard))
        service.stop()
        assert server.renewals == 1
        assert heard.troubles == []


def test_events_received_are_asked_for_from_where_they_ended(home: Path, tmp_path: Path) -> None:
    """What the team told while nobody listened follows the snapshot: the hub counts, and we remember the number."""
    repo = planned(tmp_path / "project")
    repo.install()

    def status(clock: int, before: str, after: str) -> dict[str, Any]:
        payload = {"wp_id": "WP01", "previous_status": before, "new_status": after, "changed_by": "m"}
        event = EventEmitter(tmp_path / "elsewhere").emit(
            "WPStatusChanged", "WP01", payload | {"feature_slug": "001-demo"}
        )
        fields = {"node_id": "mate", "lamport_clock": clock, "team_slug": "alpha", "project_slug": "project"}
        return event.to_dict() | fields

    def tell(_server: TeamServer, peer: SocketPeer) -> None:
        if "after=" not in peer.request.path:
            peer.send({"type": "snapshot", "work_packages": [], "sequence": 4})
            peer.send({"type": "event", "sequence": 5, "event": status(50, "planned", "doing")})
        else:
            peer.send({"type": "snapshot", "work_packages": [], "sequence": 6})
            peer.send({"type": "event", "sequence": 6, "event": status(60, "doing", "for_review")})
        list(peer.texts())

    with TeamServer(on_socket=tell) as server, running(server, home) as heard:
        wait_for(lambda: read_sync_state(home).sequence == 5)
        server.peers[0].break_off()
        wait_for(lambda: read_sync_state(home).sequence == 6)
        assert server.peers[1].request.path == f"{SOCKET}?after=5"
        assert heard.troubles == []
        repo.lane("for_review")
        assert events() == []  # it was heard of


def test_a_server_that_hangs_does_not_hold_the_end_up(home: Path) -> None:
    with TeamServer(script=lambda _, request: Trick("hang") if request.path == BATCH else None) as server:
        with Server(read_address(server.url)) as http:
            auth.log_in(home, http, "ada", PASSWORD)
        emit(home, 1)
        service = Service(home, Heard())  # with the patience of minutes that it has by default
        service.start()
        wait_for(lambda: BATCH in server.paths())
        service.stop()
        assert not service.is_alive()
    assert list(queued_ids(home).values()) == [0]
    assert "stopping" not in str(read_sync_state(home).last_error)


# -- in a watcher process


def test_a_watcher_tells_a_save_to_the_team_at_once(tmp_path: Path, home: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.install()
    with TeamServer() as server, Watch(tmp_path / "out") as watch:
        modules = Path("/proc", str(watch.pid), "maps")
        before = modules.read_text() if modules.exists() else ""
        assert "_ssl" not in before  # httpx and all below it come with a login
        assert connection_of(home) == "Offline"
        assert login(server).returncode == 0
        wait_for(lambda: "connection: Connected" in watch.lines)
        found = json.loads(catflap("status", "--json").stdout)
        assert (found["connection"], found["team"], found["server"]) == ("Connected", "alpha", server.url)
        repo.write("WP01", "doing")
        wait_for(lambda: len(server.accepted) == 1 and not events())
        assert BATCH not in server.paths()
        assert watch.stop() == 0
        assert connection_of(home) == "Offline"
    log = (home / "watch.log").read_text()
    for secret in (PASSWORD, "access-0", "refresh-0", "ticket-"):
        assert secret not in log


def test_a_killed_watcher_is_offline_whatever_it_said_last(tmp_path: Path, home: Path) -> None:
    from catflap import get_emitter

    with TeamServer() as server:
        assert login(server).returncode == 0
        with Watch(tmp_path / "out") as watch:
            wait_for(lambda: "connection: Connected" in watch.lines)
            assert get_emitter().get_connection_status() == "Connected"
            watch.kill()
        assert read_sync_state(home).connection == "Connected"
        assert get_emitter().get_connection_status() == "Offline"
        assert json.loads(catflap("status", "--json").stdout)["connection"] == "Offline"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_a_logout_ends_the_connection_and_no_thread_is_left_by_reconnecting(tmp_path: Path) -> None:
    with TeamServer() as server:
        assert login(server).returncode == 0
        with Watch(tmp_path / "out") as watch:
            threads = Path("/proc", str(watch.pid), "task")
            wait_for(lambda: watch.lines.count("connection: Connected") == 1)
            wait_for(lambda: HEALTH in server.paths()[-1:])
            least = len(list(threads.iterdir()))
            for round_ in range(2, 4):
                server.peers[-1].break_off()
                wait_for(lambda number=round_: watch.lines.count("connection: Connected") == number)
            wait_for(lambda: len(list(threads.iterdir())) <= least)
            assert catflap("auth", "logout").returncode == 0
            wait_for(lambda: watch.lines[-1] == "connection: Offline")
            wait_for(lambda: not server.peers[-1].is_open)
