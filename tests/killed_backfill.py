"""Tells a history again and again, each time killed (SIGKILL) at another line, and then once more to its end.

``main(repo, home, step)``, with the home as it is before: a JSON line for every ``step``-th, with what was told.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from catflap.commands.backfill import backfill
from tests.world import events

SEAMS = {
    "backfill.py": {"tell", "write", "finish", "_put", "_queue", "_settle"},
    "queue.py": {"append"},
    "ledger.py": {"save", "add_trace", "put_base"},
    "milestone.py": {"put_milestone"},
    "clock.py": {"_advance", "_locked", "_write"},
    "database.py": {"write_transaction"},
}
"""The functions between whose lines something can be half done."""


def visited(act: Callable[[str], object]) -> None:
    """Tell the history, and call ``act`` with each line of the seams, as ``file.py:number``, as it is reached."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        file = os.path.basename(frame.f_code.co_filename)
        if frame.f_code.co_name not in SEAMS.get(file, ()):
            return None
        if event == "line":
            act(f"{file}:{frame.f_lineno}")
        return trace

    sys.settrace(trace)
    backfill("HEAD", as_json=True)
    sys.settrace(None)


def in_child(work: Callable[[], object]) -> int:
    """Do it in a forked process with no output; how that ended, as os.wait says."""
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def killed_at(target: str, time: int) -> None:
    """Tell the history, killed at the line ``target`` when it is reached for the ``time``-th time."""
    left = time

    def act(line: str) -> None:
        nonlocal left
        left -= line == target
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    visited(act)


def main(repo: str, home: str, step: int) -> None:
    os.chdir(repo)
    place = Path(home).with_name("killed")
    os.environ["SPEC_KITTY_HOME"] = str(place)
    listing = place.with_name("lines")
    shutil.copytree(home, place)
    in_child(lambda: visited(lambda line: print(line, file=listing.open("a"))))
    lines = listing.read_text().splitlines()
    last = dict.fromkeys(lines)
    targets = [(line, 1) for line in last] + [(line, lines.count(line)) for line in last if lines.count(line) > 1]
    for line, time in targets[::step]:
        shutil.rmtree(place)
        shutil.copytree(home, place)
        end = in_child(lambda line=line, time=time: killed_at(line, time))
        halfway = len(events())
        in_child(lambda: backfill("HEAD", as_json=True))
        told = [[event["event_id"], event["lamport_clock"]] for event in events()]
        print(json.dumps({"line": line, "killed": end == signal.SIGKILL, "halfway": halfway, "told": told}))
