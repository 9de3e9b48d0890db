"""The manual page: made from the help of today, complete, and read by groff and mandoc without a warning."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest
import typer

from catflap.commandline import app
from tests.terminals import program

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "catflap.1"


@pytest.fixture(scope="module")
def page() -> str:
    """The page as the help says it now."""
    return str(runpy.run_path(str(ROOT / "docs" / "manpage.py"))["page"]())


def test_the_page_says_what_the_help_says_today(page: str) -> None:
    assert PAGE.read_text("ascii") == page, "run `make man`"


def test_every_command_and_option_is_in_it(page: str) -> None:
    plain = re.sub(r"\\f[BR]", "", page).replace("\\-", "-")
    command = typer.main.get_command(app)
    waiting = [("catflap", command)]
    while waiting:
        words, one = waiting.pop()
        inner = getattr(one, "commands", {})
        waiting += [(f"{words} {name}", child) for name, child in inner.items()]
        if not inner:
            section = plain.partition(f".SS {words} [OPTIONS]")[2].partition("\n.S")[0]
            assert section, words
            for parameter in one.params:
                assert (
                    all(name in section for name in parameter.opts if name.startswith("--"))
                    or "--help" in parameter.opts
                )


@pytest.mark.parametrize(
    "words",
    [("groff", "-man", "-ww", "-Tutf8", "-z"), ("mandoc", "-T", "lint", "-W", "warning")],
    ids=lambda words: words[0],
)
def test_it_is_rendered_without_a_warning(words: tuple[str, ...]) -> None:
    program(words[0])
    done = subprocess.run([*words, str(PAGE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_people_read_is_what_was_written() -> None:
    program("man")
    done = subprocess.run(
        ["man", "-l", str(PAGE)], capture_output=True, text=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    shown = " ".join(re.sub(r".\x08", "", done.stdout).replace("‐\n", "").split())
    assert "catflap explain [OPTIONS] WP" in shown
    assert "--since WHEN A date, a time, or an age such as 2h or 3d." in shown
    assert "~/.spec-kitty/queue.db" in shown
