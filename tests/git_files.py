"""How the work package files of the model-based test look: written by a hand, read from lines. Knows no git.

What can differ stands far apart in a file, so that git merges each fact by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WPS = ("WP01", "WP02", "WP03")
TASKS = "kitty-specs/001-demo/tasks"
LANES = ("planned", "doing", "for_review", "done")
IN_CONFLICT = "in conflict"
"""The lane of a file with conflict markers: nobody's word, until a hand has resolved it."""
LINES = r"^(lane|agent|words): |^- 2"
"""The lines that :func:`read_place` wants, as a regular expression for `git grep -E`."""
_PATH = re.compile(r".*/(WP\d+)[^/]*\.md")
_LINE = re.compile(LINES)
_PAD = "".join(f"pad{number}: {number}\n" for number in range(8))


@dataclass(frozen=True)
class Says:
    """What one file says: everything that ever differs between two versions of it."""

    path: str
    lane: str
    agent: str | None
    rows: tuple[str, ...]
    words: str

    @property
    def meaning(self) -> tuple[str, str | None, frozenset[str]]:
        """What can become an event."""
        return (self.lane, self.agent, frozenset(self.rows))


Place = Mapping[str, Says]
"""Work package id → what its file says, in one commit or one working tree."""


class Unclear(Exception):
    """What is not this model's question, such as which of two files of one work package speaks. The life ends."""


def read_place(lines: Iterable[tuple[str, str]]) -> dict[str, Says]:
    """The place with these (path, line) pairs, in file order."""
    found: dict[str, dict[str, Any]] = {}
    for path, line in lines:
        match = _PATH.fullmatch(path)
        assert match is not None, path
        fields = found.setdefault(match[1], {"path": path, "rows": []})
        if fields["path"] != path:
            raise Unclear(f"{path} and {fields['path']}")
        key, _, value = line.partition(": ")
        if line.startswith("- "):
            fields["rows"].append(line.rpartition(" – ")[2])
        else:
            fields[key] = value.strip('"')
    return {wp: Says(f["path"], f["lane"], f["agent"] or None, tuple(f["rows"]), f["words"]) for wp, f in found.items()}


def render(wp: str, says: Says) -> str:
    """The file's text. What can differ stands far apart, so that git merges each fact by itself."""
    rows = "".join(f"- 2026-02-03T12:00:00Z – {row.split()[0]} – {row}\n" for row in says.rows)
    return (
        f'---\nwork_package_id: {wp}\ntitle: "Build {wp}"\nlane: "{says.lane}"\n{_PAD}agent: "{says.agent or ""}"\n'
        f"{_PAD.replace('pad', 'fill')}---\n\nwords: {says.words}\n\n{_PAD}\n## Activity Log\n\n{rows}"
    )


def files_of(wp: str) -> str:
    """A pathspec for the file of a work package, wherever it is or was."""
    return f":(glob){TASKS}/**/{wp}*.md"


def read_files(folder: Path) -> Place:
    """What the working tree in ``folder`` says."""
    paths = sorted((folder / TASKS).rglob("WP*.md"))
    return read_place(
        pair for path in paths for pair in _pairs(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
    )


def read_text(path: str, text: str) -> Says | None:
    """What a file with this text says; None when it is empty."""
    return next(iter(read_place(_pairs(path, text)).values()), None)


def _pairs(path: str, text: str) -> list[tuple[str, str]]:
    found = [(path, line) for line in text.splitlines() if _LINE.match(line)]
    return [*found, (path, f"lane: {IN_CONFLICT}")] if "<<<<<<<" in text else found
