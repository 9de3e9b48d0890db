"""Who moved which work package, commit after commit, by a plain reading that shares no code with catflap.

Trees are compared state after state: the lane from the lane log, the folder or the frontmatter, and whom the same
commit names: the log row's actor, else the author of the last history row that it adds, else the file's agent.
Where the log row says ``user``, a history row beside it that names an agent says who that was.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from tests.world import Repo

Key = tuple[str, str]
"""(feature_slug, wp_id)"""

STATUS = {
    **dict.fromkeys(["planned", "genesis", "claimed", "canceled"], "planned"),
    **dict.fromkeys(["doing", "in_progress", "blocked"], "doing"),
    **dict.fromkeys(["for_review", "in_review"], "for_review"),
    **dict.fromkeys(["approved", "done"], "done"),
}
WP_FILE = re.compile(r"kitty-specs/([^/]+)/tasks/(?:(planned|doing|for_review|done)/)?(?:[^/]+/)*(WP\d+)[^/]*\.md")
LOG_FILE = re.compile(r"kitty-specs/([^/]+)/status\.events\.jsonl")
NOBODY = re.compile(r"|system|unknown|none|null|~|__\w*__|\{\{.*|\$.*", re.DOTALL)
ROW = re.compile(r"[-*] (\d{4}-\d\d-\d\d\S*) (?:–|—|-) ([^–—]*?) (?:–|—|-) ")


@dataclass(frozen=True)
class Named:
    """A change of status; ``by`` is whom the commit names for it, ``source`` says where: log, row, agent, or nobody."""

    key: Key
    previous: str
    new: str
    by: str
    source: str


@dataclass(frozen=True)
class Row:
    """A row of a lane log; rows are ordered by time, then by event id."""

    at: datetime
    event_id: str
    status: str
    actor: str


@dataclass(frozen=True)
class File:
    """What one work package file says; ``rows`` are (text, author) of its history, oldest first."""

    status: str | None
    agent: str
    rows: tuple[tuple[str, str], ...]


class NamedReading:
    """What was announced so far, by a plain reading of each commit's tree in turn."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.statuses: dict[Key, str] = {}
        self._seen: dict[Key, tuple[datetime, str]] = {}
        self._files: dict[Key, File] = {}
        self.added: dict[Key, list[tuple[str, str]]] = {}
        """(text, author) of the history rows that the commit read last adds."""
        self._tree: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    def take(self, commit: str) -> None:
        """Take the commit as it is: what is there counts as announced."""
        list(self.read(commit))

    def read(self, commit: str) -> Iterator[Named]:
        """The changes of status that the commit makes; ``added`` is then about this commit."""
        listing = self.repo.git("ls-tree", "-r", "-z", commit, "kitty-specs/").stdout
        tree = {path: head.split()[2] for head, _, path in (row.partition("\t") for row in listing.split("\0") if row)}
        files, logs = dict(self._read_files(tree)), self._read_logs(tree)
        self.added = {key: list(_added(file, self._files.get(key))) for key, file in files.items()}
        for key in sorted({*files, *logs}):
            yield from self._changes(key, files.get(key), logs.get(key, []))
        self._files.update(files)
        self._tree = tree

    def _changes(self, key: Key, file: File | None, rows: list[Row]) -> Iterator[Named]:
        named, source = self._named(key, file)
        if rows:
            steps = []
            for row in self._new(key, rows):
                is_named = row.actor not in ("", "user") or source != "row"
                steps.append((row.status, row.actor, "log") if is_named and row.actor else (row.status, named, source))
        else:
            steps = [(file.status, named, source)] if file is not None and file.status is not None else []
        if key not in self.statuses and file is None and not steps:
            return
        for status, by, where in steps:
            previous = self.statuses.get(key, "planned")
            if status != previous:
                yield Named(key, previous, status, by, where)
            self.statuses[key] = status
        self.statuses.setdefault(key, "planned")

    def _new(self, key: Key, rows: list[Row]) -> list[Row]:
        """The rows newer than any seen; when the log first appears for a known work package, its newest row only."""
        seen, newest = self._seen.get(key), (rows[-1].at, rows[-1].event_id)
        self._seen[key] = newest if seen is None else max(seen, newest)
        if seen is None:
            return rows[-1:] if key in self.statuses else rows
        return [row for row in rows if (row.at, row.event_id) > seen]

    def _named(self, key: Key, file: File | None) -> tuple[str, str]:
        authors = [author for _, author in self.added.get(key, []) if author]
        if authors:
            return authors[-1], "row"
        return (file.agent, "agent") if file is not None and file.agent else ("user", "nobody")

    def _read_logs(self, tree: dict[str, str]) -> dict[Key, list[Row]]:
        found: dict[Key, list[Row]] = {}
        for path, oid in tree.items():
            if match := LOG_FILE.fullmatch(path):
                for wp_id, row in log_rows(self._text(oid)):
                    found.setdefault((match[1], wp_id), []).append(row)
        return {key: sorted(rows, key=lambda row: (row.at, row.event_id)) for key, rows in found.items()}

    def _read_files(self, tree: dict[str, str]) -> Iterator[tuple[Key, File]]:
        """Of two files with one id the one that this commit touched speaks, else the last path."""
        paths = sorted(path for path in tree if WP_FILE.fullmatch(path))
        for path in [*paths, *(path for path in paths if self._tree.get(path) != tree[path])]:
            match = WP_FILE.fullmatch(path)
            assert match is not None
            fields, body = split(self._text(tree[path]))
            agent = next((name for key in ("agent", "assignee") if (name := person(fields.get(key)))), "")
            lane = match[2] or str(fields.get("lane") or "").strip().lower()
            key = (match[1], str(fields.get("work_package_id") or match[3]))
            yield key, File(STATUS.get(lane), agent, (*history_rows(fields), *activity_rows(body)))

    def _text(self, oid: str) -> str:
        if oid not in self._texts:
            done = subprocess.run(["git", "cat-file", "blob", oid], cwd=self.repo.path, capture_output=True, check=True)
            self._texts[oid] = done.stdout.decode("utf-8", "replace")
        return self._texts[oid]


