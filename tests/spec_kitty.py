"""Real Spec Kitty from PyPI: installed in a venv of the test run, and driven through its own commands alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from filelock import FileLock

from tests.world import Repo

RELEASES: Final = {
    "1.0.3": ("spec-kitty-cli==1.0.3",),
    "2.1.3": ("spec-kitty-cli==2.1.3", "click"),  # it imports click, which Typer brought then and no longer does
    "3": ("spec-kitty-cli>=3,<4",),
}
IMPLEMENTER, REVIEWER = "claude", "codex"


def programs(release: str, base: Path) -> Path:
    """The folder of the release's programs; installed once per test run, under ``base``, whatever process asks.

    Skips the test where PyPI cannot be reached.
    """
    venv = base / f"spec-kitty-{release}"
    with FileLock(base / f"{venv.name}.lock"):
        ready = venv / "ready"
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
            pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir", "--retries=1"]
            done = subprocess.run([*pip, *RELEASES[release]], capture_output=True, text=True, check=False)
            if "No matching distribution found for spec-kitty-cli" in done.stderr:
                pytest.skip("PyPI, where Spec Kitty comes from, cannot be reached")
            assert done.returncode == 0, done.stderr
            ready.touch()
    return venv / "bin"


@dataclass(frozen=True)
class Dialect:
    """What the commands of an era call things. ``reviewed`` is the lane in which a review ends well."""

    noun: str
    action: str
    reviewed: str
    create: tuple[str, ...]
    merge: tuple[str, ...] = ()
    review_done: tuple[str, ...] = ()


FRONTMATTER = Dialect("feature", "workflow", "done", ("create-feature", "demo"))
BOTH = Dialect(
    "feature",
    "workflow",
    "done",
    ("create-feature", "demo"),
    review_done=("--done-override-reason", "it is merged at the end"),
)
_PURPOSE = ("--purpose-tldr=Two files", "--purpose-context=Two files, one after the other")
LANE_LOG = Dialect(
    "mission",
    "action",
    "approved",
    ("create", "demo", "--branch-strategy=already-confirmed", "--friendly-name=Demo", *_PURPOSE),
    merge=("--yes",),
)
DIALECTS: Final = {"1.0.3": FRONTMATTER, "2.1.3": BOTH, "3": LANE_LOG}


class Mission(Repo):
    """A repository in which Spec Kitty has one mission of two work packages.

    ``topology`` is the layout that Spec Kitty 3 is asked for; older ones have one. ``branch`` is the branch that
    carries the states of the work packages.
    """

    def __init__(self, path: Path, release: str, topology: str = "") -> None:
        super().__init__(path)
        self.topology = topology
        self.dialect = DIALECTS[release]
        self.slug = ""

    @property
    def branch(self) -> str:
        if self.has_coordination:
            return f"kitty/mission-{self.slug}"
        return self.git("branch", "--show-current").stdout.strip()

    @property
    def has_coordination(self) -> bool:
        return self.topology == "coord"

    def kitty(self, *args: str, stdin: str | None = None) -> str:
        """What a command of Spec Kitty prints; it must succeed."""
        done = subprocess.run(
            ["spec-kitty", *args], cwd=self.path, input=stdin or "", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"spec-kitty {args}: {done.stdout}{done.stderr}"
        return done.stdout

    def begin(self) -> None:
        """`spec-kitty init`, committed. Its dashboard, a server in the background, is ended."""
        self.path.mkdir(parents=True)
        self.git("init", "-q")
        if self.dialect is LANE_LOG:
            self.kitty("init", "--ai", "claude", "--non-interactive")
        else:
            options = ("--here", "--force", "--script", "sh", "--ignore-agent-tools", "--non-interactive")
            self.kitty("init", "--ai", "claude", *options)
            self.kitty("dashboard", "--kill")
        self.file("src/.keep")
        self.commit("Spec Kitty is here")
        if self.dialect is LANE_LOG:
            self.git("switch", "-q", "-c", "work")  # it refuses to commit to main

    def create(self) -> None:
        """The mission, by `create`."""
        topology = (f"--topology={self.topology}",) if self.topology else ()
        self.kitty("agent", self.dialect.noun, *self.dialect.create, *topology, "--json")
        (folder,) = (self.path / "kitty-specs").iterdir()
        self.slug = folder.name

    def plan(self) -> None:
        """Write what an agent would, commit it, and let `finalize-tasks` make work packages of it."""
        for name, text in _documents().items():
            self.file(f"kitty-specs/{self.slug}/{name}", text)
        for number in (1, 2):
            text = _work_package(number, _FIELDS_OF_A_LANE if self.dialect is not LANE_LOG else self._owned(number))
            self.file(f"kitty-specs/{self.slug}/tasks/WP0{number}-part.md", text)
        self.commit("the plan")
        self.kitty("agent", self.dialect.noun, "finalize-tasks", *self._named, "--json")
        if self.dialect is LANE_LOG:
            report = "# Analysis\n\n## Findings\n\nNone: spec, plan and tasks agree.\n"
            self.kitty("agent", "mission", "record-analysis", *self._named, stdin=report)

    def _owned(self, number: int) -> str:
        """What a work package says of its files: with coordination both own both, and share one lane and worktree.

        Two lanes are no good there: Spec Kitty 3.2 finds its own planning commits in conflict when it makes the second.
        """
        files = ", ".join(f"src/{one}.txt" for one in (1, 2) if one == number or self.has_coordination)
        return (
            f"owned_files: [{files}]\ncreate_intent: [{files}]\nauthoritative_surface: src/{number}.txt\n"
            "execution_mode: code_change\n"
        )

    @property
    def _named(self) -> tuple[str, str]:
        return (f"--{self.dialect.noun}", self.slug)

    def implement(self, number: int) -> None:
        """Claim a work package, write its file in the worktree that Spec Kitty makes, and hand it in."""
        wp_id = f"WP0{number}"
        base = ("--base", "WP01") if number == 2 and self.dialect is not LANE_LOG else ()
        said = self.kitty("agent", self.dialect.action, "implement", wp_id, *self._named, "--agent", IMPLEMENTER, *base)
        worktree = Repo(Path(re.findall(r"Workspace: cd (\S+)", said)[-1]))
        worktree.file(f"src/{number}.txt")
        worktree.git("add", f"src/{number}.txt")
        worktree.git("commit", "-q", "-m", f"feat({wp_id}): write its file")
        self.kitty("agent", "tasks", "mark-status", f"T00{number}", "--status", "done", *self._named)
        self._move(wp_id, "for_review", IMPLEMENTER, "ready")

    def review(self, number: int) -> None:
        """Review a work package, and accept it."""
        wp_id = f"WP0{number}"
        self.kitty("agent", self.dialect.action, "review", wp_id, *self._named, "--agent", REVIEWER)
        self._move(wp_id, self.dialect.reviewed, REVIEWER, "fine", *self.dialect.review_done)

    def _move(self, wp_id: str, lane: str, agent: str, note: str, *more: str) -> None:
        # With coordination, lanes get the states of others merged in, which a check then finds to be the lane's own.
        forced = ("--force",) if self.has_coordination else ()
        options = ("--agent", agent, "--note", note, *more, *forced)
        self.kitty("agent", "tasks", "move-task", wp_id, "--to", lane, *self._named, *options)

    def merge(self) -> None:
        """`spec-kitty merge`: lanes into the mission's branch, that into the target, and worktrees away."""
        if self.git("status", "--porcelain").stdout:
            self.commit("what Spec Kitty left uncommitted")
        self.kitty("merge", *self._named, *self.dialect.merge)


