"""The rules of `catflap check` for what work packages of a feature depend on. Knows values only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from catflap.facts import Key
from catflap.findings import Finding, Rule
from catflap.wpsource import DEPENDENCY_KEYS, WPSource

_STARTED = ("doing", "for_review")


@dataclass(frozen=True, slots=True)
class Member:
    """A readable file with the status of its work package; None when that is not known."""

    file: WPSource
    status: str | None

    @property
    def key(self) -> Key:
        return self.file.feature, self.file.wp_id


def lint_dependencies(
    members: Sequence[Member], known: set[Key], statuses: Mapping[Key, str | None]
) -> Iterator[Finding]:
    """Dependencies that the feature does not have or that are not done yet, and what waits for itself in the end.

    ``known`` are the ids that any file has, readable or not.
    """
    graph: dict[Key, list[Key]] = {}
    for member in members:
        targets = [(member.key[0], wp_id) for wp_id in member.file.dependencies]
        graph.setdefault(member.key, []).extend(targets)
    for member in members:
        if member.file.dependencies:
            yield from _unknown(member, known)
            yield from _cycle(member, graph)
            yield from _unfinished(member, statuses)


def way_back(graph: Mapping[Key, Sequence[Key]], start: Key) -> list[Key]:
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


def _unknown(member: Member, known: Iterable[Key]) -> Iterator[Finding]:
    feature, own = member.key
    for wp_id in member.file.dependencies:
        if (feature, wp_id) not in known:
            message = f"{own} depends on {wp_id}, which {feature} does not have; correct the id, or add that file"
            yield _at(member, wp_id, Rule.DEPENDENCY, message)


def _cycle(member: Member, graph: Mapping[Key, Sequence[Key]]) -> Iterator[Finding]:
    if way := way_back(graph, member.key):
        ids = [wp_id for _, wp_id in way]
        message = f"{ids[0]} waits for itself: {' → '.join(ids)}; take one dependency out"
        yield _at(member, ids[1], Rule.CYCLE, message)


def _unfinished(member: Member, statuses: Mapping[Key, str | None]) -> Iterator[Finding]:
    if member.status not in _STARTED:
        return
    feature, own = member.key
    for wp_id in member.file.dependencies:
        status = statuses.get((feature, wp_id))
        if wp_id != own and status is not None and status != "done":
            said = f"{own} is {member.status}, but {wp_id}, which it depends on, is {status}"
            yield _at(member, wp_id, Rule.UNFINISHED, f"{said}; finish {wp_id} first, or take the dependency out")


def _at(member: Member, wp_id: str, rule: Rule, message: str) -> Finding:
    line, column = member.file.place(DEPENDENCY_KEYS, wp_id)
    return Finding(member.file.path, line, column, rule, message)
