"""The rules of `catflap check`: what is wrong with work packages, where, and what to do. Knows values only.

A *side* is one place with its files: a working tree, the index, a commit. Judged are the files of one side, each
within its feature, and the steps from the sides before (HEAD, and what is being merged) to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from catflap.dependencies import Member, lint_dependencies
from catflap.events import STATUSES
from catflap.facts import Key, rows_by_wp
from catflap.findings import Finding, Rule
from catflap.lanelog import LaneRow, parse_log
from catflap.transitions import log_steps, refusal_of_status, refusal_of_step
from catflap.workpackage import wp_path
from catflap.wpsource import ID_KEYS, WPSource, lines_of, read_source

_LOG = "kitty-specs/{}/status.events.jsonl"
_MARKER = re.compile(rb"^(?:<{7}(?= |\r?$)|={7}(?=\r?$)|>{7}(?= |\r?$))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Side:
    """One place: the content of its work package files by path, and of its lane logs by feature.

    None for content that cannot be read, since no regular file is there, or it is one of the ``unmerged`` paths.
    Paths must be ones that `wp_path` knows.
    """

    files: Mapping[str, bytes | None]
    logs: Mapping[str, bytes]
    unmerged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Read:
    """A side, read: its files by path, and of each lane log the rows by work package."""

    side: Side
    files: Mapping[str, WPSource]
    logs: Mapping[str, Mapping[str, tuple[LaneRow, ...]]]
    readable: Sequence[WPSource] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "readable", [file for file in self.files.values() if file.problem is None])

    def rows(self, key: Key) -> tuple[LaneRow, ...]:
        return self.logs.get(key[0], {}).get(key[1], ())

    def statuses(self) -> dict[Key, str | None]:
        """What each work package's status is: the log's where it has rows, else its file's, of several the last."""
        found = {(file.feature, file.wp_id): file.status for file in self.readable}
        rows = {(feature, wp_id): own for feature, log in self.logs.items() for wp_id, own in log.items()}
        return found | {key: own[-1].status for key, own in rows.items()}


def lint(side: Side, before: Sequence[Side]) -> list[Finding]:
    """What is wrong in ``side``, in the order of its files and lines.

    ``before`` are the sides that a step may come from: none when steps are not to be judged.
    """
    now = _read(side, {})
    olds = [_read(one, now.files) for one in before]
    found = [_absent(path, side) for path, data in side.files.items() if data is None]
    for file in now.files.values():
        found += _conflict(file.path, file.data) if file.problem is None else [_unreadable(file)]
    for file in now.readable:
        found += [*_lane(file, now.rows((file.feature, file.wp_id))), *_id(file)]
    found += _duplicates(now.readable)
    for feature, log in now.logs.items():
        found += [*_conflict(_LOG.format(feature), side.logs[feature]), *_log_lanes(side.logs[feature], feature, log)]
    statuses = now.statuses()
    members = [Member(file, statuses.get((file.feature, file.wp_id))) for file in now.readable]
    found += lint_dependencies(members, _known(now), statuses)
    if olds:
        found += [*_file_steps(now, olds), *_log_steps(now, olds)]
    return sorted(found)


def _read(side: Side, known: Mapping[str, WPSource]) -> _Read:
    """The side, read; a file that is the same as in ``known`` is not read again."""
    files = {
        path: same if (same := known.get(path)) is not None and same.data == data else read_source(path, data)
        for path, data in sorted(side.files.items())
        if data is not None
    }
    return _Read(side, files, {feature: rows_by_wp(parse_log(data)) for feature, data in side.logs.items()})


# -- one file by itself


def _absent(path: str, side: Side) -> Finding:
    if path in side.unmerged:
        return Finding(path, 1, 1, Rule.CONFLICT, "not merged yet; resolve the conflict and `git add` it")
    return Finding(path, 1, 1, Rule.UNREADABLE, "no regular file that may be read; put a plain text file in its place")


def _unreadable(file: WPSource) -> Finding:
    assert file.problem is not None
    line, column = file.place_of_problem()
    if "conflict marker" in file.problem.why:
        return Finding(file.path, line, column, Rule.CONFLICT, f"{file.problem.why}; {file.problem.hint}")
    return Finding(file.path, line, column, Rule.UNREADABLE, f"unreadable: {file.problem.why}; {file.problem.hint}")


def _conflict(path: str, data: bytes) -> Iterator[Finding]:
    """The first conflict that is left in the file; in a fence or not, git wrote those lines."""
    start = _first_conflict(data) if b"<<<<<<<" in data else None
    if start is not None:
        line = len(lines_of(data[:start]))
        yield Finding(path, line, 1, Rule.CONFLICT, "a conflict marker is in the file; resolve the conflict")


def _first_conflict(data: bytes) -> int | None:
    """Where the first three markers in their order begin: a line of seven = alone underlines a heading in Markdown."""
    start, wanted = 0, b"<"
    for found in _MARKER.finditer(data):
        kind = found[0][:1]
        if kind == b"<":
            start, wanted = found.start(), b"="
        elif kind == wanted:
            if kind == b">":
                return start
            wanted = b">"
    return None


