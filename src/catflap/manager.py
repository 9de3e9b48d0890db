"""Talks to the operating system's service manager: the only file that runs one. Prints nothing, writes no unit."""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from catflap.errors import CatflapError
from catflap.patience import naps
from catflap.service import LABEL, TASK, UNIT, Kind, Watcher, launchd_agent, systemd_unit, unconfined, windows_task

_WAIT_S = 90.0
"""As long as systemd itself waits for a start or a stop (DefaultTimeoutStartSec=)."""
_NO_SANDBOX = frozenset({"217", "218", "226", "228"})
"""USER, CAPABILITIES, NAMESPACE, SECCOMP: what could not be set up before the program ran (systemd.exec(5))."""


class NoServiceManager(CatflapError):
    """Nothing here keeps a user's programs running: a container, a system without systemd, a bare ssh session."""


class ServiceFailed(CatflapError):
    """The service manager said no."""


class NoSandbox(ServiceFailed):
    """This system refuses a user's service the namespaces that the unit asks for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command of the manager's came to."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """The first thing that it said: what went wrong, before any advice."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[0].strip() if lines else f"exit code {self.code}"


@dataclass(frozen=True, slots=True)
class Health:
    """How the manager sees the watcher. ``state`` is its own word; ``is_running`` is None when that is not known."""

    state: str
    is_running: bool | None
    has_failed: bool = False
    pid: int | None = None


def ask(*command: str) -> Answer:
    """What the manager answers, whatever it is. Raises: NoServiceManager, ServiceFailed when it takes too long."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WAIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise _no_manager(f"there is no {command[0]}") from error
    except OSError as error:
        raise _no_manager(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise _failed(command, f"no answer within {_WAIT_S:.0f} s") from error
    return Answer(done.returncode, done.stdout, done.stderr)


def _no_manager(says: str) -> NoServiceManager:
    return NoServiceManager(
        "keep the watcher running",
        why="there is no service manager here",
        hint="run `catflap watch` yourself, in a terminal that stays open, or from whatever starts your programs at "
        f"login ({says})",
    )


def _failed(command: tuple[str, ...], why: str) -> ServiceFailed:
    return ServiceFailed("do", where=f"`{' '.join(command)}`", why=why, hint="see `catflap service status`")


class Manager(ABC):
    """One service manager and our unit in it. ``tell`` hears of each command that changes something."""

    kind: ClassVar[Kind]

    def __init__(self, unit: Path, tell: Callable[[str], None]) -> None:
        self.unit = unit
        self._tell = tell

    @abstractmethod
    def contents(self, template: str, watcher: Watcher) -> list[bytes]:
        """What may stand in the unit's file, the one that guards most first. Raises: BadInput."""

    @abstractmethod
    def load(self) -> None:
        """Make the manager read the unit, and start it at each login. Raises: ServiceFailed, as all that follow."""

    @abstractmethod
    def unload(self) -> None:
        """Stop the watcher and no longer start it; the unit's file is still there. No error when it is not known."""

    @abstractmethod
    def forget(self) -> None:
        """Let the manager notice that the unit's file is gone."""

    @abstractmethod
    def start(self) -> None:
        """Run the watcher, unless it runs. Raises: NoSandbox."""

    @abstractmethod
    def restart(self) -> None:
        """Run the watcher as the unit has it now. Raises: NoSandbox."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the watcher until it is started, or until the next login."""

    @abstractmethod
    def health(self) -> Health:
        """How the watcher is, as the manager sees it."""

    def _do(self, *command: str) -> None:
        answer = ask(*command)
        self._tell(" ".join(command))
        if answer.code != 0:
            raise _failed(command, answer.words)

    def _try(self, *command: str) -> None:
        """For what fails when there is nothing to do."""
        if ask(*command).code == 0:
            self._tell(" ".join(command))


