"""A finding: what is wrong, why it matters, how it is put right. Knows no subject. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is: an error keeps changes from being told."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can be wrong. ``id`` is stable; ``is_mended``: `catflap doctor --fix` puts it right."""

    id: str
    level: Level
    why: str
    is_mended: bool = False

    def found(self, what: str, *, fix: str, where: str = "") -> Finding:
        """It is wrong here: ``what`` was seen, ``fix`` puts it right, ``where`` is the path that it is about."""
        return Finding(self, what, fix, where)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong. ``fix`` is a command line in backquotes where there is one, in words else."""

    kind: Kind
    what: str
    fix: str
    where: str = ""

    @property
    def id(self) -> str:
        return self.kind.id

    @property
    def level(self) -> Level:
        return self.kind.level

    def to_dict(self) -> dict[str, object]:
        """As `catflap doctor --json` prints it."""
        return {
            "id": self.id,
            "level": self.level.value,
            "what": self.what,
            "why": self.kind.why,
            "fix": self.fix,
            "where": self.where,
            "fixable": self.kind.is_mended,
        }


def by_weight(findings: list[Finding]) -> list[Finding]:
    """Errors first, notes last; else in the order found."""
    order = list(Level)
    return sorted(findings, key=lambda one: order.index(one.level))
