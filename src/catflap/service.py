"""Fills in what a service manager reads to keep `catflap watch` running. Knows the three formats and how they quote."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from catflap.errors import BadInput

AGAIN = 75
"""The exit code by which a watcher asks its service manager to start it anew (EX_TEMPFAIL, sysexits(3))."""
UNIT = "catflap-watch.service"
LABEL = "io.github.catflap.watch"
TASK = "catflap-watch"

GROWING_WAITS = 254
"""The version of systemd from which a wait before a restart can grow (systemd.service(5), RestartSteps=)."""
_SINCE = {"RestartSteps": GROWING_WAITS, "RestartMaxDelaySec": GROWING_WAITS}
_NAMESPACED = frozenset({"PrivateUsers", "ProtectSystem", "ProtectHome", "ReadWritePaths", "PrivateTmp"})
"""What a user's manager needs user namespaces for, which some kernels refuse (systemd.exec(5), PrivateTmp=)."""


class Kind(StrEnum):
    """The service managers that catflap knows, each with the name of its template in watcher/."""

    SYSTEMD = "systemd"
    LAUNCHD = "launchd"
    TASKS = "Task Scheduler"

    @property
    def template(self) -> str:
        return {Kind.SYSTEMD: UNIT, Kind.LAUNCHD: f"{LABEL}.plist", Kind.TASKS: f"{TASK}.xml"}[self]


@dataclass(frozen=True, slots=True)
class Watcher:
    """What is kept running, and what it must see: absolute paths.

    ``search`` is its PATH; ``user`` is ``DOMAIN\\name``, on Windows only.
    """

    python: str
    home: str
    search: str
    user: str = ""
    repositories: tuple[str, ...] = ()

    @property
    def in_tmp(self) -> list[str]:
        """What of it lies in a folder that PrivateTmp would hide."""
        places = (self.python, self.home, *self.repositories)
        return [place for place in places if place.startswith(("/tmp/", "/var/tmp/"))]


def kind_of(platform: str) -> Kind | None:
    """The manager of a ``sys.platform``; None where none is known."""
    if platform.startswith("linux"):
        return Kind.SYSTEMD
    return {"darwin": Kind.LAUNCHD, "win32": Kind.TASKS}.get(platform)


def search_path(git: str | None, platform: str) -> str:
    """A PATH for the watcher: the folder of ``git``, the path that was found, and those where programs lie anyway."""
    folders = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    if platform == "darwin":
        folders.insert(0, "/opt/homebrew/bin")
    if git is not None:
        folders.insert(0, git.rpartition("/")[0] or "/")
    return ":".join(dict.fromkeys(folders))


def systemd_unit(template: str, watcher: Watcher, *, version: int) -> str:
    """The unit for a systemd of this ``version``, without the settings that it does not know yet.

    Raises: BadInput for a path that a unit cannot hold.
    """
    _refuse_unwritable(watcher)
    if set(watcher.python) & set("\"'\\"):
        # systemd refuses them in the name of a program, however they are quoted (string_is_safe in its sources).
        raise _unwritable("the interpreter", watcher.python, "a quote or a backslash")
    # No `$` is replaced in the program's path, but in argv[0], by which Python finds its environment; `:` stops that.
    colon = ":" if "$" in watcher.python else ""
    left_out = {key for key, since in _SINCE.items() if version < since}
    if watcher.in_tmp:
        left_out.add("PrivateTmp")
    return _filled(
        _without(template, left_out),
        {
            "PYTHON": _unit_word(colon + watcher.python),
            "HOME": _unit_word(f"SPEC_KITTY_HOME={watcher.home}"),
            "PATH": _unit_word(f"PATH={watcher.search}"),
            "WRITABLE": _unit_word(watcher.home),
            "RESTART_SEC": "1s" if version >= GROWING_WAITS else "15s",
            "AGAIN": str(AGAIN),
        },
    )


