"""`catflap queue list|retry|drop|export`: the events that wait for the server, and those that were parked."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from catflap.config import home
from catflap.database import is_there
from catflap.errors import BadInput, InvalidEvent
from catflap.events import Event
from catflap.queue import MAX_RETRIES, OfflineQueue, QueuedEvent
from catflap.terminal import say, show_table
from catflap.wording import by_whom, what_changed, where


def list_events(*, as_json: bool = False) -> int:
    """0 once every event is shown, oldest first, and why the server refused some. Raises: DatabaseBusy,
    DatabaseUnusable.
    """
    rows = _rows()
    if as_json:
        _print_events(rows, with_refusals=True)
        return 0
    if rows:
        show_table(("clock", "state", "where", "change", "by", "event"), [_line(row) for row in rows])
    _show_refusals(rows)
    parked = sum(_is_parked(row) for row in rows)
    if parked:
        say(f"{_count(len(rows) - parked)} pending, {parked} parked; `catflap queue retry` gives these another chance.")
    else:
        say(f"{_count(len(rows))} pending, none parked.")
    return 0


def export() -> int:
    """0 once every event is on stdout as a JSON line, oldest first. Raises: DatabaseBusy, DatabaseUnusable."""
    rows = _rows()
    printed = _print_events(rows)
    print(f"{_count(printed)} exported.", file=sys.stderr)
    return 0


def retry(ids: Sequence[str], *, as_json: bool = False) -> int:
    """0 once the parked events, all or the named, wait to be sent again; 1 when an id is not in the queue.

    Raises: DatabaseBusy, DatabaseUnusable.
    """
    known = {row.event_id for row in _rows()}
    wanted = list(dict.fromkeys(ids))
    found = [one for one in wanted if one in known]
    unknown = [one for one in wanted if one not in known]
    retried = 0
    if known and (found or not ids):
        with OfflineQueue() as queue:
            retried = queue.retry_parked(found if ids else None)
    waiting = len(found) - retried if ids else 0
    rest = f" {_count(waiting)} named had not been parked." if waiting else ""
    return _end("retried", retried, f"{_count(retried)} given another chance.{rest}", unknown, as_json=as_json)


def drop(ids: Sequence[str], *, parked: bool = False, as_json: bool = False) -> int:
    """0 once the named events, or with ``parked`` those too, are out of the queue; 1 when an id is not in it.

    Raises: BadInput when nothing is named; DatabaseBusy, DatabaseUnusable.
    """
    if not ids and not parked:
        raise BadInput("drop", why="no event is named", hint="name ids from `catflap queue list`, or use --parked")
    rows = _rows()
    known = {row.event_id for row in rows}
    wanted = dict.fromkeys([*ids, *(row.event_id for row in rows if parked and _is_parked(row))])
    unknown = [one for one in wanted if one not in known]
    dropped = 0
    if known and len(unknown) < len(wanted):
        with OfflineQueue() as queue:
            dropped = queue.drop(one for one in wanted if one in known)
    return _end("dropped", dropped, f"{_count(dropped)} dropped, never to be sent.", unknown, as_json=as_json)


def _rows() -> list[QueuedEvent]:
    """Every row of the queue; none where there is no queue yet, and none is made."""
    path = home() / "queue.db"
    if not is_there(path):
        return []
    with OfflineQueue(path) as queue:
        return queue.rows()


def _print_events(rows: Sequence[QueuedEvent], *, with_refusals: bool = False) -> int:
    """How many events are on stdout now. A row of another program that is no event is left out, and counted."""
    found = [row for row in rows if "payload" in row.event]
    for row in found:
        is_told = with_refusals and row.refusal is not None
        print(json.dumps(row.event | {"refused": _refused(row)} if is_told else row.event))
    if len(found) < len(rows):
        print(f"catflap: {len(rows) - len(found)} rows are no events and are left out", file=sys.stderr)
    return len(found)


def _refused(row: QueuedEvent) -> dict[str, Any]:
    return {"times": row.retry_count, "why": row.refusal, "parked": _is_parked(row)}


def _show_refusals(rows: Sequence[QueuedEvent]) -> None:
    """Say each of the server's reasons once, with the events that it was said of."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.refusal is not None:
            by_reason.setdefault(row.refusal, []).append(row.event_id)
    for why, ids in by_reason.items():
        others = f" and {len(ids) - 1:,} more" if len(ids) > 1 else ""
        say(f"refused: {ids[0]}{others}: {why}", style="yellow")


def _line(row: QueuedEvent) -> tuple[str, ...]:
    state = "parked" if _is_parked(row) else f"refused {row.retry_count}×" if row.retry_count else "pending"
    try:
        event = Event.from_dict(row.event)
    except InvalidEvent:  # another program put it there; it can be dropped all the same
        return ("?", state, "?", f"no event: {row.event.get('event_type', '?')}", "", row.event_id)
    return (
        str(event.lamport_clock),
        state,
        where(event),
        what_changed(event),
        by_whom(event),
        row.event_id,
    )


def _is_parked(row: QueuedEvent) -> bool:
    return row.retry_count >= MAX_RETRIES


def _end(verb: str, number: int, words: str, unknown: Sequence[str], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({verb: number, "unknown": list(unknown)}))
    else:
        say(words)
    for one in unknown:
        print(f"catflap: no event {one!r:.80} is in the queue; see `catflap queue list`", file=sys.stderr)
    return 1 if unknown else 0


def _count(number: int) -> str:
    return f"{number:,} event{'' if number == 1 else 's'}"
