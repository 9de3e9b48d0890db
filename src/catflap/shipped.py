"""Finds the files that other runners run (hooks/, watcher/), in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The path of a shipped file such as ``hooks/hook.sh``: beside ``src`` in a checkout, inside the package else.

    Raises: FileNotFoundError when this installation lacks it.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parents[1]):
        if (root / name).is_file():
            return root / name
    raise FileNotFoundError(f"{name} is missing from this installation of catflap: install it again")
