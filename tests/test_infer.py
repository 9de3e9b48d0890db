"""What a move tells of features and their work packages, in which order, and what holds for any move at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.announce import Envelope, announce
from catflap.announced import LIVE, Ledger
from catflap.drafts import Draft, Inference, WPChange
from catflap.events import Event
from catflap.facts import NOTHING, Facts
from catflap.featuremeta import FeatureMeta
from catflap.infer import take_feature
from catflap.moves import Rule
from tests.facts_builder import (
    AT,
    FEATURE,
    advance,
    announced,
    broken,
    change,
    exactly,
    known,
    lane,
    log,
    note,
    run,
    short,
    wp,
)

CREATION = "01HZZZZZZZZZZZZZZZZZZZZZZZ"


def of(wp_id: str, olds: Facts | Iterable[Facts], new: Facts, *, feature: str = FEATURE) -> WPChange:
    return change(olds, new, key=(feature, wp_id))


def made(wp_id: str, status: str | None = "planned", *, feature: str = FEATURE, **fields: Any) -> WPChange:
    """A work package that a hand made."""
    return of(wp_id, NOTHING, wp(status, wp_id=wp_id, feature=feature, **fields), feature=feature)


def moved(wp_id: str, before: str, after: str, **fields: Any) -> WPChange:
    """A work package whose lane a hand changed."""
    return of(wp_id, wp(before, wp_id=wp_id, **fields), wp(after, wp_id=wp_id, **fields))


def only(inference: Inference, event_type: str) -> list[Draft]:
    return [draft for draft in inference.drafts if draft.event_type == event_type]


# -- features and work packages as they come


def test_a_new_feature_is_told_with_its_work_packages_each_caused_by_it() -> None:
    inference = run(Rule.HAND, [made(f"WP0{n}") for n in range(7, 0, -1)], Ledger())
    feature, *wps = inference.drafts
    assert feature.event_type == "FeatureCreated"
    assert feature.payload["wp_count"] == 7
    assert feature.cause is None
    assert [(d.event_type, d.wp_id, d.cause) for d in wps] == [("WPCreated", f"WP0{n}", feature) for n in range(1, 8)]


@pytest.mark.parametrize(
    ("meta", "branch", "expected"),
    [
        (
            FeatureMeta(number="028", target_branch="2.x", created_at="2026-01-01T00:00:00Z"),
            "topic",
            ("028", "2.x", "2026-01-01T00:00:00Z"),
        ),
        (FeatureMeta(number="028"), "topic", ("028", "topic", AT)),
        (None, None, ("000", "main", AT)),
    ],
)
def test_a_feature_is_what_its_meta_says(
    meta: FeatureMeta | None, branch: str | None, expected: tuple[str, ...]
) -> None:
    features = {FEATURE: meta} if meta is not None else {}
    (feature,) = only(run(Rule.HAND, made("WP01"), Ledger(), branch=branch, features=features), "FeatureCreated")
    fields = feature.payload
    assert (fields["feature_number"], fields["target_branch"], fields["created_at"]) == expected
    assert fields["feature_slug"] == FEATURE


def test_a_created_work_package_says_title_and_dependencies() -> None:
    inference = run(Rule.HAND, made("WP02", title="Queue", depends=["WP01"]), known())
    (created,) = only(inference, "WPCreated")
    assert created.payload == {
        "wp_id": "WP02",
        "title": "Queue",
        "dependencies": ["WP01"],
        "feature_slug": FEATURE,
    }


def test_a_later_work_package_names_the_event_that_created_its_feature() -> None:
    (created,) = run(Rule.HAND, made("WP02"), exactly({"WP01": "planned"}, created_id=CREATION)).drafts
    assert (created.event_type, created.cause) == ("WPCreated", CREATION)


def test_a_later_move_of_the_same_observation_names_the_draft_that_has_no_id_yet() -> None:
    told = Ledger().fork()
    first = run(Rule.HAND, made("WP01"), told)
    told.absorb(first.ledger)
    second = run(Rule.HAND, made("WP02"), told)
    assert short(second) == ["WP02 created"]
    assert second.drafts[0].cause is first.drafts[0]


def test_one_of_a_feature_that_was_there_before_has_no_cause() -> None:
    (created,) = run(Rule.HAND, made("WP02"), exactly({"WP01": "planned"})).drafts
    assert created.cause is None


@pytest.mark.parametrize(
    ("status", "told"),
    [("planned", []), (None, []), ("doing", ["planned>doing"]), ("done", ["planned>done"])],
)
def test_a_new_work_package_starts_as_planned_and_its_status_is_caused_by_its_creation(
    status: str | None, told: list[str]
) -> None:
    inference = run(Rule.HAND, made("WP01", status), known({}))
    (created,) = only(inference, "WPCreated")
    changed = only(inference, "WPStatusChanged")
    assert [f"{d.payload['previous_status']}>{d.payload['new_status']}" for d in changed] == told
    assert all(draft.cause is created for draft in changed)


def test_a_new_work_package_has_an_agent_but_the_rows_it_came_with_are_part_of_it() -> None:
    inference = run(Rule.HAND, made("WP01", agent="codex", history=["generated"]), known({}))
    assert short(inference) == ["created", "assigned codex implementation 0"]
    assert [draft.cause for draft in inference.drafts] == [None, None]


@pytest.mark.parametrize(
    ("rule", "olds", "told"),
    [
        *[(rule, [NOTHING], True) for rule in (Rule.HAND, Rule.EDIT, Rule.PICK)],
        (Rule.MERGE, [NOTHING, NOTHING], True),
        (Rule.MERGE, [NOTHING, wp()], False),
        (Rule.ONTO, [NOTHING, NOTHING, NOTHING], True),
        (Rule.ONTO, [NOTHING, wp(), NOTHING], False),
        *[(rule, [NOTHING], False) for rule in (Rule.PULL, Rule.SWITCH, Rule.UNKNOWN)],
    ],
)
def test_a_work_package_is_created_by_whose_hand_it_is(rule: Rule, olds: list[Facts], told: bool) -> None:
    ledger = Ledger()
    assert advance(rule, change(olds, wp()), ledger) == (["feature 001-demo of 1", "created"] if told else [])
    assert ledger.wp((FEATURE, "WP01")) == announced(told=LIVE if told else None)
    assert ledger.feature(FEATURE) is not None


def test_what_was_pulled_of_a_feature_is_known_and_the_next_is_told() -> None:
    ledger = Ledger()
    meta = {FEATURE: FeatureMeta("001", created_at="2026-01-01T00:00:00Z")}
    assert advance(Rule.PULL, made("WP01", "doing"), ledger, features=meta) == []
    assert ledger.feature(FEATURE).created_at == "2026-01-01T00:00:00Z"
    assert advance(Rule.HAND, [moved("WP01", "doing", "for_review"), made("WP02")], ledger) == [
        "WP02 created",
        "doing>for_review user",
    ]


def test_a_feature_of_which_nothing_can_be_read_is_created_when_something_can() -> None:
    ledger = Ledger()
    assert len(advance(Rule.HAND, change(NOTHING, broken("x")), ledger)) == 1
    assert ledger.feature(FEATURE) is None
    told = advance(Rule.HAND, change(broken("x"), wp("doing")), ledger)
    assert told == ["feature 001-demo of 1", "created", "planned>doing user"]


def test_one_that_cannot_be_read_is_not_counted() -> None:
    told = short(run(Rule.HAND, [made("WP01"), of("WP02", NOTHING, broken("x", wp_id="WP02"))], Ledger()))
    assert told[:2] == ["feature 001-demo of 1", "created"]
    assert told[2].startswith("WP02 error")


def test_two_features_never_mix() -> None:
    other = "002-more"
    told = run(Rule.HAND, [made("WP01", feature=other), made("WP01", "doing"), made("WP02")], Ledger())
    assert [(d.event_type, d.feature, d.wp_id) for d in told.drafts] == [
        ("FeatureCreated", FEATURE, None),
        ("WPCreated", FEATURE, "WP01"),
        ("WPCreated", FEATURE, "WP02"),
        ("FeatureCreated", other, None),
        ("WPCreated", other, "WP01"),
        ("WPStatusChanged", FEATURE, "WP01"),
    ]
    assert told.drafts[4].cause is told.drafts[3]


def test_every_payload_names_its_feature() -> None:
    old = wp("for_review", depends=[])
    new = wp("done", agent="codex", history=["x"])
    ledger = exactly({"WP01": "for_review", "WP02": announced("done", dependencies=("WP01",))})
    inference = run(Rule.HAND, [change(old, new), made("WP03", "done"), of("WP04", NOTHING, broken("x"))], ledger)
    assert {draft.event_type for draft in inference.drafts} == {
        "WPCreated",
        "WPStatusChanged",
        "WPAssigned",
        "HistoryAdded",
        "DependencyResolved",
        "FeatureCompleted",
        "ErrorLogged",
    }
    assert {draft.payload["feature_slug"] for draft in inference.drafts} == {FEATURE}


# -- features that were there before anybody told us


def test_a_feature_that_was_there_before_is_taken_whole() -> None:
    ledger = Ledger()
    members = {(FEATURE, "WP01"): wp("done"), (FEATURE, "WP02"): broken("x", wp_id="WP02")}
    take_feature(ledger, FEATURE, members, FeatureMeta("001", created_at=AT))
    assert ledger.feature(FEATURE).created_at == AT
    assert ledger.wp((FEATURE, "WP01")) == announced("done")
    assert ledger.wp((FEATURE, "WP02")).status is None


def test_a_feature_that_was_there_before_and_is_complete_is_not_completed_again() -> None:
    ledger = Ledger()
    take_feature(ledger, FEATURE, {(FEATURE, "WP01"): wp("done")}, None)
    assert ledger.feature(FEATURE).is_complete
    assert short(run(Rule.HAND, change(wp("done"), wp("done", history=["x"])), ledger)) == ["note ada: x"]


def test_what_is_known_of_a_feature_stays_when_it_is_taken() -> None:
    ledger = exactly({"WP01": "doing"}, created_id=CREATION)
    members = {(FEATURE, "WP01"): wp("done"), (FEATURE, "WP02"): wp("done", wp_id="WP02")}
    take_feature(ledger, FEATURE, members, FeatureMeta("001", created_at=AT))
    assert ledger.wp((FEATURE, "WP01")).status == "doing"
    assert ledger.feature(FEATURE) == exactly({}, created_id=CREATION).feature(FEATURE)


@pytest.mark.parametrize("members", [{}, {(FEATURE, "WP01"): broken("x")}, {(FEATURE, "WP01"): log(lane(1, "doing"))}])
def test_a_folder_without_a_readable_work_package_was_no_feature_yet(members: dict[tuple[str, str], Facts]) -> None:
    ledger = Ledger()
    take_feature(ledger, FEATURE, members, None)
    assert short(run(Rule.HAND, made("WP02"), ledger)) == ["feature 001-demo of 1", "WP02 created"]


# -- dependencies and completion


def test_who_depends_on_a_work_package_is_free_when_it_is_done() -> None:
    ledger = known(
        {
            "WP01": "for_review",
            "WP02": announced(dependencies=("WP01",)),
            "WP03": announced(dependencies=("WP02", "WP01")),
            "WP04": announced(dependencies=("WP02",)),
            "WP05": announced(dependencies=("WP01",), is_present=False),
        }
    )
    inference = run(Rule.HAND, moved("WP01", "for_review", "done"), ledger)
    assert short(inference) == ["for_review>done user", "WP02 free of WP01", "WP03 free of WP01"]
    status, *freed = inference.drafts
    assert all(draft.cause is status and draft.payload["resolution_type"] == "completed" for draft in freed)


def test_each_resolution_is_caused_by_its_own_status_change() -> None:
    ledger = known({"WP01": "doing", "WP02": "doing", "WP03": announced(dependencies=("WP01", "WP02"))})
    inference = run(Rule.HAND, [moved("WP02", "doing", "done"), moved("WP01", "doing", "done")], ledger)
    causes = {d.payload["dependency_wp_id"]: d.cause.wp_id for d in only(inference, "DependencyResolved")}
    assert causes == {"WP01": "WP01", "WP02": "WP02"}


def test_dependencies_that_change_with_the_move_count() -> None:
    ledger = known({"WP01": "doing", "WP02": announced(dependencies=("WP01",)), "WP03": "planned"})
    gains = of("WP03", wp(wp_id="WP03"), wp(wp_id="WP03", depends=["WP01"]))
    loses = of("WP02", wp(wp_id="WP02", depends=["WP01"]), wp(wp_id="WP02"))
    told = short(run(Rule.HAND, [moved("WP01", "doing", "done"), gains, loses], ledger))
    assert told == ["doing>done user", "WP03 free of WP01"]


@pytest.mark.parametrize("rule", [Rule.PULL, Rule.SWITCH])
def test_what_others_completed_frees_and_completes_nothing_here(rule: Rule) -> None:
    ledger = exactly({"WP01": "doing", "WP02": announced("done", dependencies=("WP01",))})
    assert advance(rule, moved("WP01", "doing", "done"), ledger) == []
    assert ledger.feature(FEATURE).is_complete is (rule is Rule.PULL)


def test_the_last_open_work_package_completes_the_feature() -> None:
    ledger = exactly({"WP01": "doing", "WP02": "done"}, created_at="2026-02-01T10:30:00Z")
    inference = run(Rule.HAND, moved("WP01", "doing", "done"), ledger)
    status, completed = inference.drafts
    assert completed.payload == {
        "feature_slug": FEATURE,
        "completed_at": AT,
        "total_wps": 2,
        "total_duration": "P2DT1H30M",
    }
    assert (completed.event_type, completed.wp_id, completed.cause) == ("FeatureCompleted", None, status)


@pytest.mark.parametrize("created_at", [None, "2027-01-01T00:00:00Z"])
def test_a_feature_has_no_duration_when_its_start_is_unknown_or_lies_ahead(created_at: str | None) -> None:
    inference = run(Rule.HAND, moved("WP01", "doing", "done"), exactly({"WP01": "doing"}, created_at=created_at))
    assert only(inference, "FeatureCompleted")[0].payload["total_duration"] is None


def test_the_duration_counts_from_a_creation_that_was_told() -> None:
    ledger = Ledger()
    advance(Rule.HAND, made("WP01"), ledger, at="2026-02-03T11:00:00Z")
    (completed,) = only(run(Rule.HAND, moved("WP01", "planned", "done"), ledger), "FeatureCompleted")
    assert completed.payload["total_duration"] == "PT1H"


@pytest.mark.parametrize("open_status", ["planned", "doing", "for_review", None])
def test_a_feature_with_an_open_work_package_is_not_complete(open_status: str | None) -> None:
    ledger = exactly({"WP01": "doing", "WP02": open_status})
    assert short(run(Rule.HAND, moved("WP01", "doing", "done"), ledger)) == ["doing>done user"]


def test_a_deleted_work_package_is_neither_open_nor_counted() -> None:
    ledger = exactly({"WP01": "doing", "WP02": announced("planned", is_present=False)})
    assert short(run(Rule.HAND, moved("WP01", "doing", "done"), ledger))[-1] == "completed 001-demo of 1"


def test_deleting_the_last_open_work_package_completes_nothing() -> None:
    ledger = exactly({"WP01": "done", "WP02": "planned"})
    assert advance(Rule.HAND, of("WP02", wp(wp_id="WP02"), NOTHING), ledger) == []
    assert advance(Rule.HAND, moved("WP01", "done", "done", history=["x"]), ledger) == []


def test_one_that_comes_back_done_does_not_complete_the_feature_again() -> None:
    ledger = exactly({"WP01": "done", "WP02": announced("planned", is_present=False)}, is_complete=True)
    assert advance(Rule.HAND, of("WP02", NOTHING, wp("done", wp_id="WP02")), ledger) == ["WP02 planned>done user"]


def test_a_feature_is_completed_again_only_after_it_was_reopened() -> None:
    ledger = exactly({"WP01": "doing", "WP02": "done"})
    assert advance(Rule.HAND, moved("WP01", "doing", "done"), ledger)[-1] == "completed 001-demo of 2"
    assert advance(Rule.HAND, moved("WP02", "doing", "done"), ledger) == []
    assert advance(Rule.HAND, moved("WP01", "done", "doing"), ledger) == ["done>doing user"]
    assert advance(Rule.HAND, moved("WP01", "doing", "done"), ledger)[-1] == "completed 001-demo of 2"


def test_a_new_work_package_opens_the_feature_again() -> None:
    ledger = exactly({"WP01": "done"}, is_complete=True)
    assert advance(Rule.HAND, made("WP02"), ledger) == ["WP02 created"]
    assert advance(Rule.HAND, moved("WP02", "planned", "done"), ledger)[-1] == "completed 001-demo of 2"


def test_two_that_become_done_at_once_complete_the_feature_once() -> None:
    ledger = exactly({"WP01": "doing", "WP02": "doing"})
    inference = run(Rule.HAND, [moved("WP02", "doing", "done"), moved("WP01", "doing", "done")], ledger)
    assert short(inference) == ["doing>done user", "WP02 doing>done user", "completed 001-demo of 2"]
    assert inference.drafts[2].cause is inference.drafts[1]


def test_a_feature_created_done_is_complete() -> None:
    assert short(run(Rule.HAND, made("WP01", "done"), Ledger())) == [
        "feature 001-demo of 1",
        "created",
        "planned>done user",
        "completed 001-demo of 1",
    ]


def test_rows_that_reopen_and_complete_are_told_with_one_completion() -> None:
    rows = (lane(1, "done"), lane(2, "doing"), lane(3, "done"))
    ledger = exactly({"WP01": announced("done", log_seen=(rows[0].at, rows[0].event_id))}, is_complete=True)
    inference = run(Rule.HAND, change(log(*rows[:1]), log(*rows)), ledger)
    assert short(inference) == ["done>doing ada", "doing>done ada", "completed 001-demo of 1"]
    assert inference.drafts[2].cause is inference.drafts[1]


# -- the order of one observation


def test_the_events_of_one_observation_come_in_the_order_of_the_table() -> None:
    ledger = exactly({"WP01": "doing", "WP02": announced("done", dependencies=("WP01",)), "WP04": "done"})
    changes = [
        made("WP03", "done", agent="claude"),
        change(wp("doing"), wp("done", agent="codex", history=[note("x"), note("y", entry_type="review")])),
        of("WP02", wp("done", wp_id="WP02"), wp("done", wp_id="WP02", depends=["WP01"], history=["z"])),
        of("WP04", wp("done", wp_id="WP04"), broken("x", wp_id="WP04")),
    ]
    assert [text.partition(" kitty-specs")[0] for text in short(run(Rule.HAND, changes, ledger))] == [
        "WP03 created",
        "doing>done ada",
        "WP03 planned>done claude",
        "assigned codex implementation 0",
        "WP03 assigned claude implementation 0",
        "note ada: x",
        "review ada: y",
        "WP02 note ada: z",
        "WP02 free of WP01",
        "completed 001-demo of 4",
        "WP04 error",
    ]


def test_a_cause_comes_before_its_effect() -> None:
    ledger = exactly({"WP01": "doing", "WP02": announced("done", dependencies=("WP01",))})
    drafts = run(Rule.HAND, [moved("WP01", "doing", "done"), made("WP03", "done", feature="002-more")], ledger).drafts
    for at, draft in enumerate(drafts):
        assert draft.cause is None or draft.cause in drafts[:at]


# -- what holds for any move

STATUSES = [None, "planned", "doing", "for_review", "done", "dong"]
LOG = [lane(n, to) for n, to in enumerate(["planned", "claimed", "doing", "dong", "for_review", "doing", "done"], 1)]


@st.composite
def places(draw: st.DrawFn, wp_id: str) -> Facts:
    """Any state of one work package in one place: none, broken, from a file, from a log, from both."""
    rows = LOG[: draw(st.integers(0, len(LOG)))] if draw(st.booleans()) else []
    kind = draw(st.sampled_from(["wp", "wp", "wp", "wp", "broken", "none"]))
    if kind == "none":
        return log(*rows) if rows else NOTHING
    if kind == "broken":
        return broken(draw(st.sampled_from("xy")), wp_id=wp_id, rows=rows)
    return wp(
        draw(st.sampled_from(STATUSES)),
        wp_id=wp_id,
        agent=draw(st.sampled_from([None, "codex", "claude"])),
        depends=draw(st.sets(st.sampled_from(["WP01", "WP02", "WP03"]), max_size=2)) - {wp_id},
        history=draw(st.lists(st.sampled_from("abcd"), unique=True)),
        feedback=draw(st.booleans()),
        rows=rows,
    )


@st.composite
def moves(draw: st.DrawFn, rules: Iterable[Rule] = tuple(Rule)) -> tuple[Rule, list[WPChange]]:
    """A rule and up to three work packages, each with the sides of a merge of three or of a rebase."""
    rule = draw(st.sampled_from(list(rules)))
    wp_ids = draw(st.lists(st.sampled_from(["WP01", "WP02", "WP03"]), unique=True, min_size=1))
    return rule, [
        change(
            [draw(places(wp_id)) for _ in range(3)],
            draw(places(wp_id)),
            key=(FEATURE, wp_id),
            is_restored=draw(st.booleans()) and rule is Rule.ONTO,
        )
        for wp_id in wp_ids
    ]


ANY = st.lists(moves(), max_size=4)


def past(steps: Iterable[tuple[Rule, list[WPChange]]]) -> Ledger:
    """A ledger as these moves leave it."""
    ledger = exactly({"WP01": announced("doing", agent="codex", history=frozenset("a"))})
    for rule, changes in steps:
        ledger.absorb(run(rule, changes, ledger).ledger)
    return ledger


def content(ledger: Ledger) -> tuple[Any, ...]:
    own = {slug: dict(wps) for slug, wps in ledger.wps.items()}
    return own, dict(ledger.features), set(ledger.errors), dict(ledger.creations)


@given(ANY, moves())
def test_observing_twice_tells_once(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    rule, changes = move
    ledger.absorb(run(rule, changes, ledger).ledger)
    assert short(run(rule, changes, ledger)) == []


@given(ANY, moves(), st.randoms(use_true_random=False))
def test_the_order_of_the_changes_does_not_matter(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]], random: Any
) -> None:
    ledger = past(steps)
    rule, changes = move
    shuffled = random.sample(changes, len(changes))
    one, other = run(rule, changes, ledger), run(rule, shuffled, ledger)
    assert short(one) == short(other)
    assert content(one.ledger)[:3] == content(other.ledger)[:3]


@given(ANY, moves())
def test_the_ledger_given_is_not_changed(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    before = content(ledger)
    run(*move, ledger)
    assert content(ledger) == before


@given(ANY, moves())
def test_every_draft_becomes_a_valid_event(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    inference = run(*move, past(steps))
    envelope = Envelope(node_id="n", team_slug="local", now_s=1_770_000_000.5, entropy=b"\x01" * 10)
    announcement = announce(inference.drafts, envelope, lambda count: range(5, 5 + count))
    assert announcement.refused == []
    assert len(announcement.events) == len(inference.drafts)
    for event in announcement.events:
        assert Event.from_dict(event.to_dict()) == event


@given(st.lists(moves([Rule.HAND, Rule.EDIT, Rule.PICK, Rule.SWITCH]), max_size=8))
def test_what_the_world_sees_of_a_status_has_no_hole(steps: list[tuple[Rule, list[WPChange]]]) -> None:
    ledger, last = Ledger(), dict[str, str]()
    for rule, changes in steps:
        inference = run(rule, changes, ledger)
        for draft in inference.drafts:
            if draft.event_type == "WPStatusChanged":
                fields = draft.payload
                assert fields["previous_status"] == last.get(fields["wp_id"], fields["previous_status"])
                assert fields["previous_status"] != fields["new_status"]
                last[fields["wp_id"]] = fields["new_status"]
        ledger.absorb(inference.ledger)
    assert {wp_id: ledger.wp((FEATURE, wp_id)).status for wp_id in last} == last


@given(ANY, moves())
def test_a_change_starts_where_the_announced_one_is(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    last = {wp_id: state.status for wp_id, state in ledger.of_feature(FEATURE).items() if state.status is not None}
    for draft in only(run(*move, ledger), "WPStatusChanged"):
        fields = draft.payload
        assert fields["previous_status"] == last.get(fields["wp_id"], fields["previous_status"])
        last[fields["wp_id"]] = fields["new_status"]


@given(st.lists(moves([Rule.HAND, Rule.EDIT, Rule.PULL, Rule.SWITCH]), max_size=4), moves([Rule.SWITCH, Rule.PULL]))
def test_a_switch_or_a_pull_tells_nothing(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    assert short(run(*move, past(steps))) == []


@given(ANY, moves([Rule.SWITCH]))
def test_a_switch_moves_nothing_that_is_known(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    after = run(*move, ledger).ledger
    for wp_id, state in ledger.of_feature(FEATURE).items():
        found = after.wp((FEATURE, wp_id))
        assert found == state
    assert not after.errors
