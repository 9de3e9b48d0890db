"""Reads the rows of a work package's history, from frontmatter and Activity Log: who, when, what. Knows no file.

A row is known by a digest of what it says, not by its place or spelling: the same row in another YAML style, another
time zone or another order is the same row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from catflap.events import ENTRY_TYPES

MAX_CONTENT = 4_000
MAX_NAME = 200
_ROWS_KEPT = 4_096
"""Rows read lately: the next version of a file repeats all of its rows, and a history has hundreds of versions."""

_AT_KEYS = ("timestamp", "at", "date")
_AUTHOR_KEYS = ("agent", "actor", "by", "author")
_CONTENT_KEYS = ("action", "note", "event")
_LANE_KEYS = ("lane", "status")
_TYPE_KEYS = ("entry_type", "type")

_NOBODY = frozenset({"", "none", "null", "~"})
_PLACEHOLDER = re.compile(r"__\w*__|\{\{.*|\$.*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_INSTANT = re.compile(
    r"(?P<date>([0-9]{4})-([0-9]{1,2})-([0-9]{1,2}))"
    r"(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"[ \t]*(?:[Zz]|UTC|([+-])([0-9]{1,2}):?([0-9]{2})?)?)?"
)

_HEADING = re.compile(r"^## +activity log[ \t#:]*$", re.IGNORECASE | re.MULTILINE)
_SECTION = re.compile(r"\n#{1,2}[ \t]")
_MARK = re.compile(r"```|~~~|<!--")
_HIDING = re.compile(r"[ \t]*(```+|~~~+|<!--)")
_ROW = re.compile(
    r" {0,3}[-*+][ \t]+(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9]{2}:[0-9]{2}\S*)?)(?: UTC)?"
    r"(?::|[ \t]+(?:–|—|--?|\|))[ \t]+(?P<rest>\S.*)"
)
_SEPARATOR = re.compile(r" (?:–|—|--?|\|) ")
_PAIR = re.compile(r"(shell_pid|lane|agent)=(\S*)")


class HistoryRow(NamedTuple):
    """One row: ``digest`` (16 hex digits) of what it says, the ``entry_type`` if it states one, author and content."""

    digest: str
    entry_type: str | None
    author: str | None
    content: str


def read_history(rows: object, body: str) -> tuple[HistoryRow, ...]:
    """The rows of the frontmatter's ``history``, then those of the body's Activity Log; a row said twice is one."""
    unique: dict[str, HistoryRow] = {}
    for row in (*_frontmatter_rows(rows), *_activity_rows(body)):
        unique.setdefault(row.digest, row)
    return tuple(unique.values())


def person(value: object) -> str | None:
    """The name of whoever ``value`` means: the part before the first ``:``, or of an object its name, id or tool.

    None for nobody: empty, ``none``, ``null``, ``~``, unfilled placeholders (``__X__``, ``{{X}}``, ``$X``), lists.
    """
    if isinstance(value, dict):
        value = next((value[key] for key in ("name", "id", "tool") if value.get(key)), None)
    if not isinstance(value, str):
        return None
    name = one_line(value.partition(":")[0], limit=MAX_NAME)
    return None if name.lower() in _NOBODY or _PLACEHOLDER.fullmatch(name) else name


def one_line(text: str, *, limit: int) -> str:
    """``text`` as one line without control characters, at most ``limit`` characters: a terminal may show it."""
    return " ".join(_CONTROL.sub(" ", text).split())[:limit].rstrip()


def digest(*parts: str | bytes) -> str:
    """16 hex digits that stand for ``parts``, each counted by itself."""
    # `hashlib` loads OpenSSL, 11 ms of a hook's time; this is the function that it hands out as blake2b.
    try:
        from _blake2 import blake2b
    except ImportError:  # not every Python keeps it there
        from hashlib import blake2b

    state = blake2b(digest_size=8)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(b"%d:" % len(raw))
        state.update(raw)
    return state.hexdigest()


def utc_text(text: str) -> str | None:
    """``2026-04-08T05:42:51.048562Z``: the instant in UTC, so that texts compare as times; None when it is none.

    Takes ISO 8601 and YAML 1.1 timestamps: without zone UTC is meant, without time midnight.
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i] or 0) for i in range(2, 8))
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= _days_in(year, month)):
        return None
    offset_h, offset_m = int(match[10] or 0), int(match[11] or 0)
    if hour > 23 or minute > 59 or second > 60 or offset_h > 23 or offset_m > 59:
        return None
    offset = (offset_h * 60 + offset_m) * (-1 if match[9] == "-" else 1)
    minutes = (_day_number(year, month, day) * 24 + hour) * 60 + minute - offset + second // 60
    days, in_day = divmod(minutes, 1_440)
    date = _date(days)
    fraction = (match[8] or "")[:6].ljust(6, "0")
    return f"{date}T{in_day // 60:02d}:{in_day % 60:02d}:{second % 60:02d}.{fraction}Z" if date else None


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _day_number(year: int, month: int, day: int) -> int:
    """Days since 0000-03-01 of the proleptic Gregorian calendar (a year that begins in March has no leap gaps)."""
    year -= month <= 2
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * ((month - 3) % 12) + 2) // 5 + day - 1


