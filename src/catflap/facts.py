"""What one work package says in one place: its file and its rows of the lane log, together. Knows values only.

A *place* is a tree of a commit, or a working tree. Facts are what moves are judged by, fact by fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catflap.history import HistoryRow
from catflap.lanelog import LaneRow
from catflap.workpackage import Problem, WorkPackage

Key = tuple[str, str]
"""(feature_slug, wp_id)"""


@dataclass(frozen=True, slots=True)
class Facts:
    """One work package in one place. ``wp`` is None without a file; ``rows`` are its lane-log rows, oldest first."""

    wp: WorkPackage | None = None
    rows: tuple[LaneRow, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether anything here can be believed: a file that parses, or a row of the log."""
        return bool(self.rows) or (self.wp is not None and self.wp.readable)

    @property
    def status(self) -> str | None:
        """The log's status where there is one, else the file's; None: unknown."""
        if self.rows:
            return self.rows[-1].status
        return self.wp.status if self.wp is not None else None

    @property
    def problem(self) -> Problem | None:
        """Why the file, or its lane, cannot be used; where the log speaks a lane in the file is stale: no problem."""
        if self.wp is None or (self.rows and self.wp.readable):
            return None
        return self.wp.problem

    @property
    def newest(self) -> tuple[str, str] | None:
        """(at, event_id) of the newest row of the lane log."""
        return row_key(self.rows[-1]) if self.rows else None

    @property
    def agent(self) -> str | None:
        return self.wp.agent if self.wp is not None else None

    @property
    def dependencies(self) -> tuple[str, ...]:
        return self.wp.dependencies if self.wp is not None else ()

    @property
    def history(self) -> tuple[HistoryRow, ...]:
        return self.wp.history if self.wp is not None else ()

    @property
    def digests(self) -> frozenset[str]:
        return frozenset(row.digest for row in self.history)

    @property
    def told_part(self) -> tuple[Any, ...]:
        """What can become an event; two places with equal parts tell the same."""
        wp = self.wp
        return (
            wp is not None,
            wp is not None and wp.readable,
            self.status,
            self.newest,
            self.agent,
            self.dependencies,
            self.digests,
            self.problem.digest if self.problem is not None else None,
        )


NOTHING = Facts()


def row_key(row: LaneRow) -> tuple[str, str]:
    """What orders the rows of a lane log, whatever their order in the file."""
    return (row.at, row.event_id)


def rows_by_wp(rows: Iterable[LaneRow]) -> dict[str, tuple[LaneRow, ...]]:
    """The rows of one lane log, sorted already, by work package."""
    found: dict[str, list[LaneRow]] = {}
    for row in rows:
        found.setdefault(row.wp_id, []).append(row)
    return {wp_id: tuple(own) for wp_id, own in found.items()}


def place(wps: Iterable[WorkPackage], logs: Mapping[str, Mapping[str, tuple[LaneRow, ...]]]) -> dict[Key, Facts]:
    """The facts of one place. Of files with the same id in one feature the last in ``wps`` speaks.

    ``logs`` holds per feature the rows per work package.
    """
    found: dict[Key, Facts] = {}
    for wp in wps:
        found[(wp.feature, wp.wp_id)] = Facts(wp=wp, rows=logs.get(wp.feature, {}).get(wp.wp_id, ()))
    for feature, log in logs.items():
        for wp_id, rows in log.items():
            found.setdefault((feature, wp_id), Facts(rows=rows))
    return found


def wp_to_json(wp: WorkPackage) -> dict[str, Any]:
    """What a base remembers of a file: every fact, but of history rows their digests only."""
    return {
        "feature": wp.feature,
        "wp_id": wp.wp_id,
        "path": wp.path,
        "title": wp.title,
        "status": wp.status,
        "source": wp.source,
        "agent": wp.agent,
        "dependencies": list(wp.dependencies),
        "history": [row.digest for row in wp.history],
        "has_feedback": wp.has_feedback,
        "problem": [wp.problem.message, wp.problem.digest, wp.problem.line] if wp.problem is not None else None,
        "readable": wp.readable,
        "lane": wp.lane,
        "lane_line": wp.lane_line,
    }


def wp_from_json(fields: Mapping[str, Any]) -> WorkPackage:
    """The reverse of :func:`wp_to_json`; the history rows have digests and no words."""
    problem = fields["problem"]
    return WorkPackage(
        **{
            **fields,
            "dependencies": tuple(fields["dependencies"]),
            "history": tuple(
                HistoryRow(digest=digest, entry_type=None, author=None, content="") for digest in fields["history"]
            ),
            "problem": Problem(message=problem[0], digest=problem[1], line=problem[2]) if problem else None,
        }
    )
