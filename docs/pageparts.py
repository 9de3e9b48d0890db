"""Tables, blocks and words of generated pages, in the markdown that mkdocs reads. Knows no subject."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table with a line for each row."""
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        cells = [cell.replace("|", r"\|") for cell in row]
        yield f"| {' | '.join(cells)} |"
    yield ""


def fenced(language: str, text: str) -> Iterator[str]:
    """A block of code."""
    yield from ("", f"```{language}", text, "```", "")


def escaped(text: str) -> str:
    """The words with `<` and `*` as they are; what is between backticks is left alone, and no double backtick stays."""
    parts = re.split(r"(`[^`]*`)", text.replace("``", "`"))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;").replace("*", r"\*") for part in parts)


def shown(name: str, value: float) -> str:
    """A number with the unit that its name says: ``_S``, ``_BYTES``, ``_CHARS``."""
    low = name.lower()
    if low.endswith("_bytes"):
        return f"{value / 1024 / 1024:g} MiB" if value >= 1 << 20 else f"{value / 1024:g} KiB"
    if low.endswith("_s"):
        return f"{value:,g} s"
    return f"{value:,g}" if value < 1_000_000 else f"{value:,}"
