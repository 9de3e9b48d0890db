"""One observation: what is saved is told once, what finds no room is told later, and git is asked little."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.world import FEATURE, Repo, catflap, events, planned, short, told, wp_text


def log_row(wp_id: str, to_lane: str, second: int, *, actor: str = "claude") -> str:
    row = {"wp_id": wp_id, "to_lane": to_lane, "at": f"2026-02-03T12:00:{second:02}Z", "event_id": f"e{second:03}"}
    return json.dumps({**row, "actor": actor}) + "\n"


# -- saved files


def test_a_saved_edit_is_told_once_and_its_commit_tells_nothing(repo: Repo) -> None:
    repo.write(lane="doing", agent="claude")
    repo.observe()
    assert told(statuses_only=False) == ["planned>doing", "assigned claude implementation 0"]
    repo.observe()
    repo.commit("what was told already")
    repo.observe()
    assert len(events()) == 2


def test_what_a_partial_commit_leaves_out_was_told_at_its_save(repo: Repo) -> None:
    repo.write(lane="doing")
    repo.write("WP02", "doing")
    repo.observe()
    repo.git("add", repo.wp())
    repo.git("commit", "-q", "-m", "one of two")
    repo.observe()
    assert told() == ["planned>doing", "WP02 planned>doing"]
    repo.lane("for_review", "WP02")
    assert told() == ["planned>doing", "WP02 planned>doing", "WP02 doing>for_review"]


def test_what_was_saved_and_taken_back_is_told_both_ways(repo: Repo) -> None:
    repo.write(lane="doing")
    repo.observe()
    repo.git("checkout", "--", repo.wp())
    repo.observe()
    assert told() == ["planned>doing", "doing>planned"]


def test_edits_that_were_there_at_the_install_are_taken_as_they_are(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.write(lane="doing")
    repo.write("WP05", "for_review")
    (repo.path / "kitty-specs" / FEATURE / "status.events.jsonl").write_text(log_row("WP02", "doing", 1))
    repo.install()
    repo.observe()
    repo.commit("what was there before")
    repo.observe()
    assert events() == []
    repo.lane("done")
    repo.lane("done", "WP05")
    assert told() == ["doing>done", "WP05 for_review>done"]


def test_a_new_feature_that_is_saved_is_told_whole(repo: Repo) -> None:
    for wp in ("WP01", "WP02", "WP03"):
        repo.write(wp, feature="002-new", depends=["WP01"] if wp != "WP01" else [])
    repo.file("kitty-specs/002-new/meta.json", '{"mission_number": 2, "created_at": "2026-02-03T12:00:00Z"}')
    repo.observe()
    found = events()
    assert [short(event) for event in found] == [
        "feature 002-new of 3",
        "created",
        "WP02 created",
        "WP03 created",
    ]
    assert found[0]["payload"]["feature_number"] == "002"
    repo.commit("a feature")
    assert len(events()) == 4
    for wp in ("WP01", "WP02", "WP03"):
        repo.write(wp, "done", feature="002-new", depends=["WP01"] if wp != "WP01" else [])
    repo.observe()
    assert [short(event) for event in events()[4:]] == [
        "planned>done",
        "WP02 planned>done",
        "WP03 planned>done",
        "WP02 free of WP01",
        "WP03 free of WP01",
        "completed 002-new of 3",
    ]


def test_rows_of_a_lane_log_are_told_one_by_one_as_they_are_appended(repo: Repo) -> None:
    log = repo.path / "kitty-specs" / FEATURE / "status.events.jsonl"
    log.write_text(log_row("WP01", "planned", 1) + log_row("WP02", "planned", 2))
    repo.commit("a log appears")
    with log.open("a") as file:
        file.write(log_row("WP01", "claimed", 3) + log_row("WP01", "in_progress", 4) + log_row("WP01", "for_review", 5))
        file.write(log_row("WP02", "in_progress", 6, actor="codex")[:-1])
    repo.observe()
    assert told() == ["planned>doing", "doing>for_review"]
    with log.open("a") as file:
        file.write("\n")
    repo.lane("done")
    assert told() == ["planned>doing", "doing>for_review", "WP02 planned>doing"]
    assert [event["payload"]["changed_by"] for event in events()] == ["claude", "claude", "codex"]


def test_a_file_in_the_middle_of_a_conflict_says_nothing(repo: Repo) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.git("switch", "-q", "main")
    repo.lane("for_review")
    before = told()
    repo.git("merge", "topic", check=False)
    repo.write("WP02", "doing")
    repo.observe()
    assert told() == before
    repo.git("merge", "--abort")
    repo.write("WP02", "doing")
    repo.observe()
    assert told() == [*before, "WP02 planned>doing"]


# -- several worktrees, none of them looked at


OFF = ("-c", "core.hooksPath=/dev/null")


def agents(repo: Repo, tmp_path: Path, count: int) -> list[Repo]:
    found = []
    for number in range(1, count + 1):
        repo.git("worktree", "add", "-q", "-b", f"agent{number}", tmp_path / f"agent{number}")
        found.append(Repo(tmp_path / f"agent{number}"))
    return found


def unseen(repo: Repo, lane: str, wp_id: str = "WP01") -> None:
    """A commit that no hook tells."""
    repo.write(wp_id, lane)
    repo.git("add", "-A")
    repo.git(*OFF, "commit", "-q", "-m", f"{wp_id} to {lane}")


@pytest.mark.parametrize("way", [["--ff-only"], ["--no-ff", "--no-edit"]], ids=["ff", "no-ff"])
@pytest.mark.parametrize("by", ["observe", "hook"])
def test_what_a_worktree_committed_is_told_before_the_merge_that_brings_it(
    repo: Repo, tmp_path: Path, way: list[str], by: str
) -> None:
    (agent,) = agents(repo, tmp_path, 1)
    unseen(agent, "doing")
    unseen(agent, "for_review")
    unseen(agent, "planned", "WP05")
    if by == "observe":
        repo.git(*OFF, "merge", "-q", *way, "agent1")
        repo.observe()
    else:
        repo.git("merge", "-q", *way, "agent1")
    assert told(statuses_only=False) == ["planned>doing", "doing>for_review", "WP05 created"]
    repo.observe()
    assert len(events()) == 3


def test_worktrees_that_brought_each_others_work_tell_each_change_once(repo: Repo, tmp_path: Path) -> None:
    one, two = agents(repo, tmp_path, 2)
    unseen(one, "doing", "WP01")
    two.git(*OFF, "merge", "-q", "--no-edit", "agent1")
    unseen(two, "for_review", "WP01")
    unseen(repo, "doing", "WP02")
    one.git(*OFF, "merge", "-q", "--no-edit", "agent2")
    one.git(*OFF, "merge", "-q", "--no-edit", "main")
    unseen(one, "done", "WP01")
    repo.git(*OFF, "merge", "-q", "--no-edit", "agent1")
    unseen(repo, "for_review", "WP02")
    repo.observe()
    assert [step for step in told() if "WP02" not in step] == ["planned>doing", "doing>for_review", "for_review>done"]
    assert [step for step in told() if "WP02" in step] == ["WP02 planned>doing", "WP02 doing>for_review"]


def test_a_damaged_worktree_does_not_stop_the_others(repo: Repo, tmp_path: Path) -> None:
    one, two = agents(repo, tmp_path, 2)
    unseen(one, "doing")
    unseen(two, "doing", "WP02")
    oid = two.head("HEAD^{tree}")
    (repo.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    done = repo.git("merge", "-q", "--no-edit", "agent1")
    assert done.stderr == ""
    assert told() == ["planned>doing"]


# -- the queue is full


def fill(home: Path, count: int) -> None:
    """Put so many rows of somebody's into the queue."""
    with closing(sqlite3.connect(home / "queue.db")) as connection, connection:
        rows = [(f"filler{number:020}", "{}") for number in range(count)]
        connection.executemany(
            "INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, 'filler', ?, 0)", rows
        )


