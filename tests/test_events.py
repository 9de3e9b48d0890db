"""Events: every rule of the data model, by code and by JSON Schema alike."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ulid import ULID

import catflap.events
from catflap.errors import InvalidEvent
from catflap.events import PAYLOAD_RULES, Event, encode_ulid, is_timestamp, validate
from catflap.payloads import PAYLOADS, build, payload_of

SCHEMA = json.loads(Path(catflap.events.__file__).with_name("event.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
MISSING = object()

GOOD_PAYLOADS: dict[str, dict[str, Any]] = {
    "WPStatusChanged": {
        "wp_id": "WP01",
        "previous_status": "planned",
        "new_status": "doing",
        "changed_by": "claude",
        "feature_slug": "001-demo",
    },
    "WPCreated": {"wp_id": "WP02", "title": "Build it", "dependencies": ["WP01"], "feature_slug": "001-demo"},
    "WPAssigned": {
        "wp_id": "WP01",
        "agent_id": "codex",
        "phase": "review",
        "retry_count": 1,
        "feature_slug": "001-demo",
    },
    "FeatureCreated": {
        "feature_slug": "001-demo",
        "feature_number": "001",
        "target_branch": "main",
        "wp_count": 7,
        "created_at": "2026-02-03T12:00:00Z",
    },
    "FeatureCompleted": {
        "feature_slug": "001-demo",
        "completed_at": "2026-02-03T12:00:00+01:00",
        "total_wps": 7,
        "total_duration": "P3DT4H",
    },
    "HistoryAdded": {
        "wp_id": "WP01",
        "entry_type": "note",
        "entry_content": "half done",
        "author": "claude",
        "feature_slug": None,
    },
    "ErrorLogged": {
        "wp_id": None,
        "error_type": "runtime",
        "error_message": "it broke",
        "stack_trace": None,
        "agent_id": None,
        "feature_slug": None,
    },
    "DependencyResolved": {
        "wp_id": "WP02",
        "dependency_wp_id": "WP01",
        "resolution_type": "completed",
        "feature_slug": "001-demo",
    },
}


def good(event_type: str = "WPStatusChanged", **changes: Any) -> dict[str, Any]:
    event = {
        "event_id": "01JKM5W0000000000000000000",
        "event_type": event_type,
        "aggregate_id": "WP01",
        "aggregate_type": "WorkPackage",
        "payload": dict(GOOD_PAYLOADS[event_type]),
        "node_id": "0123456789ab",
        "lamport_clock": 0,
        "causation_id": None,
        "timestamp": "2026-02-03T12:00:00Z",
        "team_slug": "local",
    }
    return event | changes


def verdict(event: Any) -> bool:
    """Whether code and schema both take the event; they must agree."""
    try:
        validate(event)
        by_code = True
    except InvalidEvent:
        by_code = False
    assert VALIDATOR.is_valid(event) is by_code, (event, [error.message for error in VALIDATOR.iter_errors(event)])
    return by_code


def test_the_schema_is_one_of_draft_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_type_has_a_class_a_rule_and_a_schema_of_the_same_fields() -> None:
    assert list(PAYLOADS) == list(PAYLOAD_RULES) == SCHEMA["properties"]["event_type"]["enum"] == list(GOOD_PAYLOADS)
    for event_type, kind in PAYLOADS.items():
        names = [field.name for field in fields(kind)]
        assert names == list(PAYLOAD_RULES[event_type]) == list(SCHEMA["$defs"][event_type]["properties"])
    assert [field.name for field in fields(Event)] == list(SCHEMA["properties"])


@pytest.mark.parametrize("event_type", list(GOOD_PAYLOADS))
def test_a_good_event_is_taken_and_comes_back_as_it_went(event_type: str) -> None:
    event = good(event_type)
    assert verdict(event)
    made = Event.from_dict(event)
    assert made.to_dict() == event
    assert payload_of(made).to_dict() == GOOD_PAYLOADS[event_type]
    assert verdict(event | {"project_slug": "demo", "git_branch": "main", "head_commit_sha": "a" * 40, "new": 1})


BAD_TEXT = ["", None, 3, [], MISSING]
BAD_COUNT = [-1, 1.5, True, False, "1", None, MISSING]
BAD_ID = ["WP1", "wp01", "WP", "WP01 ", "WP01\n", "XWP01", "", 1, None, MISSING]
BAD_TIME = [
    "2026-02-03",
    "2026-02-03T12:00:00",
    "2026-02-03 12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2025-02-29T12:00:00Z",
    "1900-02-29T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-04-31T12:00:00Z",
    "2026-02-03T24:00:00Z",
    "2026-02-03T12:60:00Z",
    "2026-02-03T12:00:61Z",
    "2026-02-03T12:00:00+24:00",
    "2026-02-03T12:00:00Z\n",
    "0000-01-01T00:00:00Z",
    "yesterday",
    "",
    1,
    None,
    MISSING,
]
BAD_ULID = [
    "01JKM5W000000000000000000",
    "01JKM5W00000000000000000000",
    "81JKM5W0000000000000000000",
    "01JKM5W000000000000000000I",
    "01JKM5W000000000000000000U",
    "01jkm5w0000000000000000000",
    "01JKM5W0000000000000000000\n",
    "",
    7,
]
BAD_FIELDS: dict[str, list[Any]] = {
    "event_id": [*BAD_ULID, None, MISSING],
    "event_type": ["WPMoved", "", None, 3, ["WPCreated"], MISSING],
    "aggregate_id": BAD_TEXT,
    "aggregate_type": ["Work", None, MISSING],
    "payload": [None, [], "x", {}, MISSING],
    "node_id": BAD_TEXT,
    "lamport_clock": BAD_COUNT,
    "causation_id": [*BAD_ULID, MISSING],
    "timestamp": BAD_TIME,
    "team_slug": BAD_TEXT,
    "project_slug": ["", 3],
    "git_branch": ["", 3],
    "head_commit_sha": ["", 3],
}
BAD_PAYLOAD_FIELDS: dict[str, list[Any]] = {
    "wp_id": BAD_ID,
    "dependency_wp_id": BAD_ID,
    "dependencies": [["WP1"], "WP01", None, [1], ["WP01", None], MISSING],
    "previous_status": ["done ", "approved", None, 1, MISSING],
    "new_status": ["Doing", None, [], MISSING],
    "changed_by": BAD_TEXT,
    "title": BAD_TEXT,
    "agent_id": BAD_TEXT,
    "phase": ["planning", None, MISSING],
    "retry_count": BAD_COUNT,
    "wp_count": BAD_COUNT,
    "total_wps": BAD_COUNT,
    "feature_number": BAD_TEXT,
    "target_branch": BAD_TEXT,
    "created_at": BAD_TIME,
    "completed_at": BAD_TIME,
    "total_duration": ["", 3],
    "entry_type": ["remark", None, MISSING],
    "entry_content": BAD_TEXT,
    "author": BAD_TEXT,
    "error_type": ["oops", None, MISSING],
    "error_message": BAD_TEXT,
    "stack_trace": ["", 3],
    "resolution_type": ["done", None, MISSING],
    "feature_slug": ["", 3],
}
NULLABLE = {("ErrorLogged", "wp_id"), ("ErrorLogged", "agent_id")}


def changed(fields: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    rest = {key: old for key, old in fields.items() if key != name}
    return rest if value is MISSING else rest | {name: value}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, bad in BAD_FIELDS.items() for value in bad])
def test_a_bad_field_is_refused_by_name(name: str, value: Any) -> None:
    event = changed(good(), name, value)
    assert not verdict(event)
    with pytest.raises(InvalidEvent, match=f"cannot make the event {'payload' if value == {} else name}") as caught:
        validate(event)
    assert "; see `catflap schema`" in str(caught.value)


@pytest.mark.parametrize(
    ("event_type", "name", "value"),
    [
        (event_type, name, value)
        for event_type, rules in PAYLOAD_RULES.items()
        for name in rules
        for value in BAD_PAYLOAD_FIELDS[name]
        if not ((event_type, name) in NULLABLE and (value is None or value is MISSING))
    ],
)
def test_a_bad_payload_field_is_refused_by_name(event_type: str, name: str, value: Any) -> None:
    payload = changed(GOOD_PAYLOADS[event_type], name, value)
    assert not verdict(good(event_type, payload=payload))
    with pytest.raises(InvalidEvent) as caught:
        build(event_type, payload)
    assert caught.value.where == f"payload.{name}"
    if value is not MISSING:
        with pytest.raises(InvalidEvent):
            PAYLOADS[event_type](**payload)


def test_what_may_be_null_may_be_missing() -> None:
    for event_type, name in [*NULLABLE, ("WPStatusChanged", "feature_slug"), ("FeatureCompleted", "total_duration")]:
        for value in (None, MISSING):
            assert verdict(good(event_type, payload=changed(GOOD_PAYLOADS[event_type], name, value)))


def test_a_field_that_no_payload_has_is_refused_where_events_are_made() -> None:
    with pytest.raises(InvalidEvent, match=r"payload\.colour: a WPCreated has no such field"):
        build("WPCreated", GOOD_PAYLOADS["WPCreated"] | {"colour": "red"})
    with pytest.raises(InvalidEvent, match="event_type: it is 'WPMoved', but must be one of WPStatusChanged, "):
        build("WPMoved", {})


def test_an_event_object_cannot_be_invalid() -> None:
    with pytest.raises(InvalidEvent, match="cannot make the event lamport_clock: it is -1, but must be an integer"):
        Event(**good(lamport_clock=-1))
    with pytest.raises(InvalidEvent, match="it is 'x', not an object"):
        validate("x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NEARLY = "WP01 WP007 doing review 01JKM5W0000000000000000000 2028-02-29t12:00:60.5z 2000-02-29T0:0 é"
NEAR = st.sampled_from(
    [
        *NEARLY.split(),
        *("2026-02-03T12:00:00+0530", "2026-02-03T12:00:00-05", " "),
        *sorted({value for bad in BAD_FIELDS.values() for value in bad if isinstance(value, str)}),
    ]
)


@st.composite
def nearly_good(draw: st.DrawFn) -> dict[str, Any]:
    """An event with a few fields of envelope and payload replaced, removed or added."""
    event_type = draw(st.sampled_from(list(GOOD_PAYLOADS)))
    event = good(event_type)
    for target in (event, event["payload"]):
        for name in draw(st.lists(st.sampled_from([*target, "stranger"]), max_size=2, unique=True)):
            if draw(st.booleans()):
                target[name] = draw(JSON | NEAR)
            else:
                target.pop(name, None)
    return event


@settings(max_examples=600)
@given(nearly_good())
def test_schema_and_code_take_and_refuse_the_same(event: dict[str, Any]) -> None:
    verdict(event)


@given(JSON)
def test_whatever_else_is_no_event(value: Any) -> None:
    assert not verdict(value)


@given(st.datetimes(), st.sampled_from(["Z", "+00:00", "-11:30", "z"]))
def test_every_instant_with_a_zone_is_a_timestamp(when: Any, zone: str) -> None:
    assert is_timestamp(when.isoformat() + zone)
    assert not is_timestamp(when.isoformat())


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1))
def test_our_ulids_are_those_of_python_ulid(time_ms: int, randomness: int) -> None:
    expected = ULID.from_bytes(time_ms.to_bytes(6, "big") + randomness.to_bytes(10, "big"))
    assert encode_ulid(time_ms, randomness) == str(expected)
    assert verdict(good(event_id=str(expected), causation_id=str(expected)))


@pytest.mark.parametrize(("time_ms", "randomness"), [(-1, 0), (2**48, 0), (0, -1), (0, 2**80)])
def test_what_no_ulid_can_hold_is_refused(time_ms: int, randomness: int) -> None:
    with pytest.raises(ValueError, match="no ULID has the time"):
        encode_ulid(time_ms, randomness)
