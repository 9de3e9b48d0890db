"""A world for tests: real repositories with work packages, real git, the real hook, and what the queue then holds."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FEATURE = "001-demo"


def catflap(
    *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The real command, as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "catflap", *map(str, args)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def events() -> list[dict[str, Any]]:
    """Every event in the queue of this test's home, in queue order."""
    path = Path(os.environ["SPEC_KITTY_HOME"]) / "queue.db"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        return [json.loads(row[0]) for row in connection.execute("SELECT data FROM queue ORDER BY id")]
    finally:
        connection.close()


def short(event: Mapping[str, Any]) -> str:
    """``planned>doing``, with the work package in front when it is not WP01."""
    payload = event["payload"]
    wp = payload.get("wp_id")
    prefix = f"{wp} " if wp and wp != "WP01" else ""
    match event["event_type"]:
        case "WPStatusChanged":
            return f"{prefix}{payload['previous_status']}>{payload['new_status']}"
        case "WPAssigned":
            return f"{prefix}assigned {payload['agent_id']} {payload['phase']} {payload['retry_count']}"
        case "HistoryAdded":
            return f"{prefix}{payload['entry_type']} {payload['author']}: {payload['entry_content']}"
        case "DependencyResolved":
            return f"{prefix}free of {payload['dependency_wp_id']}"
        case "FeatureCreated":
            return f"feature {payload['feature_slug']} of {payload['wp_count']}"
        case "FeatureCompleted":
            return f"completed {payload['feature_slug']} of {payload['total_wps']}"
        case "WPCreated":
            return f"{prefix}created"
        case _:
            return f"{prefix}error"


def wp_text(
    wp_id: str = "WP01",
    lane: str | None = "planned",
    *,
    title: str | None = None,
    agent: str = "",
    depends: Iterable[str] = (),
    body: str = "Do it.\n",
    log: Iterable[str] = (),
) -> str:
    """A work package file in the frontmatter era's shape."""
    lines = ["---", f"work_package_id: {wp_id}", f"title: {title or f'Build {wp_id}'}"]
    if lane is not None:
        lines.append(f'lane: "{lane}"')
    lines.append(f'agent: "{agent}"')
    lines.append(f"dependencies: [{', '.join(depends)}]")
    lines += ["---", "", f"# {wp_id}", "", body]
    if log:
        lines += ["## Activity Log", "", *log]
    return "\n".join(lines) + "\n"


class Repo:
    """One checkout (or linked worktree) driven by real git."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def init(cls, path: Path, *args: str) -> Repo:
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        repo.git("init", "-q", *args)
        return repo

    def git(
        self, *args: str | Path, check: bool = True, env: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["git", *map(str, args)],
            cwd=self.path,
            env={**os.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"git {args}: {done.stdout}{done.stderr}"
        return done

    def wp(self, wp_id: str = "WP01", *, feature: str = FEATURE) -> Path:
        return self.path / "kitty-specs" / feature / "tasks" / f"{wp_id}-build.md"

    def write(
        self, wp_id: str = "WP01", lane: str | None = "planned", *, feature: str = FEATURE, **fields: Any
    ) -> Path:
        path = self.wp(wp_id, feature=feature)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wp_text(wp_id, lane, **fields), encoding="utf-8", newline="")
        return path

    def file(self, name: str, text: str = "x\n") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def commit(self, message: str = "work", *args: str) -> subprocess.CompletedProcess[str]:
        self.git("add", "-A")
        return self.git("commit", "-q", "-m", message, *args)

    def lane(self, lane: str, wp_id: str = "WP01", **fields: Any) -> None:
        """Edit the lane and commit."""
        self.write(wp_id, lane, **fields)
        self.commit(f"{wp_id} to {lane}")

    def head(self, rev: str = "HEAD") -> str:
        return self.git("rev-parse", rev).stdout.strip()

    def install(self, *args: str) -> None:
        done = catflap("install", self.path, *args)
        assert done.returncode == 0, done.stdout + done.stderr

    def observe(self) -> None:
        done = catflap("observe", self.path)
        assert done.returncode == 0, done.stdout + done.stderr


def planned(path: Path, *init: str, feature: str = FEATURE) -> Repo:
    """The start of git-life's cases: WP01 to WP04 planned and committed; not yet installed."""
    repo = Repo.init(path, *init)
    for number in range(1, 5):
        repo.write(f"WP0{number}", "planned", feature=feature)
    repo.file("README.md")
    repo.commit("plan")
    return repo


def partial_clone(origin: Repo, path: Path) -> Repo:
    """A clone without the blobs that its checkout does not need, and with nobody to ask for them any more."""
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.git("clone", "-q", "--filter=blob:none", f"file://{origin.path}", path)
    repo = Repo(path)
    repo.git("config", "remote.origin.url", f"file://{path.parent / 'gone' / path.name}")
    return repo


def many_refs(repo: Repo, count: int) -> None:
    """So many tags at HEAD, packed."""
    head = repo.head()
    repo.git("update-ref", "--stdin", stdin="".join(f"create refs/tags/t{number} {head}\n" for number in range(count)))
    repo.git("pack-refs", "--all")


def told(*, statuses_only: bool = True) -> list[str]:
    """What was told so far, in short; by default status changes and errors only."""
    kinds = {"WPStatusChanged", "ErrorLogged"}
    return [short(event) for event in events() if not statuses_only or event["event_type"] in kinds]


def board() -> dict[tuple[str, str], str]:
    """What the events so far say each work package's status is."""
    found: dict[tuple[str, str], str] = {}
    for event in events():
        payload = event["payload"]
        if event["event_type"] == "WPStatusChanged":
            key = (payload["feature_slug"], payload["wp_id"])
            assert found.get(key, payload["previous_status"]) == payload["previous_status"], f"a hole at {key}"
            found[key] = payload["new_status"]
    return found


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
