"""The live view of `catflap watch`: what it shows, and that the terminal is as before once it has ended."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from catflap.events import Event, encode_ulid
from catflap.git import View
from catflap.queue import OfflineQueue
from catflap.watchscreen import WatchScreen
from tests.terminals import Terminal
from tests.watching import PATIENCE, UNIT_S, wait_for
from tests.world import FEATURE, Repo, planned

SECOND_SCREEN, FIRST_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
NO_CURSOR, CURSOR = "\x1b[?25l", "\x1b[?25h"
SEE = "`catflap events` lists them, `catflap board` where all stands"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Feature 001-demo, registered without hooks, with a linked worktree inside."""
    made = planned(tmp_path / "project")
    made.git("worktree", "add", "-q", ".worktrees/agent")
    made.install("--no-hooks")
    return made


class Pty:
    """`catflap watch` on a pseudo-terminal, and all that it has written there."""

    def __init__(self, *args: str, columns: int, lines: int, **env: str) -> None:
        self._leader, follower = pty.openpty()
        self.written = ""
        self.resize(columns, lines)
        found = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "catflap", "watch", *args],
            stdin=subprocess.DEVNULL,
            stdout=follower,
            stderr=follower,
            env={**found, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **env},
        )
        os.close(follower)

    def __enter__(self) -> Pty:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self.process.terminate()
        self.process.wait(PATIENCE * UNIT_S)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._leader, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def wait_written(self, text: str) -> None:
        wait_for(lambda: text in self.read(), f"{text!r} is not written")

    def wait_closed(self) -> int:
        """The exit code; all is read then."""
        wait_for(lambda: self.read() is not None and self.process.poll() is not None, "it does not end")
        self.read()
        return self.process.returncode

    def hang_up(self) -> None:
        """What closing the window does to it."""
        if self._leader >= 0:
            os.close(self._leader)
            self._leader = -1

    def read(self) -> str:
        """All that it has written so far."""
        while select.select([self._leader], [], [], 0)[0]:
            try:
                self.written += os.read(self._leader, 1 << 16).decode(errors="replace")
            except OSError:  # EIO: Linux's way to say that the other end is closed
                break
        return self.written


def event(clock: int) -> Event:
    payload = {
        "wp_id": f"WP{clock:02}",
        "previous_status": "planned",
        "new_status": "doing",
        "changed_by": "claude",
        "feature_slug": FEATURE,
    }
    return Event(
        event_id=encode_ulid(1_770_000_000_000 + clock, clock),
        event_type="WPStatusChanged",
        aggregate_id=payload["wp_id"],
        aggregate_type="WorkPackage",
        payload=payload,
        node_id="0123456789ab",
        lamport_clock=clock,
        causation_id=None,
        timestamp="2026-02-03T12:00:00+00:00",
        team_slug="local",
    )


def view(name: str, linked: str = "") -> View:
    common_dir = f"/src/{name}/.git"
    if not linked:
        return View(git_dir=common_dir, common_dir=common_dir, worktree=f"/src/{name}")
    return View(git_dir=f"{common_dir}/worktrees/{linked}", common_dir=common_dir, worktree=f"/src/{name}/{linked}")


@pytest.fixture
def screen(home: Path) -> Iterator[WatchScreen]:
    """A live view of 80 columns and 20 lines that nobody sees."""
    OfflineQueue(home / "queue.db").close()
    with WatchScreen(home / "queue.db", _console(io.StringIO())) as shown:
        yield shown


def test_the_connection_is_shown_as_it_is_now(screen: WatchScreen) -> None:
    assert lines(screen)[1].endswith("connection: Offline")
    screen.connection("Offline - Batch Mode")
    assert lines(screen)[1].endswith("connection: Offline - Batch Mode")


def _console(file: io.StringIO) -> Console:
    return Console(file=file, width=80, height=20, force_terminal=True, color_system=None, legacy_windows=False)


def lines(screen: WatchScreen) -> list[str]:
    """What it would draw now."""
    file = io.StringIO()
    _console(file).print(screen.frame())
    return [line.rstrip() for line in file.getvalue().splitlines()]


# -- what is drawn


def test_worktrees_stand_below_their_repository_and_polled_ones_are_marked(screen: WatchScreen) -> None:
    polled = view("b")
    screen.views([view("a", "agent"), view("a"), polled], [polled])
    assert lines(screen)[2:5] == ["/src/a", "  agent", "/src/b  polled"]


