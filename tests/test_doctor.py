"""`catflap doctor`: its rules as tables; trials of real hooks in a scratch clone, most with CATFLAP_TEST_LONG=1.

What breaks in home, hooks, queue and service is in test_doctor_broken.py.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from catflap import git
from catflap.commandline import app
from catflap.commands.install import put_in_place
from catflap.doctor import probe
from catflap.doctor.examination import CATALOGUE
from catflap.doctor.home import Queue, judge_queue
from catflap.doctor.machine import Machine, judge_machine
from catflap.doctor.probe import try_hooks
from catflap.doctor.remedy import REMEDIES
from catflap.doctor.repository import Hook, HookState, Repository, judge_repository
from catflap.doctor.trial import Step, Told, Trial, judge_trial
from catflap.doctor.watcher import Watcher, judge_watcher
from catflap.hookfiles import NAMES, named_in
from catflap.service import interpreter_in
from tests.test_commands import run_here
from tests.watching import wait_for
from tests.world import Repo, planned, told

slow = pytest.mark.skipif(not os.environ.get("CATFLAP_TEST_LONG"), reason="set CATFLAP_TEST_LONG=1")
STEPS = ["commit", "amend", "rebase", "worktree commit"]


def snapshot(repo: Repo) -> dict[str, bytes]:
    """Every file below the repository, the git dir's included."""
    return {str(path): path.read_bytes() for path in sorted(repo.path.rglob("*")) if path.is_file()}


def hook(repo: Repo, name: str, text: str) -> Path:
    path = repo.path / ".git" / "hooks" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def installed(path: Path) -> Repo:
    repo = planned(path)
    put_in_place(git.locate(str(path)), with_hooks=True)
    return repo


