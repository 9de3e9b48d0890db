"""How long `catflap backfill --dry-run --json` takes on a long history, and how much memory, beside floor and peers.

Every contender is a process of its own that prints JSON lines into a file: catflap every event, the others the status
changes alone. Rounds are interleaved; times are of the whole process, Python's start included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.historypeers import NOT_HERE, PEERS
from bench.longhistory import Size, make_history
from bench.table import Aim, Row, table

OURS = "catflap backfill"
FLOOR = next(iter(PEERS))
MOST_MB = 150
SLOW = ("GitPython", "PyDriller")
"""Too slow to be asked each round."""


@dataclass(frozen=True, slots=True)
class Lap:
    """One run: seconds from start to end, and the most memory that its process, or a git below it, held."""

    seconds: float
    peak_mb: float


def run(command: Sequence[str], repo: Path, output: Path) -> Lap | None:
    """One run; None when what it needs is not installed."""
    with output.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=repo, stdout=file, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == NOT_HERE:
        return None
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Lap(seconds, usage.ru_maxrss / unit)


def command_of(name: str, python: str) -> list[str]:
    if name == OURS:
        return [sys.executable, "-m", "catflap", "backfill", "--dry-run", "--json"]
    return [python, str(Path(__file__).with_name("historypeers.py")), name, "."]


def measure(repo: Path, names: Sequence[str], python: str, rounds: int) -> dict[str, list[Lap]]:
    """The laps of each contender that is installed; each must have found the same status changes as the others."""
    found: dict[str, list[Lap]] = {}
    changes: dict[str, int] = {}
    output = repo.with_name("output.jsonl")
    for number in range(rounds):
        for name in names:
            if number and name in SLOW:
                continue
            lap = run(command_of(name, python), repo, output)
            if lap is None:
                continue
            found.setdefault(name, []).append(lap)
            mark = "WPStatusChanged" if name == OURS else '"old"'
            changes[name] = sum(mark in line for line in output.open(encoding="utf-8"))
    if len(set(changes.values())) != 1:
        raise SystemExit(f"they do not find the same: {changes}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backfill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--divisor", type=int, default=1, help="measure an n-th of the history")
    parser.add_argument("--quick", action="store_true", help=f"without {' and '.join(SLOW)}, which take minutes")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the peers installed")
    options = parser.parse_args()
    names = [name for name in (OURS, *PEERS) if not (options.quick and name in SLOW)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ.update(SPEC_KITTY_HOME=str(place / "home"), GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull)
        whole, quarter = Size().part(options.divisor), Size().part(options.divisor * 4)
        make_history(place / "whole", whole)
        make_history(place / "quarter", quarter)
        found = measure(place / "whole", names, options.python, options.rounds)
        short = run(command_of(OURS, options.python), place / "quarter", place / "output.jsonl")
    assert short is not None
    size = f"{whole.commits:,} commits, {whole.versions:,} versions of work packages, {whole.features} features"
    rows = [Row(name, [lap.seconds * 1000 for lap in laps]) for name, laps in found.items()]
    aims = [Aim(FLOOR, 2, at_least=False), Aim("pygit2", 0.2, at_least=False)]
    print(table(f"A history of {size}", "ms", rows, aims), end="\n\n")
    rows = [Row(name, [lap.peak_mb for lap in laps]) for name, laps in found.items()]
    rows.insert(1, Row(f"{OURS}, a quarter of it", [short.peak_mb]))
    print(table("The most memory held", "MB", rows))
    verdict = "held" if rows[0].middle < MOST_MB else "MISSED"
    print(f"  {OURS}: {rows[0].middle:.0f} MB  aim < {MOST_MB} MB: {verdict}")
    for name in names:
        if name not in found:
            print(f"  {name} is not installed here, and was not measured")


if __name__ == "__main__":
    main()
