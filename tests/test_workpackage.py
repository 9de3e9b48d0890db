"""What a work package file says: where it may lie, and what id, lane, agent, title and dependencies come out of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from catflap.events import STATUSES
from catflap.history import one_line, read_history
from catflap.workpackage import (
    MAX_BYTES,
    MAX_TITLE,
    WorkPackage,
    WPPath,
    normalise_wp_id,
    parse_wp,
    status_of_lane,
    wp_path,
)

PATH = "kitty-specs/001-demo/tasks/WP01-merge-state.md"
FOLDER_PATH = "kitty-specs/001-demo/tasks/for_review/WP01-merge-state.md"


def wp(frontmatter: str, body: str = "", *, path: str = PATH) -> WorkPackage:
    return parse_wp(path, f"---\n{frontmatter}\n---\n{body}".encode())


PATHS: list[tuple[str, WPPath | None]] = [
    ("kitty-specs/001-demo/tasks/WP01.md", WPPath("001-demo", "WP01", None)),
    ("kitty-specs/001-demo/tasks/WP01-x.md", WPPath("001-demo", "WP01", None)),
    ("kitty-specs/001-demo/tasks/WP1_x.md", WPPath("001-demo", "WP01", None)),
    ("kitty-specs/001-demo/tasks/WP120 x.y.md", WPPath("001-demo", "WP120", None)),
    ("kitty-specs/demo-01M819KZ/tasks/WP01-x.md", WPPath("demo-01M819KZ", "WP01", None)),
    ("kitty-specs/001-démo ü/tasks/WP01-x ü.md", WPPath("001-démo ü", "WP01", None)),
    *((f"kitty-specs/f/tasks/{lane}/WP01-x.md", WPPath("f", "WP01", lane)) for lane in STATUSES),
    ("kitty-specs/f/tasks/doing/phase-1/WP01-x.md", WPPath("f", "WP01", "doing")),
    ("kitty-specs/f/tasks/phase-1/WP01-x.md", WPPath("f", "WP01", None)),
    ("kitty-specs/f/tasks/phase-1/doing/WP01-x.md", WPPath("f", "WP01", None)),
    ("kitty-specs/f/tasks/in_progress/WP01-x.md", WPPath("f", "WP01", None)),
    ("kitty-specs/f/tasks/README.md", None),
    ("kitty-specs/f/tasks/WP.md", None),
    ("kitty-specs/f/tasks/WPx.md", None),
    ("kitty-specs/f/tasks/wp01.md", None),
    ("kitty-specs/f/tasks/xWP01.md", None),
    ("kitty-specs/f/tasks/WP01.txt", None),
    ("kitty-specs/f/tasks/WP01", None),
    ("kitty-specs/f/tasks/WP123456789012345678901.md", None),
    ("kitty-specs/f/WP01-x.md", None),
    ("kitty-specs/f/notes/WP01-x.md", None),
    ("kitty-specs/f/sub/tasks/WP01-x.md", None),
    ("kitty-specs/tasks/WP01-x.md", None),
    ("kitty-specs//tasks/WP01-x.md", None),
    ("tasks/WP01-x.md", None),
    ("specs/f/tasks/WP01-x.md", None),
    ("/kitty-specs/f/tasks/WP01-x.md", None),
    ("./kitty-specs/f/tasks/WP01-x.md", None),
    ("", None),
    ("kitty-specs/f/tasks/.#WP01-x.md", None),
    ("kitty-specs/f/tasks/WP01-x.md~", None),
    ("kitty-specs/f/tasks/.WP01-x.md.swp", None),
    ("kitty-specs/f/tasks/.WP01-x.md", None),
    ("kitty-specs/f/tasks/#WP01-x.md#", None),
    ("kitty-specs/f/tasks/WP01-x.md.bak", None),
    ("kitty-specs/f/tasks/WP01-x.md.orig", None),
    ("kitty-specs/f/tasks/WP01-x.md.tmp.123", None),
    ("kitty-specs/f/tasks/WP01-x_BACKUP_123.md", None),
    ("kitty-specs/f/tasks/WP01-x_LOCAL_123.md", None),
    ("kitty-specs/f/tasks/.backup/WP01-x.md", None),
    ("kitty-specs/.f/tasks/WP01-x.md", None),
    (".worktrees/f-WP01/kitty-specs/f/tasks/WP01-x.md", None),
    ("kitty-specs/f/tasks/.worktrees/WP01-x.md", None),
    ("kitty-specs/.worktrees/tasks/WP01-x.md", None),
]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_a_work_package_is_known_by_its_path(path: str, expected: WPPath | None) -> None:
    assert wp_path(path) == expected


def test_another_file_is_not_parsed() -> None:
    with pytest.raises(ValueError, match="is not the path of a work package"):
        parse_wp("kitty-specs/f/tasks/README.md", b"")


LANES = {
    "planned": ["planned", "genesis", "claimed", "canceled"],
    "doing": ["doing", "in_progress", "blocked"],
    "for_review": ["for_review", "in_review"],
    "done": ["approved", "done"],
}
SPELLINGS = [
    str,
    str.upper,
    str.title,
    lambda lane: lane.replace("_", "-"),
    lambda lane: lane.replace("_", " "),
    lambda lane: lane.replace("_", "  ").title(),
    lambda lane: f"  {lane}\t",
    lambda lane: f"'{lane}'",
    lambda lane: f'"{lane}"',
]


@pytest.mark.parametrize("spell", range(len(SPELLINGS)))
@pytest.mark.parametrize(("status", "lane"), [(status, lane) for status, lanes in LANES.items() for lane in lanes])
def test_every_lane_of_every_version_has_a_status(status: str, lane: str, spell: int) -> None:
    assert status_of_lane(SPELLINGS[spell](lane)) == status


@pytest.mark.parametrize(
    "lane", ["", " ", "d", "do", "doin", "done.", "for__review", "forreview", "todo", "dоne", "ｄｏｎｅ", "done\0"]
)
def test_any_other_lane_has_none(lane: str) -> None:
    assert status_of_lane(lane) is None


@pytest.mark.parametrize(
    ("frontmatter", "status"),
    [
        ("lane: doing", "doing"),
        ("lane: 'For Review'", "for_review"),
        ('lane: "DONE"', "done"),
        ("lane: \"'doing'\"", "doing"),
        ("lane: doing  # claimed", "doing"),
        ("lane: in_progress", "doing"),
        ("lane: planned\nlane: doing", "doing"),
        ("lane: |\n  doing", "doing"),
        ("title: x", None),
        ("lane:", None),
        ("lane: ''", None),
        ("lane: ~", None),
        ("lane: null", None),
        ("lane: []", None),
        ("nested: {lane: doing}", None),
        ("Lane: doing", None),
    ],
)
def test_the_lane_in_the_frontmatter_is_the_status(frontmatter: str, status: str | None) -> None:
    found = wp(frontmatter)
    assert (found.status, found.source, found.problem) == (status, "frontmatter" if status else None, None)


@pytest.mark.parametrize(
    ("frontmatter", "lane"),
    [("lane: dong", "dong"), ("lane: [doing]", "['doing']"), ('lane: "do\\e[31mng"', "do [31mng")],
)
def test_an_unknown_lane_is_a_problem_and_no_status(frontmatter: str, lane: str) -> None:
    found = wp(f"title: x\n{frontmatter}\nagent: claude")
    assert (found.status, found.source, found.readable, found.agent) == (None, None, True, "claude")
    assert found.problem is not None
    assert found.problem.message == f"lane {found.lane!r} is unknown; use one of planned, doing, for_review, done"
    assert (found.lane, found.lane_line, found.problem.line) == (lane, 3, 3)


def test_the_same_unknown_lane_is_the_same_problem() -> None:
    first = wp("lane: dong")
    assert first.problem is not None
    assert wp("title: other\nlane: 'dong'", "more text").problem != first.problem  # another line, the same digest
    assert problem_digest(wp("title: other\nlane: 'dong'", "more text")) == first.problem.digest
    assert problem_digest(wp("lane: ding")) != first.problem.digest
    assert problem_digest(wp("lane: dong\nwp_id: WP02")) != first.problem.digest
    other_feature = wp("lane: dong", path="kitty-specs/002-other/tasks/WP01-x.md")
    assert problem_digest(other_feature) != first.problem.digest


def problem_digest(found: WorkPackage) -> str:
    assert found.problem is not None
    return found.problem.digest


@pytest.mark.parametrize("frontmatter", ["lane: doing", "lane: dong", "title: x"])
def test_the_folder_speaks_before_the_frontmatter(frontmatter: str) -> None:
    found = wp(frontmatter, path=FOLDER_PATH)
    assert (found.status, found.source, found.problem) == ("for_review", "folder", None)


def test_the_folder_speaks_for_a_file_without_frontmatter() -> None:
    assert parse_wp(FOLDER_PATH, b"# Title\n").status == "for_review"


def test_a_file_without_any_source_has_no_status_and_no_problem() -> None:
    found = parse_wp(PATH, b"# Title\n")
    assert (found.status, found.source, found.lane, found.problem, found.readable) == (None, None, None, None, True)


@pytest.mark.parametrize(
    ("text", "wp_id"),
    [
        ("WP01", "WP01"),
        ("wp01", "WP01"),
        ("WP1", "WP01"),
        ("WP-01", "WP01"),
        ("WP 1", "WP01"),
        (" WP_7 ", "WP07"),
        ("WP123", "WP123"),
        ("WP001", "WP001"),
        ("WP", None),
        ("1", None),
        ("WP01-x", None),
        ("WP1.5", None),
        ("WP" + "1" * 21, None),
        ("WP١", None),
        ("", None),
    ],
)
def test_an_id_is_wp_and_two_digits_or_more(text: str, wp_id: str | None) -> None:
    assert normalise_wp_id(text) == wp_id


@pytest.mark.parametrize(
    ("frontmatter", "wp_id"),
    [
        ("work_package_id: WP07", "WP07"),
        ("work_package_id: 'wp7'", "WP07"),
        ("wp_id: WP07", "WP07"),
        ("wp_id: WP08\nwork_package_id: WP07", "WP07"),
        ("work_package_id: ''\nwp_id: WP07", "WP07"),
        ("work_package_id: the first\nwp_id: WP07", "WP07"),
        ("work_package_id: [WP07]", "WP01"),
        ("work_package_id: WP07-x", "WP01"),
        ("work_package_id:", "WP01"),
        ("title: WP07", "WP01"),
    ],
)
def test_the_id_is_the_stated_one_else_that_of_the_name(frontmatter: str, wp_id: str) -> None:
    assert wp(frontmatter).wp_id == wp_id


@pytest.mark.parametrize(
    ("frontmatter", "agent"),
    [
        ("agent: claude", "claude"),
        ("agent: claude:opus-4:implementer:implementer", "claude"),
        ("agent: 'claude'\nassignee: ada", "claude"),
        ("assignee: ada", "ada"),
        ("agent: ''\nassignee: ada", "ada"),
        ("agent:\nassignee: ada", "ada"),
        ("agent: system\nassignee: ada", "ada"),
        ("agent: __AGENT__\nassignee: ada", "ada"),
        ("agent: {name: codex, model: x}", "codex"),
        ("agent: system", None),
        ("agent: System", None),
        ("agent: system:x", None),
        ("agent: __AGENT__", None),
        ("agent: '{{AGENT}}'", None),
        ("agent: {{AGENT}}", None),
        ("agent: $AGENT", None),
        ("agent: ${AGENT}", None),
        ("agent: ''", None),
        ("agent: none", None),
        ("agent: ~", None),
        ("agent: []", None),
        ("agent: ':x'", None),
        ("title: x", None),
    ],
)
def test_the_agent_is_whoever_a_name_means(frontmatter: str, agent: str | None) -> None:
    assert wp(frontmatter).agent == agent


@pytest.mark.parametrize(
    ("frontmatter", "ids"),
    [
        ("dependencies: []", ()),
        ("dependencies:", ()),
        ("title: x", ()),
        ("dependencies: [WP02, WP03]", ("WP02", "WP03")),
        ("dependencies:\n- WP03\n- 'wp2'", ("WP03", "WP02")),
        ("dependencies: [WP02, WP2, WP02]", ("WP02",)),
        ("dependencies: [WP01, WP02]", ("WP02",)),
        ("dependencies: WP02, WP03 and WP-4", ("WP02", "WP03", "WP04")),
        ("dependencies: '[\"WP02\"]'", ("WP02",)),
        ("dependencies: [WP02 (the parser), xWP03, none]", ("WP02",)),
        ("dependencies: {WP02: hard, WP03: soft}", ("WP02", "WP03")),
        ("dependencies:\n- WP02: hard\n- [WP03]", ("WP02", "WP03")),
        ("depends_on: [WP02]", ("WP02",)),
        ("dependencies: []\ndepends_on: [WP02]", ("WP02",)),
    ],
)
def test_dependencies_are_the_other_ids(frontmatter: str, ids: tuple[str, ...]) -> None:
    assert wp(frontmatter).dependencies == ids


@pytest.mark.parametrize(
    ("frontmatter", "body", "title"),
    [
        ("title: Merge the state", "# Other\n", "Merge the state"),
        ("title: 'Merge: the state'", "", "Merge: the state"),
        ("title: |\n  Merge\n  the state", "", "Merge the state"),
        ('title: "a\\e[31mb"', "", "a [31mb"),
        (f"title: {'x' * 400}", "", "x" * MAX_TITLE),
        ("title: ''", "\n# Heading\n# Second\n", "Heading"),
        ("title: []", "# Heading\n", "Heading"),
        ("lane: doing", "```sh\n# a comment\n```\n# Heading\n", "Heading"),
        ("lane: doing", "## Second level\n", "merge-state"),
        ("lane: doing", "#no heading\n", "merge-state"),
        ("lane: doing", "", "merge-state"),
    ],
)
def test_the_title_is_stated_else_the_heading_else_the_name(frontmatter: str, body: str, title: str) -> None:
    assert wp(frontmatter, body).title == title


def test_the_title_of_a_bare_name_is_its_id() -> None:
    assert parse_wp("kitty-specs/f/tasks/WP01.md", b"").title == "WP01"


@pytest.mark.parametrize(
    ("frontmatter", "expected"),
    [
        ("review_status: has_feedback", True),
        ("review_status: 'Has Feedback'", True),
        ("review_status: has-feedback", True),
        ("review_status: approved", False),
        ("review_status: ''", False),
        ("review_status: [has_feedback]", False),
        ("title: x", False),
    ],
)
def test_feedback_is_stated_by_review_status(frontmatter: str, expected: bool) -> None:
    assert wp(frontmatter).has_feedback is expected


def test_history_of_frontmatter_and_body_comes_through() -> None:
    body = "## Activity Log\n- 2026-04-08T05:42:51Z – claude – lane=doing – Started\n"
    found = wp("history:\n- {action: Written, agent: ada}", body)
    assert [(row.author, row.content) for row in found.history] == [("ada", "Written"), ("claude", "Started")]


UNREADABLE: list[tuple[str, bytes]] = [
    ("larger than 256 KiB", b"---\nlane: doing\n---\n" + b"x" * MAX_BYTES),
    ("not UTF-8", b"---\nlane: doing\ntitle: \xe4\n---\n"),
    ("conflict marker", b"---\n<<<<<<< HEAD\nlane: doing\n=======\nlane: done\n>>>>>>> x\n---\n"),
    ("never closed", b"---\nlane: doing\n"),
    ("a list, not a mapping", b"---\n- lane\n---\n"),
    ("plain text, not a mapping", b"---\nlane\n---\n"),
    ("alias", b"---\na: &a [x]\nlane: *a\n---\n"),
    ("nested deeper", b"---\na: " + b"[" * 1_000 + b"\n---\n"),
    ("not YAML", b"---\nlane: doing: x\n---\n"),
    ("NUL byte", b"---\nlane: doing\n---\n\0"),
]


@pytest.mark.parametrize(("why", "data"), UNREADABLE, ids=[row[0] for row in UNREADABLE])
@pytest.mark.parametrize("path", [PATH, FOLDER_PATH])
def test_an_unreadable_file_says_nothing_but_its_problem(why: str, data: bytes, path: str) -> None:
    found = parse_wp(path, data)
    assert found.problem is not None
    assert why in found.problem.message
    assert "; " in found.problem.message  # the hint
    assert (found.feature, found.wp_id, found.title, found.path) == ("001-demo", "WP01", "merge-state", path)
    said = (found.status, found.source, found.agent, found.dependencies, found.history, found.lane)
    assert (found.readable, said) == (False, (None, None, None, (), (), None))


def test_one_content_is_one_problem_wherever_the_file_lies() -> None:
    broken, other = b"---\nlane: doing\n", b"---\nlane: done\n"
    assert problem_digest(parse_wp(PATH, broken)) == problem_digest(parse_wp(FOLDER_PATH, broken))
    assert problem_digest(parse_wp(PATH, broken)) != problem_digest(parse_wp(PATH, other))
    second = PATH.replace("WP01", "WP02")
    assert problem_digest(parse_wp(PATH, broken)) != problem_digest(parse_wp(second, broken))


def test_the_largest_file_allowed_is_read() -> None:
    head = b"---\nlane: doing\n---\n"
    assert parse_wp(PATH, head + b"x" * (MAX_BYTES - len(head))).status == "doing"
    assert not parse_wp(PATH, head + b"x" * (MAX_BYTES - len(head) + 1)).readable


@pytest.mark.parametrize(
    "body", ["{[*a: !!x &a", "---\nlane: done\n---", "<<<<<<< HEAD\n=======", "\x1b[2J", "lane: done"]
)
def test_garbage_in_the_body_is_harmless(body: str) -> None:
    found = wp("lane: doing\ntitle: x", body)
    assert (found.status, found.problem, found.readable) == ("doing", None, True)


FRONT = "---\nwork_package_id: WP01\ntitle: Build\nlane: doing\nhistory:\n- {at: 2025-11-11, action: x}\n---\n\n# B\n"


@pytest.mark.parametrize(
    "data",
    [
        FRONT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + FRONT.encode(),
        FRONT.replace("2025-11-11", "'2025-11-11'").encode(),
        FRONT.replace("lane: doing", "lane: planned\nlane: doing").replace("title: Build\n", "").encode(),
        FRONT.replace("lane: doing", "lane: 'doing'").encode(),
    ],
    ids=["CRLF", "BOM", "date in quotes", "lane twice", "quotes"],
)
def test_spelling_changes_no_fact(data: bytes) -> None:
    plain, found = parse_wp(PATH, FRONT.encode()), parse_wp(PATH, data)
    assert (found.status, found.history, found.wp_id) == (plain.status, plain.history, plain.wp_id)
    assert found.problem is None


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff"))
FIELDS = st.fixed_dictionaries(
    {"work_package_id": st.integers(0, 120).map(lambda number: f"WP{number:02d}")},
    optional={
        "title": TEXTS,
        "lane": st.sampled_from(sorted(lane for lanes in LANES.values() for lane in lanes)),
        "agent": st.sampled_from(["claude", "claude:opus", "system", "", "{{AGENT}}"]),
        "dependencies": st.lists(st.integers(0, 120).map(lambda number: f"WP{number:02d}"), unique=True, max_size=4),
        "history": st.lists(st.dictionaries(st.sampled_from(["at", "agent", "action", "lane"]), TEXTS), max_size=3),
        "phase": TEXTS,
    },
)


@given(fields=FIELDS, flow=st.sampled_from([True, False, None]), style=st.sampled_from([None, "'", '"']), body=TEXTS)
def test_a_file_written_in_any_style_says_the_same(fields: dict[str, Any], flow: bool, style: str, body: str) -> None:
    found = wp(yaml.safe_dump(fields, default_flow_style=flow, default_style=style, width=40), f"# Heading\n{body}")
    lane, agent = fields.get("lane"), fields.get("agent", "").partition(":")[0]
    assert found.wp_id == fields["work_package_id"]
    assert found.title == (one_line(fields.get("title", ""), limit=MAX_TITLE) or "Heading")
    assert found.lane == lane
    assert found.status == next((status for status, lanes in LANES.items() if lane in lanes), None)
    assert found.agent == (agent if agent == "claude" else None)
    assert found.dependencies == tuple(other for other in fields.get("dependencies", ()) if other != found.wp_id)
    assert found.history == read_history(fields.get("history"), "")
    assert found.problem is None


BYTES = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=100).map(lambda inside: b"---\n" + inside + b"\n---\nbody"),
    st.lists(
        st.sampled_from(
            ["lane: doing", "lane: dong", "history:", "- {action: x}", "agent: [", "- &a b", "? x", "---", "\t"]
        )
    ).map(lambda lines: ("---\n" + "\n".join(lines) + "\n---\n## Activity Log\n- 2025-01-01 – x\n").encode()),
)


@given(data=BYTES, path=st.sampled_from([PATH, FOLDER_PATH]))
def test_any_bytes_are_a_work_package_and_always_the_same(data: bytes, path: str) -> None:
    found = parse_wp(path, data)
    assert found == parse_wp(path, data)
    assert found.readable or (found.problem is not None and found.status is None)
    assert found.status in (None, *STATUSES)
    assert (found.status is None) == (found.source is None)
    assert normalise_wp_id(found.wp_id) == found.wp_id
    assert found.title
    assert found.path == path
