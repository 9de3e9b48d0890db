"""`catflap status`: what it shows, that it creates nothing, and what it says of state that cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from catflap.hookfiles import NAMES
from catflap.queue import CAPACITY
from tests.world import Repo, catflap, planned


def status(*args: str) -> Any:
    done = catflap("status", "--json", *args)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_status_works_on_a_fresh_home_and_creates_nothing(home: Path) -> None:
    found = status()
    assert found["home"] == str(home)
    assert (found["version"], found["clock"], found["repositories"]) == ("0.1.0", 0, [])
    assert len(found["node_id"]) == 12
    assert found["watcher"] == {"running": False, "pid": None, "since": None, "heartbeat": None, "polled": []}
    assert found["queue"] == {"size": 0, "parked": 0, "capacity": CAPACITY, "oldest": None}
    assert (found["connection"], found["last_sync"], found["team"]) == ("Offline", None, "local")
    assert "none; run `catflap install` in one" in catflap("status").stdout
    assert not home.exists()


def test_status_shows_repositories_hooks_views_queue_and_clock(repo: Repo, home: Path) -> None:
    repo.lane("doing")
    repo.git("worktree", "add", "-q", "../side")
    Repo(repo.path.parent / "side").lane("doing", "WP02")
    found = status()
    [one] = found["repositories"]
    assert one["path"] == str(repo.path)
    assert one["hooks"] == dict.fromkeys(NAMES, "ours")
    assert [view["path"] for view in one["views"]] == [str(repo.path), str(repo.path.parent / "side")]
    assert one["views"][0]["head"] == repo.head()
    assert (found["clock"], found["queue"]["size"], found["queue"]["parked"]) == (2, 2, 0)
    assert found["queue"]["oldest"] is not None
    assert found["node_id"] == json.loads((home / "clock.json").read_text())["node_id"]
    text = catflap("status").stdout
    assert f"repository  {repo.path}: hooks in place, 2 worktrees\n" in text
    assert "2 of 10,000 events, 0 parked, the oldest since 20" in text


def test_status_names_hooks_that_are_not_in_place(repo: Repo) -> None:
    hooks = repo.path / ".git" / "hooks"
    (hooks / "post-commit").unlink()
    (hooks / "post-merge").write_text("#!/bin/sh\n")
    [one] = status()["repositories"]
    assert (one["hooks"]["post-commit"], one["hooks"]["post-merge"]) == ("absent", "not ours")
    assert "post-commit is absent, post-merge is not ours; run `catflap install` there" in catflap("status").stdout
    repo.git("config", "core.hooksPath", "elsewhere")
    assert set(status()["repositories"][0]["hooks"].values()) == {"absent"}


def test_status_knows_an_install_without_hooks(tmp_path: Path) -> None:
    planned(tmp_path / "project").install("--no-hooks")
    assert status()["repositories"][0]["hooks"] == {}
    assert "no hooks, 1 worktree" in catflap("status").stdout


def test_status_says_that_a_repository_is_gone(repo: Repo) -> None:
    shutil.rmtree(repo.path)
    [one] = status()["repositories"]
    assert (one["is_there"], one["hooks"], one["views"][0]["path"]) == (False, {}, None)
    assert "not there any more; run `catflap install` where it is now" in catflap("status").stdout
    planned(repo.path / "inner")
    assert status()["repositories"][0]["is_there"] is False


@pytest.mark.parametrize("content", ["not a database, but text\n" * 100, None])
def test_status_says_why_the_queue_cannot_be_used_and_shows_the_rest(home: Path, content: str | None) -> None:
    home.mkdir()
    path = home / "queue.db"
    path.mkdir() if content is None else path.write_text(content)
    done = catflap("status", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert (found["queue"]["size"], found["queue"]["parked"], found["queue"]["capacity"]) == (None, None, CAPACITY)
    assert found["problems"] == [done.stderr.removeprefix("catflap: ").rstrip("\n")]
    assert f"cannot use the queue {path}: " in done.stderr
    assert "queue       cannot be used" in catflap("status").stdout


@pytest.mark.parametrize("content", ["", "{", '{"value": -1}', "[]", None])
def test_status_says_that_the_clock_is_damaged_and_what_comes_then(repo: Repo, home: Path, content: str | None) -> None:
    repo.lane("doing")
    path = home / "clock.json"
    path.unlink()
    path.mkdir() if content is None else path.write_text(content)
    done = catflap("status", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["clock"]) == (1, 1)
    assert (
        f"cannot use the clock {path}: it is damaged; the next event sets it aside and counts on from 1" in done.stderr
    )
    assert path.exists()


def test_status_says_that_the_home_is_no_folder(home: Path) -> None:
    home.write_text("a file")
    done = catflap("status", "--json")
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["problems"]) == 1
    assert f"cannot use the queue {home}: " in done.stderr
