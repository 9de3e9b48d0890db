"""`catflap schema`: prints the JSON Schema of the events that ships with the package."""

from __future__ import annotations

import sys
from pathlib import Path

SCHEMA = Path(__file__).parents[1] / "event.schema.json"


def schema() -> int:
    """0 once the schema (draft 2020-12, of envelope and payloads) is on stdout."""
    sys.stdout.write(SCHEMA.read_text("utf-8"))
    return 0