def runs(pid: str) -> bool:
    """Whether the process runs: one that was ended may wait for init to take note."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def trial(repo: Repo, **options: Any) -> Trial:
    return try_hooks(git.locate(str(repo.path)), lambda _: None, **{"expects": True, **options})


def found(judged: Any) -> list[str]:
    return [one.id for one in judged]


# -- rules


@pytest.mark.parametrize(
    ("machine", "ids"),
    [
        (Machine("git version 2.31.0", (3, 11, 0)), []),
        (Machine("git version 2.39.3 (Apple Git-146)", (3, 14, 0)), []),
        (Machine("git version 2.47.0.windows.2", (3, 12, 1)), []),
        (Machine("git version 2.30.9", (3, 11, 0)), ["git-too-old"]),
        (Machine("git version 1.8.3.1", (3, 11, 0)), ["git-too-old"]),
        (Machine(None, (3, 10, 9)), ["git-missing", "python-too-old"]),
        (Machine("git version 2.39.5", (3, 11, 0), programs=("/a/catflap",)), []),
        (Machine("git version 2.39.5", (3, 11, 0), watches=100, instances=128, folders=100), []),
        (Machine("git version 2.39.5", (3, 11, 0), watches=100, instances=128, folders=101), ["inotify-watches-low"]),
    ],
)
def test_a_machine_is_judged_by_its_versions_and_limits(machine: Machine, ids: list[str]) -> None:
    assert found(judge_machine(machine)) == ids


def test_the_limit_that_is_advised_leaves_room() -> None:
    [finding] = judge_machine(Machine("git version 2.39.5", (3, 11, 0), watches=8192, instances=128, folders=100_000))
    assert finding.fix == "`sudo sysctl fs.inotify.max_user_watches=262144`"


@pytest.mark.parametrize(
    ("size", "parked", "ids"),
    [
        (8_999, 0, []),
        (9_000, 0, ["queue-nearly-full"]),
        (9_999, 1, ["queue-nearly-full", "events-parked"]),
        (10_000, 0, ["queue-full"]),
    ],
)
def test_a_queue_is_judged_by_its_room(size: int, parked: int, ids: list[str]) -> None:
    assert found(judge_queue(Queue("queue.db", size=size, parked=parked))) == ids


def test_of_an_unusable_queue_only_the_reason_is_said() -> None:
    full = Queue("queue.db", size=10_000, parked=3, journal="delete", damage="page 3 is never used")
    assert found(judge_queue(full)) == ["queue-damaged"]
    assert found(judge_queue(replace(full, is_busy=True))) == ["queue-busy"]
    assert found(judge_queue(replace(full, is_there=False, damage=None))) == []


def test_hooks_that_stand_alike_are_one_finding() -> None:
    states = [HookState.MISSING, HookState.MISSING, HookState.GOOD, HookState.OUTDATED, HookState.MISSING]
    hooks = tuple(Hook("/hooks", name, state) for name, state in zip(NAMES, states, strict=True))
    missing, outdated = judge_repository(Repository("/project", hooks=hooks))
    assert missing.what == "post-commit, post-checkout, post-applypatch are not in /hooks"
    assert outdated.what == "post-rewrite in /hooks is not what this catflap puts there"
    assert missing.fix == "`catflap install /project`"


def test_a_watcher_that_is_not_there_and_not_expected_is_no_finding() -> None:
    assert found(judge_watcher(Watcher())) == []


@pytest.mark.parametrize(
    ("change", "ids"),
    [
        ({}, []),
        ({"steps": (Step("amend", Told.LATE, 80.0),)}, ["told-late"]),
        ({"steps": (Step("amend", Told.LATE, 80.0),), "expects": False}, []),
        ({"steps": (Step("rebase", Told.NEVER, 80.0),)}, ["told-never"]),
        ({"steps": (Step("commit", Told.TWICE, 80.0, 0.0),)}, ["told-twice"]),
        ({"steps": (Step("worktree commit", Told.LATE, 80.0),), "has_own_hooks": False}, ["worktree-without-hooks"]),
        ({"steps": (Step("commit", Told.LATE, 80.0),), "has_own_hooks": False}, ["told-late"]),
        ({"steps": (Step("commit", Told.AT_ONCE, 1080.0, 0.0),), "plain_ms": 70.0}, ["hook-slow"]),
        ({"steps": (Step("commit", Told.AT_ONCE, 1060.0, 0.0),), "plain_ms": 70.0}, []),
        ({"refusal": "line too long"}, ["commit-refused"]),
        ({"overrun": "commit", "limit_s": 30.0}, ["hooks-too-slow"]),
        ({"trouble": "no room"}, ["not-tried"]),
    ],
)
def test_a_trial_is_judged_by_when_each_step_was_told(change: dict[str, Any], ids: list[str]) -> None:
    assert found(judge_trial(Trial(**change))) == ids


def test_each_finding_has_an_id_of_its_own_and_says_why_it_matters() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in CATALOGUE)
    assert all(len(kind.why) > 20 and not kind.why.endswith(".") for kind in CATALOGUE.values())
    assert set(REMEDIES) <= set(CATALOGUE)


def test_every_command_that_a_fix_names_is_one() -> None:
    sources = [path.read_text("utf-8") for path in Path(str(probe.__file__)).parent.glob("*.py")]
    named = {words for text in sources for words in re.findall(r"`catflap ((?:[a-z]+ ?)+)", text)}
    assert len(named) > 10
    for words in named:
        command: Any = typer.main.get_command(app)
        for word in words.split():
            if hasattr(command, "commands"):
                command = command.commands[word]


def test_what_a_shim_names_is_read_back(tmp_path: Path) -> None:
    repo = installed(tmp_path / "project")
    named = named_in((repo.path / ".git" / "hooks" / "post-commit").read_bytes())
    assert named["home"] == os.environ["SPEC_KITTY_HOME"]
    assert named["entry"].endswith("hook.py")
    assert named_in(b"#!/bin/sh\nhome=${SPEC_KITTY_HOME:-'/home/a b'}\n") == {"home": "/home/a b"}


@pytest.mark.parametrize(
    ("unit", "python"),
    [
        ('[Service]\nExecStart="/opt/a b/python" -P -m catflap watch\n', "/opt/a b/python"),
        ('[Service]\nExecStart=:"/opt/$x/100%%/python" -P\n', "/opt/$x/100%/python"),
        ("<key>ProgramArguments</key>\n<array>\n\t<string>/a&amp;b/python</string>", "/a&b/python"),
        ("<Command>C:\\Python\\pythonw.exe</Command>", "C:\\Python\\pythonw.exe"),
        ("[Service]\n", None),
    ],
)
def test_the_interpreter_of_a_unit_is_read_back(unit: str, python: str | None) -> None:
    assert interpreter_in(unit) == python


# -- the trial


def test_every_step_is_told_when_git_returns_and_nothing_else_changes(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = installed(tmp_path / "project")
    repo.git("remote", "add", "origin", str(tmp_path / "team.git"))
    hook(repo, "pre-commit", 'echo "$PWD" >>"$TRACE"; git remote get-url origin >>"$TRACE"')
    hook(repo, "pre-push", 'echo pushed >>"$TRACE"')
    monkeypatch.setenv("TRACE", str(tmp_path / "trace"))
    monkeypatch.chdir(repo.path)
    before, state = snapshot(repo), {path.name: path.read_bytes() for path in home.glob("*.*") if path.is_file()}
    assert run_here(monkeypatch, "doctor", "--json") == 0
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert [(step["name"], step["told"]) for step in value["probe"]["steps"]] == [
        (name, "told when git returned") for name in STEPS
    ]
    assert value["probe"]["added_ms"] >= 0
    assert (value["ok"], value["findings"], value["fixed"]) == (True, [], [])
    assert "pre-commit, pre-push" in err
    assert "--no-probe" in err
    ran = (tmp_path / "trace").read_text()
    assert str(repo.path) not in ran
    assert str(tmp_path / "team.git") not in ran
    assert "pushed" not in ran
    assert snapshot(repo) == before
    assert {path.name: path.read_bytes() for path in home.glob("*.*") if path.is_file()} == state
    assert told() == []


def test_a_hook_that_refuses_is_said_and_the_rest_is_tried_without_it(tmp_path: Path) -> None:
    repo = installed(tmp_path / "project")
    hook(repo, "commit-msg", "echo first; echo the subject lacks a ticket >&2; exit 1")
    tried = trial(repo)
    assert tried.refusal == "the subject lacks a ticket"
    assert [(step.name, step.told) for step in tried.steps] == [(name, Told.AT_ONCE) for name in STEPS]
    assert found(judge_trial(tried)) == ["commit-refused"]


def test_hooks_of_a_relative_hooks_path_are_tried_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As husky has them: stubs that are not committed, which run what is; a new worktree has no stubs yet."""
    monkeypatch.setattr(probe, "WAIT_S", 0.05)
    repo = planned(tmp_path / "project")
    repo.file(".gitignore", ".husky/_/\n")
    trace = tmp_path / "trace"
    repo.file(".husky/post-commit", f'echo "$PWD" >>"{trace}"\n')
    call = 'sh -e "$(dirname "$(dirname "$0")")/post-commit" "$@"'
    stub = repo.file(".husky/_/post-commit", f"#!/usr/bin/env sh\n{call}\n")
    stub.chmod(0o755)
    repo.commit("husky")
    repo.git("config", "core.hooksPath", ".husky/_")
    put_in_place(git.locate(str(repo.path)), with_hooks=True)
    tried = trial(repo)
    assert [step.told for step in tried.steps] == [Told.AT_ONCE, Told.AT_ONCE, Told.AT_ONCE, Told.LATE]
    assert found(judge_trial(tried)) == ["worktree-without-hooks"]
    assert f"{repo.path}\n" not in trace.read_text()
    assert trace.read_text().count("/project\n") >= 2


