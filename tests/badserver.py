"""A team's server for tests, over real sockets: it keeps what it accepted, and answers each request as a script says.

HTTP is spoken here byte by byte, so that it can be spoken badly; the socket by websockets' own protocol.
"""

from __future__ import annotations

import gzip
import json
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from websockets.frames import Opcode
from websockets.http11 import Request as SocketRequest
from websockets.protocol import State
from websockets.server import ServerProtocol

BATCH, TOKEN, REFRESH = "/api/v1/events/batch/", "/api/v1/token/", "/api/v1/token/refresh/"
REVOKE = "/api/v1/token/revoke/"
WS_TOKEN, HEALTH, SOCKET = "/api/v1/ws-token/", "/api/v1/sync/health/", "/ws/v1/events/"
_quiet = logging.getLogger("tests.badserver")
_quiet.setLevel(logging.WARNING)  # what a test finds in its log is the client's
PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Request:
    """What came in: header names in lower case, the body unpacked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)["events"]
        return found

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


Reply = Callable[["TeamServer", Request], "bytes | Trick"]
"""The bytes of an answer, or what is done to the connection instead."""


@dataclass(frozen=True)
class Trick:
    """Something done to the connection: `data` is sent first, in pieces of `piece` bytes, ``pause_s`` seconds between
    them; then it ends as said.

    ``end``: close, reset (RST), or hang until the client leaves.
    """

    end: str
    data: bytes = b""
    piece: int = 0
    pause_s: float = 0.0


def answer(status: int, value: Any = None, *, headers: Iterable[str] = (), raw: bytes | None = None) -> bytes:
    """The bytes of an HTTP answer."""
    body = raw if raw is not None else b"" if value is None else json.dumps(value).encode()
    kind = "text/html" if raw is not None else "application/json"
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", f"Content-Type: {kind}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass
class TeamServer:
    """The server. ``script`` answers batches and renewals, where it does not return None; else it behaves well."""

    script: Callable[[TeamServer, Request], bytes | Trick | None] = lambda _server, _request: None
    on_socket: Callable[[TeamServer, SocketPeer], None] | None = None
    team: str = "alpha"
    port: int = 0
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    renewals: int = 0
    played: int = 0
    revoked: list[str] = field(default_factory=list)
    access: str = "access-0"
    refresh: str = "refresh-0"
    access_lifetime: Any = "900"
    peers: list[SocketPeer] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _open: set[socket.socket] = field(default_factory=set)

    def __enter__(self) -> TeamServer:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in list(self._open):
                _shut(one)
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Accept the events, and the results of that; the same id with another body is noted in `altered`."""
        results = []
        with self._lock:
            for event in events:
                event_id = event["event_id"]
                known = self.accepted.setdefault(event_id, event)
                if known is event:
                    results.append({"event_id": event_id, "status": "success", "error_message": None})
                elif known == event:
                    results.append({"event_id": event_id, "status": "duplicate", "error_message": None})
                else:
                    self.altered.append(event_id)
                    results.append({"event_id": event_id, "status": "error", "error_message": "other body"})
        return results

    def behave(self, request: Request) -> bytes:
        """What a good server answers."""
        with self._lock:
            if request.path == HEALTH:
                return answer(200, {"status": "ok"})
            if request.path == TOKEN:
                if json.loads(request.body).get("password") != PASSWORD:
                    return answer(401, {"error": "no"})
                return answer(200, self._tokens() | {"team_slug": self.team})
            if request.path == REFRESH:
                if json.loads(request.body)["refresh"] != self.refresh:
                    return answer(401, {"error": "that was used before"})
                self.renewals += 1
                self.access, self.refresh = f"access-{self.renewals}", f"refresh-{self.renewals}"
                return answer(200, self._tokens())
            if request.path == REVOKE:
                self.revoked.append(json.loads(request.body)["refresh"])
                return answer(204)
            if request.token != self.access:
                return answer(401, {"error": "expired"})
            if request.path == WS_TOKEN:
                return answer(200, {"ws_token": f"ticket-{len(self.requests)}"})
            if request.path == BATCH:
                return answer(200, {"results": self.take(request.events)})
            return answer(404, {"error": "no such place"})

    def paths(self) -> list[str]:
        """Where requests went, in order."""
        with self._lock:
            return [request.path for request in self.requests]

    def _tokens(self) -> dict[str, Any]:
        lifetimes = {"access_lifetime": self.access_lifetime, "refresh_lifetime": 604800}
        return {"access": self.access, "refresh": self.refresh, **lifetimes}

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while (found := _read(stream)) is not None:
                    request, head = found
                    with self._lock:
                        self.requests.append(request)
                    if request.path.partition("?")[0] == SOCKET:
                        self._serve_socket(connection, request, head)
                        return
                    reply = self.script(self, request)
                    if reply is None:
                        reply = self.behave(request)
                    if isinstance(reply, bytes):
                        connection.sendall(reply)
                    else:
                        _play(connection, reply)
                        self.played += 1
                        return
        except OSError:
            return
        finally:
            with self._lock:
                self._open.discard(connection)

    def _serve_socket(self, connection: socket.socket, request: Request, head: bytes) -> None:
        refusal = self.script(self, request)
        if isinstance(refusal, bytes):
            connection.sendall(refusal)
            return
        if refusal is not None:
            _play(connection, refusal)
            return
        peer = SocketPeer(self, connection, request)
        peer.open(head)
        with self._lock:
            self.peers.append(peer)
        try:
            if self.on_socket is not None:
                self.on_socket(self, peer)
            else:
                peer.send({"type": "snapshot", "work_packages": []})
                for event in peer.events():
                    peer.ack(event)
        finally:
            peer.is_open = False


