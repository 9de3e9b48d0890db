"""docs/git-life.md is true: each row has its tests in H, W and B, and says what these tests expect."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from catflap.moves import Rule

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "git-life.md"
ROWS = [*map(str, range(1, 16)), "15a", "15b", "15c", *map(str, range(16, 27)), "26a", "26b", *map(str, range(27, 33))]
COLUMNS = ("H", "W", "B")
ELSEWHERE = ("bad_input", "hooks", "killed", "many_worktrees")
"""Further files that have tests of a row; there only tests with a row's number in front must be named in one."""
STEP = re.compile(r"(?:WP\d+ )?(?:\w+>\w+|created)|error")
NOTHING = "∅"


@dataclass(frozen=True)
class Row:
    """One row of the table: its number, what comes out per column, by which rule, and its tests per column."""

    number: str
    outcomes: dict[str, set[str]]
    rule: str
    tests: dict[str, set[str]]


@cache
def rows() -> list[Row]:
    _, _, table = DOCUMENT.read_text("utf-8").partition("\n| # |")
    found = []
    for line in table.splitlines()[2:]:
        number, _, outcome, rule, hooks, watched = (cell.strip() for cell in line.strip("|").split(" | "))
        watched_tests = set(spans(watched.rstrip(" |")))
        tests = {"H": set(spans(hooks)), "W": watched_tests, "B": watched_tests}
        found.append(Row(number, outcomes(outcome), rule, tests))
    return found


def outcomes(cell: str) -> dict[str, set[str]]:
    """Per column the steps, and ∅; a part of the cell is of all columns unless it begins with their names."""
    found: dict[str, set[str]] = {column: set() for column in COLUMNS}
    for part in cell.split(";"):
        match = re.match(r"\s*([HWB](?:, [HWB])*): ", part)
        for column in match[1].split(", ") if match else COLUMNS:
            found[column] |= {*spans(part), *re.findall(NOTHING, part)}
    return found


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def collected() -> dict[str, dict[str, Path]]:
    """Per column the tests that pytest collects, each with its file."""
    files = [*own_files(), *(ROOT / "tests" / f"test_{name}.py" for name in ELSEWHERE)]
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", "addopts=", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: dict[str, dict[str, Path]] = {column: {} for column in COLUMNS}
    for file, name, parameters in re.findall(r"^(\S+\.py)::(\w+)(?:\[(.*)\])?$", listing, re.MULTILINE):
        column = next((part for part in parameters.split("-") if part in ("W", "B")), "H")
        found[column][name] = ROOT / file
    return found


def own_files() -> list[Path]:
    return sorted(path for path in (ROOT / "tests").glob("test_git_life*.py") if path != Path(__file__))


@cache
def functions(file: Path) -> dict[str, ast.FunctionDef]:
    """The functions of a test file by name, those that its tests call included."""
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def expected(file: Path, name: str) -> set[str]:
    """The steps that a test expects, and ∅ when it expects none at some point."""
    known, seen, todo = functions(file), set[str](), [name]
    found: set[str] = set()
    while todo:
        node = known[todo.pop()]
        seen.add(node.name)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and STEP.fullmatch(inner.value):
                found.add(inner.value)
            elif isinstance(inner, ast.Name) and inner.id in known and inner.id not in seen:
                todo.append(inner.id)
            elif is_nothing(inner):
                found.add(NOTHING)
    return found


def is_nothing(node: ast.AST) -> bool:
    """``told() == []``, ``events() == before``; in a case that is watched, the step READ or LOOKED."""
    if isinstance(node, ast.Yield):
        return isinstance(node.value, ast.Name) and node.value.id in ("READ", "LOOKED")
    if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.Call):
        return False
    asked = ast.unparse(node.left)
    right = node.comparators[0]
    is_same = isinstance(right, ast.Name) or (isinstance(right, ast.List) and not right.elts)
    return asked.startswith(("told(", "events(")) and is_same


def test_the_table_has_every_row_once() -> None:
    assert [row.number for row in rows()] == ROWS


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_a_row_has_tests_in_every_column_and_they_are_run_there(row: Row) -> None:
    for column in COLUMNS:
        assert row.tests[column], f"no test in {column}"
        assert row.tests[column] <= collected()[column].keys(), f"not run in {column}"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_what_a_row_says_comes_out_is_what_its_tests_expect(row: Row) -> None:
    for column in COLUMNS:
        files = collected()[column]
        found = set[str]().union(*(expected(files[name], name) for name in row.tests[column]))
        said = {step for step in row.outcomes[column] if step == NOTHING or STEP.fullmatch(step)}
        assert said <= found, column


def test_every_test_of_git_life_is_named_in_the_rows_of_its_numbers() -> None:
    named = {(column, name): {row.number for row in rows() if name in row.tests[column]} for column, name in _all()}
    for (column, name), numbers in named.items():
        assert numbers >= set(_numbers(name)), name
        if collected()[column][name] in own_files():
            assert numbers, f"{name} is in no row"


def test_every_rule_that_the_table_names_is_one() -> None:
    """A word that is no move's rule is explained above the table."""
    head, _, _ = DOCUMENT.read_text("utf-8").partition("\n| # |")
    words = {word for paragraph in head.split("\n\n") if paragraph.startswith("Around") for word in spans(paragraph)}
    rules = {rule.value for rule in Rule} - {Rule.UNKNOWN}
    assert {span for line in head.splitlines() if line.startswith("| `") for span in spans(line)[:1]} == rules
    for row in rows():
        assert set(spans(row.rule)) <= rules | words, row.number


def _all() -> Iterator[tuple[str, str]]:
    return ((column, name) for column in COLUMNS for name in collected()[column])


def _numbers(name: str) -> list[str]:
    """``["12", "13"]`` for ``test_12_13_a_rebase…``."""
    match = re.match(r"test_((?:\d\d[a-c]?_)*)", name)
    return [number.removeprefix("0") for number in match[1].split("_") if number] if match else []
