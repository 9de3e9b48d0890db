"""What a move tells of who is free now and of features that are complete."""

from __future__ import annotations

import pytest

from catflap.announced import Ledger
from catflap.facts import NOTHING
from catflap.moves import Rule
from tests.facts_builder import (
    AT,
    FEATURE,
    advance,
    announced,
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
