"""Which pager is run, by git's rules, and that the terminal is given back whatever the pager does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from catflap.pager import paged, pager_command
from tests.terminals import Terminal
from tests.world import Repo, planned


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """An empty repository, and we are in it; nobody has chosen a pager."""
    made = Repo.init(tmp_path / "project")
    for name in ("PAGER", "GIT_PAGER", "LESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.chdir(made.path)
    return made


@pytest.mark.parametrize(
    ("env", "config", "expected"),
    [
        ({"PAGER": "more"}, None, ["more"]),
        ({"PAGER": "more"}, "less -S", ["less", "-S"]),
        ({"PAGER": "more", "GIT_PAGER": "most"}, "less -S", ["most"]),
        ({"PAGER": "cat"}, None, []),
        ({"PAGER": ""}, None, []),
        ({"GIT_PAGER": "less | tee log"}, None, ["sh", "-c", "less | tee log"]),
        ({"GIT_PAGER": "'my pager' -x"}, None, ["my pager", "-x"]),
        ({"GIT_PAGER": "my 'pager"}, None, ["sh", "-c", "my 'pager"]),
    ],
)
def test_the_pager_is_the_one_that_git_would_run(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], config: str | None, expected: list[str]
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    if config is not None:
        repo.git("config", "core.pager", config)
    assert pager_command() == expected


@pytest.mark.usefixtures("repo")
def test_without_a_choice_it_is_gits_own_default() -> None:
    assert pager_command() in (["less"], ["pager"])  # Debian's git has the latter


def test_without_git_the_environment_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PAGER", "most")
    assert pager_command() == ["most"]
    monkeypatch.delenv("PAGER")
    assert pager_command() == ["less"]


def test_nothing_is_paged_where_nobody_sits_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_PAGER", "no-such-pager")
    with paged():
        print("plain")
    assert capsys.readouterr() == ("plain\n", "")


@pytest.mark.parametrize(
    ("pager", "shown"),
    [
        ("no-such-pager", "cannot run the pager no-such-pager: No such file or directory; set PAGER, or --no-pager"),
        ("true", "ended with 0"),  # one that reads nothing
        ("head -n 1", "announced as doing"),  # one that leaves early
        ("sh -c 'cat; exit 3'", "changed by a commit"),
    ],
)
def test_whatever_the_pager_does_the_command_ends_well(tmp_path: Path, pager: str, shown: str) -> None:
    repo = planned(tmp_path / "project")
    repo.install()
    repo.lane("doing")
    with Terminal(tmp_path / "user") as terminal:
        terminal.environment["GIT_PAGER"] = pager
        command = f"{sys.executable} -m catflap explain WP01; printf 'ended with %s\\n' $?; exec cat"
        terminal.open("sh", "-c", command, cwd=repo.path)
        terminal.wait_shown("ended with 0")
        assert shown in terminal.screen.replace("\n", "")
        assert "Traceback" not in terminal.screen
