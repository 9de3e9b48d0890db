"""What people write for "since when", and how long ago something was, in one word."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catflap.errors import BadInput
from catflap.since import age, since

NOW = datetime(2026, 2, 3, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds_ago"),
    [
        ("90s", 90),
        ("30m", 1_800),
        ("2h", 7_200),
        ("3d", 259_200),
        ("1w", 604_800),
        (" 2 H ", 7_200),
        ("0d", 0),
        ("2026-02-03T11:59:00Z", 60),
        ("2026-02-03t11:59:00z", 60),
        ("2026-02-03T12:59:00+02:00", 3_660),
        ("2026-02-03 11:00+00:00", 3_600),
    ],
)
def test_an_age_or_an_instant_is_understood(text: str, seconds_ago: float) -> None:
    assert since(text, NOW) == NOW - seconds_ago


@pytest.mark.parametrize(
    ("text", "local"),
    [("2026-02-03", datetime(2026, 2, 3)), ("2026-02-03T08:30", datetime(2026, 2, 3, 8, 30))],
)
def test_what_names_no_zone_is_local(text: str, local: datetime) -> None:
    assert since(text, NOW) == local.timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "3", "d", "-2h", "2026-13-01", "3 fortnights", "1.5h"])
def test_anything_else_is_a_usage_error_that_says_what_to_write(text: str) -> None:
    with pytest.raises(BadInput, match="an age such as 2h or 3d") as error:
        since(text, NOW)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("seconds", "word"),
    [
        (-5, "now"),
        (0, "now"),
        (59, "now"),
        (60, "1m"),
        (3_599, "59m"),
        (3_600, "1h"),
        (86_399, "23h"),
        (864_000, "10d"),
    ],
)
def test_an_age_is_one_word(seconds: float, word: str) -> None:
    assert age(seconds) == word
