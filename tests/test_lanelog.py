"""The lane log: which lines are rows, in which order they count, and what of a row is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.lanelog import LaneRow, log_path, parse_log
from catflap.workpackage import status_of_lane

ROW: dict[str, Any] = {
    "event_id": "01A",
    "wp_id": "WP01",
    "from_lane": "planned",
    "to_lane": "in_progress",
    "at": "2026-04-08T05:42:51+00:00",
    "actor": "claude",
}
PARSED = LaneRow(
    at="2026-04-08T05:42:51.000000Z",
    event_id="01A",
    wp_id="WP01",
    to_lane="in_progress",
    status="doing",
    actor="claude",
)


def log(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    ("path", "feature"),
    [
        ("kitty-specs/001-demo/status.events.jsonl", "001-demo"),
        ("kitty-specs/demo-01M819KZ/status.events.jsonl", "demo-01M819KZ"),
        ("kitty-specs/001-demo/status.json", None),
        ("kitty-specs/001-demo/status.events.jsonl~", None),
        ("kitty-specs/001-demo/tasks/status.events.jsonl", None),
        ("kitty-specs/status.events.jsonl", None),
        ("kitty-specs//status.events.jsonl", None),
        ("kitty-specs/.hidden/status.events.jsonl", None),
        (".worktrees/x/kitty-specs/001-demo/status.events.jsonl", None),
        ("other/001-demo/status.events.jsonl", None),
    ],
)
def test_a_lane_log_is_known_by_its_path(path: str, feature: str | None) -> None:
    assert log_path(path) == feature


@pytest.mark.parametrize(
    "data",
    [
        log(ROW),
        b"\xef\xbb\xbf" + log(ROW),
        log(ROW).replace(b"\n", b"\r\n"),
        b"\n\n" + log(ROW) + b"  \n",
        log(ROW, ROW),
        log({**ROW, "kind": "transition", "force": False, "evidence": None}),
        log({**ROW, "wp_id": "wp1"}),
        log({**ROW, "at": "2026-04-08T07:42:51+02:00"}),
        log({**ROW, "actor": "claude:opus:implementer"}),
        log({**ROW, "actor": {"name": "claude", "role": "implementer"}}),
        log({**ROW, "actor": {"tool": "claude", "model": "opus"}}),
    ],
)
def test_a_row_is_read_whatever_its_spelling(data: bytes) -> None:
    assert parse_log(data) == (PARSED,)


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("user", "user"),
        ({"name": "Ada"}, "Ada"),
        ({"id": "7"}, "7"),
        ({"profile": "x"}, None),
        ({"name": 7}, None),
        ("", None),
        ("{{AGENT}}", None),
        (None, None),
        (["claude"], None),
    ],
)
def test_an_actor_is_a_text_or_the_name_of_an_object(actor: object, name: str | None) -> None:
    assert [row.actor for row in parse_log(log({**ROW, "actor": actor}))] == [name]


def test_a_row_without_actor_is_a_row() -> None:
    assert [row.actor for row in parse_log(log({key: ROW[key] for key in ROW if key != "actor"}))] == [None]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name != key}


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({**ROW, "kind": "annotation"}).encode(),
        json.dumps({"kind": "annotation", "event_id": "01B", "wp_id": "WP01", "at": ROW["at"], "note": "x"}).encode(),
        json.dumps({**ROW, "event_type": "WPStatusChanged"}).encode(),
        json.dumps({"event_type": "MissionCreated", "payload": ROW}).encode(),
        json.dumps([ROW]).encode(),
        json.dumps("WP01").encode(),
        b"null",
        b"7",
        *(json.dumps(without(key)).encode() for key in ("wp_id", "to_lane", "at", "event_id")),
        *(
            json.dumps({**ROW, key: value}).encode()
            for key in ("wp_id", "to_lane", "event_id")
            for value in ("", None, 7)
        ),
        json.dumps({**ROW, "at": "yesterday"}).encode(),
        json.dumps({**ROW, "at": 1775626971}).encode(),
        json.dumps({**ROW, "wp_id": "the first"}).encode(),
        json.dumps(ROW).encode()[:-5],
        json.dumps(ROW).encode() * 2,
        b"<<<<<<< HEAD",
        b"{" * 200_000,
        b"[" * 200_000,
        b'{"n": ' + b"1" * 10_000 + b"}",
        b"\xff\xfe",
        b"\0",
    ],
)
def test_a_line_of_another_shape_is_skipped_alone(line: bytes) -> None:
    after = {**ROW, "event_id": "01B", "at": "2026-04-08T06:00:00Z"}
    assert [row.event_id for row in parse_log(log(ROW) + line + b"\n" + log(after))] == ["01A", "01B"]


@pytest.mark.parametrize(
    "data", [b"", b"\n", json.dumps(ROW).encode(), json.dumps(ROW).encode()[:-3], b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"]
)
def test_a_last_line_without_newline_is_not_there_yet(data: bytes) -> None:
    assert parse_log(data) == ()
    assert parse_log(log(ROW) + data) == (PARSED,)


def test_an_unknown_lane_is_kept_as_written_without_a_status() -> None:
    (row,) = parse_log(log({**ROW, "to_lane": "dong"}))
    assert (row.to_lane, row.status) == ("dong", None)


def test_control_characters_do_not_come_through() -> None:
    (row,) = parse_log(log({**ROW, "to_lane": "do\x1b[31mng\ud800", "actor": "a\nb\x07"}))
    assert (row.to_lane, row.actor) == ("do [31mng", "a b")


def test_rows_are_ordered_by_instant_then_id_whatever_their_place_or_zone() -> None:
    rows = [
        {**ROW, "event_id": "01D", "at": "2026-04-08T06:00:00Z"},
        {**ROW, "event_id": "01C", "at": "2026-04-08T06:00:00Z"},
        {**ROW, "event_id": "01E", "at": "2026-04-08T07:00:00+02:00"},
        {**ROW, "event_id": "01F", "at": "2026-04-08T05:59:59.999999Z"},
        {**ROW, "event_id": "01G", "at": "2026-04-08"},
    ]
    expected = ["01G", "01E", "01F", "01C", "01D"]
    assert [row.event_id for row in parse_log(log(*rows))] == expected
    assert [row.event_id for row in parse_log(log(*reversed(rows)))] == expected


ROWS = st.fixed_dictionaries(
    {
        "event_id": st.from_regex(r"[0-9A-HJKMNP-TV-Z]{26}", fullmatch=True),
        "wp_id": st.integers(1, 120).map(lambda number: f"WP{number:02d}"),
        "to_lane": st.sampled_from(["planned", "claimed", "in_progress", "in_review", "approved", "done", "dong"]),
        "at": st.datetimes().map(lambda at: f"{at.isoformat(timespec='microseconds')}Z"),
    },
    optional={"actor": st.sampled_from(["ada", "claude"]), "from_lane": st.text(), "reason": st.none() | st.text()},
)
UNIQUE_ROWS = st.lists(ROWS, max_size=8, unique_by=lambda row: row["event_id"])


def plain(row: dict[str, Any]) -> LaneRow:
    return LaneRow(
        at=row["at"],
        event_id=row["event_id"],
        wp_id=row["wp_id"],
        to_lane=row["to_lane"],
        status=status_of_lane(row["to_lane"]),
        actor=row.get("actor"),
    )


@given(rows=UNIQUE_ROWS, ensure_ascii=st.booleans())
def test_rows_written_as_json_lines_are_read_back_in_order(rows: list[dict[str, Any]], ensure_ascii: bool) -> None:
    data = "".join(json.dumps(row, ensure_ascii=ensure_ascii) + "\n" for row in rows).encode()
    assert list(parse_log(data)) == sorted(map(plain, rows), key=lambda row: (row.at, row.event_id))


@given(rows=UNIQUE_ROWS, data=st.data())
def test_the_order_of_the_lines_does_not_matter(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    assert parse_log(log(*data.draw(st.permutations(rows)))) == parse_log(log(*rows))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(list(ROW)), inner, max_size=6)
    ),
    max_leaves=10,
)


@given(data=st.binary() | st.lists(JSON).map(lambda values: log(*values)), cut=st.integers(0, 200))
def test_any_bytes_are_a_log(data: bytes, cut: int) -> None:
    found = parse_log(data)
    assert found == parse_log(data)
    assert parse_log(data[:cut]) == parse_log(data[: data.rfind(b"\n", 0, cut) + 1])
    assert all(row.event_id and row.to_lane and row.wp_id.startswith("WP") for row in found)