def _added(file: File, before: File | None) -> Iterator[tuple[str, str]]:
    known = {text for text, _ in before.rows} if before is not None else set()
    return ((text, author) for text, author in file.rows if text not in known)


def log_rows(text: str) -> Iterator[tuple[str, Row]]:
    """The transitions of a lane log, in the file's order, each with its work package."""
    for line in text.splitlines():
        row = json.loads(line)
        if "to_lane" in row and "event_type" not in row:
            at = datetime.fromisoformat(row["at"])  # as text "…53Z" would come after "…53.1+00:00"
            yield row["wp_id"], Row(at, row["event_id"], STATUS[row["to_lane"]], person(row["actor"]))


def split(text: str) -> tuple[dict[str, Any], str]:
    """The fields of the frontmatter, and the body."""
    match = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL)
    if match is None:
        return {}, text
    fields = yaml.load(match[1], Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    return (fields, match[2]) if isinstance(fields, dict) else ({}, text)


def history_rows(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The frontmatter's history: the text of each row, and its author."""
    rows = fields.get("history") or []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            author = next((name for key in ("agent", "actor", "by", "author") if (name := person(row.get(key)))), "")
            yield json.dumps(row, sort_keys=True, ensure_ascii=False), author


def activity_rows(body: str) -> Iterator[tuple[str, str]]:
    """The rows of the body's Activity Log."""
    for line in body.partition("## Activity Log")[2].splitlines():
        if match := ROW.match(line.strip()):
            yield line.strip(), person(match[2])


def person(value: Any) -> str:
    """A name without what follows a colon; empty for nobody. Of an object the name of the tool."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("id") or value.get("tool")
    name = str(value or "").partition(":")[0].strip()
    return "" if NOBODY.fullmatch(name.lower()) else name
