"""README says what is true: its commands run, in its order. Its links are looked at in test_docs.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import ROOT, runnable
from tests.world import FEATURE, Repo, told, wp_text

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Repo:
    """A repository like the one that README speaks of."""
    repo = Repo.init(tmp_path / "project")
    for wp in ("WP01", "WP02"):
        path = repo.wp(wp)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wp_text(wp).replace('"planned"', "planned"), encoding="utf-8")
    repo.commit("plan")
    repo.lane("planned", body="Do it well.\n")
    repo.wp().write_text(repo.wp().read_text().replace('"planned"', "planned"), encoding="utf-8")
    repo.commit("as Spec Kitty writes it")
    return repo


def test_readmes_commands_run_as_they_stand(project: Repo) -> None:
    first, *rest = runnable(README, "sh")
    assert first.split("\n")[0].startswith("make demo ")
    script = "set -eu\n" + "".join(rest)
    assert script.count("catflap ") >= 10
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=project.path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "planned → doing" in done.stdout
    assert told() == ["planned>doing"]
    assert (project.path / "events.jsonl").read_text().count("WPStatusChanged") == 1


def test_readmes_python_runs_and_emits(project: Repo) -> None:
    project.install()
    for code in runnable(README, "python"):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=project.path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert told() == ["doing>for_review"]
    project.lane("for_review")
    assert told() == ["doing>for_review"]


def test_the_two_commands_come_first_and_are_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for document, language in ((README, "sh"), ((ROOT / "CONTRIBUTING.md").read_text("utf-8"), "sh")):
        targets = re.findall(r"^make (\w+)", runnable(document, language)[0], re.MULTILINE)
        assert targets
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert README.index("make demo") < README.index("make test") < README.index("catflap install")


def test_the_feature_that_readme_speaks_of_is_the_tests_own() -> None:
    assert FEATURE in README
