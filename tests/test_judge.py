"""By whose hand each fact of one work package was changed, and what is told of it: every rule, every fact."""

from __future__ import annotations

import pytest

from catflap.facts import Facts
from catflap.moves import Rule
from tests.facts_builder import HANDS, SILENT, advance, announced, change, known, run, short, state, wp

PLANNED, DOING, REVIEW, DONE = (wp(status) for status in ("planned", "doing", "for_review", "done"))


# -- by whose hand: the status


@pytest.mark.parametrize(
    ("rule", "olds", "new", "known_status", "told"),
    [
        # commit, initial, amend, revert; and a saved file
        *[(rule, [PLANNED], DOING, "planned", ["planned>doing user"]) for rule in HANDS],
        (Rule.HAND, [DOING], PLANNED, "doing", ["doing>planned user"]),
        (Rule.HAND, [PLANNED], DOING, "doing", []),
        (Rule.EDIT, [PLANNED], DOING, "doing", []),
        (Rule.HAND, [DOING], DOING, "planned", []),
        # the world sees a chain without a hole, whatever this view saw before
        (Rule.HAND, [PLANNED], DOING, "for_review", ["for_review>doing user"]),
        (Rule.EDIT, [PLANNED], DOING, "for_review", ["for_review>doing user"]),
        # cherry-pick, am: only where the old state is the announced one
        (Rule.PICK, [PLANNED], DOING, "for_review", []),
        (Rule.PICK, [PLANNED], DOING, "doing", []),
        # a merge: a hand resolved what differs from every parent
        (Rule.MERGE, [PLANNED, DOING], DONE, "doing", ["doing>done user"]),
        (Rule.MERGE, [PLANNED, DOING], DOING, "planned", []),
        (Rule.MERGE, [DOING, PLANNED], DOING, "doing", []),
        (Rule.MERGE, [DOING, REVIEW], REVIEW, "doing", []),
        (Rule.MERGE, [PLANNED, PLANNED], DOING, "planned", ["planned>doing user"]),
        # an octopus: one parent of many is enough to have brought it
        (Rule.MERGE, [PLANNED, DOING, REVIEW], REVIEW, "planned", []),
        (Rule.MERGE, [PLANNED, DOING, REVIEW], DONE, "planned", ["planned>done user"]),
        # reset: old, onto (= new), base
        (Rule.ONTO, [DOING, PLANNED, PLANNED], PLANNED, "doing", ["doing>planned user"]),
        (Rule.ONTO, [PLANNED, DOING, PLANNED], DOING, "planned", []),
        (Rule.ONTO, [DOING, REVIEW, PLANNED], REVIEW, "doing", []),
        (Rule.ONTO, [DOING, PLANNED, PLANNED], PLANNED, "planned", []),
        # rebase: mine kept, theirs brought, a commit dropped, a conflict or an `edit` stop
        (Rule.ONTO, [DOING, PLANNED, PLANNED], DOING, "doing", []),
        (Rule.ONTO, [PLANNED, REVIEW, PLANNED], REVIEW, "planned", []),
        (Rule.ONTO, [DOING, REVIEW, PLANNED], PLANNED, "doing", ["doing>planned user"]),
        (Rule.ONTO, [DOING, REVIEW, PLANNED], DONE, "doing", ["doing>done user"]),
        # fast-forward, pull, switch
        *[(rule, [PLANNED], DOING, "planned", []) for rule in SILENT],
        *[(rule, [DOING], PLANNED, "doing", []) for rule in SILENT],
    ],
)
def test_a_status_is_told_by_whose_hand_it_is(
    rule: Rule, olds: list[Facts], new: Facts, known_status: str, told: list[str]
) -> None:
    assert short(run(rule, change(olds, new), known({"WP01": known_status}))) == told


@pytest.mark.parametrize(
    ("rule", "olds", "before", "after"),
    [
        # what others made follows, when it starts from what is announced
        (Rule.PULL, [PLANNED], "planned", "doing"),
        (Rule.UNKNOWN, [PLANNED], "planned", "doing"),
        (Rule.MERGE, [PLANNED, DOING], "planned", "doing"),
        (Rule.ONTO, [PLANNED, DOING, PLANNED], "planned", "doing"),
        # an older state than the announced one is not followed
        (Rule.PULL, [PLANNED], "for_review", "for_review"),
        (Rule.MERGE, [PLANNED, DOING], "for_review", "for_review"),
        (Rule.PICK, [PLANNED], "for_review", "for_review"),
        # a switch moves nothing at all
        (Rule.SWITCH, [PLANNED], "planned", "planned"),
    ],
)
def test_the_ledger_follows_what_others_did(rule: Rule, olds: list[Facts], before: str, after: str) -> None:
    inference = run(rule, change(olds, DOING), known({"WP01": before}))
    assert not inference.drafts
    assert state(inference).status == after


