"""What meta.json says of a feature, old spelling and new; a broken one is only a hint lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.events import is_timestamp
from catflap.featuremeta import FeatureMeta, parse_meta

AT = "2026-02-03T12:00:00Z"


@pytest.mark.parametrize(
    ("slug", "fields", "number"),
    [
        ("001-demo", {}, "001"),
        ("001-demo", {"feature_number": "028"}, "028"),
        ("001-demo", {"feature_number": 28}, "028"),
        ("001-demo", {"feature_number": " 28 "}, "028"),
        ("001-demo", {"feature_number": 1234}, "1234"),
        ("demo-01M819KZ", {"mission_number": 7}, "007"),
        ("demo-01M819KZ", {"mission_number": "007"}, "007"),
        ("demo-01M819KZ", {"feature_number": 5, "mission_number": 7}, "005"),
        ("demo-01M819KZ", {"feature_number": None, "mission_number": 7}, "007"),
        ("demo-01M819KZ", {"feature_number": "", "mission_number": 7}, "007"),
        ("demo-01M819KZ", {"mission_number": None}, "000"),
        ("demo-01M819KZ", {}, "000"),
        ("demo", {}, "000"),
        ("028", {}, "028"),
        ("28-demo", {}, "000"),
        ("028x-demo", {}, "000"),
        ("001-demo", {"feature_number": True}, "001"),
        ("001-demo", {"feature_number": -3}, "001"),
        ("001-demo", {"feature_number": 2.5}, "001"),
        ("001-demo", {"feature_number": "two"}, "001"),
        ("001-demo", {"feature_number": "٣"}, "001"),
        ("001-demo", {"feature_number": ["028"]}, "001"),
        ("001-demo", {"feature_number": "1" * 3_000}, "001"),
    ],
)
def test_the_number_is_stated_else_in_the_slug_else_none(slug: str, fields: dict[str, object], number: str) -> None:
    assert parse_meta(slug, json.dumps(fields).encode()).number == number


@pytest.mark.parametrize(
    ("stated", "branch"), [("2.x", "2.x"), ("main", "main"), ("", None), ("  ", None), (None, None), (7, None)]
)
def test_the_target_branch_is_a_text(stated: object, branch: str | None) -> None:
    assert parse_meta("001-demo", json.dumps({"target_branch": stated}).encode()).target_branch == branch


@pytest.mark.parametrize(
    ("stated", "created_at"),
    [
        (AT, AT),
        ("2026-02-03T12:00:00.5+01:00", "2026-02-03T12:00:00.5+01:00"),
        ("2026-02-03T12:00:00", None),
        ("2026-02-03", None),
        ("yesterday", None),
        (1770120000, None),
        (None, None),
    ],
)
def test_created_at_is_an_instant_with_zone(stated: object, created_at: str | None) -> None:
    assert parse_meta("001-demo", json.dumps({"created_at": stated}).encode()).created_at == created_at


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"null",
        b'"028"',
        b"{}",
        b'{"feature_number": "009"',
        b"\xff\xfe{\0}\0",
        b"<<<<<<< HEAD\n{}\n",
        b"[" * 200_000,
        b'{"feature_number": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_missing_or_broken_meta_tells_nothing(data: bytes | None) -> None:
    assert parse_meta("001-demo", data) == FeatureMeta(number="001")


@pytest.mark.parametrize(
    "data", [b'\xef\xbb\xbf{"feature_number": "028"}', b'{\r\n"feature_number": "028"\r\n}\r\n'], ids=["BOM", "CRLF"]
)
def test_spelling_changes_nothing(data: bytes) -> None:
    assert parse_meta("001-demo", data).number == "028"


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(AT) | st.lists(st.text())
FIELDS = st.dictionaries(
    st.sampled_from(["feature_number", "mission_number", "target_branch", "created_at", "slug"]), VALUES
)


@given(slug=st.text(), data=st.binary() | FIELDS.map(lambda fields: json.dumps(fields).encode()))
def test_any_bytes_are_a_meta(slug: str, data: bytes) -> None:
    found = parse_meta(slug, data)
    assert found == parse_meta(slug, data)
    assert len(found.number) >= 3
    assert found.number.isascii()
    assert found.number.isdigit()
    assert found.target_branch is None or found.target_branch.strip()
    assert found.created_at is None or is_timestamp(found.created_at)
