"""How many queued events a second reach a server, beside a bare `httpx.post` of the same bytes.

Ours reads the queue, packs, posts, reads the results, and takes the events out of the queue; the bare post sends the
very bytes that ours packed, and looks at nothing. Both speak to the same trivial server, a process of its own, which
answers `success` for each id and keeps nothing. Rounds are interleaved; the figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from bench.table import Aim, Row, table
from catflap import queue
from catflap.auth import Session
from catflap.clock import LamportClock
from catflap.events import encode_ulid
from catflap.queue import OfflineQueue
from catflap.sync.address import read_address
from catflap.sync.batch import Account, Sender
from catflap.sync.http import Server
from catflap.sync.outgoing import MAX_EVENTS, Parcel, pack

OURS, BARE, KEPT = "catflap", "httpx.post", "one httpx.Client"
AIM = 0.7


class Trivial(BaseHTTPRequestHandler):
    """Answers a batch; the least that a server has to do to name each event."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        events = json.loads(gzip.decompress(body))["events"]
        results = [{"event_id": one["event_id"], "status": "success", "error_message": None} for one in events]
        answer = json.dumps({"results": results}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - as the base class has it
        return


def serve(pipe: Connection) -> None:
    """The server's process: says its port, and serves until it is ended."""
    server = HTTPServer(("127.0.0.1", 0), Trivial)
    pipe.send(server.server_address[1])
    server.serve_forever()


def events(count: int) -> list[dict[str, object]]:
    """So many events, as different from each other as real ones."""
    return [
        {
            "event_id": encode_ulid(1_770_000_000_000 + number, int.from_bytes(os.urandom(10), "big")),
            "event_type": "WPStatusChanged",
            "aggregate_id": f"WP{number % 20 + 1:02}",
            "aggregate_type": "WorkPackage",
            "payload": {
                "wp_id": f"WP{number % 20 + 1:02}",
                "previous_status": "planned",
                "new_status": "doing",
                "changed_by": "user",
                "feature_slug": f"{number // 20 % 999 + 1:03}-demo",
            },
            "node_id": "b805cd5cee74",
            "lamport_clock": number + 1,
            "causation_id": None,
            "timestamp": "2026-02-03T12:00:00Z",
            "team_slug": "local",
            "project_slug": "project",
            "head_commit_sha": os.urandom(20).hex(),
        }
        for number in range(count)
    ]


def run_ours(port: int, made: Sequence[dict[str, object]]) -> float:
    """Seconds from a full queue to an empty one."""
    with tempfile.TemporaryDirectory(prefix="catflap-bench-") as folder:
        home = Path(folder)
        address = read_address(f"http://127.0.0.1:{port}")
        session = Session(address.url, "ada", "alpha", time.time(), 900.0, 604_800.0, "access", "refresh")
        with closing(OfflineQueue(home / "queue.db")) as queued, Server(address) as server:
            with queued.writing() as connection:
                queue.append(connection, made, queued_at=int(time.time()))
            clock = LamportClock.load(home / "clock.json")
            sender = Sender(Account(home, session, server), queued, clock, tries=0, wait=lambda _: False)
            began = time.monotonic()
            outcome = sender.run()
            seconds = time.monotonic() - began
            assert outcome.counts.accepted == len(made), outcome
            assert queued.size() == 0
    return seconds


def bodies(made: Sequence[dict[str, object]]) -> list[bytes]:
    """What ours sends for these events."""
    texts = [json.dumps({**one, "team_slug": "alpha"}, separators=(",", ":")) for one in made]
    parcels = [Parcel(str(one["event_id"]), text) for one, text in zip(made, texts, strict=True)]
    return [pack(parcels[start : start + MAX_EVENTS])[0] for start in range(0, len(parcels), MAX_EVENTS)]


def run_bare(port: int, packed: Sequence[bytes]) -> float:
    """Seconds for a top-level `httpx.post` of each body."""
    began = time.monotonic()
    for body in packed:
        answer = httpx.post(url(port), content=body, headers=HEADERS, trust_env=False)
        assert answer.status_code == 200
    return time.monotonic() - began


def run_kept(port: int, packed: Sequence[bytes]) -> float:
    """Seconds for the same over one connection."""
    with httpx.Client(trust_env=False) as client:
        client.post(url(port), content=packed[0], headers=HEADERS)  # opens it: who posts all day does not pay for that
        began = time.monotonic()
        for body in packed:
            assert client.post(url(port), content=body, headers=HEADERS).status_code == 200
        return time.monotonic() - began


HEADERS = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Authorization": "Bearer access"}


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api/v1/events/batch/"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sync", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="per contender and round (at most 10,000)")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    port = int(ours.recv())
    rates: dict[str, list[float]] = {OURS: [], BARE: [], KEPT: []}
    sizes: list[int] = []
    for number in range(options.rounds + 1):
        made = events(options.events)
        packed = bodies(made)
        sizes += map(len, packed)
        contenders: dict[str, Callable[[], float]] = {
            OURS: partial(run_ours, port, made),
            BARE: partial(run_bare, port, packed),
            KEPT: partial(run_kept, port, packed),
        }
        for name, run in contenders.items():
            gc.collect()  # what one leaves is not cleared away in another's time
            seconds = run()
            if number:  # the first round warms everybody up
                rates[name].append(options.events / seconds)
    process.terminate()
    process.join()
    print(f"{os.cpu_count()} processors; {options.events:,} events in batches of {MAX_EVENTS:,}, ", end="")
    print(f"{sum(sizes) / len(sizes) / 1024:.0f} KiB each as sent\n")
    remarks = {OURS: "queue to queue", BARE: "a connection and a client per batch", KEPT: "the bytes alone"}
    rows = [Row(name, rates[name], remarks[name]) for name in (OURS, BARE, KEPT)]
    print(table("Events a second to a trivial server", "events/s", rows, [Aim(BARE, AIM)]))


if __name__ == "__main__":
    main()
