"""Runs `catflap backfill` in this process, and a small history for it to tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from catflap.commands.backfill import backfill
from catflap.commands.install import install
from tests.world import FEATURE, Repo, short

STORY = [
    f"feature {FEATURE} of 2",
    "created",
    "WP02 created",
    "planned>doing",
    "assigned claude implementation 0",
    "note claude: Began",
    "doing>for_review",
    "for_review>done",
    "WP02 free of WP01",
]
"""What :func:`story` tells."""


def retold(repo: Repo | Path, rev: str = "HEAD", **options: Any) -> tuple[list[dict[str, Any]], str]:
    """The events that a run prints as JSON lines, and what it says to people; it must end with 0."""
    lines, words = StringIO(), StringIO()
    with chdir(repo.path if isinstance(repo, Repo) else repo), redirect_stdout(lines), redirect_stderr(words):
        assert backfill(rev, as_json=True, **options) == 0
    return [json.loads(line) for line in lines.getvalue().splitlines()], words.getvalue()


def preview(repo: Repo | Path, rev: str = "HEAD", **options: Any) -> list[dict[str, Any]]:
    """The events of a dry run."""
    return retold(repo, rev, dry_run=True, **options)[0]


def shorts(events: Iterable[Mapping[str, Any]]) -> list[str]:
    return [short(event) for event in events]


def ids(events: Iterable[Mapping[str, Any]]) -> list[str]:
    return [event["event_id"] for event in events]


def opt_in(repo: Repo) -> None:
    """Install without hooks: what is told comes from the test's own calls."""
    with redirect_stdout(StringIO()):
        install(repo.path, with_hooks=False)


def story(path: Path, *init: str) -> Repo:
    """A feature of two work packages, of which the first one goes all the way."""
    repo = Repo.init(path, *init)
    rows = ["- 2026-02-03T12:00:00Z – claude – lane=doing – Began"]
    repo.write("WP01")
    repo.write("WP02", depends=["WP01"])
    commit(repo, "plan", 1_000)
    repo.write("WP01", "doing", agent="claude", log=rows)
    commit(repo, "begin", 2_000)
    repo.file("code.txt")
    commit(repo, "code", 3_000)
    repo.write("WP01", "for_review", agent="claude", log=rows)
    commit(repo, "review", 4_000)
    repo.write("WP01", "done", agent="claude", log=rows)
    commit(repo, "accept", 5_000)
    return repo


def commit(repo: Repo, message: str, at: int) -> str:
    """Commit everything as if ``at`` seconds after 2026-01-01 began; the commit."""
    repo.git("add", "-A")
    date = f"{1_767_225_600 + at} +0000"
    repo.git("commit", "-q", "-m", message, env={"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date})
    return repo.head()
