"""Drafts become events: ids in telling order, one tick for all, causes by id, and what no event could be is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.announce import Announcement, Envelope, announce
from catflap.drafts import Draft
from catflap.events import Event

CAUSE = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
ENVELOPE = Envelope(
    node_id="a1b2c3d4e5f6",
    team_slug="local",
    now_s=1_770_120_000.75,
    entropy=bytes(range(10)),
    project_slug="demo",
    git_branch="main",
    head_commit_sha="a" * 40,
)


def status(wp_id: str = "WP01", new: str = "doing", cause: Draft | str | None = None) -> Draft:
    payload = {
        "wp_id": wp_id,
        "previous_status": "planned",
        "new_status": new,
        "changed_by": "ada",
        "feature_slug": "001-demo",
    }
    return Draft("WPStatusChanged", "001-demo", wp_id, payload, cause)


def feature(slug: str = "001-demo", wp_count: int = 1) -> Draft:
    payload = {
        "feature_slug": slug,
        "feature_number": "001",
        "target_branch": "main",
        "wp_count": wp_count,
        "created_at": "2026-02-03T12:00:00Z",
    }
    return Draft("FeatureCreated", slug, None, payload)


class Clock:
    """A Lamport clock that remembers how it was asked."""

    def __init__(self, value: int = 41) -> None:
        self.value = value
        self.asked: list[int] = []

    def tick(self, count: int) -> range:
        self.asked.append(count)
        self.value += count
        return range(self.value - count + 1, self.value + 1)


def told(*drafts: Draft, tick: Callable[[int], range] | None = None, envelope: Envelope = ENVELOPE) -> Announcement:
    return announce(drafts, envelope, tick or Clock().tick)


def test_an_event_has_the_envelope_of_its_observation() -> None:
    (event,) = told(status()).events
    assert event.to_dict() == {
        "event_id": event.event_id,
        "event_type": "WPStatusChanged",
        "aggregate_id": "WP01",
        "aggregate_type": "WorkPackage",
        "payload": status().payload,
        "node_id": "a1b2c3d4e5f6",
        "lamport_clock": 42,
        "causation_id": None,
        "timestamp": "2026-02-03T12:00:00Z",
        "team_slug": "local",
        "project_slug": "demo",
        "git_branch": "main",
        "head_commit_sha": "a" * 40,
    }


def test_an_event_of_a_feature_has_the_feature_as_its_aggregate() -> None:
    (event,) = told(feature()).events
    assert (event.aggregate_type, event.aggregate_id) == ("Feature", "001-demo")


def test_ids_and_clocks_grow_in_telling_order_with_one_tick_for_all() -> None:
    clock = Clock()
    announcement = told(*(status(f"WP{n:02d}") for n in range(1, 41)), tick=clock.tick)
    ids = [event.event_id for event in announcement.events]
    assert ids == sorted(set(ids))
    assert [event.lamport_clock for event in announcement.events] == list(range(42, 82))
    assert clock.asked == [40]


def test_nothing_to_tell_leaves_the_clock_alone() -> None:
    clock = Clock()
    assert told(tick=clock.tick) == Announcement([], [], [])
    assert clock.asked == []


def test_a_cause_told_in_the_same_observation_is_named_by_its_id() -> None:
    first = feature()
    events = told(first, status(cause=first), status("WP02", cause=CAUSE), status("WP03")).events
    assert [event.causation_id for event in events] == [None, events[0].event_id, CAUSE, None]


def test_equal_drafts_are_different_causes() -> None:
    first, second = feature(), feature()
    events = told(first, second, status(cause=second), status(cause=first)).events
    assert [event.causation_id for event in events[2:]] == [events[1].event_id, events[0].event_id]


@pytest.mark.parametrize("bad", [status(new="blocked"), status("wp1"), feature(wp_count=-1), status(cause="not-an-id")])
def test_a_draft_that_no_event_can_be_is_refused_and_the_others_are_told(bad: Draft) -> None:
    clock = Clock()
    announcement = told(status(), bad, status("WP02"), tick=clock.tick)
    assert [event.aggregate_id for event in announcement.events] == ["WP01", "WP02"]
    assert [draft.wp_id for draft in announcement.drafts] == ["WP01", "WP02"]
    assert [event.lamport_clock for event in announcement.events] == [42, 43]
    assert clock.asked == [2]
    ((draft, error),) = announcement.refused
    assert draft is bad
    assert error.where


def test_what_a_refused_draft_caused_has_no_cause() -> None:
    bad = feature(wp_count=-1)
    assert [event.causation_id for event in told(bad, status(cause=bad)).events] == [None]


def test_only_refused_drafts_leave_the_clock_alone() -> None:
    clock = Clock()
    assert told(status(new="blocked"), tick=clock.tick).events == []
    assert clock.asked == []


@pytest.mark.parametrize("entropy", [b"\x00" * 10, b"\xff" * 10])
def test_the_ends_of_randomness_leave_room_to_count(entropy: bytes) -> None:
    envelope = Envelope(node_id="n", team_slug="t", now_s=1.0, entropy=entropy)
    ids = [event.event_id for event in told(status(), status("WP02"), status("WP03"), envelope=envelope).events]
    assert ids == sorted(set(ids))


@given(st.floats(0, 4e9), st.binary(min_size=10, max_size=10), st.integers(1, 60), st.integers(0, 1 << 50))
def test_whatever_the_time_and_the_chance_the_events_are_valid(
    now_s: float, entropy: bytes, count: int, start: int
) -> None:
    envelope = Envelope(node_id="n", team_slug="t", now_s=now_s, entropy=entropy)
    drafts: list[Any] = [status(f"WP{n:02d}") for n in range(count)]
    events = told(*drafts, tick=Clock(start).tick, envelope=envelope).events
    assert [Event.from_dict(event.to_dict()) for event in events] == events
    assert [event.event_id for event in events] == sorted({event.event_id for event in events})
    assert [event.lamport_clock for event in events] == list(range(start + 1, start + 1 + count))
