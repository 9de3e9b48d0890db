"""The documents' code blocks, and a person who follows a document: does in a scratch repository what it says, in order.

A comment on the line above a block says what becomes of it, besides being run:

    <!-- not run: reason -->      it is only looked at
    <!-- needs: program -->       it runs where that program is
    <!-- typed: text -->          it runs on a terminal, where this is the password
    <!-- another terminal -->     it runs until the document's end; its first line is an address
    <!-- file: path -->           it is what the file holds
    <!-- printed -->              each of its lines was printed by what ran before
    <!-- said -->                 each of its lines is a message of catflap's
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.watching import PATIENCE, UNIT_S

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
HUB = "http://127.0.0.1:8028"
_MARK = r"(?:<!-- (?P<mark>[^:\n]*?)(?:: (?P<about>[^\n]*))? -->\n)?"
_BLOCK = re.compile(rf"^{_MARK}```(?P<language>\w+)\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)
_CATFLAP = re.compile(r"(?:^|[|;&(]|\$\()\s*(?:[A-Z_]+=\S*\s+)*catflap((?:[ \t]+[^\s|;&<>#)]+)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block, with the mark above it, and what the mark is about; both empty where there is none."""

    language: str
    code: str
    mark: str = ""
    about: str = ""


def blocks(text: str) -> list[Block]:
    """The code blocks of a document, in order."""
    return [
        Block(found["language"], found["code"], found["mark"] or "", found["about"] or "")
        for found in _BLOCK.finditer(text)
    ]


def runnable(text: str, language: str) -> list[str]:
    """The code of a language that runs as it stands."""
    return [one.code for one in blocks(text) if one.language == language and one.mark != "not run"]


class Follower:
    """Follows a document in a folder; ``programs`` come first on PATH. ``printed`` is what was shown so far."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.printed = ""
        self._environment = {**os.environ, "HOME": str(folder.parent), "PASSWORD": "correct horse battery"}
        self._slow = self._path(Path(sys.executable).parent)
        self._quick = self._path(programs, Path(sys.executable).parent)
        self._address = HUB
        self._serving: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._serving:
            process.terminate()
            with process:
                process.wait()

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        match block.language, block.mark:
            case "sh", "not run":
                return
            case "sh", "needs" if shutil.which(block.about, path=self._slow["PATH"]) is None:
                return
            case "sh", "typed":
                self._run([sys.executable, "-m", "tests.typist", block.about], block.code, self._slow)
            case "sh", "another terminal":
                self._serve(block.code)
            case "sh", _:
                self._run([], block.code, self._quick)
            case _, "file":
                path = self.folder / block.about
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.code, encoding="utf-8")
            case _, "printed":
                for line in block.code.splitlines():
                    assert line in self.printed, f"{line!r} was not printed, but this:\n{self.printed}"

    def _run(self, before: list[str], code: str, environment: dict[str, str]) -> None:
        """Run it, and stay in the folder to which it went."""
        place = self.folder.parent / "place"
        script = f"set -eu\ncd '{self.folder}'\n{code.replace(HUB, self._address)}pwd >'{place}'\n"
        done = subprocess.run(
            [*before, "sh", "-c", script],
            env={**environment, "PYTHONPATH": str(ROOT)} if before else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE * UNIT_S,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}"
        self.printed += done.stdout
        self.folder = Path(place.read_text().rstrip("\n"))

    def _serve(self, code: str) -> None:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {code.strip()} --port 0"],
            cwd=self.folder,
            env=self._slow,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._serving.append(process)
        assert process.stdout is not None
        self._address = process.stdout.readline().strip()
        assert self._address.startswith("http://127.0.0.1:")

    def _path(self, *folders: Path) -> dict[str, str]:
        return {**self._environment, "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]])}


def command_lines(text: str) -> Iterator[list[str]]:
    """Each `catflap ...` in a document's `sh` blocks and between its backticks, as words up to what the shell takes."""
    code = [one.code for one in blocks(text) if one.language == "sh"]
    code += re.findall(r"`([^`\n]+)`", _BLOCK.sub("", text))
    for one in code:
        for found in _CATFLAP.finditer(one):
            yield found[1].split()
