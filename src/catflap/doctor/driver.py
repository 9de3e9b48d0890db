"""Runs git in the trial's scratch folder, as the user would, but for a time limit, and with no way to a remote.

The user's own settings and hooks count there; catflap's home is the scratch folder's. Beside git.py and the demo the
only file that runs git.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from catflap.demo.scratch import interrupts_wait
from catflap.git import LOCAL_ENV_VARS
from catflap.patience import naps
from catflap.wording import printable

_DYING_S = 0.2
"""How long what was ended may take to be gone; where nobody takes note of the dead it stays for ever."""
_POSIX = os.name == "posix"


class TookTooLong(Exception):
    """A command that was ended, with its hooks, at the limit."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to; ``words``: the last line that it, or a hook of its, has said."""

    code: int
    took_ms: float
    words: str


@dataclass(frozen=True, slots=True)
class Driver:
    """``root`` is the scratch folder, ``limit_s`` what one command may take; ``search`` is put before PATH."""

    root: Path
    limit_s: float
    search: str = ""
    _groups: list[int] = field(default_factory=list)
    """Process groups in which a hook has left something running."""

    @property
    def home(self) -> Path:
        """SPEC_KITTY_HOME of all that runs here."""
        return self.root / "spec-kitty"

    def git(self, *args: str, cwd: Path, extra: Mapping[str, str] | None = None) -> Done:
        """What ``git ARGS`` came to in ``cwd``, with the ``extra`` environment.

        Raises: TookTooLong; then none of its hooks runs any more.
        """
        process: subprocess.Popen[bytes] | None = None

        def end_it() -> None:
            if process is not None and process.returncode is None:
                _end(process)

        # A file, no pipe: a hook that leaves something running in the background holds a pipe open.
        with tempfile.TemporaryFile(dir=self.root) as said, interrupts_wait(end_it):
            started = time.perf_counter()
            process = subprocess.Popen(
                ["git", *args],
                cwd=cwd,
                env={**self.environment(), **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                process_group=0 if _POSIX else None,
            )
            # Not wait(timeout), which looks every 50 ms: the time is what we are after.
            deadline = threading.Timer(self.limit_s, end_it)
            deadline.start()
            code = process.wait()
            is_overrun = deadline.finished.is_set()
            deadline.cancel()
            deadline.join()
            took_ms = (time.perf_counter() - started) * 1000
            if _POSIX and _is_there(process.pid):
                self._groups.append(process.pid)
            said.seek(0)
            lines = [line for line in os.fsdecode(said.read()).splitlines() if line.strip()]
        if is_overrun:
            raise TookTooLong(args[0])
        return Done(code, took_ms, printable(lines[-1].strip()) if lines else f"exit code {code}")

    def end_all(self) -> None:
        """End what hooks have left running, which would go on writing into the folder."""
        for group in self._groups:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(group, signal.SIGKILL)
            for _ in naps(_DYING_S):
                if not _is_there(group):
                    break

    def environment(self) -> dict[str, str]:
        """This process's, without what binds git to a repository, and where git reaches no remote by any protocol."""
        found = {name: value for name, value in os.environ.items() if name not in LOCAL_ENV_VARS}
        found.pop("CATFLAP_DISABLE", None)
        found.update(
            SPEC_KITTY_HOME=str(self.home),
            GIT_ALLOW_PROTOCOL="",
            GIT_NO_LAZY_FETCH="1",
            GIT_TERMINAL_PROMPT="0",
            GIT_LFS_SKIP_SMUDGE="1",
            GIT_EDITOR="true",
            GIT_SEQUENCE_EDITOR="true",
        )
        if self.search:
            found["PATH"] = f"{self.search}{os.pathsep}{found.get('PATH', os.defpath)}"
        return found


def _is_there(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command together with its hooks."""
    with suppress(ProcessLookupError):  # it was just ending by itself
        if _POSIX:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
