"""What the model-based test has found: each case by itself, with real git, looked at in this process."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from catflap import git
from catflap.catchup import observe_moves
from catflap.clock import LamportClock
from catflap.database import open_database
from catflap.saves import observe_view
from tests.world import Repo, planned, told

NO_HOOKS = ("-c", "core.hooksPath=/dev/null")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Feature 001-demo with WP01 to WP04 planned and committed, catflap installed without hooks."""
    made = planned(tmp_path / "project")
    made.install("--no-hooks")
    return made


def look(*repos: Repo, files: bool = True, hook: tuple[str, ...] = ()) -> list[str]:
    """Look at each checkout as the watcher does once all is settled, or at its HEAD alone; all that was told so far."""
    home = Path(os.environ["SPEC_KITTY_HOME"])
    with closing(open_database(home / "queue.db")) as connection:
        clock = LamportClock.load(home / "clock.json", floor=0)
        for repo in repos:
            view = git.locate(str(repo.path))
            for name in ("index", "logs/HEAD"):  # as if a while had gone by since git wrote them
                os.utime(Path(view.git_dir, name), (time.time() - 60,) * 2)
            if files:
                outcome = observe_view(connection, clock, view, home=str(home), now_s=time.time() + 60)
            else:
                outcome = observe_moves(connection, clock, view, hook=hook)
            assert outcome is not None
            assert outcome.unsettled_s == 0
    return told(statuses_only=False)


def agent_of(repo: Repo, tmp_path: Path) -> Repo:
    """A linked worktree on a branch of its own."""
    repo.git("worktree", "add", "-q", "-b", "agent", tmp_path / "agent")
    return Repo(tmp_path / "agent")


def moved(repo: Repo) -> Path:
    """Move WP01's file within tasks/, uncommitted; where it is then."""
    (repo.wp().parent / "deep").mkdir(exist_ok=True)
    path = repo.wp().parent / "deep" / repo.wp().name
    repo.git("mv", repo.wp(), path)
    return path


@pytest.mark.parametrize("way", ["merge", "pull"])
def test_a_merge_into_a_branch_that_moved_the_file_tells_nothing_of_what_others_did(
    tmp_path: Path, repo: Repo, way: str
) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.write(lane="doing", agent="bob", log=["- 2026-02-03T12:00:00Z – bob – begun"])
    mate.commit("the mate's")
    moved(repo)
    repo.commit("move it")
    if way == "pull":
        repo.git("pull", "-q", "--no-rebase", "--no-edit", mate.path, "main")
    else:
        repo.git("fetch", "-q", mate.path, "main")
        repo.git("merge", "-q", "--no-edit", "FETCH_HEAD")
    assert "bob" in (repo.wp().parent / "deep" / repo.wp().name).read_text("utf-8")
    assert look(repo) == []


def test_a_drop_is_told_of_a_file_that_was_moved_meanwhile(repo: Repo) -> None:
    repo.git("branch", "start")
    repo.lane("doing")
    moved(repo)
    repo.commit("move it")
    assert look(repo) == ["planned>doing"]
    repo.git("switch", "-q", "-c", "other", "start")
    moved(repo)
    repo.commit("move it here too")
    assert look(repo) == ["planned>doing"]
    repo.git("switch", "-q", "main")
    repo.git("reset", "-q", "--hard", "other")
    assert look(repo) == ["planned>doing", "doing>planned"]


def test_what_comes_after_a_detached_rebase_is_no_step_of_it(tmp_path: Path, repo: Repo) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.lane("doing")
    repo.git("branch", "start")
    repo.file("other.txt")
    repo.commit("other")
    repo.git("rebase", "-q", "main", "start~0")
    assert not repo.git("symbolic-ref", "-q", "HEAD", check=False).stdout
    repo.git("pull", "-q", "--no-rebase", "--no-edit", mate.path, "main")
    assert look(repo) == []
    repo.lane("for_review")
    assert look(repo) == ["doing>for_review"]


