"""When each view is to be looked at next. Pure: instants (seconds of a monotonic clock) in, keys out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Agenda(Generic[K]):
    """One date per key: the earliest asked for, so that a burst becomes one look, and a busy file delays no other."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}

    def ask(self, key: K, at: float) -> None:
        """Look at ``key`` at ``at``, unless a look before that is planned already."""
        self._due[key] = min(at, self._due.get(key, at))

    def take_due(self, now: float) -> list[K]:
        """The keys whose date has come, earliest first; they are off the agenda then."""
        due = sorted((at, index, key) for index, (key, at) in enumerate(self._due.items()) if at <= now)
        for _, _, key in due:
            del self._due[key]
        return [key for _, _, key in due]

    def next_at(self) -> float | None:
        """The next date; None when there is none."""
        return min(self._due.values(), default=None)

    def keep(self, keys: Iterable[K]) -> None:
        """Forget the dates of all other keys."""
        kept = set(keys)
        self._due = {key: at for key, at in self._due.items() if key in kept}
