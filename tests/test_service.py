"""`catflap service` against managers that record their calls, and against none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catflap import expectation, service
from catflap.commands import service as commands_service
from catflap.expectation import Expectation, is_expected
from catflap.manager import Launchd, Tasks
from catflap.watchstate import trouble
from tests.test_commands import run_here
from tests.test_service_units import settings
from tests.watching import wait_for
from tests.world import planned

# -- against a manager that records

FAKE_SYSTEMCTL = """#!/bin/sh
printf '%s\\n' "$*" >>"$FAKE/calls"
shift
[ -e "$FAKE/down" ] && { echo "Failed to connect to bus: No medium found" >&2; exit 1; }
case "$1" in
  enable) mkdir -p "$XDG_CONFIG_HOME/systemd/user/default.target.wants"
    ln -sf ../$2 "$XDG_CONFIG_HOME/systemd/user/default.target.wants/$2" ;;
  disable) rm -r "$XDG_CONFIG_HOME/systemd/user/default.target.wants" || exit 1; rm -f "$FAKE/active" ;;
  start | restart)
    if [ -e "$FAKE/no-namespaces" ] && grep -q ^PrivateUsers= "$XDG_CONFIG_HOME/systemd/user/$2"; then
      echo 226 >"$FAKE/exit"; echo "Job for $2 failed." >&2; exit 1
    fi
    if [ -e "$FAKE/broken" ]; then echo 203 >"$FAKE/exit"; echo "Job for $2 failed." >&2; exit 1; fi
    : >"$FAKE/active" ;;
  stop) rm -f "$FAKE/active" ;;
  show)
    case "$*" in
      *Version*) echo "252.38-1~deb12u1" ;;
      *ExecMainStatus*) echo "ExecMainStatus=$(cat "$FAKE/exit")" ;;
      *) if [ -e "$FAKE/active" ]; then printf 'MainPID=4711\\nActiveState=active\\nSubState=running\\n'
        elif [ -e "$FAKE/exit" ]; then printf 'MainPID=0\\nActiveState=failed\\nSubState=failed\\n'
        else printf 'MainPID=0\\nActiveState=inactive\\nSubState=dead\\n'; fi ;;
    esac ;;
esac
"""


class Fake:
    """A `systemctl` on PATH that keeps its state, and the calls, in a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.config = place / "config"
        self.unit = self.config / "systemd" / "user" / service.UNIT

    def calls(self) -> list[str]:
        """What it was asked to change since the last look, without `--user`."""
        file = self.place / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        assert all(line.startswith("--user ") for line in lines)
        return [line.removeprefix("--user ") for line in lines if " show " not in line]

    def turn(self, switch: str) -> None:
        (self.place / switch).touch()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(tmp_path / "fake")
    programs = made.place / "bin"
    programs.mkdir(parents=True)
    (programs / "systemctl").write_text(FAKE_SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    made.config.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(made.place))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made.config))
    monkeypatch.setattr(sys, "platform", "linux")
    return made


STARTED = [f"reset-failed {service.UNIT}", f"start {service.UNIT}"]
RESTARTED = [f"reset-failed {service.UNIT}", f"restart {service.UNIT}"]
LOADED = ["daemon-reload", f"enable {service.UNIT}"]


