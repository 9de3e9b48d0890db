"""CATFLAP_LOG: what catflap does, in a file; nothing of it without, and no trouble of that file stops anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.world import Repo, told


def catflap(repo: Repo, *args: str, log: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "catflap", *args],
        cwd=repo.path,
        env={**os.environ, "CATFLAP_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_hook_writes_what_it_saw_what_it_told_and_what_git_took(repo: Repo, tmp_path: Path) -> None:
    log = tmp_path / "catflap.log"
    repo.write(lane="doing")
    repo.git("add", "-A")
    done = repo.git("commit", "-q", "-m", "begin", env={"CATFLAP_LOG": str(log)})
    assert (done.stdout, done.stderr) == ("", "")
    text = log.read_text("utf-8")
    assert f"catflap.door: hook post-commit in {repo.path}" in text
    assert f"catflap.observe: {repo.path}: commit, 1 work packages differ: commit: begin" in text
    assert f"catflap.observe: {repo.path}: told WPStatusChanged WP01; no room for 0" in text
    assert "catflap.git: diff-tree of 1 pairs of trees" in text
    assert all(line.endswith(" ms)") for line in text.splitlines() if "catflap.git: " in line)


def test_a_command_writes_too_and_prints_what_it_prints_without(repo: Repo, tmp_path: Path) -> None:
    log = tmp_path / "catflap.log"
    repo.write(lane="doing")
    quiet, loud = catflap(repo, "queue", "list", log=""), catflap(repo, "queue", "list", log=log)
    assert (quiet.stdout, quiet.stderr, quiet.returncode) == (loud.stdout, loud.stderr, loud.returncode)
    assert "catflap.door: catflap queue list" in log.read_text("utf-8")


def test_a_log_that_cannot_be_written_stops_no_hook_and_is_said_by_commands(repo: Repo, tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "catflap.log"
    repo.write(lane="doing")
    repo.git("add", "-A")
    done = repo.git("commit", "-q", "-m", "begin", env={"CATFLAP_LOG": str(nowhere)})
    assert done.stderr == ""
    assert told() == ["planned>doing"]
    listed = catflap(repo, "queue", "list", log=nowhere)
    assert listed.returncode == 0
    assert listed.stderr == (
        f"catflap: cannot write {nowhere}: No such file or directory; name another file in CATFLAP_LOG\n"
    )
