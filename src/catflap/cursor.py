"""Where the reading of a view's HEAD stands, and how that is written down. Knows values only; reflog.py moves it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from catflap.moves import OpenRebase


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the reading of a view's HEAD stands.

    ``head`` is the commit that the base stands on; ``last`` the last line read, ending at byte ``offset``; ``first``
    the first line of the file; ``ref`` what HEAD points to; ``rebase`` the one under way; ``born`` tells this linked
    worktree from another that had its name before.
    """

    head: str
    offset: int = 0
    last: str = ""
    first: str = ""
    ref: str = ""
    rebase: OpenRebase | None = None
    born: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Cursor:
        fields = json.loads(text)
        rebase = fields.pop("rebase")
        return cls(**fields, rebase=OpenRebase(**rebase) if rebase else None)
