"""Whose moves come first, of several views."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.moves import Move, Rule
from catflap.turns import brings, turns

H, M = Rule.HAND, Rule.MERGE
Step = tuple[int, Rule]
STEP = st.tuples(st.integers(0, 5), st.sampled_from([H, M, Rule.ONTO]))


def no_parents(commit: str) -> tuple[str, ...]:
    assert commit
    return ()


def moves(*steps: Step) -> list[Move]:
    return [
        Move(rule=rule, old=f"{at}a", new=f"{at}{index}", at=at, label="") for index, (at, rule) in enumerate(steps)
    ]


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        ([[(1, M)], [(1, H)]], [(1, 1), (0, 1)]),
        ([[(1, H)], [(1, H)]], [(1, 1), (0, 1)]),
        ([[(5, M)], [(6, H)]], [(0, 1)]),
        ([[(5, M)], [(4, H), (6, H)]], [(1, 1), (0, 1)]),
        ([[(1, H), (4, M)], [(2, H), (3, M), (3, H)]], [(0, 1), (1, 3), (0, 1)]),
        ([[(1, M)], [(9, M), (1, H)]], [(0, 1)]),
        ([[(3, M)], [(2, M)], [(1, H)]], [(2, 1), (1, 1), (0, 1)]),
        ([[], [(1, H)]], []),
    ],
)
def test_the_earliest_comes_first_and_of_one_second_what_tells(
    queues: list[list[Step]], expected: list[tuple[int, int]]
) -> None:
    assert turns([moves(*queue) for queue in queues], no_parents) == expected


@given(st.lists(st.lists(STEP, max_size=6), min_size=1, max_size=4))
def test_no_queue_gives_more_than_it_has_and_the_first_is_whole(queues: list[list[Step]]) -> None:
    found = turns([moves(*queue) for queue in queues], no_parents)
    counts = [sum(count for index, count in found if index == number) for number in range(len(queues))]
    assert counts[0] == len(queues[0])
    assert all(count <= len(queue) for count, queue in zip(counts, queues, strict=True))
    assert not found or found[-1][0] == 0


def test_only_a_hands_own_moves_bring_nothing() -> None:
    assert not brings(moves((1, H), (2, Rule.EDIT)))
    assert brings(moves((1, H), (2, Rule.PULL)))
    assert brings(moves((1, Rule.UNKNOWN)))


def path(*names: str, rule: Rule) -> list[Move]:
    """Moves of one second along commits with these names."""
    return [Move(rule=rule, old=old, new=new, at=7, label="") for old, new in pairwise(names)]


@pytest.mark.parametrize(
    ("brought", "parents", "before"),
    [
        ("c2", {}, 2),
        ("c0", {}, 0),
        ("c3", {}, 3),
        ("m", {"m": ("x", "c1")}, 1),
        ("m", {"m": ("x", "elsewhere")}, 3),
    ],
)
def test_in_one_second_the_commit_that_is_brought_says_how_far_the_others_were(
    brought: str, parents: dict[str, tuple[str, ...]], before: int
) -> None:
    queues = [path("x", brought, rule=M), path("c0", "c1", "c2", "c3", rule=H)]
    found = turns(queues, lambda commit: parents.get(commit, ()))
    assert found == ([(1, before), (0, 1)] if before else [(0, 1)])


def test_a_switch_before_a_merge_lets_nobody_overtake_the_merge() -> None:
    main = [*path("s", "m0", rule=Rule.SWITCH), *path("m0", "m1", rule=M)]
    agent = path("m1", "c1", "c2", rule=H)
    other = path("o0", "o1", rule=H)
    found = turns([agent, main, other], lambda commit: {"m1": ("m0", "b")}.get(commit, ()))
    assert found == [(2, 1), (1, 2), (0, 2)]


def test_what_another_does_later_is_no_source_of_what_is_brought_now() -> None:
    main = [Move(rule=Rule.ONTO, old="m1", new="m0", at=1, label="")]
    agent = [
        Move(rule=H, old="m0", new="c1", at=2, label=""),
        Move(rule=Rule.ONTO, old="c1", new="b", at=3, label=""),
    ]
    assert turns([agent, main], lambda commit: {"m0": ("b",)}.get(commit, ())) == [(1, 1), (0, 2)]
