"""What a work package says in one place: the lane log before the folder before the frontmatter."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from catflap.facts import NOTHING, Facts, place, row_key, rows_by_wp, wp_from_json, wp_to_json
from catflap.lanelog import LaneRow, parse_log
from catflap.workpackage import WorkPackage, parse_wp

FEATURE = "001-demo"
FRONT = f"kitty-specs/{FEATURE}/tasks/WP01-x.md"
FOLDER = f"kitty-specs/{FEATURE}/tasks/for_review/WP01-x.md"


def wp(frontmatter: str, *, path: str = FRONT) -> WorkPackage:
    return parse_wp(path, f"---\n{frontmatter}\n---\n".encode())


def rows(*lanes: str, wp_id: str = "WP01") -> tuple[LaneRow, ...]:
    """A row per lane, a minute apart."""
    lines = (
        json.dumps({"event_id": f"01{n}", "wp_id": wp_id, "to_lane": lane, "at": f"2026-04-08T05:{n:02d}:00Z"})
        for n, lane in enumerate(lanes)
    )
    return parse_log("".join(f"{line}\n" for line in lines).encode())


@pytest.mark.parametrize(
    ("log", "path", "frontmatter", "status"),
    [
        (("planned", "approved"), FOLDER, "lane: doing", "done"),
        (("planned", "approved"), FRONT, "lane: doing", "done"),
        (("planned",), FOLDER, "", "planned"),
        ((), FOLDER, "lane: doing", "for_review"),
        ((), FRONT, "lane: doing", "doing"),
        ((), FRONT, "", None),
        ((), FRONT, "lane: dong", None),
        (("doing", "dong"), FRONT, "lane: done", None),
    ],
)
def test_the_first_source_that_speaks_wins(
    log: tuple[str, ...], path: str, frontmatter: str, status: str | None
) -> None:
    assert Facts(wp=wp(frontmatter, path=path), rows=rows(*log)).status == status


def test_a_log_without_a_file_speaks_alone() -> None:
    facts = Facts(rows=rows("planned", "in_progress"))
    assert (facts.status, facts.is_readable, facts.agent, facts.history) == ("doing", True, None, ())


def test_an_unreadable_file_is_believed_only_where_a_log_speaks() -> None:
    broken = wp("a: *b")
    assert not Facts(wp=broken).is_readable
    assert Facts(wp=broken, rows=rows("done")).is_readable
    assert Facts(wp=broken, rows=rows("done")).status == "done"
    assert not NOTHING.is_readable


def test_an_unknown_lane_is_no_problem_where_the_log_speaks() -> None:
    stale = wp("lane: dong")
    assert Facts(wp=stale).problem == stale.problem
    assert Facts(wp=stale, rows=rows("done")).problem is None


def test_an_unreadable_file_is_a_problem_even_where_the_log_speaks() -> None:
    broken = wp("a: *b")
    assert Facts(wp=broken, rows=rows("done")).problem == broken.problem is not None
    assert NOTHING.problem is None


def test_the_newest_row_is_the_last_in_time() -> None:
    facts = Facts(rows=rows("planned", "doing"))
    assert facts.newest == ("2026-04-08T05:01:00.000000Z", "011") == row_key(facts.rows[-1])
    assert NOTHING.newest is None


def test_rows_go_to_their_work_packages_in_order() -> None:
    mine, other = rows("planned", "doing"), rows("done", wp_id="WP02")
    assert rows_by_wp([mine[0], other[0], mine[1]]) == {"WP01": mine, "WP02": other}


def test_the_last_file_of_an_id_speaks() -> None:
    first, second = wp("lane: doing"), wp("lane: done", path=FRONT.replace("x.md", "y.md"))
    assert place([first, second], {})[(FEATURE, "WP01")].wp == second
    assert place([second, first], {})[(FEATURE, "WP01")].wp == first
    stated = wp("lane: done\nwork_package_id: WP01", path=FRONT.replace("WP01", "WP02"))
    assert place([first, stated], {}) == {(FEATURE, "WP01"): Facts(wp=stated)}


def test_the_same_id_in_two_features_is_two_work_packages() -> None:
    other = wp("lane: done", path=FRONT.replace(FEATURE, "002-other"))
    found = place([wp("lane: doing"), other], {FEATURE: {"WP01": rows("planned")}})
    assert {key: facts.status for key, facts in found.items()} == {
        (FEATURE, "WP01"): "planned",
        ("002-other", "WP01"): "done",
    }


def test_a_row_without_a_file_looked_at_says_nothing_of_the_file() -> None:
    found = place([], {FEATURE: {"WP09": rows("done", wp_id="WP09")}})
    facts = found[(FEATURE, "WP09")]
    assert (facts.wp, facts.status) == (None, "done")


FULL = (
    "work_package_id: WP01\ntitle: Build\nagent: claude\ndependencies: [WP02]\nreview_status: has_feedback\n"
    "history:\n- {at: 2025-11-11, action: written, agent: ada}"
)


@pytest.mark.parametrize("frontmatter", [f"{FULL}\nlane: doing", FULL, "lane: dong", "a: *b", ""])
@pytest.mark.parametrize("path", [FRONT, FOLDER])
def test_a_base_remembers_every_fact_but_the_words_of_history(frontmatter: str, path: str) -> None:
    found = wp(frontmatter, path=path)
    remembered = wp_from_json(json.loads(json.dumps(wp_to_json(found))))
    assert replace(remembered, history=()) == replace(found, history=())
    assert Facts(wp=remembered).told_part == Facts(wp=found).told_part


DOING = wp(f"{FULL}\nlane: doing")


@pytest.mark.parametrize(
    "other",
    [
        NOTHING,
        Facts(wp=wp("a: *b")),
        Facts(wp=wp("a: *c")),
        Facts(wp=replace(DOING, status="done")),
        Facts(wp=replace(DOING, agent="codex")),
        Facts(wp=replace(DOING, dependencies=())),
        Facts(wp=replace(DOING, history=())),
        Facts(wp=DOING, rows=rows("doing")),
        Facts(wp=DOING, rows=rows("planned", "doing")),
        Facts(wp=wp(f"{FULL}\nlane: dong")),
        Facts(wp=wp(f"{FULL}\nlane: ding")),
    ],
)
def test_places_that_say_something_else_do_not_tell_the_same(other: Facts) -> None:
    others = [Facts(wp=DOING), Facts(wp=wp("a: *d")), Facts(wp=wp(f"{FULL}\nlane: deng"))]
    assert all(other.told_part != one.told_part for one in others)


def test_title_path_and_body_are_not_told() -> None:
    moved = replace(DOING, title="Other", path=FOLDER, lane="Doing", lane_line=99)
    assert Facts(wp=moved).told_part == Facts(wp=DOING).told_part
