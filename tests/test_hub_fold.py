"""The board is a fold: any order, repetition and batching of the same events makes the same one, in hub.db too."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catflap.hub import store
from catflap.hub.database import opened, transaction
from catflap.hub.flow import history
from catflap.hub.fold import MAX_TITLE_CHARS, Board, packed, unpacked_card, unpacked_feature
from catflap.hub.wire import Good, judged
from tests.hubs import created, event

STATUSES = ("planned", "doing", "for_review", "done")


def shown(*events: dict[str, Any]) -> dict[str, Any]:
    """The only feature of the board that these events make."""
    board = Board()
    for one in events:
        board.add(one)
    ((feature,),) = [project["features"] for project in board.shown()]
    return dict(feature)


def card(*events: dict[str, Any], wp_id: str = "WP01") -> dict[str, Any]:
    return next(one for one in shown(*events)["work_packages"] if one["wp_id"] == wp_id)


def other(kind: str, number: int, payload: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An event of another type, about feature 001-demo."""
    wp_id = payload.get("wp_id")
    return event(
        number,
        event_type=kind,
        aggregate_id=wp_id or "001-demo",
        aggregate_type="WorkPackage" if wp_id else "Feature",
        payload={"feature_slug": "001-demo", **payload},
        **fields,
    )


def assigned(
    number: int, agent: str, phase: str = "implementation", wp_id: str = "WP01", **fields: Any
) -> dict[str, Any]:
    return other("WPAssigned", number, {"wp_id": wp_id, "agent_id": agent, "phase": phase, "retry_count": 0}, **fields)


def noted(number: int, author: str, wp_id: str = "WP01", **fields: Any) -> dict[str, Any]:
    payload = {"wp_id": wp_id, "entry_type": "note", "entry_content": "hm", "author": author}
    return other("HistoryAdded", number, payload, **fields)


def resolved(
    number: int, dependency: str, wp_id: str = "WP02", how: str = "completed", **fields: Any
) -> dict[str, Any]:
    payload = {"wp_id": wp_id, "dependency_wp_id": dependency, "resolution_type": how}
    return other("DependencyResolved", number, payload, **fields)


def feature_created(number: int, count: int = 2, **fields: Any) -> dict[str, Any]:
    payload = {
        "feature_number": "001",
        "target_branch": "main",
        "wp_count": count,
        "created_at": "2026-02-01T08:00:00Z",
    }
    return other("FeatureCreated", number, payload, **fields)


def completed(number: int, **fields: Any) -> dict[str, Any]:
    payload = {"completed_at": "2026-02-05T08:00:00+01:00", "total_wps": 2, "total_duration": None}
    return other("FeatureCompleted", number, payload, **fields)


# -- what wins


def test_the_highest_clock_wins_each_field_for_itself() -> None:
    found = card(
        created(1, title="old"),
        event(5, status="for_review", timestamp="2026-02-03T13:00:00Z"),
        event(4, status="done"),
        assigned(3, "claude"),
        assigned(2, "codex", "review"),
        created(6, title="new", dependencies=["WP09"]),
    )
    assert (found["status"], found["agent"], found["phase"]) == ("for_review", "claude", "implementation")
    assert (found["title"], found["dependencies"]) == ("new", ["WP09"])
    assert found["status_since"] == "2026-02-03T13:00:00Z"


def test_of_equal_clocks_the_higher_node_wins() -> None:
    one, two = event(5, status="doing", node_id="aaaa"), event(5, status="done", node_id="bbbb")
    assert card(one, two)["status"] == card(two, one)["status"] == "done"


def test_of_equal_clocks_of_one_node_the_higher_id_wins() -> None:
    one, two = event(5, status="doing"), {**event(6, status="done"), "lamport_clock": 5}
    assert card(one, two)["status"] == card(two, one)["status"] == "done"


def test_a_clock_that_is_a_float_counts_as_its_integer() -> None:
    assert card(event(3, status="doing", lamport_clock=3.0), event(4, status="done"))["status"] == "done"


def test_a_work_package_that_only_moved_is_shown_by_its_id() -> None:
    assert card(event(1))["title"] == "WP01"


def test_a_created_work_package_is_planned() -> None:
    found = card(created(1, timestamp="2026-02-03T12:00:00.25+0130"))
    assert (found["status"], found["status_since"]) == ("planned", "2026-02-03T10:30:00Z")