def test_commits_after_a_detached_rebase_are_told_one_by_one(repo: Repo) -> None:
    repo.git("checkout", "-q", "--detach")
    repo.file("mine.txt")
    repo.commit("mine")
    repo.git("branch", "mine")
    repo.git("switch", "-q", "main")
    repo.file("other.txt")
    repo.commit("other")
    repo.git("checkout", "-q", "--detach", "mine")
    repo.git("rebase", "-q", "main")
    repo.lane("doing")
    repo.lane("for_review")
    assert look(repo) == ["planned>doing", "doing>for_review"]


def test_a_checkout_of_files_is_no_start_of_a_rebase(repo: Repo) -> None:
    repo.lane("doing")
    repo.git("branch", "topic")
    assert look(repo) == ["planned>doing"]
    repo.git("checkout", "-q", "--detach")
    repo.git("rebase", "-q", "-i", "HEAD~1", env={"GIT_SEQUENCE_EDITOR": "sed -i -e '1s/^pick/drop/'"})
    assert look(repo, files=False, hook=("post-checkout", "a", "b", "1")) == ["planned>doing"]
    assert look(repo, files=False, hook=("post-checkout", "a", "b", "0")) == ["planned>doing", "doing>planned"]


def test_a_rebase_of_another_branch_onto_here_is_read(repo: Repo) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.git("switch", "-q", "main")
    repo.file("other.txt")
    repo.commit("other")
    assert look(repo) == ["planned>doing"]
    repo.git("rebase", "-q", "main", "topic")
    assert look(repo) == ["planned>doing"]
    repo.write(lane="for_review")
    assert look(repo) == ["planned>doing", "doing>for_review"]


def test_a_save_that_was_told_is_not_told_again_as_it_is_committed(tmp_path: Path, repo: Repo) -> None:
    agent = agent_of(repo, tmp_path)
    repo.write(lane="doing")
    assert look(repo, agent) == ["planned>doing"]
    agent.lane("done")
    assert look(agent) == ["planned>doing", "doing>done"]
    repo.commit("what was told")
    assert look(repo) == ["planned>doing", "doing>done"]
    repo.lane("for_review")
    assert look(repo) == ["planned>doing", "doing>done", "done>for_review"]


def test_what_a_commit_leaves_of_a_save_that_was_told_is_not_told_again(tmp_path: Path, repo: Repo) -> None:
    agent = agent_of(repo, tmp_path)
    repo.write(lane="doing", log=["- 2026-02-03T12:00:00Z – ada – begun"])
    expected = ["planned>doing", "note ada: begun"]
    assert look(repo, agent) == expected
    agent.lane("done")
    expected.append("doing>done")
    assert look(agent) == expected
    repo.git("add", "-p", repo.wp(), stdin="n\ny\n")
    repo.git("commit", "-q", "-m", "the row alone")
    assert "begun" in repo.git("show", "HEAD").stdout
    assert "doing" not in repo.git("show", "HEAD").stdout
    assert look(repo) == expected
    repo.commit("the lane, too")
    assert look(repo) == expected


def test_a_lane_taken_back_in_the_commit_of_something_else_is_told(repo: Repo) -> None:
    repo.write(lane="doing")
    assert look(repo) == ["planned>doing"]
    repo.write(lane="planned", log=["- 2026-02-03T12:00:00Z – ada – not yet"])
    repo.commit("the lane as it was, and a word why")
    assert look(repo) == ["planned>doing", "doing>planned", "note ada: not yet"]


def test_a_soft_reset_and_a_new_commit_of_the_same_tell_nothing_again(tmp_path: Path, repo: Repo) -> None:
    agent = agent_of(repo, tmp_path)
    repo.lane("doing")
    repo.write(lane="for_review")
    assert look(repo, agent) == ["planned>doing", "doing>for_review"]
    agent.lane("done")
    expected = ["planned>doing", "doing>for_review", "for_review>done"]
    assert look(agent) == expected
    repo.git("reset", "-q", "--soft", "HEAD~1")
    repo.commit("both in one")
    assert look(repo) == expected


