"""What the hook adds to a whole `git commit`, in milliseconds, beside the processes that it cannot do without.

Two checkouts of the same history take turns: one with catflap's hooks, one with empty `#!/bin/sh` hooks. What the
hook adds in a round is the difference of their two commits; every floor is measured in the same round.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.table import Aim, Row, table
from catflap.hookfiles import NAMES

PYTHON = str(Path(sys.executable).absolute())
FEATURES, WPS = 12, 8
LANES = ("planned", "doing")
BARE = "python3 -I -c 'import sqlite3, yaml, ulid, filelock'"
SQLITE = "python3 -I -S -c 'import sqlite3'"
DIFF_TREE = "git diff-tree"


class Checkout:
    """A repository with work packages and code, and hooks of one kind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits = 0
        path.mkdir()
        self.git("init", "-q")
        for feature in range(FEATURES):
            for wp in range(1, WPS + 1):
                self.write_wp(feature, wp, "planned")
        self.code()
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "plan")

    def git(self, *args: str) -> None:
        subprocess.run(["git", *args], cwd=self.path, check=True)

    def write_wp(self, feature: int, wp: int, lane: str) -> None:
        """A work package as Spec Kitty writes it: some 4 KB, a log that grows."""
        path = self.path / "kitty-specs" / f"{feature:03}-feature" / "tasks" / f"WP{wp:02}-part.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        log = f"- 2026-02-03T12:00:00Z – claude – lane={lane} – commit {self.commits}\n"
        front = f'work_package_id: "WP{wp:02}"\ntitle: "Part {wp}"\nlane: "{lane}"\nagent: "claude"\ndependencies: []\n'
        body = "Do this part well.\n" * 200
        path.write_text(f"---\n{front}---\n\n# Part {wp}\n\n{body}\n## Activity Log\n\n{log}", encoding="utf-8")

    def code(self) -> None:
        (self.path / "code.txt").write_text(f"{self.commits}\n", encoding="utf-8")

    def commit_ms(self, edit: Callable[[], None]) -> float:
        """How long one `git commit -a` takes after ``edit``."""
        self.commits += 1
        edit()
        return elapsed_ms(["git", "commit", "-q", "-a", "-m", "work"], cwd=self.path)

    def edit_wp(self) -> None:
        self.write_wp(3, 4, LANES[self.commits // 2 % 2])


def added_ms(ours: Checkout, empty: Checkout, edit: Callable[[Checkout], None]) -> float:
    """How much longer our commit takes than the other; who goes first, into cold caches, takes turns."""
    order = (ours, empty) if ours.commits // 2 % 2 else (empty, ours)
    times = {checkout.path: checkout.commit_ms(partial(edit, checkout)) for checkout in order}
    return times[ours.path] - times[empty.path]


def elapsed_ms(command: Sequence[str], cwd: Path) -> float:
    """The wall clock's milliseconds from the start of a process to its end."""
    started = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def build(place: Path) -> tuple[Checkout, Checkout]:
    """The checkout with catflap's hooks and the one with empty ones."""
    ours, empty = Checkout(place / "ours"), Checkout(place / "empty")
    install = [PYTHON, "-m", "catflap", "install", str(ours.path)]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    for name in NAMES:
        hook = empty.path / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\n", encoding="utf-8")
        hook.chmod(0o755)
    for checkout in (ours, empty):
        checkout.commit_ms(checkout.code)
    return ours, empty


def measure(rounds: int) -> tuple[list[Row], list[Row]]:
    """Per round what the hook adds to a commit elsewhere and to one of a work package, and the floors of each."""
    elsewhere: dict[str, list[float]] = {}
    changed: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        ours, empty = build(Path(place))
        for _ in range(rounds):
            added = added_ms(ours, empty, Checkout.code)
            elsewhere.setdefault("the hook adds", []).append(added)
            for name, command in {
                DIFF_TREE: ["git", "diff-tree", "--quiet", "HEAD~1", "HEAD", "--", "kitty-specs"],
                "git rev-parse HEAD:kitty-specs": ["git", "rev-parse", "HEAD:kitty-specs"],
                "an empty sh": ["/bin/sh", "-c", ":"],
            }.items():
                elsewhere.setdefault(name, []).append(elapsed_ms(command, ours.path))
            added = added_ms(ours, empty, Checkout.edit_wp)
            changed.setdefault("the hook adds", []).append(added)
            for name, command in {
                BARE: [PYTHON, "-I", "-c", "import sqlite3, yaml, ulid, filelock"],
                SQLITE: [PYTHON, "-I", "-S", "-c", "import sqlite3"],
                "python3 -I -S -c pass": [PYTHON, "-I", "-S", "-c", "pass"],
            }.items():
                changed.setdefault(name, []).append(elapsed_ms(command, ours.path))
        check_told(Path(os.environ["SPEC_KITTY_HOME"]), rounds)
    return rows(elsewhere), rows(changed)


def rows(found: dict[str, list[float]]) -> list[Row]:
    return [Row(name, times) for name, times in found.items()]


def check_told(home: Path, rounds: int) -> None:
    """A hook that tells nothing would be fast: each round's commit of a work package must be in the queue."""
    from catflap import OfflineQueue

    with OfflineQueue(home / "queue.db") as queue:
        told = sum(event["event_type"] == "WPStatusChanged" for event in queue.drain_queue(limit=10_000))
    if told != rounds:
        raise SystemExit(f"the hook told {told} of {rounds} changes: this measures nothing")


def main() -> None:
    """Print both tables; `--rounds` is how many pairs of commits each has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(SPEC_KITTY_HOME=home, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=f"{home}/gitconfig")
        Path(home, "gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n[gc]\n\tauto = 0\n")
        elsewhere, changed = measure(rounds)
    print(
        table(
            "A commit that touches nothing under kitty-specs/", "ms", elsewhere, [Aim(DIFF_TREE, 1.5, at_least=False)]
        )
    )
    print(table("A commit that changes one work package", "ms", changed, [Aim(BARE, 1.2, at_least=False)]))


if __name__ == "__main__":
    main()
