"""The reflog's words, as git 2.39 and its neighbours write them, and the rule that each gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.moves import (
    Entry,
    OpenRebase,
    Rule,
    by_hand,
    classify,
    fold,
    is_drop,
    is_zero,
    newer_by_hand,
    parse_reflog,
    rebase_step,
    rebased_from,
)

A, B, C, D = (letter * 40 for letter in "abcd")
ZERO = "0" * 40


def entry(old: str, new: str, message: str, *, at: int = 7) -> Entry:
    return Entry(old=old, new=new, at=at, message=message, line=f"{old} {new} {message}", end=1)


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ("commit: add WP01", Rule.HAND),
        ("commit (initial): first", Rule.HAND),
        ("commit (amend): again", Rule.HAND),
        ("commit (merge): Merge branch 'x'", Rule.MERGE),
        ("commit (cherry-pick): y", Rule.PICK),
        ("commit: Fast-forward the plan", Rule.HAND),
        ('revert: Revert "x"', Rule.HAND),
        ("cherry-pick: x", Rule.PICK),
        ("cherry-pick: fast-forward", Rule.PULL),
        ("rebase: checkout main", Rule.SWITCH),
        ("rebase: fast-forward", Rule.PULL),
        ("am: x", Rule.PICK),
        ("merge topic: Fast-forward", Rule.PULL),
        ("merge topic: Merge made by the 'ort' strategy.", Rule.MERGE),
        ("merge a b: Merge made by the 'octopus' strategy.", Rule.MERGE),
        ("pull: Fast-forward", Rule.PULL),
        ("pull --no-rebase origin main: Merge made by the 'ort' strategy.", Rule.MERGE),
        ("pull -q --ff-only: Fast-forward", Rule.PULL),
        ("checkout: moving from main to topic", Rule.SWITCH),
        ("reset: moving to HEAD~1", Rule.ONTO),
        ("clone: from /some/where", Rule.SWITCH),
        ("", Rule.UNKNOWN),
        ("my-own-script: whatever", Rule.UNKNOWN),
        ("Branch: renamed refs/heads/a to refs/heads/b", Rule.UNKNOWN),
    ],
)
def test_each_message_has_its_rule(message: str, rule: Rule) -> None:
    assert classify(message) is rule


@pytest.mark.parametrize(
    ("message", "step"),
    [
        ("rebase (start): checkout main", "start"),
        ("rebase -i (start): checkout main", "start"),
        ("pull -q --rebase (start): checkout abc", "start"),
        ("rebase (pick): x", "pick"),
        ("rebase (finish): returning to refs/heads/topic", "finish"),
        ("pull --rebase (finish): returning to refs/heads/topic", "finish"),
        ("rebase (abort): returning to refs/heads/topic", "abort"),
        ("commit (amend): x", None),
        ("pull: Fast-forward", None),
        ("merge rebase: Fast-forward", None),
    ],
)
def test_the_steps_of_a_rebase_are_known(message: str, step: str | None) -> None:
    assert rebase_step(message) == step


def test_a_rebase_is_one_move_whatever_happens_inside() -> None:
    moves, rebase = fold(
        [
            entry(A, B, "rebase (start): checkout main"),
            entry(B, C, "rebase (pick): x"),
            entry(C, D, "commit (amend): an edit stop"),
            entry(D, D, "rebase (finish): returning to refs/heads/topic"),
        ],
        None,
    )
    assert rebase is None
    assert [(move.rule, move.old, move.new, move.onto, move.branch) for move in moves] == [
        (Rule.ONTO, A, D, B, "refs/heads/topic")
    ]


def test_an_aborted_rebase_is_a_switch_back() -> None:
    moves, rebase = fold(
        [
            entry(A, B, "rebase (start): checkout main"),
            entry(B, A, "rebase (abort): returning to refs/heads/topic"),
        ],
        None,
    )
    assert rebase is None
    assert [move.rule for move in moves] == [Rule.SWITCH]


def test_a_rebase_onto_where_head_is_has_no_start() -> None:
    pick, finish = entry(B, C, "rebase (pick): x"), entry(C, C, "rebase (finish): returning to refs/heads/topic")
    moves, rebase = fold([pick, finish], None)
    assert rebase is None
    assert [(move.rule, move.old, move.new, move.onto, move.branch) for move in moves] == [
        (Rule.ONTO, B, C, B, "refs/heads/topic")
    ]
    moves, rebase = fold([entry(B, A, "rebase (abort): returning to refs/heads/topic")], None)
    assert rebase is None
    assert [(move.rule, move.old, move.new) for move in moves] == [(Rule.SWITCH, B, A)]


def test_a_rebase_stays_open_between_two_readings() -> None:
    moves, rebase = fold([entry(A, B, "rebase (start): checkout main"), entry(B, C, "rebase (pick): x")], None)
    assert not moves
    assert rebase == OpenRebase(old=A, onto=B, new=C, at=7)
    moves, rebase = fold([entry(C, C, "rebase (finish): returning to refs/heads/t")], rebase)
    assert rebase is None
    assert moves[0].old == A


@pytest.mark.parametrize("after", ["checkout: moving from HEAD to main", "rebase (start): checkout other"])
def test_a_detached_rebase_is_over_when_head_goes_elsewhere(after: str) -> None:
    moves, _ = fold([entry(C, D, after)], OpenRebase(old=A, onto=B, new=C, at=1))
    assert (moves[0].rule, moves[0].old, moves[0].new, moves[0].onto) == (Rule.ONTO, A, C, B)


@pytest.mark.parametrize(
    "nothing",
    [
        entry(A, ZERO, "Branch: renamed refs/heads/a to refs/heads/b"),
        entry(ZERO, A, "Branch: renamed refs/heads/a to refs/heads/b"),
        entry(A, A, "reset: moving to HEAD"),
        entry(ZERO, A, ""),
    ],
)
def test_entries_that_do_not_move_head_are_no_moves(nothing: Entry) -> None:
    assert fold([nothing], None) == ([], None)


def test_the_first_commit_is_a_move_from_nothing() -> None:
    moves, _ = fold([entry(ZERO, A, "commit (initial): x")], None)
    assert is_zero(moves[0].old)
    assert moves[0].rule is Rule.HAND


def test_a_line_without_its_newline_is_not_there_yet() -> None:
    line = f"{A} {B} Ada <ada@example.org> 1700000000 +0100\tcommit: x\n".encode()
    assert [e.end for e in parse_reflog(line + line[:-1], 10)] == [10 + len(line)]
    first = parse_reflog(line, 0)[0]
    assert (first.old, first.new, first.at, first.message) == (A, B, 1700000000, "commit: x")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    for found in parse_reflog(data + b"\n", 0):
        classify(found.message)
        rebase_step(found.message)


def test_the_branch_knows_what_was_rebased() -> None:
    entries = [entry(A, C, f"rebase (finish): refs/heads/topic onto {B}"), entry(C, D, "commit: x")]
    assert rebased_from(entries, "refs/heads/topic", C) == (A, B)
    assert rebased_from(entries, "refs/heads/topic", D) is None
    assert rebased_from(entries, "refs/heads/other", C) is None


@pytest.mark.parametrize(
    ("rule", "new", "olds", "announced", "told"),
    [
        (Rule.HAND, "doing", ["planned"], "planned", True),
        (Rule.HAND, "doing", ["doing"], "planned", False),
        (Rule.EDIT, "doing", ["planned"], "doing", True),
        (Rule.PICK, "doing", ["planned"], "planned", True),
        (Rule.PICK, "doing", ["planned"], "for_review", False),
        (Rule.MERGE, "done", ["planned", "doing"], "doing", True),
        (Rule.MERGE, "doing", ["planned", "doing"], "planned", False),
        (Rule.PULL, "doing", ["planned"], "planned", False),
        (Rule.SWITCH, "doing", ["planned"], "planned", False),
        # reset --hard HEAD~1: onto is the new commit, so is the merge base
        (Rule.ONTO, "planned", ["doing", "planned", "planned"], "doing", True),
        # reset --hard origin/main that only brings others' work: the base is the old commit
        (Rule.ONTO, "doing", ["planned", "doing", "planned"], "planned", False),
        # a plain rebase of my change
        (Rule.ONTO, "doing", ["doing", "planned", "planned"], "doing", False),
        # a conflict resolved to a third lane
        (Rule.ONTO, "done", ["doing", "for_review", "planned"], "doing", True),
    ],
)
def test_by_whose_hand(rule: Rule, new: str, olds: list[str], announced: str, told: bool) -> None:
    assert by_hand(rule, new, olds, announced) is told


def test_a_drop_is_back_at_the_merge_base() -> None:
    assert is_drop(Rule.ONTO, "planned", ["doing", "planned", "planned"])
    assert not is_drop(Rule.HAND, "planned", ["doing"])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(Rule.HAND, [1]), (Rule.MERGE, [1, 2, 3]), (Rule.ONTO, [1, 2]), (Rule.PULL, []), (Rule.SWITCH, [])],
)
def test_where_an_added_row_must_be_missing(rule: Rule, expected: list[int]) -> None:
    assert list(newer_by_hand(rule, [1, 2, 3])) == expected
