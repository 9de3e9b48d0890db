"""What a feature's meta.json says of it, in the old and the new spelling. Knows text only."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from catflap.events import is_timestamp

_DIGITS = re.compile(r"[0-9]{1,20}")
_NUMBERED = re.compile(r"([0-9]{3,})(?:-|\Z)")


@dataclass(frozen=True, slots=True)
class FeatureMeta:
    """``number`` has three digits or more, ``000`` when nobody gave one; ``created_at`` is ISO 8601 with zone."""

    number: str
    target_branch: str | None = None
    created_at: str | None = None


def parse_meta(slug: str, data: bytes | None) -> FeatureMeta:
    """What ``kitty-specs/<slug>/meta.json`` tells; a missing or unreadable one tells nothing, never an error."""
    fields = _fields(data)
    branch = fields.get("target_branch")
    created = fields.get("created_at")
    return FeatureMeta(
        number=_stated_number(fields) or _number_in(slug) or "000",
        target_branch=branch if isinstance(branch, str) and branch.strip() else None,
        created_at=created if isinstance(created, str) and is_timestamp(created) else None,
    )


def _stated_number(fields: dict[str, Any]) -> str | None:
    """The first of the two numbers that is one: a mission has ``null`` until it is merged."""
    for stated in (fields.get("feature_number"), fields.get("mission_number")):
        if isinstance(stated, str | int) and not isinstance(stated, bool):
            text = str(stated).strip()
            if _DIGITS.fullmatch(text):
                return text.zfill(3)
    return None


def _number_in(slug: str) -> str | None:
    match = _NUMBERED.match(slug)
    return match[1] if match else None


def _fields(data: bytes | None) -> dict[str, Any]:
    if not data:
        return {}
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or nested to hurt: a hint lost, no more
        return {}
    return found if isinstance(found, dict) else {}