def _date(days: int) -> str | None:
    """The reverse of :func:`_day_number`; None outside of the years 1 to 9999."""
    era, in_era = divmod(days, 146_097)
    year = (in_era - in_era // 1_460 + in_era // 36_524 - in_era // 146_096) // 365
    in_year = in_era - (365 * year + year // 4 - year // 100)
    march_month = (5 * in_year + 2) // 153
    month = (march_month + 2) % 12 + 1
    full_year = era * 400 + year + (month <= 2)
    day = in_year - (153 * march_month + 2) // 5 + 1
    return f"{full_year:04d}-{month:02d}-{day:02d}" if 1 <= full_year <= 9999 else None


def _frontmatter_rows(rows: object) -> Iterator[HistoryRow]:
    for entry in rows if isinstance(rows, list) else [rows]:
        row = None
        if isinstance(entry, dict):
            stated = _first(entry, _TYPE_KEYS).lower()
            row = _row(
                at=_first(entry, _AT_KEYS),
                author=next((name for key in _AUTHOR_KEYS if (name := person(entry.get(key)))), None),
                lane=_first(entry, _LANE_KEYS),
                content=_first(entry, _CONTENT_KEYS),
                entry_type=stated if stated in ENTRY_TYPES else None,
            )
        elif isinstance(entry, str):
            row = _text_row(f"- {entry}") or _row(content=entry)
        if row is not None:
            yield row


def _first(entry: dict[str, object], keys: Iterable[str]) -> str:
    return next((text for key in keys if isinstance(text := entry.get(key), str) and text.strip()), "").strip()


def _activity_rows(body: str) -> Iterator[HistoryRow]:
    """The rows of each ``## Activity Log`` section; it ends at the next heading of its level or above."""
    first = _heading(body, 0)
    if first is None:
        return
    # What stands before the log is the same in each version of a file.
    start = 0 if _leaves_open(body[: first.start()]) else first.start()
    text, end = visible_text(body[start:]), 0
    while heading := _heading(text, end):
        section = _SECTION.search(text, heading.end())
        end = section.start() + 1 if section is not None else len(text)
        for line in text[heading.end() : end].split("\n"):
            if (row := _text_row(line)) is not None:
                yield row


def _heading(text: str, at: int) -> re.Match[str] | None:
    """The next line that is the log's heading. Searching for the pattern itself takes ten times as long."""
    if at == 0 and (found := _HEADING.match(text)):
        return found
    at = text.find("\n## ", max(0, at - 1))
    while at >= 0:
        if found := _HEADING.match(text, at + 1):
            return found
        at = text.find("\n## ", at + 1)
    return None


def visible_text(text: str) -> str:
    """Markdown without the lines of code fences and comments; one that never closes hides nothing.

    Prompts nest fences wrongly often enough, and that must not hide a whole log.
    """
    return _visible(text)[0]


@lru_cache(maxsize=256)
def _leaves_open(text: str) -> bool:
    """Whether a fence or comment of ``text`` may hide what comes after it."""
    return _visible(text)[1]


def _visible(text: str) -> tuple[str, bool]:
    """The text without what is hidden, and whether a fence or comment in it never closes."""
    kept: list[str] = []
    start = at = 0
    while found := _MARK.search(text, at):
        line = text.rfind("\n", at, found.start()) + 1 or at
        end = _end_of_line(text, found.end())
        opening = _HIDING.match(text, line)
        if opening is None or (opening[1] == "<!--" and "-->" in text[line:end]):
            at = end + 1
            continue
        closing = _closing(opening[1]).search(text, end)
        if closing is None:
            return "".join(kept) + text[start:], True
        kept.append(text[start:line])
        start = at = _end_of_line(text, closing.end()) + 1
        if start > len(text):
            return "".join(kept).removesuffix("\n"), False
    return "".join(kept) + text[start:], False


@lru_cache(maxsize=16)
def _closing(mark: str) -> re.Pattern[str]:
    """What ends a fence that ``mark`` began, or a comment."""
    pattern = "-->" if mark == "<!--" else rf"\n[^\S\n]*{mark}{mark[0]}*[^\S\n]*(?![^\n])"
    return re.compile(pattern)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


@lru_cache(maxsize=_ROWS_KEPT)
def _text_row(line: str) -> HistoryRow | None:
    """The row of ``- <time> – <author> – shell_pid=<n> – lane=<lane> – <text>``; the middle three may be absent."""
    match = _ROW.match(line)
    if match is None:
        return None
    rest = " ".join(match["rest"].split())
    pairs: dict[str, str] = {}
    author, at = "", 0
    while at < len(rest):
        cut = _SEPARATOR.search(rest, at)
        part = rest[at : cut.start()] if cut else rest[at:]
        if pair := _PAIR.fullmatch(part):
            pairs[pair[1]] = pair[2]
        elif at == 0 and cut:
            author = part
        else:
            break
        at = cut.end() if cut else len(rest)
    return _row(
        at=match["at"],
        author=person(author or pairs.get("agent")),
        lane=pairs.get("lane", ""),
        content=rest[at:],
    )


@lru_cache(maxsize=_ROWS_KEPT)
def _row(
    *, content: str, at: str = "", author: str | None = None, lane: str = "", entry_type: str | None = None
) -> HistoryRow | None:
    """The row with its digest; None when it says nothing."""
    text = _CONTROL_IN_LINES.sub(" ", content).strip()
    lane = one_line(lane, limit=MAX_NAME)
    if not text and not lane:
        return None
    return HistoryRow(
        digest=digest(utc_text(at) or at.strip(), author or "", lane.lower(), " ".join(text.split())),
        entry_type=entry_type,
        author=author,
        content=text[:MAX_CONTENT].rstrip() or f"moved to {lane}",
    )
