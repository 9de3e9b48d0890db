"""What the world has been told, how each kind of event moves it, and how forks of it are kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.announced import LIVE, FeatureAnnounced, Ledger, WPAnnounced, apply_event, is_complete
from catflap.drafts import Draft
from tests.facts_builder import FEATURE, KEY, announced, exactly

ID = "01J00000000000000000000000"
CREATED = {"wp_id": "WP01", "title": "Build WP01", "dependencies": ["WP02"], "feature_slug": FEATURE}
CHANGED = {
    "wp_id": "WP01",
    "previous_status": "planned",
    "new_status": "doing",
    "changed_by": "ada",
    "feature_slug": FEATURE,
}
ASSIGNED = {"wp_id": "WP01", "agent_id": "codex", "phase": "review", "retry_count": 0, "feature_slug": FEATURE}
FEATURED = {
    "feature_slug": FEATURE,
    "feature_number": "001",
    "target_branch": "main",
    "wp_count": 1,
    "created_at": "2026-02-03T12:00:00Z",
}


def with_wp(**fields: Any) -> Ledger:
    return exactly({"WP01": announced(**fields)})


@pytest.mark.parametrize(
    ("event_type", "payload", "before", "after"),
    [
        ("WPCreated", CREATED, None, announced(dependencies=("WP02",))),
        ("WPCreated", CREATED, WPAnnounced(status="doing"), announced("doing", dependencies=("WP02",))),
        ("WPStatusChanged", CHANGED, announced(), announced("doing")),
        ("WPStatusChanged", CHANGED, None, WPAnnounced(status="doing")),
        ("WPStatusChanged", CHANGED, announced(dropped="done", agent="a"), announced("doing", agent="a")),
        ("WPAssigned", ASSIGNED, announced(), announced(agent="codex", assigned={"review": 1})),
        (
            "WPAssigned",
            ASSIGNED,
            announced(assigned={"review": 1, "implementation": 4}, dropped_agent="x", dropped="done"),
            announced(agent="codex", assigned={"review": 2, "implementation": 4}, dropped="done"),
        ),
    ],
)
def test_an_event_moves_what_it_speaks_of(
    event_type: str, payload: dict[str, Any], before: WPAnnounced | None, after: WPAnnounced
) -> None:
    ledger = exactly({"WP01": before} if before is not None else {})
    apply_event(ledger, event_type, payload)
    assert ledger.wp(KEY) == replace(after, told=LIVE)


@pytest.mark.parametrize("event_type", ["HistoryAdded", "DependencyResolved", "ErrorLogged"])
def test_an_event_that_leaves_a_state_as_it_is_is_told_of_it_all_the_same(event_type: str) -> None:
    ledger = with_wp()
    apply_event(ledger, event_type, {"wp_id": "WP01", "feature_slug": FEATURE})
    assert ledger.wp(KEY) == announced(told=LIVE)


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("HistoryAdded", {"wp_id": "WP09", "feature_slug": FEATURE}),
        ("ErrorLogged", {"wp_id": "WP09", "feature_slug": FEATURE}),
        ("ErrorLogged", {"wp_id": None, "feature_slug": FEATURE}),
        ("DependencyResolved", {"wp_id": "WP09", "dependency_wp_id": "WP01", "feature_slug": FEATURE}),
        ("WPStatusChanged", {**CHANGED, "feature_slug": None}),
        ("WPAssigned", {key: value for key, value in ASSIGNED.items() if key != "feature_slug"}),
    ],
)
def test_an_event_that_says_nothing_of_a_state_moves_nothing(event_type: str, payload: dict[str, Any]) -> None:
    ledger = Ledger()
    apply_event(ledger, event_type, payload)
    assert not list(ledger.items())
    assert not ledger.features


def test_a_status_of_a_feature_that_nobody_created_does_not_create_it() -> None:
    ledger = Ledger()
    apply_event(ledger, "WPStatusChanged", CHANGED)
    assert ledger.feature(FEATURE) is None
    apply_event(ledger, "WPCreated", CREATED)
    assert ledger.feature(FEATURE) == FeatureAnnounced()


def test_a_feature_is_created_completed_and_reopened_by_its_events() -> None:
    ledger = with_wp(status="done")
    apply_event(ledger, "FeatureCreated", FEATURED, ID)
    assert ledger.feature(FEATURE) == FeatureAnnounced(created_id=ID, created_at="2026-02-03T12:00:00Z")
    apply_event(ledger, "FeatureCompleted", {"feature_slug": FEATURE})
    assert ledger.feature(FEATURE).is_complete
    apply_event(ledger, "WPStatusChanged", {**CHANGED, "new_status": "done"})
    assert ledger.feature(FEATURE).is_complete
    apply_event(ledger, "WPStatusChanged", CHANGED)
    assert ledger.feature(FEATURE) == FeatureAnnounced(created_id=ID, created_at="2026-02-03T12:00:00Z")


def test_an_event_counts_no_assignment_into_the_state_before() -> None:
    counts = {"review": 1}
    before = with_wp(assigned=counts)
    fork = before.fork()
    apply_event(fork, "WPAssigned", ASSIGNED)
    assert counts == {"review": 1}
    assert before.wp(KEY).assigned == {"review": 1}


@pytest.mark.parametrize(
    ("wps", "complete"),
    [
        ([], False),
        ([announced("done")], True),
        ([announced("done"), announced("doing")], False),
        ([announced("done"), announced(None)], False),
        ([announced("done"), announced("doing", is_present=False)], True),
        ([announced("done", is_present=False)], False),
    ],
)
def test_a_feature_is_complete_when_none_that_is_there_is_open(wps: list[WPAnnounced], complete: bool) -> None:
    assert is_complete({str(at): state for at, state in enumerate(wps)}) is complete


def test_a_fork_reads_through_and_keeps_its_own_changes() -> None:
    parent = exactly({"WP01": "planned", "WP02": "planned"}, created_id=ID)
    parent.errors.add("old")
    fork = parent.fork()
    fork.put(KEY, announced("doing"))
    fork.features["002-more"] = FeatureAnnounced()
    fork.errors.add("new")
    assert {wp_id: state.status for wp_id, state in fork.of_feature(FEATURE).items()} == {
        "WP01": "doing",
        "WP02": "planned",
    }
    assert [key for key, _ in fork.items()] == [KEY]
    assert fork.knows_error("old")
    assert fork.feature(FEATURE) == parent.feature(FEATURE)
    assert parent.wp(KEY).status == "planned"
    assert parent.feature("002-more") is None
    assert not parent.knows_error("new")


def test_a_ledger_that_absorbs_its_fork_says_what_the_fork_said() -> None:
    parent = exactly({"WP01": "planned", "WP02": "planned"})
    fork = parent.fork()
    fork.put(KEY, announced("doing"))
    fork.features["002-more"] = FeatureAnnounced()
    fork.errors.add("new")
    parent.absorb(fork)
    assert parent.wp(KEY) == announced("doing")
    assert parent.wp((FEATURE, "WP02")).status == "planned"
    assert parent.feature("002-more") == FeatureAnnounced()
    assert parent.knows_error("new")


def test_a_feature_without_an_id_yet_is_known_by_its_draft_wherever_one_stands() -> None:
    draft = Draft("FeatureCreated", FEATURE, None, FEATURED)
    parent = Ledger()
    told = parent.fork()
    child = told.fork()
    assert child.creation(FEATURE) is None
    child.creations[FEATURE] = draft
    apply_event(child, "FeatureCreated", FEATURED)
    assert child.creation(FEATURE) is draft
    assert told.creation(FEATURE) is None
    told.absorb(child)
    assert told.fork().creation(FEATURE) is draft
    assert parent.creation(FEATURE) is None


def test_a_feature_is_known_by_its_id_through_a_fork_that_changed_it() -> None:
    fork = exactly({}, created_id=ID).fork()
    fork.features[FEATURE] = FeatureAnnounced(is_complete=True)
    assert fork.creation(FEATURE) == ID


EVENTS = st.lists(
    st.one_of(
        st.builds(lambda s: ("WPStatusChanged", {**CHANGED, "new_status": s}), st.sampled_from(["doing", "done"])),
        st.builds(lambda p: ("WPAssigned", {**ASSIGNED, "phase": p}), st.sampled_from(["review", "implementation"])),
        st.just(("WPCreated", CREATED)),
        st.just(("FeatureCreated", FEATURED)),
        st.just(("FeatureCompleted", {"feature_slug": FEATURE})),
    ),
    max_size=8,
)


@given(EVENTS, EVENTS)
def test_events_told_to_a_fork_and_absorbed_are_as_if_told_directly(first: list[Any], second: list[Any]) -> None:
    direct, parent = Ledger(), Ledger()
    for event in [*first, *second]:
        apply_event(direct, *event)
    for events in (first, second):
        fork = parent.fork()
        for event in events:
            apply_event(fork, *event)
        parent.absorb(fork)
    assert (parent.wps, parent.features) == (direct.wps, direct.features)
