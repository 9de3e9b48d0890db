"""git's objects as values, asked of one long-lived `cat-file --batch`. Knows its answers; git.py starts it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO

from catflap import git
from catflap.errors import GitFailed
from catflap.gitformats import Commit, parse_commit, parse_tree

_FOLDER_MAX_BYTES = 1 << 24
_AT_ONCE = 200
"""Questions to `cat-file` at once: few enough for any pipe (16 KiB on macOS), so that both sides never wait."""


class Objects:
    """git's objects, read one by one through one `cat-file --batch` that starts with the first question."""

    def __init__(self, git_dir: str, options: Sequence[str] = ()) -> None:
        self._git_dir = git_dir
        self._options = options
        self._process: git.CatFile | None = None
        self._commits: dict[str, Commit | None] = {}

    def __enter__(self) -> Objects:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):  # git has ended already: the question it did not take is void
                        pipe.close()
            self._process.wait()
            self._process = None

    def commit(self, oid: str) -> Commit | None:
        """The tree and parents of a commit; an empty tree for zeros (before the first commit); None: not there."""
        if not oid.strip("0"):
            return Commit(tree=git.EMPTY_TREES[len(oid)], parents=())
        if oid not in self._commits:
            found = self._get(oid, 1 << 16)
            self._commits[oid] = parse_commit(found[1]) if found is not None else None
        return self._commits[oid]

    def blob(self, name: str, limit: int) -> bytes | None:
        """The first ``limit`` + 1 bytes of the blob that ``name`` means (an oid, or ``tree:path``); None: not there."""
        found = self._get(name, limit + 1)
        return found[1] if found is not None and found[0] == "blob" else None

    def blobs(self, oids: Sequence[str], limit: int) -> list[bytes | None]:
        """As `blob` for each of ``oids``, many asked for at once."""
        found: list[bytes | None] = []
        for start in range(0, len(oids), _AT_ONCE):
            group = oids[start : start + _AT_ONCE]
            self._ask(*group)
            asked = self._process
            for oid in group:
                # Of a partial clone it may have ended at what is not here, and answers the rest no more.
                answer = self._answer(limit + 1) if self._process is asked else self._get(oid, limit + 1)
                found.append(answer[1] if answer is not None and answer[0] == "blob" else None)
        return found

    def folder(self, name: str) -> list[tuple[str, bool]]:
        """The files and folders (True) in the tree that ``name``, ``tree:path``, means; no links, no submodules."""
        found = self._get(name, _FOLDER_MAX_BYTES)
        if found is None or found[0] != "tree":
            return []
        return list(parse_tree(found[1], oid_bytes=len(name.partition(":")[0]) // 2))

    def has(self, name: str) -> bool:
        """Whether ``name`` means any object."""
        return self._get(name, 0) is not None

    def _get(self, name: str, limit: int) -> tuple[str, bytes] | None:
        if "\n" in name:
            return None
        self._ask(name)
        return self._answer(limit)

    def _ask(self, *names: str) -> None:
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(b"".join(os.fsencode(name) + b"\n" for name in names))
            process.stdin.flush()
        except BrokenPipeError as error:  # git died: a damaged repository, or killed
            raise self._failed("ended early") from error

    def _answer(self, limit: int) -> tuple[str, bytes] | None:
        stream = self._started().stdout
        assert stream is not None
        header = stream.readline().split()
        if not header and git.is_partial(self._git_dir):
            self.close()  # git before 2.45 ends where it may not fetch; the next question starts another one
            return None
        if not header:
            raise self._failed("gave no answer")
        if len(header) != 3 or not header[2].isdigit():
            return None  # "missing", or "ambiguous"
        size = int(header[2])
        data = stream.read(min(size, limit))
        _skip(stream, size - len(data) + 1)
        return header[1].decode("ascii"), data

    def _failed(self, why: str) -> GitFailed:
        hint = f"try it: git --git-dir={self._git_dir} fsck"
        return GitFailed("read objects", where=f"of {self._git_dir}", why=f"git cat-file {why}", hint=hint)

    def _started(self) -> git.CatFile:
        if self._process is None:
            self._process = git.start_cat_file(self._git_dir, self._options)
        return self._process


def _skip(stream: IO[bytes], count: int) -> None:
    while count > 0:
        count -= len(stream.read(min(count, 1 << 16))) or count
