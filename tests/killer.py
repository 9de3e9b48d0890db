"""Runs one observation as the hook does, and kills the process (SIGKILL) when it comes to a given line of it.

``python -m tests.killer LINE HOOK_ARGS...`` with LINE as ``file.py:number``; with ``list`` nothing is killed and the
lines that can be are printed, in the order of their execution.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from catflap import hook

SEAMS = {
    "hook.py": {"run_hook"},
    "observe.py": {"observe_head", "_write_moves", "_write_view"},
    "outbox.py": {"begin", "record"},
    "queue.py": {"append"},
    "ledger.py": {"save", "put_view", "put_base", "add_trace"},
    "clock.py": {"_advance", "_locked", "_write", "_open_spare", "_keep_previous"},
    "database.py": {"write_transaction", "open_database"},
    "seen.py": {"remember_tree", "_write"},
}
"""The functions between whose lines something can be half done."""


def main(target: str, arguments: list[str]) -> None:
    lines: dict[str, None] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        file = os.path.basename(frame.f_code.co_filename)
        if frame.f_code.co_name not in SEAMS.get(file, ()):
            return None
        if event == "line":  # a return changes nothing: the caller's next line meets the same
            line = f"{file}:{frame.f_lineno}"
            if line == target:
                os.kill(os.getpid(), signal.SIGKILL)
            lines.setdefault(line)
        return trace

    sys.settrace(trace)
    hook.main(arguments)
    sys.settrace(None)
    if target == "list":
        print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
