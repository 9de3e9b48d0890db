"""What a move brings that is new here: commits that no worktree of the repository has made, merged or pulled before.

What one has was told there, or held back there: the ledger has been through it, and may be further on by now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from catflap import git
from catflap.drafts import WPChange
from catflap.errors import GitFailed
from catflap.git import View
from catflap.ledger import ViewState
from catflap.moves import Rule
from catflap.reflogfile import came_to
from catflap.trees import Step

_BRINGING = frozenset((Rule.MERGE, Rule.PULL, Rule.ONTO))


def mark_known(
    view: View, states: Iterable[ViewState], steps: Sequence[Step | None], changes: Sequence[list[WPChange]]
) -> list[list[WPChange]]:
    """``changes`` of each step, those marked that bring nothing new; ``states``: the views, as they are read so far."""
    marked = [list(own) for own in changes]
    bringing = [
        (index, step)
        for index, step in enumerate(steps)
        if step is not None and changes[index] and step.move.rule in _BRINGING
    ]
    if not bringing:
        return marked
    known: set[str] = set()
    for state in states:
        known |= came_to(state.git_dir, state.cursor)
    for index, step in bringing:
        before = {one.move.new for one in steps[:index] if one is not None and one.move.rule is not Rule.SWITCH}
        try:
            fresh = git.touched(view.git_dir, step.move.new, known | before | {step.move.old})
        except GitFailed:  # for want of a commit: then everything counts as new
            continue
        marked[index] = [replace(one, is_known=not fresh.intersection(_paths(one))) for one in changes[index]]
    return marked


def _paths(change: WPChange) -> list[str]:
    return [side.wp.path for side in (*change.olds, change.new) if side.wp is not None]
