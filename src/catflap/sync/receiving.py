"""What the team's events do here: they move the clock, and the ledger of each project that they are about.

So a mate's change that a pull brings later tells nothing. Nothing received is ever queued, and no view's base moves:
the files here are as they were. Events come in any order and more than once; what is older than what the team knows
of the same fact, by (lamport_clock, node_id), moves nothing. A snapshot stands for the events before it that we did
not get: it moves what they would have moved, as far as its cards say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import Any

from catflap import heard, ledger, queue
from catflap.announced import LIVE, Ledger, apply_event
from catflap.bindings import Binding
from catflap.clock import MAX_FOLLOWED, MAX_REMOTE, LamportClock
from catflap.errors import InvalidEvent
from catflap.events import validate
from catflap.queue import OfflineQueue
from catflap.sync.shown import events_shown


@dataclass(frozen=True, slots=True)
class Reception:
    """How many events moved a ledger; how many were none, and what was wrong with the first of them."""

    applied: int = 0
    invalid: int = 0
    why: str = ""


def receive(
    events: Sequence[Mapping[str, Any]],
    *,
    queued: OfflineQueue,
    clock: LamportClock,
    team: str,
    bindings: Mapping[str, Binding],
) -> Reception:
    """Take what ``team``'s server sent, whoever made it. The clock moves first: what is told next comes after it.

    A clock above MAX_FOLLOWED is not followed, but its event counts, here as on the board: the team was told it.
    ``bindings`` by common dir: a project that is kept local, or speaks to another team, does not listen either.

    Raises: DatabaseBusy, DatabaseUnusable, ClockBusy, ClockUnwritable; then the same events may be given again.
    """
    valid, why = _valid(events, team)
    # Not by node_id: two machines whose users and host names are the same, as containers' are, have the same.
    own = queued.own_ids([event["event_id"] for event in valid])
    others = [event for event in valid if event["event_id"] not in own]
    clocks = [int(event["lamport_clock"]) for event in others]
    if followed := [one for one in clocks if one <= MAX_FOLLOWED]:
        clock.receive(max(followed))
    applied = 0
    if valid:
        with queued.writing() as connection:
            waiting = queue.highest_clocks(connection)
            fresh = [event for event in _in_order(others) if _is_news(connection, event, waiting)]
            applied = _apply(connection, fresh, team, bindings, apply_event)
            heard.note(connection, valid)
    return Reception(applied, len(events) - len(valid), why)


def receive_snapshot(
    cards: Sequence[Mapping[str, Any]],
    highest: int,
    *,
    queued: OfflineQueue,
    clock: LamportClock,
    team: str,
    bindings: Mapping[str, Binding],
) -> int:
    """How many facts moved a ledger, by the cards of a snapshot and the team's ``highest`` clock.

    What the cards do not date moves what no queued event of our own is about.

    Raises: as `receive`; then the same snapshot may be given again.
    """
    shown = events_shown(cards, team=team)
    dated, undated = _valid(shown.dated, team)[0], _valid(shown.undated, team)[0]
    clocks = [highest, *(int(event["lamport_clock"]) for event in dated)]
    follow = max((one for one in clocks if one <= MAX_FOLLOWED), default=0)
    if follow > clock.value:
        clock.receive(follow)
    if not dated and not undated:
        return 0
    with queued.writing() as connection:
        waiting = queue.highest_clocks(connection)
        fresh = [event for event in _in_order(undated) if heard.fact_of(event) not in waiting]
        fresh += [event for event in _in_order(dated) if _is_news(connection, event, waiting)]
        applied = _apply(connection, fresh, team, bindings, _apply_shown)
        heard.note(connection, dated)
    return applied


def _valid(events: Iterable[Mapping[str, Any]], team: str) -> tuple[list[Mapping[str, Any]], str]:
    """The events of the team that are some; what is wrong with the first that is none."""
    valid, why = [], ""
    for event in events:
        if (wrong := _why_not(event, team)) is None:
            valid.append(event)
        else:
            why = why or wrong
    return valid, why


def _why_not(event: Mapping[str, Any], team: str) -> str | None:
    try:
        validate(event)
        json.dumps(event, ensure_ascii=False).encode()
    except InvalidEvent as error:
        return f"{error.where}: {error.why}"
    except UnicodeEncodeError as error:  # half of a surrogate pair: JSON can hold it, SQLite's text cannot
        return str(error)
    if event["team_slug"] != team:
        return f"it is of team {event['team_slug']!r:.60}"
    if event["lamport_clock"] > MAX_REMOTE:
        return f"its clock is {event['lamport_clock']}"
    return None


def _apply(
    connection: Connection,
    fresh: Sequence[Mapping[str, Any]],
    team: str,
    bindings: Mapping[str, Binding],
    apply: Callable[[Ledger, str, Mapping[str, Any], str], None],
) -> int:
    """How many of the events moved the ledger of a project that listens, each by ``apply``."""
    slugs = {event["project_slug"] for event in fresh}
    listeners = [project for project in ledger.projects(connection) if project.slug in slugs]
    listeners = [project for project in listeners if _listens(bindings.get(project.common_dir), team)]
    applied: set[str] = set()
    for project in listeners:
        own = [event for event in fresh if event["project_slug"] == project.slug]
        features = {event["payload"].get("feature_slug") for event in own}
        told = ledger.load(connection, project.id, [slug for slug in features if slug]).fork()
        for event in own:
            apply(told, event["event_type"], event["payload"], event["event_id"])
            applied.add(event["event_id"])
        ledger.save(connection, project.id, told)
    return len(applied)


def _apply_shown(told: Ledger, event_type: str, payload: Mapping[str, Any], event_id: str) -> None:
    """Move the ledger to what a card says. Where it is there already, no more follows than that the team knows."""
    key = payload["feature_slug"], payload["wp_id"]
    known = told.wp(key)
    is_same = known is not None and {
        "WPCreated": True,
        "WPStatusChanged": known.status == payload.get("new_status"),
        "WPAssigned": known.agent == payload.get("agent_id"),
    }.get(event_type, False)
    if known is None or not is_same:
        apply_event(told, event_type, payload, event_id)
    elif known.told is None:
        told.put(key, replace(known, told=LIVE))


def _listens(binding: Binding | None, team: str) -> bool:
    return binding is None or (not binding.is_local and binding.team in (None, team))


def _in_order(events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each event once, in the order of stamps."""
    by_id = {event["event_id"]: event for event in events if event.get("project_slug")}
    return sorted(by_id.values(), key=heard.stamp_of)


def _is_news(connection: Connection, event: Mapping[str, Any], waiting: Mapping[heard.Fact, int]) -> bool:
    """Whether nothing newer is known of the fact, neither at the server nor in our own queue."""
    fact, stamp = heard.fact_of(event), heard.stamp_of(event)
    return stamp > heard.newest(connection, fact) and stamp[0] >= waiting.get(fact, -1)
