"""The watcher as a service: what systemd, launchd and the Task Scheduler read."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from catflap import service
from catflap.errors import BadInput
from catflap.manager import Tasks
from catflap.service import Kind, Watcher
from catflap.shipped import shipped

PATHS = [
    "/opt/plain",
    "/opt/two  words",
    "/opt/100%h 5%%",
    "/opt/Gerät/ñ",
    "/opt/a&b<c>",
    "/opt/$HOME ${x}",
    "/opt/@HOME@",
]
AWKWARD = [*PATHS, '/opt/a"b', "/opt/it's", "/opt/back\\slash \\n", "/opt/semi;colon #1"]
UNWRITABLE = ["/opt/line\nbreak", "/opt/tab\there", "/opt/bad\udcff", "/opt/del\x7f"]
WINDOWS_NS = {"task": "http://schemas.microsoft.com/windows/2004/02/mit/task"}


def template(kind: Kind) -> str:
    return shipped(f"watcher/{kind.template}").read_text("utf-8")


def watcher(python: str = "/usr/bin/python3", home: str = "/home/ada/.spec-kitty") -> Watcher:
    return Watcher(python=python, home=home, search="/usr/bin:/bin", user="HOME\\ada")


def unit_of(given: Watcher, version: int = 254) -> str:
    return service.systemd_unit(template(Kind.SYSTEMD), given, version=version)


def settings(unit: str) -> dict[str, list[str]]:
    """The values of each setting, as they stand."""
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


# -- systemd


@pytest.fixture(scope="module")
def systemd() -> int:
    """The version of the systemd that can check units here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    words = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return int(words[1])


def verify(unit: str, place: Path) -> str:
    """What `systemd-analyze verify` says of the unit; empty: nothing to say."""
    file = place / service.UNIT
    file.write_text(unit, encoding="utf-8")
    runtime = place / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "HOME": str(place)}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(file)], capture_output=True, text=True, env=env, check=False
    )
    said = done.stdout + done.stderr
    return said or ("" if done.returncode == 0 else f"exit code {done.returncode}")


@pytest.mark.parametrize("path", PATHS)
def test_systemd_has_nothing_to_say_of_the_unit(path: str, systemd: int, tmp_path: Path) -> None:
    python = Path(f"{tmp_path}{path}/bin/python")
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    home = f"{tmp_path}{path}/home"
    unit = unit_of(watcher(str(python), home), systemd)
    assert verify(unit, tmp_path) == ""
    assert verify(service.unconfined(unit), tmp_path) == ""


def test_systemd_finds_an_interpreter_that_is_not_there(systemd: int, tmp_path: Path) -> None:
    assert "not executable" in verify(unit_of(watcher(str(tmp_path / "gone")), systemd), tmp_path)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/opt/plain", '"/opt/plain"'),
        ("/opt/two  words", '"/opt/two  words"'),
        ("/opt/100%h 5%%", '"/opt/100%%h 5%%%%"'),
        ("/opt/Gerät/ñ", '"/opt/Gerät/ñ"'),
        ('/opt/a"b', '"/opt/a\\"b"'),
        ("/opt/back\\slash", '"/opt/back\\\\slash"'),
        ("/opt/$HOME", '"/opt/$HOME"'),
        ("/opt/@HOME@", '"/opt/@HOME@"'),
    ],
)
def test_a_home_is_one_word_of_the_unit(path: str, word: str) -> None:
    found = settings(unit_of(watcher(home=path)))
    assert found["ReadWritePaths"] == [word]
    assert f'"SPEC_KITTY_HOME={word[1:]}' in found["Environment"]


def test_a_dollar_in_the_interpreters_path_stays_one() -> None:
    assert settings(unit_of(watcher("/opt/$HOME/py")))["ExecStart"] == ['":/opt/$HOME/py" -P -m catflap watch']
    assert settings(unit_of(watcher()))["ExecStart"] == ['"/usr/bin/python3" -P -m catflap watch']


@pytest.mark.parametrize("path", ['/opt/a"b', "/opt/it's", "/opt/back\\slash"])
def test_a_quote_in_the_interpreters_path_is_refused(path: str) -> None:
    with pytest.raises(BadInput, match="a quote or a backslash"):
        unit_of(watcher(path))


def test_the_unit_is_hardened_and_starts_again_after_a_failure() -> None:
    found = settings(unit_of(watcher()))
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateUsers", "RestrictSUIDSGID", "LockPersonality"):
        assert found[name] == ["yes"], name
    assert (found["ProtectSystem"], found["ProtectHome"]) == (["strict"], ["read-only"])
    assert (found["Type"], found["Restart"], found["KillMode"]) == (["exec"], ["on-failure"], ["mixed"])
    assert found["RestartForceExitStatus"] == found["SuccessExitStatus"] == [str(service.AGAIN)]
    assert found["StartLimitIntervalSec"] == ["1h"]
    assert "CATFLAP_SERVICE=1 PYTHONUNBUFFERED=1" in found["Environment"]


