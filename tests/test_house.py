"""The house rules that a reader relies on: which files are pure, and who alone runs git."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "catflap"
PURE = [
    "announced",
    "errors",
    "events",
    "facts",
    "frontmatter",
    "history",
    "infer",
    "lanelog",
    "moves",
    "workpackage",
]
FORBIDDEN = {"os", "sqlite3", "socket", "subprocess", "time", "pathlib", "shutil", "threading"}


def imports(path: Path) -> set[str]:
    """Every module that the file imports anywhere in it, by its first name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("name", PURE)
def test_pure_files_import_nothing_that_does_io(name: str) -> None:
    assert not imports(SOURCE / f"{name}.py") & FORBIDDEN


def test_every_file_opens_with_a_sentence() -> None:
    for path in SOURCE.rglob("*.py"):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert doc, f"{path.name} has no opening sentence"
        assert doc.split("\n", 1)[0].endswith((".", ":")), path.name


def test_only_git_py_runs_git() -> None:
    """The demo drives git as a user would; nobody else starts a process."""
    allowed = {"git.py"}
    runners = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if "subprocess" in imports(path)}
    assert runners <= allowed | {path for path in runners if path.startswith("demo/")}
