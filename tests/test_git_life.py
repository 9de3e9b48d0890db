"""What must come out of each thing that git does, with hooks alone: real git, the real hook, the real queue."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.world import (
    FEATURE,
    Repo,
    board,
    catflap,
    events,
    many_refs,
    partial_clone,
    planned,
    short,
    told,
    wp_text,
)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Feature 001-demo with WP01 to WP04 planned and committed, catflap installed."""
    made = planned(tmp_path / "project")
    made.install()
    return made


def pick_script(tmp_path: Path, *sed: str) -> dict[str, str]:
    """The environment in which `rebase -i` edits its list with these sed expressions."""
    script = tmp_path / "sequence.sh"
    script.write_text("#!/bin/sh\nsed -i " + " ".join(f"-e '{one}'" for one in sed) + ' "$1"\n')
    script.chmod(0o755)
    return {"GIT_SEQUENCE_EDITOR": str(script)}


def diverge(repo: Repo, *, mine: str = "doing", theirs: str | None = None) -> None:
    """A branch topic with my lane change on it, and another commit on main; topic is checked out."""
    repo.git("switch", "-q", "-c", "topic")
    repo.lane(mine)
    repo.git("switch", "-q", "main")
    if theirs is None:
        repo.file("elsewhere.txt")
        repo.commit("elsewhere")
    else:
        repo.lane(theirs)
    repo.git("switch", "-q", "topic")


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


# -- 12 to 15: history rewritten


@pytest.mark.parametrize("way", ["plain", "reorder", "squash", "fixup", "reword"])
def test_12_a_rebase_tells_nothing(tmp_path: Path, repo: Repo, way: str) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.lane("doing", "WP02")
    repo.lane("for_review", "WP02")
    repo.git("switch", "-q", "main")
    repo.file("elsewhere.txt")
    repo.commit()
    repo.git("switch", "-q", "topic")
    before = told()
    if way == "plain":
        repo.git("rebase", "-q", "main")
    else:
        edit = {"reorder": ["1{h;d}", "2{G}"], "reword": ["2s/^pick/reword/"]}.get(way, [f"3s/^pick/{way}/"])
        repo.git("rebase", "-q", "-i", "main", env=pick_script(tmp_path, *edit))
    repo.observe()
    assert told() == before
    repo.lane("done", "WP02")
    assert told() == [*before, "WP02 for_review>done"]


def test_13_a_rebase_that_drops_a_change_tells_the_way_back(tmp_path: Path, repo: Repo) -> None:
    repo.file("a.txt")
    repo.commit("before")
    repo.lane("doing")
    repo.file("b.txt")
    repo.commit("after")
    repo.git("rebase", "-q", "-i", "HEAD~3", env=pick_script(tmp_path, "2s/^pick/drop/"))
    repo.observe()
    assert told() == ["planned>doing", "doing>planned"]


def test_14_a_hard_reset_over_a_told_change_tells_the_way_back(repo: Repo) -> None:
    repo.lane("doing")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.observe()
    assert told() == ["planned>doing", "doing>planned"]


def test_14_the_next_commit_is_trigger_enough(repo: Repo) -> None:
    repo.lane("doing")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.lane("doing", "WP02")
    assert told() == ["planned>doing", "doing>planned", "WP02 planned>doing"]


def test_14_a_reset_to_what_others_did_is_nothing(tmp_path: Path, repo: Repo) -> None:
    upstream = tmp_path / "upstream.git"
    repo.git("clone", "-q", "--bare", repo.path, upstream)
    repo.git("clone", "-q", upstream, tmp_path / "mate")
    mate = Repo(tmp_path / "mate")
    mate.lane("doing")
    mate.git("push", "-q")
    repo.git("remote", "add", "origin", upstream)
    repo.git("fetch", "-q")
    repo.git("reset", "-q", "--hard", "origin/main")
    repo.observe()
    assert told() == []
    repo.lane("for_review")
    assert told() == ["doing>for_review"]


