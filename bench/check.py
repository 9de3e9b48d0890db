"""What `catflap check` costs on 300 work packages, in milliseconds, beside a bare C-loader parse of their frontmatter.

The floor reads the same files and hands what stands between their two `---` to `yaml.CSafeLoader`: no rule, no git.
Work is measured inside one process, and whole processes beside each other, each in the same round.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from time import perf_counter

import yaml

from bench.table import Aim, Row, table
from catflap.commands.check import check

PYTHON = str(Path(sys.executable).absolute())
FEATURES, WPS = 30, 10
HISTORY = 4
BARE = "yaml.load(…, CSafeLoader) of 300"
BARE_PROCESS = "python3 -I -c 'yaml.load(…, CSafeLoader)' of 300"
SCRIPT = """
import sys, yaml
from pathlib import Path
for path in Path(sys.argv[1]).glob("kitty-specs/*/tasks/WP*.md"):
    yaml.load(path.read_text("utf-8").split("\\n---\\n", 1)[0][4:], yaml.CSafeLoader)
"""


def wp_text(wp: int, lane: str) -> str:
    """A work package as Spec Kitty writes it: 0.8 KB of frontmatter, 14 KB in all."""
    rows = "".join(
        f"- timestamp: '2026-02-0{row + 1}T12:00:00Z'\n  lane: {lane}\n  agent: claude\n"
        f"  shell_pid: '{4000 + row}'\n  action: 'Row {row}: tests pass, ready to go on'\n"
        for row in range(HISTORY)
    )
    depends = f"\n- WP{wp - 1:02}" if wp > 1 else " []"
    front = (
        f"work_package_id: WP{wp:02}\ntitle: 'Part {wp}: the door'\nlane: {lane}\ndependencies:{depends}\n"
        f"subtasks: [T0{wp}1, T0{wp}2, T0{wp}3]\nphase: 'Phase 1'\nassignee: ''\nagent: claude\nhistory:\n{rows}"
    )
    return f"---\n{front}---\n\n# Part {wp}\n\n" + "Do this part well, and say what you did.\n" * 330


def build(place: Path) -> Path:
    """A repository whose 300 work packages are committed."""
    repo = place / "repo"
    write(repo, "planned")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "plan"]):
        subprocess.run(["git", *command], cwd=repo, check=True)
    return repo


def write(repo: Path, lane: str) -> None:
    """Put every work package in this lane, each on what WP01 depends on: nothing."""
    for feature in range(FEATURES):
        folder = repo / "kitty-specs" / f"{feature:03}-feature" / "tasks"
        folder.mkdir(parents=True, exist_ok=True)
        for wp in range(1, WPS + 1):
            (folder / f"WP{wp:02}-part.md").write_text(wp_text(wp, lane), encoding="utf-8")


def parse_all(repo: Path) -> None:
    """The floor."""
    for path in repo.glob("kitty-specs/*/tasks/WP*.md"):
        yaml.load(path.read_text("utf-8").split("\n---\n", 1)[0][4:], yaml.CSafeLoader)


def check_all(repo: Path) -> None:
    """The verb itself, as the command line calls it."""
    with chdir(repo), redirect_stdout(StringIO()):
        assert check([]) == 0


def elapsed_ms(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def rounds(contenders: Mapping[str, Callable[[], object]], count: int) -> list[Row]:
    """Every contender once before, for the caches, and then in each round."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(count + 1):
        for name, work in contenders.items():
            taken = elapsed_ms(work)
            if turn:
                times[name].append(taken)
    return [Row(name, taken) for name, taken in times.items()]


def run(command: Sequence[str], cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    count = parser.parse_args().rounds
    os.environ["GIT_CONFIG_PARAMETERS"] = "'user.name=bench' 'user.email=bench@example.org'"
    with tempfile.TemporaryDirectory(prefix="catflap-bench-") as folder:
        repo = build(Path(folder))
        work = {"catflap check of 300": partial(check_all, repo), BARE: partial(parse_all, repo)}
        print(table("the work, in one process", "ms", rounds(work, count), [Aim(BARE, 2, at_least=False)]))
        ours = partial(run, [PYTHON, "-m", "catflap", "check"], repo)
        bare = partial(run, [PYTHON, "-I", "-c", SCRIPT, str(repo)], repo)
        help_ = partial(run, [PYTHON, "-m", "catflap", "status"], repo)
        processes = {"catflap check of 300": ours, BARE_PROCESS: bare, "catflap status": help_}
        print(table("whole processes", "ms", rounds(processes, count), [Aim(BARE_PROCESS, 2, at_least=False)]))
        write(repo, "doing")
        (repo / ".kittify").mkdir()
        (repo / ".kittify" / "catflap.toml").write_text('[check]\nunfinished = "off"\n', encoding="utf-8")
        print(table("all 300 edited, so HEAD is read as well", "ms", rounds(work, count)))


if __name__ == "__main__":
    main()
