"""Each way to install catflap, on each Python that is here, with an empty home and no checkout: then a commit is told.

Long: everything comes from PyPI. Skipped with a word: a Python that this machine does not have (its packages, pyenv and
uv are asked; nothing is downloaded that is not on PyPI), and all of it where PyPI cannot be reached.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from catflap import __version__, hookfiles
from tests.world import Repo, planned

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CATFLAP_TEST_LONG"), reason="set CATFLAP_TEST_LONG=1"),
    pytest.mark.timeout(900),
]
ROOT = Path(__file__).parents[1]
OURS = Path(sys.executable).parent
WINDOWS = os.name == "nt"
BIN = "Scripts" if WINDOWS else "bin"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEM = Path("/usr/bin/python3")
"""The Python of the operating system's packages, whatever its version."""
NEXT = "0.9.9"
"""The version of a catflap of tomorrow, which is today's under that name."""
PYENV = Path(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))) / "versions"


def python_of(version: str) -> str | None:
    """An interpreter of this version that runs: of this environment, on PATH, pyenv's, or one that uv knows."""
    found = [sys.executable, shutil.which(f"python{version}"), *map(str, PYENV.glob(f"{version}.*/{BIN}/python"))]
    uv = subprocess.run(
        [OURS / "uv", "python", "find", "--no-python-downloads", version], capture_output=True, text=True, check=False
    )
    for one in (*found, uv.stdout.strip()):
        if one:
            asked = [one, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
                return one
    return None


@pytest.fixture(scope="module", params=[*VERSIONS, "the system's"])
def python(request: pytest.FixtureRequest) -> str:
    if request.param not in VERSIONS:
        asked = [SYSTEM, "-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"]
        if not SYSTEM.exists() or subprocess.run(asked, capture_output=True, check=False).returncode != 0:
            pytest.skip(f"{SYSTEM} is not there, is older than 3.11, or has no venv (python3-venv)")
        return str(SYSTEM)
    found = python_of(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} here; uv's own are no packages of PyPI's, and are not downloaded")
    return found


@dataclass(frozen=True)
class Goods:
    """What is installed: today's sdist and wheel, tomorrow's wheel; and the caches that all installs share."""

    sdist: Path
    wheel: Path
    next_wheel: Path
    caches: Mapping[str, str]


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Goods:
    place = tmp_path_factory.mktemp("goods")
    caches = {name: str(place / name) for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR")}
    asked = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(place / "asked"), "filelock"]
    reached = subprocess.run(asked, env={**os.environ, **caches}, capture_output=True, text=True, check=False)
    if reached.returncode != 0:
        pytest.skip(f"PyPI cannot be reached: {(reached.stderr.strip().splitlines() or ['no word'])[-1]}")
    call(OURS / "python", "-m", "build", "--no-isolation", "--outdir", place / "dist", ROOT)
    (sdist,) = (place / "dist").glob("*.tar.gz")
    (wheel,) = (place / "dist").glob("*.whl")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    tomorrow = place / sdist.name.removesuffix(".tar.gz")
    for name in ("pyproject.toml", "src/catflap/__init__.py"):
        text = (tomorrow / name).read_text("utf-8")
        assert f'"{__version__}"' in text
        (tomorrow / name).write_text(text.replace(f'"{__version__}"', f'"{NEXT}"'), encoding="utf-8")
    call(OURS / "python", "-m", "build", "--wheel", "--no-isolation", "--outdir", place / "next", tomorrow)
    (next_wheel,) = (place / "next").glob("*.whl")
    return Goods(sdist, wheel, next_wheel, caches)


def call(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


class User:
    """Somebody with an empty home, who has a Python, git, and pipx or uv beside; nothing of this checkout."""

    def __init__(self, folder: Path, python: str, goods: Goods) -> None:
        self.home, self.python, self.goods = folder / "home", python, goods
        self.home.mkdir(parents=True)
        self.programs = self.home / ".local" / "bin"
        hidden = ("PYTHON", "VIRTUAL_ENV", "SPEC_KITTY", "XDG_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.env |= {
            **goods.caches,
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "PATH": os.pathsep.join([str(self.programs), *self._where_git_is()]),
            "PIPX_DEFAULT_PYTHON": python,
            "PIPX_HOME": str(self.home / ".local" / "pipx"),
            "PIPX_BIN_DIR": str(self.programs),
            "PIPX_MAN_DIR": str(self.home / ".local" / "share" / "man"),
            "UV_TOOL_DIR": str(self.home / ".local" / "uv"),
            "UV_TOOL_BIN_DIR": str(self.programs),
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def _where_git_is(self) -> list[str]:
        """The folders that git's programs and sh need; none of them has a catflap."""
        git = shutil.which("git")
        assert git is not None
        folders = [str(Path(git).parent), "/usr/bin", "/bin"]
        assert not any(shutil.which("catflap", path=one) for one in folders)
        return folders

    def run(self, *words: str | Path, cwd: Path | None = None) -> str:
        """What a command prints, found on the user's PATH alone."""
        program = shutil.which(str(words[0]), path=self.env["PATH"]) or words[0]
        return call(program, *words[1:], cwd=cwd or self.home, env=self.env)

    # -- the ways: each returns the folder of the environment

    def by_pip(self, what: str | Path) -> Path:
        place = self.home / "venv"
        call(self.python, "-m", "venv", place, env=self.env)
        call(place / BIN / "python", "-m", "pip", "install", "--quiet", what, cwd=self.home, env=self.env)
        self.programs.mkdir(parents=True, exist_ok=True)
        (self.programs / "catflap").symlink_to(place / BIN / "catflap")
        return place

    def by_pipx(self, what: str | Path, *options: str) -> Path:
        call(OURS / "python", "-m", "pipx", "install", *options, what, cwd=self.home, env=self.env)
        return self.home / ".local" / "pipx" / "venvs" / "catflap"

    def by_uv(self, what: str | Path, *options: str) -> Path:
        call(OURS / "uv", "tool", "install", "-p", self.python, *options, what, cwd=self.home, env=self.env)
        return self.home / ".local" / "uv" / "catflap"

    # -- what the user then does

    def told(self) -> list[tuple[str, str]]:
        events = map(json.loads, self.run("catflap", "queue", "list", "--json").splitlines())
        changes = [one["payload"] for one in events if one["event_type"] == "WPStatusChanged"]
        return [(one["previous_status"], one["new_status"]) for one in changes]

    def commit(self, repo: Repo, lane: str) -> str:
        """Edit WP01 and commit as this user; what git, and with it the hook, says on stderr."""
        repo.write(lane=lane)
        done = subprocess.run(
            ["git", "commit", "-q", "-a", "-m", lane], cwd=repo.path, env=self.env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def hooks_python(self, repo: Repo) -> str:
        """The interpreter that the repository's hooks run."""
        return hookfiles.named_in((repo.path / ".git" / "hooks" / "post-commit").read_bytes())["python"]


def in_environment(python: str, code: str, user: User) -> str:
    return call(python, "-I", "-c", code, cwd=user.home, env=user.env).strip()


SHIPPED = """
from catflap.service import Kind; from catflap.shipped import shipped
for name in ("hooks/hook.sh", *(f"watcher/{kind.template}" for kind in Kind)): print(shipped(name))
"""


def live_with(user: User, environment: Path, repo: Repo) -> None:
    """What every install must give: the version, an event for a commit, shipped files, the manual page, a way out."""
    assert user.run("catflap", "--version").strip() == f"catflap {__version__}"
    before = {path.name: path.read_bytes() for path in (repo.path / ".git" / "hooks").iterdir()}
    assert "Next: " in user.run("catflap", "install", repo.path)
    assert user.commit(repo, "doing") == ""
    assert user.told() == [("planned", "doing")]
    assert (user.home / ".spec-kitty" / "queue.db").is_file()
    hooks = (repo.path / ".git" / "hooks" / "post-commit").read_text("utf-8")
    assert str(environment) in hooks
    assert str(ROOT) not in hooks
    lines = in_environment(user.hooks_python(repo), SHIPPED, user).splitlines()
    assert len(lines) == 4
    assert all(Path(line).is_relative_to(environment) for line in lines)
    assert (environment / "share" / "man" / "man1" / "catflap.1").read_bytes().startswith(b".TH CATFLAP 1")
    user.run("catflap", "uninstall", repo.path)
    assert {path.name: path.read_bytes() for path in (repo.path / ".git" / "hooks").iterdir()} == before


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return planned(tmp_path / "project")


@pytest.fixture
def user(tmp_path: Path, python: str, goods: Goods) -> User:
    return User(tmp_path / "user", python, goods)


@pytest.mark.parametrize("what", ["checkout", "wheel", "sdist"])
def test_pip_installs_all_that_is_needed(what: str, user: User, repo: Repo) -> None:
    source = {"checkout": ROOT, "wheel": user.goods.wheel, "sdist": user.goods.sdist}[what]
    live_with(user, user.by_pip(source), repo)


def test_pipx_installs_all_that_is_needed(user: User, repo: Repo) -> None:
    live_with(user, user.by_pipx(user.goods.wheel), repo)
    page = user.home / ".local" / "share" / "man" / "man1" / "catflap.1"
    assert WINDOWS or page.is_file()


def test_uv_installs_all_that_is_needed(user: User, repo: Repo) -> None:
    live_with(user, user.by_uv(user.goods.sdist), repo)


# -- what is the same on every Python: once


@pytest.fixture
def one_user(tmp_path: Path, goods: Goods) -> User:
    return User(tmp_path / "user", sys.executable, goods)


def test_the_hub_runs_with_its_extra_and_names_it_without(one_user: User) -> None:
    user = one_user
    environment = user.by_pip(user.goods.wheel)
    assert "--port" in user.run("catflap", "hub", "--help")
    without = subprocess.run([environment / BIN / "catflap", "hub"], env=user.env, capture_output=True, text=True)
    assert (without.returncode, "pip install 'catflap[hub]'" in without.stderr) == (1, True)
    call(environment / BIN / "python", "-m", "pip", "install", "--quiet", f"{user.goods.wheel}[hub]", env=user.env)
    with subprocess.Popen(
        [environment / BIN / "catflap", "hub", "--port", "0"],
        cwd=user.home,
        env=user.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as hub:
        try:
            assert hub.stdout is not None
            address = hub.stdout.readline().strip()
            with urllib.request.urlopen(f"{address}/api/v1/sync/health/") as answer:
                assert answer.status == 200
            with urllib.request.urlopen(f"{address}/") as answer:
                assert b"<html" in answer.read()
        finally:
            hub.send_signal(signal.SIGTERM)
    assert WINDOWS or hub.returncode == 0


def test_hooks_whose_catflap_was_uninstalled_are_harmless_until_there_is_one_again(one_user: User, repo: Repo) -> None:
    user = one_user
    user.by_pipx(user.goods.wheel)
    user.run("catflap", "install", repo.path)
    call(OURS / "python", "-m", "pipx", "uninstall", "catflap", env=user.env)
    assert shutil.which("catflap", path=user.env["PATH"]) is None
    assert user.commit(repo, "doing") == ""
    environment = user.by_uv(user.goods.next_wheel)
    assert "was registered already; repaired" in user.run("catflap", "install", repo.path)
    assert Path(user.hooks_python(repo)).is_relative_to(environment)
    assert user.commit(repo, "for_review") == ""
    assert user.told() == [("planned", "doing"), ("doing", "for_review")]


def test_after_an_upgrade_the_hooks_run_the_new_version_and_install_repairs(one_user: User, repo: Repo) -> None:
    user = one_user
    user.by_pipx(user.goods.wheel)
    user.run("catflap", "install", repo.path)
    user.commit(repo, "doing")
    user.by_pipx(user.goods.next_wheel, "--force")
    assert user.run("catflap", "--version").strip() == f"catflap {NEXT}"
    assert in_environment(user.hooks_python(repo), "import catflap; print(catflap.__version__)", user) == NEXT
    assert user.commit(repo, "for_review") == ""
    hook = repo.path / ".git" / "hooks" / "post-commit"
    text = hook.read_bytes()
    hook.write_bytes(text[: len(text) // 2])
    assert "was registered already; repaired" in user.run("catflap", "install", repo.path)
    assert hook.read_bytes() == text
    user.commit(repo, "done")
    assert user.told() == [("planned", "doing"), ("doing", "for_review"), ("for_review", "done")]


def bounds() -> list[tuple[str, str]]:
    """Each dependency of catflap's and of its hub's, and the lowest version that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["hub"]]
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)", one) for one in wanted]
    return [(one[1], one[2]) for one in found if one is not None]


def test_the_oldest_dependencies_that_are_allowed_do_their_work(one_user: User, repo: Repo) -> None:
    """The bounds in pyproject.toml are true: with the lowest of each, every help, a commit and the demo's hub work."""
    user = one_user
    place = user.home / "venv"
    call(OURS / "uv", "venv", "--quiet", "-p", user.python, place, env=user.env)
    env = {**user.env, "VIRTUAL_ENV": str(place)}
    # Of a checkout, since what a wheel asks for is not direct to uv.
    call(OURS / "uv", "pip", "install", "--quiet", "--resolution", "lowest-direct", f"{ROOT}[hub]", env=env)
    there = dict(
        line.lower().split("==") for line in call(OURS / "uv", "pip", "freeze", env=env).split() if "==" in line
    )
    for name, bound in bounds():
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", there[name.lower()]), name
    user.programs.mkdir(parents=True)
    (user.programs / "catflap").symlink_to(place / BIN / "catflap")
    helps = re.findall(r"^  (\w+)  ", user.run("catflap", "--help").partition("Commands:")[2], re.M)
    assert len(helps) > 15
    for name in helps:
        assert f"catflap {name}" in user.run("catflap", name, "--help")
    live_with(user, place, repo)
    shown = user.run("catflap", "demo")
    assert "The board is what the files say." in shown
    assert "http://127.0.0.1" in shown


@pytest.mark.parametrize("platform", ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"])
@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_every_system_and_python_finds_its_dependencies_without_a_compiler(
    version: str, platform: str, goods: Goods, tmp_path: Path
) -> None:
    command = ("pip", "compile", "--quiet", "--no-header", "--only-binary", ":all:", "--extra", "hub")
    where = ("--python-version", version, "--python-platform", platform)
    found = call(
        OURS / "uv",
        *command,
        *where,
        ROOT / "pyproject.toml",
        env={**os.environ, **goods.caches, "HOME": str(tmp_path)},
    )
    names = set(re.findall(r"^([\w-]+)==", found, re.M))
    assert names >= {"watchdog", "pyyaml", "filelock", "websockets", "uvicorn"}
