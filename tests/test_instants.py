"""Instants as text, and the time between two of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.events import is_timestamp
from catflap.instants import duration, iso


@pytest.mark.parametrize(
    ("epoch_s", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_770_120_000, "2026-02-03T12:00:00Z"),
        (1_770_120_000.999, "2026-02-03T12:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, "9999-12-31T23:59:59Z"),
        (2**63, "9999-12-31T23:59:59Z"),
        (-(2**63), "0001-01-01T00:00:00Z"),
    ],
)
def test_an_instant_is_utc_text_in_whole_seconds(epoch_s: float, text: str) -> None:
    assert iso(epoch_s) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_every_instant_is_a_valid_timestamp(epoch_s: float) -> None:
    assert is_timestamp(iso(epoch_s))


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2026-02-03T12:00:00Z", "2026-02-03T12:00:00Z", "PT0S"),
        ("2026-02-03T12:00:00Z", "2026-02-03T12:00:00.9Z", "PT0S"),
        ("2026-02-03T12:00:00Z", "2026-02-03T12:00:01Z", "PT1S"),
        ("2026-02-03T12:00:00Z", "2026-02-03T13:02:03Z", "PT1H2M3S"),
        ("2026-02-03T12:00:00Z", "2026-02-04T12:00:00Z", "P1D"),
        ("2026-02-03T12:00:00Z", "2026-02-05T12:01:00Z", "P2DT1M"),
        ("2026-02-03T12:00:00+01:00", "2026-02-03T12:00:00Z", "PT1H"),
        ("2026-02-03T12:00:00+0100", "2026-02-03T12:00:00+00", "PT1H"),
        ("2026-02-03t12:00:00z", "2026-02-03T12:00:00-00:30", "PT30M"),
        ("2026-02-03T12:00:00.123456789Z", "2026-02-03T12:00:02.123456789Z", "PT2S"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "PT1S"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "PT14H"),
        ("2026-02-03T12:00:01Z", "2026-02-03T12:00:00Z", None),
        (None, "2026-02-03T12:00:00Z", None),
    ],
)
def test_a_duration_is_the_time_between(start: str | None, end: str, text: str | None) -> None:
    assert duration(start, end) == text


@given(start_s=st.integers(0, 2**36), days=st.integers(0, 5_000), seconds=st.integers(0, 86_399))
def test_a_duration_adds_up(start_s: int, days: int, seconds: int) -> None:
    end = datetime.fromtimestamp(start_s, UTC) + timedelta(days=days, seconds=seconds)
    text = duration(iso(start_s), end.isoformat())
    assert text is not None
    date, _, clock = text.removeprefix("P").partition("T")
    total = 86_400 * int(date.removesuffix("D") or 0)
    for unit, size in (("H", 3_600), ("M", 60), ("S", 1)):
        if unit in clock:
            number, _, clock = clock.partition(unit)
            total += size * int(number)
    assert (total, clock) == (86_400 * days + seconds, "")
