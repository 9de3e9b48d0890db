"""Reads the YAML frontmatter of a Markdown file as plain text, lists and mappings. Knows no work packages, no files.

Every scalar stays the text that was written (``on``, ``2025-01-01`` and ``3`` are words here), so nothing depends on
what YAML thinks a value means. The parser's events are read one by one instead of a composed document: an alias or a
deep nesting is refused where it begins, before it can cost memory, time or the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Value: TypeAlias = "str | list[Value] | dict[str, Value]"

MAX_DEPTH = 60
"""Lists and mappings inside each other. Real frontmatter has 3; the C loader's stack ends at some ten thousand."""

_END = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_CONFLICT = re.compile(r"^(?:[<>|]{7}(?= |$)|={7}$)", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")
"""What YAML 1.1 forbids (5.1, c-printable) below U+0100, found here to name it; the few above it YAML finds itself."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""The C loader refuses an escape of one, the pure loader lets it through."""

_FIRST_YAML_LINE = 2


class UnreadableFrontmatter(Exception):
    """Frontmatter that says nothing for sure: ``why``, the 1-based ``line`` of the file, and a ``hint`` what to do."""

    def __init__(self, why: str, *, line: int, hint: str) -> None:
        self.why, self.line, self.hint = why, line, hint
        super().__init__(f"line {line}: {why}; {hint}")


@dataclass(frozen=True, slots=True)
class Frontmatter:
    """What the file says: its ``fields``, the 1-based file ``lines`` where their keys stand, and the Markdown below."""

    fields: Mapping[str, Value]
    lines: Mapping[str, int]
    body: str


def read(data: bytes) -> Frontmatter:
    """The fields and the body of a Markdown file; of a key that is there twice the last one counts.

    A file without frontmatter has no fields, and that is no error.

    Raises:
        UnreadableFrontmatter: not UTF-8, never closed, in conflict, not YAML, not a mapping, aliases, too deep.
    """
    yaml_text, body = split(data)
    if yaml_text is None:
        return Frontmatter(fields={}, lines={}, body=body)
    fields, lines = _parse(yaml_text)
    return Frontmatter(fields=fields, lines=lines, body=body)


def split(data: bytes) -> tuple[str | None, str]:
    """The YAML between the first line ``---`` and the next ``---`` or ``...`` (None: no frontmatter), and the body.

    Line ends come out as LF, a byte order mark is dropped.

    Raises:
        UnreadableFrontmatter: not UTF-8, never closed, in conflict, or with characters that YAML forbids.
    """
    text = _decode(data)
    first, _, rest = text.partition("\n")
    if first.rstrip(" \t") != "---":
        if _CONFLICT.match(first):
            raise _in_conflict(line=1)
        return None, text
    end = _END.search(rest)
    yaml_text = rest[: end.start()] if end else rest
    if conflict := _CONFLICT.search(yaml_text):
        raise _in_conflict(line=_line_at(yaml_text, conflict.start()))
    if end is None:
        raise UnreadableFrontmatter("the frontmatter is never closed", line=1, hint="put a line --- below its last key")
    if bad := _CONTROL.search(yaml_text):
        raise UnreadableFrontmatter(
            f"the control character U+{ord(bad[0]):04X} is in the frontmatter",
            line=_line_at(yaml_text, bad.start()),
            hint="delete it",
        )
    return yaml_text, rest[end.end() :].removeprefix("\n")


def _decode(data: bytes) -> str:
    if (nul := data.find(b"\0")) >= 0:
        raise UnreadableFrontmatter(
            "the file holds a NUL byte", line=data.count(b"\n", 0, nul) + 1, hint="save it as UTF-8 text"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFrontmatter(
            f"byte 0x{data[error.start]:02X} is not UTF-8",
            line=data.count(b"\n", 0, error.start) + 1,
            hint="save the file as UTF-8",
        ) from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _in_conflict(*, line: int) -> UnreadableFrontmatter:
    return UnreadableFrontmatter("a conflict marker is in the frontmatter", line=line, hint="resolve the conflict")


def _line_at(yaml_text: str, offset: int) -> int:
    return yaml_text.count("\n", 0, offset) + _FIRST_YAML_LINE


def _parse(yaml_text: str) -> tuple[dict[str, Value], dict[str, int]]:
    """The mapping that the YAML is, and the file lines of its keys; empty YAML is an empty mapping."""
    import yaml  # 17 ms: a hook on a commit without work packages does not pay for it

    kind: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        loader = kind(yaml_text)
        try:
            return _build(iter(loader.get_event, None))  # `yaml.parse` asks twice for each event
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError: a tag with %-escapes that are no UTF-8 (C loader), a %YAML of 5,000 digits (pure loader).
        # OverflowError: the escape \Uffffffff (pure loader).
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        line = mark.line if mark is not None else 0
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error).partition("\n")[0]
        raise UnreadableFrontmatter(
            f"the frontmatter is not YAML: {problem}",
            line=min(line, yaml_text.count("\n")) + _FIRST_YAML_LINE,
            hint="put quotes around a value that holds ': ' or ' #' or begins with a sign",
        ) from error


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end is still to come; in a mapping ``key`` waits for its value, None drops it."""

    value: list[Value] | dict[str, Value]
    key: str | None = None
    wants_key: bool = True

    def put(self, value: Value) -> None:
        """Takes the next node: an entry, a key, or a key's value. Keys that are no scalars are dropped."""
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.wants_key:
            self.key = value if isinstance(value, str) else None
            self.wants_key = False
        else:
            if self.key is not None:
                self.value[self.key] = value
            self.wants_key = True


@dataclass(slots=True)
class _Tree:
    """The nodes as they come; ``root`` collects the top node of each document."""

    root: list[Value] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)

    def open(self, value: list[Value] | dict[str, Value], line: int) -> None:
        if len(self.stack) > MAX_DEPTH:
            raise UnreadableFrontmatter(
                f"the frontmatter is nested deeper than {MAX_DEPTH} levels", line=line, hint="write it flat"
            )
        self.stack[-1].put(value)
        self.stack.append(_Open(value))

    def scalar(self, text: str, event: Any) -> None:
        if not text.isascii() and (lone := _SURROGATE.search(text)):
            raise UnreadableFrontmatter(
                f"the escape of the surrogate U+{ord(lone[0]):04X} is in the frontmatter",
                line=_line_of(event),
                hint="write the character itself",
            )
        top = self.stack[-1]
        value = top.value
        if type(value) is list:
            value.append(text)
        elif type(value) is dict:  # as `put` does, for what almost every node is
            if top.wants_key:
                if len(self.stack) == 2:
                    self.lines[text] = _line_of(event)
                top.key = text
            elif top.key is not None:
                value[top.key] = text
            top.wants_key = not top.wants_key