@pytest.mark.parametrize("mode", ["--soft", "--mixed"])
def test_14_a_reset_that_keeps_the_file_is_nothing(repo: Repo, mode: str) -> None:
    repo.lane("doing")
    repo.git("reset", "-q", mode, "HEAD~1")
    repo.observe()
    assert told() == ["planned>doing"]
    repo.commit("again")
    assert told() == ["planned>doing"]


def test_15_a_revert_and_a_reset_and_its_return_are_told(repo: Repo) -> None:
    repo.lane("doing")
    repo.git("revert", "--no-edit", "HEAD")
    assert told() == ["planned>doing", "doing>planned"]


def test_15_a_reset_taken_back_is_told_again(repo: Repo) -> None:
    repo.lane("doing")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.observe()
    repo.git("reset", "-q", "--hard", "ORIG_HEAD")
    repo.observe()
    assert told() == ["planned>doing", "doing>planned", "planned>doing"]


def test_15_a_reset_taken_back_before_anyone_looked_is_nothing(repo: Repo) -> None:
    repo.lane("doing")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.git("reset", "-q", "--hard", "ORIG_HEAD")
    repo.observe()
    assert told() == ["planned>doing"]


@pytest.mark.parametrize("way", ["cherry-pick", "am"])
def test_15a_picking_an_old_change_is_nothing(tmp_path: Path, repo: Repo, way: str) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.lane("for_review")
    before = told()
    repo.git("switch", "-q", "main")
    if way == "am":
        patch = tmp_path / "one.patch"
        patch.write_text(repo.git("format-patch", "-1", "--stdout", "topic~1").stdout)
        repo.git("am", "-q", patch)
    else:
        repo.git("cherry-pick", "topic~1")
    repo.observe()
    assert told() == before == ["planned>doing", "doing>for_review"]


@pytest.mark.parametrize("way", ["cherry-pick", "am"])
def test_15a_picking_a_mates_change_onto_the_announced_state_is_told(tmp_path: Path, repo: Repo, way: str) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.lane("doing")
    if way == "am":
        patch = tmp_path / "one.patch"
        patch.write_text(mate.git("format-patch", "-1", "--stdout").stdout)
        repo.git("am", "-q", patch)
    else:
        repo.git("fetch", "-q", mate.path, "main")
        repo.file("other.txt")
        repo.commit()
        repo.git("cherry-pick", "FETCH_HEAD")
    assert told() == ["planned>doing"]


def test_15a_amending_back_to_the_old_lane_is_told(repo: Repo) -> None:
    repo.write("WP02", "doing")
    repo.lane("doing")
    repo.write(lane="planned")
    repo.git("commit", "-q", "-a", "--amend", "--no-edit")
    assert told() == ["planned>doing", "WP02 planned>doing", "doing>planned"]


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_15b_a_conflict_in_a_rebase_resolved_to_a_third_lane(repo: Repo, backend: str) -> None:
    diverge(repo, mine="doing", theirs="for_review")
    before = told()
    repo.git("rebase", backend, "main", check=False)
    repo.write(lane="done")
    repo.git("add", "-A")
    repo.git("rebase", "--continue")
    repo.observe()
    assert told() == [*before, "for_review>done"]


def test_15b_an_edit_stop_amended_to_another_lane(tmp_path: Path, repo: Repo) -> None:
    diverge(repo)
    repo.git("rebase", "-q", "-i", "main", env=pick_script(tmp_path, "1s/^pick/edit/"))
    repo.write(lane="for_review")
    repo.git("commit", "-q", "-a", "--amend", "--no-edit")
    repo.git("rebase", "--continue")
    repo.observe()
    assert told() == ["planned>doing", "doing>for_review"]


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
@pytest.mark.parametrize("named", [False, True], ids=["here", "from elsewhere"])
def test_15b_a_plain_rebase_tells_nothing(repo: Repo, backend: str, named: bool) -> None:
    diverge(repo, theirs="for_review")
    repo.lane("doing", "WP02")
    repo.git("switch", "-q", "main")
    repo.lane("doing", "WP03")
    repo.lane("planned")
    repo.git("switch", "-q", "topic")
    repo.lane("planned")
    before = told()
    if named:
        repo.git("switch", "-q", "main")
        repo.git("rebase", "-q", backend, "main", "topic")
    else:
        repo.git("rebase", "-q", backend, "main")
    repo.observe()
    assert told() == before


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_15b_a_mates_branch_rebased_from_elsewhere_tells_nothing(tmp_path: Path, repo: Repo, backend: str) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.lane("doing")
    repo.git("fetch", "-q", mate.path, "main:topic")
    repo.file("other.txt")
    repo.commit()
    repo.git("rebase", "-q", backend, "main", "topic")
    repo.observe()
    assert told() == []