def test_a_note_or_a_resolution_alone_shows_no_card() -> None:
    board = Board()
    for one in (noted(1, "claude"), resolved(2, "WP01")):
        board.add(one)
    assert board.shown() == []


def test_who_was_last_is_shown() -> None:
    found = card(event(1), noted(7, "codex", timestamp="2026-02-04T00:00:00Z"), assigned(3, "claude"))
    assert (found["updated_by"], found["updated_at"]) == ("codex", "2026-02-04T00:00:00Z")


def test_a_title_is_cut_where_it_is_absurd() -> None:
    assert len(card(created(1, title="x" * 10_000))["title"]) == MAX_TITLE_CHARS


@pytest.mark.parametrize("payload", [{"wp_id": 5}, {"wp_id": {"a": 1}}, {"wp_id": "WP01"}])
def test_a_feature_event_names_no_work_package_whatever_it_carries(payload: dict[str, Any]) -> None:
    told = feature_created(1)
    told["payload"] |= payload
    assert shown(told)["work_packages"] == []


def test_a_dependency_blocks_until_it_is_done() -> None:
    both = (created(1), created(2, wp_id="WP02", dependencies=["WP01", "WP07"]))
    assert card(*both, wp_id="WP02")["blocked_by"] == ["WP01", "WP07"]
    assert card(*both, event(3, status="done"), wp_id="WP02")["blocked_by"] == ["WP07"]


def test_a_resolved_dependency_blocks_no_more_until_it_moves_again() -> None:
    both = (created(1), created(2, wp_id="WP02", dependencies=["WP01"]), event(3), resolved(4, "WP01", how="skipped"))
    assert card(*both, wp_id="WP02")["blocked_by"] == []
    assert card(*both, event(5, status="for_review"), wp_id="WP02")["blocked_by"] == ["WP01"]


def test_a_feature_says_what_it_was_created_with() -> None:
    found = shown(feature_created(1, 7), created(2))
    assert (found["feature_number"], found["target_branch"], found["wp_count"]) == ("001", "main", 7)
    assert (found["created_at"], found["completed_at"]) == ("2026-02-01T08:00:00Z", None)


def test_a_feature_has_at_least_the_work_packages_that_are_shown() -> None:
    assert shown(feature_created(1, 1), created(2), created(3, wp_id="WP02"))["wp_count"] == 2


def test_a_completed_feature_is_reopened_by_a_later_status_that_is_not_done() -> None:
    done = (created(1), event(2, status="done"), completed(3))
    assert shown(*done)["completed_at"] == "2026-02-05T07:00:00Z"
    assert shown(*done, event(4, status="done"))["completed_at"] is not None
    again = (*done, event(5, status="doing"), event(6, status="done"))
    assert shown(*again)["completed_at"] is None
    assert shown(*again, completed(7))["completed_at"] is not None


def test_a_completed_feature_is_open_while_a_later_work_package_is() -> None:
    done = (created(1), event(2, status="done"), completed(3), created(4, wp_id="WP02"))
    assert shown(*done)["completed_at"] is None
    assert shown(*done, event(5, status="done", wp_id="WP02"))["completed_at"] is not None


def test_projects_and_features_of_the_same_name_are_apart() -> None:
    board = Board()
    for number, project in enumerate(("a", "b", None), 1):
        board.add(event(number, project_slug=project, status=STATUSES[number]))
    assert [(one["project_slug"], one["features"][0]["work_packages"][0]["status"]) for one in board.shown()] == [
        ("", "done"),
        ("a", "doing"),
        ("b", "for_review"),
    ]


# -- any order


