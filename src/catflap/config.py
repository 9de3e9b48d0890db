"""Where catflap keeps its state, and for which team it speaks. The environment is read here and at the doors only."""

from __future__ import annotations

import os
from pathlib import Path

from catflap.errors import BadInput

LOCAL_TEAM = "local"
"""The team_slug of events made before a login (contract, The wire)."""


def home() -> Path:
    """The folder of queue.db, clock.json and logs: ``SPEC_KITTY_HOME``, else ``~/.spec-kitty``.

    Raises: BadInput when this user has no home directory (a container's bare uid) and none is named.
    """
    named = os.environ.get("SPEC_KITTY_HOME")
    try:
        return Path(named).expanduser().absolute() if named else Path.home() / ".spec-kitty"
    except RuntimeError as error:  # what pathlib raises when neither HOME nor the user's entry names one
        raise BadInput("find catflap's folder", why=str(error), hint="name one in SPEC_KITTY_HOME") from error


def is_kept_local(folder: Path, common_dir: str) -> bool:
    """Whether nothing of the repository with this git common dir may be queued. Raises: ConfigUnusable."""
    if not os.path.exists(folder / "config.toml"):
        return False
    from catflap.bindings import read_bindings  # and TOML: 8 ms, which a hook without that file need not pay

    binding = read_bindings(folder).get(common_dir)
    return binding is not None and binding.is_local


def log_path() -> str | None:
    """The file that ``CATFLAP_LOG`` names: what catflap does is written there (log.py)."""
    return os.environ.get("CATFLAP_LOG") or None


def is_disabled() -> bool:
    """Whether ``CATFLAP_DISABLE`` asks every door to do nothing, silently."""
    return os.environ.get("CATFLAP_DISABLE", "") not in ("", "0")
