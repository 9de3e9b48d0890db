"""What hands hand on in the model-based test, and to whom. Knows neither git nor catflap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tests.git_model import Move


@dataclass(frozen=True)
class Step:
    """What a git command did to a view: its moves, and the hook that git ran for them at the end, if any."""

    view: str
    moves: tuple[Move, ...]
    hook: str | None


class Eyes(Protocol):
    """Whoever looks at what hands did."""

    def step(self, step: Step) -> None:
        """A command has ended."""

    def read_all(self) -> None:
        """Everything that HEADs did must have been read before what comes now."""

    def look_everywhere(self) -> None:
        """Look at HEAD and the files of every worktree."""

    def worktree(self, view: str) -> None:
        """A worktree has come, has moved, or is about to go."""
