"""The examples of `--help` work: every one of them is run, as it stands, where a user would run it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from catflap.commandline import app
from tests.documents import ROOT, runnable
from tests.test_commands import run_here
from tests.test_service import Fake, fake
from tests.watching import wait_for
from tests.world import catflap, planned, told

__all__ = ["fake"]  # a fixture, which pytest finds by its name here
PASSWORD = "correct horse battery"
ADDRESS, PORT = "http://127.0.0.1:8028", "--port 8028"
"""Where the examples' hub listens; here it takes a port that is free."""
ENDLESS = ("catflap watch", "catflap hub")
LAST = ("catflap queue drop", "catflap uninstall")
"""What takes away what other examples need."""


def examples() -> dict[str, str]:
    """Each command's words, and its example."""

    def walk(command: Any, words: str) -> Iterator[tuple[str, str]]:
        found = re.findall(r"^\s*Example: (.+(?:\n[ \t]+\S.*)*)", command.help or command.callback.__doc__, re.M)
        assert len(found) == 1, words
        yield words, " ".join(found[0].split())
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{words} {name}")

    return dict(walk(typer.main.get_command(app), "catflap"))


EXAMPLES = examples()
TEAMS = tuple(words for words in EXAMPLES if words.startswith(("catflap hub", "catflap auth", "catflap sync")))
SERVICES = tuple(words for words in EXAMPLES if words.startswith("catflap service"))


class Place:
    """A user's home with two repositories, src/my-project and src/diary; we are in the first."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._monkeypatch = home, monkeypatch
        self.project = planned(home / "src" / "my-project")
        planned(home / "src" / "diary").install()
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        for name, value in (("HOME", str(home)), ("PATH", programs)):
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(self.project.path)

    def run(self, line: str) -> None:
        """Run it: in this process where no shell is needed."""
        words = shlex.split(line)
        if set(line) & set("|><&") or words[1] == "hook":  # a hook's door ends no process
            done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), f"{line}\n{done.stdout}{done.stderr}"
        else:
            code = run_here(self._monkeypatch, *map(os.path.expanduser, words[1:]))
            assert code == 0, f"{line} ended with {code}"

    def type_password(self, line: str) -> None:
        """Run it on a terminal, and type the password where it asks."""
        words = [sys.executable, "-m", "tests.typist", PASSWORD, *shlex.split(line)]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path / "user", monkeypatch)


def start(line: str) -> tuple[subprocess.Popen[str], str]:
    """The process of a line that never ends, and what it prints first."""
    process = subprocess.Popen(
        shlex.split(line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().rstrip("\n")


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    with process:
        return process.wait()


def test_every_example_is_of_its_own_command_and_names_no_person() -> None:
    names = re.compile(r"\b(ada|alice|bob|carol|dave|eve)\b", re.I)
    for words, line in EXAMPLES.items():
        assert line.startswith(words)
        assert not names.search(line)


def test_every_example_that_needs_one_repository_works(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    repo = place.project
    place.run(EXAMPLES["catflap install"])
    repo.lane("doing")
    assert told() == ["planned>doing"]
    done = [words for words in EXAMPLES if words not in (*TEAMS, *SERVICES, *ENDLESS, "catflap demo")]
    for words in sorted(done, key=lambda one: one in LAST):
        place.run(EXAMPLES[words])
    assert "planned → doing" in capsys.readouterr().out
    assert (repo.path / "events.jsonl").read_text().count("WPStatusChanged") == 1


def test_the_demos_example_is_one_that_readme_runs() -> None:
    """It takes three seconds, and test_readme.py runs every command of README's."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert any(EXAMPLES["catflap demo"] in code.splitlines() for code in runnable(readme, "sh"))


def test_the_watchers_example_works(place: Place) -> None:
    place.project.install("--no-hooks")
    process, first = start(EXAMPLES["catflap watch"])
    try:
        assert first == "watching 2 worktrees of 2 repositories"
        place.project.write(lane="doing")
        wait_for(lambda: told() == ["planned>doing"])
    finally:
        assert stop(process) == 0


def test_the_teams_examples_work(place: Place) -> None:
    place.project.install()
    place.project.lane("doing")
    place.type_password(EXAMPLES["catflap hub user add"])
    process, address = start(EXAMPLES["catflap hub"].replace(PORT, "--port 0"))
    try:
        place.type_password(EXAMPLES["catflap auth login"].replace(ADDRESS, address))
        for words in (
            "auth",
            "auth status",
            "auth bind",
            "sync",
            "sync now",
            "sync status",
            "hub user",
            "hub user list",
        ):
            place.run(EXAMPLES[f"catflap {words}"])
        assert told() == []
        place.type_password(EXAMPLES["catflap hub user password"])
        for words in ("auth logout", "hub user remove"):
            place.run(EXAMPLES[f"catflap {words}"])
    finally:
        assert stop(process) == 0
    assert catflap("auth", "status").returncode == 1


def test_the_services_examples_work(place: Place, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    for words in SERVICES:
        if words != "catflap service uninstall":
            place.run(EXAMPLES[words])
    assert fake.unit.exists()
    place.run(EXAMPLES["catflap service uninstall"])
    assert not fake.unit.exists()
    assert '"state": "' in capsys.readouterr().out


def test_an_example_that_would_not_work_is_found(place: Place) -> None:
    for line in ("catflap board --feature 009-none", "catflap nope | cat >&2 && false"):
        with pytest.raises(AssertionError, match=r"ended with|No such command"):
            place.run(line)
