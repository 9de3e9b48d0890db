"""The rules of `catflap check`: tables of files in, findings out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.events import STATUSES
from catflap.lint import STEPS, Finding, Rule, Side, lint
from tests.world import FEATURE, wp_text

Files = dict[str, str | bytes | None]


def path(name: str, *, feature: str = FEATURE) -> str:
    return f"kitty-specs/{feature}/tasks/{name}"


def side(files: Files, *, log: str | None = None) -> Side:
    """Files by name in the feature's tasks/, or by whole path."""
    return Side(
        files={
            name if name.startswith("kitty-specs/") else path(name): (text.encode() if isinstance(text, str) else text)
            for name, text in files.items()
        },
        logs={FEATURE: log.encode()} if log is not None else {},
    )


def found(files: Files, *before: Files, log: str | None = None) -> list[tuple[str, int, str]]:
    """(name, line, rule) of each finding."""
    findings = lint(side(files, log=log), [side(one) for one in before])
    return [(one.path.rpartition("/")[2], one.line, one.rule.value) for one in findings]


def message(files: Files, *before: Files, log: str | None = None) -> str:
    """The words of the only finding."""
    [finding] = lint(side(files, log=log), [side(one) for one in before])
    return finding.message


def row(wp_id: str, lane: str, at: str = "2026-01-01T00:00:00Z", event_id: str = "01A") -> str:
    return f'{{"wp_id":"{wp_id}","to_lane":"{lane}","at":"{at}","event_id":"{event_id}"}}\n'


def test_a_feature_in_order_has_no_findings() -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", "done"), "WP02-b.md": wp_text("WP02", "doing", depends=["WP01"])}
    assert found(files) == []


# -- one file by itself


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        ("---\nlane: [\n---\n", 3, "not YAML"),
        ("---\nlane: doing\n", 1, "never closed"),
        ("---\n- a\n---\n", 2, "a list, not a mapping"),
        ("---\na: 1\n<<<<<<< HEAD\nlane: doing\n---\n", 3, "conflict marker"),
        ("---\na: &x 1\nb: *x\n---\n", 3, "alias"),
        (b"---\na: 1\nb: \xff\n---\n", 3, "not UTF-8"),
        (b"x" * (256 * 1024 + 1), 1, "larger than 256 KiB"),
        (None, 1, "no regular file"),
    ],
)
def test_an_unreadable_file_is_found_on_its_line(data: str | bytes | None, line: int, words: str) -> None:
    assert found({"WP01-a.md": data}) == [("WP01-a.md", line, "unreadable")]
    assert words in message({"WP01-a.md": data})


def test_an_unmerged_file_is_named_so() -> None:
    one = Side({path("WP01-a.md"): None}, {}, unmerged=frozenset([path("WP01-a.md")]))
    assert [finding.message for finding in lint(one, ())] == ["not merged yet; resolve the conflict and `git add` it"]


def test_an_unknown_lane_is_found_on_its_line() -> None:
    text = "---\nwork_package_id: WP01\ntitle: x\nlane: dong\n---\n"
    assert found({"WP01-a.md": text}) == [("WP01-a.md", 4, "lane")]
    assert "use one of planned, doing, for_review, done" in message({"WP01-a.md": text})


@pytest.mark.parametrize("lane", ["Doing", "in-progress", "for review", "approved", "claimed", "", "~", None])
def test_lanes_of_every_spec_kitty_are_known(lane: str | None) -> None:
    assert found({"WP01-a.md": wp_text("WP01", lane)}) == []


def test_the_lane_of_a_folder_makes_the_frontmatters_stale() -> None:
    assert found({"doing/WP01-a.md": wp_text("WP01", "dong")}) == []


@pytest.mark.parametrize("line", ["work_package_id: WP01", "wp_id: wp1", "work_package_id: 'WP 01'", "title: x"])
def test_an_id_that_is_the_files_name_is_fine(line: str) -> None:
    assert found({"WP01-a.md": f"---\n{line}\n---\n"}) == []


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("work_package_id: WP02", 2, "work_package_id says WP02, but the file's name says WP01; make them the same"),
        ("title: x\nwp_id: WP3", 3, "wp_id says WP03, but the file's name says WP01"),
        ("work_package_id: banana", 2, "work_package_id 'banana' is no id; write WP01"),
        ("work_package_id: [WP01]", 2, "is no id"),
    ],
)
def test_an_id_that_is_not_the_files_name_is_found(lines: str, line: int, words: str) -> None:
    files: Files = {"WP01-a.md": f"---\n{lines}\n---\n"}
    assert found(files) == [("WP01-a.md", line, "id")]
    assert words in message(files)


