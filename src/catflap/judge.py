"""Judges one work package of a move, fact by fact: told, or held back, and why. Knows values only.

Each fact is judged by itself (a status, an agent, a history row): a merge can bring a lane from one side and a
history row from the other. Design: By whose hand; What a work package says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from catflap.announced import FeatureAnnounced, Ledger, WPAnnounced, apply_event
from catflap.drafts import Context, Draft, Note, WPChange
from catflap.facts import Facts, Key, row_key
from catflap.lanelog import LaneRow
from catflap.moves import Rule, by_hand, is_drop, newer_by_hand


def adopt(facts: Facts) -> WPAnnounced:
    """The announced state of a work package that is taken as it is, silently."""
    return WPAnnounced(
        status=facts.status,
        agent=facts.agent,
        title=facts.wp.title if facts.wp is not None else "",
        dependencies=facts.dependencies,
        history=facts.digests,
        log_seen=facts.newest,
    )


class Judge:
    """One move under judgement: the ledger as it changes, and what is told so far."""

    def __init__(self, context: Context, ledger: Ledger) -> None:
        self.context = context
        self.rule = context.rule
        self.ledger = ledger
        self.drafts: list[Draft] = []
        self.notes: list[Note] = []
        self.created: dict[Key, Draft] = {}
        self.done: list[Draft] = []

    # -- fact by fact

    def take(self, key: Key, facts: Facts) -> None:
        """Take the work package as it is: nothing is told, and from now on it is known."""
        if self.ledger.feature(key[0]) is None:
            meta = self.context.features.get(key[0])
            self.ledger.features[key[0]] = FeatureAnnounced(created_at=meta.created_at if meta else None)
        self.ledger.put(key, adopt(facts))

    def look(self, change: WPChange) -> None:
        """Tell what a hand did to one work package, and let the ledger follow what others did."""
        self._problem(change)
        known = self.ledger.wp(change.key)
        new = change.new
        if not new.is_readable:
            if known is not None and new.wp is None and new.is_file_known and self.rule is not Rule.SWITCH:
                self.ledger.put(change.key, replace(known, is_present=False))
            return
        if known is None:
            self.take(change.key, replace(new, rows=()) if self._has_new_rows(change) else new)
            if not self._has_new_rows(change):
                return
            self.ledger.put(change.key, replace(self.known(change.key), status="planned"))
        self._status(change)
        if new.wp is not None and new.wp.readable:
            self._agent(change)
            self._history(change)
            if self.rule is not Rule.SWITCH:
                state = self.known(change.key)
                self.ledger.put(
                    change.key,
                    replace(state, title=new.wp.title, dependencies=new.dependencies, is_present=True),
                )

    def _problem(self, change: WPChange) -> None:
        wp = change.new.wp
        if wp is None or wp.problem is None:
            return
        problem = wp.problem
        told = self.is_added(
            change,
            lambda old: old.wp is None or old.wp.problem is None or old.wp.problem.digest != problem.digest,
        )
        self._error(change, problem.digest, f"{wp.path}:{problem.line}: {problem.message}", told)

    def _error(self, change: WPChange, digest: str, message: str, told: bool) -> None:
        if self.ledger.knows_error(digest):
            return
        self.ledger.errors.add(digest)
        if told:
            feature, wp_id = change.key
            payload = {
                "wp_id": wp_id,
                "error_type": "validation",
                "error_message": message,
                "stack_trace": None,
                "agent_id": change.new.agent,
                "feature_slug": feature,
            }
            draft = self.tell("ErrorLogged", change.key, payload, None)
            self.note(change, "error", None, message, "cannot be read as a work package", draft)

    def _status(self, change: WPChange) -> None:
        old, new, known = change.olds[0], change.new, self.known(change.key)
        if new.rows:
            self._log_status(change)
        elif old.rows or known.log_seen is not None:
            if new.status not in (None, old.status, known.status):
                self._held(change, old.status, new.status, "the lane log speaks for this work package, not its file")
        else:
            self._file_status(change)

    def _file_status(self, change: WPChange) -> None:
        new, old, known = change.new.status, change.olds[0].status, self.known(change.key)
        if new is None or (known.status is None and new == "planned"):
            if new is not None:
                self.ledger.put(change.key, replace(known, status=new))
            return
        olds = [side.status for side in change.olds]
        is_created = change.key in self.created
        hand = is_created or by_hand(self.rule, new, olds, known.status)
        if new == known.status:
            if new != old and not is_created:
                self._held(change, old, new, "announced already")
            return
        returns = self.rule is not Rule.SWITCH and known.dropped == new and new != old
        if (hand or returns) and not change.is_restored:
            self._tell_status(change, new, self._changed_by(change))
            if is_drop(self.rule, new, olds):
                self._drop(change.key, old)
        elif new != old:
            self._follow(change, new, known.status == old)

    def _log_status(self, change: WPChange) -> None:
        """A lane log's rows are told one by one, each by its actor; a row older than one seen tells nothing."""
        key, new, old = change.key, change.new, change.olds[0]
        known = self.known(key)
        if old.rows and row_key(new.rows[-1]) < row_key(old.rows[-1]):
            self._log_shrank(change)
            return
        rows = self._new_rows(change)
        if known.log_seen is None and not old.rows and key not in self.created:
            rows = rows[-1:]  # the log appears for a work package that we know: a migration
        for row in rows:
            if row.status is None:
                self._error(change, f"{key[0]}/{key[1]}:{row.to_lane}", _unknown_lane(row), told=True)
            elif row.status != self.known(key).status:
                self._tell_status(change, row.status, row.actor or "user")
            self.ledger.put(key, replace(self.known(key), log_seen=row_key(row)))
        known = self.known(key)
        newest = row_key(new.rows[-1])
        if self.rule is Rule.SWITCH or (known.log_seen is not None and newest <= known.log_seen):
            return
        status = new.rows[-1].status
        if status is not None and status != known.status:
            if known.dropped == status:
                self._tell_status(change, status, new.rows[-1].actor or "user")
            else:
                self._follow(change, status, True)
        self.ledger.put(key, replace(self.known(key), log_seen=newest))

    def _log_shrank(self, change: WPChange) -> None:
        """Rows were taken back (a reset, a revert): the lane is the one of the row that is newest now."""
        key, known = change.key, self.known(change.key)
        newest, before = row_key(change.new.rows[-1]), row_key(change.olds[0].rows[-1])
        hand = by_hand(self.rule, newest, [side.newest for side in change.olds], before)
        if not hand or change.is_restored or (known.log_seen is not None and before < known.log_seen):
            return
        status = change.new.rows[-1].status
        if status is not None and status != known.status:
            self._tell_status(change, status, self._changed_by(change))
            if self.rule is Rule.ONTO:
                self._drop(key, change.olds[0].status)
        self.ledger.put(key, replace(self.known(key), log_seen=newest))

    def _new_rows(self, change: WPChange) -> list[LaneRow]:
        sides = [side.newest for side in newer_by_hand(self.rule, change.olds)]
        if not sides:
            return []
        known = self.ledger.wp(change.key)
        floors = [*sides, known.log_seen if known is not None else None]
        floor = max((newest for newest in floors if newest is not None), default=("", ""))
        return [row for row in change.new.rows if row_key(row) > floor]

    def _has_new_rows(self, change: WPChange) -> bool:
        return bool(self._new_rows(change))

    def _agent(self, change: WPChange) -> None:
        agent, old, known = change.new.agent, change.olds[0].agent, self.known(change.key)
        if agent is None or agent == known.agent:
            return
        hand = by_hand(self.rule, agent, [side.agent for side in change.olds], known.agent)
        if change.is_restored:
            return
        if hand or change.key in self.created:
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
        elif agent != old and known.agent == old and self.rule is not Rule.SWITCH:
            self.ledger.put(change.key, replace(known, agent=agent))

    def _history(self, change: WPChange) -> None:
        key, known = change.key, self.known(change.key)
        sides = list(newer_by_hand(self.rule, change.olds))
        if sides and key not in self.created:
            default = "review" if self._phase(change) == "review" else "note"
            for row in change.new.history:
                if row.digest in known.history or any(row.digest in side.digests for side in sides):
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
        self.ledger.put(key, replace(self.known(key), history=known.history | change.new.digests))

    # -- the small steps

    def known(self, key: Key) -> WPAnnounced:
        state = self.ledger.wp(key)
        assert state is not None
        return state

    def is_added(self, change: WPChange, is_missing: Callable[[Facts], bool]) -> bool:
        sides = list(newer_by_hand(self.rule, change.olds))
        return bool(sides) and all(is_missing(side) for side in sides)

    def tell(self, event_type: str, key: Key, payload: dict[str, Any], cause: Draft | str | None) -> Draft:
        draft = Draft(event_type, key[0], key[1] or None, payload, cause)
        self.drafts.append(draft)
        apply_event(self.ledger, event_type, payload)
        return draft

    def _tell_status(self, change: WPChange, status: str, by: str) -> None:
        previous = self.known(change.key).status or change.olds[0].status or "planned"
        payload = {
            "wp_id": change.key[1],
            "previous_status": previous,
            "new_status": status,
            "changed_by": by,
            "feature_slug": change.key[0],
        }
        draft = self.tell("WPStatusChanged", change.key, payload, self.created.get(change.key))
        if status == "done":
            self.done.append(draft)
        self.note(change, "status", previous, status, f"changed by a {self.rule.value}", draft)

    def _drop(self, key: Key, status: str | None) -> None:
        self.ledger.put(key, replace(self.known(key), dropped=status))

    def _follow(self, change: WPChange, status: str, may: bool) -> None:
        """Hold the status back; the ledger follows it when it was at the old one, for then whoever made it told it."""
        known = self.known(change.key)
        if change.is_restored:
            self._held(change, known.status, status, "taken back by a later step of the same observation")
            return
        if may and self.rule is not Rule.SWITCH:
            self.ledger.put(change.key, replace(known, status=status))
        self._held(change, known.status, status, _HELD[self.rule])

    def _held(self, change: WPChange, before: str | None, after: str | None, why: str) -> None:
        self.note(change, "status", before, after, why, None)

    def note(
        self,
        change: WPChange,
        fact: str,
        before: str | None,
        after: str | None,
        why: str,
        draft: Draft | None,
    ) -> None:
        path = change.new.wp.path if change.new.wp is not None else None
        self.notes.append(Note(change.key, fact, before, after, path, why, draft))

    def _phase(self, change: WPChange) -> str:
        """``review`` once work waits for it, or goes back without feedback; else ``implementation``."""
        status = change.new.status or self.known(change.key).status
        before = change.olds[0].status
        has_feedback = change.new.wp is not None and change.new.wp.has_feedback
        if status == "for_review" or (before == "for_review" and status == "doing" and not has_feedback):
            return "review"
        return "implementation"

    def _changed_by(self, change: WPChange) -> str:
        old = change.olds[0].digests
        authors = [row.author for row in change.new.history if row.digest not in old and row.author]
        return (authors[-1] if authors else None) or change.new.agent or "user"


_HELD = {
    Rule.HAND: "no hand changed it here",
    Rule.EDIT: "no hand changed it here",
    Rule.PICK: "picked onto a state that is not the announced one",
    Rule.MERGE: "came with one side of the merge: whoever made it told it",
    Rule.PULL: "came with a fast-forward: whoever made it told it",
    Rule.ONTO: "came from the commit that the branch was put onto: whoever made it told it",
    Rule.SWITCH: "another branch says so: nobody changed it",
    Rule.UNKNOWN: "nobody knows who changed it",
}


def _unknown_lane(row: LaneRow) -> str:
    return f"status.events.jsonl: lane {row.to_lane!r} is unknown; use one of planned, doing, for_review, done"
