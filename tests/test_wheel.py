"""The wheel, made from the sdist and installed in an empty environment: it brings all it needs, hooks included."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.world import events, planned, told

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of an environment that holds the wheel and what it asks for, nothing else."""
    place = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", ROOT)
    venv.create(place / "venv", with_pip=True)
    programs = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    (wheel,) = (place / "dist").glob("*.whl")
    call(programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return programs


def call(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    shown = call(installed / "catflap", "demo", cwd=tmp_path)
    assert "catflap install" in shown
    assert list(tmp_path.iterdir()) == []


def test_the_hooks_of_the_wheel_tell_a_commit(installed: Path, tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    call(installed / "catflap", "install", repo.path)
    shim = (repo.path / ".git" / "hooks" / "post-commit").read_text()
    assert str(installed) in shim
    assert str(ROOT) not in shim
    repo.lane("doing")
    assert told() == ["planned>doing"]
    call(installed / "catflap-hook", "post-commit", cwd=repo.path)
    call(installed / "python", "-m", "catflap", "uninstall", repo.path)
    assert len(events()) == 1


def test_the_schema_ships_with_the_wheel(installed: Path) -> None:
    assert call(installed / "catflap", "schema") == (ROOT / "src" / "catflap" / "event.schema.json").read_text("utf-8")


def test_the_services_ship_with_the_wheel(installed: Path) -> None:
    places = "[str(shipped(f'watcher/{kind.template}')) for kind in Kind]"
    code = f"from catflap.service import Kind; from catflap.shipped import shipped; print(*{places}, sep='\\n')"
    lines = call(installed / "python", "-c", code, cwd=installed).splitlines()
    assert len(lines) == 3
    for found in map(Path, lines):
        assert found.read_bytes() == (ROOT / "watcher" / found.name).read_bytes()
        assert not found.is_relative_to(ROOT)
