"""A real hub for tests: its process, the people who log in to it, and events to send."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from catflap.events import encode_ulid
from catflap.hub import accounts
from catflap.hub.database import opened, transaction
from tests.watching import PATIENCE, UNIT_S

PASSWORD = "correct horse battery"
TEAM, OTHER_TEAM = "engines", "weavers"


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A valid event with this clock and an id of its own: WP01 becomes doing."""
    wp_id = fields.pop("wp_id", "WP01")
    payload = {
        "wp_id": wp_id,
        "previous_status": "planned",
        "new_status": fields.pop("status", "doing"),
        "changed_by": "claude",
        "feature_slug": fields.pop("feature", "001-demo"),
    }
    return {
        "event_id": encode_ulid(1_770_000_000_000 + number, number),
        "event_type": "WPStatusChanged",
        "aggregate_id": wp_id,
        "aggregate_type": "WorkPackage",
        "payload": payload,
        "node_id": "0123456789ab",
        "lamport_clock": number,
        "causation_id": None,
        "timestamp": "2026-02-03T12:00:00Z",
        "team_slug": "local",
        "project_slug": "demo",
        **fields,
    }


def created(number: int = 1, *, wp_id: str = "WP01", title: str = "Build it", **fields: Any) -> dict[str, Any]:
    """A valid WPCreated with this clock."""
    depends = fields.pop("dependencies", [])
    feature = fields.pop("feature", "001-demo")
    payload = {"wp_id": wp_id, "title": title, "dependencies": depends, "feature_slug": feature}
    return event(number, event_type="WPCreated", aggregate_id=wp_id, payload=payload, **fields)


def add_user(database: Path, name: str, *teams: str) -> None:
    """Let somebody log in with PASSWORD to these teams."""
    with opened(database) as connection, transaction(connection):
        accounts.add(connection, name, _hash(), team=teams[0], now_s=1_770_000_000)
        for team in teams[1:]:
            accounts.join(connection, name, team)


@cache
def _hash() -> str:
    return accounts.hashed(PASSWORD)


class Hub:
    """`catflap hub` in a process of its own; with ``limits`` the same server with other limits."""

    def __init__(self, folder: Path, limits: Mapping[str, float] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "hub.db"
        self.log = folder / "hub.log"
        self.port = 0
        self._limits = limits
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Hub:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the port it had before, and return once it answers."""
        command = [sys.executable, "-m", "catflap", "hub", "--port", str(self.port)]
        command += ["--database", f"sqlite:///{self.database}"]
        if self._limits is not None:
            limits = json.dumps(self._limits)
            command = [sys.executable, "-m", "tests.hub_process", str(self.database), str(self.port), limits]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=Path(__file__).parents[1]
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first.startswith("http://127.0.0.1:"), self.log.read_text()
        self.port = int(first.rpartition(":")[2])

    def ask_to_stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.ask_to_stop()
        return self._ended()

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait(PATIENCE * UNIT_S)
        self.process.stdout.close()
        self.process = None
        return code

    def events(self, team: str = TEAM) -> list[dict[str, Any]]:
        """What the team's rows say, in the order of its sequence, which has no holes."""
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute(
                "SELECT event.sequence, body FROM event JOIN team ON team.id = team_id WHERE slug = ?"
                " ORDER BY event.sequence",
                (team,),
            ).fetchall()
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
        return [json.loads(row[1]) for row in rows]


class Member:
    """Somebody who is logged in."""

    def __init__(self, hub: Hub, name: str = "ada", *, team: str | None = None) -> None:
        self.hub = hub
        self.http = httpx.Client(base_url=hub.url, timeout=PATIENCE * UNIT_S)
        said = {"username": name, "password": PASSWORD, **({"team": team} if team else {})}
        answer = self.http.post("/api/v1/token/", json=said)
        assert answer.status_code == 200, answer.text
        self.login = answer.json()
        self.team = str(self.login["team_slug"])
        self.bearer = {"Authorization": f"Bearer {self.login['access']}"}

    def __enter__(self) -> Member:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def post(self, events: Sequence[Any], **headers: str) -> httpx.Response:
        """Send a batch, as the client does."""
        return self.post_raw(
            gzip.compress(json.dumps({"events": events}).encode()), **{"Content-Encoding": "gzip"}, **headers
        )

    def post_raw(self, body: bytes, **headers: str) -> httpx.Response:
        return self.http.post("/api/v1/events/batch/", content=body, headers={**self.bearer, **headers})

    def send(self, *events: dict[str, Any]) -> list[str]:
        """Send a batch, and what was answered about each event."""
        answer = self.post(events)
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert [one["event_id"] for one in results] == [one.get("event_id") for one in events]
        return [one["status"] for one in results]

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(f"/api/v1/{path}/", params=query, headers=self.bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def cards(self) -> dict[str, dict[str, Any]]:
        """The board's cards by their work package; for boards of one feature."""
        return {
            card["wp_id"]: card
            for project in self.get("board")["projects"]
            for feature in project["features"]
            for card in feature["work_packages"]
        }

    def ticket(self) -> str:
        answer = self.http.post("/api/v1/ws-token/", headers=self.bearer)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ws_token"])

    @contextmanager
    def socket(self, query: str = "", **options: Any) -> Iterator[Listener]:
        """An open socket, with a ticket of its own."""
        with open_socket(self.hub, self.ticket(), query, **options) as connection:
            yield Listener(connection)


def error_of(answer: httpx.Response, status: int) -> str:
    """What the hub says no with."""
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert set(found) == {"error", "details"}
    return str(found["error"])


def open_socket(hub: Hub, ticket: str, query: str = "", **options: Any) -> ClientConnection:
    headers = {"Authorization": f"Bearer {ticket}", **options.pop("additional_headers", {})}
    return connect(
        f"ws://127.0.0.1:{hub.port}/ws/v1/events/{query}",
        additional_headers=headers,
        open_timeout=PATIENCE * UNIT_S,
        max_size=None,
        ping_interval=None,
        **options,
    )


class Listener:
    """One socket, and the frames that came."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._passed: list[dict[str, Any]] = []

    def frame(self, kind: str) -> dict[str, Any]:
        """The next frame of this type, in their order; pings are answered on the way."""
        for found in self._passed:
            if found["type"] == kind:
                self._passed.remove(found)
                return found
        while True:
            found: dict[str, Any] = json.loads(self.connection.recv(timeout=PATIENCE * UNIT_S))
            if found["type"] == "ping":
                self.send({"type": "pong", "timestamp": found["timestamp"]})
            if found["type"] == kind:
                return found
            self._passed.append(found)

    def sequences(self, count: int) -> list[int]:
        """The places of the next so many events."""
        return [self.frame("event")["sequence"] for _ in range(count)]

    def send(self, value: Any) -> None:
        self.connection.send(json.dumps(value))

    def tell(self, one: dict[str, Any]) -> dict[str, Any]:
        """Send a bare event, and what is answered."""
        self.send(one)
        return self.frame("ack")


def raw_connection(hub: Hub) -> socket.socket:
    """A TCP connection that says nothing yet."""
    return socket.create_connection(("127.0.0.1", hub.port), timeout=PATIENCE * UNIT_S)


def wait_closed(connection: socket.socket) -> None:
    """Return once the hub has closed the connection, whatever it said before."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
