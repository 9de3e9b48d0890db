"""`catflap board`: the lanes as lines, as JSON, and drawn on wide, narrow and living terminals."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from catflap.boardlayout import Card, Section
from catflap.boardview import WIDE_COLUMNS, Cropped, board
from catflap.commands.board import board as work
from catflap.errors import NotInstalled
from catflap.here import UnknownFeature
from catflap.instants import epoch_of
from tests.terminals import Terminal
from tests.watching import PATIENCE, UNIT_S, wait_for
from tests.world import FEATURE, Repo, catflap, events, planned

NOON = epoch_of("2026-02-03T12:00:00Z")


def card(number: int, status: str | None, *, agent: str | None = None, waits_for: Sequence[str] = ()) -> Card:
    title = f"Build the part of the house that has the number {number}"
    since = "2026-02-03T09:00:00Z" if agent else None
    return Card(f"WP{number:02}", title, status, agent, tuple(waits_for), tuple(waits_for), since)


DEMO = Section(
    FEATURE,
    (
        card(1, "done"),
        card(2, "doing", agent="claude"),
        card(3, "for_review", agent="codex"),
        card(4, "planned", waits_for=["WP02", "WP03"]),
        card(5, None),
    ),
)
COMPLETE = Section("000-base", (card(1, "done"), card(2, "done")))


def drawn(found: Sequence[Section], columns: int, *, lines: int | None = None, is_all_open: bool = False) -> list[str]:
    """What a terminal of that width shows."""
    console = Console(file=io.StringIO(), width=columns, height=lines or 100, force_terminal=True, color_system=None)
    whole = board(found, NOON, columns, is_all_open=is_all_open)
    console.print(Cropped(whole, lines) if lines else whole)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


# -- what is drawn


def test_lanes_stand_side_by_side_on_80_columns() -> None:
    head, lanes, first, second, third, *_ = drawn([DEMO], 80)
    assert head == "001-demo  ████░░░░░░░░░░░░░░░░  1 of 5 done"
    places = [lanes.index(lane) for lane in ("planned 2", "doing 1", "for_review 1", "done 1")]
    assert [b - a for a, b in pairwise(places)] == [20, 20, 20]
    assert [first[at : at + 20].rstrip() for at in places] == [
        "WP04",
        "WP02 claude, 3h",
        "WP03 codex, 3h",
        "WP01 Build the part…",
    ]
    assert second.startswith("Build the part of … ")
    assert third.startswith("waits for WP02, WP…")


@pytest.mark.parametrize("columns", [40, WIDE_COLUMNS - 1])
def test_lanes_stand_below_each_other_where_it_is_narrow(columns: int) -> None:
    shown = drawn([DEMO], columns)
    heads = [line for line in shown if line and not line.startswith(" ")]
    assert heads[1:] == ["planned 2", "doing 1", "for_review 1", "done 1"]
    assert "  WP02 claude, 3h" in shown
    assert "  WP05 ?" in shown
    assert "  waits for WP02, WP03" in shown


@pytest.mark.parametrize("columns", [12, 20, 40, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    shown = drawn([DEMO, COMPLETE], columns)
    assert max(map(len, shown)) <= columns
    assert any("WP02" in line for line in shown)


def test_complete_features_are_named_and_drawn_when_asked_for() -> None:
    assert drawn([DEMO, COMPLETE], 80)[-1] == "complete: 000-base (2)"
    assert drawn([COMPLETE], 80, is_all_open=True)[0].endswith("2 of 2 done")


def test_what_does_not_fit_is_counted() -> None:
    whole = drawn([DEMO], 40)
    shown = drawn([DEMO], 40, lines=8)
    assert len(shown) == 8
    assert shown[:7] == whole[:7]
    assert shown[7] == f"{len(whole) - 7} lines more; see --feature"
    assert drawn([DEMO], 40, lines=len(whole)) == whole


def test_titles_and_slugs_cannot_steer_the_terminal() -> None:
    bad = Card("WP01", "a\x1b[2Jb", "doing", "c\x07d", (), (), None)
    assert not any(char in line for line in drawn([Section("e\x1bf", (bad,))], 40) for char in "\x1b\x07")


# -- from a ledger


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Feature 001-demo: WP02 waits for WP01, which claude has begun; we are in it."""
    made = planned(tmp_path / "project")
    made.install()
    made.write("WP02", "planned", depends=["WP01"])
    made.lane("doing", agent="claude")
    monkeypatch.chdir(made.path)
    return made


