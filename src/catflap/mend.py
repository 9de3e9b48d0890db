"""What `catflap check --fix` changes in a work package file: what has one right answer, and no other byte. Pure.

Every change is proved before it counts: the file is read again, and all but what was to change must read as before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from catflap.findings import Finding, Rule
from catflap.frontmatter import split
from catflap.lint import Side
from catflap.workpackage import wp_path
from catflap.wpsource import DEPENDENCY_KEYS, ID_KEYS, WPSource, read_source

_LINE_END = re.compile(rb"\r\n|\n|\r")
_PLAIN = re.compile(r"(?P<key>[ \t]*(?:- +)?[A-Za-z_][\w-]*:[ \t]+)(?P<value>[^ \t'\"\[\]{}>|&*!#].*?)(?P<rest>[ \t]*)")
_MOST_QUOTES = 20
"""Values to quote in one file; with more of them wrong, no hand meant it as YAML."""


def mend(side: Side, findings: Sequence[Finding]) -> dict[str, bytes]:
    """The new content of each file in ``side`` that has a finding with one right answer.

    A value that YAML cannot read for a ``: `` or its first character is quoted; an id that is none, or that another
    file of the feature has by its name, becomes the id of the file's own name; a dependency on itself is taken out.
    """
    mended: dict[str, bytes] = {}
    for path in dict.fromkeys(one.path for one in findings):
        data = side.files.get(path)
        if data is None:
            continue
        rules = {one.rule for one in findings if one.path == path}
        new = _with_quotes(path, data) if Rule.UNREADABLE in rules else data
        source = read_source(path, new)
        if source.problem is None:
            source = _with_named_id(source, side) if Rule.ID in rules or new != data else source
            source = _without_itself(source) if Rule.CYCLE in rules or new != data else source
            if source.data != data:
                mended[path] = source.data
    return mended


def _with_quotes(path: str, data: bytes) -> bytes:
    """The file with each value quoted at which YAML stops; as it was when that does not make it readable."""
    source = read_source(path, data)
    for _ in range(_MOST_QUOTES):
        if source.problem is None:
            return source.data if _body(source.data) == _body(data) else data
        if not source.problem.why.startswith("the frontmatter is not YAML"):
            return data
        number = source.problem.line
        text = _line(source.data, number)
        found = _PLAIN.fullmatch(text) if text is not None else None
        if found is None or " #" in found["value"]:  # what follows is a comment, or was meant as text: who knows
            return data
        quoted = found["value"].replace("'", "''")
        source = read_source(path, _with_line(source.data, number, f"{found['key']}'{quoted}'{found['rest']}"))
    return data


def _with_named_id(source: WPSource, side: Side) -> WPSource:
    """The file with the id of its name, when what it states is no id or another file's: a copy that was not finished.

    Not when any other file has that id, by its name or as it states.
    """
    own = source.named
    key = next((key for key in ID_KEYS if source.front.fields.get(key)), None)
    if key is None or own.wp_id in source.stated_ids.values():
        return source
    others = [
        read_source(path, data or b"")
        for path, data in side.files.items()
        if path != source.path and (named := wp_path(path)) is not None and named.feature == own.feature
    ]
    names = {other.named.wp_id for other in others}
    if own.wp_id in names | {other.wp_id for other in others} or (source.stated_ids and source.wp_id not in names):
        return source
    line, _ = source.place([key])
    pattern = rf"({key}[ \t]*:[ \t]*)(['\"]?)([^'\"\[\]{{}}#]*?)\2([ \t]*(?: #.*)?)"
    found = re.fullmatch(pattern, _line(source.data, line) or "")
    if found is None:
        return source
    new = _with_line(source.data, line, f"{found[1]}{found[2]}{own.wp_id}{found[2]}{found[4]}")
    return _if_only(source, new, {key: own.wp_id})


def _without_itself(source: WPSource) -> WPSource:
    """The file without a dependency on itself."""
    own = source.wp_id
    key = next((key for key in DEPENDENCY_KEYS if source.front.fields.get(key)), None)
    value = source.front.fields.get(key) if key is not None else None
    if key is None or own not in source.dependencies or not isinstance(value, list):
        return source
    line, _ = source.place([key], own)
    text = _line(source.data, line) or ""
    left = [one for one in value if one != own]
    word = rf"(['\"]?){own}\1"
    if re.fullmatch(rf"[ \t]*-[ \t]+{word}[ \t]*", text) and left:
        new = _with_line(source.data, line, None)
    else:
        shorter = text
        for found in (
            rf"[ \t]*,[ \t]*{word}(?=[ \t]*[\],])",
            rf"(?<=\[){word}[ \t]*,[ \t]*",
            rf"(?<=\[)[ \t]*{word}[ \t]*(?=\])",
        ):
            shorter = re.sub(found, "", text, count=1) if shorter == text else shorter
        new = _with_line(source.data, line, shorter)
    return _if_only(source, new, {key: left})


def _if_only(source: WPSource, new: bytes, changed: Mapping[str, object]) -> WPSource:
    """The file with the content ``new``, if it reads as before in all but the fields that are ``changed``."""
    found = read_source(source.path, new)
    fields = {**source.front.fields, **changed}
    is_proved = found.problem is None and found.front.fields == fields and found.front.body == source.front.body
    return found if is_proved else source


def _body(data: bytes) -> str:
    """The text below the frontmatter, which split tells without reading the YAML."""
    return split(data)[1]


def _bounds(data: bytes, number: int) -> tuple[int, int, int] | None:
    """Where line ``number`` begins, where its text ends, and where the next one begins; None when there is none."""
    start = 0
    for found in _LINE_END.finditer(data):
        number -= 1
        if number == 0:
            return start, found.start(), found.end()
        start = found.end()
    return (start, len(data), len(data)) if number == 1 else None


def _line(data: bytes, number: int) -> str | None:
    bounds = _bounds(data, number)
    return data[bounds[0] : bounds[1]].decode("utf-8") if bounds is not None else None


def _with_line(data: bytes, number: int, text: str | None) -> bytes:
    """The file with another text on line ``number``, its end kept; without the line for None."""
    bounds = _bounds(data, number)
    assert bounds is not None
    start, end, after = bounds
    return data[:start] + data[after:] if text is None else data[:start] + text.encode("utf-8") + data[end:]