def test_install_writes_the_unit_and_runs_it(
    fake: Fake, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(monkeypatch, "service", "install") == 0
    assert fake.calls() == [*LOADED, *RESTARTED]
    found = settings(fake.unit.read_text("utf-8"))
    assert found["ExecStart"] == [f'"{sys.executable}" -P -m catflap watch']
    assert f'"SPEC_KITTY_HOME={home}"' in found["Environment"]
    path = next(value for value in found["Environment"] if value.startswith('"PATH='))
    assert os.path.dirname(str(shutil.which("git"))) in path.removeprefix('"PATH=').split(":")
    out = capsys.readouterr().out
    assert f"Wrote {fake.unit}." in out
    assert f"Ran systemctl --user enable {service.UNIT}" in out
    assert "Next: " in out
    assert is_expected(home)
    assert json.loads((home / "service.json").read_text())["unit"] == str(fake.unit)
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_second_install_leaves_a_good_watcher_alone(fake: Fake, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(monkeypatch, "service", "install")
    before = (fake.unit.read_bytes(), fake.unit.stat().st_mtime_ns, (home / "service.json").read_bytes())
    fake.calls()
    assert run_here(monkeypatch, "service", "install") == 0
    assert fake.calls() == [*LOADED, *STARTED]
    assert (fake.unit.read_bytes(), fake.unit.stat().st_mtime_ns, (home / "service.json").read_bytes()) == before


def test_an_install_repairs_a_unit_of_another_time(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(monkeypatch, "service", "install")
    good = fake.unit.read_bytes()
    fake.unit.write_bytes(good.replace(sys.executable.encode(), b"/moved/python"))
    fake.calls()
    assert run_here(monkeypatch, "service", "install") == 0
    assert fake.unit.read_bytes() == good
    assert fake.calls() == [*LOADED, *RESTARTED]


def test_uninstall_gives_everything_back(fake: Fake, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(monkeypatch, "service", "install")
    fake.calls()
    assert run_here(monkeypatch, "service", "uninstall") == 0
    assert fake.calls() == [f"disable --now {service.UNIT}", "daemon-reload", f"reset-failed {service.UNIT}"]
    assert list(fake.config.iterdir()) == []
    assert not (home / "service.json").exists()
    assert not is_expected(home)
    assert run_here(monkeypatch, "service", "uninstall") == 0


def test_uninstall_leaves_what_others_put_beside_the_unit(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(monkeypatch, "service", "install")
    other = fake.unit.with_name("other.service")
    other.write_text("[Service]\n")
    run_here(monkeypatch, "service", "uninstall")
    assert list(fake.unit.parent.iterdir()) == [other]


@pytest.mark.parametrize("verb", ["install", "uninstall"])
@pytest.mark.parametrize("is_masked", [False, True])
def test_a_unit_that_is_not_ours_is_left_alone(
    fake: Fake,
    home: Path,
    verb: str,
    is_masked: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake.unit.parent.mkdir(parents=True)
    if is_masked:
        fake.unit.symlink_to("/dev/null")
    else:
        fake.unit.write_text("[Service]\nExecStart=/bin/mine\n")
    assert run_here(monkeypatch, "service", verb) == 1
    assert "not written by catflap" in capsys.readouterr().err
    assert fake.calls() == []
    assert fake.unit.is_symlink() == is_masked
    assert is_masked or "/bin/mine" in fake.unit.read_text()
    assert not is_expected(home)


def test_without_namespaces_the_watcher_runs_less_guarded_and_says_so(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.turn("no-namespaces")
    assert run_here(monkeypatch, "service", "install") == 0
    assert fake.calls() == [*LOADED, *RESTARTED, *LOADED, *RESTARTED]
    assert "no namespaces" in capsys.readouterr().out
    assert "PrivateUsers" not in settings(fake.unit.read_text("utf-8"))
    assert run_here(monkeypatch, "service", "install") == 0
    assert fake.calls() == [*LOADED, *STARTED]


def test_a_start_that_fails_is_told_in_the_managers_words(
    fake: Fake, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.turn("broken")
    assert run_here(monkeypatch, "service", "install") == 1
    assert f"Job for {service.UNIT} failed." in capsys.readouterr().err
    assert "PrivateUsers" in settings(fake.unit.read_text("utf-8"))
    assert is_expected(home)
    assert run_here(monkeypatch, "service", "status") == 1
    assert f"journalctl --user -u {service.UNIT}" in capsys.readouterr().err
    assert run_here(monkeypatch, "service", "uninstall") == 0
    assert list(fake.config.iterdir()) == []


def test_start_and_stop(
    fake: Fake, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("start", "stop"):
        assert run_here(monkeypatch, "service", verb) == 1
        assert "run `catflap service install` first" in capsys.readouterr().err
    assert fake.calls() == []
    run_here(monkeypatch, "service", "install")
    fake.calls()
    assert "the watcher does not run, though it should" in str(trouble(home, 0))
    assert run_here(monkeypatch, "service", "stop") == 0
    assert trouble(home, 0) is None  # stopped by a person: nobody misses it
    assert run_here(monkeypatch, "service", "start") == 0
    assert trouble(home, 0) is not None
    assert fake.calls() == [f"stop {service.UNIT}", *STARTED]


def test_status_in_json(fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def status() -> dict[str, object]:
        capsys.readouterr()
        assert run_here(monkeypatch, "service", "status", "--json") == 0
        value: dict[str, object] = json.loads(capsys.readouterr().out)
        return value

    value = status()
    assert (value["manager"], value["installed"], value["expected"]) == ("systemd", False, False)
    run_here(monkeypatch, "service", "install")
    assert status() == {
        "manager": "systemd",
        "unit": str(fake.unit),
        "installed": True,
        "expected": True,
        "state": "active (running)",
        "running": True,
        "failed": False,
        "pid": 4711,
    }
    run_here(monkeypatch, "service", "stop")
    value = status()
    assert (value["state"], value["running"], value["pid"]) == ("inactive (dead)", False, None)


def test_registered_repositories_are_known_to_the_unit(home: Path, tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.install()
    assert commands_service._watcher(home).repositories == (str(repo.path),)


# -- without a manager


@pytest.mark.parametrize("verb", ["install", "uninstall", "start", "stop", "status"])
@pytest.mark.parametrize("is_absent", [False, True])
def test_without_a_service_manager_it_says_what_to_do(
    fake: Fake,
    home: Path,
    verb: str,
    is_absent: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if is_absent:
        monkeypatch.setenv("PATH", str(fake.config))
    else:
        fake.turn("down")
    assert run_here(monkeypatch, "service", verb) == 1
    err = capsys.readouterr().err
    assert "there is no service manager here; run `catflap watch` yourself, " in err
    assert (
        "there is no systemctl" if is_absent else "systemctl says: Failed to connect to bus: No medium found"
    ) in err
    assert list(fake.config.iterdir()) == []
    assert not home.exists()


def test_status_without_a_manager_is_json_all_the_same(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.turn("down")
    assert run_here(monkeypatch, "service", "status", "--json") == 1
    value = json.loads(capsys.readouterr().out)
    assert (value["manager"], value["installed"], value["running"]) == (None, False, None)


def test_a_system_without_a_known_manager(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert run_here(monkeypatch, "service", "install") == 1
    assert "run `catflap watch` yourself" in capsys.readouterr().err


def test_uninstall_takes_the_files_away_when_the_manager_is_gone(
    fake: Fake, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here(monkeypatch, "service", "install")
    fake.turn("down")
    assert run_here(monkeypatch, "service", "uninstall") == 0
    assert list(fake.config.iterdir()) == []
    assert not is_expected(home)


# -- the other managers' commands


def recorder(place: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> list[str]:
    (place / "bin").mkdir()
    (place / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (place / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(place))
    return []


def test_launchd_loads_starts_and_stops_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = recorder(
        tmp_path,
        monkeypatch,
        "launchctl",
        'case "$1" in bootstrap) : >"$FAKE/on" ;; bootout) rm "$FAKE/on" ;;\n'
        'print) [ -e "$FAKE/on" ] || exit 113; printf "\\tstate = running\\n\\tpid = 42\\n" ;; esac',
    )
    unit = tmp_path / "agent.plist"
    manager = Launchd(unit, told.append, uid=501)
    assert manager.health().state == "not loaded"
    manager.load()
    manager.restart()
    manager.start()
    health = manager.health()
    assert (health.state, health.is_running, health.pid) == ("running", True, 42)
    manager.restart()
    manager.unload()
    manager.unload()
    agent = f"gui/501/{service.LABEL}"
    assert told == [
        f"launchctl enable {agent}",
        f"launchctl bootstrap gui/501 {unit}",
        f"launchctl kickstart {agent}",
        f"launchctl bootout {agent}",
        f"launchctl bootstrap gui/501 {unit}",
        f"launchctl bootout {agent}",
    ]


def test_task_scheduler_registers_runs_and_deletes_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = recorder(
        tmp_path, monkeypatch, "schtasks", '[ "$1" = /Query ] && echo \'"catflap-watch","N/A","Running"\'; :'
    )
    manager = Tasks(tmp_path / "task.xml", told.append)
    manager.load()
    manager.restart()
    assert manager.health().is_running
    manager.stop()
    manager.unload()
    verbs = [line.split()[1] for line in told]
    assert verbs == ["/Create", "/End", "/Change", "/Run", "/Change", "/End", "/End", "/Delete"]
    assert told[0] == f"schtasks /Create /F /TN {service.TASK} /XML {tmp_path / 'task.xml'}"


# -- what the guard must not take away

ASK = """
import sys
from catflap import git, worktree
print(worktree.is_committing(git.locate(sys.argv[1])))
"""


def test_a_running_commit_is_seen_from_a_user_namespace(tmp_path: Path) -> None:
    guarded = ["unshare", "--user", "--map-current-user"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*guarded, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no user namespace can be made here")
    repo = planned(tmp_path / "project")
    ask = [*guarded, sys.executable, "-c", ASK, str(repo.path)]

    def answer() -> str:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout

    # From in there a commit of ours anywhere counts, and other tests make theirs at the same time: in a moment, none.
    wait_for(lambda: answer() == "False\n")
    pipe = tmp_path / "editing"
    os.mkfifo(pipe)
    env = {**os.environ, "GIT_EDITOR": f"echo begun >'{pipe}'; read line <'{pipe}'; false"}
    with subprocess.Popen(
        ["git", "commit", "--allow-empty"], cwd=repo.path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as commit:
        assert pipe.read_text() == "begun\n"
        try:
            assert answer() == "True\n"
        finally:
            pipe.write_text("end\n")
    assert commit.returncode == 1


# -- what other commands know


def test_a_unit_that_somebody_took_away_is_no_longer_expected(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    unit = tmp_path / "unit"
    unit.touch()
    expectation.remember(home, Expectation("systemd", str(unit)))
    assert is_expected(home)
    unit.unlink()
    assert not is_expected(home)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"manager": 1, "unit": "/", "folders": 3}'])
def test_a_service_json_that_is_none_of_ours_expects_nothing(text: str, home: Path) -> None:
    home.mkdir()
    (home / "service.json").write_text(text)
    assert not is_expected(home)
