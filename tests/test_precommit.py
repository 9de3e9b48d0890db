"""The pre-commit framework itself, beside catflap's own hooks and in place of them: one event each time, and the hooks
of both still run, whoever was installed first and whoever goes.

Here its hooks call this catflap. All orders, and what it installs from a git URL, are tried under CATFLAP_TEST_LONG=1.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catflap.commands.check import check
from catflap.errors import BadInput
from catflap.lanelog import log_path
from catflap.workpackage import wp_path
from tests.watching import Watch, wait_told
from tests.world import FEATURE, Repo, catflap, events, planned, told

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
STAGES = ("post-commit", "post-checkout", "post-merge", "post-rewrite")
WP01 = f"kitty-specs/{FEATURE}/tasks/WP01-build.md"
needs_time = pytest.mark.skipif(not os.environ.get("CATFLAP_TEST_LONG"), reason="set CATFLAP_TEST_LONG=1")
needs_framework = pytest.mark.skipif(
    importlib.util.find_spec("pre_commit") is None, reason="the pre-commit framework is not installed"
)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Feature 001-demo planned; the framework has a home of its own."""
    (tmp_path / "user").mkdir()
    for name, folder in (("HOME", "user"), ("PRE_COMMIT_HOME", "framework"), ("XDG_CACHE_HOME", "cache")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    return planned(tmp_path / "project")


class Framework:
    """The framework in one repository. Its own hooks besides catflap's write their stage into a log."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.log = repo.path / ".git" / "stages.log"

    def __call__(self, *args: str | Path) -> str:
        command = [sys.executable, "-m", "pre_commit", *map(str, args)]
        done = subprocess.run(command, cwd=self.repo.path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def configure(self, *, calls_catflap: bool, checks: bool = False) -> None:
        """Commit a configuration with a hook of its own at each stage, and with catflap's or without."""
        lines = [
            f"default_install_hook_types: [{', '.join(('pre-commit', *STAGES))}]",
            "repos:",
            "- repo: local",
            "  hooks:",
        ]
        call = f"{sys.executable} -m catflap"
        for stage in STAGES:
            lines += hook(f"own-{stage}", stage, f"sh -c 'echo {stage} >>{self.log}'")
            if calls_catflap:
                lines += hook(f"catflap-{stage}", stage, f"{call} hook {stage}")
        if checks:
            files = re.search(r"^  files: (.*)$", MANIFEST.read_text("utf-8"), re.MULTILINE)
            assert files is not None
            lines += [f"  - {{id: check, name: check, entry: '{call} check --staged', language: system,"]
            lines += [f"     require_serial: true, files: '{files[1]}', stages: [pre-commit]}}"]
        self.repo.file(".pre-commit-config.yaml", "\n".join(lines) + "\n")
        self.repo.commit("configure the framework")

    def ran(self) -> list[str]:
        """The stages at which its own hook ran since the last question."""
        stages = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return stages


def hook(name: str, stage: str, entry: str) -> list[str]:
    return [
        f'  - {{id: {name}, name: {name}, entry: "{entry}", language: system,',
        f"     always_run: true, pass_filenames: false, stages: [{stage}]}}",
    ]


@pytest.fixture
def framework(repo: Repo) -> Framework:
    return Framework(repo)


def shims(repo: Repo) -> set[str]:
    """The files in the hooks folder that are catflap's shim."""
    folder = repo.path / ".git" / "hooks"
    return {path.name for path in folder.iterdir() if b"# catflap shim" in path.read_bytes()[:200]}


# -- beside each other


@needs_time
@needs_framework
@pytest.mark.parametrize("first", ["catflap", "the framework", "the framework alone"])
def test_one_event_each_time_whoever_was_installed_first(repo: Repo, framework: Framework, first: str) -> None:
    framework.configure(calls_catflap=True)
    if first == "catflap":
        repo.install()
    framework("install")
    if first != "catflap":
        repo.install(*(["--no-hooks"] if first.endswith("alone") else []))
    framework.ran()
    repo.lane("doing")
    assert told() == ["planned>doing"]
    repo.write(lane="for_review")
    repo.git("commit", "-q", "-a", "--amend", "-m", "further")
    expected = ["planned>doing", "doing>for_review"]
    assert told() == expected
    assert framework.ran() == ["post-commit", "post-commit", "post-rewrite"]
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("done")
    expected += ["for_review>done"]
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    assert told() == expected
    assert framework.ran() == ["post-checkout", "post-commit", "post-checkout", "post-merge"]


@needs_framework
@pytest.mark.parametrize("first", [pytest.param("catflap", marks=needs_time), "the framework"])
def test_either_goes_and_the_other_works_on(repo: Repo, framework: Framework, first: str) -> None:
    before = {path.name: path.read_bytes() for path in (repo.path / ".git" / "hooks").iterdir()}
    framework.configure(calls_catflap=False)
    for step in ("catflap", "the framework") if first == "catflap" else ("the framework", "catflap"):
        repo.install() if step == "catflap" else framework("install")
    assert shims(repo) == {*(f"{stage}.legacy" for stage in STAGES), "post-applypatch"}
    repo.lane("doing")
    assert (told(), framework.ran()) == (["planned>doing"], ["post-commit"])
    framework("install")
    repo.install()
    framework("uninstall")
    assert shims(repo) == {*STAGES, "post-applypatch"}
    repo.lane("for_review")
    assert (told()[1:], framework.ran()) == (["doing>for_review"], [])
    framework("install")
    assert catflap("uninstall", repo.path).returncode == 0
    assert shims(repo) == set()
    repo.lane("done")
    assert (len(told()), framework.ran()) == (2, ["post-commit"])
    framework("uninstall")
    assert {path.name: path.read_bytes() for path in (repo.path / ".git" / "hooks").iterdir()} == before


@needs_time
@needs_framework
def test_a_hook_of_the_users_own_is_kept_behind_both(repo: Repo, framework: Framework) -> None:
    folder = repo.path / ".git" / "hooks"
    own = folder / "post-commit"
    own.parent.mkdir(exist_ok=True)
    own.write_text(f"#!/bin/sh\necho own >>'{framework.log}'\n")
    own.chmod(0o755)
    text = own.read_bytes()
    framework.configure(calls_catflap=False)
    framework("install")
    repo.install()
    framework.ran()
    repo.lane("doing")
    assert (told(), framework.ran()) == (["planned>doing"], ["own", "post-commit"])
    framework("uninstall")
    repo.lane("for_review")
    assert (told()[1:], framework.ran()) == (["doing>for_review"], ["own"])
    framework("install")
    assert catflap("uninstall", repo.path).returncode == 0
    assert (folder / "post-commit.legacy").read_bytes() == text
    framework("uninstall")
    assert own.read_bytes() == text
    assert not (folder / "post-commit.catflap-kept").exists()


@needs_time
@needs_framework
def test_a_framework_that_was_deleted_by_hand_leaves_no_shim_behind(repo: Repo, framework: Framework) -> None:
    framework.configure(calls_catflap=False)
    framework("install")
    repo.install()
    (repo.path / ".git" / "hooks" / "post-commit").unlink()
    repo.install()
    assert "post-commit" in shims(repo)
    repo.lane("doing")
    assert told() == ["planned>doing"]
    assert catflap("uninstall", repo.path).returncode == 0
    assert shims(repo) == set()


@needs_time
@needs_framework
def test_the_framework_hands_on_which_rewrite_it_was(repo: Repo, framework: Framework, tmp_path: Path) -> None:
    """At the end of a detached rebase git has nothing but the hook's argument to say that it is over."""
    framework.configure(calls_catflap=True)
    framework("install")
    repo.install("--no-hooks")
    repo.git("checkout", "-q", "--detach")
    repo.lane("doing")
    repo.file("other.txt")
    repo.commit("elsewhere")
    editor = tmp_path / "drop.sh"
    editor.write_text('#!/bin/sh\nsed -i 1d "$1"\n')
    editor.chmod(0o755)
    repo.git("rebase", "-q", "-i", "HEAD~2", env={"GIT_SEQUENCE_EDITOR": str(editor)})
    assert told() == ["planned>doing", "doing>planned"]


# -- its stash


def edit_beside(repo: Repo) -> None:
    """Commit a step of WP01 while WP02 is edited and not staged: the framework stashes that edit during each stage."""
    repo.write("WP01", "doing")
    repo.git("add", WP01)
    repo.write("WP02", "doing")
    done = repo.git("commit", "-m", "one of two")
    assert "Stashing unstaged files" in done.stdout + done.stderr
    assert 'lane: "doing"' in repo.wp("WP02").read_text()


@needs_framework
def test_the_stash_of_unstaged_edits_tells_nothing(repo: Repo, framework: Framework) -> None:
    framework.configure(calls_catflap=True, checks=True)
    framework("install")
    repo.install()
    edit_beside(repo)
    assert told() == ["planned>doing"]
    repo.commit("the other")
    assert told() == ["planned>doing", "WP02 planned>doing"]


@needs_time
@needs_framework
def test_the_stash_of_unstaged_edits_tells_nothing_beside_a_watcher(
    repo: Repo, framework: Framework, tmp_path: Path
) -> None:
    framework.configure(calls_catflap=True, checks=True)
    framework("install")
    repo.install()
    with Watch(tmp_path / "watch.out") as watch:
        repo.write("WP02", "doing")
        wait_told(["WP02 planned>doing"])
        repo.write("WP01", "doing")
        wait_told(["WP02 planned>doing", "planned>doing"])
        edit_beside(repo)
        repo.write("WP03", "doing")
        expected = ["WP02 planned>doing", "planned>doing", "WP03 planned>doing"]
        wait_told(expected)
        repo.git("add", repo.wp("WP03"))
        repo.write("WP03", "for_review")
        expected.append("WP03 doing>for_review")
        wait_told(expected)
        done = repo.git("commit", "-m", "what is staged")
        assert "Stashing unstaged files" in done.stdout + done.stderr
        repo.write("WP04", "doing")
        expected.append("WP04 planned>doing")
        wait_told(expected)
        assert not [line for line in watch.lines if "Traceback" in line]
    repo.observe()
    assert told() == expected


# -- the check


@needs_framework
@pytest.mark.parametrize("how", [["-a"], pytest.param(["--", WP01], marks=needs_time)], ids=["all", "partial"])
def test_the_check_stops_a_commit_that_is_wrong_and_no_other(repo: Repo, framework: Framework, how: list[str]) -> None:
    framework.configure(calls_catflap=False, checks=True)
    framework("install", "--hook-type", "pre-commit")
    repo.write("WP01", "dong")
    head = repo.head()
    done = repo.git("commit", "-m", "x", *how, check=False)
    assert done.returncode == 1
    assert f"{WP01}:4:7: lane 'dong' is unknown" in done.stdout + done.stderr
    assert repo.head() == head
    repo.write("WP01", "doing")
    repo.write("WP02", "dong")
    repo.git("commit", "-q", "-m", "x", "--", WP01)
    repo.file("code.txt")
    repo.git("add", "code.txt")
    done = repo.git("commit", "-m", "y")
    assert "(no files to check)Skipped" in done.stdout + done.stderr


@needs_framework
def test_the_check_of_all_files_reads_all_files(repo: Repo, framework: Framework) -> None:
    repo.lane("dong")
    framework.configure(calls_catflap=False, checks=True)
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
    done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{WP01}:4:7: lane 'dong' is unknown" in done.stdout


# -- the manifest


def fields(name: str) -> dict[str, str]:
    """The manifest's lines of one hook, by key."""
    entries = MANIFEST.read_text("utf-8").split("\n- id: ")[1:]
    entry = next(entry for entry in entries if entry.split("\n", 1)[0] == name)
    return dict(re.findall(r"^  (\w+): (.*)$", entry, re.MULTILINE))


@needs_framework
def test_the_manifest_is_one(framework: Framework) -> None:
    framework("validate-manifest", MANIFEST)


def test_the_hooks_run_at_their_stage_and_are_programs_that_ship() -> None:
    import tomllib

    programs = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert fields("catflap-check")["stages"] == "[pre-commit]"
    for stage in STAGES:
        found = fields(f"catflap-{stage}")
        assert (found["entry"], found["stages"]) == (f"catflap-hook {stage}", f"[{stage}]")
        assert (found["always_run"], found["pass_filenames"]) == ("true", "false")
        assert found["entry"].split()[0] in programs
    assert fields("catflap-check")["entry"].split()[0] in programs


@pytest.mark.parametrize(
    "path",
    [
        "kitty-specs/001-a/tasks/WP01.md",
        "kitty-specs/001-a/tasks/WP1-x y ü.md",
        "kitty-specs/001-a/tasks/doing/deep/WP01-x.md",
        "kitty-specs/001-a/status.events.jsonl",
        "kitty-specs/.a/status.events.jsonl",
        "kitty-specs/.a/tasks/WP01.md",
        "kitty-specs/001-a/tasks/.x/WP01.md",
        "kitty-specs/001-a/tasks/.WP01.md",
        "kitty-specs/001-a/tasks/WP01.md.orig",
        "kitty-specs/001-a/tasks/WP01_LOCAL_12.md",
        "kitty-specs/001-a/tasks/WPX.md",
        f"kitty-specs/001-a/tasks/WP{'1' * 21}.md",
        "kitty-specs/001-a/WP01.md",
        "kitty-specs/tasks/WP01.md",
        "docs/kitty-specs/001-a/tasks/WP01.md",
        "kitty-specs/001-a/tasks/x/status.events.jsonl",
    ],
)
def test_the_framework_hands_on_exactly_what_the_command_takes(
    repo: Repo, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fields("catflap-check")
    is_handed_on = bool(re.search(found["files"], path)) and not re.search(found["exclude"], path)
    assert is_handed_on == (wp_path(path) is not None or log_path(path) is not None)
    repo.file(path, "" if path.endswith("jsonl") else "---\n---\n")
    repo.git("add", "-f", path)
    monkeypatch.chdir(repo.path)
    if is_handed_on:
        assert check([Path(path)], staged=True) == 0
    else:
        with pytest.raises(BadInput):
            check([Path(path)], staged=True)


# -- from a git URL


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of this checkout as it is, to be cloned from."""
    place = tmp_path_factory.mktemp("upstream")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "as it is"]):
        subprocess.run(["git", *command], cwd=place, check=True, capture_output=True)
    return place


@needs_framework
@needs_time
@pytest.mark.timeout(600)
def test_from_a_git_url_all_five_work_in_an_environment_of_their_own(
    repo: Repo, framework: Framework, upstream: Path
) -> None:
    revision = Repo(upstream).head()
    hooks = "\n".join(f"  - id: {name}" for name in ("catflap-check", *(f"catflap-{stage}" for stage in STAGES)))
    types = ", ".join(("pre-commit", *STAGES))
    config = (
        f"default_install_hook_types: [{types}]\nrepos:\n- repo: {upstream.as_uri()}\n  rev: {revision}\n  hooks:\n"
    )
    repo.file(".pre-commit-config.yaml", config + hooks + "\n")
    repo.commit("configure the framework")
    framework("install", "--install-hooks")
    repo.lane("doing")
    assert events() == []  # nobody has asked for it here
    assert catflap("install", "--no-hooks", repo.path).returncode == 0
    repo.lane("for_review")
    repo.write(lane="done")
    repo.git("commit", "-q", "-a", "--amend", "-m", "done")
    repo.git("switch", "-q", "-c", "topic")
    assert told() == ["doing>for_review", "for_review>done"]
    repo.write("WP02", "dong")
    repo.git("add", "-A")
    done = repo.git("commit", "-m", "x", check=False)
    assert done.returncode == 1
    assert "lane 'dong' is unknown" in done.stdout + done.stderr
    shown = framework("try-repo", upstream, "catflap-check", "--files", WP01)
    assert "catflap check" in shown
    assert "Passed" in shown
