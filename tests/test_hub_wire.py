"""What the hub takes for a batch, and for an event: everything else is refused with words, and costs little."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.clock import MAX_REMOTE
from catflap.hub.limits import MAX_EVENT_CHARS, MAX_EVENTS
from catflap.hub.refusal import Refused
from catflap.hub.wire import Bad, Good, inflate, is_same, judged, read_batch, read_object
from tests.hubs import event

LIMIT = 1_000_000


def refused(body: bytes) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        read_batch(body)
    return caught.value.status, caught.value.why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "there is no '{' at character 0"),
        (b"[]", "there is no '{' at character 0"),
        (b"{}", 'it has no list "events"'),
        (b'{"events": {}}', 'it has no list "events"'),
        (b'{"events": "x"}', 'it has no list "events"'),
        (b'{"events": [1,]}', "Expecting value"),
        (b'{"events": [1 2]}', "there is no ',' and no ']' at character 13"),
        (b'{"events": [', "Expecting value"),
        (b'{"events": [],}', "Expecting value"),
        (b'{"events": []', "there is no ',' at character 13"),
        (b'{"events": []} x', "there is more after its end"),
        (b'{"events": [], "events": []}', "the key 'events' is there twice"),
        (b"{1: []}", "the key 1 is there twice, or is no string"),
        (b'{"events" []}', "there is no ':'"),
        (b'{"events": [{"a": 1, "a": 1}]}', "an object has the same key twice"),
        (b'{"events": [NaN]}', "NaN is no number in JSON"),
        (b'{"events": [-Infinity]}', "-Infinity is no number in JSON"),
        (b'{"events": ["\xff"]}', "it is not UTF-8: invalid start byte at byte 13"),
        (b'{"events": ["\xed\xa0\x80"]}', "it is not UTF-8"),
        (b'\xef\xbb\xbf{"events": []}', "there is no '{' at character 0"),
        (b'{"events": [' + b"1" * 5000 + b"]}", "Exceeds the limit"),
        (b'{"events": ' + b"[" * 100_000, "its JSON is nested too deeply"),
        (b'{"x": ' + b'{"a":' * 100_000, "its JSON is nested too deeply"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_with_words(body: bytes, why: str) -> None:
    status, said = refused(body)
    assert (status, said[: len(why)]) == (400, why)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":, eventsNa1\\u', max_size=60).map(str.encode))
def test_any_bytes_are_a_batch_or_are_refused(body: bytes) -> None:
    with suppress(Refused):
        events = read_batch(body)
        assert [json.loads(text) for _, text in events] == json.loads(body)["events"]


@given(
    st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4)), st.sampled_from([None, 1])
)
def test_each_event_keeps_its_own_text(values: list[Any], indent: int | None) -> None:
    body = json.dumps({"before": values, "events": values, "after": {}}, indent=indent)
    found = read_batch(body.encode())
    assert [value for value, _ in found] == values
    assert [json.loads(text) for _, text in found] == values


def test_1000_events_are_a_batch_and_1001_are_too_many() -> None:
    assert len(read_batch(json.dumps({"events": [1] * MAX_EVENTS}).encode())) == MAX_EVENTS
    status, why = refused(json.dumps({"events": [1] * (MAX_EVENTS + 1)}).encode())
    assert (status, why) == (413, "it has more than 1,000 events")


# -- gzip


def not_inflated(body: bytes) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        inflate(body, limit_bytes=LIMIT)
    return caught.value.status, caught.value.why


def test_a_body_up_to_the_limit_is_unpacked() -> None:
    assert inflate(gzip.compress(b"x" * LIMIT), limit_bytes=LIMIT) == b"x" * LIMIT


def test_a_gzip_bomb_is_not_unpacked_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, bits: int) -> None:
            self._stream = real(bits)

        def decompress(self, body: bytes, most: int) -> bytes:
            found = self._stream.decompress(body, most)
            unpacked.append(len(found))
            return found

        @property
        def eof(self) -> bool:
            return self._stream.eof

    monkeypatch.setattr("catflap.hub.wire.zlib.decompressobj", Counting)
    bomb = gzip.compress(bytes(100 * LIMIT))
    assert not_inflated(bomb) == (413, "it unpacks to more than 1,000,000 bytes")
    assert unpacked == [LIMIT + 1]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{}", "it is no gzip"),
        (b"", "its gzip ends too early"),
        (gzip.compress(b"{}", mtime=0)[:-1], "its gzip ends too early"),
        (gzip.compress(b"{}", mtime=0) + b"x", "there is more behind its gzip"),
        (gzip.compress(b"{}", mtime=0) * 2, "there is more behind its gzip"),
        (zlib.compress(b"{}"), "it is no gzip"),
        (gzip.compress(b"{}", mtime=0)[:-8] + bytes(8), "it is no gzip"),
    ],
)
def test_a_broken_gzip_is_refused_with_words(body: bytes, why: str) -> None:
    status, said = not_inflated(body)
    assert (status, said[: len(why)]) == (400, why)


# -- one event


def judge(value: Any, team: str = "engines") -> Good | Bad:
    return judged(value, json.dumps(value), team=team)


def test_a_good_event_keeps_its_text() -> None:
    value = event(1, team_slug="engines")
    text = json.dumps(value, indent=3)
    assert judged(value, text, team="engines") == Good(value["event_id"], value, text)


def test_an_event_made_before_the_login_counts_for_the_team() -> None:
    found = judge(event(1, team_slug="local"))
    assert isinstance(found, Good)
    assert found.event["team_slug"] == json.loads(found.text)["team_slug"] == "engines"


@pytest.mark.parametrize("rest", [{}, {"payload": None, "event_id": "broken"}])
def test_another_teams_event_is_refused_even_when_it_is_broken(rest: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        judge(event(1, team_slug="weavers", **rest))
    assert caught.value.status == 403
    assert str(caught.value).startswith("cannot do this for team 'weavers': the token is of team 'engines'")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "event_id", "why"),
    [
        (None, None, "cannot make the event event: it is None"),
        ([], None, "cannot make the event event: it is []"),
        ({}, None, "cannot make the event event_id: it is missing"),
        ({"event_id": "x" * 101}, None, "cannot make the event event_id: it is 'xxx"),
        (event(1, team_slug=""), event(1)["event_id"], "cannot make the event team_slug: it is ''"),
        (event(1, team_slug=7), event(1)["event_id"], "cannot make the event team_slug: it is 7"),
        (event(1, status="dong"), event(1)["event_id"], "cannot make the event payload.new_status: it is 'dong'"),
        (event(1, lamport_clock=MAX_REMOTE + 1), event(1)["event_id"], "its lamport_clock is above"),
        (event(1, lamport_clock=1e300), event(1)["event_id"], "its lamport_clock is above"),
        (event(1, feature="\ud800"), event(1)["event_id"], "its feature_slug holds half of a surrogate pair"),
        (event(1, project_slug="\udfff"), event(1)["event_id"], "its project_slug holds half of a surrogate pair"),
        (event(1, extra="x" * MAX_EVENT_CHARS), event(1)["event_id"], "the event is longer than 262,144 characters"),
        (event(1, extra=nested(70)), event(1)["event_id"], "the event is nested deeper than 64 levels"),
        (event(1, extra=float("inf")), event(1)["event_id"], "it holds a number that is too large"),
    ],
)
def test_a_bad_event_is_refused_alone_with_words(value: Any, event_id: str | None, why: str) -> None:
    found = judge(value)
    assert isinstance(found, Bad)
    assert (found.event_id, found.why[: len(why)]) == (event_id, why)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert isinstance(judge(event(1, extra=[[1]] * 500, words="{[" * 500)), Good)


def test_the_same_words_in_another_order_are_the_same() -> None:
    value = event(1)
    turned = json.dumps(dict(reversed(value.items())), indent=1)
    assert is_same(json.dumps(value), turned)
    assert not is_same(json.dumps(value), json.dumps({**value, "lamport_clock": 2}))
    assert not is_same(json.dumps({**value, "extra": True}), json.dumps({**value, "extra": 1}))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b'{"a":1}x', b'{"a":1,"a":1}', b"[" * 100_000, b"\xff", b'{"a":NaN}']
)
def test_a_request_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_object(body)
    assert caught.value.status == 400