def test_what_was_pulled_is_where_the_next_change_starts() -> None:
    ledger = known({"WP01": "planned"})
    assert advance(Rule.PULL, change(PLANNED, DOING), ledger) == []
    assert advance(Rule.HAND, change(DOING, REVIEW), ledger) == ["doing>for_review user"]


@pytest.mark.parametrize("rule", [Rule.ONTO, Rule.PULL, Rule.MERGE])
def test_the_silent_return_of_a_drop_is_told(rule: Rule) -> None:
    ledger = known({"WP01": "doing"})
    assert advance(Rule.ONTO, change([DOING, PLANNED, PLANNED], PLANNED), ledger) == ["doing>planned user"]
    olds = {Rule.ONTO: [PLANNED, DOING, PLANNED], Rule.PULL: [PLANNED], Rule.MERGE: [PLANNED, DOING]}[rule]
    assert advance(rule, change(olds, DOING), ledger) == ["planned>doing user"]
    assert advance(rule, change(olds, DOING), ledger) == []


def test_a_switch_does_not_bring_a_drop_back() -> None:
    ledger = known({"WP01": announced("planned", dropped="doing")})
    assert advance(Rule.SWITCH, change(PLANNED, DOING), ledger) == []
    assert advance(Rule.PULL, change(PLANNED, DOING), ledger) == ["planned>doing user"]


def test_a_drop_is_forgotten_once_a_hand_goes_on() -> None:
    ledger = known({"WP01": announced("planned", dropped="doing")})
    assert advance(Rule.HAND, change(PLANNED, REVIEW), ledger) == ["planned>for_review user"]
    assert advance(Rule.PULL, change(REVIEW, DOING), ledger) == []


def test_a_drop_is_back_only_where_something_moved() -> None:
    ledger = known({"WP01": announced("planned", dropped="doing")})
    assert advance(Rule.HAND, change(DOING, wp("doing", title="Better")), ledger) == []


def test_a_change_of_a_hand_is_no_drop() -> None:
    ledger = known({"WP01": "doing"})
    advance(Rule.HAND, change(DOING, PLANNED), ledger)
    assert advance(Rule.PULL, change(PLANNED, DOING), ledger) == []


def test_a_drop_that_the_same_observation_takes_back_is_not_told() -> None:
    inference = run(
        Rule.ONTO, change([DOING, PLANNED, PLANNED], PLANNED, is_restored=True), known({"WP01": announced("doing")})
    )
    assert not inference.drafts
    assert state(inference) == announced("doing")
    assert [note.why for note in inference.notes] == ["taken back by a later step of the same observation"]


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule not in (Rule.HAND, Rule.EDIT)])
def test_what_is_held_back_says_why(rule: Rule) -> None:
    olds = {Rule.MERGE: [PLANNED, DOING], Rule.ONTO: [PLANNED, DOING, PLANNED]}.get(rule, [PLANNED])
    status = "for_review" if rule is Rule.PICK else "planned"
    (held,) = run(rule, change(olds, DOING), known({"WP01": status})).notes
    assert (held.fact, held.after, held.draft) == ("status", "doing", None)
    assert held.why


def test_what_is_told_says_why() -> None:
    inference = run(Rule.HAND, change(PLANNED, DOING))
    (told,) = inference.notes
    assert told.draft is inference.drafts[0]
    assert (told.fact, told.before, told.after) == ("status", "planned", "doing")
    assert told.path == "kitty-specs/001-demo/tasks/WP01-x.md"


def test_what_is_announced_already_says_so() -> None:
    (held,) = run(Rule.HAND, change(PLANNED, DOING), known({"WP01": "doing"})).notes
    assert (held.why, held.draft) == ("announced already", None)


# -- fact by fact


def test_a_merge_brings_a_lane_from_one_side_and_a_row_of_the_hand() -> None:
    base, theirs = wp("planned", history=["a"]), wp("doing", history=["a"])
    merged = wp("doing", history=["a", "resolved"])
    inference = run(Rule.MERGE, change([base, theirs], merged), known({"WP01": announced(history=frozenset("a"))}))
    assert short(inference) == ["note ada: resolved"]
    assert state(inference).status == "doing"


def test_a_merge_brings_a_row_from_one_side_and_a_lane_of_the_hand() -> None:
    mine, theirs = wp("doing", history=["a"]), wp("for_review", history=["a", "b"])
    merged = wp("done", history=["a", "b"], agent="codex")
    told = short(run(Rule.MERGE, change([mine, theirs], merged), known({"WP01": "doing"})))
    assert told == ["doing>done codex", "assigned codex implementation 0"]


