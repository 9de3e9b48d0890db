"""The board as it is drawn on a terminal: lanes side by side where there is room, else below each other. Imports Rich.

Features that are complete are named in one paragraph at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from catflap.boardlayout import Card, Section
from catflap.events import STATUSES
from catflap.wording import printable

WIDE_COLUMNS = 72
"""From this width on, lanes stand side by side: 18 columns for each."""
_BAR_COLUMNS = 20
_STYLES = {"planned": "", "doing": "cyan", "for_review": "magenta", "done": "green"}


def board(found: Sequence[Section], now_s: float, columns: int, *, is_all_open: bool = False) -> Group:
    """The sections on a terminal of that width; ``is_all_open``: complete ones in full, too."""
    opened = [section for section in found if is_all_open or not section.is_complete]
    parts: list[RenderableType] = []
    for section in opened:
        parts += [_head(section, columns), *_lanes(section, now_s, columns), Text("")]
    complete = [section for section in found if section not in opened]
    if complete:
        names = ", ".join(f"{printable(section.feature_slug)} ({len(section.cards)})" for section in complete)
        parts.append(Text(f"complete: {names}", style="green"))
    return Group(*parts)


class Cropped:
    """What fits on the screen; a last line counts what does not."""

    def __init__(self, inner: RenderableType, lines: int) -> None:
        self._inner, self._lines = inner, lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = console.render_lines(self._inner, options, pad=False)
        hidden = len(rows) - self._lines
        if hidden > 0:
            rows = rows[: self._lines - 1]
        for row in rows:
            yield from row
            yield Segment.line()
        if hidden > 0:
            yield _one_line(Text(f"{hidden + 1} lines more; see --feature", style="dim"))


def _head(section: Section, columns: int) -> Text:
    words = Text(printable(section.feature_slug), style="bold", no_wrap=True, overflow="ellipsis")
    room = columns - len(section.feature_slug) - len(section.progress()) - 4
    if room >= 0:
        bar = section.bar(min(_BAR_COLUMNS, room)) if room >= 4 else ""
        words.append(f"  {bar}{'  ' if bar else ''}", style="not bold green")
    else:
        words.append("  ")
    return words.append(section.progress(), style="not bold")


def _lanes(section: Section, now_s: float, columns: int) -> Iterator[RenderableType]:
    if columns >= WIDE_COLUMNS:
        yield _side_by_side(section, now_s)
        return
    for status in STATUSES:
        cards = section.lane(status)
        if cards:
            yield _lane_head(status, len(cards))
            for card in cards:
                for line in _card_lines(card, now_s):
                    yield _one_line(Text("  ").append_text(line))


def _side_by_side(section: Section, now_s: float) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, show_header=True)
    for status in STATUSES:
        table.add_column(_lane_head(status, len(section.lane(status))), ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_row(*(_column(section.lane(status), now_s) for status in STATUSES))
    return table


def _column(cards: Sequence[Card], now_s: float) -> Group:
    return Group(*(line for card in cards for line in _card_lines(card, now_s)))


def _lane_head(status: str, count: int) -> Text:
    return Text(f"{status} {count}", style=f"underline {_STYLES[status]}".rstrip())


def _card_lines(card: Card, now_s: float) -> Iterator[Text]:
    """Who and since when, the title, what it waits for; of one that is done a single line."""
    title, wp_id = printable(card.title), Text(card.wp_id, style=f"bold {_STYLES[card.lane]}".rstrip())
    if card.status == "done":
        yield _one_line(wp_id.append(f" {title}", style="not bold"))
        return
    facts = printable(card.facts(now_s))
    unknown = " ?" if card.status is None else ""
    yield _one_line(wp_id.append(f"{unknown}{' ' if facts else ''}{facts}", style="not bold"))
    yield _one_line(Text(title))
    if waits := card.waits():
        yield _one_line(Text(printable(waits), style="yellow"))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
