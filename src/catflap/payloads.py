"""The eight payloads of the data model as classes. Pure; the rules of their fields are in events.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from catflap.errors import InvalidEvent
from catflap.events import PAYLOAD_RULES, Event, validate_payload


@dataclass(frozen=True)
class Payload:
    """What every payload has: the type of its event, and its rules, which no instance breaks.

    Raises: InvalidEvent at the making of one that does; its ``where`` is the field.
    """

    event_type: ClassVar[str]

    def __post_init__(self) -> None:
        validate_payload(self.event_type, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class WPStatusChangedPayload(Payload):
    event_type: ClassVar[str] = "WPStatusChanged"
    wp_id: str
    previous_status: str
    new_status: str
    changed_by: str
    feature_slug: str | None = None


@dataclass(frozen=True)
class WPCreatedPayload(Payload):
    event_type: ClassVar[str] = "WPCreated"
    wp_id: str
    title: str
    dependencies: list[str]
    feature_slug: str


@dataclass(frozen=True)
class WPAssignedPayload(Payload):
    event_type: ClassVar[str] = "WPAssigned"
    wp_id: str
    agent_id: str
    phase: str
    retry_count: int
    feature_slug: str | None = None


@dataclass(frozen=True)
class FeatureCreatedPayload(Payload):
    event_type: ClassVar[str] = "FeatureCreated"
    feature_slug: str
    feature_number: str
    target_branch: str
    wp_count: int
    created_at: str


@dataclass(frozen=True)
class FeatureCompletedPayload(Payload):
    event_type: ClassVar[str] = "FeatureCompleted"
    feature_slug: str
    completed_at: str
    total_wps: int
    total_duration: str | None = None


@dataclass(frozen=True)
class HistoryAddedPayload(Payload):
    event_type: ClassVar[str] = "HistoryAdded"
    wp_id: str
    entry_type: str
    entry_content: str
    author: str
    feature_slug: str | None = None


@dataclass(frozen=True)
class ErrorLoggedPayload(Payload):
    event_type: ClassVar[str] = "ErrorLogged"
    wp_id: str | None
    error_type: str
    error_message: str
    stack_trace: str | None = None
    agent_id: str | None = None
    feature_slug: str | None = None


@dataclass(frozen=True)
class DependencyResolvedPayload(Payload):
    event_type: ClassVar[str] = "DependencyResolved"
    wp_id: str
    dependency_wp_id: str
    resolution_type: str
    feature_slug: str | None = None


PAYLOADS: Mapping[str, type[Payload]] = {
    kind.event_type: kind
    for kind in (
        WPStatusChangedPayload,
        WPCreatedPayload,
        WPAssignedPayload,
        FeatureCreatedPayload,
        FeatureCompletedPayload,
        HistoryAddedPayload,
        ErrorLoggedPayload,
        DependencyResolvedPayload,
    )
}


def payload_of(event: Event) -> Payload:
    """The event's payload as its class; fields that we do not know are left out."""
    known = {name: event.payload[name] for name in PAYLOAD_RULES[event.event_type] if name in event.payload}
    return PAYLOADS[event.event_type](**known)


def build(event_type: str, fields: Mapping[str, Any]) -> Payload:
    """The payload with these fields.

    Raises: InvalidEvent when the type is none of the eight, a field is missing, unknown, or breaks its rule.
    """
    validate_payload(event_type, fields)
    unknown = sorted(set(fields) - set(PAYLOAD_RULES[event_type]))
    if unknown:
        raise InvalidEvent(
            "make the event",
            where=f"payload.{unknown[0]}",
            why=f"a {event_type} has no such field",
            hint="see `catflap schema`",
        )
    return PAYLOADS[event_type](**fields)
