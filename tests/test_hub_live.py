"""The hub's sockets: a snapshot, then every event once and in order, whatever the listener or the hub goes through."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from catflap.hub import accounts
from catflap.hub.database import opened, transaction
from catflap.hub.limits import MAX_FRAME_BYTES
from tests.hubs import OTHER_TEAM, TEAM, Hub, Listener, Member, add_user, created, event, open_socket
from tests.watching import PATIENCE, UNIT_S, wait_for

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for most of this file; each test has a team of its own."""
    with Hub(tmp_path_factory.mktemp("hub")) as started:
        yield started


@pytest.fixture
def ada(hub: Hub) -> Iterator[Member]:
    """Somebody new in a new team, who is in the other team, too."""
    name = f"ada{next(NUMBERS)}"
    add_user(hub.database, name, f"team-of-{name}", OTHER_TEAM)
    with Member(hub, name) as member:
        yield member


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Hub]:
    """A hub that the test may stop or kill."""
    with Hub(tmp_path / "mortal") as started:
        add_user(started.database, "ada", TEAM)
        yield started


def refused(hub: Hub, ticket: str, query: str = "", **headers: str) -> int:
    """The HTTP status of the handshake."""
    with pytest.raises(InvalidStatus) as caught, open_socket(hub, ticket, query, additional_headers=headers):
        pass
    return caught.value.response.status_code


def closed(listener: Listener) -> int:
    """The code that the hub closes with, after whatever else it sends."""
    with pytest.raises(ConnectionClosed) as caught:
        listener.frame("nothing is of this type")
    assert caught.value.rcvd is not None, caught.value
    return caught.value.rcvd.code


# -- the handshake


def test_a_ticket_opens_one_socket(hub: Hub, ada: Member) -> None:
    ticket = ada.ticket()
    with open_socket(hub, ticket) as connection:
        Listener(connection).frame("snapshot")
    assert refused(hub, ticket) == 401


def test_an_access_token_opens_no_socket(hub: Hub, ada: Member) -> None:
    assert refused(hub, ada.login["access"]) == 401
    assert refused(hub, ada.login["refresh"]) == 401
    assert refused(hub, "nonsense") == 401


def test_a_page_of_another_origin_opens_no_socket(hub: Hub, ada: Member) -> None:
    assert refused(hub, ada.ticket(), Origin="http://evil.example") == 403
    with open_socket(hub, ada.ticket(), additional_headers={"Origin": hub.url}) as connection:
        Listener(connection).frame("snapshot")


def test_another_team_opens_no_socket(hub: Hub, ada: Member) -> None:
    assert refused(hub, ada.ticket(), **{"X-Team-Slug": OTHER_TEAM}) == 403


def test_a_query_that_is_no_number_opens_no_socket(hub: Hub, ada: Member) -> None:
    assert refused(hub, ada.ticket(), "?after=x") == 400


def test_a_browser_sends_its_ticket_as_a_subprotocol(hub: Hub, ada: Member) -> None:
    url = f"ws://127.0.0.1:{hub.port}/ws/v1/events/"
    offered: Any = ["catflap.v1", f"token.{ada.ticket()}"]
    with connect(url, subprotocols=offered, origin=hub.url, ping_interval=None) as connection:  # type: ignore[arg-type]
        assert connection.subprotocol == "catflap.v1"
        Listener(connection).frame("snapshot")
    with pytest.raises(InvalidStatus), connect(url, subprotocols=offered):
        pass


def test_more_sockets_than_there_may_be_are_asked_to_come_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Hub(tmp_path_factory.mktemp("hub"), {"sockets": 1}) as hub:
        add_user(hub.database, "ada", TEAM)
        with Member(hub) as ada:
            with ada.socket() as first:
                first.frame("snapshot")
                assert refused(hub, ada.ticket()) == 503
            wait_for(lambda: opens(ada), "there is room again")


def opens(member: Member) -> bool:
    try:
        with member.socket() as listener:
            return bool(listener.frame("snapshot"))
    except InvalidStatus:
        return False


# -- snapshot and events


def test_the_snapshot_is_the_board_and_the_events_go_on_from_it(ada: Member) -> None:
    ada.send(created(1, title="first"), event(2))
    with ada.socket() as listener:
        snapshot = listener.frame("snapshot")
        assert snapshot["sequence"] == 2
        (card,) = snapshot["work_packages"]
        assert (card["project_slug"], card["feature_slug"], card["wp_id"]) == ("demo", "001-demo", "WP01")
        assert (card["title"], card["status"]) == ("first", "doing")
        assert card["told"] == {"WPCreated": [1, "0123456789ab"], "WPStatusChanged": [2, "0123456789ab"]}
        assert snapshot["lamport_clock"] == 2
        ada.send(done := event(3, status="done"))
        found = listener.frame("event")
        assert (found["sequence"], found["event"]) == (3, {**done, "team_slug": ada.team})


