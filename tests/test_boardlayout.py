"""The board as values: sections, lanes, progress, what waits for what, for how long."""

from __future__ import annotations

from typing import Any

import pytest

from catflap.announced import Ledger, WPAnnounced
from catflap.boardlayout import LaneTimes, Section, lines, sections
from catflap.instants import epoch_of

NOON = epoch_of("2026-02-03T12:00:00Z")


def ledger_of(**features: dict[str, WPAnnounced]) -> Ledger:
    made = Ledger()
    for slug, wps in features.items():
        for wp_id, state in wps.items():
            made.put((slug.replace("_", "-"), wp_id), state)
    return made


def wp(status: str | None = "planned", *dependencies: str, **fields: Any) -> WPAnnounced:
    return WPAnnounced(status=status, dependencies=dependencies, title=fields.pop("title", "Build it"), **fields)


def only(ledger: Ledger, times: LaneTimes | None = None) -> Section:
    [section] = sections(ledger, times or {})
    return section


def test_work_packages_stand_in_the_order_of_their_numbers() -> None:
    section = only(ledger_of(f={name: wp() for name in ("WP100", "WP02", "WP10", "WP01")}))
    assert [card.wp_id for card in section.cards] == ["WP01", "WP02", "WP10", "WP100"]


def test_each_stands_in_the_lane_of_its_status_and_in_the_first_without_one() -> None:
    section = only(ledger_of(f={"WP01": wp("doing"), "WP02": wp("done"), "WP03": wp(None), "WP04": wp("for_review")}))
    found = {lane: [card.wp_id for card in section.lane(lane)] for lane in ("planned", "doing", "for_review", "done")}
    assert found == {"planned": ["WP03"], "doing": ["WP01"], "for_review": ["WP04"], "done": ["WP02"]}


def test_deleted_work_packages_and_features_without_any_are_not_there() -> None:
    ledger = ledger_of(f={"WP01": wp(), "WP02": wp(is_present=False)}, g={"WP01": wp(is_present=False)})
    assert [card.wp_id for card in only(ledger).cards] == ["WP01"]


def test_one_feature_alone_when_it_is_named() -> None:
    ledger = ledger_of(a={"WP01": wp()}, b={"WP01": wp()})
    assert [section.feature_slug for section in sections(ledger, {})] == ["a", "b"]
    assert [section.feature_slug for section in sections(ledger, {}, "b")] == ["b"]
    assert sections(ledger, {}, "c") == []


@pytest.mark.parametrize(
    ("own", "others", "blocked", "words"),
    [
        (wp("planned", "WP02"), {"WP02": wp("doing")}, ("WP02",), "waits for WP02"),
        (wp("planned", "WP02"), {"WP02": wp("done")}, (), ""),
        (wp("planned", "WP02", "WP03"), {"WP02": wp(None), "WP03": wp("done")}, ("WP02",), "waits for WP02"),
        (wp("planned", "WP02", "WP09"), {"WP02": wp()}, ("WP02", "WP09"), "waits for WP02, WP09"),
        (wp("planned", "WP02"), {"WP02": wp("done", is_present=False)}, (), ""),
        (wp("done", "WP02"), {"WP02": wp("doing")}, ("WP02",), ""),
        (wp("planned"), {"WP02": wp()}, (), ""),
    ],
)
def test_it_waits_for_each_dependency_that_is_not_done(
    own: WPAnnounced, others: dict[str, WPAnnounced], blocked: tuple[str, ...], words: str
) -> None:
    card = only(ledger_of(f={"WP01": own, **others})).cards[0]
    assert (card.blocked_by, card.waits()) == (blocked, words)


@pytest.mark.parametrize(
    ("times", "agent", "facts"),
    [
        ({("f", "WP01"): ("doing", "2026-02-03T09:00:00Z")}, "claude", "claude, 3h"),
        ({("f", "WP01"): ("planned", "2026-02-03T09:00:00Z")}, "claude", "claude"),  # another lane: then not known
        ({("f", "WP01"): ("doing", "2026-02-03T12:00:01Z")}, None, "now"),
        ({("g", "WP01"): ("doing", "2026-02-03T09:00:00Z")}, None, ""),
    ],
)
def test_who_works_on_it_and_for_how_long(times: LaneTimes, agent: str | None, facts: str) -> None:
    card = only(ledger_of(f={"WP01": wp("doing", agent=agent)}), times).cards[0]
    assert card.facts(NOON) == facts


@pytest.mark.parametrize(
    ("done", "total", "bar", "is_complete"),
    [
        (0, 4, "░░░░", False),
        (1, 40, "█░░░", False),
        (2, 4, "██░░", False),
        (39, 40, "███░", False),
        (4, 4, "████", True),
    ],
)
def test_the_bar_is_full_only_when_all_is_done(done: int, total: int, bar: str, is_complete: bool) -> None:
    wps = {f"WP{number:02}": wp("done" if number < done else "doing") for number in range(total)}
    section = only(ledger_of(f=wps))
    assert (section.bar(4), section.is_complete) == (bar, is_complete)
    assert section.progress() == f"{done} of {total} done"


def test_a_line_has_a_word_for_what_is_not_known() -> None:
    found = sections(ledger_of(f={"WP01": wp(None, "WP02", title="")}), {})
    assert lines(found, NOON) == [("f", "WP01", "unknown", "-", "-", "WP01", "waits for WP02")]


def test_json_has_the_words_of_the_servers_board() -> None:
    ledger = ledger_of(f={"WP01": wp("doing", "WP02", agent="claude"), "WP02": wp("done")})
    value = only(ledger, {("f", "WP01"): ("doing", "2026-02-03T09:00:00Z")}).to_dict()
    assert (value["feature_slug"], value["done"], value["total"]) == ("f", 1, 2)
    assert value["work_packages"][0] == {
        "wp_id": "WP01",
        "title": "Build it",
        "status": "doing",
        "agent": "claude",
        "dependencies": ["WP02"],
        "blocked_by": [],
        "status_since": "2026-02-03T09:00:00Z",
    }
