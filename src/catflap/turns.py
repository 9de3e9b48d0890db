"""Whose moves come first, when several views of one project have moved. Pure.

A merge is silent because whoever made its commits told them: so what another worktree committed before must be told
before the merge is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from catflap.moves import Move, Rule

Parents = Callable[[str], Sequence[str]]

_OWN = frozenset((Rule.HAND, Rule.EDIT))
"""Moves that tell what they find. All others bring, or take, what somebody made elsewhere."""


def brings(moves: Sequence[Move]) -> bool:
    """Whether any of the moves brings something that another view may have to tell first."""
    return any(move.rule not in _OWN for move in moves)


def turns(queues: Sequence[Sequence[Move]], parents: Parents) -> list[tuple[int, int]]:
    """(queue, how many of its moves) in the order of time, each queue in its own order; ends with the first queue.

    Reflogs have whole seconds. In one second a move that took a commit from another queue comes after the moves that
    made it, and before the moves that followed there; else what tells comes before what brings. ``parents`` gives a
    commit's parents.
    """
    order = _Order(queues, parents)
    found: list[tuple[int, int]] = []
    while order.places[0] < len(queues[0]):
        first = order.take()
        if found and found[-1][0] == first:
            found[-1] = (first, found[-1][1] + 1)
        else:
            found.append((first, 1))
    return found


class _Order:
    """The queues as they are emptied: ``places`` says how many moves of each are taken."""

    def __init__(self, queues: Sequence[Sequence[Move]], parents: Parents) -> None:
        self._queues = queues
        self._times = [_times(queue) for queue in queues]
        self.places = [0] * len(queues)
        # (bringing queue, its place, other queue) → how many moves of the other had happened then, where that shows
        self._reached = {
            (index, place, other): reached
            for index, queue in enumerate(queues)
            for place, move in enumerate(queue)
            if move.rule not in _OWN
            for other in range(len(queues))
            if other != index and (reached := self._reached_in(other, index, place, parents)) is not None
        }

    def _reached_in(self, source: int, index: int, place: int, parents: Parents) -> int | None:
        """As `_reached`, among what the queue ``source`` had done by the second of that move: later is no source."""
        at = self._times[index][place]
        done = [move for move, time in zip(self._queues[source], self._times[source], strict=True) if time <= at]
        return _reached(done, self._queues[index][place], parents)

    def take(self) -> int:
        """The queue whose next move comes first; it is taken."""
        waiting = [index for index, place in enumerate(self.places) if place < len(self._queues[index])]
        free = [index for index in waiting if not self._must_wait(index)]
        first = min(free or waiting, key=self._rank)
        self.places[first] += 1
        return first

    def _rank(self, index: int) -> tuple[int, bool, int]:
        move = self._queues[index][self.places[index]]
        return self._times[index][self.places[index]], move.rule not in _OWN, -index

    def _must_wait(self, index: int) -> bool:
        """Whether a move of the same second in another queue is known to have come before the next one of this."""
        place = self.places[index]
        for (bringer, brought_at, source), reached in self._reached.items():
            if self._times[bringer][brought_at] != self._times[index][place]:
                continue
            if source == index and place >= reached and self.places[bringer] <= brought_at:
                return True  # it took its commit before this move was made
            if (bringer, brought_at) == (index, place) and self.places[source] < reached:
                return True  # what it brings was not made yet
        return False


def _reached(queue: Sequence[Move], bringing: Move, parents: Parents) -> int | None:
    """How many moves of ``queue`` had happened when ``bringing`` took its commit from there; None: it did not."""
    taken = {bringing.new, *parents(bringing.new)} - {bringing.old}
    for place in range(len(queue), 0, -1):
        if queue[place - 1].new in taken:
            return place
    return 0 if queue and queue[0].old in taken else None


def _times(queue: Sequence[Move]) -> list[int]:
    """When each move happened; a clock that went back counts as if it had stood still."""
    found: list[int] = []
    for move in queue:
        found.append(max(move.at, found[-1] if found else 0))
    return found