def test_a_mixed_reset_drops_nothing_of_a_file_that_was_moved_and_not_committed(repo: Repo) -> None:
    repo.lane("doing")
    assert look(repo) == ["planned>doing"]
    path = moved(repo)
    repo.git("reset", "-q", "--mixed", "HEAD~1")
    assert "doing" in path.read_text("utf-8")
    assert look(repo) == ["planned>doing"]


def test_a_reflog_that_expired_is_read_on_from_where_it_starts_again(repo: Repo) -> None:
    repo.lane("doing")
    assert look(repo) == ["planned>doing"]
    repo.git("reflog", "expire", "--expire=all", "--all")
    repo.lane("for_review")
    repo.lane("done")
    assert look(repo, files=False) == ["planned>doing", "doing>for_review", "for_review>done"]
    repo.lane("planned")
    assert look(repo, files=False)[3:] == ["done>planned"]


def test_a_save_that_a_hard_reset_throws_away_is_taken_back_though_the_reset_brings_a_new_file(
    tmp_path: Path, repo: Repo
) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.write(log=["- 2026-02-03T12:00:00Z – bob – a question"])
    mate.commit("the mate's word")
    repo.write(lane="done")
    assert look(repo) == ["planned>done"]
    repo.git("fetch", "-q", mate.path, "main")
    repo.git("reset", "-q", "--hard", "FETCH_HEAD")
    assert look(repo) == ["planned>done", "done>planned"]


def test_a_save_is_told_after_the_reflog_was_written_anew(tmp_path: Path, repo: Repo) -> None:
    agent = agent_of(repo, tmp_path)
    agent.lane("doing")
    assert look(agent) == ["planned>doing"]
    size = Path(git.locate(str(agent.path)).git_dir, "logs", "HEAD").stat().st_size
    agent.git("reflog", "expire", "--expire=never", "--all")
    assert Path(git.locate(str(agent.path)).git_dir, "logs", "HEAD").stat().st_size != size
    agent.write(lane="for_review")
    assert look(agent) == ["planned>doing", "doing>for_review"]


def test_a_save_that_was_committed_and_left_behind_by_a_switch_is_not_told_again(repo: Repo) -> None:
    repo.git("branch", "topic")
    repo.write(lane="doing")
    assert look(repo) == ["planned>doing"]
    repo.commit("what was told")
    repo.git("switch", "-q", "topic")
    assert "planned" in repo.wp().read_text("utf-8")
    assert look(repo) == ["planned>doing"]


def test_a_work_package_that_left_the_index_and_stayed_as_it_was_tells_nothing(repo: Repo) -> None:
    repo.lane("done")
    repo.git("revert", "--no-edit", "HEAD")
    repo.git("switch", "-q", "-c", "topic", "HEAD~1")  # done here, though the board says planned by now
    known = ["planned>done", "done>planned"]
    assert look(repo) == known
    tasks = repo.wp().parent
    (tasks / "deep").mkdir()
    repo.git("mv", repo.wp(), tasks / "deep")
    repo.git("restore", "--source=HEAD", "--", tasks)
    repo.git("commit", "-q", "-a", "-m", "the file is in no commit now")
    assert repo.git("ls-files", "--others", "--", tasks).stdout.endswith("/WP01-build.md\n")
    assert look(repo) == known


def test_what_others_did_is_news_also_where_the_reflog_was_expired_before_it_came(tmp_path: Path, repo: Repo) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.write(lane="doing")
    mate.commit("the mate's")
    repo.write(lane="done")
    repo.commit("ours")
    assert look(repo) == ["planned>done"]
    repo.git("reflog", "expire", "--expire=all", "HEAD")
    repo.git("pull", "-q", "--no-rebase", "--no-edit", mate.path, "main", check=False)
    repo.write(lane="doing")
    repo.commit("resolved to theirs")
    assert look(repo) == ["planned>done"]
    repo.write(lane="for_review")
    assert look(repo) == ["planned>done", "doing>for_review"]


