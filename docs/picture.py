"""Draws docs/demo.svg, README's picture: the last events of the demo's story as they came, and its board."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from catflap.demo.board import Board, Feed, by_feature
from catflap.demo.play import open_story
from catflap.demo.scratch import scratch
from catflap.demo.show import LiveShow, show_board

PICTURE = Path(__file__).with_name("demo.svg")
ROWS = 24


def main() -> None:
    """Run the story with real git and the real hook, and write the picture."""
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    show = LiveShow(console)
    with scratch() as place:
        stage = open_story(place)
        board = Board(stage.start)
        with Feed(place.home / "queue.db") as feed:
            for number, act in enumerate(stage.acts, 1):
                show.act(number, act.title)
                act.run()
                events = feed.new()
                for event in events:
                    board.fold(event)
                    show.event(event)
                if not events:
                    show.nothing()
        console.print(show.table(last=ROWS))
        show_board(console, by_feature(board.statuses, board.touched), frozenset(board.completed))
    PICTURE.write_text(console.export_svg(title="catflap demo", unique_id="catflap"), encoding="utf-8")


if __name__ == "__main__":
    main()