def test_elsewhere_than_on_a_terminal_there_is_a_line_per_work_package(repo: Repo) -> None:
    done = catflap("board", cwd=repo.path)
    assert [line.split() for line in done.stdout.splitlines()] == [
        [FEATURE, "WP01", "doing", "claude", "now", "Build", "WP01"],
        [FEATURE, "WP02", "planned", "-", "-", "Build", "WP02", "waits", "for", "WP01"],
        [FEATURE, "WP03", "planned", "-", "-", "Build", "WP03"],
        [FEATURE, "WP04", "planned", "-", "-", "Build", "WP04"],
    ]


def test_json_is_one_value_with_projects_features_and_work_packages(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.lane("planned", feature="002-other")
    capsys.readouterr()
    assert work(as_json=True, feature=FEATURE) == 0
    [project] = json.loads(capsys.readouterr().out)["projects"]
    assert (project["project_slug"], project["path"]) == ("project", str(repo.path))
    [feature] = project["features"]
    assert (feature["feature_slug"], feature["done"], feature["total"]) == (FEATURE, 0, 4)
    first, second, *_ = feature["work_packages"]
    changed = next(event for event in events() if event["event_type"] == "WPStatusChanged")
    assert (first["status"], first["agent"], first["status_since"]) == ("doing", "claude", changed["timestamp"])
    assert (second["blocked_by"], second["status_since"]) == (["WP01"], None)


@pytest.mark.usefixtures("repo")
def test_all_projects_are_shown_each_below_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Repo.init(tmp_path / "empty").install()
    capsys.readouterr()
    assert work(everywhere=True) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:3] == ["empty", "No work package is known here yet.", "project"]
    assert len(shown) == 7


@pytest.mark.usefixtures("repo")
def test_what_cannot_be_shown_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownFeature, match="`catflap board` lists them"):
        work(feature="009-gone")
    monkeypatch.chdir(planned(tmp_path / "other").path)
    with pytest.raises(NotInstalled, match=r"cannot show the board of .*: catflap is not installed here"):
        work()


# -- live


def test_following_elsewhere_prints_the_board_again_when_it_changes(repo: Repo) -> None:
    words = [sys.executable, "-m", "catflap", "board", "--follow", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None

        def statuses() -> list[str]:
            assert process.stdout is not None
            [project] = json.loads(process.stdout.readline())["projects"]
            return [one["status"] for one in project["features"][0]["work_packages"]]

        assert statuses() == ["doing", "planned", "planned", "planned"]
        repo.lane("done")
        assert statuses() == ["done", "planned", "planned", "planned"]
        process.stdout.close()
        assert process.wait(PATIENCE * UNIT_S) == 0


def test_following_on_a_terminal_redraws_and_gives_it_back(repo: Repo, tmp_path: Path) -> None:
    with Terminal(tmp_path / "user") as terminal:
        command = f"trap : INT; echo before; {sys.executable} -m catflap board --follow; echo ended with $?; exec cat"
        terminal.open("sh", "-c", command, cwd=repo.path, columns=80, lines=24)
        terminal.wait_shown("planned 3 ")
        assert "doing 1 " in terminal.screen
        repo.lane("done")
        terminal.wait_shown("1 of 4 done")
        terminal.resize(40, 8)
        terminal.wait_shown("lines more; see --feature")
        assert "planned 3\n" in terminal.screen
        terminal.press("C-c")
        terminal.wait_shown("ended with 130")
        assert terminal.screen.splitlines()[:2] == ["before", "ended with 130"]


def test_a_terminal_that_closes_ends_it_even_under_nohup(repo: Repo, tmp_path: Path) -> None:
    with Terminal(tmp_path / "user") as terminal:
        ended = tmp_path / "ended"
        command = f"trap '' HUP; {sys.executable} -m catflap board --follow 2>{ended}; echo $? >>{ended}"
        terminal.open("sh", "-c", command, cwd=repo.path, columns=80, lines=24)
        terminal.wait_shown("planned 3 ")
    wait_for(lambda: ended.read_text().endswith("\n"))
    assert ended.read_text() == "0\n"