@st.composite
def events(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of few clocks, nodes, features and work packages, so that they meet."""
    made: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 14))):
        clock, node = draw(st.integers(1, 6)), draw(st.sampled_from(["aa", "bb"]))
        wp_id = draw(st.sampled_from(["WP01", "WP02"]))
        fields = {"lamport_clock": clock, "node_id": node, "timestamp": f"2026-02-0{draw(st.integers(1, 9))}T12:00:00Z"}
        kind = draw(st.integers(0, 6))
        if kind <= 1:
            made.append(event(number, status=draw(st.sampled_from(STATUSES)), wp_id=wp_id, **fields))
        elif kind == 2:
            depends = draw(st.lists(st.sampled_from(["WP01", "WP02", "WP03"]), max_size=2, unique=True))
            made.append(created(number, wp_id=wp_id, title=f"t{number}", dependencies=depends, **fields))
        elif kind == 3:
            made.append(assigned(number, f"agent{number}", wp_id=wp_id, **fields))
        elif kind == 4:
            made.append(draw(st.sampled_from([noted(number, "ada", wp_id, **fields), completed(number, **fields)])))
        elif kind == 5:
            made.append(resolved(number, draw(st.sampled_from(["WP01", "WP02"])), wp_id, **fields))
        else:
            made.append(feature_created(number, number, **fields))
    return made


def board_of(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    board = Board()
    for one in told:
        board.add(one)
    return board.shown()


@given(events(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_board(told: list[dict[str, Any]], chance: Any) -> None:
    again = told + chance.sample(told, chance.randint(0, len(told)))
    chance.shuffle(again)
    assert board_of(again) == board_of(told)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path: Path = tmp_path_factory.mktemp("hub") / "hub.db"
    with opened(path) as connection:
        yield connection


@settings(max_examples=60)
@given(told=events(), chance=st.randoms(use_true_random=False))
def test_any_order_repetition_and_batching_gives_the_same_board_in_the_store(
    database: sqlite3.Connection, told: list[dict[str, Any]], chance: Any
) -> None:
    again = told + chance.sample(told, chance.randint(0, len(told)))
    chance.shuffle(again)
    with transaction(database):
        team_id = database.execute("INSERT INTO team (slug) VALUES (hex(randomblob(9)))").lastrowid
    assert team_id is not None
    stored: list[int] = []
    while again:
        batch = [again.pop() for _ in range(chance.randint(1, len(again)))]
        good = [judged(one, json.dumps(one), team="t") for one in batch]
        assert all(isinstance(one, Good) for one in good)
        with transaction(database):
            outcome = store.accept(database, team_id, good, now_s=0)
        assert {one["status"] for one in outcome.results} <= {"success", "duplicate"}
        stored += [one.sequence for one in outcome.stored]
    assert stored == list(range(1, len(told) + 1))
    assert store.board(database, team_id).shown() == board_of(told)


def test_a_card_and_a_feature_are_the_same_after_they_were_packed() -> None:
    board = Board()
    for one in (
        created(1),
        event(2),
        assigned(3, "claude"),
        resolved(4, "WP07", "WP01"),
        feature_created(5),
        completed(6),
    ):
        board.add(one)
    (feature,) = board._features.values()
    assert unpacked_feature(packed(feature)) == feature
    (cards,) = board._cards.values()
    assert all(unpacked_card(packed(one)) == one for one in cards.values())


# -- how work flowed


def at(day: int) -> str:
    return f"2026-02-0{day}T12:00:00Z"


def test_the_flow_counts_each_status_at_each_change() -> None:
    found = history(
        [
            created(1, timestamp=at(1)),
            created(2, wp_id="WP02", timestamp=at(1)),
            event(3, timestamp=at(2)),
            event(4, status="done", timestamp=at(3)),
        ]
    )
    assert [(one["at"], one["planned"], one["doing"], one["done"]) for one in found["flow"]] == [
        (at(1), 2, 0, 0),
        (at(2), 1, 1, 0),
        (at(3), 1, 0, 1),
    ]
    assert found["cycle_times"] == [{"wp_id": "WP01", "started_at": at(2), "done_at": at(3), "seconds": 86_400}]


def test_the_flow_never_goes_back_in_time_where_clocks_of_machines_differ() -> None:
    found = history([event(2, status="done", timestamp=at(1)), event(1, timestamp=at(3)), created(0, timestamp=at(2))])
    assert [one["at"] for one in found["flow"]] == [at(2), at(3)]
    assert found["flow"][-1]["done"] == 1
    assert found["cycle_times"][0]["seconds"] == 0


def test_the_cycle_of_a_reopened_work_package_ends_when_it_is_done_for_good() -> None:
    moves = enumerate(("doing", "done", "doing", "done", "done"), 1)
    found = history([event(number, status=status, timestamp=at(number)) for number, status in moves])
    assert found["cycle_times"] == [{"wp_id": "WP01", "started_at": at(1), "done_at": at(4), "seconds": 3 * 86_400}]


def test_what_is_not_done_has_no_cycle_time() -> None:
    assert history([created(1), event(2)])["cycle_times"] == []
    assert history([]) == {"flow": [], "cycle_times": []}
