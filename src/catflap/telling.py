"""What a move tells, as it is judged: drafts, notes, and the ledger that follows. Knows values only, judges nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from catflap.announced import LIVE, FeatureAnnounced, Ledger, WPAnnounced, apply_event
from catflap.drafts import Context, Draft, Note, WPChange
from catflap.facts import Facts, Key
from catflap.moves import Rule

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


class Telling:
    """What one move has told so far; every draft moves the ledger at once, so that the next fact is judged by it."""

    def __init__(self, context: Context, ledger: Ledger) -> None:
        self.context = context
        self.rule = context.rule
        self.ledger = ledger
        self.drafts: list[Draft] = []
        self.notes: list[Note] = []
        self.created: dict[Key, Draft] = {}
        self.done: list[Draft] = []

    def known(self, key: Key) -> WPAnnounced:
        state = self.ledger.wp(key)
        assert state is not None
        return state

    def take(self, key: Key, facts: Facts) -> None:
        """Take the work package as it is: nothing is told, and from now on it is known."""
        if facts.wp is not None and self.ledger.feature(key[0]) is None:
            meta = self.context.features.get(key[0])
            self.ledger.features[key[0]] = FeatureAnnounced(created_at=meta.created_at if meta else None)
        self.ledger.put(key, adopt(facts))

    def tell(self, event_type: str, key: Key, payload: dict[str, Any], cause: Draft | str | None) -> Draft:
        """The draft, told; ``key`` has no wp_id when it is about a feature."""
        draft = Draft(event_type, key[0], key[1] or None, payload, cause)
        self.drafts.append(draft)
        apply_event(self.ledger, event_type, payload)
        return draft

    def tell_status(self, change: WPChange, status: str, by: str) -> None:
        """Tell that the status is another than announced; where none was, stating the old one is no change."""
        key = change.key
        previous = self.known(key).status or change.olds[0].status or "planned"
        if previous == status:
            self.ledger.put(key, replace(self.known(key), status=status))
            return
        payload = {
            "wp_id": key[1],
            "previous_status": previous,
            "new_status": status,
            "changed_by": by,
            "feature_slug": key[0],
        }
        draft = self.tell("WPStatusChanged", key, payload, self.created.get(key))
        if status == "done":
            self.done.append(draft)
        self.note(change, "status", previous, status, f"changed by a {self.rule.value}", draft)

    def tell_error(self, change: WPChange, digest: str, message: str, *, is_own: bool) -> None:
        """Tell an error, once per ``digest``; one that is not of this hand (``is_own``) counts as told by another."""
        if self.ledger.knows_error(digest):
            return
        if self.rule is not Rule.SWITCH:
            self.ledger.errors.add(digest)
        if is_own:
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

    def follow(self, change: WPChange, status: str, *, is_next: bool) -> None:
        """Hold the status back; the ledger follows when it ``is_next`` to the announced one."""
        known = self.known(change.key)
        if change.is_restored:
            self.held(change, known.status, status, "taken back by a later step of the same observation")
            return
        if is_next and self.rule is not Rule.SWITCH:
            self.ledger.put(change.key, replace(known, status=status, told=LIVE))
        self.held(change, known.status, status, _HELD[self.rule])

    def held(self, change: WPChange, before: str | None, after: str | None, why: str) -> None:
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
