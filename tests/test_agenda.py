"""The agenda: one date per key, the earliest asked for, and every date comes up once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.agenda import Agenda

ASKED = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20)), max_size=30)


def agenda_of(asked: list[tuple[str, int]]) -> Agenda[str]:
    agenda: Agenda[str] = Agenda()
    for key, at in asked:
        agenda.ask(key, at)
    return agenda


@pytest.mark.parametrize(
    ("asked", "now", "due", "next_at"),
    [
        ([], 0, [], None),
        ([("a", 5)], 4, [], 5),
        ([("a", 5)], 5, ["a"], None),
        ([("a", 5)], 9, ["a"], None),
        ([("a", 5), ("a", 9)], 5, ["a"], None),
        ([("a", 9), ("a", 5)], 5, ["a"], None),
        ([("a", 9), ("a", 5)], 4, [], 5),
        ([("a", 5), ("b", 3)], 5, ["b", "a"], None),
        ([("a", 5), ("b", 7)], 6, ["a"], 7),
        ([("b", 3), ("a", 3)], 3, ["b", "a"], None),
    ],
)
def test_dates_come_up_in_their_order(
    asked: list[tuple[str, int]], now: int, due: list[str], next_at: float | None
) -> None:
    agenda = agenda_of(asked)
    assert agenda.take_due(now) == due
    assert agenda.next_at() == next_at


def test_a_key_that_is_not_kept_has_no_date() -> None:
    agenda = agenda_of([("a", 1), ("b", 2), ("c", 3)])
    agenda.keep(["c", "a", "z"])
    assert agenda.take_due(9) == ["a", "c"]


@given(asked=ASKED, looks=st.lists(st.integers(0, 20), max_size=10))
def test_every_key_comes_up_once_at_its_earliest_date(asked: list[tuple[str, int]], looks: list[int]) -> None:
    agenda = agenda_of(asked)
    open_dates = {key: min(at for other, at in asked if other == key) for key, _ in asked}
    for now in [*sorted(looks), 21]:
        due = agenda.take_due(now)
        assert due == sorted(due, key=lambda key: open_dates[key])
        assert {key for key, at in open_dates.items() if at <= now} == set(due)
        open_dates = {key: at for key, at in open_dates.items() if at > now}
        assert agenda.next_at() == min(open_dates.values(), default=None)
    assert not open_dates


@given(before=ASKED, after=ASKED, kept=st.sets(st.sampled_from("abcd")))
def test_keeping_changes_no_date_of_what_is_kept(
    before: list[tuple[str, int]], after: list[tuple[str, int]], kept: set[str]
) -> None:
    agenda = agenda_of(before)
    agenda.keep(kept)
    for key, at in after:
        agenda.ask(key, at)
    only = agenda_of([(key, at) for key, at in before if key in kept] + after)
    for now in range(21):
        assert set(agenda.take_due(now)) == set(only.take_due(now))