def interpreter_in(unit: str) -> str | None:
    """The Python that a unit, an agent or a task runs; None when it names none."""
    if (found := re.search(r'^ExecStart=:?"((?:[^"\\]|\\.)+)"', unit, re.MULTILINE)) is not None:
        return re.sub(r"\\(.)", r"\1", found[1]).replace("%%", "%")
    found = re.search(r"<array>\s*<string>([^<]+)</string>|<Command>([^<]+)</Command>", unit)
    return html.unescape(found[1] or found[2]) if found is not None else None


def unconfined(unit: str) -> str:
    """The unit without what needs namespaces: for a kernel that gives a user none."""
    return _without(unit, _NAMESPACED)


def launchd_agent(template: str, watcher: Watcher) -> str:
    """The property list of the agent. Raises: BadInput for a path that XML cannot hold."""
    _refuse_unwritable(watcher)
    values = {"PYTHON": watcher.python, "HOME": watcher.home, "PATH": watcher.search}
    return _filled(template, {key: _xml(value) for key, value in values.items()})


def windows_task(template: str, watcher: Watcher) -> str:
    """The task, to be encoded as UTF-16: schtasks reads nothing else. Raises: BadInput as the others.

    A task has no environment of its own, so a line of Python sets it. PATH stays the user's.
    """
    _refuse_unwritable(watcher)
    if "%" in watcher.python:  # `%NAME%` is replaced in a command, and nothing quotes it
        raise _unwritable("the interpreter", watcher.python, "a percent sign")
    environment = {"SPEC_KITTY_HOME": watcher.home, "CATFLAP_SERVICE": "1"}
    code = (
        f"import os, runpy, sys; os.environ.update({environment!a}); sys.argv[1:] = ['watch']; "
        "runpy.run_module('catflap', run_name='__main__', alter_sys=True)"
    )
    # In a literal of Python's, what Task Scheduler would replace (`%NAME%`, `$(Arg0)`) can be written otherwise.
    code = code.replace("%", r"\x25").replace("$", r"\x24")
    values = {"PYTHON": watcher.python, "USER": watcher.user, "ARGUMENTS": f"-P -c {_windows_word(code)}"}
    return '<?xml version="1.0" encoding="UTF-16"?>\n' + _filled(
        template, {key: _xml(value) for key, value in values.items()}
    )


def _filled(template: str, values: Mapping[str, str]) -> str:
    """One pass, so that a value with ``@HOME@`` in it stays what it is."""
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], template)


def _without(unit: str, keys: set[str] | frozenset[str]) -> str:
    return "".join(line for line in unit.splitlines(keepends=True) if line.partition("=")[0] not in keys)


def _unit_word(text: str) -> str:
    """One word as systemd unquotes it (systemd.syntax(7)), with no specifier in it (systemd.unit(5))."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{quoted}"'


def _windows_word(text: str) -> str:
    """One argument, as the C runtime splits a command line: backslashes count only before a quote."""
    quoted = re.sub(r'(\\*)"', r'\1\1\\"', text)
    quoted = re.sub(r"(\\+)$", r"\1\1", quoted)
    return f'"{quoted}"'


def _xml(text: str) -> str:
    return html.escape(text, quote=False)


def _refuse_unwritable(watcher: Watcher) -> None:
    """Line breaks, control characters and bytes that are no text have no place in any of the formats."""
    for name, text in (
        ("the interpreter", watcher.python),
        ("SPEC_KITTY_HOME", watcher.home),
        ("PATH", watcher.search),
    ):
        if re.search(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]", text):
            raise _unwritable(name, text, "a control character, or bytes that are no text")


def _unwritable(name: str, path: str, what: str) -> BadInput:
    hint = "use a path without it" if name != "PATH" else "move git to a folder without it"
    return BadInput(f"write a service for {name}", where=repr(path), why=f"it holds {what}", hint=hint)
