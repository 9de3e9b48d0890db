"""One examination, start to end: each subject looked at and timed, then, where it is wanted, the hooks tried."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from catflap import git
from catflap.config import home
from catflap.doctor.examination import Examination
from catflap.doctor.look import (
    look_at_clock,
    look_at_home,
    look_at_machine,
    look_at_queue,
    look_at_team,
    look_at_watcher,
    registered,
)
from catflap.doctor.lookrepository import Look, look_at_here, look_at_registered, with_unreadable
from catflap.doctor.probe import Say, try_hooks
from catflap.doctor.repository import Presence
from catflap.doctor.trial import Trial
from catflap.errors import NotARepository

T = TypeVar("T")


@dataclass(slots=True)
class _Stopwatch:
    took_ms: dict[str, float] = field(default_factory=dict)

    def time(self, subject: str, look: Callable[[], T]) -> T:
        """What ``look`` returns; how long it took is kept."""
        started = time.perf_counter()
        found = look()
        self.took_ms[subject] = (time.perf_counter() - started) * 1000
        return found


def examine(path: Path, say: Say, *, tries_hooks: bool, asks_server: bool) -> Examination:
    """All that is seen, of every registered repository and of the one at ``path``, whose hooks are tried.

    ``say`` hears what is about to run.
    """
    folder, watch = home(), _Stopwatch()
    machine = watch.time("machine", look_at_machine)
    seen_home = watch.time("home", lambda: look_at_home(folder))
    queue = watch.time("queue", lambda: look_at_queue(folder))
    clock = watch.time("clock", lambda: look_at_clock(folder))
    watcher = watch.time("watcher", lambda: look_at_watcher(folder))
    projects = registered(folder) if queue.is_usable and machine.git is not None else []
    here = _common_dir(path)
    looks: list[Look] = []
    mine: Look | None = None
    for project in projects:
        look = watch.time(project.path, partial(look_at_registered, project, folder, has_watcher=watcher.is_running))
        if project.common_dir == here:
            mine = look = with_unreadable(look)
        else:
            look = replace(look, repository=replace(look.repository, is_here=False))
        looks.append(look)
    if mine is None and seen_home.is_writable and (queue.is_usable or not queue.is_there):
        other = look_at_here(path, folder)
        known = {look.repository.path for look in looks}
        looks += [other] if other is not None and other.repository.path not in known else []
    team = watch.time("team", lambda: look_at_team(folder, projects, asks_server=asks_server))
    return Examination(
        machine=replace(machine, folders=sum(look.folders for look in looks)),
        home=seen_home,
        queue=queue,
        clock=clock,
        watcher=watcher,
        team=team,
        repositories=tuple(look.repository for look in looks),
        trial=_trial(mine, say) if tries_hooks and mine is not None else None,
        took_ms=watch.took_ms,
    )


def _trial(mine: Look, say: Say) -> Trial | None:
    """The hooks of the repository here, tried; None where it cannot be used, which is said elsewhere."""
    if mine.view is None or mine.repository.presence is not Presence.HERE:
        return None
    expects = mine.repository.wants_hooks or mine.repository.framework is not None
    return try_hooks(mine.view, say, expects=expects)


def _common_dir(path: Path) -> str | None:
    try:
        return git.locate(str(path)).common_dir
    except NotARepository:
        return None
