"""What is told of a lane log's rows: appended, taken back, brought by others, mixed with a lane in the file."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from catflap.announced import Ledger
from catflap.facts import NOTHING
from catflap.lanelog import LaneRow
from catflap.moves import Rule
from tests.facts_builder import (
    ROWS,
    SILENT,
    advance,
    announced,
    broken,
    change,
    known,
    lane,
    log,
    note,
    run,
    seen,
    short,
    state,
    wp,
)

PLANNED, DOING, DONE = (wp(status) for status in ("planned", "doing", "done"))


def in_log(status: str, *, upto: int) -> Ledger:
    return known({"WP01": announced(status, log_seen=seen(ROWS[upto - 1]))})


@pytest.mark.parametrize("file", [wp, None])
def test_appended_rows_are_told_one_by_one_each_by_its_actor(file: object) -> None:
    old, new = ROWS[:1], ROWS
    places = (wp("planned", rows=old), wp("planned", rows=new)) if file else (log(*old), log(*new))
    inference = run(Rule.HAND, change(*places), in_log("planned", upto=1))
    assert short(inference) == ["planned>doing bob", "doing>for_review cy", "for_review>done user"]
    assert state(inference).log_seen == seen(ROWS[3])


def test_a_row_without_an_actor_is_by_the_hand_of_the_change() -> None:
    old, new = wp(rows=ROWS[:3], agent="codex"), wp(rows=ROWS, agent="codex", history=[note("x", "eve")])
    ledger = known({"WP01": announced("for_review", agent="codex", log_seen=seen(ROWS[2]))})
    assert short(run(Rule.HAND, change(old, new), ledger))[0] == "for_review>done eve"
    ledger = known({"WP01": announced("for_review", agent="codex", log_seen=seen(ROWS[2]))})
    assert short(run(Rule.HAND, change(old, wp(rows=ROWS, agent="codex")), ledger)) == ["for_review>done codex"]


@pytest.mark.parametrize(
    ("actor", "author", "by"),
    [
        ("user", "eve", "eve"),
        ("User", None, "User"),
        ("unknown", "eve", "eve"),
        ("unknown", None, "codex"),
        ("system", None, "codex"),
        ("user", "system", "user"),
        ("bob", "eve", "bob"),
    ],
)
def test_a_row_whose_actor_names_no_agent_is_by_the_author_of_the_history_row_beside_it(
    actor: str, author: str | None, by: str
) -> None:
    rows = (*ROWS[:1], lane(2, "in_progress", actor))
    beside = [note("x", author)] if author else []
    new = wp("planned", rows=rows, agent="codex", history=beside)
    ledger = known({"WP01": announced("planned", agent="codex", log_seen=seen(ROWS[0]))})
    told = short(run(Rule.HAND, change(wp("planned", rows=rows[:1], agent="codex"), new), ledger))
    assert told[0] == f"planned>doing {by}"


@pytest.mark.parametrize(
    ("rule", "olds", "new", "upto", "status", "told"),
    [
        (Rule.EDIT, [ROWS[:1]], ROWS[:2], 1, "planned", ["planned>doing bob"]),
        (Rule.PICK, [ROWS[:1]], ROWS[:2], 1, "planned", ["planned>doing bob"]),
        # older than one already seen
        (Rule.HAND, [ROWS[:1]], ROWS[:2], 3, "for_review", []),
        (Rule.PICK, [ROWS[:1]], ROWS[:2], 3, "for_review", []),
        (Rule.HAND, [ROWS[:1]], ROWS[:3], 2, "doing", ["doing>for_review cy"]),
        # put between rows that were there
        (Rule.HAND, [(ROWS[0], ROWS[2])], ROWS[:3], 3, "for_review", []),
        # rows of one side of a merge, or of what a rebase went onto, are told by who made them
        (Rule.MERGE, [ROWS[:1], ROWS[:2]], ROWS[:2], 1, "planned", []),
        (Rule.MERGE, [ROWS[:1], ROWS[:2]], ROWS[:3], 1, "planned", ["planned>for_review cy"]),
        (Rule.ONTO, [ROWS[:1], ROWS[:2], ROWS[:1]], ROWS[:2], 1, "planned", []),
        (Rule.ONTO, [ROWS[:1], ROWS[:2], ROWS[:1]], ROWS[:3], 1, "planned", ["planned>for_review cy"]),
        *[(rule, [ROWS[:1]], ROWS[:2], 1, "planned", []) for rule in SILENT],
    ],
)
def test_rows_are_told_by_whose_hand_they_are(
    rule: Rule, olds: list[Iterable[LaneRow]], new: Iterable[LaneRow], upto: int, status: str, told: list[str]
) -> None:
    before = [wp("planned", rows=rows) for rows in olds]
    assert short(run(rule, change(before, wp("planned", rows=new)), in_log(status, upto=upto))) == told


@pytest.mark.parametrize(("rule", "status"), [(Rule.PULL, "doing"), (Rule.UNKNOWN, "doing"), (Rule.SWITCH, "planned")])
def test_the_ledger_follows_rows_that_others_appended(rule: Rule, status: str) -> None:
    inference = run(rule, change(wp(rows=ROWS[:1]), wp(rows=ROWS[:2])), in_log("planned", upto=1))
    assert state(inference).status == status


def test_a_lane_in_the_file_is_stale_once_a_log_speaks() -> None:
    ledger = in_log("doing", upto=2)
    inference = run(Rule.HAND, change(wp("planned", rows=ROWS[:2]), wp("done", rows=ROWS[:2])), ledger)
    assert not inference.drafts
    inference = run(Rule.HAND, change(PLANNED, DONE), ledger)
    assert not inference.drafts
    assert [held.why for held in inference.notes] == ["the lane log speaks for this work package, not its file"]


def test_a_stale_lane_that_says_the_same_as_the_log_is_not_worth_a_word() -> None:
    assert run(Rule.HAND, change(PLANNED, DOING), in_log("doing", upto=2)).notes == []


def test_rows_that_this_view_had_before_are_not_followed() -> None:
    ledger = in_log("planned", upto=1)  # this view came to the second row by a switch
    inference = run(Rule.HAND, change(wp(rows=ROWS[:2]), wp(rows=ROWS[:2], history=["x"])), ledger)
    assert short(inference) == ["note ada: x"]
    assert (state(inference).status, state(inference).log_seen) == ("planned", seen(ROWS[0]))


def test_an_unknown_lane_in_a_file_is_no_error_once_a_log_speaks() -> None:
    ledger = in_log("doing", upto=2)
    assert short(run(Rule.HAND, change(wp(rows=ROWS[:2]), wp("dong", rows=ROWS[:2])), ledger)) == []
    assert short(run(Rule.HAND, change(PLANNED, wp("dong")), ledger)) == []


def test_a_broken_file_is_an_error_though_a_log_speaks() -> None:
    told = short(run(Rule.HAND, change(wp(rows=ROWS[:1]), broken(rows=ROWS[:2])), in_log("planned", upto=1)))
    assert [text.partition(" ")[0] for text in told] == ["planned>doing", "error"]


def test_of_a_log_that_appears_only_the_newest_row_counts() -> None:
    ledger = known({"WP01": "doing"})
    assert short(run(Rule.HAND, change(DOING, wp("doing", rows=ROWS[:3])), ledger)) == ["doing>for_review cy"]
    inference = run(Rule.HAND, change(DOING, wp("doing", rows=ROWS[:2])), ledger)
    assert not inference.drafts
    assert state(inference).log_seen == seen(ROWS[1])


def test_the_first_row_of_one_without_a_status_is_a_change_from_planned() -> None:
    ledger = known({"WP01": None})
    inference = run(Rule.HAND, change(wp(None), wp(None, rows=ROWS[:1])), ledger)
    assert not inference.drafts
    assert state(inference).status == "planned"
    assert short(run(Rule.HAND, change(wp(None), wp(None, rows=ROWS[:2])), ledger)) == ["planned>doing bob"]


def test_the_rows_of_a_new_work_package_are_told_one_by_one() -> None:
    told = short(run(Rule.HAND, change(NOTHING, wp(None, rows=ROWS[:3])), known({})))
    assert told == ["created", "planned>doing bob", "doing>for_review cy"]


def test_the_rows_of_one_without_a_file_are_told_one_by_one_and_it_is_created_later() -> None:
    ledger = Ledger()
    assert advance(Rule.HAND, change(NOTHING, log(*ROWS[:3])), ledger) == ["planned>doing bob", "doing>for_review cy"]
    told = advance(Rule.HAND, change(log(*ROWS[:3]), wp(None, rows=ROWS[:3])), ledger)
    assert told == ["feature 001-demo of 1", "created"]
    assert ledger.wp(("001-demo", "WP01")).status == "for_review"


def test_a_row_with_an_unknown_lane_is_one_error_and_the_status_stays() -> None:
    odd, again = lane(2, "dong"), lane(3, "dong")
    ledger = in_log("planned", upto=1)
    told = advance(Rule.HAND, change(log(ROWS[0]), log(ROWS[0], odd)), ledger)
    assert told == ["error status.events.jsonl: lane 'dong' is unknown; use one of planned, doing, for_review, done"]
    assert advance(Rule.HAND, change(log(ROWS[0], odd), log(ROWS[0], odd, again)), ledger) == []
    assert advance(Rule.HAND, change(log(odd, again), log(odd, again, ROWS[3])), ledger) == ["planned>done user"]


def test_rows_that_a_reset_takes_back_are_told_and_so_is_their_return() -> None:
    ledger = in_log("doing", upto=2)
    one, two = wp(rows=ROWS[:1]), wp(rows=ROWS[:2])
    assert advance(Rule.ONTO, change([two, one, one], one), ledger) == ["doing>planned user"]
    assert advance(Rule.ONTO, change([one, two, one], two), ledger) == ["planned>doing bob"]
    assert advance(Rule.HAND, change(two, wp(rows=ROWS[:3])), ledger) == ["doing>for_review cy"]


def test_rows_that_a_revert_takes_back_are_told() -> None:
    ledger = in_log("doing", upto=2)
    one, two = wp(rows=ROWS[:1]), wp(rows=ROWS[:2], agent="codex")
    assert advance(Rule.HAND, change(two, one), ledger) == ["doing>planned user"]
    assert advance(Rule.HAND, change(one, two), ledger)[0] == "planned>doing bob"


def test_rows_that_a_revert_took_back_and_a_pull_brings_again_are_told_by_others() -> None:
    ledger = in_log("doing", upto=2)
    one, two = wp(rows=ROWS[:1]), wp(rows=ROWS[:2])
    assert advance(Rule.HAND, change(two, one), ledger) == ["doing>planned user"]
    assert advance(Rule.PULL, change(one, two), ledger) == []
    assert ledger.wp(("001-demo", "WP01")).status == "doing"


@pytest.mark.parametrize(
    ("rule", "upto", "is_restored", "status"),
    [
        (Rule.PULL, 2, False, "planned"),  # followed
        (Rule.SWITCH, 2, False, "doing"),
        (Rule.HAND, 3, False, "doing"),  # a stale copy: the log goes on elsewhere
        (Rule.HAND, 2, True, "doing"),
    ],
)
def test_rows_taken_back_elsewhere_tell_nothing(rule: Rule, upto: int, is_restored: bool, status: str) -> None:
    shrunk = change(wp(rows=ROWS[:2]), wp(rows=ROWS[:1]), is_restored=is_restored)
    inference = run(rule, shrunk, in_log("doing", upto=upto))
    assert not inference.drafts
    assert state(inference).status == status


def test_a_log_that_goes_altogether_leaves_the_status() -> None:
    inference = run(Rule.HAND, change(wp(None, rows=ROWS[:2]), wp(None)), in_log("doing", upto=2))
    assert not inference.drafts
    assert state(inference).status == "doing"


def test_a_merge_of_two_copies_of_a_log_tells_nothing() -> None:
    mine, theirs = wp(rows=(ROWS[0], ROWS[2])), wp(rows=ROWS[:2])
    assert short(run(Rule.MERGE, change([mine, theirs], wp(rows=ROWS[:3])), in_log("for_review", upto=3))) == []
