"""What a move tells of features and their work packages as they come, and of features that were there before."""

from __future__ import annotations

import pytest

from catflap.announced import LIVE, Ledger
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
    made,
    moved,
    of,
    only,
    run,
    short,
    wp,
)

CREATION = "01HZZZZZZZZZZZZZZZZZZZZZZZ"

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