@pytest.mark.parametrize("how", ["as committed", "moved", "other words"])
def test_a_soft_reset_onto_a_branch_makes_every_file_that_stays_an_edit(repo: Repo, how: str) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.write(lane="for_review")
    repo.commit("on the topic")
    repo.git("switch", "-q", "main")
    if how == "moved":
        moved(repo)
    elif how == "other words":
        repo.write(body="in other words")
    assert look(repo) == ["planned>for_review"]
    repo.git("reset", "-q", "--soft", "topic")
    assert look(repo) == ["planned>for_review", "for_review>planned"]
    repo.commit("as it was on main")
    assert look(repo) == ["planned>for_review", "for_review>planned"]


def test_a_switch_after_a_reset_that_threw_a_save_away_tells_nothing(repo: Repo) -> None:
    repo.commit("start", "--allow-empty")
    repo.lane("doing")
    repo.lane("planned")
    repo.lane("planned", body="in other words")
    repo.write(lane="for_review")
    before = look(repo)
    repo.git("reset", "-q", "--hard", "HEAD~2")
    repo.git("switch", "-q", "--detach", "HEAD~1")
    assert 'lane: "planned"' in repo.wp().read_text("utf-8")
    assert look(repo) == [*before, "for_review>doing"]


@pytest.mark.parametrize("is_in_conflict", [True, False])
def test_a_commit_is_told_though_a_pick_under_way_lays_out_the_file_as_it_was_seen(
    repo: Repo, is_in_conflict: bool
) -> None:
    repo.lane("for_review", body="to be picked", log=["- 2026-02-03T12:00:00Z – ada – picked"])
    repo.write("WP02", body="theirs")
    repo.git("add", "-A")
    repo.git("commit", "-q", "--amend", "--no-edit")
    picked = repo.head()
    told_by_pick = look(repo)
    repo.git("revert", "--no-edit", "HEAD")
    repo.write("WP02", body="ours, in conflict with theirs")
    if is_in_conflict:
        repo.write(body="ours, in conflict, too", lane="planned")
    repo.git("commit", "-q", "-a", "-m", "ours")
    assert repo.git("cherry-pick", picked, check=False).returncode == 1
    assert look(repo, files=False)[len(told_by_pick) :] == ["for_review>planned"]


def test_a_worktree_added_after_a_pull_does_not_make_known_what_the_pull_brought(tmp_path: Path, repo: Repo) -> None:
    mate = Repo(tmp_path / "mate")
    repo.git("clone", "-q", repo.path, mate.path)
    mate.lane("doing")
    repo.git("pull", "-q", "--rebase", mate.path, "main")
    agent = agent_of(repo, tmp_path)
    assert look(agent, files=False, hook=("post-checkout", "", "", "1")) == []
    assert look(repo) == []
    repo.write(lane="for_review")
    assert look(repo) == ["doing>for_review"]


def test_a_rebase_of_another_branch_that_is_up_to_date_is_a_switch(repo: Repo) -> None:
    repo.git("branch", "base")
    repo.lane("doing")
    repo.git("switch", "-q", "-c", "other", "base")
    repo.lane("done")
    before = look(repo)
    repo.git("switch", "-q", "base")
    repo.git("rebase", "-q", "base", "main")
    assert repo.head("HEAD") == repo.head("main")
    assert look(repo) == before


def test_a_drop_of_a_file_that_was_elsewhere_and_is_gone_is_told(repo: Repo) -> None:
    repo.file("code.txt")
    repo.commit("code")
    path = moved(repo)
    path.write_text(path.read_text("utf-8").replace('"planned"', '"doing"'), "utf-8")
    repo.commit("move and begin")
    assert look(repo) == ["planned>doing"]
    repo.git("mv", path, repo.wp())
    repo.write(lane="done")
    repo.git("commit", "-q", "-a", "--amend", "--no-edit")
    repo.git("rm", "-q", repo.wp())
    repo.git("reset", "-q", "--mixed", "HEAD~1")
    assert look(repo, files=False) == ["planned>doing", "doing>done", "done>planned"]
