"""The order of what one observation tells, and what holds for any move at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from catflap.announce import Envelope, announce
from catflap.announced import Ledger
from catflap.drafts import WPChange
from catflap.events import Event
from catflap.facts import NOTHING, Facts
from catflap.moves import Rule
from tests.facts_builder import (
    FEATURE,
    announced,
    broken,
    change,
    exactly,
    lane,
    log,
    made,
    moved,
    note,
    of,
    only,
    run,
    short,
    wp,
)

# -- the order of one observation


def test_the_events_of_one_observation_come_in_the_order_of_the_table() -> None:
    ledger = exactly({"WP01": "doing", "WP02": announced("done", dependencies=("WP01",)), "WP04": "done"})
    changes = [
        made("WP03", "done", agent="claude"),
        change(wp("doing"), wp("done", agent="codex", history=[note("x"), note("y", entry_type="review")])),
        of("WP02", wp("done", wp_id="WP02"), wp("done", wp_id="WP02", depends=["WP01"], history=["z"])),
        of("WP04", wp("done", wp_id="WP04"), broken("x", wp_id="WP04")),
    ]
    assert [text.partition(" kitty-specs")[0] for text in short(run(Rule.HAND, changes, ledger))] == [
        "WP03 created",
        "doing>done ada",
        "WP03 planned>done claude",
        "assigned codex implementation 0",
        "WP03 assigned claude implementation 0",
        "note ada: x",
        "review ada: y",
        "WP02 note ada: z",
        "WP02 free of WP01",
        "completed 001-demo of 4",
        "WP04 error",
    ]


def test_a_cause_comes_before_its_effect() -> None:
    ledger = exactly({"WP01": "doing", "WP02": announced("done", dependencies=("WP01",))})
    drafts = run(Rule.HAND, [moved("WP01", "doing", "done"), made("WP03", "done", feature="002-more")], ledger).drafts
    for at, draft in enumerate(drafts):
        assert draft.cause is None or draft.cause in drafts[:at]


# -- what holds for any move

STATUSES = [None, "planned", "doing", "for_review", "done", "dong"]
LOG = [lane(n, to) for n, to in enumerate(["planned", "claimed", "doing", "dong", "for_review", "doing", "done"], 1)]


@st.composite
def places(draw: st.DrawFn, wp_id: str) -> Facts:
    """Any state of one work package in one place: none, broken, from a file, from a log, from both."""
    rows = LOG[: draw(st.integers(0, len(LOG)))] if draw(st.booleans()) else []
    kind = draw(st.sampled_from(["wp", "wp", "wp", "wp", "broken", "none"]))
    if kind == "none":
        return log(*rows) if rows else NOTHING
    if kind == "broken":
        return broken(draw(st.sampled_from("xy")), wp_id=wp_id, rows=rows)
    return wp(
        draw(st.sampled_from(STATUSES)),
        wp_id=wp_id,
        agent=draw(st.sampled_from([None, "codex", "claude"])),
        depends=draw(st.sets(st.sampled_from(["WP01", "WP02", "WP03"]), max_size=2)) - {wp_id},
        history=draw(st.lists(st.sampled_from("abcd"), unique=True)),
        feedback=draw(st.booleans()),
        rows=rows,
    )


@st.composite
def moves(draw: st.DrawFn, rules: Iterable[Rule] = tuple(Rule)) -> tuple[Rule, list[WPChange]]:
    """A rule and up to three work packages, each with the sides of a merge of three or of a rebase."""
    rule = draw(st.sampled_from(list(rules)))
    wp_ids = draw(st.lists(st.sampled_from(["WP01", "WP02", "WP03"]), unique=True, min_size=1))
    return rule, [
        change(
            [draw(places(wp_id)) for _ in range(3)],
            draw(places(wp_id)),
            key=(FEATURE, wp_id),
            is_restored=draw(st.booleans()) and rule is Rule.ONTO,
        )
        for wp_id in wp_ids
    ]


ANY = st.lists(moves(), max_size=4)


def past(steps: Iterable[tuple[Rule, list[WPChange]]]) -> Ledger:
    """A ledger as these moves leave it."""
    ledger = exactly({"WP01": announced("doing", agent="codex", history=frozenset("a"))})
    for rule, changes in steps:
        ledger.absorb(run(rule, changes, ledger).ledger)
    return ledger


def content(ledger: Ledger) -> tuple[Any, ...]:
    own = {slug: dict(wps) for slug, wps in ledger.wps.items()}
    return own, dict(ledger.features), set(ledger.errors), dict(ledger.creations)


@given(ANY, moves())
def test_observing_twice_tells_once(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    rule, changes = move
    ledger.absorb(run(rule, changes, ledger).ledger)
    assert short(run(rule, changes, ledger)) == []


@given(ANY, moves(), st.randoms(use_true_random=False))
def test_the_order_of_the_changes_does_not_matter(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]], random: Any
) -> None:
    ledger = past(steps)
    rule, changes = move
    shuffled = random.sample(changes, len(changes))
    one, other = run(rule, changes, ledger), run(rule, shuffled, ledger)
    assert short(one) == short(other)
    assert content(one.ledger)[:3] == content(other.ledger)[:3]


@given(ANY, moves())
def test_the_ledger_given_is_not_changed(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    before = content(ledger)
    run(*move, ledger)
    assert content(ledger) == before


@given(ANY, moves())
def test_every_draft_becomes_a_valid_event(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    inference = run(*move, past(steps))
    envelope = Envelope(node_id="n", team_slug="local", now_s=1_770_000_000.5, entropy=b"\x01" * 10)
    announcement = announce(inference.drafts, envelope, lambda count: range(5, 5 + count))
    assert announcement.refused == []
    assert len(announcement.events) == len(inference.drafts)
    for event in announcement.events:
        assert Event.from_dict(event.to_dict()) == event


@given(st.lists(moves([Rule.HAND, Rule.EDIT, Rule.PICK, Rule.SWITCH]), max_size=8))
def test_what_the_world_sees_of_a_status_has_no_hole(steps: list[tuple[Rule, list[WPChange]]]) -> None:
    ledger, last = Ledger(), dict[str, str]()
    for rule, changes in steps:
        inference = run(rule, changes, ledger)
        for draft in inference.drafts:
            if draft.event_type == "WPStatusChanged":
                fields = draft.payload
                assert fields["previous_status"] == last.get(fields["wp_id"], fields["previous_status"])
                assert fields["previous_status"] != fields["new_status"]
                last[fields["wp_id"]] = fields["new_status"]
        ledger.absorb(inference.ledger)
    assert {wp_id: ledger.wp((FEATURE, wp_id)).status for wp_id in last} == last


@given(ANY, moves())
def test_a_change_starts_where_the_announced_one_is(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    last = {wp_id: state.status for wp_id, state in ledger.of_feature(FEATURE).items() if state.status is not None}
    for draft in only(run(*move, ledger), "WPStatusChanged"):
        fields = draft.payload
        assert fields["previous_status"] == last.get(fields["wp_id"], fields["previous_status"])
        last[fields["wp_id"]] = fields["new_status"]


@given(st.lists(moves([Rule.HAND, Rule.EDIT, Rule.PULL, Rule.SWITCH]), max_size=4), moves([Rule.SWITCH, Rule.PULL]))
def test_a_switch_or_a_pull_tells_nothing(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    assert short(run(*move, past(steps))) == []


@given(ANY, moves([Rule.SWITCH]))
def test_a_switch_moves_nothing_that_is_known(
    steps: list[tuple[Rule, list[WPChange]]], move: tuple[Rule, list[WPChange]]
) -> None:
    ledger = past(steps)
    after = run(*move, ledger).ledger
    for wp_id, state in ledger.of_feature(FEATURE).items():
        found = after.wp((FEATURE, wp_id))
        assert found == state
    assert not after.errors
