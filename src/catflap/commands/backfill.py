"""`catflap backfill`: tells the first-parent history that was made before catflap came, or shows what that would be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sqlite3 import Connection

from catflap import git, ledger
from catflap.announce import Envelope
from catflap.announced import HISTORY, LIVE
from catflap.backfill import Backfill, Outcome, Told, scope_of
from catflap.clock import LamportClock
from catflap.config import LOCAL_TEAM, home, is_kept_local
from catflap.database import is_there, open_database
from catflap.errors import KeptLocal, NotInHistory, NotInstalled
from catflap.git import View
from catflap.ledger import Project
from catflap.queue import highest_clock_in
from catflap.span import Since, Span, find_since, find_span, up_to
from catflap.terminal import say, show_table

_NAMED = 5
"""How many work packages that were left out are named."""
_LINES_AT_ONCE = 100
"""Events printed by one write, which takes as long as making one of them."""
_LEFT_OUT = (
    (LIVE, "told live since the install", "; run backfill right after the install"),
    (HISTORY, "told by an earlier backfill", ""),
)


Advance = Callable[[int], None]
"""Takes how many commits of the chain were read."""


def backfill(
    rev: str, *, since: str | None = None, feature: str | None = None, dry_run: bool = False, as_json: bool = False
) -> int:
    """0 once the history is told, or shown with ``dry_run``; what the queue has no room for is told by the next run.

    Raises: NotARepository, NotInstalled, KeptLocal, NotInHistory, GitFailed, DatabaseBusy, DatabaseUnusable, ClockBusy,
    ClockUnwritable.
    """
    view = git.locate(".")
    if dry_run:
        return _preview(view, rev, since, feature, as_json=as_json)
    path = home() / "queue.db"
    if not is_there(path):
        raise _not_installed(view, "catflap is not installed here", "run `catflap install` here")
    connection = open_database(path)
    try:
        return _tell(connection, view, rev, since, feature, as_json=as_json)
    finally:
        connection.close()


def _preview(view: View, rev: str, since: str | None, feature: str | None, *, as_json: bool) -> int:
    span = find_span(view, rev)
    if span is None:
        return _say_nothing("There are no commits yet", as_json=as_json)
    clock = LamportClock.load(home() / "clock.json")
    filling = _prepare(view, span, since, feature, clock.node_id)
    first = max(clock.value, highest_clock_in(home() / "queue.db")) + 1
    _show(filling.preview(first), filling, span, as_json=as_json)
    _require_feature(filling, feature)
    _report(filling.outcome, span, "would be told", as_json=as_json)
    return 0


def _tell(
    connection: Connection, view: View, rev: str, since: str | None, feature: str | None, *, as_json: bool
) -> int:
    project = ledger.find_project(connection, view.common_dir)
    if project is None:
        raise _not_installed(view, "catflap is not installed here", "run `catflap install` here")
    if is_kept_local(home(), view.common_dir):
        hint = "show it with --dry-run, or let it go: catflap auth bind --any"
        raise KeptLocal("tell the history", where=f"of {view.worktree}", why="it is kept local", hint=hint)
    if project.heads is None:
        hint = "run `catflap uninstall --purge` and `catflap install`"
        raise _not_installed(view, "an earlier catflap was, and did not note where HEAD stood", hint)
    whole = find_span(view, rev)
    span = up_to(view, whole, project.heads) if whole is not None else None
    if span is None:
        return _say_nothing("There are no commits from before the install", as_json=as_json)
    clock = LamportClock.load(home() / "clock.json", floor=0)
    filling = _prepare(view, span, since, feature, clock.node_id, project)
    scope = scope_of(span, since=since, feature=feature)
    _show(filling.tell(connection, clock, project, scope), filling, span, as_json=as_json)
    if not filling.outcome.was_done:
        _require_feature(filling, feature)
    _report(filling.outcome, span, "told", as_json=as_json)
    return 0


def _prepare(
    view: View, span: Span, since: str | None, feature: str | None, node_id: str, project: Project | None = None
) -> Backfill:
    envelope = Envelope(
        node_id=node_id,
        team_slug=LOCAL_TEAM,
        now_s=0.0,
        entropy=b"",
        project_slug=project.slug if project is not None else git.project_slug(view),
    )
    start = find_since(view, span, since) if since is not None else Since()
    return Backfill(view, span, start, envelope=envelope, feature=feature)


def _show(events: Iterator[Told], filling: Backfill, span: Span, *, as_json: bool) -> None:
    """Print the events as they come, as JSON; for people a progress bar is enough."""
    encode = json.JSONEncoder().encode
    lines: list[str] = []
    with _progress(span.commits, as_json=as_json) as advance:
        try:
            for told in events:
                if as_json:
                    lines.append(encode({**told.event.to_dict(), "commit": told.commit, "path": told.path}) + "\n")
                    if len(lines) == _LINES_AT_ONCE:
                        _print(lines)
                advance(filling.outcome.place)
        finally:  # whatever ends it: these are told
            _print(lines)


def _print(lines: list[str]) -> None:
    """Print the lines, and empty the list."""
    text = "".join(lines)
    lines.clear()
    sys.stdout.write(text)


@contextmanager
def _progress(total: int, *, as_json: bool) -> Iterator[Advance]:
    """A bar on stderr when that is a terminal, and nothing anywhere else, nor between lines on the same terminal."""
    if not sys.stderr.isatty() or (as_json and sys.stdout.isatty()):
        yield _unseen
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task("Reading commits", total=total)
        yield lambda place: progress.update(task, completed=place)


def _unseen(place: int) -> None:
    """Nobody looks."""


def _require_feature(filling: Backfill, feature: str | None) -> None:
    if feature is not None and filling.found.feature(feature) is None and not filling.found.of_feature(feature):
        why = "this history has no work package of it"
        raise NotInHistory("tell the feature", where=repr(feature), why=why, hint="its name is that of its folder")


def _say_nothing(why: str, *, as_json: bool) -> int:
    _say(f"{why}: nothing to tell.", as_json=as_json)
    return 0


def _report(outcome: Outcome, span: Span, verb: str, *, as_json: bool) -> None:
    total = sum(outcome.types.values())
    if outcome.was_done:
        _say("All of this history was told before: nothing new.", as_json=as_json)
        return
    of = f" of {span.branch}" if span.branch else ""
    _say(f"Read {_count(span.commits, 'commit')}{of}.", as_json=as_json)
    if outcome.types and not as_json:
        show_table(("event", "number"), [(name, f"{number:,}") for name, number in sorted(outcome.types.items())])
    where = f" of {_count(len(outcome.features), 'feature')}" if total else ""
    _say(f"{_count(total, 'event')}{where} {verb}.", as_json=as_json)
    for line in _remarks(outcome):
        _say(line, as_json=as_json)


def _remarks(outcome: Outcome) -> Iterator[str]:
    for how, why, advice in _LEFT_OUT:
        keys = sorted(key for key, told in outcome.left_out.items() if told == how)
        if keys:
            named = ", ".join(" ".join(key) for key in keys[:_NAMED])
            more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
            count = _count(len(keys), "work package")
            yield f"{count} {why}, so their earlier history is left out: {named}{more}{advice}."
    if outcome.waiting:
        left = f"{_count(outcome.waiting, 'event')} found no room"
        yield f"The queue is full: {left}. Once events were sent, run the same command again: it goes on from here."
    if outcome.is_shallow:
        yield (
            "This clone is shallow: earlier history is not here, and what it left was taken as it is. "
            "`git fetch --unshallow` brings it; events told from a whole clone have other ids."
        )
    if outcome.missing:
        yield (
            f"{_count(outcome.missing, 'version')} of files are not in this partial clone, and tell nothing. "
            "`git fetch --refetch --no-filter` brings them."
        )


def _say(text: str, *, as_json: bool) -> None:
    if as_json:
        print(f"catflap: {text}", file=sys.stderr)
    else:
        say(text)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _not_installed(view: View, why: str, hint: str) -> NotInstalled:
    return NotInstalled("tell the history of", where=view.worktree, why=why, hint=f"{hint}, or look with --dry-run")
