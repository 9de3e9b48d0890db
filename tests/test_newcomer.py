"""A newcomer's walk, docs/newcomer.sh, at a terminal: four commands, and each says what it did and what to do next."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from catflap.commandline import app
from tests.world import Repo, catflap, planned, told

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "newcomer.sh"
PROGRAMS = Path(sys.executable).parent
LONG = bool(os.environ.get("CATFLAP_TEST_LONG"))

SAYS = {
    "pipx install": ("installed package catflap", "catflap-hook"),
    "catflap install": ("registered as project project.", "Found 4 work packages", "Hooks are in"),
    "git commit": ("Start WP01", "told 001-demo WP01 planned → doing"),
    "catflap board": ("001-demo", "WP01", "doing"),
}
"""What each command did, in its own words."""


def typed(repo: Repo, words: Sequence[str | Path], env: Mapping[str, str]) -> str:
    """What a command shows on a terminal; it succeeds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.typist", "", *map(str, words)],
        cwd=repo.path,
        env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1", "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", done.stdout)
    assert done.returncode == 0, shown + done.stderr
    return shown


def walk(repo: Repo, package: str, env: Mapping[str, str]) -> dict[str, str]:
    """What each command showed on the terminal, by its first two words, in the order of the walk."""
    shown = typed(repo, ["sh", SCRIPT, package], env)
    return dict(re.findall(r"^\$ (\S+ \S+)[^\n]*\n(.*?)(?=^\$ |\Z)", shown, re.M | re.S))


def next_steps(text: str) -> list[str]:
    """The commands of catflap's that a text names, each as its words up to an option or argument."""
    return [found.strip() for found in re.findall(r"`catflap((?: [a-z]+)+)", text)]


def is_there(words: str) -> bool:
    """Whether `catflap WORDS` is a command."""
    command: Any = typer.main.get_command(app)
    for word in words.split():
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return False
    return True


def check(steps: dict[str, str], expected: list[str]) -> None:
    """Each command says what it did, and each of catflap's, and the commit, names next steps that exist."""
    assert list(steps) == expected
    assert len(expected) <= 4
    for name, shown in steps.items():
        for words in SAYS[name]:
            assert words in shown, (name, shown)
        if name != "pipx install":  # whose last words are its own: the names of the programs that are there now
            assert next_steps(shown), (name, shown)
            assert all(map(is_there, next_steps(shown))), (name, shown)
    assert told() == ["planned>doing"]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return planned(tmp_path / "project")


@pytest.mark.skipif(os.name == "nt", reason="the walk's terminal is a pty")
@pytest.mark.skipif(not (PROGRAMS / "catflap").exists(), reason="catflap is not installed beside this Python")
def test_three_commands_bring_an_event_onto_the_board(repo: Repo) -> None:
    env = {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    check(walk(repo, "-", env), list(SAYS)[1:])
    repo.write(lane="for_review")
    assert "catflap" not in typed(repo, ["git", "commit", "-a", "-m", "Hand WP01 in"], env)
    assert told() == ["planned>doing", "doing>for_review"]


@pytest.mark.skipif(os.name == "nt", reason="the walk's terminal is a pty")
def test_the_board_names_the_first_step_at_a_terminal_and_nowhere_else(repo: Repo) -> None:
    repo.install()
    board = [sys.executable, "-m", "catflap", "board"]
    assert "Next: edit a work package's lane and commit" in typed(repo, board, {})
    assert catflap("board", cwd=repo.path).stderr == ""
    repo.lane("doing")
    assert next_steps(typed(repo, board, {})) == ["watch", "hub"]


@pytest.mark.skipif(not LONG, reason="set CATFLAP_TEST_LONG=1")
@pytest.mark.skipif(os.name == "nt", reason="the walk's terminal is a pty")
def test_four_commands_do_from_a_wheel_and_nothing(repo: Repo, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pipx").symlink_to(PROGRAMS / "pipx")
    home = tmp_path / "user"
    home.mkdir()
    env = {
        "HOME": str(home),
        "PIPX_HOME": str(home / "pipx"),
        "PIPX_BIN_DIR": str(home / "bin"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "PATH": os.pathsep.join([str(home / "bin"), str(programs), "/usr/bin", "/bin"]),
    }
    steps = walk(repo, str(wheel), env)
    check(steps, list(SAYS))
    assert str(home) in (repo.path / ".git" / "hooks" / "post-commit").read_text("utf-8")
    assert shutil.which("catflap", path=env["PATH"]) == str(home / "bin" / "catflap")


@pytest.mark.parametrize(("words", "is_one"), [("board", True), ("auth login", True), ("auth nope", False)])
def test_a_next_step_that_is_no_command_is_found(words: str, is_one: bool) -> None:
    assert next_steps(f"Next: `catflap {words} --feature x`") == [words]
    assert is_there(words) is is_one
