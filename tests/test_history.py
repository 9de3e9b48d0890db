"""History rows from frontmatter and Activity Log; a row keeps its digest whatever its spelling, place and time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from catflap.frontmatter import read
from catflap.history import (
    MAX_CONTENT,
    MAX_NAME,
    HistoryRow,
    digest,
    one_line,
    person,
    read_history,
    utc_text,
    visible_text,
)

AT = "2026-04-08T05:42:51Z"

Said = tuple[str | None, str, str | None]
"""author, content, entry type"""


def said(row: HistoryRow) -> Said:
    return (row.author, row.content, row.entry_type)


def log(*lines: str) -> str:
    return "\n".join(["# WP01", "", "## Activity Log", "", *lines, ""])


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("claude", "claude"),
        ("claude:opus-4:implementer:implementer", "claude"),
        ("  claude  ", "claude"),
        ("claude : opus", "claude"),
        ("Ada Lovelace", "Ada Lovelace"),
        ("system", "system"),
        ("a\nb\x1b[31m", "a b [31m"),
        ("x" * 500, "x" * MAX_NAME),
        ("", None),
        ("   ", None),
        (":opus", None),
        ("none", None),
        ("None", None),
        ("null", None),
        ("~", None),
        ("__AGENT__", None),
        ("__AGENT_NAME__:x", None),
        ("{{AGENT}}", None),
        ("{{AGENT", None),
        ("$AGENT", None),
        ("${AGENT:-claude}", None),
        ("__init", "__init"),
        ({"name": "claude", "id": "7"}, "claude"),
        ({"id": "claude:opus"}, "claude"),
        ({"tool": "codex", "model": "x"}, "codex"),
        ({"name": "", "tool": "codex"}, "codex"),
        ({"name": ["claude"]}, None),
        ({}, None),
        (["claude"], None),
        (None, None),
        (7, None),
    ],
)
def test_a_person_is_the_part_before_the_first_colon(value: object, name: str | None) -> None:
    assert person(value) == name


FRONTMATTER_ROWS: list[tuple[object, list[Said]]] = [
    (None, []),
    ("", []),
    ([], []),
    ([""], []),
    ([[]], []),
    ([["a", "b"]], []),
    ([{}], []),
    ([{"timestamp": AT}], []),
    ([{"timestamp": AT, "agent": "claude"}], []),
    ([{"action": "Started"}], [(None, "Started", None)]),
    ({"action": "a single row without its list"}, [(None, "a single row without its list", None)]),
    (["a line of text"], [(None, "a line of text", None)]),
    (["2026-04-08T05:42:51Z – claude – lane=doing – Started"], [("claude", "Started", None)]),
    ([{"agent": "claude:opus", "action": "Started"}], [("claude", "Started", None)]),
    ([{"actor": "codex", "note": "Started"}], [("codex", "Started", None)]),
    ([{"by": "ada", "event": "Started"}], [("ada", "Started", None)]),
    ([{"author": "ada", "action": "Started"}], [("ada", "Started", None)]),
    ([{"author": "d", "by": "c", "actor": "b", "agent": "a", "action": "x"}], [("a", "x", None)]),
    ([{"agent": "{{AGENT}}", "actor": "", "by": "ada", "action": "x"}], [("ada", "x", None)]),
    ([{"actor": {"name": "claude", "id": "7"}, "action": "x"}], [("claude", "x", None)]),
    ([{"agent": "system", "action": "x"}], [("system", "x", None)]),
    ([{"event": "c", "note": "b", "action": "a"}], [(None, "a", None)]),
    ([{"event": "c", "note": "b", "action": "  "}], [(None, "b", None)]),
    ([{"action": {"not": "text"}, "event": "c"}], [(None, "c", None)]),
    ([{"lane": "doing"}], [(None, "moved to doing", None)]),
    ([{"status": "doing", "agent": "claude"}], [("claude", "moved to doing", None)]),
    ([{"action": "x", "entry_type": "review"}], [(None, "x", "review")]),
    ([{"action": "x", "entry_type": "ERROR"}], [(None, "x", "error")]),
    ([{"action": "x", "type": "comment"}], [(None, "x", "comment")]),
    ([{"action": "x", "entry_type": "note"}], [(None, "x", "note")]),
    ([{"action": "x", "entry_type": "transition"}], [(None, "x", None)]),
    ([{"action": "x", "entry_type": ["note"]}], [(None, "x", None)]),
    ([{"action": "first\nsecond\x1b[31m\n"}], [(None, "first\nsecond [31m", None)]),
    ([{"action": "x" * 5_000}], [(None, "x" * MAX_CONTENT, None)]),
    ([{"action": "b"}, {"action": "a"}], [(None, "b", None), (None, "a", None)]),
    ([{"timestamp": AT, "action": "x"}, {"timestamp": AT, "action": "x"}], [(None, "x", None)]),
]


@pytest.mark.parametrize(("rows", "expected"), FRONTMATTER_ROWS)
def test_rows_of_the_frontmatter(rows: object, expected: list[Said]) -> None:
    assert [said(row) for row in read_history(rows, "")] == expected


ACTIVITY_LINES: list[tuple[str, Said | None]] = [
    (f"- {AT} – claude – shell_pid=12 – lane=doing – Started", ("claude", "Started", None)),
    (f"- {AT} – claude – lane=doing – Started", ("claude", "Started", None)),
    (f"- {AT} – claude – Started", ("claude", "Started", None)),
    (f"- {AT} – claude:opus-4:reviewer – Started", ("claude", "Started", None)),
    (f"- {AT} – lane=doing – Started", (None, "Started", None)),
    (f"- {AT} – agent=claude – lane=doing – Started", ("claude", "Started", None)),
    (f"- {AT} – Started", (None, "Started", None)),
    (f"- {AT} – claude – lane=doing", ("claude", "moved to doing", None)),
    (f"- {AT} – claude – lane=doing – a – b - c", ("claude", "a – b - c", None)),
    (f"- {AT} – {{{{AGENT}}}} – lane=doing – Started", (None, "Started", None)),
    (f"- {AT} — claude — Started", ("claude", "Started", None)),
    (f"- {AT} - claude - Started", ("claude", "Started", None)),
    (f"- {AT} -- claude -- Started", ("claude", "Started", None)),
    (f"- {AT} | claude | Started", ("claude", "Started", None)),
    (f"- {AT}: Started", (None, "Started", None)),
    (f"* {AT} – claude – Started", ("claude", "Started", None)),
    (f"+ {AT} – claude – Started", ("claude", "Started", None)),
    (f"  - {AT} – claude – Started", ("claude", "Started", None)),
    (f"-   {AT} – claude   –   Started   now ", ("claude", "Started now", None)),
    ("- 2026-04-08 – claude – Started", ("claude", "Started", None)),
    ("- 2026-04-08 05:42 UTC – claude – Started", ("claude", "Started", None)),
    ("- 2026-04-08T05:42:51+02:00 – claude – Started", ("claude", "Started", None)),
    ("- [ ] a task, not a row", None),
    ("- claude – Started", None),
    ("- yesterday – claude – Started", None),
    (f"{AT} – claude – Started", None),
    (f"    - {AT} – claude – a code block, or a row within a row", None),
    (f"- {AT}", None),
    (f"- {AT} – ", None),
    (f"<!-- - {AT} – claude – Started -->", None),
    ("", None),
]


@pytest.mark.parametrize(("line", "expected"), ACTIVITY_LINES)
def test_rows_of_the_activity_log(line: str, expected: Said | None) -> None:
    assert [said(row) for row in read_history(None, log(line))] == ([expected] if expected else [])


ROW = f"- {AT} – claude – Started"


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (f"## Activity Log\n{ROW}", 1),
        (f"##   activity LOG ##\n\n{ROW}\n", 1),
        (f"## Activity Log:\n{ROW}\n", 1),
        (f"## Activity Log\n### July\n{ROW}\n", 1),
        (f"## Activity Log\ntext between\n\n{ROW}\n", 1),
        (f"## Activity Log\n{ROW}\n## Notes\n- {AT} – ada – other\n", 1),
        (f"## Activity Log\n{ROW}\n# Top\n- {AT} – ada – other\n", 1),
        (f"## Activity Log\n{ROW}\n## Notes\n## Activity Log\n- {AT} – ada – other\n", 2),
        (f"## Activity Log\n{ROW}\n{ROW}\n", 1),
        (f"{ROW}\n## Activity Log\n", 0),
        (f"# Activity Log\n{ROW}\n", 0),
        (f"### Activity Log\n{ROW}\n", 0),
        (f"## Activity Logs\n{ROW}\n", 0),
        (f"```\n## Activity Log\n{ROW}\n```\n", 0),
        (f"## Activity Log\n```text\n{ROW}\n```\n", 0),
        (f"## Activity Log\n~~~\n{ROW}\n~~~\n", 0),
        (f"## Activity Log\n````\n```\n{ROW}\n````\n", 0),
        (f"## Activity Log\n<!--\n{ROW}\n-->\n", 0),
        (f"```\nnever closed\n## Activity Log\n{ROW}\n", 1),
        (f"<!-- never closed\n## Activity Log\n{ROW}\n", 1),
        (f"<!-- closed --> \n## Activity Log\n{ROW}\n", 1),
    ],
)
def test_the_activity_log_is_its_own_section(body: str, count: int) -> None:
    assert len(read_history(None, body)) == count


def test_frontmatter_rows_come_before_those_of_the_body() -> None:
    rows = read_history([{"action": "a"}, {"action": "b"}], log(ROW))
    assert [row.content for row in rows] == ["a", "b", "Started"]


def test_a_row_in_both_places_is_one() -> None:
    entry = {"timestamp": "2026-04-08T05:42:51+00:00", "agent": "claude:opus", "lane": "Doing", "action": "Started"}
    assert len(read_history([entry], log(f"- {AT} – claude – shell_pid=12 – lane=doing – Started"))) == 1


SAME_ROW = [
    'history:\n- timestamp: "2026-04-08T05:42:51Z"\n  agent: "claude"\n  lane: "doing"\n  action: "It is done now"\n',
    "history:\n  - timestamp: 2026-04-08T05:42:51Z\n    agent: claude\n    lane: doing\n    action: It is done now\n",
    "history: [{action: It is done now, lane: doing, agent: claude, timestamp: 2026-04-08T05:42:51Z}]\n",
    "history:\n- {at: 2026-04-08 05:42:51, actor: 'claude:opus', status: DOING, note: It is done now}\n",
    "history:\n- {date: 2026-04-08T07:42:51+02:00, by: claude, lane: doing, event: It is done now}\n",
    "history:\n- {date: 2026-04-08T05:42:51.000Z, by: claude, lane: doing, action: It is done now, type: review}\n",
    "history:\n- at: 2026-04-08T05:42:51Z\n  by: claude\n  lane: doing\n  action: >-\n    It is\n    done now\n",
    "history:\n- at: 2026-04-08T05:42:51Z\n  by: claude\n  lane: doing\n  action: |\n    It is  done\n    now\n",
    "history:\n- 2026-04-08T05:42:51Z – claude – lane=doing – It is done now\n",
]


@pytest.mark.parametrize("text", SAME_ROW[1:])
def test_a_digest_survives_yaml_style_and_time_zone(text: str) -> None:
    def digests(frontmatter: str) -> list[str]:
        found = read(f"---\n{frontmatter}---\n".encode())
        return [row.digest for row in read_history(found.fields["history"], found.body)]

    assert digests(text) == digests(SAME_ROW[0])


@pytest.mark.parametrize(
    "other",
    [
        {"timestamp": AT, "agent": "claude", "lane": "doing", "action": "Stopped"},
        {"timestamp": "2026-04-08T05:42:52Z", "agent": "claude", "lane": "doing", "action": "Started"},
        {"timestamp": "2026-04-08T05:42:51+02:00", "agent": "claude", "lane": "doing", "action": "Started"},
        {"timestamp": AT, "agent": "codex", "lane": "doing", "action": "Started"},
        {"timestamp": AT, "lane": "doing", "action": "Started"},
        {"timestamp": AT, "agent": "claude", "lane": "done", "action": "Started"},
        {"timestamp": "soon", "agent": "claude", "lane": "doing", "action": "Started"},
        {"agent": "claude", "lane": "doing", "action": "Started"},
    ],
)
def test_a_row_that_says_something_else_has_another_digest(other: dict[str, str]) -> None:
    row = {"timestamp": AT, "agent": "claude", "lane": "doing", "action": "Started"}
    assert len({found.digest for found in read_history([row, other], "")}) == 2


def test_content_beyond_the_limit_still_counts_in_the_digest() -> None:
    rows = read_history([{"action": "x" * 9_000 + end} for end in "ab"], "")
    assert len(rows) == 2
    assert rows[0].content == rows[1].content


def test_a_digest_counts_its_parts_one_by_one() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a", "") != digest("a")
    assert digest("a", b"\xff") == digest("a", b"\xff")
    assert len(digest("\ud800")) == 16


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-04-08T05:42:51.048562+00:00", "2026-04-08T05:42:51.048562Z"),
        ("2026-04-08T05:42:51Z", "2026-04-08T05:42:51.000000Z"),
        ("2026-04-08t05:42:51z", "2026-04-08T05:42:51.000000Z"),
        (" 2026-04-08 05:42:51 ", "2026-04-08T05:42:51.000000Z"),
        ("2026-04-08 05:42 UTC", "2026-04-08T05:42:00.000000Z"),
        ("2026-04-08", "2026-04-08T00:00:00.000000Z"),
        ("2026-4-8 5:42:51", "2026-04-08T05:42:51.000000Z"),
        ("2001-12-14 21:59:43.10 -5", "2001-12-15T02:59:43.100000Z"),
        ("2026-04-08T05:42:51+0530", "2026-04-08T00:12:51.000000Z"),
        ("2026-04-08T05:42:51,5Z", "2026-04-08T05:42:51.500000Z"),
        ("2026-04-08T05:42:51.1234567Z", "2026-04-08T05:42:51.123456Z"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000Z"),
        ("2024-02-28T23:30:00-01:00", "2024-02-29T00:30:00.000000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59-01:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-02-29", None),
        ("2026-13-01", None),
        ("2026-00-01", None),
        ("2026-04-31", None),
        ("0000-01-01", None),
        ("2026-04-08T24:00:00Z", None),
        ("2026-04-08T05:60:00Z", None),
        ("2026-04-08T05:42:51+24:00", None),
        ("2026-04-08T05:42:51 Mars", None),
        ("04/08/2026", None),
        ("1775626971", None),
        ("", None),
    ],
)
def test_an_instant_is_utc_text(text: str, utc: str | None) -> None:
    assert utc_text(text) == utc


ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)), ZONES)
def test_an_instant_is_the_same_in_every_zone(naive: datetime, zone: timezone) -> None:
    moment = naive.replace(tzinfo=UTC)
    expected = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert utc_text(moment.astimezone(zone).isoformat()) == expected
    assert utc_text(expected) == expected


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.]{0,20}", fullmatch=True).filter(lambda name: person(name) == name)
CONTENTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join).filter(lambda text: text.strip())
ENTRIES = st.fixed_dictionaries(
    {
        "timestamp": st.datetimes(min_value=datetime(1000, 1, 1)).map(lambda at: f"{at.isoformat()}Z"),
        "action": CONTENTS,
    },
    optional={"agent": NAMES, "lane": st.sampled_from(["planned", "doing", "for_review", "done"])},
)


@given(
    entries=st.lists(ENTRIES, max_size=4),
    flow=st.sampled_from([True, False, None]),
    style=st.sampled_from([None, "'", '"', "|"]),
)
def test_rows_written_in_any_style_are_the_same_rows(entries: list[dict[str, Any]], flow: bool, style: str) -> None:
    text = yaml.safe_dump({"history": entries}, default_flow_style=flow, default_style=style, width=30)
    found = read(f"---\n{text}---\n".encode())
    assert read_history(found.fields["history"], "") == read_history(entries, "")


@given(entry=ENTRIES)
def test_a_row_formatted_as_an_activity_line_is_the_same_row(entry: dict[str, str]) -> None:
    content = " ".join(["did:", *entry["action"].split()])
    parts = [entry["timestamp"], entry.get("agent", "none"), f"lane={entry.get('lane', '')}", content]
    rows = read_history([{**entry, "action": content}], log(f"- {' – '.join(parts)}"))
    assert [said(row) for row in rows] == [(entry.get("agent"), content[:MAX_CONTENT], None)]


@given(rows=st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_value_has_a_history(rows: object) -> None:
    found = read_history(rows, "")
    assert len({row.digest for row in found}) == len(found)
    assert all(row.content and len(row.content) <= MAX_CONTENT for row in found)


def lines_read_one_by_one(text: str) -> list[str]:
    """The same lines, slowly: what a fence or comment opened, line by line."""
    kept: list[str] = []
    start, closer = 0, ""
    for line in text.split("\n"):
        kept.append(line)
        bare = line.strip()
        if closer == "-->":
            is_closing = closer in line
        else:
            is_closing = bool(closer) and bare.startswith(closer) and not bare.strip(closer[0])
        if is_closing:
            del kept[start:]
            closer = ""
        elif not closer and (opening := re.match(r"[ \t]*(```+|~~~+|<!--)", line)):
            start, closer = len(kept) - 1, opening[1]
            if closer == "<!--":
                closer = "" if "-->" in line else "-->"
    return kept


@given(st.lists(st.text("`~<!->ab \t\x1c\xa0", max_size=7) | st.sampled_from(["```", "~~~~", "<!--", "-->", "```sh"])))
def test_visible_text_is_what_a_reader_line_by_line_sees(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert visible_text(text) == "\n".join(lines_read_one_by_one(text))


@given(
    st.lists(
        st.sampled_from(
            ["```", "~~~", "<!--", "-->", "## Activity Log", "# More", "## activity log ##", "### Log", "text"]
            + [f"- 2026-02-0{day} – ada – Step {day}" for day in range(1, 5)]
        ),
        max_size=14,
    )
)
def test_activity_rows_are_those_that_a_reader_line_by_line_sees(lines: list[str]) -> None:
    expected: dict[str, None] = {}
    is_inside = False
    for line in lines_read_one_by_one("\n".join(lines)):
        if re.match("##? ", line):
            is_inside = line.lower().startswith("## activity log")
        elif is_inside and line.startswith("- "):
            expected[line.rpartition(" – ")[2]] = None
    assert [row.content for row in read_history(None, "\n".join(lines))] == list(expected)


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_printable_line(text: str, limit: int) -> None:
    found = one_line(text, limit=limit)
    assert len(found) <= limit
    assert found == " ".join(found.split())
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in found)


SLOW = [
    "- 2025-01-01 - " + " " * 250_000,
    "- 2025-01-01 - " + "lane=x - " * 25_000,
    "- 2025-01-01 " + "- " * 120_000,
    "- 2025-01-01T10:00" + ":" * 250_000,
    "- " + " " * 250_000,
    "## " + " " * 250_000 + "x",
    "## activity log" + " #" * 120_000 + "x",
    "```\n" * 60_000,
    "<!--\n" * 50_000,
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", SLOW, ids=[text[:16].strip() for text in SLOW])
def test_no_line_of_a_body_takes_longer_than_its_length(text: str) -> None:
    """One of these once cost four minutes; all of them together are a few milliseconds."""
    assert len(read_history(None, log(text))) <= 1


@pytest.mark.timeout(30)
@pytest.mark.parametrize("at", ["2025-01-01" + " " * 250_000 + "x", "2025-01-01T10:00" + " " * 250_000 + "x"])
def test_no_time_takes_longer_than_its_length(at: str) -> None:
    assert utc_text(at) is None
