"""`catflap events`: what was told, oldest first, and goes on live; from this machine's memory, no server is asked."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from sqlite3 import Connection

from catflap.entrylines import line_of, style_of
from catflap.following import looks
from catflap.here import projects_here, require_feature
from catflap.journal import Entry, Journal, State
from catflap.pager import paged
from catflap.since import since as moment
from catflap.terminal import say


def events(
    *,
    follow: bool = False,
    since: str | None = None,
    feature: str | None = None,
    held: bool = False,
    everywhere: bool = False,
    as_json: bool = False,
    is_paged: bool = True,
) -> int:
    """0 once what was told is shown; with ``follow`` once the reader has left. ``held``: what was held back, too.

    Raises: BadInput, NotARepository, NotInstalled, UnknownFeature, DatabaseBusy, DatabaseUnusable.
    """
    start_s = moment(since, time.time()) if since is not None else None
    with projects_here("show the events of", is_all=everywhere) as (connection, projects):
        if not follow:  # it may be yet to come
            require_feature("show", connection, projects, feature)
        journal = Journal(connection, None if everywhere else projects)
        sieve = _Sieve(start_s, feature, held)
        if follow:
            _follow(connection, journal, sieve, as_json=as_json)
            return 0
        shown = sieve.of(journal.new())
    with paged(is_wanted=is_paged and not as_json and bool(shown)):
        _show(shown, as_json=as_json)
    if not shown:
        words = "Nothing was told" if feature is None else f"Nothing of {feature} was told"
        print(f"{words}{'' if since is None else f' since {since}'}.", file=sys.stderr)
    return 0


class _Sieve:
    """What of the journal was asked for."""

    def __init__(self, start_s: float | None, feature: str | None, is_held_wanted: bool) -> None:
        self._start_s, self._feature, self._is_held_wanted = start_s, feature, is_held_wanted

    def of(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of the entries that were asked for."""
        return [entry for entry in entries if self._is_wanted(entry)]

    def _is_wanted(self, entry: Entry) -> bool:
        return (
            (self._is_held_wanted or entry.state is not State.HELD)
            and self._feature in (None, entry.feature)
            and (self._start_s is None or entry.at_s >= self._start_s)
        )


def _follow(connection: Connection, journal: Journal, sieve: _Sieve, *, as_json: bool) -> None:
    """Show what there is, and whatever comes, until the reader leaves or Ctrl-C."""
    for is_new in looks(connection):
        if is_new:
            _show(sieve.of(journal.new()), as_json=as_json)
            sys.stdout.flush()


def _show(entries: Sequence[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            print(json.dumps(entry.to_dict()))
        else:
            say(line_of(entry), style=style_of(entry))
