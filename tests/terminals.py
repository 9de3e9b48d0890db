"""A terminal for tests: a program in tmux, keys pressed as a person would, and what the screen then shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.watching import wait_for


def program(*names: str) -> str:
    """The path of the first that is there; the test skips when none is."""
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip(f"no {names[0]}")


class Terminal:
    """A tmux server of our own with one window, where a program runs and keys are pressed."""

    def __init__(self, folder: Path) -> None:
        self._tmux = program("tmux")
        # Short: a socket's path has at most 107 bytes (unix(7)).
        self._sockets = tempfile.mkdtemp(prefix="cf-")
        folder.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("TMUX", "EDITOR", "VISUAL")},
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._run("kill-server", check=False)
        shutil.rmtree(self._sockets)

    def open(self, *words: str | Path, cwd: Path, columns: int = 120, lines: int = 30) -> None:
        """Run a program, in ``environment``, in a window of that size."""
        self._run("new-session", "-d", "-x", str(columns), "-y", str(lines), "-c", str(cwd), *map(str, words))

    def wait_shown(self, text: str) -> None:
        """Return once the program shows this."""
        try:
            wait_for(lambda: text in self.screen)
        except AssertionError:
            pytest.fail(f"{text!r} is not shown, but this is:\n{self.screen}")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._run("send-keys", "-l", "--", text)

    def resize(self, columns: int, lines: int) -> None:
        """Make the window larger or smaller."""
        self._run("resize-window", "-x", str(columns), "-y", str(lines))

    def wait_closed(self) -> None:
        """Return once the program has ended, and tmux with it."""
        wait_for(lambda: self._run("has-session", check=False).returncode != 0, "the editor does not end")

    @property
    def screen(self) -> str:
        """The lines that are shown now."""
        return self._run("capture-pane", "-p", check=False).stdout

    def cursor_follows_space(self) -> bool:
        """Whether the cursor stands behind a space: the shell has begun the next word."""
        column, line = self._run("display-message", "-p", "#{cursor_x} #{cursor_y}").stdout.split()
        row = self.screen.split("\n")[int(line)]
        return len(row) < int(column) or row[int(column) - 1] == " "

    @property
    def coloured(self) -> str:
        """The lines that are shown now, with the escapes of their colours."""
        return self._run("capture-pane", "-p", "-e", check=False).stdout

    def _run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self._tmux, "-S", f"{self._sockets}/s", "-f", os.devnull, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"tmux {words}: {done.stderr}"
        return done