# -- files of one feature together


def test_an_id_that_two_files_have_is_found_in_both() -> None:
    text = wp_text("WP01")
    assert found({"WP01-a.md": text, "WP01-b.md": text}) == [
        ("WP01-a.md", 2, "duplicate"),
        ("WP01-b.md", 2, "duplicate"),
    ]
    first = lint(side({"WP01-a.md": text, "WP01-b.md": text}), ())[0]
    assert path("WP01-b.md") in first.message


def test_features_do_not_mix() -> None:
    other = path("WP01-a.md", feature="002-other")
    assert found({"WP01-a.md": wp_text("WP01"), other: wp_text("WP01")}) == []
    assert found({"WP02-a.md": wp_text("WP02", depends=["WP01"]), other: wp_text("WP01")}) == [
        ("WP02-a.md", 6, "dependency")
    ]


def test_a_dependency_that_the_feature_does_not_have_is_found_on_its_line() -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", depends=["WP01", "WP09"]), "WP02-b.md": "---\ntitle: x\n---\n"}
    assert ("WP01-a.md", 6, "dependency") in found(files)
    files = {"WP01-a.md": "---\ndepends_on:\n- WP09\n---\n"}
    assert found(files) == [("WP01-a.md", 2, "dependency")]
    assert message(files) == f"WP01 depends on WP09, which {FEATURE} does not have; correct the id, or add that file"


def test_a_dependency_on_a_file_that_cannot_be_read_is_there() -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", depends=["WP02"]), "WP02-b.md": "---\n- a\n---\n"}
    assert found(files) == [("WP02-b.md", 2, "unreadable")]


def test_a_cycle_is_found_in_each_of_its_work_packages_and_nowhere_else() -> None:
    files: Files = {
        "WP01-a.md": wp_text("WP01", depends=["WP02"]),
        "WP02-b.md": wp_text("WP02", depends=["WP03"]),
        "WP03-c.md": wp_text("WP03", depends=["WP01"]),
        "WP04-d.md": wp_text("WP04", depends=["WP01"]),
    }
    assert found(files) == [(f"WP0{i}-{'abc'[i - 1]}.md", 6, "cycle") for i in (1, 2, 3)]
    first = lint(side(files), ())[0]
    assert first.message == "WP01 waits for itself: WP01 → WP02 → WP03 → WP01; take one dependency out"


def test_a_work_package_that_depends_on_itself_is_a_cycle() -> None:
    assert message({"WP01-a.md": wp_text("WP01", depends=["WP01"])}).startswith("WP01 waits for itself: WP01 → WP01;")


def test_many_ways_through_the_dependencies_cost_no_time() -> None:
    """40 layers of 2 work packages, each depending on both of the next: 2⁴⁰ ways, none of them a cycle."""
    files: Files = {
        f"WP{layer}{side_}-x.md": wp_text(
            f"WP{layer}{side_}", depends=[f"WP{layer + 1}0", f"WP{layer + 1}1"] if layer < 49 else []
        )
        for layer in range(10, 50)
        for side_ in (0, 1)
    }
    assert found(files) == []


# -- from before to now


LEGAL = {("planned", "doing"), ("doing", "for_review"), ("for_review", "done"), ("for_review", "doing")}


@pytest.mark.parametrize("old", STATUSES)
@pytest.mark.parametrize("new", STATUSES)
def test_a_step_is_legal_when_the_model_knows_it(old: str, new: str) -> None:
    findings = found({"WP01-a.md": wp_text("WP01", new)}, {"WP01-a.md": wp_text("WP01", old)})
    assert findings == ([] if old == new or (old, new) in LEGAL else [("WP01-a.md", 4, "transition")])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("planned", "for_review", "WP01 goes from planned to for_review at once; commit the step to doing first"),
        ("doing", "done", "WP01 goes from doing to done at once; commit the step to for_review first"),
        ("doing", "planned", "WP01 goes from doing to planned, which is no step; from doing it goes to for_review"),
        ("for_review", "planned", "which is no step; from for_review it goes to doing or done"),
        ("done", "doing", "but done is final; leave it done, and plan new work as a new work package"),
    ],
)
def test_an_illegal_step_says_what_to_do(old: str, new: str, words: str) -> None:
    assert words in message({"WP01-a.md": wp_text("WP01", new)}, {"WP01-a.md": wp_text("WP01", old)})


