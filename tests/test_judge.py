"""By whose hand each fact of one work package was changed, and what is told of it: every rule, every fact."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from catflap.announced import LIVE, Ledger, WPAnnounced
from catflap.facts import NOTHING, Facts
from catflap.lanelog import LaneRow
from catflap.moves import Rule
from tests.facts_builder import advance, announced, broken, change, known, lane, log, note, run, short, state, wp

HANDS = [Rule.HAND, Rule.EDIT, Rule.PICK]
SILENT = [Rule.PULL, Rule.SWITCH, Rule.UNKNOWN]
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


# -- history as a set


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (["a", "b"], ["a", "b", "c", "d"], ["c", "d"]),
        (["b"], ["a", "b"], ["a"]),
        (["a", "b", "c"], ["c", "b", "a"], []),
        (["a", "b"], ["a"], []),
        (["a", "b"], [], []),
        (["a", "b"], ["a", "B"], []),
        (["a", "b"], ["A", "b"], []),
        (["a", "b"], ["A", "B"], []),
        (["a", "b"], ["a", "B", "c"], ["c"]),
        (["a", "b"], ["A", "b", "c"], ["c"]),
        (["a", "b", "c"], ["a", "c", "d"], ["d"]),
        ([], ["a"], ["a"]),
    ],
)
def test_only_appended_rows_are_told_never_edited_or_removed_ones(
    old: list[str], new: list[str], told: list[str]
) -> None:
    inference = run(Rule.HAND, change(wp("planned", history=old), wp("planned", history=new)))
    assert short(inference) == [f"note ada: {row}" for row in told]
    assert state(inference).history >= set(new)


def test_a_row_that_was_removed_and_comes_back_is_not_told_again() -> None:
    ledger = known()
    empty, full = wp("planned"), wp("planned", history=["a"])
    assert advance(Rule.HAND, change(empty, full), ledger) == ["note ada: a"]
    assert advance(Rule.HAND, change(full, empty), ledger) == []
    assert advance(Rule.HAND, change(empty, full), ledger) == []


@pytest.mark.parametrize(
    ("row", "facts", "told"),
    [
        (note("x"), {}, "note ada: x"),
        (note("x", entry_type="error"), {}, "error ada: x"),
        (note("x", entry_type="comment"), {"status": "for_review"}, "comment ada: x"),
        (note("x"), {"status": "for_review"}, "review ada: x"),
        (note("x", None), {"agent": "codex"}, "note codex: x"),
        (note("x", None), {}, "note user: x"),
    ],
)
def test_a_row_says_who_wrote_what(row: object, facts: dict[str, str], told: str) -> None:
    fields = {"status": "planned", **facts}
    ledger = known({"WP01": announced(fields["status"], agent=facts.get("agent"))})
    assert short(run(Rule.HAND, change(wp(**fields), wp(**fields, history=[row])), ledger)) == [told]


# -- the phase, and how often


@pytest.mark.parametrize(
    ("before", "after", "feedback", "phase"),
    [
        ("planned", "planned", False, "implementation"),
        ("planned", "doing", False, "implementation"),
        ("doing", "for_review", False, "review"),
        ("for_review", "for_review", False, "review"),
        ("for_review", "doing", False, "review"),
        ("for_review", "doing", True, "implementation"),
        ("for_review", "for_review", True, "review"),
        ("for_review", "done", False, "implementation"),
        ("for_review", "planned", False, "implementation"),
        ("doing", "doing", False, "implementation"),
    ],
)
def test_an_assignment_has_its_phase(before: str, after: str, feedback: bool, phase: str) -> None:
    new = wp(after, agent="codex", feedback=feedback)
    drafts = run(Rule.HAND, change(wp(before), new), known({"WP01": before})).drafts
    assert [d.payload["phase"] for d in drafts if d.event_type == "WPAssigned"] == [phase]


def test_a_stale_lane_in_the_file_makes_no_phase() -> None:
    ledger = known({"WP01": announced("doing", log_seen=("2026-02-03T12:00:02.000000Z", "E02"))})
    stale = change(wp("for_review"), wp("for_review", agent="codex"))
    assert short(run(Rule.HAND, stale, ledger)) == ["assigned codex implementation 0"]


def test_assignments_are_counted_per_phase() -> None:
    ledger = known()
    told = []
    steps = ["a", "b", "a"]
    for old, new in zip([None, *steps], steps, strict=False):
        told += advance(Rule.HAND, change(wp("doing", agent=old), wp("doing", agent=new)), ledger)
    told += advance(Rule.HAND, change(wp("doing", agent="a"), wp("for_review", agent="r")), ledger)
    assert [text for text in told if "assigned" in text] == [
        "assigned a implementation 0",
        "assigned b implementation 1",
        "assigned a implementation 2",
        "assigned r review 0",
    ]


def test_an_agent_that_was_removed_and_comes_back_is_not_assigned_again() -> None:
    ledger = known({"WP01": announced(agent="codex")})
    assert advance(Rule.HAND, change(wp(agent="codex"), wp()), ledger) == []
    assert advance(Rule.HAND, change(wp(), wp(agent="codex")), ledger) == []


# -- changed_by


@pytest.mark.parametrize(
    ("old", "new", "by"),
    [
        ({}, {}, "user"),
        ({"agent": "codex"}, {"agent": "codex"}, "codex"),
        ({"agent": "codex"}, {"agent": "codex", "history": [note("x", "ada")]}, "ada"),
        ({}, {"history": [note("x", "ada"), note("y", "bob")]}, "bob"),
        ({}, {"history": [note("x", "ada"), note("y", None)]}, "ada"),
        ({"history": [note("x", "ada")]}, {"history": [note("x", "ada")], "agent": "codex"}, "codex"),
        ({"history": [note("x", "ada")]}, {"history": [note("X", "bob")]}, "user"),
        ({"agent": "codex"}, {"agent": "codex", "history": [note("x", "unknown")]}, "codex"),
        ({"agent": "codex"}, {"agent": "codex", "history": [note("x", "ada"), note("y", "system")]}, "ada"),
        ({"agent": "codex"}, {"agent": "codex", "history": [note("x", "user")]}, "user"),
    ],
)
def test_a_change_is_by_the_row_added_else_the_agent_else_the_user(
    old: dict[str, object], new: dict[str, object], by: str
) -> None:
    ledger = known({"WP01": announced(agent=old.get("agent"))})
    told = short(run(Rule.HAND, change(wp("planned", **old), wp("doing", **new)), ledger))
    assert told[0] == f"planned>doing {by}"


def test_a_row_that_a_merge_brought_is_not_the_hand_that_resolved_it() -> None:
    sides = [wp("planned"), wp("doing", history=[note("x", "mate")])]
    merged = wp("done", history=[note("x", "mate")])
    assert short(run(Rule.MERGE, change(sides, merged))) == ["planned>done user"]


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


# -- the lane log


def seen(row: LaneRow) -> tuple[str, str]:
    return (row.at, row.event_id)


ROWS = (lane(1, "planned"), lane(2, "in_progress", "bob"), lane(3, "for_review", "cy"), lane(4, "done", None))


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
