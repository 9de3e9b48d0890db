"""Continuous integration: the workflow for three systems runs the targets of .ci/run, on what the package claims."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.portable import MODULES, NEEDS, need_of, posix_only_files
from tests.test_commands import test_ctrl_c_ends_with_130 as interrupts
from tests.test_commands import test_the_contracts_commands_are_there as asks_nothing
from tests.test_readme import test_readmes_commands_run_as_they_stand as runs_sh

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SYSTEMS = {"ubuntu-latest": "POSIX :: Linux", "macos-latest": "MacOS", "windows-latest": "Microsoft :: Windows"}


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    """The workflow; ``on`` is True in it, since YAML 1.1 reads the word so."""
    found: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    return found


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def targets(text: str) -> set[str]:
    """The make targets that a script's lines run."""
    return set(re.findall(r"^(?:\w+=\S+ )*make ([\w-]+)", text, re.MULTILINE))


def test_the_workflow_and_ci_run_have_the_same_targets_and_make_knows_them(workflow: dict[Any, Any]) -> None:
    ours = targets((ROOT / ".ci" / "run").read_text("utf-8"))
    theirs = targets("\n".join(step.get("run", "") for step in steps(workflow)))
    assert ours == theirs
    for target in theirs:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    assert workflow["jobs"]["long"]["if"].startswith("github.event_name == 'schedule'")


def test_every_python_and_system_that_the_package_claims_is_tried(workflow: dict[Any, Any]) -> None:
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    named = "\n".join(PROJECT["classifiers"])
    assert set(re.findall(r"Python :: (3\.\d+)$", named, re.MULTILINE)) <= set(matrix["python"])
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"
    assert {workflow["jobs"][job]["steps"][1]["with"]["python-version"] for job in ("lint", "long")} == {
        matrix["python"][0]
    }
    assert set(matrix["os"]) == set(SYSTEMS)
    assert set(re.findall(r"Operating System :: (.+)", named)) <= set(SYSTEMS.values())


def test_the_workflow_may_only_read_is_bounded_and_names_what_it_uses(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert all(0 < job["timeout-minutes"] <= 180 for job in workflow["jobs"].values())
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", one) for one in used)
    cached = [step["with"] for step in steps(workflow) if "setup-python" in step.get("uses", "")]
    assert all((one["cache"], one["cache-dependency-path"]) == ("pip", "requirements.lock") for one in cached)


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize(("system", "folder"), [("Windows_NT", ".venv/Scripts"), ("", ".venv/bin")])
def test_make_finds_the_environments_programs_on_each_system(system: str, folder: str) -> None:
    command = [
        "make",
        "--dry-run",
        "--always-make",
        "--file",
        str(ROOT / "Makefile"),
        "test",
        "JOBS=2",
        "SHELL=/bin/sh",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OS": system}, capture_output=True, text=True, check=False
    )
    assert f"{folder}/python -m pytest -n 2" in done.stdout, done.stdout + done.stderr


def test_files_are_the_same_bytes_on_every_system() -> None:
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text("utf-8").splitlines()
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert not [line for line in listed.splitlines() if line.startswith(("i/crlf", "i/mixed"))]


# -- what Windows leaves out


def test_a_test_that_needs_posix_is_known_by_what_it_names() -> None:
    assert need_of(interrupts, []) == "signals"
    assert need_of(runs_sh, []) == "sh on its own"
    assert need_of(asks_nothing, []) is None
    assert set(NEEDS) >= {"signals", "sh on its own"}


def test_a_need_of_a_helper_or_a_fixture_counts() -> None:
    assert need_of(asks_nothing, [_linked]) == "such files"
    assert need_of(_calls_it, []) == "such files"


def _linked(path: Path) -> None:
    path.symlink_to("elsewhere")


def _calls_it(path: Path) -> None:
    _linked(path)


def test_files_that_windows_cannot_import_are_left_out_whole(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("import os\n\ndef test_it():\n    import pty\n")
    (tmp_path / "test_two.py").write_text("from termios import tcgetattr\n")
    assert posix_only_files(tmp_path) == ["test_two.py"]
    assert "pty" in MODULES
    assert "test_watchscreen.py" in posix_only_files()