@pytest.mark.parametrize(("after", "expected"), [(0, [1, 2, 3]), (2, [3]), (3, []), (99, [])])
def test_a_client_that_says_where_it_was_gets_what_it_missed(ada: Member, after: int, expected: list[int]) -> None:
    ada.send(event(1), event(2), event(3))
    with ada.socket(f"?after={after}") as listener:
        assert listener.frame("snapshot")["sequence"] == 3
        assert listener.sequences(len(expected)) == expected
        ada.send(event(4))
        assert listener.sequences(1) == [4]


def test_a_client_far_behind_gets_everything_in_order(ada: Member) -> None:
    """3,000 events: more than are kept in memory, and others come meanwhile."""
    with ada.socket() as first:
        first.frame("snapshot")
        for start in range(0, 3000, 1000):
            ada.send(*(event(start + number) for number in range(1, 1001)))
        with ada.socket("?after=0") as listener:
            listener.frame("snapshot")
            ada.send(*(event(number) for number in range(3001, 3101)))
            assert listener.sequences(3100) == list(range(1, 3101))
        assert first.sequences(3100) == list(range(1, 3101))


def test_duplicates_and_refusals_are_not_published(ada: Member) -> None:
    with ada.socket() as listener:
        listener.frame("snapshot")
        ada.send(event(1), event(1), event(2, status="dong"), event(3))
        assert listener.sequences(2) == [1, 2]


def test_everybody_of_the_team_hears_of_it_and_nobody_else(hub: Hub, ada: Member) -> None:
    name = ada.team.removeprefix("team-of-")
    with (
        Member(hub, name, team=OTHER_TEAM) as weaver,
        ada.socket() as mine,
        ada.socket() as too,
        weaver.socket() as theirs,
    ):
        for listener in (mine, too, theirs):
            listener.frame("snapshot")
        ada.send(event(1))
        assert mine.sequences(1) == too.sequences(1) == [1]
        weaver.send(event(2))
        assert theirs.frame("event")["event"]["team_slug"] == OTHER_TEAM


def test_while_many_send_each_listener_gets_each_event_once(hub: Hub, ada: Member) -> None:
    def send(first: int) -> None:
        with Member(hub, ada.team.removeprefix("team-of-")) as member:
            for number in range(first, first + 200, 10):
                member.send(*(event(one) for one in range(number, number + 10)))

    senders = [threading.Thread(target=send, args=(first,)) for first in (1000, 2000, 3000)]
    with ada.socket() as early:
        early.frame("snapshot")
        for sender in senders:
            sender.start()
        with ada.socket() as late:
            start = late.frame("snapshot")["sequence"]
            assert late.sequences(600 - start) == list(range(start + 1, 601))
        assert early.sequences(600) == list(range(1, 601))
    for sender in senders:
        sender.join()


# -- events over the socket


def test_a_bare_event_is_stored_acknowledged_and_published(hub: Hub, ada: Member) -> None:
    with ada.socket() as listener:
        listener.frame("snapshot")
        one = event(1)
        assert listener.tell(one) == {"type": "ack", "event_id": one["event_id"], "status": "success"}
        assert listener.tell(one)["status"] == "duplicate"
        assert listener.tell({**one, "lamport_clock": 7})["status"] == "error"
        assert listener.sequences(1) == [1]
    assert hub.events(ada.team) == [{**one, "team_slug": ada.team}]


def test_a_bad_event_is_refused_over_the_socket_and_the_socket_stays(ada: Member) -> None:
    with ada.socket() as listener:
        found = listener.tell(event(1, status="dong"))
        assert (found["status"], "payload.new_status" in found["error_message"]) == ("error", True)
        assert listener.tell(event(2))["status"] == "success"


def test_another_teams_event_is_refused_over_the_socket(hub: Hub, ada: Member) -> None:
    with ada.socket() as listener:
        found = listener.tell(one := event(777, team_slug=OTHER_TEAM))
        assert (found["status"], f"the token is of team '{ada.team}'" in found["error_message"]) == ("error", True)
    assert hub.events(ada.team) == []
    assert one["event_id"] not in {known["event_id"] for known in hub.events(OTHER_TEAM)}


def test_500_events_in_a_row_are_each_acknowledged(hub: Hub, ada: Member) -> None:
    told = [event(number) for number in range(1, 501)]
    with ada.socket() as listener:
        for one in told:
            listener.send(one)
        assert {listener.frame("ack")["event_id"] for _ in told} == {one["event_id"] for one in told}
    assert [one["lamport_clock"] for one in hub.events(ada.team)] == list(range(1, 501))


@pytest.mark.parametrize(
    ("frame", "code"),
    [("{", 1007), ("[]", 1007), ('{"a":1,"a":1}', 1007), ("[" * 100_000, 1007), ('{"a":NaN}', 1007), (b"{}", 1003)],
    ids=["half", "list", "twice", "deep", "NaN", "binary"],
)
def test_a_frame_that_is_no_object_ends_the_socket(ada: Member, frame: str | bytes, code: int) -> None:
    with ada.socket() as listener:
        listener.connection.send(frame)
        assert closed(listener) == code