def _lane(file: WPSource, rows: Sequence[LaneRow]) -> Iterator[Finding]:
    """An unknown lane; where a lane log speaks, or the folder, the file's own lane is stale and nobody reads it."""
    if rows or file.named.lane_folder is not None or file.lane is None or file.status is not None:
        return
    line, column = file.place(["lane"])
    yield Finding(file.path, line, column, Rule.LANE, _unknown_lane(file.lane))


def _unknown_lane(lane: str) -> str:
    from difflib import get_close_matches  # 5 ms, and few lanes are unknown

    near = get_close_matches(lane.lower(), STATUSES, n=1)
    guess = f" (did you mean {near[0]}?)" if near else ""
    return f"lane {lane!r} is unknown{guess}; use one of {', '.join(STATUSES)}"


def _id(file: WPSource) -> Iterator[Finding]:
    """The id that the frontmatter states, unless it is the one of the file's name. None stated is fine."""
    stated = {key: value for key in ID_KEYS if (value := file.front.fields.get(key))}
    if not stated:
        return
    if not file.stated_ids:
        key, value = next(iter(stated.items()))
        message = f"{key} {value!r:.60} is no id; write {file.named.wp_id}, as the file's name says"
    else:
        key, wp_id = next(iter(file.stated_ids.items()))
        if wp_id == file.named.wp_id:
            return
        message = f"{key} says {wp_id}, but the file's name says {file.named.wp_id}; make them the same"
    line, column = file.place([key])
    yield Finding(file.path, line, column, Rule.ID, message)


# -- files of one feature together


def _known(now: _Read) -> set[Key]:
    """Every id that a file has; of one that cannot be read, its name's."""
    found = {(file.feature, file.wp_id) for file in now.readable}
    return found | {(named.feature, named.wp_id) for path in now.side.files if (named := wp_path(path)) is not None}


def _duplicates(files: Iterable[WPSource]) -> Iterator[Finding]:
    by_key: dict[Key, list[WPSource]] = {}
    for file in files:
        by_key.setdefault((file.feature, file.wp_id), []).append(file)
    for (_, wp_id), same in by_key.items():
        for file in same if len(same) > 1 else ():
            others = ", ".join(other.path for other in same if other is not file)
            line, column = file.place(ID_KEYS)
            message = f"{wp_id} is also {others}; delete one of them, or give it another id"
            yield Finding(file.path, line, column, Rule.DUPLICATE, message)


def _log_lanes(data: bytes, feature: str, log: Mapping[str, tuple[LaneRow, ...]]) -> Iterator[Finding]:
    """The newest row of a work package in the lane log, when it has a lane that nobody knows."""
    for wp_id, rows in log.items():
        if rows[-1].status is None:
            line, column = _place_in_log(data, rows[-1].event_id)
            message = f"{wp_id}: {_unknown_lane(rows[-1].to_lane)}"
            yield Finding(_LOG.format(feature), line, column, Rule.LANE, message)


def _place_in_log(data: bytes, event_id: str) -> tuple[int, int]:
    wanted = event_id.encode("utf-8")
    lines = enumerate(data.split(b"\n"), 1)
    number, line = next(((number, line) for number, line in lines if wanted in line), (1, b""))
    return number, max(line.decode("utf-8", "replace").find('"to_lane"'), 0) + 1


# -- from before to now


def _file_steps(now: _Read, olds: Sequence[_Read]) -> Iterator[Finding]:
    """A status that no side before may lead to, where no lane log speaks."""
    before = [old.statuses() for old in olds]
    for file in now.readable:
        key = (file.feature, file.wp_id)
        if file.status is None or now.rows(key) or any(old.rows(key) for old in olds):
            continue
        statuses = [status for one in before if (status := one.get(key)) is not None]
        refusals = [refusal_of_status(file.wp_id, old, file.status) for old in statuses]
        if refusals and all(refusals):
            line, column = file.place(["lane"]) if file.named.lane_folder is None else (1, 1)
            yield Finding(file.path, line, column, Rule.TRANSITION, str(refusals[0]))


def _log_steps(now: _Read, olds: Sequence[_Read]) -> Iterator[Finding]:
    """The rows that are new in a lane log, each by the lanes that it names.

    Of a work package whose file had a status before any row had, the rows are those of a migration: history as it was.
    """
    before = [old.statuses() for old in olds]
    for feature, data in now.side.logs.items():
        known = {row.event_id for old in olds for rows in old.logs.get(feature, {}).values() for row in rows}
        for step in log_steps(data):
            key = (feature, step.wp_id)
            is_migrated = not any(old.rows(key) for old in olds) and any(one.get(key) for one in before)
            if step.event_id not in known and not is_migrated and (refusal := refusal_of_step(step)):
                yield Finding(_LOG.format(feature), step.line, step.column, Rule.TRANSITION, refusal)
