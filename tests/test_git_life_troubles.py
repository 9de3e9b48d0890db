"""What must come out, with hooks alone, of edits that tools take away for a while, that nothing saw, or that an editor
writes step by step.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world import Repo, events, planned, told, wp_text

UNSEEN = ("-c", "core.hooksPath=/dev/null")

STASHING = """#!/bin/sh
# What the pre-commit framework does around each of its hooks: unstaged edits are away while it runs.
git diff --no-ext-diff --binary >'{patch}'
[ -s '{patch}' ] || exit 0
git checkout -q -- .
: >'{away}'
git apply --whitespace=nowarn '{patch}'
"""


@pytest.mark.parametrize("meanwhile", ["nothing", "a commit", "a commit of the same file"])
def test_16_an_edit_that_was_stashed_is_told_at_its_commit(repo: Repo, meanwhile: str) -> None:
    repo.write(lane="doing")
    repo.git("stash", "-q")
    if meanwhile == "a commit":
        repo.file("other.txt")
        repo.commit()
    elif meanwhile == "a commit of the same file":
        repo.write(body="Do it well.\n")
        repo.commit()
    assert events() == []
    repo.git("stash", "pop", "-q")
    repo.commit("the edit")
    repo.git("commit", "-q", "--allow-empty", "-m", "nothing")
    assert told(statuses_only=False) == ["planned>doing"]


def test_16_a_told_change_is_not_taken_back_by_a_stash(repo: Repo) -> None:
    repo.lane("doing")
    repo.write(lane="for_review")
    repo.git("stash", "-q")
    repo.file("other.txt")
    repo.commit()
    repo.git("stash", "drop", "-q")
    repo.observe()
    assert told() == ["planned>doing"]


def test_17_edits_that_a_hook_takes_away_and_puts_back_tell_nothing(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    for hook in ("pre-commit", "post-commit"):
        script = repo.path / ".git" / "hooks" / hook
        script.write_text(STASHING.format(patch=tmp_path / f"{hook}.patch", away=tmp_path / f"{hook}.away"))
        script.chmod(0o755)
    repo.install()
    repo.write(lane="doing")
    repo.write("WP02", "doing")
    repo.git("add", repo.wp("WP02"))
    repo.git("commit", "-q", "-m", "one of two")
    assert (tmp_path / "pre-commit.away").exists()
    assert (tmp_path / "post-commit.away").exists()
    assert "doing" in repo.wp().read_text()
    assert told() == ["WP02 planned>doing"]
    repo.commit("the other")
    assert told() == ["WP02 planned>doing", "planned>doing"]


def test_24_commits_that_nothing_saw_are_told_one_by_one(repo: Repo) -> None:
    for lane in ("doing", "for_review", "doing"):
        repo.write(lane=lane)
        repo.git(*UNSEEN, "commit", "-q", "-a", "-m", f"to {lane}")
    assert events() == []
    repo.lane("doing", "WP02")
    assert told() == ["planned>doing", "doing>for_review", "for_review>doing", "WP02 planned>doing"]


def test_27_however_an_editor_wrote_it_its_commit_is_one_event_and_no_error(repo: Repo) -> None:
    tasks = repo.wp().parent
    for lane in ("", "d", "do", "doi", "doing"):
        repo.write(lane=lane)
    for name in ("4913", ".WP01-build.md.swp", "#WP01-build.md#", "WP01-build.md~", ".WP01-build.md.tmp123"):
        (tasks / name).write_text(wp_text(lane="done"))
    (tasks / ".#WP01-build.md").symlink_to("ada@example.org.4913:1")
    repo.commit("droppings and all")
    for file in tasks.iterdir():
        if not file.name.startswith("WP") or file.name.endswith("~"):
            file.unlink()
    repo.commit("and without")
    assert told(statuses_only=False) == ["planned>doing"]
