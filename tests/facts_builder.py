"""Builds what inference works on, in few words: facts of a place, an announced state, a change; and reads drafts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catflap.announced import FeatureAnnounced, Ledger, WPAnnounced
from catflap.drafts import Context, Draft, Inference, WPChange
from catflap.facts import NOTHING, Facts, Key
from catflap.featuremeta import FeatureMeta
from catflap.history import HistoryRow
from catflap.infer import infer
from catflap.lanelog import LaneRow
from catflap.moves import Rule
from catflap.workpackage import Problem, WorkPackage, status_of_lane

FEATURE = "001-demo"
AT = "2026-02-03T12:00:00Z"
KEY: Key = (FEATURE, "WP01")
HANDS = [Rule.HAND, Rule.EDIT, Rule.PICK]
SILENT = [Rule.PULL, Rule.SWITCH, Rule.UNKNOWN]


def note(content: str, author: str | None = "ada", *, entry_type: str | None = None) -> HistoryRow:
    """A history row whose digest is its content."""
    return HistoryRow(digest=content, entry_type=entry_type, author=author, content=content)


def lane(second: int, to_lane: str, actor: str | None = "ada", *, wp_id: str = "WP01", event_id: str = "") -> LaneRow:
    """A lane-log row of a second of one day."""
    at = f"2026-02-03T12:00:{second:02d}.000000Z"
    return LaneRow(at, event_id or f"E{second:02d}", wp_id, to_lane, status_of_lane(to_lane), actor)


ROWS = (lane(1, "planned"), lane(2, "in_progress", "bob"), lane(3, "for_review", "cy"), lane(4, "done", None))
"""A lane log in which WP01 goes through all lanes."""


def seen(row: LaneRow) -> tuple[str, str]:
    """The mark of what was read of a log, once this row was."""
    return (row.at, row.event_id)


def wp(
    status: str | None = "planned",
    *,
    wp_id: str = "WP01",
    feature: str = FEATURE,
    title: str | None = None,
    agent: str | None = None,
    depends: Iterable[str] = (),
    history: Iterable[HistoryRow | str] = (),
    feedback: bool = False,
    rows: Iterable[LaneRow] = (),
) -> Facts:
    """A work package with a file that can be read; an unknown lane makes it one with a problem."""
    known = status is None or status_of_lane(status) is not None
    problem = None if known else Problem(f"lane {status!r} is unknown", f"lane-{status}", 3)
    return Facts(
        wp=WorkPackage(
            feature=feature,
            wp_id=wp_id,
            path=f"kitty-specs/{feature}/tasks/{wp_id}-x.md",
            title=title or f"Build {wp_id}",
            status=status if known else None,
            source="frontmatter" if known and status else None,
            agent=agent,
            dependencies=tuple(depends),
            history=tuple(note(row) if isinstance(row, str) else row for row in history),
            has_feedback=feedback,
            problem=problem,
            readable=True,
            lane=status,
            lane_line=3 if status else None,
        ),
        rows=tuple(rows),
    )


def broken(content: str = "---", *, wp_id: str = "WP01", feature: str = FEATURE, rows: Iterable[LaneRow] = ()) -> Facts:
    """A work package whose file does not parse; the digest of its problem is its content."""
    return Facts(
        wp=WorkPackage(
            feature=feature,
            wp_id=wp_id,
            path=f"kitty-specs/{feature}/tasks/{wp_id}-x.md",
            title="x",
            status=None,
            source=None,
            agent=None,
            dependencies=(),
            history=(),
            has_feedback=False,
            problem=Problem("the frontmatter is not closed; close it", content, 1),
            readable=False,
            lane=None,
            lane_line=None,
        ),
        rows=tuple(rows),
    )


def log(*rows: LaneRow) -> Facts:
    """A work package of which only the lane log was looked at."""
    return Facts(rows=rows)


def change(olds: Facts | Iterable[Facts], new: Facts, *, key: Key = KEY, is_restored: bool = False) -> WPChange:
    return WPChange(key, (olds,) if isinstance(olds, Facts) else tuple(olds), new, is_restored)


def of(wp_id: str, olds: Facts | Iterable[Facts], new: Facts, *, feature: str = FEATURE) -> WPChange:
    """A change of the work package with this id."""
    return change(olds, new, key=(feature, wp_id))


def made(wp_id: str, status: str | None = "planned", *, feature: str = FEATURE, **fields: Any) -> WPChange:
    """A work package that a hand made."""
    return of(wp_id, NOTHING, wp(status, wp_id=wp_id, feature=feature, **fields), feature=feature)


def moved(wp_id: str, before: str, after: str, **fields: Any) -> WPChange:
    """A work package whose lane a hand changed."""
    return of(wp_id, wp(before, wp_id=wp_id, **fields), wp(after, wp_id=wp_id, **fields))


def known(wps: Mapping[str, WPAnnounced | str | None] | None = None) -> Ledger:
    """A ledger with one feature that is never complete: one of its work packages, WP90, stays planned."""
    return exactly({"WP90": "planned", **({"WP01": "planned"} if wps is None else wps)})


def exactly(wps: Mapping[str, WPAnnounced | str | None], *, feature: str = FEATURE, **fields: Any) -> Ledger:
    """A ledger with one feature of these work packages; a status stands for one that has it.

    ``fields`` are the feature's.
    """
    ledger = Ledger()
    ledger.features[feature] = FeatureAnnounced(**fields)
    for wp_id, said in wps.items():
        is_short = said is None or isinstance(said, str)
        ledger.put((feature, wp_id), WPAnnounced(status=said, title=f"Build {wp_id}") if is_short else said)
    return ledger


def announced(status: str | None = "planned", **fields: Any) -> WPAnnounced:
    """What was announced of a work package that has a file."""
    return WPAnnounced(**{"status": status, "title": "Build WP01", **fields})


def run(
    rule: Rule,
    changes: WPChange | Iterable[WPChange],
    ledger: Ledger | None = None,
    *,
    at: str = AT,
    branch: str | None = None,
    features: Mapping[str, FeatureMeta] | None = None,
) -> Inference:
    """One move judged; without a ledger WP01 is known, and planned."""
    changes = [changes] if isinstance(changes, WPChange) else list(changes)
    context = Context(rule=rule, at=at, branch=branch, features=features or {})
    return infer(context, changes, known() if ledger is None else ledger)


def advance(rule: Rule, changes: WPChange | Iterable[WPChange], ledger: Ledger, **fields: Any) -> list[str]:
    """What one move tells, in short; the ledger has been told it."""
    inference = run(rule, changes, ledger, **fields)
    ledger.absorb(inference.ledger)
    return short(inference)


def state(inference: Inference, wp_id: str = "WP01") -> WPAnnounced:
    """What is announced of a work package after the move."""
    found = inference.ledger.wp((FEATURE, wp_id))
    assert found is not None
    return found


def only(inference: Inference, event_type: str) -> list[Draft]:
    """The drafts of one type."""
    return [draft for draft in inference.drafts if draft.event_type == event_type]


def short(drafts: Inference | Iterable[Draft]) -> list[str]:
    """``planned>doing ada``: each draft in few words, with the work package in front when it is not WP01."""
    return [_short(draft) for draft in (drafts.drafts if isinstance(drafts, Inference) else drafts)]


def _short(draft: Draft) -> str:
    fields = draft.payload
    prefix = f"{draft.wp_id} " if draft.wp_id not in (None, "WP01") else ""
    match draft.event_type:
        case "FeatureCreated":
            return f"feature {draft.feature} of {fields['wp_count']}"
        case "WPCreated":
            return f"{prefix}created"
        case "WPStatusChanged":
            return f"{prefix}{fields['previous_status']}>{fields['new_status']} {fields['changed_by']}"
        case "WPAssigned":
            return f"{prefix}assigned {fields['agent_id']} {fields['phase']} {fields['retry_count']}"
        case "HistoryAdded":
            return f"{prefix}{fields['entry_type']} {fields['author']}: {fields['entry_content']}"
        case "DependencyResolved":
            return f"{prefix}free of {fields['dependency_wp_id']}"
        case "FeatureCompleted":
            return f"completed {draft.feature} of {fields['total_wps']}"
        case _:
            return f"{prefix}error {fields['error_message']}"
