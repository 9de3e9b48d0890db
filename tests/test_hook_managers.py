"""catflap in one repository with lefthook, husky 9, git-lfs and the pre-commit framework: one event each time, and each
tool's own hooks run, whoever was installed first and whoever goes. The real tools, so under CATFLAP_TEST_LONG=1.

What a tool that comes later puts out of effect is told late, and once: when `catflap install` has repaired it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world import Repo, catflap, planned, told

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CATFLAP_TEST_LONG"), reason="set CATFLAP_TEST_LONG=1"),
    pytest.mark.timeout(600),
]
NAMES = ("post-commit", "post-checkout", "post-merge", "post-rewrite")
CALL = f"{sys.executable} -m catflap hook"


class Tool:
    """A tool that brings hooks, in one repository; ``calls_catflap``: its configuration calls catflap's."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.log = repo.path / ".git" / "tool.log"

    def configure(self, *, calls_catflap: bool = False) -> None:
        """Write what the tool is to do at each hook: a line into the log."""
        raise NotImplementedError

    def install(self) -> None:
        raise NotImplementedError

    def uninstall(self) -> None:
        raise NotImplementedError

    def ran(self) -> bool:
        """Whether its own post-commit hook ran since the last question."""
        found = self.log.exists() and "post-commit" in self.log.read_text()
        self.log.unlink(missing_ok=True)
        return found

    def call(self, *command: str | Path) -> None:
        done = subprocess.run(
            [str(word) for word in command], cwd=self.repo.path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


class Lefthook(Tool):
    """From PyPI or npm, on PATH or beside this Python."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        beside = Path(sys.executable).parent / "lefthook"
        self._program = str(beside) if beside.exists() else shutil.which("lefthook")
        if self._program is None:
            pytest.skip("lefthook is not installed")

    def configure(self, *, calls_catflap: bool = False) -> None:
        text = ""
        for name in NAMES:
            text += f"{name}:\n  jobs:\n    - run: echo {name} >>{self.log}\n"
            text += f"    - run: {CALL} {name} {{0}}\n" if calls_catflap else ""
        self.repo.file("lefthook.yml", text)

    def install(self) -> None:
        self.call(str(self._program), "install")

    def uninstall(self) -> None:
        self.call(str(self._program), "uninstall")


class Husky(Tool):
    """Version 9, from npm, in the repository's node_modules."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed")
        repo.file(".gitignore", "node_modules/\n")
        repo.file("package.json", '{"name": "project", "private": true}\n')
        command = [npm, "install", "--no-audit", "--no-fund", "husky@9"]
        done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
        if done.returncode != 0 and ("ENOTFOUND" in done.stderr or "E404" in done.stderr or "EAI_AGAIN" in done.stderr):
            pytest.skip("npm's registry, where husky comes from, cannot be reached")
        assert done.returncode == 0, done.stderr

    def configure(self, *, calls_catflap: bool = False) -> None:
        for name in NAMES:
            call = f'{CALL} {name} "$@"\n' if calls_catflap else ""
            self.repo.file(f".husky/{name}", f"echo {name} >>{self.log}\n{call}")

    def install(self) -> None:
        self.call(self.repo.path / "node_modules" / ".bin" / "husky")

    def uninstall(self) -> None:
        self.repo.git("config", "--unset", "core.hooksPath")  # as its documentation says


class Lfs(Tool):
    """git-lfs, whose post-commit hook takes the write bit from a file that can be locked."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        if shutil.which("git-lfs") is None:
            pytest.skip("git-lfs is not installed")

    def configure(self, *, calls_catflap: bool = False) -> None:
        assert not calls_catflap
        self.repo.file(".gitattributes", "*.bin lockable\n")

    def install(self) -> None:
        self.call("git", "lfs", "install", "--local", "--force")

    def uninstall(self) -> None:
        self.call("git", "lfs", "uninstall", "--local")

    def ran(self) -> bool:
        path = self.repo.file("big.bin", self.repo.head())
        self.repo.commit("a file that can be locked")
        found = not path.stat().st_mode & 0o200
        path.unlink()
        return found


TOOLS: dict[str, type[Tool]] = {"lefthook": Lefthook, "husky": Husky, "git-lfs": Lfs}
Make = Callable[..., Tool]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Feature 001-demo planned; the tools have a home of their own."""
    (tmp_path / "user").mkdir()
    for name, folder in (("HOME", "user"), ("PRE_COMMIT_HOME", "framework"), ("XDG_CACHE_HOME", "cache")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    return planned(tmp_path / "project")


@pytest.fixture
def make(repo: Repo) -> Make:
    """How a tool is set up in the repository, its configuration committed; it is not installed yet."""

    def begin(name: str, *, calls_catflap: bool = False) -> Tool:
        tool = TOOLS[name](repo)
        tool.configure(calls_catflap=calls_catflap)
        repo.commit("configure the tool")
        return tool

    return begin


def step(repo: Repo, *lanes: str) -> None:
    """Commit each lane, and tell nothing by it but one step."""
    for lane in lanes:
        before = told()
        repo.lane(lane)
        assert len(told()) == len(before) + 1
        assert told()[-1].endswith(f">{lane}")


@pytest.mark.parametrize("name", TOOLS)
def test_catflap_after_a_tool_runs_the_tools_hook_first_and_tells_once(repo: Repo, make: Make, name: str) -> None:
    tool = make(name)
    tool.install()
    repo.install()
    tool.ran()
    step(repo, "doing")
    assert tool.ran()
    repo.write(lane="for_review")
    repo.git("commit", "-q", "-a", "--amend", "-m", "further")
    assert told() == ["planned>doing", "doing>for_review"]
    repo.git("switch", "-q", "-c", "topic")
    assert len(told()) == 2


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_that_goes_leaves_catflap_working(repo: Repo, make: Make, name: str) -> None:
    tool = make(name)
    tool.install()
    repo.install()
    tool.uninstall()
    if name == "husky":  # its hooks lay where core.hooksPath said: git looks elsewhere now
        repo.install()
    step(repo, "doing", "for_review")
    assert catflap("uninstall", repo.path).returncode == 0


@pytest.mark.parametrize("name", TOOLS)
def test_catflap_that_goes_leaves_a_tool_working(repo: Repo, make: Make, name: str) -> None:
    tool = make(name)
    tool.install()
    repo.install()
    step(repo, "doing")
    assert catflap("uninstall", repo.path).returncode == 0
    tool.ran()
    repo.lane("for_review")
    assert tool.ran()
    assert told() == ["planned>doing"]


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_later_tool_put_out_of_effect_is_told_once_when_catflap_is_installed_again(
    repo: Repo, make: Make, name: str
) -> None:
    repo.install()
    tool = make(name)
    tool.install()
    tool.ran()
    repo.lane("doing")
    assert tool.ran()
    assert told() == []
    repo.install()
    repo.lane("for_review")
    assert tool.ran()
    assert told() == ["planned>doing", "doing>for_review"]
    tool.install()  # as npm and lefthook do by themselves
    repo.install()
    step(repo, "done")
    assert tool.ran()


@pytest.mark.parametrize("order", ["the tool alone", "catflap first", "the tool first"])
@pytest.mark.parametrize("name", ["lefthook", "husky"])
def test_a_line_in_the_tools_configuration_tells_once_in_each_order(
    repo: Repo, make: Make, name: str, order: str
) -> None:
    if order == "catflap first":
        repo.install()
    tool = make(name, calls_catflap=True)
    tool.install()
    if order != "catflap first":
        repo.install(*(["--no-hooks"] if order.endswith("alone") else []))
    tool.ran()
    step(repo, "doing")
    assert tool.ran()
    repo.write(lane="for_review")
    repo.git("commit", "-q", "-a", "--amend", "-m", "further")
    repo.git("switch", "-q", "-c", "topic")
    step(repo, "done")
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    assert told() == ["planned>doing", "doing>for_review", "for_review>done"]


@pytest.mark.skipif(importlib.util.find_spec("pre_commit") is None, reason="the pre-commit framework is not installed")
@pytest.mark.parametrize(
    "order",
    [
        ["git-lfs", "pre-commit", "catflap"],
        ["git-lfs", "catflap", "pre-commit"],
        ["catflap", "git-lfs", "pre-commit", "catflap"],
        ["pre-commit", "catflap", "git-lfs", "catflap"],
    ],
    ids=" ".join,
)
def test_three_at_once_all_run_and_tell_once(repo: Repo, make: Make, order: list[str]) -> None:
    lfs = make("git-lfs")
    log = repo.path / ".git" / "framework.log"
    repo.file(
        ".pre-commit-config.yaml",
        "repos:\n- repo: local\n  hooks:\n"
        f"  - {{id: own, name: own, entry: \"sh -c 'echo ran >>{log}'\", language: system, always_run: true,\n"
        "     pass_filenames: false, stages: [post-commit]}\n",
    )
    repo.commit("configure the framework")
    types = [f"--hook-type={name}" for name in NAMES]
    for one in order:
        match one:
            case "catflap":
                repo.install()
            case "git-lfs":
                lfs.install()
            case _:
                lfs.call(sys.executable, "-m", "pre_commit", "install", *types)
    log.unlink(missing_ok=True)
    step(repo, "doing", "for_review")
    assert lfs.ran()
    is_gone = order.index("git-lfs") > order.index("pre-commit")  # git-lfs asked for --force, and replaced it
    assert log.exists() is not is_gone
    assert catflap("uninstall", repo.path).returncode == 0
    assert lfs.ran()