def test_a_merge_tells_an_agent_that_no_side_had() -> None:
    sides = [wp("doing", agent="a"), wp("for_review", agent="b")]
    ledger = known({"WP01": announced("doing", agent="a")})
    assert short(run(Rule.MERGE, change(sides, wp("for_review", agent="c")), ledger)) == ["assigned c review 0"]


@pytest.mark.parametrize(
    ("rule", "olds", "new", "told"),
    [
        (Rule.HAND, [None], "codex", True),
        (Rule.HAND, ["claude"], "codex", True),
        (Rule.EDIT, ["claude"], "codex", True),
        (Rule.HAND, ["claude"], None, False),
        (Rule.HAND, ["codex"], "claude", False),  # claude is announced
        (Rule.PICK, ["claude"], "codex", True),
        (Rule.PICK, ["other"], "codex", False),
        (Rule.MERGE, ["claude", "codex"], "codex", False),
        (Rule.MERGE, ["claude", "other"], "codex", True),
        (Rule.ONTO, ["claude", "codex", "claude"], "codex", False),
        (Rule.ONTO, ["claude", "codex", "codex"], "codex", True),
        (Rule.ONTO, ["claude", "other", "claude"], "codex", True),
        *[(rule, ["claude"], "codex", False) for rule in SILENT],
    ],
)
def test_an_agent_is_told_by_whose_hand_it_is(rule: Rule, olds: list[str | None], new: str | None, told: bool) -> None:
    ledger = known({"WP01": announced(agent="claude")})
    before = [wp("planned", agent=agent) for agent in olds]
    expected = ["assigned codex implementation 0"] if told else []
    assert short(run(rule, change(before, wp("planned", agent=new)), ledger)) == expected


@pytest.mark.parametrize(
    ("rule", "olds", "told"),
    [
        *[(rule, [["a"]], True) for rule in HANDS],
        (Rule.HAND, [["a", "b"]], False),
        (Rule.MERGE, [["a"], ["a"]], True),
        (Rule.MERGE, [["a"], ["a", "b"]], False),
        (Rule.MERGE, [["a"], ["a"], ["b"]], False),
        (Rule.ONTO, [["a"], ["a"], ["a"]], True),
        (Rule.ONTO, [["a"], ["a", "b"], ["a"]], False),
        (Rule.ONTO, [["a", "b"], ["a"], ["a"]], False),
        *[(rule, [["a"]], False) for rule in SILENT],
    ],
)
def test_a_history_row_is_told_by_whose_hand_it_is(rule: Rule, olds: list[list[str]], told: bool) -> None:
    before = [wp("planned", history=rows) for rows in olds]
    inference = run(rule, change(before, wp("planned", history=["a", "b"])))
    assert short(inference) == (["note ada: b"] if told else [])


@pytest.mark.parametrize("rule", [Rule.PULL, Rule.UNKNOWN])
def test_what_was_pulled_of_agent_and_history_is_known(rule: Rule) -> None:
    ledger = known()
    old, new = wp("planned"), wp("planned", agent="codex", history=["a"])
    assert advance(rule, change(old, new), ledger) == []
    assert advance(Rule.HAND, change(old, new), ledger) == []


def test_a_switch_leaves_agent_and_history_to_be_told() -> None:
    ledger = known()
    old, new = wp("planned"), wp("planned", agent="codex", history=["a"])
    assert advance(Rule.SWITCH, change(old, new), ledger) == []
    assert advance(Rule.HAND, change(old, new), ledger) == ["assigned codex implementation 0", "note ada: a"]


def test_an_agent_of_others_is_followed_only_from_the_announced_one() -> None:
    pulled = change(wp(agent="codex"), wp(agent="claude"))
    assert state(run(Rule.PULL, pulled, known({"WP01": announced(agent="codex")}))).agent == "claude"
    assert state(run(Rule.PULL, pulled, known({"WP01": announced(agent="other")}))).agent == "other"


def test_an_agent_that_was_dropped_is_told_again_on_its_return() -> None:
    ledger = known({"WP01": announced(agent="codex")})
    claude, codex = wp("planned", agent="claude"), wp("planned", agent="codex")
    assert advance(Rule.ONTO, change([codex, claude, claude], claude), ledger) == ["assigned claude implementation 0"]
    assert advance(Rule.SWITCH, change(claude, codex), ledger) == []
    assert advance(Rule.ONTO, change([claude, codex, claude], codex), ledger) == ["assigned codex implementation 1"]
    assert advance(Rule.PULL, change(codex, claude), ledger) == []


def test_an_agent_that_the_same_observation_brings_back_is_not_told() -> None:
    codex, claude = wp("planned", agent="codex"), wp("planned", agent="claude")
    dropped = change([codex, claude, claude], claude, is_restored=True)
    assert short(run(Rule.ONTO, dropped, known({"WP01": announced(agent="codex")}))) == []
