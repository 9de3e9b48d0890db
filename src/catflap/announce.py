"""Turns drafts into events: ids, clock, envelope, validation. Knows values only; the clock is ticked by the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from catflap.drafts import Draft
from catflap.errors import InvalidEvent
from catflap.events import Event, encode_ulid
from catflap.instants import iso


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every event of one observation shares. ``now_s`` is epoch seconds, ``entropy`` 10 random bytes."""

    node_id: str
    team_slug: str
    now_s: float
    entropy: bytes
    project_slug: str | None = None
    git_branch: str | None = None
    head_commit_sha: str | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """The events of one observation in telling order, each with its draft, and the drafts that no event could be."""

    events: list[Event]
    drafts: list[Draft]
    refused: list[tuple[Draft, InvalidEvent]]


def announce(drafts: Sequence[Draft], envelope: Envelope, tick: Callable[[int], range]) -> Announcement:
    """The valid events of ``drafts``. ``tick(n)`` gives n consecutive Lamport clock values; it is called once.

    Ids are ULIDs, strictly increasing in telling order.
    """
    events: list[Event] = []
    told: list[Draft] = []
    refused: list[tuple[Draft, InvalidEvent]] = []
    ids: dict[int, str] = {}
    # Half the room above a random start is left, so that counting up never runs over.
    randomness = int.from_bytes(envelope.entropy, "big") >> 1
    for draft in drafts:
        event_id = encode_ulid(int(envelope.now_s * 1000), randomness + len(events))
        try:
            cause = ids.get(id(draft.cause)) if isinstance(draft.cause, Draft) else draft.cause
            event = event_of(draft, envelope, event_id=event_id, causation_id=cause)
        except InvalidEvent as error:  # a fact that the data model has no words for: the others are told
            refused.append((draft, error))
            continue
        ids[id(draft)] = event.event_id
        events.append(event)
        told.append(draft)
    clocks = tick(len(events)) if events else range(0)
    stamped = [replace(event, lamport_clock=clock) for event, clock in zip(events, clocks, strict=True)]
    return Announcement(stamped, told, refused)


def event_of(
    draft: Draft, envelope: Envelope, *, event_id: str, causation_id: str | None, lamport_clock: int = 0
) -> Event:
    """The event that a draft becomes. Raises: InvalidEvent when the data model has no words for it."""
    return Event(
        event_id=event_id,
        event_type=draft.event_type,
        aggregate_id=draft.feature if draft.wp_id is None else draft.wp_id,
        aggregate_type="Feature" if draft.wp_id is None else "WorkPackage",
        payload=draft.payload,
        node_id=envelope.node_id,
        lamport_clock=lamport_clock,
        causation_id=causation_id,
        timestamp=iso(envelope.now_s),
        team_slug=envelope.team_slug,
        project_slug=envelope.project_slug,
        git_branch=envelope.git_branch,
        head_commit_sha=envelope.head_commit_sha,
    )