def test_an_oversized_frame_ends_the_socket(ada: Member) -> None:
    with ada.socket() as listener:
        listener.connection.send("x" * (MAX_FRAME_BYTES + 1))
        assert closed(listener) == 1009
    assert ada.send(event(1)) == ["success"]


def test_frames_of_other_types_are_ignored_and_a_ping_is_answered(ada: Member) -> None:
    with ada.socket() as listener:
        for found in ({"type": "pong"}, {"type": "hello"}, {"type": 7}):
            listener.send(found)
        listener.send({"type": "ping", "timestamp": "now"})
        assert listener.frame("pong")["timestamp"] == "now"


# -- the dead, the slow, the many


@pytest.fixture
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that pings five times a second."""
    with Hub(tmp_path_factory.mktemp("brisk"), {"ping_s": 0.2}) as started:
        add_user(started.database, "ada", TEAM)
        yield started


def silently_closed(listener: Listener) -> int:
    """The code that the hub closes with when no ping is answered."""
    deadline = time.monotonic() + PATIENCE * UNIT_S
    with suppress(ConnectionClosed):
        while time.monotonic() < deadline and listener.connection.recv(timeout=PATIENCE * UNIT_S):
            pass
    assert listener.connection.close_code is not None
    return listener.connection.close_code


def test_who_answers_pings_stays_and_who_does_not_is_closed(brisk: Hub) -> None:
    with Member(brisk) as ada, ada.socket() as alive, ada.socket() as dead:
        for _ in range(6):
            ping = alive.frame("ping")
            assert set(ping) == {"type", "timestamp"}
        assert silently_closed(dead) == 1011
        ada.send(event(1))
        assert alive.sequences(1) == [1]


def test_a_session_that_ends_closes_its_sockets(brisk: Hub) -> None:
    with Member(brisk) as ada, ada.socket() as listener:
        listener.frame("snapshot")
        with opened(brisk.database) as connection, transaction(connection):
            accounts.remove(connection, "ada")
        assert closed(listener) == 1008


def test_a_reader_that_takes_nothing_is_cut_off_and_catches_up(tmp_path: Path) -> None:
    """It costs the hub no more than the kernel's buffers, and holds up nobody; the next ping is far away."""
    with Hub(tmp_path, {"stall_s": 0.5}) as hub:
        add_user(hub.database, "ada", TEAM)
        lag_behind(hub)


def lag_behind(hub: Hub) -> None:
    with Member(hub) as ada:
        with bare_socket(hub, ada.ticket()) as slow:
            for start in range(0, 3000, 300):
                ada.send(*(event(start + number, extra="x" * 20_000) for number in range(1, 301)))
            assert received_from(slow) < 50_000_000
        with ada.socket("?after=2990") as again:
            assert again.sequences(10) == list(range(2991, 3001))


def received_from(connection: socket.socket) -> int:
    """How many bytes come until the hub closes or breaks the connection."""
    received = 0
    with suppress(ConnectionError):
        while part := connection.recv(1 << 20):
            received += len(part)
    return received


def bare_socket(hub: Hub, ticket: str) -> socket.socket:
    """A socket that shakes hands, and then reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(PATIENCE * UNIT_S)
    connection.connect(("127.0.0.1", hub.port))
    lines = [
        "GET /ws/v1/events/ HTTP/1.1",
        f"Host: 127.0.0.1:{hub.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Authorization: Bearer {ticket}",
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    assert connection.recv(12) == b"HTTP/1.1 101"
    return connection


def test_500_idle_sockets_keep_nobody_out_and_hear_of_everything(hub: Hub, ada: Member) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(bare_socket(hub, ada.ticket())) for _ in range(500)]
        one = event(1)
        assert ada.send(one) == ["success"]
        assert ada.get("board")["sequence"] == 1
        for connection in idle:
            received = b""
            while one["event_id"].encode() not in received:
                received += connection.recv(65536)


# -- the end


def test_sigterm_takes_leave_of_sockets_and_ends_with_0(mortal: Hub) -> None:
    with Member(mortal) as ada, ada.socket() as one, ada.socket() as two:
        one.frame("snapshot")
        two.frame("snapshot")
        ada.send(event(1))
        mortal.ask_to_stop()
        assert one.sequences(1) == two.sequences(1) == [1]
        assert closed(one) == closed(two) == 1001
    assert mortal.stop() == 0


def test_after_a_restart_on_the_same_port_a_listener_goes_on_without_gap_or_double(mortal: Hub) -> None:
    with Member(mortal) as ada, ada.socket() as listener:
        listener.frame("snapshot")
        ada.send(event(1), event(2))
        assert listener.sequences(2) == [1, 2]
        mortal.kill()
    mortal.start()
    with Member(mortal) as again, again.socket("?after=2") as listener:
        assert listener.frame("snapshot")["sequence"] == 2
        again.send(event(3))
        assert listener.sequences(1) == [3]
        assert json.dumps(again.get("events")).count('"sequence"') == 4
