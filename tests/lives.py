"""Repositories under one live watcher: cases that go on, step by step, as soon as what they did was told.

A case is a generator. What it yields says what must have come about before its next step: a text or a list of texts,
that these were told, and nothing beyond; `READ`, that the watcher has read all that HEAD did; `LOOKED`, that it has
looked at the files, too; or a condition. Cases run side by side, one repository each, so that their waits overlap.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from io import StringIO
from pathlib import Path
from typing import Final

from catflap.commands.install import install
from catflap.commands.observe import observe
from tests.watching import Watch, wait_for
from tests.world import Repo, events, planned, short

READ: Final = object()
LOOKED: Final = object()
Step = str | list[str] | Callable[[], bool] | object


class Life(Repo):
    """One repository under the watcher, with what was told of it."""

    def __init__(self, path: Path, watch: Watch) -> None:
        super().__init__(path)
        self.watch = watch
        self.expected: list[str] = []

    @property
    def folder(self) -> Path:
        """Where a case may put what belongs to it: clones, scripts, worktrees."""
        return self.path.parent

    def told(self) -> list[str]:
        """Every event of this repository, whatever its kind, in short."""
        return told_by_folder().get(self.path.name, [])

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """The watcher sees nothing before all of the body is done, however slow this machine is."""
        os.kill(self.watch.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.watch.pid, signal.SIGCONT)

    def diverge(self, *, mine: str = "doing", theirs: str | None = None) -> Iterator[Step]:
        """A branch topic with my lane change on it, and another commit on main; topic is checked out."""
        self.git("switch", "-q", "-c", "topic")
        self.lane(mine)
        yield f"planned>{mine}"
        self.git("switch", "-q", "main")
        if theirs is None:
            self.file("elsewhere.txt")
            self.commit("elsewhere")
            yield READ
        else:
            self.lane(theirs)
            yield f"{mine}>{theirs}"
        self.git("switch", "-q", "topic")
        yield READ

    def picking(self, *sed: str) -> dict[str, str]:
        """The environment in which `rebase -i` edits its list with these sed expressions."""
        script = self.folder / "sequence.sh"
        script.write_text("#!/bin/sh\nsed -i " + " ".join(f"-e '{one}'" for one in sed) + ' "$1"\n')
        script.chmod(0o755)
        return {"GIT_SEQUENCE_EDITOR": str(script)}

    def mate(self) -> Repo:
        """A team mate's clone, through an upstream that this repository's main follows."""
        upstream = self.folder / f"{self.path.name}.git"
        self.git("clone", "-q", "--bare", self.path, upstream)
        self.git("remote", "add", "origin", upstream)
        self.git("fetch", "-q")
        self.git("branch", "-q", "-u", "origin/main")
        mate = Repo(self.folder / "mate")
        self.git("clone", "-q", upstream, mate.path)
        return mate


Case = Callable[[Life], Iterator[Step]]


class Lives:
    """All that lives under the one watcher of a test. ``has_hooks``: whether hooks are installed beside it."""

    def __init__(self, base: Path, *, has_hooks: bool) -> None:
        self.base, self.has_hooks = base, has_hooks
        self.watch = Watch(base / "watch.out")
        self._bystander = self.life("bystander")
        self._ticks = self._ticks_told = 0

    def begin(self) -> None:
        """Start the watcher, unless it runs."""
        if self.watch.process is None:
            self.watch.start()

    def close(self) -> None:
        """End the watcher as a service manager does."""
        if self.watch.process is not None:
            assert self.watch.stop() == 0

    def life(self, name: str) -> Life:
        """A repository with feature 001-demo, WP01 to WP04 planned, and catflap installed."""
        path = self.base / name / name
        planned(path)
        return self.adopt(path)

    def adopt(self, path: Path) -> Life:
        """Install in the repository at ``path`` as it is."""
        life = Life(path, self.watch)
        with redirect_stdout(StringIO()):
            install(path, with_hooks=self.has_hooks)
        return life

    def run(self, *cases: Case) -> None:
        """Live through each case in a repository of its own, and see that nothing is told beyond what they say."""
        self.drive(*((self.life(f"{_name(case)}-{number}"), case) for number, case in enumerate(cases)))

    def drive(self, *pairs: tuple[Life, Case]) -> None:
        """Live through each case in the repository that it comes with."""
        self.begin()
        going = [_Going(life, case(life)) for life, case in pairs]
        for one in going:
            self._advance(one)
        while going:
            wait_for(lambda: self._go_on(going), f"waiting for {', '.join(map(str, going))}")
        self._show_that_no_more_is_told([life for life, _ in pairs])

    def _go_on(self, going: list[_Going]) -> bool:
        """Take every case further that can go on; whether any could."""
        told = told_by_folder()
        self._tick(told, is_wanted=any(one.step is LOOKED for one in going))
        ready = [one for one in going if one.has_come_about(told, self._ticks_told)]
        for one in ready:
            self._advance(one)
            if one.step is None:
                going.remove(one)
        return bool(ready)

    def _advance(self, one: _Going) -> None:
        one.step = next(one.rest, None)
        one.tick = self._ticks + 1
        one.life.expected += [one.step] if isinstance(one.step, str) else one.step if isinstance(one.step, list) else []

    def _tick(self, told: Mapping[str, list[str]], *, is_wanted: bool) -> None:
        """What the bystander saves later is told after the watcher has looked at all that was saved before."""
        life = self._bystander
        self._ticks_told = len(told.get(life.path.name, []))
        if is_wanted and self._ticks_told == self._ticks:
            self._ticks += 1
            life.write(lane=("doing", "for_review")[self._ticks % 2])  # never as HEAD has it: that would be held

    def _show_that_no_more_is_told(self, lives: list[Life]) -> None:
        """A further change is told in each repository, and whatever is held back there until later tells nothing."""
        for life in lives:
            life.write("WP04", "for_review")
            life.expected.append("WP04 planned>for_review")
        wait_for(
            lambda: all(len(life.told()) >= len(life.expected) for life in lives), "the last change is told nowhere"
        )
        for life in lives:
            assert life.told() == life.expected
            with redirect_stdout(StringIO()) as said:
                observe(life.path)
            assert said.getvalue() == "Nothing to tell.\n", life.path.name
            assert life.told() == life.expected
        clocks = [(event["node_id"], event["lamport_clock"]) for event in events()]
        assert clocks == sorted(set(clocks))
        assert not [line for line in self.watch.lines if "our bug" in line or "Traceback" in line]


@dataclass
class _Going:
    """A case under way, and what it waits for; ``tick`` is the bystander's next change after it began to wait."""

    life: Life
    rest: Iterator[Step]
    step: Step | None = None
    tick: int = 0

    def __str__(self) -> str:
        waits = {id(READ): "READ", id(LOOKED): "LOOKED"}.get(id(self.step), "")
        return f"{self.life.path.name} {self.life.expected} {waits}".rstrip()

    def has_come_about(self, told: Mapping[str, list[str]], ticks_told: int) -> bool:
        own = told.get(self.life.path.name, [])
        assert own == self.life.expected[: len(own)], f"told {own}, not {self}"
        if self.step is READ:
            return has_read(self.life)
        if callable(self.step):
            return bool(self.step())
        return ticks_told >= self.tick if self.step is LOOKED else own == self.life.expected


