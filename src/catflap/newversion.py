"""Notices that another version of catflap was installed than the one that runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from catflap import __version__


class InstalledVersion:
    """What is on disk, read anew only when the file that states it has changed."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(__file__).with_name("__init__.py")
        self._stamp = self._stat()

    def other(self) -> str | None:
        """The version that has come since the last call; None when there is none, or it is the one that runs."""
        stamp = self._stat()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            text = self._path.read_text("utf-8")
        except OSError:  # an upgrade under way, or an uninstall
            return None
        match = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
        return match[1] if match and match[1] != __version__ else None

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:  # uninstalled while we run
            return None
        return found.st_mtime_ns, found.st_ino