def test_more_worktrees_than_fit_are_counted(screen: WatchScreen) -> None:
    screen.views([view("a"), *(view("a", f"agent-{number:02}") for number in range(40))], [])
    assert lines(screen)[2:8] == ["/src/a", *(f"  agent-{n:02}" for n in range(4)), "and 36 worktrees more"]
    assert len(lines(screen)) <= 20


def test_nothing_registered_says_what_to_do(screen: WatchScreen) -> None:
    screen.views([], [])
    assert lines(screen)[2] == "no repository is registered: run `catflap install` in one"


def test_the_last_events_are_shown_as_many_as_fit(screen: WatchScreen) -> None:
    screen.views([view("a")], [])
    screen.told([event(clock) for clock in range(1, 60)])
    shown = lines(screen)
    assert len(shown) == 20
    rows = [line for line in shown if "planned → doing" in line]
    assert len(rows) == 13
    assert "WP59" in rows[-1]
    assert "claude" in rows[-1]


def test_the_last_three_troubles_are_shown_each_place_once(screen: WatchScreen) -> None:
    for place in ("/a", "/b", "/c", "/d", "/a"):
        screen.trouble(place, "it is\x1b[2J broken")
    shown = [line.split(" ", 1)[1] for line in lines(screen) if "broken" in line]
    assert shown == [f"{place}: it is [2J broken" for place in ("/c", "/d", "/a")]


def test_the_queue_is_shown_as_it_is_now(screen: WatchScreen, home: Path) -> None:
    wait_for(lambda: lines(screen)[1] == "queue: 0 of 10,000 events, connection: Offline")
    with OfflineQueue(home / "queue.db") as queue:
        assert queue.queue_event(event(1).to_dict())
    wait_for(lambda: lines(screen)[1] == "queue: 1 of 10,000 events, connection: Offline")


# -- on a terminal


def test_a_terminal_gets_a_live_view_and_is_given_back_on_ctrl_c(repo: Repo) -> None:
    with Pty(columns=100, lines=24) as terminal:
        terminal.wait_written("  .worktrees/agent")
        repo.write(lane="doing", agent="claude")
        terminal.wait_written("planned → doing")
        terminal.wait_written("queue: 2 of 10,000 events, connection: Offline")
        assert terminal.written.startswith(SECOND_SCREEN + "\x1b[H" + NO_CURSOR)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait_closed() == 0
        assert terminal.written.endswith(f"{CURSOR}{FIRST_SCREEN}2 events told; {SEE}\r\n")
        assert "Traceback" not in terminal.written


def test_a_resize_is_drawn_at_once(repo: Repo) -> None:
    with Pty(columns=100, lines=24) as terminal:
        terminal.wait_written(str(repo.path))
        before = len(terminal.written)
        terminal.resize(40, 10)
        terminal.process.send_signal(signal.SIGWINCH)  # as the kernel does to who has this terminal
        wait_for(lambda: "queue" in terminal.read()[before:])
        drawn = terminal.written[before:].rpartition("\x1b[H")[2]
        assert len(drawn.split("\n")) == 10


def test_it_ends_when_its_window_is_closed(repo: Repo) -> None:
    with Pty(columns=100, lines=24) as terminal:
        terminal.wait_written(str(repo.path))
        terminal.hang_up()
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(PATIENCE * UNIT_S) == 0


@pytest.mark.usefixtures("repo")
def test_a_terminal_that_cannot_draw_gets_lines() -> None:
    with Pty(columns=100, lines=24, TERM="dumb") as terminal:
        terminal.wait_written("watching 2 worktrees of 1 repositories")
        assert "\x1b" not in terminal.written


def test_after_a_resize_and_ctrl_c_the_screen_is_as_before(repo: Repo, tmp_path: Path) -> None:
    with Terminal(tmp_path / "user") as terminal:
        command = (
            f"trap : INT; printf 'before\\n'; {sys.executable} -m catflap watch; printf 'ended with %s\\n' $?; exec cat"
        )
        terminal.open("sh", "-c", command, cwd=tmp_path)
        terminal.wait_shown(".worktrees/agent")
        for columns, rows in ((60, 12), (30, 8), (140, 40), (80, 24)):
            terminal.resize(columns, rows)
            terminal.wait_shown("queue: ")
        repo.write(lane="doing")
        terminal.wait_shown("planned → doing")
        assert "before" not in terminal.screen
        terminal.press("C-c")
        terminal.wait_shown("ended with 0")
        assert terminal.screen.split("\n")[:3] == ["before", f"1 event told; {SEE}", "ended with 0"]
