"""Completion in real shells: commands, options, and the work packages and features that only the ledger knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from catflap.commands.completion import features, work_packages
from tests.terminals import Terminal, program
from tests.watching import wait_for
from tests.world import FEATURE, Repo, catflap, planned

BIN = Path(sys.executable).parent
STARTS = {
    "bash": ("bash --norc --noprofile -i", 'eval "$(catflap completion bash)"'),
    "zsh": ("zsh -f -i", 'autoload -Uz compinit; compinit -u -D; eval "$(catflap completion zsh)"'),
    "fish": ("fish --no-config --private", "catflap completion fish | source"),
}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Features 001-demo (WP01 to WP04) and 002-other (WP01, WP12), installed; we are in it."""
    made = planned(tmp_path / "project")
    for wp_id in ("WP01", "WP12"):
        made.write(wp_id, "planned", feature="002-other")
    made.commit("other")
    made.install()
    monkeypatch.chdir(made.path)
    return made


@pytest.mark.skipif(not (BIN / "catflap").exists(), reason="catflap is not installed beside this Python")
@pytest.mark.parametrize("shell", list(STARTS))
def test_tab_completes_commands_options_work_packages_and_features(repo: Repo, tmp_path: Path, shell: str) -> None:
    program(shell)
    start, source = STARTS[shell]
    with Terminal(tmp_path / "user") as terminal:
        terminal.environment["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        terminal.environment["PS1"] = "> "
        terminal.open("sh", "-c", f"exec {start}", cwd=repo.path)
        terminal.type(f"{source}; echo is''ready")
        terminal.press("Enter")
        terminal.wait_shown("isready")
        for typed, completed in (
            ("catflap expl", "catflap explain"),
            ("WP1", "catflap explain WP12"),
            ("--feat", "catflap explain WP12 --feature"),
            ("002", "catflap explain WP12 --feature 002-other"),
        ):
            terminal.type(typed)
            terminal.press("Tab")
            terminal.wait_shown(completed)
            wait_for(terminal.cursor_follows_space, "the shell does not begin the next word")
        terminal.press("Enter")
        terminal.wait_shown("002-other WP12: announced as planned")


def test_bash_lists_all_that_is_possible(repo: Repo) -> None:
    program("bash")
    questions = ("explain ''", "explain WP01 -f ''", "board -f 0", "events --fo", "completion ''", "queue ''")
    script = (
        'eval "$(catflap completion bash)"\n'
        'ask() { COMP_WORDS=(catflap "$@"); COMP_CWORD=$#; _catflap_completion catflap; echo ${COMPREPLY[@]}; }\n'
    )
    script += "\n".join(f"ask {words}" for words in questions)
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=repo.path,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "WP01 WP02 WP03 WP04 WP12",
        f"{FEATURE} 002-other",
        f"{FEATURE} 002-other",
        "--follow",
        "bash zsh fish",
        "list retry drop export",
    ]


@pytest.mark.usefixtures("repo")
def test_ids_are_completed_in_any_case() -> None:
    asked = {"": 5, "wp0": 4, "WP12": 1, "WP9": 0, "x": 0}
    assert {one: len(work_packages(one)) for one in asked} == asked


def test_where_nothing_is_installed_nothing_is_completed_and_nothing_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (work_packages(""), features("")) == ([], [])
    assert capfd.readouterr() == ("", "")
    assert not home.exists()


def test_the_help_says_what_a_shell_runs() -> None:
    text = " ".join(catflap("completion", "--help").stdout.split())
    for _, source in STARTS.values():
        assert source.rpartition("; ")[2] in text


@pytest.mark.parametrize("shell", list(STARTS))
def test_the_script_is_printed_whatever_shell_asks(shell: str) -> None:
    done = catflap("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_CATFLAP_COMPLETE=complete_" in done.stdout


def test_a_shell_that_nobody_knows_is_a_usage_error() -> None:
    done = catflap("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'bash', 'zsh', 'fish'" in done.stderr
