"""What a server's answer means: tables of answers and verdicts, and that nothing is believed that was not said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.sync.answers import LONGEST_WAIT_S, WAIT_S, Answer, Next, clock_of, read_batch, read_retry_after

NOW_S = 1_770_120_000.0  # 2026-02-03T12:00:00Z
IDS = ("A", "B", "C")


def results(*rows: Any) -> Answer:
    return Answer(200, json.dumps({"results": list(rows)}).encode())


def row(event_id: str, status: Any = "success", **fields: Any) -> dict[str, Any]:
    return {"event_id": event_id, "status": status, **fields}


def verdict(answer: Answer, sent: tuple[str, ...] = IDS) -> Any:
    return read_batch(sent, answer, now_s=NOW_S)


def test_each_event_gets_what_was_said_of_it() -> None:
    found = verdict(results(row("A"), row("B", "duplicate"), row("C", "error", error_message="too old")))
    assert (found.next, found.accepted, found.duplicates) == (Next.GO_ON, ("A",), ("B",))
    assert (found.refused, found.unanswered, found.strangers) == ({"C": "too old"}, (), 0)


@pytest.mark.parametrize(
    "rows",
    [
        [row("A")],
        [row("A"), row("B", "ok"), row("C", None)],
        [row("A"), {"status": "success"}, {"event_id": 3, "status": "success"}, "C", None],
        [row("A"), row("B"), row("B", "error"), row("C", "duplicate"), row("C")],
    ],
    ids=["missing", "no status that we know", "no id", "contradictions"],
)
def test_an_event_that_is_not_clearly_answered_counts_as_not_sent(rows: list[Any]) -> None:
    found = verdict(results(*rows))
    assert (found.accepted, found.duplicates, found.refused, found.unanswered) == (("A",), (), {}, ("B", "C"))


def test_results_for_events_that_were_never_sent_are_counted_and_nothing_else() -> None:
    found = verdict(results(row("A"), row("Z"), row("a", "error")), ("A",))
    assert (found.accepted, found.refused, found.strangers) == (("A",), {}, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>all is well</html>",
        b"[]",
        b"{}",
        b'{"results": 3}',
        b'{"results": []}',
        b'{"results": [{"event_id": "Z", "status": "success"}]}',
        b'{"results": [{"event_id": "A", "stat',
        b"[" * 200_000,
        b"\xff\xfe",
        None,
    ],
)
def test_a_200_without_results_of_ours_confirms_nothing_and_is_tried_again(body: bytes | None) -> None:
    found = verdict(Answer(200, body))
    assert (found.next, found.settled, found.unanswered) == (Next.RETRY, 0, IDS)
    assert found.why


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (401, Next.REFRESH),
        (400, Next.HALVE),
        (403, Next.HALVE),
        (413, Next.HALVE),
        (422, Next.HALVE),
        (429, Next.WAIT),
        (503, Next.WAIT),
        (500, Next.RETRY),
        (502, Next.RETRY),
        (504, Next.RETRY),
        (408, Next.RETRY),
        (201, Next.RETRY),
        (204, Next.RETRY),
        (301, Next.STOP),
        (307, Next.STOP),
        (404, Next.STOP),
        (405, Next.STOP),
        (410, Next.STOP),
    ],
)
def test_what_follows_from_a_status(status: int, what: Next) -> None:
    found = verdict(Answer(status, b'{"error": "no", "details": "because"}'))
    assert (found.next, found.settled, found.unanswered) == (what, 0, IDS)
    assert found.why
    assert found.is_too_large is (status == 413)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_refused_for_one_event_is_about_that_event(status: int) -> None:
    found = verdict(Answer(status, b'{"error": "no", "details": "because"}'), ("A",))
    assert (found.next, found.refused) == (Next.GO_ON, {"A": f"the server answers {status}: no: because"})


def test_a_403_for_one_event_may_be_about_the_session() -> None:
    found = verdict(Answer(403, b"{}"), ("A",))
    assert (found.next, found.refused, found.suspect) == (Next.GO_ON, {}, "A")


def test_a_400_that_names_events_refuses_those_and_the_others_are_sent_again() -> None:
    found = verdict(Answer(400, b'{"error": "bad", "details": {"BBB": "lane"}}'), ("AAA", "BBB", "CCC"))
    assert (found.next, list(found.refused), found.unanswered) == (Next.GO_ON, ["BBB"], ("AAA", "CCC"))


def test_a_400_that_repeats_all_of_them_names_none() -> None:
    found = verdict(Answer(400, b'{"error": "bad", "details": "AAA BBB"}'), ("AAA", "BBB"))
    assert (found.next, found.refused) == (Next.HALVE, {})


@pytest.mark.parametrize(
    ("text", "date", "wait_s"),
    [
        ("7", "", 7.0),
        (" 7 ", "", 7.0),
        ("0", "", 1.0),
        ("999999999999", "", LONGEST_WAIT_S),
        ("", "", WAIT_S),
        ("soon", "", WAIT_S),
        ("-5", "", WAIT_S),
        ("1e3", "", WAIT_S),
        ("Tue, 03 Feb 2026 12:01:30 GMT", "", 90.0),
        ("Tue, 03 Feb 2026 11:00:00 GMT", "", 1.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "", LONGEST_WAIT_S),
        ("Tue, 03 Feb 2026 20:00:30 GMT", "Tue, 03 Feb 2026 20:00:00 GMT", 30.0),
        ("Tue, 03 Feb 2026 12:01:30 GMT", "no date", 90.0),
        ("Tue, 99 Feb 2026 12:01:30 GMT", "", WAIT_S),
    ],
)
def test_the_wait_that_a_server_asks_for(text: str, date: str, wait_s: float) -> None:
    answer = Answer(429, retry_after=text, date=date)
    assert read_retry_after(answer, now_s=NOW_S) == wait_s
    assert verdict(answer).wait_s == wait_s


def test_a_redirect_is_said_and_never_followed() -> None:
    found = verdict(Answer(302, location="https://elsewhere.example/\x1b[2J"))
    assert found.next is Next.STOP
    assert "https://elsewhere.example/" in found.why
    assert "\x1b" not in found.why


def test_a_servers_words_steer_no_terminal_and_fill_no_screen() -> None:
    found = verdict(results(row("A", "error", error_message="\x1b[31mred" + "x" * 5000)), ("A",))
    assert "\x1b" not in found.refused["A"]
    assert len(found.refused["A"]) <= 300


@pytest.mark.parametrize(
    ("result", "clock"),
    [
        ({"error_message": "lamport_clock 3 is behind the server's 42"}, 42),
        ({"error_message": "no such lane", "server_clock": 99}, 99),
        ({"error_message": "at 2026 it was late"}, 0),
        ({"error_message": "clock"}, 0),
        ({"lamport_clock": "42"}, 0),
        ({"lamport_clock": True}, 0),
        ({}, 0),
    ],
)
def test_the_clock_that_a_refusal_names(result: dict[str, Any], clock: int) -> None:
    assert clock_of(result) == clock
    assert verdict(results(row("A", "error", **result)), ("A",)).clock == clock


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["A", "B", "success", "error"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["results", "event_id", "status", "error_message", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(status=st.integers(100, 599), value=json_values)
def test_every_event_is_in_exactly_one_place_whatever_comes_back(status: int, value: Any) -> None:
    found = verdict(Answer(status, json.dumps(value).encode()))
    places = [*found.accepted, *found.duplicates, *found.refused, *found.unanswered]
    assert sorted(places) == sorted(IDS)
    if status != 200:
        assert not found.accepted
        assert not found.duplicates


@given(body=st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_confirmation(body: bytes) -> None:
    assert not verdict(Answer(200, body)).accepted
