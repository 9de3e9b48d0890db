"""How git's answers read: commits, trees and their differences. Pure; git.py asks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Commit:
    tree: str
    parents: tuple[str, ...]


class Diff(NamedTuple):
    """One path that differs between two trees; an oid is None where the path is missing or no regular file."""

    path: str
    old: str | None
    new: str | None


def parse_commit(data: bytes) -> Commit | None:
    tree, parents = None, []
    for line in data.split(b"\n\n", 1)[0].split(b"\n"):
        kind, _, value = line.partition(b" ")
        if kind == b"tree":
            tree = value.decode("ascii")
        elif kind == b"parent":
            parents.append(value.decode("ascii"))
    return Commit(tree=tree, parents=tuple(parents)) if tree is not None else None


def parse_tree(data: bytes, oid_bytes: int) -> Iterator[tuple[str, bool]]:
    """``mode name\\0oid`` again and again, the oid in binary; a name that is not UTF-8 no event could carry."""
    at = 0
    while (end := data.find(b"\0", at)) >= 0:
        mode, _, name = data[at:end].partition(b" ")
        at = end + 1 + oid_bytes
        if mode == b"40000" or mode.startswith(b"100"):
            with contextlib.suppress(UnicodeDecodeError):
                yield name.decode("utf-8"), mode == b"40000"


def parse_diffs(output: bytes) -> Iterator[tuple[tuple[str, str], list[Diff]]]:
    """Each pair of trees that was compared, in order, with what differs.

    ``tree1 tree2\\n`` opens a pair, ``:modes oids S\\0path\\0`` is a path; a pair that git cannot read is not there.
    """
    pair, diffs = ("", ""), list[Diff]()
    fields = iter(output.split(b"\0"))
    for field in fields:
        *headers, record = field.split(b"\n")
        for header in headers:
            if pair[0]:
                yield pair, diffs
            old, _, new = header.decode("ascii").partition(" ")
            pair, diffs = (old, new), []
        if not record:
            continue
        raw = next(fields)
        try:
            path = raw.decode("utf-8")
        except UnicodeDecodeError:  # not a name that an event could carry
            continue
        old_mode, new_mode, old_oid, new_oid, _ = record.decode("ascii").lstrip(":").split(" ")
        diffs.append(
            Diff(
                path=path,
                old=old_oid if old_mode.startswith("100") else None,
                new=new_oid if new_mode.startswith("100") else None,
            )
        )
    if pair[0]:
        yield pair, diffs


class Link(NamedTuple):
    """A commit of a first-parent chain: its tree, and the committer's time in epoch seconds."""

    commit: str
    tree: str
    at: int


def parse_link(line: str) -> Link | None:
    """What `rev-list --format="%H %T %ct"` prints of a commit; None for the line ``commit ...`` before it.

    A time that git cannot read, such as one before 1970, it leaves out: that is 0.
    """
    commit, tree, *at = line.split()
    return Link(commit, tree, int(at[0]) if at else 0) if commit != "commit" else None
