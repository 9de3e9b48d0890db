"""The rules of `catflap check`: tables of files in, findings out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.events import STATUSES
from catflap.findings import Finding, Rule
from catflap.lint import Side, lint
from catflap.transitions import LANE_TRANSITIONS, STATUS_TRANSITIONS
from catflap.workpackage import status_of_lane
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


def places(files: Files, *before: Files, log: str | None = None) -> list[tuple[int, int]]:
    """(line, column) of each finding."""
    return [(one.line, one.column) for one in lint(side(files, log=log), [side(one) for one in before])]


def message(files: Files, *before: Files, log: str | None = None) -> str:
    """The words of the only finding."""
    [finding] = lint(side(files, log=log), [side(one) for one in before])
    return finding.message


def row(wp_id: str, lane: str, at: str = "2026-01-01T00:00:00Z", event_id: str = "01A", **fields: object) -> str:
    return json.dumps({"wp_id": wp_id, "to_lane": lane, "at": at, "event_id": event_id, **fields}) + "\n"


def test_a_feature_in_order_has_no_findings() -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", "done"), "WP02-b.md": wp_text("WP02", "doing", depends=["WP01"])}
    assert found(files) == []


def test_a_finding_says_what_is_wrong_and_then_what_to_do() -> None:
    broken: Files = {
        "WP01-a.md": "---\nlane: [\n---\n",
        "WP02-a.md": wp_text("WP03", "dong", depends=["WP09", "WP02", "WP04"]),
        "WP03-a.md": wp_text("WP03", "doing", depends=["WP03", "WP05"]),
        "WP04-a.md": wp_text("WP04", "done") + "<<<<<<< HEAD\n=======\n>>>>>>> topic\n",
        "WP05-a.md": wp_text("WP05", "planned"),
        "WP06-a.md": None,
    }
    findings = lint(side(broken), [side({"WP04-a.md": wp_text("WP04", "planned")})])
    assert {one.rule for one in findings} == set(Rule)
    for one in findings:
        what, _, todo = one.message.partition("; ")
        assert what, one
        assert todo, one


# -- one file by itself


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        ("---\nlane: [\n---\n", 3, "not YAML"),
        ("---\nlane: doing\n", 1, "never closed"),
        ("---\n- a\n---\n", 2, "a list, not a mapping"),
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


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('---\nlane: "dong"\n---\n', (2, 7)),
        ("---\n  lane :   dong # typo\n---\n", (2, 12)),
        ("\ufeff---\r\ntitle: ü\r\nlane: dong\r\n---\r\n", (3, 7)),
        ("---\nlane:\n  - dong\n---\n", (2, 1)),
        ("---\n{title: x, lane: dong}\n---\n", (2, 18)),
    ],
)
def test_the_column_is_that_of_the_value_in_characters(text: str, place: tuple[int, int]) -> None:
    assert places({"WP01-a.md": text}) == [place]


def test_an_unreadable_line_is_found_from_its_first_character() -> None:
    assert places({"WP01-a.md": "---\nhistory:\n  - at: a: b\n---\n"}) == [(3, 3)]


MARKERS = "<<<<<<< HEAD\nmine\n=======\ntheirs\n>>>>>>> topic\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"---\na: 1\n{MARKERS}---\n", 3),
        (MARKERS, 1),
        (f"{wp_text('WP01')}{MARKERS}", 13),
        (f"{wp_text('WP01')}{MARKERS}".replace("\n", "\r\n"), 13),
        (f"{wp_text('WP01')}```\n{MARKERS.replace('=======', '||||||| base' + chr(10) + '=======')}```\n", 14),
    ],
)
def test_what_is_left_of_a_conflict_is_found_anywhere_in_the_file(text: str, line: int) -> None:
    assert found({"WP01-a.md": text}) == [("WP01-a.md", line, "conflict")]


@pytest.mark.parametrize(
    "body",
    [
        "Heading\n=======\n",
        "<<<<<<< one\n>>>>>>> two\n",
        "a <<<<<<< b\n=======\n>>>>>>> c\n",
        "<<<<<<<<\n=======\n>>>>>>>>\n",
    ],
)
def test_what_looks_a_little_like_a_conflict_is_none(body: str) -> None:
    assert found({"WP01-a.md": wp_text("WP01", body=body)}) == []


def test_a_conflict_in_a_lane_log_is_found() -> None:
    log = row("WP01", "planned") + "<<<<<<< HEAD\n" + row("WP01", "claimed") + "=======\n>>>>>>> topic\n"
    assert found({"WP01-a.md": wp_text("WP01", None)}, log=log) == [("status.events.jsonl", 2, "conflict")]


def test_many_markers_cost_no_time() -> None:
    data = wp_text("WP01") + "<<<<<<< HEAD\n=======\n" * 10_000
    assert found({"WP01-a.md": data}) == []


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
    files = {"WP01-a.md": "---\ndependencies: []\ndepends_on:\n- WP08\n- wp9\ntitle: WP09\n---\n", "WP08-a.md": ""}
    assert found(files) == [("WP01-a.md", 5, "dependency")]
    assert places(files) == [(5, 3)]
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


@pytest.mark.parametrize(
    ("own", "other", "warned"),
    [
        ("planned", "planned", False),
        ("doing", "planned", True),
        ("doing", "for_review", True),
        ("for_review", "doing", True),
        ("doing", "done", False),
        ("doing", "approved", False),
        ("doing", None, False),
        ("doing", "dong", False),
        ("done", "doing", False),
    ],
)
def test_a_start_before_its_dependency_is_done_is_found(own: str, other: str | None, warned: bool) -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", other), "WP02-b.md": wp_text("WP02", own, depends=["WP01", "WP02"])}
    rules = [rule for _, _, rule in found(files) if rule not in ("lane", "cycle")]
    assert rules == (["unfinished"] if warned else [])


def test_the_lane_log_says_whether_a_dependency_is_done() -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", "planned"), "WP02-b.md": wp_text("WP02", "doing", depends=["WP01"])}
    assert found(files, log=row("WP01", "approved")) == []
    assert found(files, log=row("WP02", "claimed")) == []
    assert found(files, log=row("WP02", "in_progress")) == [("WP02-b.md", 6, "unfinished")]


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
        ("doing", "planned", "WP01 goes from doing to planned, which is no step; from doing take it to for_review"),
        ("for_review", "planned", "which is no step; from for_review take it to doing or done"),
        ("done", "doing", "but done is final; leave it done, and plan new work as a new work package"),
    ],
)
def test_an_illegal_step_says_what_to_do(old: str, new: str, words: str) -> None:
    assert words in message({"WP01-a.md": wp_text("WP01", new)}, {"WP01-a.md": wp_text("WP01", old)})


def test_the_steps_lead_to_known_statuses_and_lanes_only() -> None:
    assert set(STATUS_TRANSITIONS) == set(STATUSES)
    assert {target for ways in STATUS_TRANSITIONS.values() for target in ways} <= set(STATUSES)
    assert {target for ways in LANE_TRANSITIONS.values() for target in ways} < set(LANE_TRANSITIONS)
    assert all(status_of_lane(lane) is not None for lane in LANE_TRANSITIONS)


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


def test_where_a_lane_log_speaks_the_files_lane_is_not_judged() -> None:
    files: Files = {"WP01-a.md": wp_text("WP01", "done"), "WP02-b.md": wp_text("WP02", "dong")}
    before: Files = {"WP01-a.md": wp_text("WP01", "planned")}
    assert found(files, before, log=row("WP01", "planned") + row("WP02", "doing", event_id="01B")) == []
    old = Side({path("WP01-a.md"): wp_text("WP01", "planned").encode()}, {FEATURE: row("WP01", "planned").encode()})
    assert lint(side({"WP01-a.md": wp_text("WP01", "done")}), [old]) == []


def log_side(*rows: str, lane: str | None = None) -> Side:
    return side({"WP01-a.md": wp_text("WP01", lane)}, log="".join(rows))


@pytest.mark.parametrize("old", LANE_TRANSITIONS)
@pytest.mark.parametrize("new", LANE_TRANSITIONS)
def test_a_new_row_of_the_log_is_legal_when_spec_kitty_knows_the_step(old: str, new: str) -> None:
    first, second = row("WP01", old), row("WP01", new, "2026-01-02T00:00:00Z", "01B", from_lane=old, force=False)
    findings = lint(log_side(first, second), [log_side(first)])
    legal = old == new or new in LANE_TRANSITIONS[old]
    assert [(one.line, one.rule) for one in findings] == ([] if legal else [(2, Rule.TRANSITION)])
    forced = second.replace('"force": false', '"force": true')
    assert lint(log_side(first, forced), [log_side(first)]) == []


def test_an_illegal_row_says_what_to_do() -> None:
    first = row("WP01", "planned")
    second = row("WP01", "done", "2026-01-02T00:00:00Z", "01B", from_lane="planned")
    third = row("WP01", "doing", "2026-01-03T00:00:00Z", "01C", from_lane="done")
    [one, other] = lint(log_side(first, second, third), [log_side(first)])
    assert one.message == (
        "WP01 goes from planned to done, which is no step; take it to claimed, blocked or canceled, "
        "or let Spec Kitty force it with a reason"
    )
    assert (one.line, one.column) == (2, second.index('"to_lane"') + 1)
    assert other.message.startswith("WP01 goes from done to in_progress, but done is final; ")


def test_rows_that_any_side_before_has_are_not_judged_again() -> None:
    rows = [row("WP01", "planned"), row("WP01", "done", "2026-01-02T00:00:00Z", "01B", from_lane="planned")]
    assert lint(log_side(*rows), [log_side(*rows)]) == []
    assert lint(log_side(*rows), [log_side(rows[0]), log_side(*rows)]) == []
    assert lint(log_side(*rows), []) == []


def test_rows_of_a_migration_are_history_as_it_was() -> None:
    rows = [row("WP01", "done", from_lane="planned")]
    assert lint(log_side(*rows), [log_side(lane="done")]) == []
    assert len(lint(log_side(*rows), [log_side()])) == 1
    assert len(lint(log_side(*rows), [side({})])) == 1


@pytest.mark.parametrize("lane", ["in progress", "In-Progress", "doing"])
def test_lanes_in_a_row_are_known_however_they_are_written(lane: str) -> None:
    first = row("WP01", "claimed")
    second = row("WP01", "for_review", "2026-01-02T00:00:00Z", "01B", from_lane=lane)
    assert lint(log_side(first, second), [log_side(first)]) == []


@pytest.mark.parametrize(
    "line",
    [
        '{"from_lane"\n',
        '["from_lane"]\n',
        '{"from_lane": 1, "to_lane": "done", "wp_id": "WP01", "event_id": "01B"}\n',
        row("WP01", "done", event_id="01B", from_lane="planned", kind="annotation"),
        row("WP01", "done", event_id="01B", from_lane="planned", event_type="x"),
        row("x", "done", event_id="01B", from_lane="planned"),
        row("WP01", "done", event_id="01B", from_lane="planned").rstrip(),
        row("WP01", "done", event_id="01B", from_lane="elsewhere"),
    ],
)
def test_what_is_no_row_of_a_step_is_not_judged(line: str) -> None:
    first = row("WP01", "planned")
    assert lint(log_side(first, line), [log_side(first)]) == []


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
        assert finding.column >= 1
        assert "\n" not in finding.message