def put_on_path(folder: Path, home: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spec Kitty as a user has it: on PATH, for its hooks and merge drivers too, and at home in ``home``."""
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SPEC_KITTY_HOME", str(home / ".spec-kitty"))
    monkeypatch.setenv("TMPDIR", str(scratch))
    for name, value in {"NO_COLOR": "1", "COLUMNS": "300", "SPEC_KITTY_NO_UPGRADE_CHECK": "1"}.items():
        monkeypatch.setenv(name, value)


def _documents() -> dict[str, str]:
    """A spec, a plan and tasks with enough in them to pass Spec Kitty's checks."""
    spec = """# Specification: Demo

## Summary

Two files that come one after the other.

## User Scenarios & Testing

Given an empty folder, when both parts are done, then both files exist.

## Requirements

### Functional Requirements

| ID | Requirement | Status |
|---|---|---|
| FR-001 | The first part writes src/1.txt | accepted |
| FR-002 | The second part writes src/2.txt | accepted |

## Success Criteria

- SC-001: both files exist.
"""
    plan = """# Implementation Plan: Demo

## Summary

Write two files, one after the other.

## Technical Context

**Language/Version**: Python 3.11
**Primary Dependencies**: none
**Testing**: pytest
**Target Platform**: Linux
"""
    tasks = "# Tasks\n" + "".join(
        f"\n## Work Package WP0{number}: Part {number}\n\n**Requirements**: FR-00{number}\n"
        f"**Dependencies**: {'WP01' if number == 2 else 'None'}\n\n- [ ] T00{number} Write src/{number}.txt\n"
        for number in (1, 2)
    )
    return {"spec.md": spec, "plan.md": plan, "tasks.md": tasks}


_FIELDS_OF_A_LANE = """lane: "planned"
history:
- timestamp: "2026-01-01T00:00:00Z"
  lane: planned
  agent: system
  action: Prompt generated
"""


def _work_package(number: int, fields: str) -> str:
    return (
        f"---\nwork_package_id: WP0{number}\ntitle: Part {number}\ndependencies: [{'WP01' if number == 2 else ''}]\n"
        f"requirement_refs: [FR-00{number}]\nsubtasks: [T00{number}]\n{fields}---\n\n# Part {number}\n\nWrite it.\n"
    )