def make_room(home: Path) -> None:
    with closing(sqlite3.connect(home / "queue.db")) as connection, connection:
        connection.execute("DELETE FROM queue WHERE event_type = 'filler'")


def told_now() -> list[str]:
    return [short(event) for event in events() if event.get("event_type")]


def test_what_finds_no_room_is_told_coalesced_once_there_is_some(repo: Repo, home: Path) -> None:
    fill(home, 10_000)
    repo.write(lane="doing")
    done = repo.commit("no room")
    assert done.stderr.count("catflap:") == done.stderr.count("\n") == 1
    assert (
        "the queue is full: 1 change waits in your files, to be told once there is room; run `catflap sync now`"
        in done.stderr
    )
    repo.lane("for_review")
    repo.lane("doing", "WP02")
    by_hand = catflap("observe", repo.path)
    assert by_hand.returncode == 0
    assert "the queue is full" in by_hand.stderr
    assert told_now() == []
    make_room(home)
    repo.file("any.txt")
    done = repo.commit("any commit tells what waited")
    assert done.stderr == ""
    assert told_now() == ["planned>doing", "doing>for_review", "WP02 planned>doing"]
    repo.observe()
    assert len(told_now()) == 3


def test_of_many_changes_those_that_fit_are_told_and_the_others_later(repo: Repo, home: Path) -> None:
    fill(home, 9_998)
    for wp in ("WP01", "WP02", "WP03", "WP04"):
        repo.write(wp, "doing")
    done = repo.commit("four changes, room for two")
    assert "the queue is full: 2 changes wait" in done.stderr
    assert told_now() == ["planned>doing", "WP02 planned>doing"]
    for wp in ("WP01", "WP02", "WP03", "WP04"):
        repo.write(wp, "for_review")
    repo.observe()
    make_room(home)
    repo.observe()
    repo.commit("the rest")
    assert sorted(told_now()) == sorted(
        f"{'' if wp == 'WP01' else f'{wp} '}{step}"
        for wp in ("WP01", "WP02", "WP03", "WP04")
        for step in ("planned>doing", "doing>for_review")
    )


