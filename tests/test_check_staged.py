"""`catflap check --staged` on real repositories: the index, the hooks of git, and git in the middle of something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from catflap import git
from catflap.commands.check import check
from catflap.errors import BadInput
from tests.checking import TASKS, WP01, WP02, Run, diverged
from tests.world import Repo, planned, wp_text


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Feature 001-demo with WP01 to WP04 planned and committed, and we are in it. `check` needs no install."""
    made = planned(tmp_path / "project")
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


def pre_commit(repo: Repo, *args: str) -> None:
    """Put `catflap check` in place as this repository's pre-commit hook."""
    hook = repo.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m catflap check {" ".join(args)}\n')
    hook.chmod(0o755)


# -- the index


def test_staged_reads_the_index_and_not_the_files(repo: Repo, run: Run) -> None:
    repo.write("WP01", "dong")
    assert run.places(staged=True) == []
    repo.git("add", "-A")
    repo.write("WP01", "doing")
    assert run.places(staged=True) == [f"{WP01}:4"]
    assert run.places(WP01, staged=True) == [f"{WP01}:4"]
    assert run.places() == []


def test_staged_does_not_hold_up_a_commit_for_what_was_wrong_before(repo: Repo, run: Run) -> None:
    repo.write("WP01", "dong")
    repo.write("WP02", "planned", depends=["WP09"])
    repo.commit("broken")
    repo.write("WP03", "doing")
    repo.git("add", "-A")
    assert run.places(staged=True) == []
    assert run.places() == [f"{WP01}:4", f"{WP02}:6"]
    repo.write("WP01", "dong", body="Touched.")
    repo.git("add", "-A")
    assert run.places(staged=True) == [f"{WP01}:4"]


def test_staged_finds_what_a_commit_breaks_elsewhere(repo: Repo, run: Run) -> None:
    repo.write("WP02", "planned", depends=["WP01"])
    repo.commit("depend")
    repo.git("rm", "-q", WP01)
    assert run.places(staged=True) == [f"{WP02}:6"]


def test_a_staged_link_is_named(repo: Repo, run: Run) -> None:
    (repo.path / TASKS / "WP07-link.md").symlink_to("/etc/passwd")
    repo.git("add", "-A")
    assert run.places(staged=True) == [f"{TASKS}/WP07-link.md:1"]


def test_a_file_that_is_not_staged_is_a_usage_error(repo: Repo) -> None:
    repo.write("WP09", "planned")
    with pytest.raises(BadInput, match="not staged"):
        check([repo.wp("WP09")], staged=True)


@pytest.mark.parametrize("how", [["-a"], ["--", WP01], ["--include", "--", WP01]])
def test_the_pre_commit_hook_sees_what_this_commit_takes(repo: Repo, how: list[str]) -> None:
    """git gives such a commit an index of its own, in GIT_INDEX_FILE."""
    pre_commit(repo, "--staged")
    repo.write("WP01", "dong")
    done = repo.git("commit", "-q", "-m", "x", *how, check=False)
    assert done.returncode == 1
    assert f"{WP01}:4:7: lane 'dong'" in done.stdout + done.stderr
    repo.write("WP01", "doing")
    repo.git("commit", "-q", "-m", "x", *how)


def test_a_partial_commit_leaves_out_what_is_staged_besides(repo: Repo) -> None:
    pre_commit(repo, "--staged")
    repo.write("WP02", "dong")
    repo.git("add", "-A")
    repo.write("WP01", "doing")
    repo.git("commit", "-q", "-m", "x", "--", WP01)


def test_the_hook_of_a_linked_worktree_sees_its_own_index(repo: Repo) -> None:
    pre_commit(repo, "--staged")
    repo.git("worktree", "add", "-q", "../side")
    side = Repo(repo.path.parent / "side")
    side.write("WP01", "dong")
    assert side.git("commit", "-q", "-a", "-m", "x", check=False).returncode == 1
    repo.write("WP01", "doing")
    repo.git("commit", "-q", "-a", "-m", "x")


