"""`catflap explain`: why the last changes of a work package were told or held back, from what was recorded then."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from sqlite3 import Connection

from catflap import ledger, trace
from catflap.announced import WPAnnounced
from catflap.errors import BadInput, CatflapError
from catflap.here import project_here
from catflap.ledger import Project
from catflap.pager import paged
from catflap.terminal import say
from catflap.trace import TraceRow
from catflap.workpackage import normalise_wp_id

LAST = 50
"""How many decisions are shown of each work package."""
_SHORT_SHA = 12
_STYLES = {"told": "green", "held": "yellow"}


class UnknownWorkPackage(CatflapError):
    """Nobody has seen a work package of this id in this repository."""


def explain(wp: str, *, feature: str | None = None, as_json: bool = False, is_paged: bool = True) -> int:
    """0 once the last decisions about the work package are shown, oldest first, for each feature that has such an id.

    On a terminal they go through a pager, unless ``is_paged`` is False.

    Raises: NotARepository, NotInstalled, BadInput, UnknownWorkPackage, DatabaseBusy, DatabaseUnusable.
    """
    wp_id = normalise_wp_id(wp)
    if wp_id is None:
        raise BadInput("explain", where=repr(wp), why="it is no work package id", hint="write it like WP01")
    with project_here("explain") as (connection, project):
        states, decisions = _remembered(connection, project, wp_id)
    slugs = sorted({*states, *decisions})
    shown = [slug for slug in slugs if feature in (None, slug)]
    if not shown:
        raise _unknown(wp_id, feature, slugs)
    with paged(is_wanted=is_paged and not as_json):
        for slug in shown:
            _show(slug, wp_id, states.get(slug), decisions.get(slug, []), as_json=as_json)
    return 0


def _remembered(
    connection: Connection, project: Project, wp_id: str
) -> tuple[dict[str, WPAnnounced], dict[str, list[TraceRow]]]:
    """Per feature what is announced of the work package, and the last decisions about it."""
    announced = ledger.everything(connection, project.id)
    states = {slug: wps[wp_id] for slug, wps in announced.wps.items() if wp_id in wps}
    decisions: dict[str, list[TraceRow]] = {}
    for row in trace.last(connection, project.id, wp_id, limit=trace.ROWS):
        decisions.setdefault(row.feature_slug, []).append(row)
    return states, {slug: rows[-LAST:] for slug, rows in decisions.items()}


def _show(slug: str, wp_id: str, state: WPAnnounced | None, rows: Sequence[TraceRow], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row)))
        if not rows:
            print(f"{slug} {wp_id}: nothing was told or held back yet", file=sys.stderr)
        return
    say(f"{slug} {wp_id}: {_announced(state)}", style="bold")
    for row in rows:
        say(f"  {row.at}  {row.outcome}  {row.fact}{_change(row)}", style=_STYLES.get(row.outcome, ""))
        for line in _why(row):
            say(f"      {line}")
    if not rows:
        say("  Nothing was told or held back yet: it is as it was when catflap was installed.")


def _announced(state: WPAnnounced | None) -> str:
    if state is None:
        return "nothing is announced"
    agent = f", agent {state.agent}" if state.agent else ""
    return f"announced as {state.status or 'unknown'}{agent}"


def _change(row: TraceRow) -> str:
    if row.before is None and row.after is None:
        return ""
    if row.before is None:
        return f"  {row.after}"
    return f"  {row.before} → {row.after if row.after is not None else 'nothing'}"


def _why(row: TraceRow) -> list[str]:
    """Rule and reason, and where it was seen: commit, file, event."""
    place = {
        "commit": row.commit_sha[:_SHORT_SHA] if row.commit_sha else None,
        "file": row.path,
        "event": row.event_id,
    }
    return [f"{row.rule}: {row.note}", *_named(place)]


def _named(place: Mapping[str, str | None]) -> list[str]:
    words = "  ".join(f"{name} {value}" for name, value in place.items() if value)
    return [words] if words else []


def _unknown(wp_id: str, feature: str | None, slugs: Sequence[str]) -> UnknownWorkPackage:
    if slugs:
        why, hint = f"it is not in feature {feature}", f"it is in {', '.join(slugs)}"
    else:
        why = "no such work package was seen in this repository"
        hint = "correct the id, or run `catflap observe` if it is new"
    return UnknownWorkPackage("explain", where=wp_id, why=why, hint=hint)
