"""What is told of work packages that cannot be read, are gone, or that nobody was told of before."""

from __future__ import annotations

import pytest

from catflap.announced import LIVE, Ledger, WPAnnounced
from catflap.facts import NOTHING, Facts
from catflap.lanelog import LaneRow
from catflap.moves import Rule
from tests.facts_builder import (
    HANDS,
    ROWS,
    SILENT,
    advance,
    announced,
    broken,
    change,
    known,
    lane,
    log,
    run,
    seen,
    short,
    state,
    wp,
)

PLANNED, DOING, DONE = (wp(status) for status in ("planned", "doing", "done"))


# -- unknown, broken, deleted


@pytest.mark.parametrize("rule", HANDS)
def test_a_status_that_nobody_states_is_nothing(rule: Rule) -> None:
    inference = run(rule, change(DOING, wp(None)), known({"WP01": "doing"}))
    assert not inference.drafts
    assert state(inference).status == "doing"


def test_a_lane_that_was_removed_and_comes_back_is_nothing() -> None:
    ledger = known({"WP01": "doing"})
    assert advance(Rule.HAND, change(DOING, wp(None)), ledger) == []
    assert advance(Rule.HAND, change(wp(None), DOING), ledger) == []
    assert advance(Rule.HAND, change(wp(None), DONE), ledger) == ["doing>done user"]


def test_the_first_status_of_one_without_is_a_change_from_planned() -> None:
    assert short(run(Rule.HAND, change(wp(None), DOING), known({"WP01": None}))) == ["planned>doing user"]
    inference = run(Rule.HAND, change(wp(None), PLANNED), known({"WP01": None}))
    assert not inference.drafts
    assert state(inference).status == "planned"


def test_a_work_package_deleted_and_brought_back_tells_nothing() -> None:
    full = wp("doing", agent="codex", history=["a"], depends=["WP02"])
    ledger = known({"WP01": announced("doing", agent="codex", history=frozenset("a"))})
    assert advance(Rule.HAND, change(full, NOTHING), ledger) == []
    assert not ledger.wp(("001-demo", "WP01")).is_present
    assert advance(Rule.HAND, change(NOTHING, full), ledger) == []
    assert ledger.wp(("001-demo", "WP01")) == announced(
        "doing", agent="codex", history=frozenset("a"), dependencies=("WP02",)
    )


def test_one_that_comes_back_with_another_lane_tells_the_lane() -> None:
    ledger = known({"WP01": announced("doing", is_present=False)})
    assert advance(Rule.HAND, change(NOTHING, DONE), ledger)[0] == "doing>done user"


@pytest.mark.parametrize("rows", [(), (lane(1, "doing"),)])
def test_a_deleted_file_is_gone_though_its_log_stays(rows: tuple[LaneRow, ...]) -> None:
    ledger = known({"WP01": announced("doing", log_seen=None if not rows else (rows[0].at, rows[0].event_id))})
    inference = run(Rule.HAND, change(wp("doing", rows=rows), log(*rows) if rows else NOTHING), ledger)
    assert not inference.drafts
    assert not state(inference).is_present


def test_a_log_that_goes_does_not_delete_the_file() -> None:
    inference = run(Rule.ONTO, change([log(lane(1, "doing"))] + [NOTHING] * 2, NOTHING), known({"WP01": "doing"}))
    assert not inference.drafts
    assert state(inference).is_present


def test_a_switch_deletes_nothing() -> None:
    assert state(run(Rule.SWITCH, change(DOING, NOTHING), known({"WP01": "doing"}))).is_present


def test_a_broken_file_is_one_error_and_the_last_good_state_stays() -> None:
    ledger = known({"WP01": announced("doing", agent="codex")})
    told = advance(Rule.HAND, change(wp("doing", agent="codex"), broken("x")), ledger)
    assert told == ["error kitty-specs/001-demo/tasks/WP01-x.md:1: the frontmatter is not closed; close it"]
    assert ledger.wp(("001-demo", "WP01")) == announced("doing", agent="codex", told=LIVE)
    assert advance(Rule.EDIT, change(wp("doing"), broken("x")), ledger) == []
    assert len(advance(Rule.HAND, change(broken("x"), broken("y")), ledger)) == 1
    assert advance(Rule.HAND, change(broken("y"), broken("x")), ledger) == []
    assert advance(Rule.HAND, change(broken("y"), wp("done", agent="codex")), ledger)[0] == "doing>done codex"


def test_an_unknown_lane_is_one_error_and_the_status_stays() -> None:
    ledger = known({"WP01": "doing"})
    assert advance(Rule.HAND, change(DOING, wp("dong")), ledger) == [
        "error kitty-specs/001-demo/tasks/WP01-x.md:3: lane 'dong' is unknown"
    ]
    assert advance(Rule.HAND, change(wp("dong"), wp("dong", history=["a"])), ledger) == ["note ada: a"]
    assert advance(Rule.HAND, change(wp("dong"), DONE), ledger)[0] == "doing>done user"