def test_15b_a_detached_rebase_that_drops_a_commit(tmp_path: Path, repo: Repo) -> None:
    repo.file("a.txt")
    repo.commit("before")
    repo.lane("doing")
    repo.file("b.txt")
    repo.commit("after")
    repo.git("checkout", "-q", "--detach")
    repo.git("rebase", "-q", "-i", "HEAD~3", env=pick_script(tmp_path, "2s/^pick/drop/"))
    repo.observe()
    assert told() == ["planned>doing", "doing>planned"]


def test_15b_an_aborted_rebase_is_nothing(repo: Repo) -> None:
    diverge(repo, mine="doing", theirs="for_review")
    before = told()
    repo.git("rebase", "main", check=False)
    repo.observe()
    repo.git("rebase", "--abort")
    repo.observe()
    assert told() == before


def test_15c_a_partial_commit_tells_the_staged_one_only(repo: Repo) -> None:
    repo.write(lane="doing")
    repo.write("WP02", "doing")
    repo.git("add", repo.wp())
    repo.git("commit", "-q", "-m", "one of two")
    assert told() == ["planned>doing"]


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


def test_28_broken_yaml_is_one_error_then_one_change(repo: Repo) -> None:
    repo.lane("doing")
    repo.wp().write_text("---\nlane: [unclosed\n---\n")
    repo.commit("broken")
    repo.wp().write_text("---\nlane: [unclosed\n---\n\nmore\n")
    repo.commit("still broken, other bytes")
    repo.git("commit", "-q", "--allow-empty", "-m", "nothing")
    repo.lane("for_review")
    kinds = told()
    assert kinds[0] == "planned>doing"
    assert kinds[-1] == "doing>for_review"
    assert kinds.count("error") == len(kinds) - 2 == 2
    error = next(event for event in events() if event["event_type"] == "ErrorLogged")
    assert error["payload"]["error_type"] == "validation"
    assert "WP01-build.md:" in error["payload"]["error_message"]


def test_28_an_unknown_lane_is_one_error(repo: Repo) -> None:
    repo.lane("dong")
    repo.lane("dong", body="More.\n")
    repo.lane("doing")
    assert told() == ["error", "planned>doing"]


def test_of_two_files_with_one_id_the_one_that_is_left_speaks(repo: Repo) -> None:
    other = repo.wp().with_name("WP01-another.md")
    other.write_text(wp_text(lane="planned"))
    repo.commit("the same id twice")
    repo.lane("doing")
    repo.git("rm", "-q", repo.wp())
    repo.git("commit", "-q", "-m", "one of them away")
    assert told() == ["planned>doing", "doing>planned"]
    repo.lane("for_review")
    repo.wp().unlink()
    repo.observe()
    assert told() == ["planned>doing", "doing>planned", "planned>for_review", "for_review>planned"]


ODD_NAMES = {"umlauts": "003-größe und maß", "quoted names": '004-say "a\\b"'}
"""By case: the feature in which it happens. git quotes these names wherever `-z` does not keep it from that."""
ODD = (
    "shallow",
    "partial",
    "sparse",
    "submodule",
    "hooksPath",
    "sha256",
    "reftable",
    "no reflog",
    "many refs",
    *ODD_NAMES,
)


