"""That a service manager keeps a watcher running for this home. Owns service.json there; runs nothing."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

_FILE = "service.json"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The manager's name, the path of its unit, and the folders that were made to hold that, outermost first.

    ``is_stopped``: a person stopped the service, and nobody misses the watcher until it is started again.
    """

    manager: str
    unit: str
    folders: tuple[str, ...] = ()
    is_stopped: bool = False


def is_expected(home: Path) -> bool:
    """Whether a watcher should be running: the service is installed, and its unit has not been taken away since."""
    expectation = read(home)
    return expectation is not None and not expectation.is_stopped and os.path.exists(expectation.unit)


def read(home: Path) -> Expectation | None:
    """What the last install left; None when there was none, or when its file is none of ours."""
    try:
        value = json.loads((home / _FILE).read_bytes())
        folders = tuple(map(str, value["folders"]))
        is_stopped = value.get("is_stopped") is True
        return Expectation(str(value["manager"]), str(value["unit"]), folders, is_stopped)
    except (OSError, ValueError, KeyError, TypeError):  # a hint that cannot be read counts as none
        return None


def remember(home: Path, expectation: Expectation) -> None:
    """Let other commands know. ``home`` is there."""
    temporary = home / f"{_FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(expectation)), encoding="utf-8")
    temporary.replace(home / _FILE)


def remember_stopped(home: Path, is_stopped: bool) -> None:
    """Let other commands know that the service was stopped, or started; nothing where none is installed."""
    known = read(home)
    if known is not None:
        remember(home, replace(known, is_stopped=is_stopped))


def forget(home: Path) -> None:
    """Expect nothing any more."""
    (home / _FILE).unlink(missing_ok=True)
