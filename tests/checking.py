"""`catflap check` in this process, and the files that it is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from catflap.commands.check import check
from tests.world import FEATURE, Repo

TASKS = f"kitty-specs/{FEATURE}/tasks"
WP01, WP02 = f"{TASKS}/WP01-build.md", f"{TASKS}/WP02-build.md"


class Run:
    """`check` in this process: the exit code and the lines on stdout; ``said`` is stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.said = ""

    def __call__(self, *files: str, staged: bool = False, fix: bool = False) -> tuple[int, list[str]]:
        code = check([Path(file) for file in files], staged=staged, is_fixing=fix)
        out, self.said = self._capsys.readouterr()
        return code, out.splitlines()

    def places(self, *files: str, staged: bool = False) -> list[str]:
        """``FILE:LINE`` of each finding."""
        code, lines = self(*files, staged=staged)
        found = [":".join(line.split(":", 2)[:2]) for line in lines if "nothing found" not in line]
        assert code == any(": warning: " not in line for line in lines if found)
        return found


def diverged(repo: Repo, mine: str, theirs: str) -> None:
    """WP01 stands at ``mine`` on main, and at ``theirs`` on the branch topic."""
    repo.git("switch", "-q", "-c", "topic")
    repo.lane(theirs)
    repo.git("switch", "-q", "main")
    repo.lane(mine)