@pytest.mark.parametrize("case", ODD)
def test_30_odd_repositories(tmp_path: Path, case: str) -> None:
    origin = planned(tmp_path / "origin")
    path = tmp_path / "project"
    match case:
        case "shallow":
            origin.git("clone", "-q", "--depth=1", f"file://{origin.path}", path)
            repo = Repo(path)
        case "partial":
            repo = partial_clone(origin, path)
        case "sparse":
            origin.git("clone", "-q", "--sparse", origin.path, path)
            repo = Repo(path)
            repo.git("sparse-checkout", "set", f"kitty-specs/{FEATURE}")
        case "submodule":
            outer = Repo.init(tmp_path / "outer")
            outer.git("submodule", "--quiet", "add", origin.path, "sub")
            repo = Repo(outer.path / "sub")
        case "hooksPath":
            repo = planned(path)
            repo.git("config", "core.hooksPath", ".husky/_")
        case "umlauts":
            repo = planned(tmp_path / "Größe und Maß", feature=ODD_NAMES[case])
        case "quoted names":
            repo = planned(path, feature=ODD_NAMES[case])
        case "many refs":
            repo = planned(path)
            many_refs(repo, 10_000)
        case "reftable":
            if Repo(tmp_path).git("init", "-q", "--ref-format=reftable", path, check=False).returncode:
                pytest.skip("this git knows no reftable (2.45 does)")
            repo = planned(path)
        case "sha256":
            repo = planned(path, "--object-format=sha256")
        case _:
            repo = planned(path)
            repo.git("config", "core.logAllRefUpdates", "false")
            (repo.path / ".git" / "logs" / "HEAD").unlink()
    feature = ODD_NAMES.get(case, FEATURE)
    repo.install()
    repo.lane("doing", feature=feature)
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("for_review", feature=feature)
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    repo.observe()
    assert told() == ["planned>doing", "doing>for_review"]
    assert board() == {(feature, "WP01"): "for_review"}


def test_31_odd_callers(tmp_path: Path, repo: Repo) -> None:
    other = planned(tmp_path / "other")
    other.install()
    git = shutil.which("git")
    assert git is not None
    repo.write(lane="doing")
    bare = {name: value for name, value in os.environ.items() if name != "PATH"}
    subprocess.run([git, "commit", "-q", "-a", "-m", "no PATH"], cwd=repo.path, env=bare, check=True)
    repo.write(lane="for_review")
    other.git("-C", repo.path, "commit", "-q", "-a", "-m", "from elsewhere")
    repo.write(lane="done")
    index = tmp_path / "index"
    shutil.copy(repo.path / ".git" / "index", index)
    env = {"GIT_DIR": str(repo.path / ".git"), "GIT_WORK_TREE": str(repo.path), "GIT_INDEX_FILE": str(index)}
    other.git("commit", "-q", "-a", "-m", "bound by the environment", env=env)
    assert told() == ["planned>doing", "doing>for_review", "for_review>done"]
    assert {event["project_slug"] for event in events()} == {"project"}


def test_31_in_the_middle_of_a_rebase(tmp_path: Path, repo: Repo) -> None:
    diverge(repo)
    repo.git("rebase", "-q", "-i", "main", env=pick_script(tmp_path, "1s/^pick/edit/"))
    repo.lane("doing", "WP02")
    repo.observe()
    before = told()
    repo.git("rebase", "--continue")
    repo.observe()
    assert before == ["planned>doing"]
    assert told() == ["planned>doing", "WP02 planned>doing"]


def test_32_hooks_are_harmless_once_catflap_is_gone(repo: Repo) -> None:
    hook = repo.path / ".git" / "hooks" / "post-commit"
    for gone in ("python=", "entry="):
        text = hook.read_text()
        hook.write_text("\n".join(f"{gone}/gone" if line.startswith(gone) else line for line in text.split("\n")))
        repo.write(lane=f"d{gone}"[:1] + "oing")
        done = repo.commit(gone)
        assert done.stderr == ""
        repo.write(lane="planned")
        repo.commit("back")
        hook.write_text(text)
    shutil.rmtree(os.environ["SPEC_KITTY_HOME"])
    repo.write(lane="doing")
    assert repo.commit("no home").stderr == ""