class SocketPeer:
    """One client at the socket; `received` are its texts."""

    def __init__(self, server: TeamServer, connection: socket.socket, request: Request) -> None:
        self.server, self.request, self.is_open = server, request, True
        self.received: list[str] = []
        self._connection = connection
        self._protocol = ServerProtocol(logger=_quiet)
        self._lock = threading.Lock()

    def open(self, head: bytes) -> None:
        self._protocol.receive_data(head)
        for event in self._protocol.events_received():
            assert isinstance(event, SocketRequest)
            self._protocol.send_response(self._protocol.accept(event))
        self._flush()

    def send(self, value: Any) -> None:
        """Send a frame: text as it is, bytes as binary, anything else as JSON."""
        with self._lock:
            if isinstance(value, bytes):
                self._protocol.send_binary(value)
            else:
                self._protocol.send_text((value if isinstance(value, str) else json.dumps(value)).encode())
            self._flush()

    def ack(self, event: dict[str, Any]) -> None:
        """Accept the event, say so, and give it to everybody."""
        (result,) = self.server.take([event])
        self.send({"type": "ack", **result})
        for peer in list(self.server.peers):
            if peer.is_open:
                peer.send({"type": "event", "event": event, "sequence": len(self.server.accepted)})

    def texts(self) -> Iterable[str]:
        """Each text frame of the client, until it leaves."""
        while self._protocol.state is not State.CLOSED:
            try:
                data = self._connection.recv(1 << 16)
            except OSError:
                return
            with self._lock:
                self._protocol.receive_data(data) if data else self._protocol.receive_eof()
                frames = self._protocol.events_received()
                self._flush()
            for frame in frames:
                if getattr(frame, "opcode", None) is Opcode.TEXT:
                    text = frame.data.decode()
                    self.received.append(text)
                    yield text
            if not data:
                return
            if self._protocol.close_expected():  # both have taken leave: the server ends it (RFC 6455, 7.1.1)
                self.break_off()
                return

    def events(self) -> Iterable[dict[str, Any]]:
        """Each event of the client, until it leaves."""
        for text in self.texts():
            value = json.loads(text)
            if "event_id" in value:
                yield value

    def break_off(self) -> None:
        """End the connection without a word."""
        _shut(self._connection)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._connection.sendall(data)


def _read(stream: Any) -> tuple[Request, bytes] | None:
    """The next request, and its head as it came; None at the end."""
    first = stream.readline()
    if not first.strip():
        return None
    lines = [first]
    while (line := stream.readline()).strip():
        lines.append(line)
    method, path, _ = first.decode().split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (one.decode().partition(":") for one in lines[1:])
    }
    body = stream.read(int(headers.get("content-length", 0)))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return Request(method, path, headers, body), b"".join(lines) + b"\r\n"


def _play(connection: socket.socket, trick: Trick) -> None:
    if trick.piece:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(trick.data), trick.piece):
            connection.sendall(trick.data[start : start + trick.piece])
            threading.Event().wait(trick.pause_s)
    elif trick.data:
        connection.sendall(trick.data)
    if trick.end == "hang":
        connection.recv(1)
    elif trick.end == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