@slow
def test_a_repository_without_commits_or_work_packages_can_be_tried(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "project")
    put_in_place(git.locate(str(repo.path)), with_hooks=True)
    tried = trial(repo)
    assert [(step.name, step.told) for step in tried.steps] == [(name, Told.AT_ONCE) for name in STEPS]
    assert repo.git("rev-parse", "HEAD", check=False).returncode != 0


def test_fix_says_what_it_did_and_what_is_left(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = installed(tmp_path / "project")
    (repo.path / ".git" / "hooks" / "post-merge").unlink()
    repo.git("config", "core.logAllRefUpdates", "false")
    home.chmod(0o750)
    assert run_here(monkeypatch, "doctor", str(repo.path), "--no-probe") == 1
    out = capsys.readouterr().out
    assert out.index("error: ") < out.index("warning: ")
    assert "1 error, 2 warnings." in out
    assert run_here(monkeypatch, "doctor", str(repo.path), "--no-probe", "--fix") == 0
    out = capsys.readouterr().out
    assert f"Mended: Took the permissions on {home} from everybody else." in out
    assert f"Mended: Put catflap's hooks in place in {repo.path}." in out
    assert "[reflog-off]" in out
    assert "Changes are told; 1 warning." in out


@slow
def test_in_a_linked_worktree_its_own_branch_is_tried(tmp_path: Path) -> None:
    repo = installed(tmp_path / "project")
    repo.git("worktree", "add", "-q", "-b", "topic", "../side")
    side = Repo(tmp_path / "side")
    before = snapshot(repo)
    assert [step.told for step in trial(side).steps] == [Told.AT_ONCE] * 4
    assert snapshot(repo) == before


@slow
def test_hooks_that_take_too_long_are_ended(tmp_path: Path) -> None:
    repo = installed(tmp_path / "project")
    hook(repo, "pre-commit", f"echo $$ >{tmp_path}/pid; sleep 300")
    tried = trial(repo, limit_s=1.0)
    assert (tried.overrun, tried.steps) == ("commit", ())
    assert found(judge_trial(tried)) == ["hooks-too-slow"]
    wait_for(lambda: not runs((tmp_path / "pid").read_text().strip()))


@slow
def test_hooks_that_another_tool_replaced_tell_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "WAIT_S", 0.05)
    repo = installed(tmp_path / "project")
    for name in NAMES:
        hook(repo, name, "exit 0")
    tried = trial(repo)
    assert [step.told for step in tried.steps] == [Told.LATE] * 4
    [finding] = judge_trial(tried)
    assert finding.what == "the commit, amend, rebase, worktree commit were not told when git returned"


