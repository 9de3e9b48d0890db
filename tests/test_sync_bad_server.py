"""A server that does everything wrong, over real sockets: in the end it has each event once, or the queue has it.

Waits pass at once here; how long they are is the protocol's, and tested there. CATFLAP_TEST_LONG=1 does 1,000 runs.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catflap import auth
from catflap.clock import LamportClock
from catflap.emitter import EventEmitter
from catflap.errors import CatflapError, NotLoggedIn
from catflap.queue import MAX_RETRIES, OfflineQueue
from catflap.sync.address import read_address
from catflap.sync.batch import Account, Outcome, Sender
from catflap.sync.http import MAX_ANSWER_BYTES, Server, Timing
from tests.badserver import BATCH, PASSWORD, REFRESH, Request, TeamServer, Trick, answer
from tests.world import catflap

IS_LONG = bool(os.environ.get("CATFLAP_TEST_LONG"))
RUNS, PARTS = (1000, 8) if IS_LONG else (48, 4)
QUICK = Timing(connect_s=1.0, piece_s=0.08, total_s=0.4)

pytestmark = pytest.mark.timeout(3600 if IS_LONG else 300)


@contextmanager
def account_at(server: TeamServer, home: Path, *, timing: Timing = QUICK) -> Iterator[Account]:
    """A session at a server that behaves as long as somebody logs in."""
    script, server.script = server.script, lambda _server, _request: None
    with Server(read_address(server.url), timing) as http:
        session = auth.log_in(home, http, "ada", PASSWORD)
        server.script = script
        yield Account(home, session, http)


def emit(home: Path, count: int) -> dict[str, dict[str, Any]]:
    """So many events in the queue, by their ids."""
    emitter = EventEmitter(home)
    found = [emitter.emit_history_added("WP01", "note", f"entry {number}" * 3) for number in range(count)]
    emitter.close()
    return {event["event_id"]: event for event in found if event is not None}


def send(account: Account, home: Path, *, tries: int = 3) -> Outcome:
    with OfflineQueue(home / "queue.db") as queued:
        clock = LamportClock.load(home / "clock.json")
        return Sender(account, queued, clock, tries=tries, wait=lambda _: True).run()


def queued_ids(home: Path) -> dict[str, int]:
    """What is in the queue, and how often each was refused."""
    with OfflineQueue(home / "queue.db") as queued:
        return {row.event_id: row.retry_count for row in queued.rows()}


class Mood:
    """Answers by chance, of one seed: each kind of wrong that a server, or what stands before it, can do."""

    def __init__(self, seed: int) -> None:
        self.moods = random.Random(seed)
        self.badness = self.moods.choice([0.2, 0.5, 0.8, 1.0])
        self.poison: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.kinds = self.moods.sample(sorted(KINDS), k=self.moods.randint(1, len(KINDS)))

    def __call__(self, server: TeamServer, request: Request) -> bytes | Trick | None:
        if request.path not in (BATCH, REFRESH):
            return None
        if request.path == BATCH and request.token == server.access and self.moods.random() > self.badness:
            bad = [event["event_id"] for event in request.events if event["event_id"] in self.poison]
            if bad:
                self.refused.update(bad if len(request.events) == 1 else [])
                return answer(self.moods.choice([400, 413]), {"error": "no"})
            return None
        if request.path == REFRESH and self.moods.random() > self.badness / 4:
            return None
        return KINDS[self.moods.choice(self.kinds)](self, server, request)

    def good(self, server: TeamServer, request: Request) -> bytes:
        """A good answer, which then is not delivered as such."""
        return server.behave(request)


def bent(mood: Mood, server: TeamServer, request: Request) -> bytes:
    """Results that were tampered with: dropped, renamed, contradicted, of other statuses, in another order."""
    if request.path != BATCH or request.token != server.access:
        return answer(500)
    results = []
    for event in request.events:
        way = mood.moods.randrange(8)
        if way == 0:
            continue
        if way == 1:
            results.append({"event_id": "01" + "Z" * 24, "status": "success"})
        elif way == 2:
            results.append({"event_id": event["event_id"], "status": mood.moods.choice(["ok", None, 1, "SUCCESS"])})
        elif way == 3:
            mood.refused[event["event_id"]] += 1
            results.append({"event_id": event["event_id"], "status": "error", "error_message": "clock 7 is behind 9"})
        elif way == 4:
            results += [{"event_id": event["event_id"], "status": status} for status in ("success", "error")]
        else:
            results += server.take([event])
    mood.moods.shuffle(results)
    return answer(200, {"results": results})


KINDS: dict[str, Any] = {
    "refuses": lambda *_: Trick("close"),
    "hangs": lambda *_: Trick("hang"),
    "hangs after taking it": lambda mood, *at: (mood.good(*at), Trick("hang"))[1],
    "resets": lambda *_: Trick("reset"),
    "resets after taking it": lambda mood, *at: (mood.good(*at), Trick("reset"))[1],
    "half an answer": lambda mood, *at: Trick("close", mood.good(*at)[:90]),
    "half an answer, then nothing": lambda mood, *at: Trick("hang", mood.good(*at)[:-5]),
    "one byte at a time": lambda mood, *at: Trick("close", mood.good(*at), piece=1),
    "tampered results": bent,
    "no results": lambda *_: answer(200, {"results": []}),
    "HTML": lambda *_: answer(200, raw=b"<html><body>Welcome to our hotel's network</body></html>"),
    "no HTTP": lambda *_: Trick("close", b"SSH-2.0-OpenSSH_9.6\r\n"),
    "401": lambda *_: answer(401, {"error": "expired"}),
    "expired": lambda _, server, __: setattr(server, "access", "access-elsewhere") or answer(401),
    "403": lambda *_: answer(403, {"error": "another team"}),
    "400": lambda *_: answer(400, {"error": "bad", "details": "somewhere"}),
    "413": lambda *_: answer(413, raw=b"<h1>413 Request Entity Too Large</h1>"),
    "429": lambda *_: answer(429, headers=["Retry-After: 3"]),
    "503 until a date": lambda *_: answer(503, headers=["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"]),
    "500": lambda *_: answer(500, raw=b"Traceback (most recent call last)"),
    "redirects": lambda *_: answer(307, headers=["Location: http://127.0.0.1:9/api/v1/events/batch/"]),
    "a long answer": lambda *_: answer(200, raw=b" " * (MAX_ANSWER_BYTES + 1)),
    "a deep answer": lambda *_: answer(200, raw=b"[" * 100_000),
    "204": lambda *_: answer(204),
}


def one_run(seed: int, home: Path) -> None:
    mood = Mood(seed)
    with TeamServer(script=mood) as server, account_at(server, home) as account:
        events = emit(home, mood.moods.randint(1, 40))
        mood.poison = set(mood.moods.sample(sorted(events), k=mood.moods.choice([0, 0, min(2, len(events))])))
        for _ in range(mood.moods.randint(1, 6)):
            try:
                send(account, home)
            except CatflapError as error:
                pytest.fail(f"seed {seed}: {error}")
            look(seed, mood, server, home, events)
        server.script = lambda _server, _request: None
        server.access = "access-of-later"  # whatever was made of the session: it can be renewed, or a person logs in
        if not send(account, home).is_logged_in:
            account.session = auth.log_in(home, account.server, "ada", PASSWORD)
            send(account, home)
        look(seed, mood, server, home, events)
        assert all(refused >= MAX_RETRIES for refused in queued_ids(home).values()), f"seed {seed}"
        assert server.altered == [], f"seed {seed}: the same id with another body"


def look(seed: int, mood: Mood, server: TeamServer, home: Path, events: dict[str, dict[str, Any]]) -> None:
    """Every event was accepted, once, or is in the queue; and nobody was refused more often than the server said."""
    left = queued_ids(home)
    assert server.accepted.keys() | left.keys() == events.keys(), f"seed {seed}: some are missing"
    for event_id, event in server.accepted.items():
        assert event == {**events[event_id], "team_slug": "alpha"}, f"seed {seed}"
    told = mood.refused if not {"400", "413", "403"} & set(mood.kinds) else None
    if told is not None:
        for event_id, refused in left.items():
            assert refused <= told[event_id], f"seed {seed}: being offline counts as a refusal"


@pytest.mark.parametrize("part", range(PARTS))
def test_every_event_is_accepted_once_or_still_queued(tmp_path: Path, part: int) -> None:
    for seed in range(part, RUNS, PARTS):
        one_run(seed, tmp_path / f"home{seed}")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_wrong_alone_loses_nothing_and_ends(tmp_path: Path, kind: str) -> None:
    mood = Mood(1)
    mood.badness, mood.kinds = 1.0, [kind]
    with TeamServer(script=mood) as server, account_at(server, tmp_path) as account:
        events = emit(tmp_path, 5)
        send(account, tmp_path)
        look(1, mood, server, tmp_path, events)
        server.script = lambda _server, _request: None
        send(account, tmp_path)
        assert server.accepted.keys() == events.keys()


@pytest.mark.parametrize("kind", ["hangs", "half an answer, then nothing", "one byte at a time", "a long answer"])
def test_no_answer_takes_longer_than_it_may(tmp_path: Path, kind: str) -> None:
    """A byte now and then keeps no request alive: the whole has a deadline, header and body."""
    mood = Mood(1)
    mood.badness, mood.kinds = 1.0, [kind]
    with TeamServer(script=mood) as server, account_at(server, tmp_path) as account:
        emit(tmp_path, 1)
        outcome = send(account, tmp_path, tries=1)
        assert outcome.counts.left in (0, 1)
        assert len(server.requests) <= 3


@pytest.mark.parametrize("part", ["header", "body"])
def test_a_drip_of_bytes_ends_with_the_deadline(tmp_path: Path, part: str) -> None:
    """Each byte comes in time for the next to be waited for: only a deadline of the whole can end it."""

    def drip(_server: TeamServer, _request: Request) -> Trick:
        head = b"HTTP/1.1 200 OK\r\nX: " if part == "header" else b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"
        return Trick("close", head + b"x" * 999, piece=1, pause_s=0.01)

    with TeamServer(script=drip) as server, account_at(server, tmp_path) as account:
        emit(tmp_path, 1)
        outcome = send(account, tmp_path, tries=0)
        assert server.played == 0
    assert (outcome.counts.left, outcome.counts.accepted, outcome.is_logged_in) == (1, 0, True)
    assert outcome.why


def test_a_refused_renewal_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    with TeamServer(script=lambda *_: answer(401)) as server, account_at(server, tmp_path) as account:
        emit(tmp_path, 3)
        outcome = send(account, tmp_path)
        assert (outcome.is_logged_in, outcome.counts.left) == (False, 3)
        assert server.paths()[-2:] == [BATCH, REFRESH]
        with pytest.raises(NotLoggedIn, match="catflap auth login"):
            account.renew()
    assert set(queued_ids(tmp_path).values()) == {0}


def test_only_an_answer_about_an_event_counts_against_it(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = TeamServer()
        server.__enter__()
        account = stack.enter_context(account_at(server, tmp_path))
        server.__exit__(None, None, None)  # nobody listens any more
        events = emit(tmp_path, 3)
        for _ in range(MAX_RETRIES + 2):
            outcome = send(account, tmp_path, tries=0)
    assert (outcome.is_away, outcome.counts.left, outcome.counts.sent) == (True, 3, 0)
    assert queued_ids(tmp_path) == dict.fromkeys(events, 0)


def test_an_event_refused_five_times_is_parked_and_not_sent_again(tmp_path: Path) -> None:
    def refuse_second(server: TeamServer, request: Request) -> bytes | None:
        if request.path != BATCH:
            return None
        results = []
        for event in request.events:
            if event["event_id"] == bad:
                results.append({"event_id": bad, "status": "error", "error_message": "no such lane"})
            else:
                results += server.take([event])
        return answer(200, {"results": results})

    with TeamServer() as server, account_at(server, tmp_path) as account:
        events = emit(tmp_path, 3)
        bad = sorted(events)[1]
        server.script = refuse_second
        outcomes = [send(account, tmp_path) for _ in range(MAX_RETRIES)]
        assert [one.counts.refused for one in outcomes] == [1] * MAX_RETRIES
        assert [one.counts.parked for one in outcomes] == [0] * (MAX_RETRIES - 1) + [1]
        assert outcomes[0].refusals == {bad: "no such lane"}
        requests = len(server.requests)
        assert send(account, tmp_path).counts.sent == 0
        assert server.paths()[requests:] == ["/api/v1/sync/health/"]
    assert queued_ids(tmp_path) == {bad: MAX_RETRIES}
    home = {"SPEC_KITTY_HOME": str(tmp_path)}
    assert f"refused: {bad}: no such lane" in catflap("queue", "list", env=home).stdout.splitlines()
    shown = json.loads(catflap("queue", "list", "--json", env=home).stdout)
    assert shown.pop("refused") == {"times": MAX_RETRIES, "why": "no such lane", "parked": True}
    assert shown == json.loads(catflap("queue", "export", env=home).stdout) == events[bad]


def test_a_clock_that_a_refusal_names_is_followed(tmp_path: Path) -> None:
    def behind(_server: TeamServer, request: Request) -> bytes:
        words = "lamport_clock 1 is behind 4711"
        return answer(
            200,
            {
                "results": [
                    {"event_id": e["event_id"], "status": "error", "error_message": words} for e in request.events
                ]
            },
        )

    with TeamServer(script=behind) as server, account_at(server, tmp_path) as account:
        emit(tmp_path, 1)
        send(account, tmp_path)
        assert LamportClock.load(tmp_path / "clock.json").value == 4712
        ((_, later),) = emit(tmp_path, 1).items()
        assert later["lamport_clock"] == 4713


def test_a_clock_beyond_all_reason_is_not_followed(tmp_path: Path) -> None:
    def far(_server: TeamServer, request: Request) -> bytes:
        result = {"event_id": request.events[0]["event_id"], "status": "error", "clock": 2**52}
        return answer(200, {"results": [result]})

    with TeamServer(script=far) as server, account_at(server, tmp_path) as account:
        emit(tmp_path, 1)
        assert send(account, tmp_path).counts.refused == 1
        assert LamportClock.load(tmp_path / "clock.json").value == 1


def test_a_token_that_a_server_repeats_is_not_repeated_by_us(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def parrot(server: TeamServer, request: Request) -> bytes:
        words = f"no: {request.headers['authorization']} {server.refresh}"
        if len(request.events) > 1:
            return answer(400, {"error": words})
        result = {"event_id": request.events[0]["event_id"], "status": "error", "error_message": words}
        return answer(200, {"results": [result]})

    caplog.set_level(0)
    with TeamServer(script=parrot) as server, account_at(server, tmp_path) as account:
        server.access = server.refresh = "x" * 40
        account.session = replace(account.session, access="x" * 40, refresh="x" * 40)
        emit(tmp_path, 2)
        outcome = send(account, tmp_path)
    assert outcome.refusals
    for text in (repr(outcome), caplog.text, (tmp_path / "sync.json").read_text(), repr(account.session)):
        assert "x" * 40 not in text
        assert PASSWORD not in text