def test_waits_grow_only_where_systemd_can_do_that() -> None:
    new, old = settings(unit_of(watcher(), 254)), settings(unit_of(watcher(), 253))
    assert (new["RestartSec"], new["RestartSteps"], new["RestartMaxDelaySec"]) == (["1s"], ["6"], ["1min"])
    assert old["RestartSec"] == ["15s"]
    assert set(new) - set(old) == {"RestartSteps", "RestartMaxDelaySec"}


@pytest.mark.parametrize("hidden", ["/tmp/x", "/var/tmp/x"])
def test_what_lies_in_a_temporary_folder_is_not_hidden(hidden: str) -> None:
    for given in (
        watcher(home=hidden),
        watcher(f"{hidden}/python"),
        Watcher("/py", "/home/ada", "/bin", repositories=("/src", hidden)),
    ):
        found = settings(unit_of(given))
        assert "PrivateTmp" not in found
        assert found["ProtectSystem"] == ["strict"]


def test_without_namespaces_the_rest_of_the_guard_stays() -> None:
    unit = unit_of(watcher())
    gone = set(settings(unit)) - set(settings(service.unconfined(unit)))
    assert gone == {"PrivateUsers", "PrivateTmp", "ProtectSystem", "ProtectHome", "ReadWritePaths"}


# -- launchd and Windows


@pytest.mark.parametrize("path", AWKWARD)
def test_the_property_list_says_what_was_meant(path: str) -> None:
    text = service.launchd_agent(template(Kind.LAUNCHD), watcher(f"{path}/python", path))
    agent = plistlib.loads(text.encode("utf-8"))
    assert agent["Label"] == service.LABEL
    assert agent["ProgramArguments"] == [f"{path}/python", "-P", "-m", "catflap", "watch"]
    assert agent["EnvironmentVariables"]["SPEC_KITTY_HOME"] == path
    assert agent["EnvironmentVariables"]["CATFLAP_SERVICE"] == "1"
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["ThrottleInterval"] == 10
    assert agent["StandardErrorPath"] == f"{path}/service-errors.log"


@pytest.mark.parametrize("path", AWKWARD)
def test_the_task_runs_the_watcher_with_its_environment(path: str) -> None:
    data = Tasks(Path("unused"), print).contents(template(Kind.TASKS), watcher("C:\\Program Files\\py.exe", path))[0]
    root = ElementTree.fromstring(data.decode("utf-16").replace('encoding="UTF-16"', 'encoding="UTF-8"').encode())
    found = {name: root.findtext(f".//task:{name}", namespaces=WINDOWS_NS) or "" for name in ("Command", "Arguments")}
    assert found["Command"] == "C:\\Program Files\\py.exe"
    assert data.startswith(b"\xff\xfe")
    before, quote, code = found["Arguments"].partition('"')
    assert (before, quote, code[-1]) == ("-P -c ", '"', '"')
    assert "%" not in code
    assert "$" not in code
    assert eval(windows_argument(code[:-1]).partition("update(")[2].partition("); sys")[0]) == {
        "SPEC_KITTY_HOME": path,
        "CATFLAP_SERVICE": "1",
    }
    assert root.findtext(".//task:LogonTrigger/task:UserId", namespaces=WINDOWS_NS) == "HOME\\ada"
    assert root.find(".//task:RestartOnFailure/task:Interval", namespaces=WINDOWS_NS) is not None


def windows_argument(quoted: str) -> str:
    """What the C runtime makes of the inside of a quoted argument: 2n backslashes and a quote are n and a quote."""
    out, backslashes = "", 0
    for char in quoted:
        if char == "\\":
            backslashes += 1
            continue
        if char == '"':
            assert backslashes % 2, "the argument ends early"
            backslashes //= 2
        out += "\\" * backslashes + char
        backslashes = 0
    return out + "\\" * (backslashes // 2)


def test_the_tasks_line_of_python_runs_catflap_watch(home: Path) -> None:
    text = service.windows_task(template(Kind.TASKS), watcher(home=str(home)))
    arguments = ElementTree.fromstring(text).findtext(".//task:Arguments", namespaces=WINDOWS_NS) or ""
    code = windows_argument(arguments.removeprefix('-P -c "').removesuffix('"')).replace("['watch']", "['--version']")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:8]) == (0, "catflap "), done.stderr


@pytest.mark.parametrize("path", UNWRITABLE)
def test_what_no_format_can_hold_is_refused(path: str) -> None:
    for given in (watcher(path), watcher(home=path)):
        for render in (unit_of, lambda it: service.launchd_agent("", it), lambda it: service.windows_task("", it)):
            with pytest.raises(BadInput, match="control character"):
                render(given)


def test_a_percent_sign_in_the_interpreters_path_is_refused_on_windows() -> None:
    with pytest.raises(BadInput, match="a percent sign"):
        service.windows_task("", watcher("C:\\%TEMP%\\python.exe"))


def test_each_system_has_its_manager() -> None:
    assert [service.kind_of(name) for name in ("linux", "darwin", "win32", "freebsd14")] == [*Kind, None]
    assert service.search_path("/opt/git/bin/git", "linux").startswith("/opt/git/bin:/usr/local/bin:")
    assert service.search_path(None, "darwin").startswith("/opt/homebrew/bin:")
    assert service.search_path("/usr/bin/git", "linux").count("/usr/bin") == 1
