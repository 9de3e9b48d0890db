"""`catflap events`: what was told as lines or JSON, with --follow as it happens, through a pager on a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catflap.commands.events import events as work
from catflap.errors import BadInput, NotInstalled
from catflap.here import UnknownFeature
from tests.terminals import Terminal
from tests.watching import PATIENCE, UNIT_S, wait_for
from tests.world import FEATURE, Repo, catflap, events, planned

OTHER = "002-other"


@pytest.fixture
def repo(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """We are in it."""
    monkeypatch.chdir(repo.path)
    return repo


@contextmanager
def following(log: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """`catflap events --follow`, printing into the file."""
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "catflap", "events", "--follow", *args], stdout=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told_lines(capsys: pytest.CaptureFixture[str], **options: object) -> list[str]:
    capsys.readouterr()
    assert work(**options) == 0  # type: ignore[arg-type]
    return capsys.readouterr().out.splitlines()


def test_a_line_says_when_where_what_by_whom_and_the_rule_with_its_commit(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.lane("doing", agent="claude")
    [status, agent] = told_lines(capsys)
    at, commit = events()[0]["timestamp"], repo.head()[:12]
    assert status == f"{at}  {FEATURE} WP01  planned → doing  by claude  (commit {commit})"
    assert agent == f"{at}  {FEATURE} WP01  assigned to claude (implementation)  by claude  (commit {commit})"


def test_json_is_the_full_event_with_what_became_of_it_and_why(repo: Repo) -> None:
    repo.lane("doing")
    done = catflap("events", "--json", cwd=repo.path)
    [line] = done.stdout.splitlines()
    [event] = events()
    own = {
        "state": "pending",
        "is_whole": True,
        "rule": "commit",
        "why": "changed by a commit",
        "commit": repo.head(),
        "path": f"kitty-specs/{FEATURE}/tasks/WP01-build.md",
    }
    assert json.loads(line) == {**event, **own}


def test_one_feature_and_a_time_narrow_it(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.write("WP01", "planned", feature=OTHER)
    repo.commit("other")
    repo.lane("doing")
    assert len(told_lines(capsys)) == 3
    assert [FEATURE in line for line in told_lines(capsys, feature=FEATURE)] == [True]
    assert [OTHER in line for line in told_lines(capsys, feature=OTHER)] == [True, True]
    assert len(told_lines(capsys, since="1h")) == 3
    assert told_lines(capsys, since="2300-01-01") == []


def test_what_was_held_back_is_shown_on_demand(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--squash", "topic")
    repo.commit("squash")
    told = told_lines(capsys)
    assert len(told) == 1
    both = told_lines(capsys, held=True)
    assert both[0] == told[0]
    assert len(both) == 2
    assert f"held back: planned → doing: announced already  (commit {repo.head()[:12]})" in both[1]


def test_all_projects_are_shown_from_anywhere(repo: Repo, tmp_path: Path) -> None:
    other = planned(tmp_path / "other")
    other.install()
    repo.lane("doing")
    other.lane("for_review")
    done = catflap("events", "--all", cwd=tmp_path)
    assert [line.split("  ")[2] for line in done.stdout.splitlines()] == ["planned → doing", "planned → for_review"]
    assert "planned → doing" not in catflap("events", cwd=other.path).stdout


@pytest.mark.usefixtures("repo")
def test_nothing_told_is_said_on_stderr() -> None:
    done = catflap("events", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Nothing was told.\n")
    assert catflap("events", "--since", "3d", "-f", FEATURE).stderr == f"Nothing of {FEATURE} was told since 3d.\n"


def test_what_cannot_be_shown_says_why(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="cannot look back to 'tomorrow'"):
        work(since="tomorrow")
    with pytest.raises(UnknownFeature, match="cannot show feature '009-gone': no such feature was seen here"):
        work(feature="009-gone")
    monkeypatch.chdir(planned(tmp_path / "other").path)
    with pytest.raises(NotInstalled, match="run `catflap install` there"):
        work()
    monkeypatch.setenv("SPEC_KITTY_HOME", str(repo.path / "no-home"))
    with pytest.raises(NotInstalled):
        work(everywhere=True)
    assert not (repo.path / "no-home").exists()


def test_the_examples_of_the_help_work(repo: Repo) -> None:
    repo.lane("doing")
    for command in ("explain", "events", "board", "completion"):
        example = catflap(command, "--help").stdout.partition("Example: catflap ")[2].splitlines()[0]
        assert example.split()[0] == command
        done = catflap(*example.split(), cwd=repo.path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "doing" in done.stdout or "COMPREPLY" in done.stdout


# -- live


@pytest.mark.parametrize("args", [(), ("--json",)])
def test_following_shows_what_was_and_goes_on_as_it_happens(repo: Repo, tmp_path: Path, args: tuple[str, ...]) -> None:
    log = tmp_path / "followed"
    repo.lane("doing")
    with following(log, *args) as process:
        wait_for(lambda: log.read_text("utf-8").count("\n") == 1)
        repo.lane("for_review")
        wait_for(lambda: log.read_text("utf-8").count("\n") == 2)
        repo.write("WP01", "planned", feature=OTHER)  # it was not there when this began
        repo.commit("other")
        wait_for(lambda: log.read_text("utf-8").count("\n") == 4)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE * UNIT_S) == 130
    lines = log.read_text("utf-8").splitlines()
    assert "for_review" in lines[1]
    if args:
        assert [json.loads(line)["event_id"] for line in lines] == [event["event_id"] for event in events()]


def test_following_ends_with_0_as_soon_as_its_reader_leaves(repo: Repo) -> None:
    repo.lane("doing")
    words = [sys.executable, "-m", "catflap", "events", "--follow"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"doing" in process.stdout.readline()
        process.stdout.close()  # and nothing more is told
        assert process.wait(PATIENCE * UNIT_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


# -- on a terminal


def on_a_terminal(tmp_path: Path, **env: str) -> Terminal:
    """A terminal whose pager is less, whatever the user of this machine likes."""
    terminal = Terminal(tmp_path / "user")
    for name in ("PAGER", "GIT_PAGER", "LESS", "NO_COLOR", "FORCE_COLOR"):
        terminal.environment.pop(name, None)
    terminal.environment.update(env)
    return terminal


def test_more_than_a_screen_is_paged_in_colour_and_left_with_q(repo: Repo, tmp_path: Path) -> None:
    for number in range(1, 41):
        repo.write(f"WP{number:02}", "doing")
    repo.commit("many")
    with on_a_terminal(tmp_path) as terminal:
        command = f"trap : INT; {sys.executable} -m catflap events; printf 'ended with %s\\n' $?; exec cat"
        terminal.open("sh", "-c", command, cwd=repo.path)
        terminal.wait_shown("WP10")
        assert "ended" not in terminal.screen
        assert "\x1b[32m" in terminal.coloured
        terminal.press("C-c")  # the pager's: it stays
        terminal.press("G")
        terminal.wait_shown("WP40")
        terminal.press("q")
        terminal.wait_shown("ended with 0")
        assert "Traceback" not in terminal.screen


@pytest.mark.skipif(os.name == "nt", reason="no pagers like these")
def test_what_fits_needs_no_key_and_no_pager_is_obeyed(repo: Repo, tmp_path: Path) -> None:
    repo.lane("doing")
    repo.git("config", "core.pager", "sed 's/^/paged: /'")
    with on_a_terminal(tmp_path) as terminal:
        here = f"{sys.executable} -m catflap"
        command = f"{here} events; {here} events --no-pager; {here} explain WP01 | cat; echo ended; exec cat"
        terminal.open("sh", "-c", command, cwd=repo.path)
        terminal.wait_shown("ended")
        first, second, *rest = [line for line in terminal.screen.splitlines() if "planned → doing" in line]
        assert first.startswith("paged: ")
        assert second.startswith("20")
        assert [line.startswith("  20") for line in rest] == [True]
