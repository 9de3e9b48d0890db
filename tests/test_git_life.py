"""What must come out of commits, branches, merges and pulls, with hooks alone: real git, real hook, real queue."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.world import (
    Repo,
    catflap,
    diverge,
    events,
    planned,
    told,
    wp_text,
)

# -- 1 to 6: commits


def test_01_install_tells_nothing_and_names_backfill(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    done = catflap("install", repo.path)
    assert done.returncode == 0
    assert "4 work packages" in done.stdout
    assert "backfill" in done.stdout
    assert events() == []


def test_02_a_committed_edit_is_told(repo: Repo) -> None:
    repo.lane("doing")
    assert told() == ["planned>doing"]


def test_03_two_edits_in_one_commit_are_one_change(repo: Repo) -> None:
    repo.write(lane="doing")
    repo.lane("for_review")
    assert told() == ["planned>for_review"]


def test_04_an_edit_restored_before_the_commit_is_nothing(repo: Repo) -> None:
    repo.write(lane="doing")
    repo.git("checkout", "--", ".")
    repo.file("other.txt")
    repo.commit()
    assert events() == []


@pytest.mark.parametrize(
    "text",
    [
        wp_text(body="Other words.\n"),
        wp_text().replace('lane: "planned"', "lane: planned"),
        "---\nlane: 'planned'\ntitle: Build WP01\nwork_package_id: \"WP01\"\ndependencies: []\n---\n",
        wp_text().replace("\n", "\r\n"),
        "\ufeff" + wp_text(),
    ],
    ids=["body", "quotes", "order", "crlf", "bom"],
)
def test_05_a_change_without_meaning_is_nothing(repo: Repo, text: str) -> None:
    repo.wp().write_bytes(text.encode())
    repo.commit()
    os.utime(repo.wp())
    repo.wp().write_bytes(text.encode())
    repo.git("commit", "-q", "--allow-empty", "-m", "touched")
    assert events() == []


def test_06_amending_the_message_is_nothing_and_the_lane_is_one_event(repo: Repo) -> None:
    repo.lane("doing")
    before = told()
    repo.git("commit", "-q", "--amend", "-m", "other words")
    assert told() == before == ["planned>doing"]
    repo.write(lane="for_review")
    repo.git("commit", "-q", "-a", "--amend", "-m", "and the lane")
    assert told() == ["planned>doing", "doing>for_review"]


# -- 7 to 11: branches


def test_07_switching_and_bisecting_is_nothing(repo: Repo) -> None:
    first = repo.head()
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    for number in range(4):
        repo.file("n.txt", str(number))
        repo.commit()
    before = told()
    repo.git("switch", "-q", "main")
    repo.git("switch", "-q", "topic")
    repo.git("checkout", "-q", "--detach", "main")
    repo.git("switch", "-q", "topic")
    repo.git("bisect", "start", "HEAD", first)
    repo.git("bisect", "good")
    repo.git("bisect", "reset")
    assert told() == before == ["planned>doing"]


def test_08_an_edit_carried_over_a_switch_is_told_once(repo: Repo) -> None:
    repo.git("branch", "topic")
    repo.write(lane="doing")
    repo.git("switch", "-q", "topic")
    repo.commit()
    assert told() == ["planned>doing"]


@pytest.mark.parametrize("way", ["ff", "no-ff", "squash", "octopus", "cherry-pick"])
def test_09_a_branch_that_was_told_is_merged_silently(repo: Repo, way: str) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    before = told()
    repo.git("switch", "-q", "main")
    match way:
        case "ff":
            repo.git("merge", "-q", "--ff-only", "topic")
        case "no-ff":
            repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
        case "squash":
            repo.git("merge", "-q", "--squash", "topic")
            repo.git("commit", "-q", "-m", "squashed")
        case "octopus":
            repo.git("switch", "-q", "-c", "other")
            repo.file("other.txt")
            repo.commit()
            repo.git("switch", "-q", "main")
            repo.file("main.txt")
            repo.commit()
            repo.git("merge", "-q", "--no-edit", "topic", "other")
        case _:
            repo.file("main.txt")
            repo.commit()
            repo.git("cherry-pick", "topic")
    repo.observe()
    assert told() == before == ["planned>doing"]


def test_10_a_conflict_resolved_to_a_third_lane_is_one_event(repo: Repo) -> None:
    diverge(repo, mine="doing", theirs="for_review")
    repo.git("switch", "-q", "main")
    before = told()
    repo.git("merge", "topic", check=False)
    assert "<<<<<<<" in repo.wp().read_text()
    repo.observe()
    repo.lane("done")
    assert told() == [*before, "for_review>done"]


@pytest.mark.parametrize("way", [["--ff-only"], ["--no-rebase", "--no-edit"], ["--rebase"], ["--rebase=interactive"]])
def test_11_a_pull_brings_nothing_to_tell(tmp_path: Path, repo: Repo, way: list[str]) -> None:
    upstream = tmp_path / "upstream.git"
    repo.git("clone", "-q", "--bare", repo.path, upstream)
    repo.git("remote", "add", "origin", upstream)
    repo.git("fetch", "-q")
    repo.git("branch", "-q", "-u", "origin/main")
    repo.git("clone", "-q", upstream, tmp_path / "mate")
    mate = Repo(tmp_path / "mate")
    mate.lane("for_review", "WP02")
    mate.git("push", "-q")
    mine = []
    if "--ff-only" not in way:
        repo.lane("doing")
        mine = ["planned>doing"]
    repo.git("pull", "-q", *way)
    assert "for_review" in repo.wp("WP02").read_text()
    repo.observe()
    assert told() == mine
    repo.lane("done", "WP02")
    assert told() == [*mine, "WP02 for_review>done"]


@pytest.mark.parametrize("how", ["named by a tool", "made elsewhere"])
def test_11_a_merge_that_git_did_not_name_brings_nothing_to_tell(tmp_path: Path, repo: Repo, how: str) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.lane("doing")
    repo.git("fetch", "-q", mate.path, "main:topic")
    unseen = ("-c", "core.hooksPath=/dev/null")
    if how == "named by a tool":
        repo.git(*unseen, "merge", "-q", "--no-ff", "--no-edit", "topic", env={"GIT_REFLOG_ACTION": "tool"})
    else:
        elsewhere = Repo(tmp_path / "kitty-merge-1")
        repo.git(*unseen, "worktree", "add", "-q", "--detach", elsewhere.path)
        elsewhere.git(*unseen, "merge", "-q", "--no-ff", "--no-edit", "topic")
        repo.git("update-ref", "refs/heads/main", elsewhere.head())
        repo.git("worktree", "remove", elsewhere.path)
        repo.git("reset", "-q", "--hard")
    repo.observe()
    assert told() == []
    repo.lane("for_review")
    assert told() == ["doing>for_review"]
