"""Where catflap keeps its state, and for which team it speaks. The environment is read here and at the doors only."""

from __future__ import annotations

import os
from pathlib import Path

LOCAL_TEAM = "local"
"""The team_slug of events made before a login (contract, The wire)."""


def home() -> Path:
    """The folder of queue.db, clock.json and logs: ``SPEC_KITTY_HOME``, else ``~/.spec-kitty``."""
    named = os.environ.get("SPEC_KITTY_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".spec-kitty"


def is_disabled() -> bool:
    """Whether ``CATFLAP_DISABLE`` asks every door to do nothing, silently."""
    return os.environ.get("CATFLAP_DISABLE", "") not in ("", "0")