def test_staged_and_named_finds_what_the_commit_breaks_in_files_that_it_does_not_touch(repo: Repo, run: Run) -> None:
    repo.write("WP02", "planned", depends=["WP01"])
    repo.write("WP04", "planned", depends=["WP09"])
    repo.commit("depend, and once on nothing")
    repo.git("rm", "-q", WP01)
    repo.write("WP03", "dong")
    repo.git("add", "-A")
    repo.write("WP04", "dong")
    assert run.places(f"{TASKS}/WP04-build.md", staged=True) == [f"{WP02}:6", f"{TASKS}/WP04-build.md:6"]


@pytest.mark.usefixtures("repo")
def test_the_index_of_another_repository_is_not_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = planned(tmp_path / "other")
    other.write("WP01", "dong")
    other.git("add", "-A")
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / ".git" / "index"))
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    assert run.places(staged=True) == []


def test_check_changes_nothing(repo: Repo, run: Run) -> None:
    repo.write("WP01", "dong")
    git_files = {path: path.stat().st_mtime_ns for path in (repo.path / ".git").rglob("*")}
    run()
    run(staged=True)
    assert {path: path.stat().st_mtime_ns for path in (repo.path / ".git").rglob("*")} == git_files
    assert not Path(os.environ["SPEC_KITTY_HOME"]).exists()


def test_what_a_hook_calls_starts_without_the_command_lines_framework(repo: Repo) -> None:
    repo.lane("dong")
    for words in (["check"], ["check", "--staged"], ["check", "--staged", WP01]):
        command = [sys.executable, "-X", "importtime", "-m", "catflap", *words]
        done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
        assert done.returncode == (0 if words == ["check", "--staged"] else 1)
        assert "catflap.lint" in done.stderr
        assert "typer" not in done.stderr


# -- git in the middle of something


def test_a_merge_may_bring_several_steps(repo: Repo, run: Run) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.lane("for_review")
    repo.git("switch", "-q", "main")
    repo.file("other.txt")
    repo.commit()
    repo.git("merge", "-q", "--no-commit", "topic")
    assert run.places(staged=True) == []
    repo.write("WP01", "planned")
    repo.git("add", "-A")
    assert run.places(staged=True) == []
    repo.write("WP01", "done")
    repo.git("add", "-A")
    assert run.places(staged=True) == []
    assert run.places() == []


def test_what_is_not_merged_yet_is_named(repo: Repo, run: Run) -> None:
    diverged(repo, "doing", "done")
    repo.git("merge", "-q", "topic", check=False)
    code, [line] = run(staged=True)
    assert (code, line) == (1, f"{WP01}:1:1: not merged yet; resolve the conflict and `git add` it [conflict]")
    assert "conflict marker" in run()[1][0]
    repo.wp("WP01").write_text(wp_text("WP01", "for_review"))
    repo.git("add", "-A")
    assert run.places(staged=True) == []


@pytest.mark.parametrize(
    "how", [["merge", "-q", "--squash", "topic"], ["cherry-pick", "-n", "topic"], ["revert", "--no-commit", "HEAD"]]
)
def test_steps_are_not_judged_while_git_makes_commits_anew(repo: Repo, run: Run, how: list[str]) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.git("switch", "-q", "main")
    repo.lane("doing", "WP02")
    repo.git(*how)
    judged = how[0] == "cherry-pick"  # -n leaves no trace of itself, and this step is legal
    assert run.places(staged=True) == []
    assert ("are not judged" in run.said) is not judged
    repo.write("WP03", "dong")
    repo.git("add", "-A")
    assert run.places(staged=True) == [f"{TASKS}/WP03-build.md:4"]


def test_a_rebase_that_stopped_is_not_judged_by_its_steps(repo: Repo, run: Run) -> None:
    diverged(repo, "doing", "done")
    repo.git("rebase", "-q", "topic", check=False)
    repo.write("WP01", "planned")
    repo.git("add", "-A")
    assert run.places(staged=True) == []


# -- what check asks git


def test_staged_paths_are_named_once_with_their_state(repo: Repo) -> None:
    diverged(repo, "doing", "done")
    repo.git("merge", "-q", "topic", check=False)
    found = {one.path: one for one in git.staged(git.locate(str(repo.path)))}
    assert sorted(found) == [f"{TASKS}/WP0{i}-build.md" for i in range(1, 5)]
    assert (found[WP01].oid, found[WP01].is_merged) == (None, False)
    assert found[WP02].oid == repo.head(f"HEAD:{WP02}")
    assert not any(one.is_sparse for one in found.values())