def told_by_folder() -> dict[str, list[str]]:
    """Every event so far, in short, by the name of the repository that it is about."""
    found: dict[str, list[str]] = {}
    for event in events():
        found.setdefault(event["project_slug"], []).append(short(event))
    return found


def ways(case: Callable[..., Iterator[Step]], *names: str) -> list[Case]:
    """The case once for each way of doing it."""
    return [partial(case, way=name) for name in names]


def has_read(view: Repo) -> bool:
    """Whether all that HEAD did in this worktree was read, and put down."""
    git_dir = _git_dir(view.path)
    with closing(sqlite3.connect(Path(os.environ["SPEC_KITTY_HOME"]) / "queue.db")) as connection:
        row = connection.execute("SELECT cursor FROM view WHERE git_dir = ?", (git_dir,)).fetchone()
    if row is None:
        return False
    cursor = json.loads(row[0])
    log = Path(git_dir, "logs", "HEAD")
    head = Path(git_dir, "HEAD").read_text("utf-8").strip()
    if cursor["ref"] != (head.removeprefix("ref: ") if head.startswith("ref: ") else ""):
        return False
    return bool(cursor["offset"] == log.stat().st_size if log.exists() else cursor["head"] == view.head())


@cache
def _git_dir(worktree: Path) -> str:
    return Repo(worktree).git("rev-parse", "--absolute-git-dir").stdout.strip()


def _name(case: Case) -> str:
    inner = case.func if isinstance(case, partial) else case
    way = f"-{case.keywords['way']}" if isinstance(case, partial) else ""
    return f"{getattr(inner, '__name__', 'case').strip('_')}{way}".replace(" ", "_")