def test_a_new_feature_is_told_whole_or_not_yet(repo: Repo, home: Path) -> None:
    fill(home, 9_995)
    repo.write(lane="doing")
    for wp in range(1, 8):
        repo.write(f"WP{wp:02}", feature="002-new")
    repo.commit("room for five, eight more are wanted")
    assert told_now() == ["planned>doing"]
    make_room(home)
    repo.observe()
    assert told_now()[1:] == ["feature 002-new of 7", "created", *(f"WP{wp:02} created" for wp in range(2, 8))]


# -- what it costs


@pytest.mark.parametrize(("commits", "wps"), [(1, 1), (12, 1), (3, 40)])
def test_an_observation_of_ordinary_commits_asks_git_three_times_at_most(
    repo: Repo, tmp_path: Path, commits: int, wps: int
) -> None:
    for wp in range(1, wps + 1):
        repo.write(f"WP{wp:02}")
    repo.commit("more of them", "--allow-empty")
    repo.observe()
    before = len(events())
    for number in range(commits):
        for wp in range(1, wps + 1):
            repo.write(f"WP{wp:02}", ("doing", "planned")[number % 2])
        repo.git("add", "-A")
        repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "work")
    asked = tmp_path / "asked"
    spy = tmp_path / "bin" / "git"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$*" >>{asked}\nexec {shutil.which("git")} "$@"\n')
    spy.chmod(0o755)
    git_dir = str(repo.path / ".git")
    tree = repo.head("HEAD:kitty-specs")
    script = "import sys; from catflap import hook; hook.main(sys.argv[1:])"
    subprocess.run(
        [sys.executable, "-c", script, "post-commit", str(repo.path), git_dir, git_dir, tree],
        env={**os.environ, "PATH": f"{spy.parent}{os.pathsep}{os.environ['PATH']}"},
        check=True,
    )
    assert len(events()) - before == commits * wps
    assert 1 <= len(asked.read_text().splitlines()) <= 3


def test_a_change_of_a_text_that_says_nothing_new_writes_nothing(repo: Repo, home: Path) -> None:
    repo.lane("doing")
    count = len(events())
    with closing(sqlite3.connect(home / "queue.db")) as connection:
        rows = connection.execute("SELECT announced FROM announced ORDER BY wp_id").fetchall()
        repo.wp().write_text(wp_text(lane="doing", body="Other words.\n"))
        repo.commit("the body only")
        assert connection.execute("SELECT announced FROM announced ORDER BY wp_id").fetchall() == rows
    assert len(events()) == count


def test_what_a_checkout_under_way_has_put_there_was_not_left_out_of_a_commit(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.git("branch", "other")
    repo.install("--no-hooks")
    repo.lane("doing")
    lock = repo.path / ".git" / "index.lock"
    # git switch writes the files and the index, which it locks meanwhile, and moves HEAD only then.
    repo.git("read-tree", "other")
    repo.git("checkout-index", "-q", "-f", "-a")
    lock.touch()
    repo.observe()
    assert told() == []
    lock.unlink()
    repo.git("switch", "-q", "other")
    repo.observe()
    assert told() == ["planned>doing"]
