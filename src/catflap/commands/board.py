"""`catflap board`: which work package is in which lane, from what was announced here; no server is asked."""

from __future__ import annotations

import errno
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from catflap import ledger
from catflap.announced import Ledger
from catflap.boardlayout import Section, lines, sections
from catflap.config import home
from catflap.database import when_free
from catflap.following import looks
from catflap.here import projects_here, require_feature
from catflap.journal import lane_times
from catflap.ledger import Project
from catflap.pager import paged
from catflap.terminal import advise, can_redraw, say, say_no_more, screen, show_table, size_now
from catflap.trace import count_told


@dataclass(frozen=True, slots=True)
class Shown:
    """One project's part of the board."""

    project: Project
    sections: list[Section]

    def to_dict(self) -> dict[str, Any]:
        features = [section.to_dict() for section in self.sections]
        return {"project_slug": self.project.slug, "path": self.project.path, "features": features}


def board(
    *,
    feature: str | None = None,
    follow: bool = False,
    everywhere: bool = False,
    as_json: bool = False,
    is_paged: bool = True,
) -> int:
    """0 once the board is shown; with ``follow`` it is shown anew at each change, until the reader leaves.

    Raises: NotARepository, NotInstalled, UnknownFeature, DatabaseBusy, DatabaseUnusable.
    """
    with projects_here("show the board of", is_all=everywhere) as (connection, projects):
        if not follow:  # it may be yet to come
            require_feature("show", connection, projects, feature)
        if not follow:
            found = _read(connection, projects, feature)
            has_told = any(count_told(connection, one.id, limit=1) for one in projects)
        elif can_redraw() and not as_json:
            _follow_on_screen(connection, projects, feature)
            return 0
        else:
            _follow_in_lines(connection, projects, feature, as_json=as_json)
            return 0
    if as_json:
        print(_json(found))
        return 0
    with paged(is_wanted=is_paged):
        _show(found, feature)
    if not has_told:
        advise("edit a work package's lane and commit, and look here again.")
    elif not (home() / "credentials").exists():
        advise("`catflap watch` tells each save, without a commit; `catflap hub` shows the board to a team.")
    return 0


def _read(connection: Connection, projects: Sequence[Project], feature: str | None) -> list[Shown]:
    def announced(project: Project) -> Ledger:
        return when_free(lambda: ledger.everything(connection, project.id), connection)

    return [Shown(one, sections(announced(one), lane_times(connection, one), feature)) for one in projects]


def _json(found: Sequence[Shown]) -> str:
    return json.dumps({"projects": [one.to_dict() for one in found]})


def _show(found: Sequence[Shown], feature: str | None) -> None:
    """The board on a terminal, a line per work package anywhere else."""
    for one in found:
        if len(found) > 1:
            say(one.project.slug, style="bold underline")
        if not one.sections:
            say("No work package is known here yet.")
        elif sys.stdout.isatty():
            from catflap.boardview import board as drawn

            console = screen()
            console.print(drawn(one.sections, time.time(), console.width, is_all_open=feature is not None))
        else:
            show_table(("feature", "WP", "status", "agent", "age", "title", ""), lines(one.sections, time.time()))


def _follow_in_lines(
    connection: Connection, projects: Sequence[Project], feature: str | None, *, as_json: bool
) -> None:
    """The whole board again, as it was and as it is, for each change of it."""
    last = None
    for is_new in looks(connection):
        found = _read(connection, projects, feature) if is_new else None
        if found is None or found == last:
            continue
        if as_json:
            print(_json(found))
        else:
            print(end="\n" if last is not None else "")
            _show(found, feature)
        sys.stdout.flush()
        last = found


def _follow_on_screen(connection: Connection, projects: Sequence[Project], feature: str | None) -> None:
    """The board on the terminal's second screen, drawn anew when it changes, the window does, or a minute passes."""
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.text import Text

    from catflap.boardview import Cropped
    from catflap.boardview import board as drawn

    console = screen()
    found: list[Shown] = []

    def frame() -> RenderableType:
        parts: list[RenderableType] = []
        for one in found:
            if len(found) > 1:
                parts.append(Text(one.project.slug, style="bold underline"))
            parts.append(drawn(one.sections, time.time(), console.width, is_all_open=feature is not None))
        return Cropped(Group(*parts), console.height)

    drawn_at: tuple[int, tuple[int, int]] | None = None
    with _until_hang_up(), Live(console=console, get_renderable=frame, screen=True, auto_refresh=False) as live:
        for is_new in looks(connection):
            if is_new:
                found = _read(connection, projects, feature)
            now = (int(time.time() // 60), size_now(console))
            if is_new or now != drawn_at:
                drawn_at, console.size = now, now[1]
                live.refresh()


@contextmanager
def _until_hang_up() -> Iterator[None]:
    """A terminal that was closed cannot be given back as it was, and nobody sees it."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        say_no_more()
