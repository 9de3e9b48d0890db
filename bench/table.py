"""Prints measurements side by side: medians, spread, and how ours relates to each. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One contender: its result in each round, in the table's unit, and a remark."""

    name: str
    rounds: Sequence[float]
    remark: str = ""

    @property
    def middle(self) -> float:
        return median(self.rounds)


@dataclass(frozen=True, slots=True)
class Aim:
    """What our ratio to the contender `name` should be: at least (rates) or at most (times) `bound`."""

    name: str
    bound: float
    at_least: bool = True

    def is_held(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def ratio(ours: Row, other: Row) -> float:
    """Ours by the other's, of medians."""
    return ours.middle / other.middle


def table(title: str, unit: str, rows: Sequence[Row], aims: Sequence[Aim] = ()) -> str:
    """The rows as text, the first being ours; `ours ÷ it` is how many times the contender's median ours is."""
    wanted = {aim.name: aim for aim in aims}
    width = max(len(row.name) for row in rows)
    lines = [title, f"  {'':{width}}  {unit:>10}  {'low':>10}  {'high':>10}  {'ours ÷ it':>9}"]
    for row in rows:
        found = ratio(rows[0], row)
        line = f"  {row.name:{width}}  {row.middle:10,.1f}  {min(row.rounds):10,.1f}  {max(row.rounds):10,.1f}"
        line += f"  {found:8.2f}×" if row is not rows[0] else " " * 11
        if (aim := wanted.get(row.name)) is not None:
            line += f"  aim {aim}: {'held' if aim.is_held(found) else 'MISSED'}"
        lines.append(f"{line}  {row.remark}".rstrip())
    return "\n".join(lines)
