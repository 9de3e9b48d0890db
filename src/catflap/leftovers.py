"""What the moves of a reading leave of files that were seen saved, or that a commit left out: not theirs to tell."""

from __future__ import annotations

from collections.abc import Sequence

from catflap.announced import Ledger
from catflap.base import Base
from catflap.drafts import Context, WPChange
from catflap.facts import Key
from catflap.infer import infer
from catflap.ledger import BaseRow
from catflap.moves import Move, Rule

_LEAVES_OUT = (Rule.HAND, Rule.ONTO)


class Leftovers:
    """Narrows each step's changes in turn to what the step itself made, and says what is left in the base at the end.

    ``final_tree`` is HEAD's, now. ``left_out``: the changes that a commit left out whole; the caller adds to it.
    """

    def __init__(self, base: Base, final_tree: str | None) -> None:
        self._base, self._final_tree = base, final_tree
        self.left_out: list[WPChange] = []
        self._in_part: dict[Key, WPChange] = {}
        self._moved: set[Key] = set()
        self._was_reset: dict[Key, WPChange] = {}

    def narrow(
        self, move: Move, context: Context, changes: Sequence[WPChange], told: Ledger
    ) -> tuple[list[WPChange], list[WPChange]]:
        """The changes that this step made, and those that it left out whole: their files still say the old."""
        kept, out = self._without_left_out(context, changes, told)
        for change in changes:
            self._in_part.pop(change.key, None)
        if move.rule is Rule.HAND and self._final_tree is not None:
            seen = [one if one.key in self._moved else self._base.since_saved(one, self._final_tree) for one in kept]
            self._in_part |= {one.key: one for one, whole in zip(seen, kept, strict=True) if one.new != whole.new}
            kept = seen
        # A reset may leave files as they were seen, or throw away what was saved there: a look tells.
        if move.rule is Rule.ONTO and not move.is_rebase:
            self._was_reset |= {change.key: change for change in changes}
        else:
            self._moved |= {change.key for change in changes}
        return kept, out

    def rows(self, head: str) -> dict[str, BaseRow | None]:
        """What changes in the base when HEAD goes to ``head``."""
        return self._base.after_moves(
            head,
            self.left_out,
            in_part=self._in_part.values(),
            moved=self._moved,
            was_reset=[change for key, change in self._was_reset.items() if key not in self._moved],
        )

    def _without_left_out(
        self, context: Context, changes: Sequence[WPChange], told: Ledger
    ) -> tuple[list[WPChange], list[WPChange]]:
        if context.rule not in _LEAVES_OUT or self._final_tree is None:
            return list(changes), []
        keys = {(draft.feature, draft.wp_id) for draft in infer(context, changes, told).drafts}
        asked = [one for one in changes if one.key in keys or (one.new.wp is None and self._base.has_file(one))]
        out = [one for one in asked if self._base.was_left_out(one, self._final_tree)]
        keys_out = {change.key for change in out}
        return [change for change in changes if change.key not in keys_out], out
