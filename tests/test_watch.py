"""The watcher: a saved work package is told without a commit, whatever happens to the watcher meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.watching import Watch, wait_for, wait_told
from tests.world import FEATURE, Repo, catflap, events, planned, short, told, wp_text


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Feature 001-demo, registered without hooks."""
    made = planned(tmp_path / "project")
    made.install("--no-hooks")
    return made


@pytest.fixture
def watch(repo: Repo, tmp_path: Path) -> Watch:
    assert repo.path.is_dir()
    return Watch(tmp_path / "watch.out")


def status() -> dict[str, object]:
    done = catflap("status", "--json")
    found: dict[str, object] = json.loads(done.stdout)["watcher"]
    return found


# -- what is seen


def test_a_save_is_told_and_its_commit_is_not(repo: Repo, watch: Watch) -> None:
    with watch:
        repo.write(lane="doing", agent="claude")
        wait_told(["planned>doing"])
        repo.commit("what was told")
        repo.write("WP02", "doing")
        wait_told(["planned>doing", "WP02 planned>doing"])
        assert len(events()) == 3


def test_a_commit_is_told_from_the_reflog_alone(repo: Repo, watch: Watch) -> None:
    with watch:
        (repo.path / ".git" / "index.lock").touch()  # a git operation is under way: no file is looked at
        repo.write(lane="doing")
        (repo.path / ".git" / "index.lock").unlink()
        repo.commit("quick")
        wait_told(["planned>doing"])


def test_a_feature_that_appears_is_told_whole(repo: Repo, watch: Watch) -> None:
    with watch:
        for wp in ("WP01", "WP02", "WP03"):
            repo.write(wp, feature="002-new")
        wait_for(lambda: len(events()) >= 4)
        found = [short(event) for event in events()]
        assert found == ["feature 002-new of 3", "created", "WP02 created", "WP03 created"]
        repo.write("WP03", "doing", feature="002-new")
        wait_told(["WP03 planned>doing"])


def test_kitty_specs_may_go_and_come_back_and_be_replaced(repo: Repo, watch: Watch) -> None:
    with watch:
        specs = repo.path / "kitty-specs"
        shutil.move(specs, repo.path / "elsewhere")
        repo.write("WP01", "doing")
        wait_told(["planned>doing"])
        shutil.rmtree(specs)
        (repo.path / "elsewhere").rename(specs)
        repo.write("WP02", "for_review")
        wait_for(lambda: "WP02 planned>for_review" in told())


def test_folders_below_tasks_are_watched_as_they_come(repo: Repo, watch: Watch) -> None:
    with watch:
        deep = repo.wp().parent / "doing" / "later"
        deep.mkdir(parents=True)
        wait_for(lambda: watch.process is not None)
        (deep / "WP07-deep.md").write_text(wp_text("WP07", None))
        wait_told(["WP07 planned>doing"])


def test_worktrees_are_picked_up_and_let_go(repo: Repo, watch: Watch, tmp_path: Path) -> None:
    with watch:
        agent = Repo(tmp_path / "agent")
        repo.git("worktree", "add", "-q", "-b", "agent", agent.path)
        wait_for(lambda: "watching 2 worktrees of 1 repositories" in watch.lines)
        agent.write(lane="doing")
        wait_told(["planned>doing"])
        agent.commit("there")
        repo.git("worktree", "remove", agent.path)
        wait_for(lambda: watch.lines[-1] == "watching 1 worktrees of 1 repositories")
        repo.git("merge", "-q", "agent")
        repo.write("WP02", "doing")
        wait_told(["planned>doing", "WP02 planned>doing"])


def test_a_worktree_whose_folder_is_taken_away_is_let_go_and_found_again(
    repo: Repo, watch: Watch, tmp_path: Path
) -> None:
    agent = Repo(tmp_path / "agent")
    repo.git("worktree", "add", "-q", "-b", "agent", agent.path)
    with watch:
        agent.path.rename(tmp_path / "moved")
        wait_for(lambda: watch.lines[-1] == "watching 1 worktrees of 1 repositories")
        repo.git("worktree", "repair", tmp_path / "moved")
        wait_for(lambda: watch.lines[-1] == "watching 2 worktrees of 1 repositories")
        Repo(tmp_path / "moved").write(lane="doing")
        wait_told(["planned>doing"])


def test_a_repository_is_watched_from_its_install_on(repo: Repo, watch: Watch, tmp_path: Path) -> None:
    other = planned(tmp_path / "other")
    with watch:
        other.install()
        wait_for(lambda: "watching 2 worktrees of 2 repositories" in watch.lines)
        other.write(lane="doing")
        wait_told(["planned>doing"])
        assert catflap("uninstall", other.path).returncode == 0
        wait_for(lambda: watch.lines[-1] == "watching 1 worktrees of 1 repositories")
        repo.write(lane="for_review")
        wait_told(["planned>doing", "planned>for_review"])