@slow
def test_a_hook_that_works_in_the_background_tells_a_moment_later_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    repo = installed(tmp_path / "project")
    shim = repo.path / ".git" / "hooks" / "post-commit"
    shim.rename(shim.with_name("later"))
    hook(repo, "post-commit", '(sleep 0.3; exec "${0%/*}/later") >/dev/null 2>&1 &')
    commit = trial(repo).steps[0]
    assert commit.told is Told.AT_ONCE
    assert (commit.after_ms or 0) > 0
    assert list((tmp_path / "scratch").iterdir()) == []


@slow
def test_a_repository_that_cannot_be_cloned_is_not_tried(tmp_path: Path) -> None:
    repo = installed(tmp_path / "project")
    blob = repo.head("HEAD:README.md")
    (repo.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    tried = trial(repo)
    assert found(judge_trial(tried)) == ["not-tried"]
    assert "no scratch clone can be made" in str(tried.trouble)


@slow
def test_hooks_of_an_absolute_hooks_path_in_the_repository_are_tried_in_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE", str(tmp_path / "trace"))
    repo = planned(tmp_path / "pro ject")
    repo.git("config", "core.hooksPath", str(repo.path / "my hooks"))
    put_in_place(git.locate(str(repo.path)), with_hooks=True)
    own = repo.file("my hooks/pre-commit", '#!/bin/sh\necho "$0" >>"$TRACE"\n')
    own.chmod(0o755)
    assert [step.told for step in trial(repo).steps] == [Told.AT_ONCE] * 4
    assert str(repo.path) not in (tmp_path / "trace").read_text()


@slow
def test_hooks_of_an_absolute_hooks_path_are_used_as_they_are(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.git("config", "--global", "core.hooksPath", str(tmp_path / "shared hooks"))
    put_in_place(git.locate(str(repo.path)), with_hooks=True)
    before = snapshot(Repo(tmp_path / "shared hooks"))
    assert [step.told for step in trial(repo).steps] == [Told.AT_ONCE] * 4
    assert snapshot(Repo(tmp_path / "shared hooks")) == before
