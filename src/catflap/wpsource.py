"""What one work package file states of itself, and on which line and column it does: for those who judge the file.

The facts are those of workpackage.py, but nothing is read that no rule asks for: a file's history is most of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from catflap.frontmatter import Frontmatter, UnreadableFrontmatter, Value, read
from catflap.history import one_line
from catflap.workpackage import MAX_BYTES, WPPath, ids_in, normalise_wp_id, status_of_lane, wp_path

ID_KEYS = ("work_package_id", "wp_id")
DEPENDENCY_KEYS = ("dependencies", "depends_on")

_LINE_END = re.compile(r"\r\n|\n|\r")
_NO_LANE = frozenset({"", "~", "null"})
_NO_FIELDS = Frontmatter(fields={}, lines={}, body="")

Place = tuple[int, int]
"""(line, column), both from 1, the column in characters."""


@dataclass(frozen=True, slots=True)
class WPSource:
    """One file. ``problem`` says why it has no fields, when it cannot be read.

    ``wp_id`` is the id that counts: the first of ``stated_ids``, which the frontmatter has by key, else the one of the
    file's name. ``lane`` is the frontmatter's as it is written; ``status`` what the folder states, else the lane; None
    when neither does, or the file cannot be read. ``dependencies`` are as the file states them: on itself, too.
    """

    path: str
    named: WPPath
    data: bytes
    front: Frontmatter
    problem: UnreadableFrontmatter | None
    stated_ids: Mapping[str, str]
    wp_id: str
    lane: str | None
    status: str | None
    dependencies: Sequence[str]

    @property
    def feature(self) -> str:
        return self.named.feature

    def place(self, keys: Iterable[str], wp_id: str | None = None) -> Place:
        """Where the value of the first of ``keys`` stands that the frontmatter has, or in any of them the id ``wp_id``.

        Where that cannot be told, the beginning of the file.
        """
        found = {key: self.front.lines[key] for key in keys if key in self.front.lines}
        if not found:
            return 1, 1
        if wp_id is not None:
            pattern = re.compile(rf"(?<![0-9A-Za-z])WP[-_ ]?0*{int(wp_id[2:])}(?![0-9A-Za-z])", re.IGNORECASE)
            for line in found.values():
                for number, text in self._lines_of_key(line):
                    if word := pattern.search(text, 0 if number > line else text.find(":") + 1):
                        return number, word.start() + 1
        key, line = next(iter(found.items()))
        text = self.lines()[line - 1]
        before = re.search(rf"{re.escape(key)}['\"]?[ \t]*:[ \t]+(?=[^ \t#])", text)
        return line, (before.end() if before else _indent(text)) + 1

    def place_of_problem(self) -> Place:
        """Where the file cannot be read: the line, from its first character that is no space."""
        assert self.problem is not None
        lines, line = self.lines(), self.problem.line
        return line, (_indent(lines[line - 1]) if line <= len(lines) else 0) + 1

    def lines(self) -> list[str]:
        """The file's lines as an editor counts them; what is not UTF-8 is one character."""
        return lines_of(self.data[: MAX_BYTES + 1])

    def _lines_of_key(self, line: int) -> Iterator[tuple[int, str]]:
        """The lines that can hold the value of the key on ``line``, with their numbers."""
        after = sorted(other for other in self.front.lines.values() if other > line)
        lines = self.lines()
        end = after[0] - 1 if after else len(lines) - self.front.body.count("\n")
        yield from ((number, lines[number - 1]) for number in range(line, min(end, len(lines)) + 1))


def read_source(path: str, data: bytes) -> WPSource:
    """What the file ``path``, one that `wp_path` knows, states with the content ``data``."""
    named = wp_path(path)
    assert named is not None
    front, problem = _NO_FIELDS, None
    try:
        if len(data) > MAX_BYTES:
            raise UnreadableFrontmatter("the file is larger than 256 KiB", line=1, hint="split it")
        front = read(data)
    except UnreadableFrontmatter as reason:  # not an error of ours: it is what the file says
        problem = reason
    ids, lane = _stated_ids(front), _lane(front)
    status = named.lane_folder if problem is None else None
    if status is None and lane is not None:
        status = status_of_lane(lane)
    return WPSource(
        path=path,
        named=named,
        data=data,
        front=front,
        problem=problem,
        stated_ids=ids,
        wp_id=next(iter(ids.values()), named.wp_id),
        lane=lane,
        status=status,
        dependencies=_dependencies(front),
    )


def _stated_ids(front: Frontmatter) -> dict[str, str]:
    stated = ((key, front.fields.get(key)) for key in ID_KEYS)
    found = ((key, normalise_wp_id(value)) for key, value in stated if isinstance(value, str))
    return {key: wp_id for key, wp_id in found if wp_id is not None}


def _lane(front: Frontmatter) -> str | None:
    value = front.fields.get("lane")
    text = one_line(value if isinstance(value, str) else str(value), limit=100) if value else ""
    return None if text.lower() in _NO_LANE else text


def _dependencies(front: Frontmatter) -> list[str]:
    stated = (front.fields.get(key) for key in DEPENDENCY_KEYS)
    value: Value | None = next((found for found in stated if found), None)
    return list(dict.fromkeys(ids_in(value)))


def lines_of(data: bytes) -> list[str]:
    """The lines of a text file, without their ends and without a byte order mark."""
    return _LINE_END.split(data.decode("utf-8", "replace").removeprefix("\ufeff"))


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))
