"""Judges one work package of a move, fact by fact: told, or held back, and why. Knows values only.

Each fact is judged by itself (a status, an agent, a history row): a merge can bring a lane from one side and a
history row from the other. Design: By whose hand; What a work package says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from catflap.announced import LIVE, Ledger, WPAnnounced
from catflap.drafts import Context, WPChange
from catflap.facts import Facts, Key, row_key
from catflap.lanelog import LaneRow
from catflap.moves import Rule, by_hand, is_drop, newer_by_hand
from catflap.telling import Telling

_SOMEBODY = "user"
_NOBODY = frozenset({"system", "unknown"})
"""Names that tools write when they know none."""


class Judge(Telling):
    """One move under judgement: :meth:`look` at each of its work packages in turn."""

    def __init__(self, context: Context, ledger: Ledger) -> None:
        super().__init__(context, ledger)
        self._met: set[Key] = set()

    def look(self, change: WPChange) -> None:
        """Tell what a hand did to one work package, and let the ledger follow what others did."""
        self._problem(change)
        self._absence(change)
        if not change.new.is_readable:
            return
        if self.ledger.wp(change.key) is None and not self._meet(change):
            return
        if change.new.rows:
            self._log_status(change)
        elif self._log_speaks(change):
            self._stale_status(change)
        else:
            self._file_status(change)
        self._file_facts(change)

    def is_added(self, change: WPChange, is_missing: Callable[[Facts], bool]) -> bool:
        """Whether a hand added what ``is_missing`` everywhere that it could have come from."""
        sides = list(newer_by_hand(self.rule, change.olds))
        return bool(sides) and all(is_missing(side) for side in sides)

    def _problem(self, change: WPChange) -> None:
        wp, problem = change.new.wp, change.new.problem
        if wp is None or problem is None or (wp.readable and self._log_speaks(change)):
            return  # of a file that can be read the lane is the problem: nobody asks for it where a log speaks
        is_own = self.is_added(change, lambda old: old.problem is None or old.problem.digest != problem.digest)
        self.tell_error(change, problem.digest, f"{wp.path}:{problem.line}: {problem.message}", is_own=is_own)

    def _absence(self, change: WPChange) -> None:
        """A deleted work package tells nothing and stays known, so that its return tells nothing either."""
        known = self.ledger.wp(change.key)
        is_deleted = change.new.wp is None and change.olds[0].wp is not None
        if known is not None and is_deleted and self.rule is not Rule.SWITCH:
            self.ledger.put(change.key, replace(known, is_present=False))

    def _meet(self, change: WPChange) -> bool:
        """Know a work package that has no WPCreated: brought by git, or only a log that a hand writes. True: go on."""
        if not change.appended_lanes(self.rule, None):
            self.take(change.key, change.new)
            return False
        self.ledger.put(change.key, WPAnnounced(status="planned"))
        self._met.add(change.key)
        return True

    def _log_speaks(self, change: WPChange) -> bool:
        """Whether the lane log is, or was, the source of the status: a lane in the file is then stale."""
        known = self.ledger.wp(change.key)
        return bool(change.new.rows or change.olds[0].rows) or (known is not None and known.log_seen is not None)

    def _stale_status(self, change: WPChange) -> None:
        old, new = change.olds[0].status, change.new.status
        if new not in (None, old, self.known(change.key).status):
            self.held(change, old, new, "the lane log speaks for this work package, not its file")

    def _file_status(self, change: WPChange) -> None:
        new, old, known = change.new.status, change.olds[0].status, self.known(change.key)
        if new is None:
            return
        olds = [side.status for side in change.olds]
        is_created = change.key in self.created
        if new == known.status:
            if new != old and not is_created:
                self.held(change, old, new, "announced already")
            return
        hand = is_created or by_hand(self.rule, new, olds, known.status)
        returns = self.rule is not Rule.SWITCH and known.dropped == new and new != old
        if (hand or returns) and not change.is_restored:
            self.tell_status(change, new, self._changed_by(change))
            if is_drop(self.rule, new, olds):
                self._drop(change, old)
        elif new != old:
            self.follow(change, new, is_next=known.status == old and not change.is_known)

    def _log_status(self, change: WPChange) -> None:
        """A lane log's rows are told one by one, each by its actor; a row older than one seen tells nothing."""
        key, new, old = change.key, change.new, change.olds[0]
        if old.rows and row_key(new.rows[-1]) < row_key(old.rows[-1]):
            self._log_shrank(change)
            return
        seen = self.known(key).log_seen
        rows = change.appended_lanes(self.rule, seen)
        if seen is None and not old.rows and key not in self.created and key not in self._met:
            rows = rows[-1:]  # the log appears for a work package that we know: a migration
        for row in rows:
            if row.status is None:
                self.tell_error(change, f"{key[0]}/{key[1]}:{row.to_lane}", _unknown_lane(row), is_own=True)
            elif row.status != self.known(key).status:
                self.tell_status(change, row.status, self._moved_by(change, row))
            self.ledger.put(key, replace(self.known(key), log_seen=row_key(row)))
        self._follow_log(change)

    def _follow_log(self, change: WPChange) -> None:
        """The ledger goes with rows that others appended; one that a hand had dropped is told as it returns."""
        known, newest = self.known(change.key), change.new.rows[-1]
        is_seen = known.log_seen is not None and row_key(newest) <= known.log_seen
        if is_seen or self.rule is Rule.SWITCH or change.olds[0].newest == row_key(newest):
            return
        if newest.status is not None and newest.status != known.status:
            if known.dropped == newest.status:
                self.tell_status(change, newest.status, self._moved_by(change, newest))
            else:
                self.follow(change, newest.status, is_next=True)
        self.ledger.put(change.key, replace(self.known(change.key), log_seen=row_key(newest)))

    def _log_shrank(self, change: WPChange) -> None:
        """Rows were taken back (a reset, a revert): the lane is the one of the row that is newest now."""
        key, known = change.key, self.known(change.key)
        newest, before = row_key(change.new.rows[-1]), row_key(change.olds[0].rows[-1])
        is_stale = known.log_seen is not None and before < known.log_seen
        if is_stale or change.is_restored or self.rule is Rule.SWITCH:
            return
        status, olds = change.new.rows[-1].status, [side.newest for side in change.olds]
        if status is not None and status != known.status:
            if by_hand(self.rule, newest, olds, before):
                self.tell_status(change, status, self._changed_by(change))
                if is_drop(self.rule, newest, olds):
                    self._drop(change, change.olds[0].status)
            else:
                self.follow(change, status, is_next=True)
        self.ledger.put(key, replace(self.known(key), log_seen=newest))

    def _file_facts(self, change: WPChange) -> None:
        """What only the file says: agent, history, and, told by no event of their own, title and dependencies."""
        wp = change.new.wp
        if wp is None or not wp.readable or self.rule is Rule.SWITCH:
            return
        self._agent(change)
        self._history(change)
        state, dependencies = self.known(change.key), change.new.dependencies
        if (state.title, state.dependencies, state.is_present) != (wp.title, dependencies, True):
            self.ledger.put(change.key, replace(state, title=wp.title, dependencies=dependencies, is_present=True))

    def _agent(self, change: WPChange) -> None:
        agent, old, known = change.new.agent, change.olds[0].agent, self.known(change.key)
        if agent is None or agent == known.agent or change.is_restored:
            return
        olds = [side.agent for side in change.olds]
        hand = change.key in self.created or by_hand(self.rule, agent, olds, known.agent)
        if hand or (known.dropped_agent == agent and agent != old):
            phase = self._phase(change)
            payload = {
                "wp_id": change.key[1],
                "agent_id": agent,
                "phase": phase,
                "retry_count": (known.assigned or {}).get(phase, 0),
                "feature_slug": change.key[0],
            }
            draft = self.tell("WPAssigned", change.key, payload, None)
            self.note(change, "agent", known.agent, agent, f"assigned by a {self.rule.value}", draft)
            if is_drop(self.rule, agent, olds):
                self.ledger.put(change.key, replace(self.known(change.key), dropped_agent=old))
        elif agent != old and known.agent == old and not change.is_known:
            self.ledger.put(change.key, replace(known, agent=agent, told=LIVE))

    def _history(self, change: WPChange) -> None:
        """Rows of a work package that is itself new are part of it; else each that was appended is told."""
        key, known = change.key, self.known(change.key)
        default = "review" if self._phase(change) == "review" else "note"
        for row in change.appended_history(self.rule):
            if row.digest in known.history or key in self.created:
                continue
            payload = {
                "wp_id": key[1],
                "entry_type": row.entry_type or default,
                "entry_content": row.content,
                "author": row.author or change.new.agent or "user",
                "feature_slug": key[0],
            }
            draft = self.tell("HistoryAdded", key, payload, None)
            self.note(change, "history", None, row.content, f"a row added by a {self.rule.value}", draft)
        if not change.new.digests <= known.history:
            self.ledger.put(key, replace(self.known(key), history=known.history | change.new.digests))

    def _drop(self, change: WPChange, status: str | None) -> None:
        self.ledger.put(change.key, replace(self.known(change.key), dropped=status))

    def _phase(self, change: WPChange) -> str:
        """``review`` once work waits for it, or goes back without feedback; else ``implementation``."""
        # Where a log speaks, a place without its rows has but a stale lane.
        before, stated = (
            place.status if place.rows or not self._log_speaks(change) else None
            for place in (change.olds[0], change.new)
        )
        status = stated or self.known(change.key).status
        has_feedback = change.new.wp is not None and change.new.wp.has_feedback
        if status == "for_review" or (before == "for_review" and status == "doing" and not has_feedback):
            return "review"
        return "implementation"

    def _changed_by(self, change: WPChange) -> str:
        """Whoever wrote the last history row of this change, else the agent, else ``user``."""
        return self._writer(change) or change.new.agent or _SOMEBODY

    def _moved_by(self, change: WPChange, row: LaneRow) -> str:
        """The row's actor; one that names no agent yields to whoever wrote the history row beside it.

        Spec Kitty writes ``user`` for an agent that did not introduce itself; the Activity Log has its name.
        """
        actor = row.actor if row.actor is not None and row.actor.lower() not in _NOBODY else None
        if actor is not None and actor.lower() != _SOMEBODY:
            return actor
        return self._writer(change) or actor or self._changed_by(change)

    def _writer(self, change: WPChange) -> str | None:
        """Whoever wrote the last history row of this change, as far as it says."""
        rows = change.appended_history(self.rule)
        authors = [row.author for row in rows if row.author and row.author.lower() not in _NOBODY]
        return authors[-1] if authors else None


def _unknown_lane(row: LaneRow) -> str:
    return f"status.events.jsonl: lane {row.to_lane!r} is unknown; use one of planned, doing, for_review, done"
