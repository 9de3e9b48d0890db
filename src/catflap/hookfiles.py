"""Puts the shim into a hooks folder and takes it away again. Owns those files; knows no git and no database.

A hook of the user's is renamed to ``<name>.catflap-kept``, never edited, so that it comes back byte for byte.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from catflap.errors import HookInTheWay
from catflap.git import LOCAL_ENV_VARS

NAMES = ("post-commit", "post-checkout", "post-merge", "post-rewrite", "post-applypatch")
KEPT = ".catflap-kept"
_MARK = b"# catflap shim:"
_LEGACY = ".legacy"
"""What the pre-commit framework renames a hook to that it finds, and goes on to run."""


class State(StrEnum):
    """What lies under a hook's name."""

    OURS = "ours"
    ABSENT = "absent"
    FOREIGN = "not ours"
    CHAINED = "ours, run by another tool's hook"


@dataclass(frozen=True, slots=True)
class Shim:
    """What is written into the shim: absolute paths of interpreter, entry file, modules and home."""

    template: str
    python: str
    entry: str
    modules: str
    home: str

    def text(self, name: str) -> bytes:
        """The shim for one hook, as bytes with ``\\n`` on every system."""
        values = {
            "NAME": name,
            "PYTHON": shlex.quote(self.python),
            "ENTRY": shlex.quote(self.entry),
            "MODULES": shlex.quote(self.modules),
            "HOME": shlex.quote(self.home),
            "LOCAL_ENV_VARS": " ".join(sorted(LOCAL_ENV_VARS)),
        }
        text = self.template
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        return text.encode("utf-8")


def states(folder: Path) -> dict[str, State]:
    """What lies under each of our hook names in ``folder``."""
    return {name: _state(folder, name) for name in NAMES}


def put(folder: Path, shim: Shim) -> list[str]:
    """Put the shim under each name; the names of hooks that were the user's own and are kept. Again: repairs.

    Raises: HookInTheWay before anything is changed, when a hook and a kept one of its name are both there.
    """
    before = states(folder)
    for name, state in before.items():
        if state is State.FOREIGN and _exists(folder / (name + KEPT)) and not _is_kept_already(folder, name):
            raise HookInTheWay(
                "install the hook",
                where=str(folder / name),
                why=f"it is not catflap's, and {name}{KEPT} beside it keeps another one already",
                hint="put together what you need in one of them, delete the other, and run `catflap install` again",
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, state in before.items():
        if state is State.FOREIGN and not _is_kept_already(folder, name):
            (folder / name).rename(folder / (name + KEPT))
        target = folder / (name + _LEGACY if state is State.CHAINED else name)
        _write(target, shim.text(name))
    return [name for name in NAMES if _exists(folder / (name + KEPT))]


def take_away(folder: Path) -> list[str]:
    """Take every shim away and give kept hooks their names back; what could not be given back is said."""
    problems = []
    for name, state in states(folder).items():
        kept = folder / (name + KEPT)
        ours = folder / (name + _LEGACY if state is State.CHAINED else name)
        if state in (State.OURS, State.CHAINED):
            ours.unlink()
            if _exists(kept):
                kept.rename(ours)
        elif _exists(kept) and (state is State.ABSENT or _is_kept_already(folder, name)):
            kept.replace(folder / name)
        elif _exists(kept):
            problems.append(f"{kept} stays: {name} was replaced by another tool since; merge them by hand")
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return problems


def _state(folder: Path, name: str) -> State:
    path = folder / name
    if _is_ours(path):
        return State.OURS
    if _is_ours(folder / (name + _LEGACY)):
        return State.CHAINED
    return State.FOREIGN if _exists(path) else State.ABSENT


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return _MARK in file.read(200)


def _is_kept_already(folder: Path, name: str) -> bool:
    """Whether a tool put its hook back over the shim (husky does at each ``npm install``), the same that is kept."""
    hook, kept = folder / name, folder / (name + KEPT)
    return hook.is_file() and kept.is_file() and hook.read_bytes() == kept.read_bytes()


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.chmod(0o755)
    temporary.replace(path)
