"""Killed at any line of an observation: the next one tells what an unkilled run would have told, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import Repo, events, planned, short, wp_text

PARTS = 4


class Hand:
    """Edits and commits WP01 with hooks off, so that the observation can be run, and killed, by the test."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.rows: list[str] = []
        self.expected: list[str] = []

    def edit(self) -> None:
        """One commit that makes three events: a status, an agent, a history row."""
        count = len(self.rows)
        before, after = ("planned", "doing") if count % 2 == 0 else ("doing", "planned")
        agent = f"agent{count}"
        self.rows.append(f"- 2026-02-03T12:00:00Z – {agent} – step {count}")
        self.repo.wp().write_text(wp_text(lane=after, agent=agent, log=self.rows), encoding="utf-8")
        self.repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-a", "-m", f"edit {count}")
        self.expected += [
            f"{before}>{after}",
            f"assigned {agent} implementation {count}",
            f"note {agent}: step {count}",
        ]

    def observe(self, target: str) -> subprocess.CompletedProcess[str]:
        """The hook's observation, killed at ``target``."""
        repo = self.repo.path
        tree = self.repo.git("rev-parse", "HEAD:kitty-specs").stdout.strip()
        command = [sys.executable, "-m", "tests.killer", target, "post-commit"]
        return subprocess.run(
            [*command, str(repo), str(repo / ".git"), str(repo / ".git"), tree],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("part", range(PARTS))
def test_25_killed_at_any_line_nothing_is_lost_or_told_twice(tmp_path: Path, part: int) -> None:
    hand = Hand(planned(tmp_path / "project"))
    hand.repo.install()
    hand.edit()
    lines = hand.observe("list").stdout.splitlines()
    assert len(lines) >= 100
    assert told() == hand.expected
    killed = 0
    for line in lines[part::PARTS]:
        hand.edit()
        done = hand.observe(line)
        killed += done.returncode == -9
        assert told() in (hand.expected, hand.expected[:-3]), line
        assert hand.observe("").returncode == 0
        assert told() == hand.expected, line
    assert killed >= len(lines[part::PARTS]) - 5  # a few lines run only when a lock or file is new
    clocks = [event["lamport_clock"] for event in events()]
    assert clocks == sorted(set(clocks))


def told() -> list[str]:
    return [short(event) for event in events()]
