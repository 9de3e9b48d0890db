"""The rules of `catflap check`: what is wrong with work packages, on which line, and what to do. Knows values only.

A *side* is one place with its files: a working tree, the index, a commit. Judged are the files of one side, each
within its feature, and the steps from the sides before (HEAD, and what is being merged) to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from catflap.events import STATUSES
from catflap.facts import Facts, Key, place, rows_by_wp
from catflap.frontmatter import Frontmatter, UnreadableFrontmatter, read
from catflap.lanelog import LaneRow, parse_log
from catflap.workpackage import MAX_BYTES, WorkPackage, ids_in, normalise_wp_id, parse_wp, wp_path

STEPS: Mapping[str, tuple[str, ...]] = {
    "planned": ("doing",),
    "doing": ("for_review",),
    "for_review": ("doing", "done"),
    "done": (),
}
"""Where a status may go: data model, State Transitions."""

_ID_KEYS = ("work_package_id", "wp_id")
_DEPENDENCY_KEYS = ("dependencies", "depends_on")
_LOG = "kitty-specs/{}/status.events.jsonl"


class Rule(StrEnum):
    """What a finding is about; the value is what ``--json`` prints."""

    UNREADABLE = "unreadable"
    LANE = "lane"
    ID = "id"
    DUPLICATE = "duplicate"
    DEPENDENCY = "dependency"
    CYCLE = "cycle"
    TRANSITION = "transition"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong: ``path`` relative to the repository, ``line`` from 1."""

    path: str
    line: int
    rule: Rule
    message: str


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
class _File:
    wp: WorkPackage
    fields: Frontmatter

    def line_of(self, keys: Iterable[str]) -> int:
        """The line of the first of ``keys`` that the frontmatter has; 1 when it has none."""
        return next((self.fields.lines[key] for key in keys if key in self.fields.lines), 1)


def lint(side: Side, before: Sequence[Side]) -> list[Finding]:
    """What is wrong in ``side``, in the order of its files and lines.

    ``before`` are the sides that a step may come from: none when steps are not to be judged.
    """
    files = {path: _parse(path, data) for path, data in side.files.items() if data is not None}
    logs = {feature: rows_by_wp(parse_log(data)) for feature, data in side.logs.items()}
    readable = [file for file in files.values() if file.wp.readable]
    found = [_absent(path, side) for path, data in side.files.items() if data is None]
    found += [_unreadable(file.wp) for file in files.values() if not file.wp.readable]
    for file in readable:
        rows = logs.get(file.wp.feature, {}).get(file.wp.wp_id, ())
        found += [*_lane(file.wp, rows), *_id(file)]
    found += [*_duplicates(readable), *_log_lanes(side, logs)]
    found += _dependencies(readable, _known(side, readable))
    found += _transitions(readable, logs, [_facts(one) for one in before])
    return sorted(found)


def _parse(path: str, data: bytes) -> _File:
    wp = parse_wp(path, data)
    try:
        fields = read(data[:MAX_BYTES]) if wp.readable else _NO_FIELDS
    except UnreadableFrontmatter:  # parse_wp has read the same bytes: it would have said so
        fields = _NO_FIELDS
    return _File(wp, fields)


_NO_FIELDS = Frontmatter(fields={}, lines={}, body="")


def _facts(side: Side) -> dict[Key, Facts]:
    wps = [parse_wp(path, data) for path, data in sorted(side.files.items()) if data is not None]
    return place(wps, {feature: rows_by_wp(parse_log(data)) for feature, data in side.logs.items()})


# -- one file by itself


def _absent(path: str, side: Side) -> Finding:
    if path in side.unmerged:
        return Finding(path, 1, Rule.UNREADABLE, "not merged yet; resolve the conflict and `git add` it")
    return Finding(path, 1, Rule.UNREADABLE, "no regular file that may be read; put a plain text file in its place")


def _unreadable(wp: WorkPackage) -> Finding:
    assert wp.problem is not None
    return Finding(wp.path, wp.problem.line, Rule.UNREADABLE, f"unreadable: {wp.problem.message}")


def _lane(wp: WorkPackage, rows: Sequence[LaneRow]) -> Iterator[Finding]:
    """An unknown lane; where a lane log speaks, the file's own lane is stale and nobody reads it."""
    if wp.problem is not None and not rows:
        yield Finding(wp.path, wp.problem.line, Rule.LANE, wp.problem.message)


def _id(file: _File) -> Iterator[Finding]:
    """The id that the frontmatter states, unless it is the one of the file's name. None stated is fine."""
    named = wp_path(file.wp.path)
    assert named is not None
    stated = {key: value for key in _ID_KEYS if (value := file.fields.fields.get(key))}
    if not stated:
        return
    ids = {key: wp_id for key, value in stated.items() if isinstance(value, str) and (wp_id := normalise_wp_id(value))}
    if not ids:
        key, value = next(iter(stated.items()))
        yield Finding(
            file.wp.path,
            file.line_of([key]),
            Rule.ID,
            f"{key} {value!r:.60} is no id; write {named.wp_id}, as the file's name says",
        )
        return
    key, wp_id = next(iter(ids.items()))
    if wp_id != named.wp_id:
        yield Finding(
            file.wp.path,
            file.line_of([key]),
            Rule.ID,
            f"{key} says {wp_id}, but the file's name says {named.wp_id}; make them the same",
        )


