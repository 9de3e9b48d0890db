"""The documents say what is true: README's commands run, in its order; what they name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import FEATURE, Repo, told, wp_text

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
SKIPPED = "<!-- not run:"


def blocks(language: str, text: str = README) -> list[str]:
    """The code blocks of a language, without those that say why they are not run."""
    found = re.finditer(rf"(?P<before>[^\n]*)\n```{language}\n(?P<code>.*?)```", text, re.DOTALL)
    return [match["code"] for match in found if SKIPPED not in match["before"]]


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
    first, *rest = blocks("sh")
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
    for code in blocks("python"):
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
        targets = re.findall(r"^make (\w+)", blocks(language, document)[0], re.MULTILINE)
        assert targets
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert README.index("make demo") < README.index("make test") < README.index("catflap install")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_into_the_project_leads_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_feature_that_readme_speaks_of_is_the_tests_own() -> None:
    assert FEATURE in README