def test_what_somebody_is_typing_is_no_error(repo: Repo, watch: Watch) -> None:
    with watch:
        for lane in ("d", "do", "doin", "doing"):
            repo.write(lane=lane)
            repo.write("WP02", lane)
        wait_for(lambda: len(told()) == 2)
        assert told() == ["planned>doing", "WP02 planned>doing"]


def test_where_no_events_come_files_are_polled(repo: Repo, tmp_path: Path) -> None:
    with Watch(tmp_path / "watch.out", "--poll") as polling:
        assert f"{repo.path} is polled: no events come from there" in polling.lines
        assert status()["polled"] == [str(repo.path)]
        repo.write(lane="doing")
        wait_told(["planned>doing"])
        repo.lane("for_review")
        wait_told(["planned>doing", "doing>for_review"])


# -- hooks beside it


def test_a_hook_leaves_a_note_for_a_watcher_that_is_alive(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.install()
    marker = tmp_path / "python-ran"
    shim = repo.path / ".git" / "hooks" / "post-commit"
    python = next(line for line in shim.read_text().splitlines() if line.startswith("python="))
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\n: >'{marker}'\nexec {python.partition('=')[2]} \"$@\"\n")
    spy.chmod(0o755)
    shim.write_text(shim.read_text().replace(python, f"python='{spy}'"))
    watch = Watch(tmp_path / "watch.out")
    with watch:
        repo.lane("doing")
        wait_told(["planned>doing"])
        assert not marker.exists()
        watch.kill()
        repo.lane("for_review")
        assert told() == ["planned>doing", "doing>for_review"]
        assert marker.exists()
        watch.start()
        repo.lane("done")
        wait_told(["planned>doing", "doing>for_review", "for_review>done"])
    repo.lane("planned")
    assert told()[-1] == "done>planned"


# -- life


def test_24_what_happened_while_it_was_dead_is_told_commit_by_commit(repo: Repo, watch: Watch) -> None:
    with watch:
        repo.write(lane="doing")
        wait_told(["planned>doing"])
        watch.kill()
        repo.commit("told")
        repo.lane("for_review")
        repo.lane("doing")
        repo.write("WP02", "doing")
        watch.start()
        wait_told(["planned>doing", "doing>for_review", "for_review>doing", "WP02 planned>doing"])


def test_it_ends_with_0_and_lets_the_hooks_do_the_work(repo: Repo, watch: Watch, home: Path) -> None:
    with watch:
        assert status()["running"] is True
        assert status()["pid"] == watch.pid
        assert watch.stop() == 0
    assert status()["running"] is False
    assert not list(home.rglob("watched"))
    assert not (home / "watch.json").exists()
    assert "catflap:" not in catflap("status").stderr
    assert repo.path.is_dir()


def test_there_is_one_watcher_per_user(watch: Watch) -> None:
    with watch:
        second = catflap("watch")
        assert second.returncode == 1
        assert f"one runs already, process {watch.pid} since " in second.stderr
        assert "stop it first, or leave it to it" in second.stderr


def test_a_watcher_that_died_is_missed_by_every_command(repo: Repo, watch: Watch) -> None:
    with watch:
        watch.kill()
    for verb in (["status"], ["queue", "list"]):
        assert "catflap: the watcher does not run since " in catflap(*verb).stderr
    assert "the watcher does not run" in catflap("observe", repo.path).stderr
    assert "the watcher does not run" in catflap("check", repo.wp(), cwd=repo.path).stderr


def test_sighup_reads_the_registry_anew(watch: Watch) -> None:
    with watch:
        before = len(watch.lines)
        os.kill(watch.pid, signal.SIGHUP)
        wait_for(lambda: len(watch.lines) > before)
        assert watch.lines[-1] == "watching 1 worktrees of 1 repositories"


def test_trouble_in_one_repository_does_not_stop_the_others(repo: Repo, watch: Watch, tmp_path: Path) -> None:
    other = planned(tmp_path / "other")
    other.install("--no-hooks")
    with watch:
        oid = other.head("HEAD^{tree}")
        other.write(lane="doing")
        other.git("add", "-A")
        wait_told(["planned>doing"])
        (other.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
        other.git("commit", "-q", "-m", "on a damaged repository", check=False)
        repo.write(lane="doing")
        wait_told(["planned>doing", "planned>doing"])
        shutil.rmtree(other.path)
        repo.write("WP02", "doing")
        wait_told(["planned>doing", "planned>doing", "WP02 planned>doing"])
        wait_for(lambda: any(line.startswith(str(other.path)) for line in watch.lines))


def test_only_the_named_worktrees_are_watched(repo: Repo, tmp_path: Path) -> None:
    other = planned(tmp_path / "other")
    other.install("--no-hooks")
    with Watch(tmp_path / "watch.out", other.path) as watch:
        assert watch.lines[-1] == "watching 1 worktrees of 1 repositories"
        repo.write(lane="doing")
        other.write(lane="for_review")
        wait_told(["planned>for_review"])
    assert events()[0]["payload"]["feature_slug"] == FEATURE