@pytest.mark.parametrize(
    ("rule", "olds", "told"),
    [
        (Rule.HAND, [DOING], True),
        (Rule.HAND, [NOTHING], True),
        (Rule.HAND, [broken("x")], False),
        (Rule.MERGE, [DOING, broken("x")], False),
        (Rule.MERGE, [DOING, broken("y")], True),
        (Rule.ONTO, [DOING, broken("x"), DOING], False),
        (Rule.ONTO, [DOING, DOING, DOING], True),
        *[(rule, [DOING], False) for rule in SILENT],
    ],
)
def test_an_error_is_told_by_whose_hand_it_is(rule: Rule, olds: list[Facts], told: bool) -> None:
    assert len(run(rule, change(olds, broken("x")), known({"WP01": "doing"})).drafts) == told


def test_an_error_that_was_pulled_is_told_by_its_maker_only() -> None:
    ledger = known()
    assert advance(Rule.PULL, change(PLANNED, broken("x")), ledger) == []
    assert advance(Rule.EDIT, change(PLANNED, broken("x")), ledger) == []


def test_an_error_seen_after_a_switch_is_still_to_be_told() -> None:
    ledger = known()
    assert advance(Rule.SWITCH, change(PLANNED, broken("x")), ledger) == []
    assert len(advance(Rule.HAND, change(PLANNED, broken("x")), ledger)) == 1


# -- one that the ledger does not know


@pytest.mark.parametrize(
    ("rule", "olds", "new", "told"),
    [
        (Rule.HAND, [wp("doing", agent="a", history=["x"])], wp("done", agent="a", history=["x", "y"]), True),
        (Rule.EDIT, [wp("doing")], wp("doing"), False),
        (Rule.PICK, [DOING], DONE, True),
        (Rule.MERGE, [DOING, PLANNED], DONE, True),
        (Rule.MERGE, [NOTHING, DOING], DONE, True),  # the merge brought it, and a hand moved it on
        (Rule.MERGE, [NOTHING, DOING], DOING, False),
        (Rule.ONTO, [NOTHING, DOING, NOTHING], DOING, False),
        (Rule.ONTO, [NOTHING, DOING, NOTHING], DONE, True),
        *[(rule, [DOING], DONE, False) for rule in SILENT],
        *[(rule, [NOTHING], DONE, False) for rule in SILENT],
    ],
)
def test_one_that_was_there_before_is_taken_as_it_was_and_then_judged(
    rule: Rule, olds: list[Facts], new: Facts, told: bool
) -> None:
    inference = run(rule, change(olds, new), known({}))
    expected = [text for text in short(inference) if "created" in text or ">" in text]
    assert expected == ([f"doing>done {'ada' if new.wp.history else 'user'}"] if told else [])
    assert state(inference).title == "Build WP01"
    if Rule.SWITCH is not rule or olds == [NOTHING]:
        assert state(inference).status == new.status


def test_a_row_added_to_one_that_was_there_before_is_told() -> None:
    old, new = wp("doing", agent="a", history=["x"]), wp("doing", agent="a", history=["x", "y"])
    assert short(run(Rule.HAND, change(old, new), known({}))) == ["note ada: y"]


def test_a_log_that_was_there_before_is_taken_as_it_was() -> None:
    inference = run(Rule.HAND, change(wp(rows=ROWS[:2]), wp(rows=ROWS[:3])), known({}))
    assert short(inference) == ["doing>for_review cy"]


def test_one_that_was_broken_before_is_created_when_it_can_be_read() -> None:
    told = short(run(Rule.HAND, change(broken("x"), DOING), known({})))
    assert told == ["created", "planned>doing user"]


# -- what no event has a word for


@pytest.mark.parametrize("rule", [Rule.HAND, Rule.EDIT, Rule.PULL, Rule.MERGE, Rule.ONTO])
def test_title_and_dependencies_change_silently(rule: Rule) -> None:
    old, new = wp("doing"), wp("doing", title="Better", depends=["WP02"])
    inference = run(rule, change([old, old, old], new), known({"WP01": "doing", "WP02": "done"}))
    assert not inference.drafts
    assert (state(inference).title, state(inference).dependencies) == ("Better", ("WP02",))


def test_another_branch_changes_no_title() -> None:
    inference = run(Rule.SWITCH, change(wp("planned"), wp("planned", title="Better", depends=["WP02"])), known())
    assert state(inference) == announced()


def test_a_work_package_of_which_nothing_was_taken_is_known_by_its_rows() -> None:
    inference = run(Rule.PULL, change(NOTHING, log(*ROWS[:2])), Ledger())
    assert not inference.drafts
    assert state(inference) == WPAnnounced(status="doing", log_seen=seen(ROWS[1]))
    assert inference.ledger.feature("001-demo") is None
