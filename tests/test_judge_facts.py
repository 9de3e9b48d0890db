"""What is told of one work package's facts: rows of its history, the phase of an assignment, who did it."""

from __future__ import annotations

import pytest

from catflap.moves import Rule
from tests.facts_builder import advance, announced, change, known, note, run, short, state, wp

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
