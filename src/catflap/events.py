"""What an event is and when it is valid: the data model's envelope and the rules of the eight payloads. Pure.

`event.schema.json` says the same in JSON Schema for everybody else; a test holds the two together. The payloads as
classes are in payloads.py, which a hook does not need.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catflap.errors import InvalidEvent

STATUSES = ("planned", "doing", "for_review", "done")
PHASES = ("implementation", "review")
ENTRY_TYPES = ("note", "review", "error", "comment")
ERROR_TYPES = ("validation", "runtime", "network", "auth", "unknown")
RESOLUTION_TYPES = ("completed", "skipped", "merged")
AGGREGATE_TYPES = ("WorkPackage", "Feature")

ULID = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$(?!\n)"
WP_ID = r"^WP[0-9]{2,}$(?!\n)"
# RFC 3339, section 5.6, with the days that each month has; the zone may do without its colon or minutes (ISO 8601).
TIMESTAMP = (
    r"^(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)$(?!\n)"
)

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The letters of a ULID, five bits each."""
_is_ulid = re.compile(ULID).search
_is_wp_id = re.compile(WP_ID).search
_is_timestamp = re.compile(TIMESTAMP).search

Check = Callable[[Any], str | None]
"""What a value must be, when it is not; None when it is."""


@dataclass(frozen=True, slots=True)
class Event:
    """A valid event: the data model's ten fields, and what the envelope may carry besides.

    Raises: InvalidEvent when any field, or the payload, breaks a rule; its ``where`` is the field.
    """

    event_id: str
    event_type: str
    aggregate_id: str
    aggregate_type: str
    payload: dict[str, Any]
    node_id: str
    lamport_clock: int
    causation_id: str | None
    timestamp: str
    team_slug: str
    project_slug: str | None = None
    git_branch: str | None = None
    head_commit_sha: str | None = None

    def __post_init__(self) -> None:
        validate(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The event as it is queued and sent; what the envelope need not carry is left out when unknown."""
        found = {
            "event_id": self.event_id,
            "event_type": self.event_type,
            "aggregate_id": self.aggregate_id,
            "aggregate_type": self.aggregate_type,
            "payload": self.payload,
            "node_id": self.node_id,
            "lamport_clock": self.lamport_clock,
            "causation_id": self.causation_id,
            "timestamp": self.timestamp,
            "team_slug": self.team_slug,
        }
        for name in _MAY_BE_MISSING:
            if (value := getattr(self, name)) is not None:
                found[name] = value
        return found

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Event:
        """The event that ``fields`` are; names that we do not know are left out. Raises: InvalidEvent."""
        validate(fields)
        known = {name: fields[name] for name in cls.__slots__ if name in fields}
        return cls(**{**known, "lamport_clock": int(fields["lamport_clock"])})


def validate(event: Any) -> None:
    """Nothing, when ``event`` is a mapping that is a valid event; names that we do not know are let pass.

    Raises: InvalidEvent that names the field, the rule, and what to do.
    """
    if not isinstance(event, Mapping):
        raise _invalid("event", f"it is {_shown(event)}, not an object with the fields of an event")
    _validate_fields(event, _ENVELOPE, "")
    validate_payload(event["event_type"], event["payload"])


def validate_payload(event_type: Any, payload: Any) -> None:
    """Nothing, when ``payload`` is one of an event of this type. Raises: InvalidEvent, ``where`` with ``payload.``."""
    rules = PAYLOAD_RULES.get(event_type) if isinstance(event_type, str) else None
    if rules is None:
        raise _invalid("event_type", f"it is {_shown(event_type)}, but must be {_names(PAYLOAD_RULES)}")
    if not isinstance(payload, Mapping):
        raise _invalid("payload", f"it is {_shown(payload)}, but must be an object")
    _validate_fields(payload, rules, "payload.")


def is_timestamp(text: str) -> bool:
    """Whether ``text`` is an instant of ISO 8601 with date, time and zone, such as ``2026-02-03T12:00:00Z``."""
    return _is_timestamp(text) is not None


def encode_ulid(time_ms: int, randomness: int) -> str:
    """The ULID of a time (epoch milliseconds) and 80 bits of randomness, both as its specification orders them.

    python-ulid makes the same text, but takes 40 ms to import: more than all else that a hook does.
    """
    if not (0 <= time_ms < 1 << 48 and 0 <= randomness < 1 << 80):
        raise ValueError(f"no ULID has the time {time_ms} and the randomness {randomness}")
    value = time_ms << 80 | randomness
    return "".join(CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "a string that is not empty"


def _count(value: Any) -> str | None:
    # 3.0 is an integer in JSON, where numbers have one kind (RFC 8259, section 6).
    is_whole = type(value) is int or (type(value) is float and value.is_integer())
    return None if is_whole and value >= 0 else "an integer, 0 or more"


def _matching(found: Callable[[str], Any], what: str) -> Check:
    return lambda value: None if isinstance(value, str) and found(value) else what


def _one_of(*allowed: str) -> Check:
    return lambda value: None if isinstance(value, str) and value in allowed else _names(allowed)


def _or_null(check: Check) -> Check:
    def checked(value: Any) -> str | None:
        what = None if value is None else check(value)
        return f"{what}, or null" if what else None

    _NULLABLE.add(checked)
    return checked


def _wp_ids(value: Any) -> str | None:
    is_list = isinstance(value, list) and all(_wp_id(one) is None for one in value)
    return None if is_list else 'a list of ids like "WP01"'


def _names(names: Any) -> str:
    return "one of " + ", ".join(names)


_NULLABLE: set[Check] = set()
_wp_id = _matching(_is_wp_id, 'an id like "WP01": WP and two or more digits')
_ulid = _matching(_is_ulid, "a ULID: 26 characters of Crockford's base32, the first at most 7")
_instant = _matching(_is_timestamp, 'an ISO 8601 time with zone, such as "2026-02-03T12:00:00Z"')

PAYLOAD_RULES: Mapping[str, Mapping[str, Check]] = {
    "WPStatusChanged": {
        "wp_id": _wp_id,
        "previous_status": _one_of(*STATUSES),
        "new_status": _one_of(*STATUSES),
        "changed_by": _text,
        "feature_slug": _or_null(_text),
    },
    "WPCreated": {"wp_id": _wp_id, "title": _text, "dependencies": _wp_ids, "feature_slug": _text},
    "WPAssigned": {
        "wp_id": _wp_id,
        "agent_id": _text,
        "phase": _one_of(*PHASES),
        "retry_count": _count,
        "feature_slug": _or_null(_text),
    },
    "FeatureCreated": {
        "feature_slug": _text,
        "feature_number": _text,
        "target_branch": _text,
        "wp_count": _count,
        "created_at": _instant,
    },
    "FeatureCompleted": {
        "feature_slug": _text,
        "completed_at": _instant,
        "total_wps": _count,
        "total_duration": _or_null(_text),
    },
    "HistoryAdded": {
        "wp_id": _wp_id,
        "entry_type": _one_of(*ENTRY_TYPES),
        "entry_content": _text,
        "author": _text,
        "feature_slug": _or_null(_text),
    },
    "ErrorLogged": {
        "wp_id": _or_null(_wp_id),
        "error_type": _one_of(*ERROR_TYPES),
        "error_message": _text,
        "stack_trace": _or_null(_text),
        "agent_id": _or_null(_text),
        "feature_slug": _or_null(_text),
    },
    "DependencyResolved": {
        "wp_id": _wp_id,
        "dependency_wp_id": _wp_id,
        "resolution_type": _one_of(*RESOLUTION_TYPES),
        "feature_slug": _or_null(_text),
    },
}
"""What each field of each payload must be; one that may be null may be missing."""

_ENVELOPE: Mapping[str, Check] = {
    "event_id": _ulid,
    "event_type": _one_of(*PAYLOAD_RULES),
    "aggregate_id": _text,
    "aggregate_type": _one_of(*AGGREGATE_TYPES),
    "payload": lambda value: None if isinstance(value, Mapping) else "an object",
    "node_id": _text,
    "lamport_clock": _count,
    "causation_id": _or_null(_ulid),
    "timestamp": _instant,
    "team_slug": _text,
    "project_slug": _or_null(_text),
    "git_branch": _or_null(_text),
    "head_commit_sha": _or_null(_text),
}
_MAY_BE_MISSING = ("project_slug", "git_branch", "head_commit_sha")
_MISSING = object()


def _validate_fields(fields: Mapping[str, Any], rules: Mapping[str, Check], prefix: str) -> None:
    for name, check in rules.items():
        value = fields.get(name, _MISSING)
        if value is _MISSING:
            if check in _NULLABLE and name != "causation_id":
                continue
            raise _invalid(prefix + name, "it is missing")
        if (what := check(value)) is not None:
            raise _invalid(prefix + name, f"it is {_shown(value)}, but must be {what}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _invalid(field: str, why: str) -> InvalidEvent:
    return InvalidEvent("make the event", where=field, why=why, hint="see `catflap schema`")
