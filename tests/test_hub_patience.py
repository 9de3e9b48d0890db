"""The hub and whoever sends or reads nothing, or a byte at a time, over real connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.hubs import TEAM, Hub, Member, add_user, event, raw_connection, wait_closed
from tests.watching import PATIENCE, UNIT_S


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for all of this file, and ada is its user."""
    with Hub(tmp_path_factory.mktemp("hub")) as started:
        add_user(started.database, "ada", TEAM)
        yield started


@pytest.fixture(scope="module")
def ada(hub: Hub) -> Iterator[Member]:
    with Member(hub) as member:
        yield member


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that waits a second and no longer."""
    limits = {"head_s": 1.0, "body_s": 2.0, "chunk_s": 1.0, "stall_s": 1.0}
    with Hub(tmp_path_factory.mktemp("strict"), limits) as started:
        add_user(started.database, "ada", TEAM)
        yield started


def head_of_batch(bearer: str, length: int) -> bytes:
    lines = ["POST /api/v1/events/batch/ HTTP/1.1", "Host: x", f"Content-Length: {length}", f"Authorization: {bearer}"]
    return "\r\n".join([*lines, "", ""]).encode()


def drip(connection: socket.socket, text: bytes) -> None:
    """Send a byte every tenth of a second until the other side has enough, as it must."""
    connection.settimeout(0.1)
    for number in range(int(10 * PATIENCE * UNIT_S)):
        try:
            connection.sendall(text[number % len(text) :][:1])
            if not connection.recv(65536):
                return
        except TimeoutError:
            continue
        except ConnectionError:
            return
    pytest.fail("it takes a byte at a time for ever")


def test_a_connection_that_says_nothing_is_closed(strict: Hub) -> None:
    with raw_connection(strict) as connection:
        wait_closed(connection)


def test_a_head_that_comes_a_byte_at_a_time_is_cut_off(strict: Hub) -> None:
    with raw_connection(strict) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        drip(connection, b"x")


def test_a_second_head_that_comes_a_byte_at_a_time_is_cut_off(strict: Hub) -> None:
    with raw_connection(strict) as connection:
        connection.sendall(b"GET /api/v1/sync/health/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        drip(connection, b"x")


@pytest.mark.parametrize("token", [True, False])
def test_a_body_that_comes_a_byte_at_a_time_is_cut_off(strict: Hub, token: bool) -> None:
    with Member(strict) as ada, raw_connection(strict) as connection:
        bearer = ada.bearer["Authorization"] if token else "Bearer none"
        connection.sendall(head_of_batch(bearer, 100_000))
        drip(connection, b" ")


def test_a_body_that_stops_is_answered_with_408(strict: Hub) -> None:
    with Member(strict) as ada, raw_connection(strict) as connection:
        connection.sendall(head_of_batch(ada.bearer["Authorization"], 9) + b"{")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"nothing more of its body came" in answer


def received_from(connection: socket.socket) -> int:
    """How many bytes come until the other side closes or breaks the connection."""
    received = 0
    with suppress(ConnectionError):
        while part := connection.recv(1 << 20):
            received += len(part)
    return received


def test_whoever_does_not_read_the_answer_is_cut_off(strict: Hub) -> None:
    with Member(strict) as ada:
        for first in range(0, 2000, 500):
            ada.send(*(event(first + number, extra="x" * 2000) for number in range(1, 501)))
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", strict.port))
            connection.settimeout(20)
            bearer = f"Authorization: {ada.bearer['Authorization']}"
            connection.sendall(f"GET /api/v1/events/?limit=1000 HTTP/1.1\r\nHost: x\r\n{bearer}\r\n\r\n".encode() * 10)
            assert connection.recv(1) == b"H"
            with raw_connection(strict) as later:
                wait_closed(later)  # the hub's second has passed, the other connection's, too
            with raw_connection(strict) as later:
                wait_closed(later)
            assert received_from(connection) < 10_000_000


def test_500_idle_connections_keep_nobody_out(hub: Hub, ada: Member) -> None:
    idle = [raw_connection(hub) for _ in range(500)]
    try:
        assert ada.send(event()) == ["success"]
        with Member(hub) as late:
            assert late.get("board")["team_slug"] == TEAM
    finally:
        for connection in idle:
            connection.close()


def test_a_body_is_read_to_its_end_before_its_token_is_refused(hub: Hub) -> None:
    """Whoever is cut off while sending sees a broken connection, not that it should refresh."""
    with raw_connection(hub) as connection:
        connection.sendall(head_of_batch("Bearer none", 4))
        connection.settimeout(0.1)
        for _ in range(3):
            connection.sendall(b" ")
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.settimeout(PATIENCE * UNIT_S)
        connection.sendall(b" ")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")