def test_the_steps_lead_to_known_statuses_only() -> None:
    assert set(STEPS) == set(STATUSES)
    assert {target for ways in STEPS.values() for target in ways} <= set(STATUSES)


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"WP02-b.md": wp_text("WP02", "planned")},
        {"WP01-a.md": wp_text("WP01", None)},
        {"WP01-a.md": "---\n- broken\n---\n"},
        {"WP01-a.md": wp_text("WP01", "dong")},
    ],
)
def test_without_a_status_before_there_is_no_step(before: Files) -> None:
    assert found({"WP01-a.md": wp_text("WP01", "done")}, before) == []


def test_a_removed_lane_is_no_step() -> None:
    assert found({"WP01-a.md": wp_text("WP01", None)}, {"WP01-a.md": wp_text("WP01", "done")}) == []


def test_a_work_package_is_known_by_its_id_wherever_its_file_goes() -> None:
    before: Files = {"planned/WP01-a.md": wp_text("WP01")}
    assert found({"doing/WP01-a.md": wp_text("WP01")}, before) == []
    assert found({"done/WP01-b.md": wp_text("WP01")}, before) == [("WP01-b.md", 1, "transition")]


def test_a_merge_may_take_the_step_from_either_side() -> None:
    ours: Files = {"WP01-a.md": wp_text("WP01", "planned")}
    theirs: Files = {"WP01-a.md": wp_text("WP01", "for_review")}
    for lane in ("planned", "doing", "for_review", "done"):
        assert found({"WP01-a.md": wp_text("WP01", lane)}, ours, theirs) == []
    far: Files = {"WP01-a.md": wp_text("WP01", "done")}
    assert found({"WP01-a.md": wp_text("WP01", "for_review")}, ours, far) == [("WP01-a.md", 4, "transition")]
    assert found({"WP01-a.md": wp_text("WP01", "done")}, ours, {}) == [("WP01-a.md", 4, "transition")]


# -- where a lane log speaks


def test_where_a_lane_log_speaks_steps_and_the_files_lane_are_not_judged() -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", "done"), "WP02-b.md": wp_text("WP02", "dong")}
    before: Files = {"WP01-a.md": wp_text("WP01", "planned")}
    assert found(files, before, log=row("WP01", "planned") + row("WP02", "doing", event_id="01B")) == []
    old = Side({path("WP01-a.md"): wp_text("WP01", "planned").encode()}, {FEATURE: row("WP01", "planned").encode()})
    assert lint(side({"WP01-a.md": wp_text("WP01", "done")}), [old]) == []


def test_an_unknown_lane_in_the_newest_row_of_the_log_is_found_on_its_line() -> None:
    log = row("WP01", "dong", "2026-01-03T00:00:00Z", "01C") + row("WP01", "doing", "2026-01-01T00:00:00Z", "01B")
    files: Files = {"WP01-a.md": wp_text("WP01", None)}
    assert found(files, log=log) == [("status.events.jsonl", 1, "lane")]
    assert message(files, log=log).startswith("WP01: lane 'dong' is unknown")
    later = log + row("WP01", "done", "2026-01-04T00:00:00Z", "01D")
    assert found(files, log=later) == []


# -- whatever the files hold


@given(
    st.dictionaries(st.sampled_from(["WP01-a.md", "WP01-b.md", "doing/WP02-c.md", "WP03.md"]), st.binary(max_size=200)),
    st.binary(max_size=100),
)
def test_any_bytes_give_findings_in_order_with_lines_in_the_file(files: dict[str, bytes], log: bytes) -> None:
    one = Side({path(name): b"---\n" + data + b"\n---\n" for name, data in files.items()}, {FEATURE: log})
    findings = lint(one, [one])
    assert findings == sorted(findings)
    for finding in findings:
        assert isinstance(finding, Finding)
        assert isinstance(finding.rule, Rule)
        data = one.files.get(finding.path)
        assert data is None or 1 <= finding.line <= len(data.splitlines()) + 1
        assert "\n" not in finding.message
