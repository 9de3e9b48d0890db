"""What must come out of rebases, resets, reverts, picks and amends, with hooks alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world import (
    Repo,
    diverge,
    pick_script,
    told,
)

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