# -- files of one feature together


def _known(side: Side, readable: Iterable[_File]) -> set[Key]:
    """Every id that a file has; of one that cannot be read, its name's."""
    found = {(file.wp.feature, file.wp.wp_id) for file in readable}
    return found | {(named.feature, named.wp_id) for path in side.files if (named := wp_path(path)) is not None}


def _duplicates(files: Iterable[_File]) -> Iterator[Finding]:
    by_key: dict[Key, list[_File]] = {}
    for file in files:
        by_key.setdefault((file.wp.feature, file.wp.wp_id), []).append(file)
    for (_, wp_id), same in by_key.items():
        for file in same:
            others = [other.wp.path for other in same if other is not file]
            if others:
                yield Finding(
                    file.wp.path,
                    file.line_of(_ID_KEYS),
                    Rule.DUPLICATE,
                    f"{wp_id} is also {', '.join(others)}; delete one of them, or give it another id",
                )


def _log_lanes(side: Side, logs: Mapping[str, Mapping[str, tuple[LaneRow, ...]]]) -> Iterator[Finding]:
    """The newest row of a work package in the lane log, when it has a lane that nobody knows."""
    for feature, log in logs.items():
        for wp_id, rows in log.items():
            if rows[-1].status is None:
                yield Finding(
                    _LOG.format(feature),
                    _line_of(side.logs[feature], rows[-1].event_id),
                    Rule.LANE,
                    f"{wp_id}: lane {rows[-1].to_lane!r} is unknown; use one of {', '.join(STATUSES)}",
                )


def _line_of(log: bytes, event_id: str) -> int:
    wanted = event_id.encode("utf-8")
    return next((number for number, line in enumerate(log.split(b"\n"), 1) if wanted in line), 1)


def _dependencies(files: Sequence[_File], known: set[Key]) -> Iterator[Finding]:
    """Dependencies on what the feature does not have, and every work package that waits for itself in the end."""
    graph: dict[Key, list[Key]] = {}
    for file in files:
        key = (file.wp.feature, file.wp.wp_id)
        graph.setdefault(key, []).extend((key[0], wp_id) for wp_id in _stated(file))
    for file in files:
        key, line = (file.wp.feature, file.wp.wp_id), file.line_of(_DEPENDENCY_KEYS)
        for wp_id in _stated(file):
            if (key[0], wp_id) not in known:
                yield Finding(
                    file.wp.path,
                    line,
                    Rule.DEPENDENCY,
                    f"{key[1]} depends on {wp_id}, which {key[0]} does not have; correct the id, or add that file",
                )
        if way := _way_back(graph, key):
            yield Finding(
                file.wp.path,
                line,
                Rule.CYCLE,
                f"{key[1]} waits for itself: {' → '.join(wp_id for _, wp_id in way)}; take one dependency out",
            )


def _stated(file: _File) -> list[str]:
    """The ids that the file depends on as it states them: its own, too."""
    value = next((found for key in _DEPENDENCY_KEYS if (found := file.fields.fields.get(key))), None)
    return list(dict.fromkeys(ids_in(value)))


def _way_back(graph: Mapping[Key, Sequence[Key]], start: Key) -> list[Key]:
    """The shortest way from ``start`` along the dependencies to ``start`` again; empty when there is none."""
    came_from: dict[Key, Key] = {}
    queue = [start]
    for key in queue:
        for target in graph.get(key, ()):
            if target == start:
                way = [start, key]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if target not in came_from:
                came_from[target] = key
                queue.append(target)
    return []


# -- from before to now


def _transitions(
    files: Iterable[_File],
    logs: Mapping[str, Mapping[str, tuple[LaneRow, ...]]],
    before: Sequence[Mapping[Key, Facts]],
) -> Iterator[Finding]:
    """A status that no side before may lead to. Where a lane log speaks, the steps are Spec Kitty's own business."""
    for file in files:
        wp = file.wp
        sides = [facts for one in before if (facts := one.get((wp.feature, wp.wp_id))) is not None]
        if wp.status is None or logs.get(wp.feature, {}).get(wp.wp_id) or any(facts.rows for facts in sides):
            continue
        olds = [facts.status for facts in sides if facts.status is not None]
        if olds and all(wp.status != old and wp.status not in STEPS[old] for old in olds):
            line = wp.lane_line if wp.source == "frontmatter" else None  # a folder's lane stands on no line
            yield Finding(wp.path, line or 1, Rule.TRANSITION, _no_step(wp, olds[0]))


def _no_step(wp: WorkPackage, old: str) -> str:
    said = f"{wp.wp_id} goes from {old} to {wp.status}"
    if not STEPS[old]:
        return f"{said}, but {old} is final; leave it {old}, and plan new work as a new work package"
    ways = " or ".join(STEPS[old])
    if wp.status in STEPS[STEPS[old][-1]]:
        return f"{said} at once; commit the step to {ways} first"
    return f"{said}, which is no step; from {old} it goes to {ways}"
