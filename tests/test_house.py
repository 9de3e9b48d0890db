"""The house rules that a reader relies on: which files are pure, and who alone runs git."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "catflap"
FORBIDDEN = {"os", "sqlite3", "socket", "subprocess", "time", "pathlib", "shutil", "threading"}


def rooms() -> dict[str, int]:
    """The floor of each file and folder in ARCHITECTURE.md's table of rooms, counted from the top; pure is the last."""
    table = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("| room |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`([\w./]+)`", row.split("|")[2]) for row in table.splitlines() if row.startswith("| ")]
    named = [(name, floor) for floor, names in enumerate(rows) for name in names]
    assert len(dict(named)) == len(named)
    return dict(named)


def imports(path: Path) -> set[str]:
    """Every module that the file imports anywhere in it, by its first name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("name", [name for name, floor in rooms().items() if floor == max(rooms().values())])
def test_pure_files_import_nothing_that_does_io(name: str) -> None:
    assert not imports(SOURCE / f"{name}.py") & FORBIDDEN


@pytest.mark.parametrize("name", ["fold", "flow", "wire"])
def test_the_hubs_pure_files_import_nothing_that_does_io(name: str) -> None:
    assert not imports(SOURCE / "hub" / f"{name}.py") & (FORBIDDEN | {"starlette", "uvicorn", "asyncio"})


@pytest.mark.parametrize("name", ["address", "answers", "frames", "outgoing", "protocol", "schedule"])
def test_what_decides_in_sync_imports_nothing_that_does_io(name: str) -> None:
    assert not imports(SOURCE / "sync" / f"{name}.py") & (FORBIDDEN | {"httpx", "websockets"})


@pytest.mark.parametrize(
    "name", ["finding", "machine", "home", "watcher", "team", "repository", "trial", "examination"]
)
def test_what_doctor_judges_by_imports_nothing_that_does_io(name: str) -> None:
    assert not imports(SOURCE / "doctor" / f"{name}.py") & FORBIDDEN


def test_every_file_opens_with_a_sentence() -> None:
    for path in SOURCE.rglob("*.py"):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert doc, f"{path.name} has no opening sentence"
        assert doc.split("\n", 1)[0].endswith((".", ":")), path.name


def test_only_git_py_runs_git() -> None:
    """demo/ and doctor/driver.py drive git as a user would; the others run what is no git."""
    allowed = {"git.py", "ahead.py", "manager.py", "pager.py", "doctor/driver.py"}
    runners = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if "subprocess" in imports(path)}
    assert runners <= allowed | {path for path in runners if path.startswith("demo/")}


def test_the_table_of_rooms_names_every_file_once() -> None:
    there = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    assert set(rooms()) == there | {"commandline/", "commands/", "demo/", "doctor/", "hub/", "sync/", "schema.sql"}


def test_arrows_point_down() -> None:
    floors = rooms()
    wrong = []
    for path in SOURCE.rglob("*.py"):
        folder = path.relative_to(SOURCE).parts[0]
        name = f"{folder}/" if folder != path.name else path.stem
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or name in ("__init__", "__main__"):
                continue
            parts = (node.module or "").split(".")
            if parts[0] != "catflap":
                continue
            targets = parts[1:2] or [alias.name for alias in node.names]
            for target in targets:
                floor = floors.get(target, floors.get(f"{target}/", len(floors)))
                if floor < floors[name]:
                    wrong.append(f"{path.relative_to(SOURCE)} imports {target}")
    assert wrong == []
