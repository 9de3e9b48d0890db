"""Ids of events told from history: the same for the same change, another for any other, in the order of time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from catflap.contentid import _letters, content_ids
from catflap.drafts import Draft
from catflap.events import encode_ulid

ROOT, COMMIT, AT = "0" * 40, "1" * 40, 1_770_120_000


def status(new: str = "doing", *, feature: str = "001-demo", wp_id: str = "WP01", **fields: Any) -> Draft:
    return Draft("WPStatusChanged", feature, wp_id, {"new_status": new, **fields})


def one(draft: Draft, *, root: str = ROOT, commit: str = COMMIT, at: int = AT) -> str:
    return content_ids(root, commit, at, [draft])[0]


def test_the_same_change_has_the_same_id_always() -> None:
    assert one(status()) == "01KGHNZCG0Y7NY7ZJTKATW2A1H"


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 80) - 1))
def test_letters_are_those_of_a_ulid(time_ms: int, randomness: int) -> None:
    assert _letters(time_ms, 5) + _letters(randomness, 8) == encode_ulid(time_ms, randomness)


def test_id_has_the_commits_time() -> None:
    found = ULID.from_str(one(status()))
    assert found.timestamp == AT


@pytest.mark.parametrize("at", [-1, -(10**12), 2**45, 10**15])
def test_time_that_no_id_can_have_is_the_nearest(at: int) -> None:
    assert ULID.from_str(one(status(), at=at)).milliseconds == (0 if at < 0 else (1 << 48) - 1)


@pytest.mark.parametrize(
    "other",
    [
        one(status("done")),
        one(status(feature="001-dem")),
        one(status(feature="001-demoW", wp_id="P01")),
        one(status(wp_id="WP02")),
        one(status(), root="2" * 40),
        one(status(), commit="2" * 40),
        one(Draft("WPCreated", "001-demo", "WP01", {})),
        one(Draft("WPAssigned", "001-demo", "WP01", {"agent_id": "doing", "phase": ""})),
    ],
)
def test_any_other_change_has_another(other: str) -> None:
    assert other != one(status())


def test_what_is_inferred_from_before_is_no_part_of_it() -> None:
    assert one(status(previous_status="planned", changed_by="ada")) == one(status(previous_status="done"))


def test_equal_changes_of_one_commit_are_told_apart_by_their_order() -> None:
    drafts = [status("doing"), status("done"), status("doing"), status("doing")]
    found = content_ids(ROOT, COMMIT, AT, drafts)
    assert len(set(found)) == 4
    assert content_ids(ROOT, COMMIT, AT, [drafts[0], drafts[2]]) == [found[0], found[2]]


@given(st.lists(st.sampled_from(["a", "b"])), st.text(max_size=3))
def test_ids_of_a_commit_are_as_many_as_its_events(lanes: list[str], feature: str) -> None:
    drafts = [status(lane, feature=feature) for lane in lanes]
    found = content_ids(ROOT, COMMIT, AT, drafts)
    assert len(set(found)) == len(lanes)
    assert found == content_ids(ROOT, COMMIT, AT, drafts)