class Systemd(Manager):
    """systemd's manager of this user, through `systemctl --user`."""

    kind = Kind.SYSTEMD

    def __init__(self, unit: Path, tell: Callable[[str], None]) -> None:
        super().__init__(unit, tell)
        answer = ask("systemctl", "--user", "show", "--property=Version", "--value")
        if answer.code != 0:
            raise _no_manager(f"systemctl says: {answer.words}")
        number = re.search(r"\d+", answer.out)
        self._version = int(number[0]) if number else 0

    def contents(self, template: str, watcher: Watcher) -> list[bytes]:
        unit = systemd_unit(template, watcher, version=self._version)
        return [unit.encode("utf-8"), unconfined(unit).encode("utf-8")]

    def load(self) -> None:
        self._do("systemctl", "--user", "daemon-reload")
        self._do("systemctl", "--user", "enable", UNIT)

    def unload(self) -> None:
        self._try("systemctl", "--user", "disable", "--now", UNIT)

    def forget(self) -> None:
        self._do("systemctl", "--user", "daemon-reload")
        self._try("systemctl", "--user", "reset-failed", UNIT)

    def start(self) -> None:
        self._run("start")

    def restart(self) -> None:
        self._run("restart")

    def stop(self) -> None:
        self._do("systemctl", "--user", "stop", UNIT)

    def health(self) -> Health:
        shown = self._show("ActiveState", "SubState", "MainPID")
        active, sub = shown.get("ActiveState", "unknown"), shown.get("SubState", "")
        pid = shown.get("MainPID", "")
        return Health(
            state=f"{active} ({sub})" if sub else active,
            is_running=active in ("active", "reloading"),
            has_failed=active == "failed" or sub == "auto-restart",
            pid=int(pid) if pid.isdigit() and pid != "0" else None,
        )

    def _run(self, verb: str) -> None:
        self._try("systemctl", "--user", "reset-failed", UNIT)  # else a start after too many failures is refused
        try:
            self._do("systemctl", "--user", verb, UNIT)
        except ServiceFailed as error:
            if self._show("ExecMainStatus").get("ExecMainStatus") in _NO_SANDBOX:
                raise NoSandbox(error.what, where=error.where, why=error.why, hint=error.hint) from error
            raise

    def _show(self, *names: str) -> dict[str, str]:
        answer = ask("systemctl", "--user", "show", UNIT, f"--property={','.join(names)}")
        pairs = (line.partition("=") for line in answer.out.splitlines())
        return {name: value for name, _, value in pairs}


class Launchd(Manager):
    """launchd's domain of this user's desktop, through `launchctl`."""

    kind = Kind.LAUNCHD

    def __init__(self, unit: Path, tell: Callable[[str], None], *, uid: int) -> None:
        super().__init__(unit, tell)
        self._domain = f"gui/{uid}"
        self._service = f"gui/{uid}/{LABEL}"
        ask("launchctl", "managername")

    def contents(self, template: str, watcher: Watcher) -> list[bytes]:
        return [launchd_agent(template, watcher).encode("utf-8")]

    def load(self) -> None:
        self._do("launchctl", "enable", self._service)

    def unload(self) -> None:
        self.stop()

    def forget(self) -> None:
        """launchd keeps nothing of an agent that is not loaded."""

    def start(self) -> None:
        if self._print().code == 0:
            self._do("launchctl", "kickstart", self._service)
        else:
            self._do("launchctl", "bootstrap", self._domain, str(self.unit))

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self._try("launchctl", "bootout", self._service)
        # bootout returns before the agent is gone, and bootstrap fails (5: Input/output error) until it is.
        for _ in naps(10.0):
            if self._print().code != 0:
                return
        raise _failed(("launchctl", "bootout", self._service), "the agent is still there after 10 s")

    def health(self) -> Health:
        answer = self._print()
        if answer.code != 0:
            return Health(state="not loaded", is_running=False)
        state = re.search(r"^\s*state = (.+)$", answer.out, re.MULTILINE)
        pid = re.search(r"^\s*pid = (\d+)$", answer.out, re.MULTILINE)
        code = re.search(r"^\s*last exit code = ([1-9]\d*)", answer.out, re.MULTILINE)
        return Health(
            state=state[1] if state else "unknown",
            is_running=pid is not None,
            has_failed=pid is None and code is not None,
            pid=int(pid[1]) if pid else None,
        )

    def _print(self) -> Answer:
        return ask("launchctl", "print", self._service)


class Tasks(Manager):
    """Windows' Task Scheduler, through `schtasks`. Its words are in the user's language, so little is read of them."""

    kind = Kind.TASKS

    def contents(self, template: str, watcher: Watcher) -> list[bytes]:
        return [windows_task(template, watcher).replace("\n", "\r\n").encode("utf-16")]

    def load(self) -> None:
        self._do("schtasks", "/Create", "/F", "/TN", TASK, "/XML", str(self.unit))

    def unload(self) -> None:
        self._try("schtasks", "/End", "/TN", TASK)
        self._try("schtasks", "/Delete", "/F", "/TN", TASK)

    def forget(self) -> None:
        """The task went with unload; its file is only what it was made from."""

    def start(self) -> None:
        self._do("schtasks", "/Change", "/ENABLE", "/TN", TASK)
        self._do("schtasks", "/Run", "/TN", TASK)

    def restart(self) -> None:
        self._try("schtasks", "/End", "/TN", TASK)
        self.start()

    def stop(self) -> None:
        self._do("schtasks", "/Change", "/DISABLE", "/TN", TASK)  # else it comes back within five minutes
        self._try("schtasks", "/End", "/TN", TASK)

    def health(self) -> Health:
        answer = ask("schtasks", "/Query", "/TN", TASK, "/FO", "CSV", "/NH")
        if answer.code != 0:
            return Health(state="not registered", is_running=False)
        state = answer.out.strip().rpartition(",")[2].strip('"')
        return Health(state=state, is_running=True if state == "Running" else None)