def _line_of(event: Any) -> int:
    """The line of the file on which an event of the parser begins."""
    mark = event.start_mark
    return (mark.line if mark is not None else 0) + _FIRST_YAML_LINE


def _build(events: Iterable[Any]) -> tuple[dict[str, Value], dict[str, int]]:
    """The mapping that the events tell, with the lines of its keys."""
    from yaml.events import (
        AliasEvent,
        DocumentStartEvent,
        MappingEndEvent,
        MappingStartEvent,
        ScalarEvent,
        SequenceEndEvent,
        SequenceStartEvent,
    )

    tree = _Tree()
    tree.stack.append(_Open(tree.root))
    take, close = tree.scalar, tree.stack.pop
    for event in events:
        kind = type(event)
        if kind is ScalarEvent:
            take(event.value, event)
        elif kind is MappingStartEvent:
            tree.open({}, _line_of(event))
        elif kind is SequenceStartEvent:
            tree.open([], _line_of(event))
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            close()
        elif kind is AliasEvent:
            raise UnreadableFrontmatter(
                f"the alias *{event.anchor} is in the frontmatter", line=_line_of(event), hint="write its value out"
            )
        elif kind is DocumentStartEvent and tree.root:
            raise UnreadableFrontmatter(
                "a second YAML document is in the frontmatter", line=_line_of(event), hint="keep one"
            )
    top = tree.root[0] if tree.root else {}
    if not isinstance(top, dict):
        found = "a list" if isinstance(top, list) else "plain text"
        raise UnreadableFrontmatter(
            f"the frontmatter is {found}, not a mapping", line=_FIRST_YAML_LINE, hint="write it as key: value lines"
        )
    return top, (tree.lines if len(tree.root) == 1 else {})
