"""Plays a first-parent chain against a ledger of its own, as if each commit had been seen live: what each one tells.

The ledger begins empty and lives as long as the replay. Knows no database and no clock: nothing is told here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from catflap.announce import Envelope, event_of
from catflap.announced import FeatureAnnounced, Ledger
from catflap.chain import Chain, Visit
from catflap.contentid import content_ids
from catflap.drafts import Context, Draft, Note, WPChange
from catflap.errors import InvalidEvent
from catflap.events import Event
from catflap.facts import Facts, Key
from catflap.git import LANE_LOG, SPECS
from catflap.infer import infer, take_feature
from catflap.instants import iso
from catflap.moves import Rule


@dataclass(frozen=True, slots=True)
class Identified:
    """A draft with the id that its event has wherever it is told, its cause's id, and the file that says it."""

    draft: Draft
    event_id: str
    causation_id: str | None
    path: str
    note: Note | None

    @property
    def key(self) -> Key:
        return (self.draft.feature, self.draft.wp_id or "")


@dataclass(frozen=True, slots=True)
class Retold:
    """What one commit tells, in order; ``place`` is its place in the chain, from 0, ``at`` epoch seconds."""

    place: int
    commit: str
    at: int
    drafts: list[Identified]

    def events(self, drafts: Sequence[Identified], envelope: Envelope, first_clock: int) -> list[Event]:
        """The events of ``drafts``, some of this commit's, with consecutive clocks; without those that are not valid.

        The time, and the commit, are this one's; the rest of the envelope is as given.
        """
        own = replace(envelope, now_s=self.at, head_commit_sha=self.commit)
        found = []
        for clock, one in enumerate(drafts, first_clock):
            with suppress(InvalidEvent):  # a fact that the data model has no words for: the others are told
                found.append(
                    event_of(
                        one.draft,
                        own,
                        event_id=one.event_id,
                        causation_id=one.causation_id,
                        lamport_clock=clock,
                    )
                )
        return found


class Replay:
    """One chain, played once. ``ledger`` is what the world would know after the commits played so far.

    ``branch``: the one that the chain is of, where it has a name.
    """

    def __init__(self, chain: Chain, *, branch: str | None) -> None:
        self.ledger = Ledger()
        self._chain = chain
        self._branch = branch

    def play(self) -> Iterator[Retold]:
        """Every commit that changed work packages, oldest first, with what it tells (often nothing).

        Raises: GitFailed.
        """
        for visit in self._chain.visits():
            if visit.is_start:
                self._take(visit)
                drafts = []
            else:
                drafts = self._judge(visit)
            yield Retold(visit.place, visit.link.commit, visit.link.at, drafts)

    def _take(self, visit: Visit) -> None:
        """Take the work packages at the end of a shallow clone as they are, silently."""
        by_feature: dict[str, dict[Key, Facts]] = {}
        for change in visit.changes:
            by_feature.setdefault(change.key[0], {})[change.key] = change.new
        for slug, members in by_feature.items():
            take_feature(self.ledger, slug, members, self._chain.meta(slug))

    def _judge(self, visit: Visit) -> list[Identified]:
        slugs = {change.key[0] for change in visit.changes}
        features = {slug: self._chain.meta(slug) for slug in slugs if self.ledger.feature(slug) is None}
        context = Context(rule=Rule.HAND, at=iso(visit.link.at), branch=self._branch, features=features)
        inference = infer(context, visit.changes, self.ledger)
        self.ledger.absorb(inference.ledger)
        drafts = [draft for draft in inference.drafts if self._is_certain(draft)]
        ids = content_ids(self._chain.root, visit.link.commit, visit.link.at, drafts)
        by_draft = {id(draft): event_id for draft, event_id in zip(drafts, ids, strict=True)}
        self._remember_created(drafts, by_draft)
        notes = {id(note.draft): note for note in inference.notes if note.draft is not None}
        paths = {change.key: _path_of(change) for change in visit.changes}
        return [
            Identified(
                draft=draft,
                event_id=by_draft[id(draft)],
                causation_id=by_draft[id(draft.cause)] if isinstance(draft.cause, Draft) else draft.cause,
                path=_path_of_draft(draft, paths),
                note=notes.get(id(draft)),
            )
            for draft in drafts
        ]

    def _is_certain(self, draft: Draft) -> bool:
        """Whether it can be said: a feature with a file that nobody could read may not be complete."""
        if draft.event_type != "FeatureCompleted" or self._chain.is_known(draft.feature):
            return True
        self.ledger.features[draft.feature] = replace(self.ledger.features[draft.feature], is_complete=False)
        return False

    def _remember_created(self, drafts: Sequence[Draft], ids: dict[int, str]) -> None:
        for draft in drafts:
            if draft.event_type == "FeatureCreated":
                state = self.ledger.features.get(draft.feature) or FeatureAnnounced()
                self.ledger.features[draft.feature] = replace(state, created_id=ids[id(draft)])
                self.ledger.creations.pop(draft.feature, None)


def _path_of(change: WPChange) -> str:
    """The file that spoke for a work package last; the lane log's where it never had one."""
    for facts in (change.new, *change.olds):
        if facts.wp is not None:
            return facts.wp.path
    return f"{SPECS}/{change.key[0]}/{LANE_LOG}"


def _path_of_draft(draft: Draft, paths: dict[Key, str]) -> str:
    """The file of the work package that the event is of, or of the one that caused it; a feature's is its folder."""
    named = (draft.wp_id, draft.payload.get("dependency_wp_id"))
    found = (paths.get((draft.feature, wp_id)) for wp_id in named if wp_id is not None)
    return next((path for path in found if path is not None), f"{SPECS}/{draft.feature}")
