"""What a move means: from facts before and after, and what is announced, to drafts of events. Knows values only.

Features and their work packages as they come and are completed; the facts of one work package are judge.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from catflap.announced import FeatureAnnounced, Ledger, is_complete
from catflap.drafts import Context, Draft, Inference, WPChange
from catflap.facts import Facts, Key
from catflap.featuremeta import FeatureMeta
from catflap.instants import duration
from catflap.judge import Judge
from catflap.telling import adopt


def infer(context: Context, changes: Iterable[WPChange], ledger: Ledger) -> Inference:
    """What is told of ``changes``, and a fork of ``ledger`` that has been told it; ``ledger`` itself is untouched."""
    judge = Judge(context, ledger.fork())
    ordered = sorted(changes, key=lambda change: change.key)
    _create(judge, [change for change in ordered if _is_new(judge, change)])
    for change in ordered:
        judge.look(change)
    _conclude(judge, {change.key[0] for change in ordered})
    judge.drafts.sort(key=lambda draft: draft.order)
    return Inference(judge.drafts, judge.ledger, judge.notes)


def take_feature(ledger: Ledger, slug: str, members: Mapping[Key, Facts], meta: FeatureMeta | None) -> None:
    """Take a feature that was there before us as it is, silently; work packages that are known stay as they are.

    One without a work package that can be read (an empty folder, a first draft that does not parse) was not there.
    """
    if not any(facts.wp is not None and facts.wp.readable for facts in members.values()):
        return
    if ledger.feature(slug) is None:
        ledger.features[slug] = FeatureAnnounced(created_at=meta.created_at if meta is not None else None)
    for key, facts in members.items():
        if ledger.wp(key) is None:
            ledger.put(key, adopt(facts))
    state = ledger.feature(slug) or FeatureAnnounced()
    ledger.features[slug] = replace(state, is_complete=is_complete(ledger.of_feature(slug)))


def _is_new(judge: Judge, change: WPChange) -> bool:
    """Whether a hand made this work package in this move; one that was there before is taken as it was there."""
    known = judge.ledger.wp(change.key)
    before = next((old for old in change.olds if old.is_readable), None)
    if known is None and before is not None:
        judge.take(change.key, before)
        known = judge.ledger.wp(change.key)
    if change.new.wp is None or not change.new.wp.readable or (known is not None and known.title):
        return False
    return judge.is_added(change, lambda old: old.wp is None or not old.wp.readable)


def _create(judge: Judge, changes: Sequence[WPChange]) -> None:
    """FeatureCreated for each feature that is new, then WPCreated for each of its work packages."""
    by_feature: dict[str, list[WPChange]] = {}
    for change in changes:
        by_feature.setdefault(change.key[0], []).append(change)
    for slug, members in by_feature.items():
        if judge.ledger.feature(slug) is None:
            judge.ledger.creations[slug] = _create_feature(judge, slug, len(members))
        cause = judge.ledger.creation(slug)
        for change in members:
            wp = change.new.wp
            assert wp is not None
            payload = {
                "wp_id": wp.wp_id,
                "title": wp.title,
                "dependencies": list(wp.dependencies),
                "feature_slug": slug,
            }
            draft = judge.tell("WPCreated", change.key, payload, cause)
            judge.created[change.key] = draft
            judge.note(change, "created", None, wp.title, "a new work package", draft)


def _create_feature(judge: Judge, slug: str, wp_count: int) -> Draft:
    meta = judge.context.features.get(slug) or FeatureMeta(number="000")
    payload = {
        "feature_slug": slug,
        "feature_number": meta.number,
        "target_branch": meta.target_branch or judge.context.branch or "main",
        "wp_count": wp_count,
        "created_at": meta.created_at or judge.context.at,
    }
    return judge.tell("FeatureCreated", (slug, ""), payload, None)


def _conclude(judge: Judge, features: set[str]) -> None:
    """Dependencies resolved and features completed by what this move told; flags follow what it did not tell."""
    for done in judge.done:
        _resolve(judge, done)
    for slug in sorted(features):
        state = judge.ledger.feature(slug)
        if state is not None:
            _complete(judge, slug, state)


def _resolve(judge: Judge, done: Draft) -> None:
    for wp_id, state in sorted(judge.ledger.of_feature(done.feature).items()):
        if state.is_present and done.wp_id in state.dependencies:
            payload = {
                "wp_id": wp_id,
                "dependency_wp_id": done.wp_id,
                "resolution_type": "completed",
                "feature_slug": done.feature,
            }
            judge.tell("DependencyResolved", (done.feature, wp_id), payload, done)


def _complete(judge: Judge, slug: str, state: FeatureAnnounced) -> None:
    wps = judge.ledger.of_feature(slug)
    complete = is_complete(wps)
    told = [draft for draft in judge.done if draft.feature == slug]
    if complete and not state.is_complete and told:
        payload = {
            "feature_slug": slug,
            "completed_at": judge.context.at,
            "total_wps": sum(wp.is_present for wp in wps.values()),
            "total_duration": duration(state.created_at, judge.context.at),
        }
        judge.tell("FeatureCompleted", (slug, ""), payload, told[-1])
    elif complete != state.is_complete:
        judge.ledger.features[slug] = replace(state, is_complete=complete)
