"""What must come out of worktrees, moves, new features and what is never mixed, with hooks alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.world import (
    FEATURE,
    Repo,
    events,
    planned,
    short,
    told,
)

# -- 18 to 22: worktrees, moves, bulk, features


def test_18_an_agent_in_a_linked_worktree(tmp_path: Path, repo: Repo) -> None:
    repo.git("worktree", "add", "-q", "-b", "agent", tmp_path / "agent")
    agent = Repo(tmp_path / "agent")
    agent.lane("doing", agent="claude")
    repo.lane("doing", "WP02")
    agent.lane("for_review", agent="claude")
    repo.file("main.txt")
    repo.commit()
    repo.git("merge", "-q", "--no-edit", "agent")
    repo.git("worktree", "remove", tmp_path / "agent")
    repo.observe()
    assert told() == ["planned>doing", "WP02 planned>doing", "doing>for_review"]


def test_19_a_move_within_tasks_is_nothing_and_between_lane_folders_a_status(repo: Repo) -> None:
    (repo.wp().parent / "deep").mkdir()
    repo.git("mv", repo.wp(), repo.wp().parent / "deep" / "WP01-other.md")
    repo.commit()
    assert events() == []
    folders = repo.path / "kitty-specs" / "002-old" / "tasks"
    for lane in ("planned", "doing"):
        (folders / lane).mkdir(parents=True)
    (folders / "planned" / "WP01-x.md").write_text("# Old\n")
    repo.commit("the folder era")
    before = len(events())
    repo.git("mv", folders / "planned" / "WP01-x.md", folders / "doing" / "WP01-x.md")
    repo.commit()
    assert [short(event) for event in events()[before:]] == ["planned>doing"]


def test_20_a_work_package_deleted_and_brought_back_is_nothing(repo: Repo) -> None:
    repo.lane("doing")
    before = told(statuses_only=False)
    repo.git("rm", "-q", repo.wp())
    repo.commit("away")
    repo.git("revert", "--no-edit", "HEAD")
    assert told(statuses_only=False) == before == ["planned>doing"]


def test_21_bulk_commits_are_nothing(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "project")
    for number in range(40):
        for wp in range(1, 51):
            repo.write(f"WP{wp:02}", "doing", feature=f"{number:03}-bulk")
    repo.commit("two thousand")
    repo.install()
    shutil.rmtree(repo.path / "kitty-specs")
    repo.commit("all gone")
    repo.git("revert", "--no-edit", "HEAD")
    for number in range(6):
        for wp in range(1, 51):
            path = repo.wp(f"WP{wp:02}", feature=f"{number:03}-bulk")
            text = path.read_text().replace('lane: "doing"', "lane: doing" if number % 2 else "")
            path.write_text(text.replace("title: ", "title:   "))
    repo.commit("the bulk re-format, and lanes removed")
    assert events() == []
    repo.lane("for_review", feature="001-bulk")
    assert told() == ["doing>for_review"]


def test_22_a_new_feature_in_one_go(repo: Repo) -> None:
    for number in range(1, 8):
        repo.write(f"WP0{number}", feature="002-new", depends=["WP01"] if number > 1 else [])
    repo.file(
        "kitty-specs/002-new/meta.json",
        '{"feature_number": "002", "target_branch": "2.x", "created_at": "2026-02-03T12:00:00Z"}',
    )
    repo.commit("a feature")
    found = events()
    assert [event["event_type"] for event in found] == ["FeatureCreated"] + ["WPCreated"] * 7
    assert found[0]["payload"] == {
        "feature_slug": "002-new",
        "feature_number": "002",
        "target_branch": "2.x",
        "wp_count": 7,
        "created_at": "2026-02-03T12:00:00Z",
    }
    assert {event["causation_id"] for event in found[1:]} == {found[0]["event_id"]}
    assert found[2]["payload"]["dependencies"] == ["WP01"]
    repo.write("WP08", "doing", feature="002-new")
    repo.commit("one more")
    assert [short(event) for event in events()[8:]] == ["WP08 created", "WP08 planned>doing"]
    assert events()[8]["causation_id"] == found[0]["event_id"]
    assert events()[9]["causation_id"] == events()[8]["event_id"]


# -- 26 to 32: never mixed, odd repositories, odd callers


def test_26_the_same_ids_elsewhere_are_never_mixed(tmp_path: Path, repo: Repo) -> None:
    repo.write(feature="002-other")
    repo.commit()
    other = planned(tmp_path / "second")
    other.install()
    clone = Repo(tmp_path / "clone")
    repo.git("clone", "-q", repo.path, clone.path)
    clone.install()
    before = len(events())
    repo.lane("doing", feature="002-other")
    other.lane("for_review")
    clone.lane("done", "WP02")
    found = [
        (event["project_slug"], event["payload"]["feature_slug"], short(event))
        for event in events()[before:]
        if event["event_type"] == "WPStatusChanged"
    ]
    assert found == [
        ("project", "002-other", "planned>doing"),
        ("second", FEATURE, "planned>for_review"),
        ("project", FEATURE, "WP02 planned>done"),
    ]
    clone.git("pull", "-q", "--no-rebase", "--no-edit")
    clone.observe()
    assert len(told()) == 3


def test_26a_markers_after_a_stash_pop_are_nothing(repo: Repo) -> None:
    repo.write(lane="doing")
    repo.git("stash", "-q")
    repo.lane("for_review")
    assert repo.git("stash", "pop", check=False).returncode == 1
    assert "<<<<<<<" in repo.wp().read_text()
    repo.observe()
    assert told() == ["planned>for_review"]
    repo.lane("doing")
    assert told() == ["planned>for_review", "for_review>doing"]


def test_26a_markers_after_a_switch_with_merge_are_nothing(repo: Repo) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("for_review")
    repo.git("switch", "-q", "main")
    repo.write(lane="doing")
    repo.git("switch", "-q", "-m", "topic")
    assert "<<<<<<<" in repo.wp().read_text()
    repo.observe()
    assert told() == ["planned>for_review"]
    repo.lane("done")
    assert told() == ["planned>for_review", "for_review>done"]


def test_26a_a_pull_with_autostash_tells_the_edit_once(tmp_path: Path, repo: Repo) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.lane("for_review", "WP02")
    repo.file("mine.txt")
    repo.commit()
    repo.write(lane="doing")
    repo.git("pull", "-q", "--rebase", "--autostash", mate.path, "main")
    assert told() == []
    repo.commit("the edit that was stashed meanwhile")
    assert told() == ["planned>doing"]


def test_26a_a_file_checked_out_from_elsewhere_is_a_hands_change(tmp_path: Path, repo: Repo) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.lane("for_review")
    repo.git("fetch", "-q", mate.path, "main")
    repo.git("checkout", "FETCH_HEAD", "--", repo.wp())
    repo.commit("theirs, taken over")
    assert told() == ["planned>for_review"]


def test_26b_a_worktree_used_before_anyone_looked(tmp_path: Path, repo: Repo) -> None:
    no_hooks = ["-c", "core.hooksPath=/dev/null"]
    repo.git(*no_hooks, "worktree", "add", "-q", "-b", "agent", tmp_path / "agent")
    agent = Repo(tmp_path / "agent")
    agent.lane("doing")
    assert told() == ["planned>doing"]
    repo.git("worktree", "move", tmp_path / "agent", tmp_path / "moved")
    agent = Repo(tmp_path / "moved")
    agent.lane("for_review")
    assert told() == ["planned>doing", "doing>for_review"]


def test_26b_a_worktree_removed_and_added_under_the_same_name(tmp_path: Path, repo: Repo) -> None:
    agent = Repo(tmp_path / "agent")
    repo.git("worktree", "add", "-q", "-b", "one", agent.path)
    agent.lane("doing")
    repo.git("worktree", "remove", agent.path)
    repo.git("-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "-b", "two", agent.path, "main")
    agent.write("WP02", "doing")
    agent.git("add", "-A")
    agent.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "unseen")
    agent.lane("doing", "WP03")
    assert told() == ["planned>doing", "WP02 planned>doing", "WP03 planned>doing"]
