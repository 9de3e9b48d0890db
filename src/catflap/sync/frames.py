"""What the frames of the socket mean, and what is said back (contract, The wire). Pure: text in, values out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catflap.sync.answers import clock_of, reason_of

MAX_FRAME_BYTES = 32 << 20
"""The longest frame that is read: a snapshot holds every card of a team."""
MAX_EVENT_BYTES = 256 << 10
"""The longest event that is sent over the socket; a longer one goes in a batch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The board as it is now; ``sequence`` is that of its last event, None where the server does not count.

    ``clock``: the highest Lamport clock of the team's events, 0 where the server does not say.
    """

    sequence: int | None
    cards: Sequence[Mapping[str, Any]] = ()
    clock: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """An event that somebody of the team, or we, sent; not validated yet."""

    event: Mapping[str, Any]
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Ping:
    """The server asks whether we are there; ``pong`` is the answer, ready to be sent."""

    pong: str


@dataclass(frozen=True, slots=True)
class Ack:
    """The server has an event of ours (``is_confirmed``), or refuses it, for a reason; ``clock`` as in a verdict."""

    event_id: str
    is_confirmed: bool
    why: str = ""
    clock: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame that says nothing to us."""

    why: str


Frame = Snapshot | Received | Ping | Ack | Unknown


def read_frame(text: str) -> Frame:
    """What a text frame means."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Unknown("it is no JSON")
    if not isinstance(value, dict):
        return Unknown("it is no object")
    sequence = _count(value.get("sequence"))
    match value.get("type"):
        case "snapshot":
            return Snapshot(sequence, _objects(value.get("work_packages")), _count(value.get("lamport_clock")) or 0)
        case "event" if isinstance(value.get("event"), dict):
            return Received(value["event"], sequence)
        case "ping":
            return Ping(json.dumps({"type": "pong", "timestamp": value.get("timestamp")}))
        case "ack" if isinstance(value.get("event_id"), str):
            return _ack(value)
        case kind:
            return Unknown(f"its type is {kind!r:.60}")


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _ack(value: Mapping[str, Any]) -> Frame:
    match value.get("status"):
        case "success" | "duplicate":
            return Ack(value["event_id"], is_confirmed=True)
        case "error":
            return Ack(value["event_id"], is_confirmed=False, why=reason_of(value), clock=clock_of(value))
        case status:
            return Unknown(f"it acknowledges with {status!r:.60}")
