"""Draws README's pictures of the terminal: docs/demo.svg, docs/status.svg and docs/doctor.svg, from real runs.

`demo.svg` is the end of the demo's story and its board. The others are what the commands print on a terminal in the
repository that the story leaves behind, while a watcher runs; its folders are shown as if they were a user's.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from catflap.commandline import app
from catflap.demo.act import Stage
from catflap.demo.board import Board, Feed, by_feature
from catflap.demo.play import open_story
from catflap.demo.scratch import Scratch, scratch
from catflap.demo.show import LiveShow, show_board

FOLDER = Path(__file__).parent
ROWS = 24
COLUMNS = 104
COMMANDS = ("status", "doctor")
_FONTS = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)


def main() -> None:
    """Run the story with real git and the real hook, then the commands, and write the pictures."""
    with scratch() as place:
        stage = open_story(place)
        draw_demo(place, stage)
        with place.serving("watch"):
            for command in COMMANDS:
                if command in getattr(typer.main.get_command(app), "commands", {}):
                    draw_command(place, command)


def draw_demo(place: Scratch, stage: Stage) -> None:
    """Play the story, and draw its last events and its board."""
    console = recording()
    show = LiveShow(console)
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
    write(console, "demo")


def draw_command(place: Scratch, command: str) -> None:
    """Draw what a command prints."""
    console = recording()
    console.print(Text(f"$ catflap {command}", style="bold"))
    names = {str(place.repository): "~/src/cat-door", str(place.home): "~/.spec-kitty", str(place.root): "~"}
    lines = [renamed(Text.from_ansi(line), names) for line in printed(place, command).splitlines()]
    for line in narrowed(lines):
        console.print(line)
    write(console, command)


def printed(place: Scratch, command: str) -> str:
    """What ``catflap COMMAND`` prints on a terminal in the repository, colours included."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (100, 2 * COLUMNS))  # wide: the paths are longer than what is shown in their place
    environment = place.environment() | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "GIT_PAGER": "cat"}
    words = [sys.executable, "-P", "-m", "catflap", command]
    with subprocess.Popen(
        words, cwd=place.repository, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        found = bytearray()
        with suppress(OSError):  # EIO: nobody holds the other end any more
            while piece := os.read(ours, 65536):
                found += piece
        os.close(ours)
    if process.returncode:
        raise SystemExit(f"catflap {command} ends with {process.returncode}:\n{found.decode()}")
    return found.decode().rstrip()


def renamed(line: Text, names: Mapping[str, str]) -> Text:
    """The line with other names for folders; what stands in a further column stays where it is."""
    for path, name in names.items():
        while (start := line.plain.find(path)) >= 0:
            gap = line.plain.find("  ", start)
            room = " " * (len(path) - len(name)) if gap >= 0 else ""
            gap = gap if gap >= 0 else len(line)
            line = Text.assemble(line[:start], name, line[start + len(path) : gap], room, line[gap:])
    line.rstrip()
    return line


def narrowed(lines: Sequence[Text]) -> list[Text]:
    """The lines, with no more than two spaces between the columns of a table."""
    table = [line for line in lines if "  " in line.plain.strip()]
    width = max((len(line) for line in table), default=0)
    blank = "".join("." if all(line.plain[at : at + 1] in ("", " ") for line in table) else "x" for at in range(width))
    gaps = [(found.start() + 2, found.end()) for found in re.finditer(r"\.{3,}", blank) if found.start() > 0]
    return [_without(line, gaps) if line in table else line for line in lines]


def _without(line: Text, gaps: Sequence[tuple[int, int]]) -> Text:
    for start, end in reversed(gaps):
        line = Text.assemble(line[:start], line[end:])
    return line


def recording() -> Console:
    return Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")


def write(console: Console, name: str) -> None:
    """The picture, in a font that the reader's machine has: Rich's own would be fetched from a server."""
    svg = _FONTS.sub("\n", console.export_svg(title=f"catflap {name}", unique_id=f"catflap-{name}"))
    (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
