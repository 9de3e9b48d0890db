"""A second reading of a history for tests, slow and obvious: whole trees, state after state, no code of catflap's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import yaml

from tests.test_real_history import STATUS, WP_FILE, History, Key, PlainReading, Tree

NOBODY = {"", "none", "null", "~"}
LOG_ROW = re.compile(r" {0,3}[-*+] +(\d{4}-\d\d-\d\d\S*)(?: UTC)?(?::|\s+(?:–|—|--?|\|))\s+(.*)")


@dataclass
class File:
    """What one file says. ``rows`` are (author, words) in the file's order, one said twice once."""

    title: str
    agent: str | None
    dependencies: list[str]
    status: str | None
    rows: list[tuple[str, ...]]


@dataclass
class State:
    """What is known of one work package."""

    agent: str | None = None
    rows: set[tuple[str, ...]] = field(default_factory=set)
    file: File | None = None
    has_file: bool = False


class WholeReading(PlainReading):
    """As the plain reading of statuses, and besides them everything else that a commit tells, in words, counted."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.states: dict[Key, State] = {}
        self.features: set[str] = set()
        self.complete: set[str] = set()
        self._parsed: dict[tuple[str, str], tuple[str, File]] = {}

    def tell(self, commit: str) -> Counter[str]:
        """What the commit tells."""
        chains = {key: len(chain) for key, chain in self.chains.items()}
        before = self._before
        self.read(commit)
        tree = self._before
        told = Counter[str]()
        files = self._speaking(tree, before)
        new = [key for key, one in files.items() if one and not self.states.get(key, State()).has_file]
        for slug in {key[0] for key in new} - self.features:
            told[f"feature {slug} of {sum(key[0] == slug for key in new)}"] += 1
            self.features.add(slug)
        for key in new:
            told[f"{key[0]} {key[1]} created {files[key].title}"] += 1
        changed = {key: chain[chains.get(key, 1) - 1 :] for key, chain in self.chains.items()}
        for key, chain in changed.items():
            for old, status in pairwise(chain):
                told[f"{key[0]} {key[1]} {old}>{status}"] += 1
        for key, one in files.items():
            if one is not None and tree != before:
                told += self._of_file(key, one, is_new=key in new)
        for key in set(self.states) - set(files):
            self.states[key].file = None
        for key, chain in changed.items():
            told += self._resolved(key, chain)
        told += self._completed({key[0] for key, chain in changed.items() if "done" in chain[1:]})
        return told

    def _of_file(self, key: Key, one: File, *, is_new: bool) -> Counter[str]:
        told = Counter[str]()
        state = self.states.setdefault(key, State())
        if one.agent is not None and one.agent != state.agent:
            told[f"{key[0]} {key[1]} assigned {one.agent}"] += 1
            state.agent = one.agent
        old_rows = state.file.rows if state.file is not None else []
        if not is_new:
            for row in _appended(old_rows, one.rows):
                if row not in state.rows:
                    told[f"{key[0]} {key[1]} row {row[1] or one.agent or 'user'}: {row[2]}"] += 1
        state.rows |= set(one.rows)
        state.file, state.has_file = one, True
        return told

    def _resolved(self, key: Key, chain: list[str]) -> Counter[str]:
        waiting = [other for other, state in self.states.items() if other[0] == key[0] and state.file is not None]
        return Counter(
            f"{other[0]} {other[1]} free of {key[1]}"
            for status in chain[1:]
            if status == "done"
            for other in waiting
            if key[1] in self.states[other].file.dependencies
        )

    def _completed(self, candidates: set[str]) -> Counter[str]:
        told = Counter[str]()
        for slug in self.features:
            there = [key for key, state in self.states.items() if key[0] == slug and state.file is not None]
            is_complete = bool(there) and all(self.chains[key][-1] == "done" for key in there)
            if is_complete and slug in candidates and slug not in self.complete:
                told[f"completed {slug} of {len(there)}"] += 1
            (self.complete.add if is_complete else self.complete.discard)(slug)
        return told

    def _speaking(self, tree: Tree, before: Tree) -> dict[Key, File]:
        """Of two files with one id the one that this commit touched speaks, else the last path."""
        found: dict[Key, File] = {}
        touched = [path for path in sorted(tree) if before.get(path) != tree[path]]
        for path in [*sorted(tree), *touched]:
            match = WP_FILE.fullmatch(path)
            if match is not None:
                if (path, tree[path]) not in self._parsed:
                    self._parsed[(path, tree[path])] = self._file(path, tree[path], match)
                found_id, one = self._parsed[(path, tree[path])]
                found[(match[1], found_id)] = one
        return found

    def _file(self, path: str, oid: str, match: re.Match[str]) -> tuple[str, File]:
        text = self.history.text(oid)
        front = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
        fields: dict[str, Any] = yaml.load(front[1], Loader=yaml.BaseLoader) if front else {}
        body = text[front.end() :] if front else text
        heading = re.search(r"^# +(.*)", body, re.MULTILINE)
        title = fields.get("title") or (heading[1] if heading else path)
        rows = [*_frontmatter_rows(fields.get("history") or []), *_log_rows(body)]
        listed = fields.get("dependencies") or []
        return fields.get("work_package_id") or match[3], File(
            title=" ".join(title.split()),
            agent=_agent(fields.get("agent")) or _agent(fields.get("assignee")),
            dependencies=re.findall(r"WP\d+", " ".join(listed) if isinstance(listed, list) else listed),
            status=match[2] or STATUS.get((fields.get("lane") or "").strip()),
            rows=list(dict.fromkeys(rows)),
        )


def _agent(value: str | None) -> str | None:
    name = (value or "").partition(":")[0].strip()
    return None if name.lower() in NOBODY | {"system"} or re.fullmatch(r"__\w*__|\{\{.*|\$.*", name) else name


def _frontmatter_rows(rows: list[Any]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield (row.get("timestamp") or row.get("at") or "", *_said(row.get("agent") or "", row.get("action") or ""))


def _log_rows(body: str) -> Iterator[tuple[str, ...]]:
    for section in re.split(r"^(?=##? )", body, flags=re.MULTILINE):
        if re.match(r"## +activity log", section, re.IGNORECASE):
            for line in section.splitlines():
                if match := LOG_ROW.match(line):
                    parts = re.split(r" (?:–|—|--?|\|) ", match[2])
                    author, rest = (parts[0], parts[1:]) if len(parts) > 1 else ("", parts)
                    while len(rest) > 1 and re.match(r"(shell_pid|lane|agent)=\S*$", rest[0]):
                        rest = rest[1:]
                    yield (match[1], *_said(author, " ".join(rest)))


def _said(author: str, text: str) -> tuple[str, str]:
    return author.partition(":")[0].strip(), words(text)


def words(text: str) -> str:
    """The text without what only separates."""
    return re.sub(r"[\s–—|-]+", " ", text).strip()


def _appended(old: list[tuple[str, ...]], new: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows at the end that are more than there were: a row in the place of another is that one, edited."""
    kept = [row for row in new if row in old]
    fresh = [row for row in new if row not in old]
    edited = max(0, len(old) - len(kept))
    return fresh[edited:] if edited else fresh
