"""`catflap service`: hands the watcher to the operating system's service manager, and takes it back.

What a manager reads is filled in by service.py; manager.py runs its commands. Here are the files, and the words.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from catflap import expectation, ledger, service
from catflap.config import home
from catflap.database import is_there, open_database
from catflap.errors import BadInput, CatflapError
from catflap.expectation import Expectation
from catflap.manager import Health, Launchd, Manager, NoSandbox, NoServiceManager, Systemd, Tasks
from catflap.service import Kind, Watcher
from catflap.shipped import shipped
from catflap.terminal import say, show_table

_MARK = "Written by `catflap service install`"


class ServiceInTheWay(CatflapError):
    """A unit of our name is there that catflap did not write."""


class ServiceMissing(CatflapError):
    """`catflap service install` was not run."""


def install() -> int:
    """0 once the watcher runs and starts at each login. Again: repairs; a watcher that runs as it should goes on.

    Raises: NoServiceManager before anything is written, ServiceInTheWay, ServiceFailed, BadInput.
    """
    folder = home()
    manager = _manager(folder)
    watcher = _watcher(folder)
    before = _read(manager.unit)
    contents = manager.contents(shipped(f"watcher/{manager.kind.template}").read_text("utf-8"), watcher)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _expect(folder, manager)
    if before in contents:
        print(f"{manager.unit} is as it should be.")
        manager.load()
        manager.start()
    else:
        _begin(manager, contents)
    _report_install(manager, watcher)
    return 0


def uninstall() -> int:
    """0 once nothing of the service is left: the watcher stopped, its unit and the folders made for it gone.

    Without a manager to ask, its files are taken away all the same.

    Raises: ServiceInTheWay; NoServiceManager when there are no files either; ServiceFailed.
    """
    folder = home()
    kind = _kind()
    unit = _unit(kind, folder)
    was_there = _read(unit) is not None
    try:
        manager = _manager(folder)
    except NoServiceManager as error:
        if not was_there:
            expectation.forget(folder)
            raise
        _take_away(folder, unit)
        print(f"No service manager could be asked ({error.hint.rpartition('(')[2].rstrip(')')}); its files are gone.")
        return 0
    manager.unload()
    _take_away(folder, unit)
    if was_there:
        manager.forget()
    what = "is uninstalled" if was_there else "was not installed"
    print(f"The service {what}: the watcher runs only where you run `catflap watch` yourself.")
    return 0


def start() -> int:
    """0 once the watcher runs. Raises: NoServiceManager, ServiceMissing, ServiceFailed."""
    _installed().start()
    expectation.remember_stopped(home(), False)
    print("The watcher runs.")
    return 0


def stop() -> int:
    """0 once the watcher is stopped. Raises: NoServiceManager, ServiceMissing, ServiceFailed."""
    _installed().stop()
    expectation.remember_stopped(home(), True)
    print("The watcher is stopped. It starts again at the next login, or with `catflap service start`.")
    return 0


def status(*, as_json: bool = False) -> int:
    """0 when the watcher is as was asked for; 1 when it has failed, or there is no service manager."""
    folder = home()
    try:
        manager = _manager(folder)
    except NoServiceManager as error:
        if as_json:
            print(json.dumps(_state(None, folder, Health(state="no service manager", is_running=None))))
        print(f"catflap: {error}", file=sys.stderr)
        return 1
    is_installed = _is_installed(manager.unit)
    health = manager.health() if is_installed else Health(state="not installed", is_running=False)
    value = _state(manager, folder, health)
    if as_json:
        print(json.dumps(value))
    else:
        pid = f", process {health.pid}" if health.pid is not None else ""
        where = str(manager.unit) if is_installed else "none; run `catflap service install`"
        show_table(("", ""), [("manager", manager.kind), ("unit", where), ("watcher", f"{health.state}{pid}")])
    if health.has_failed:
        print(f"catflap: the watcher has failed; {_log_hint(manager.kind, folder)}", file=sys.stderr)
        return 1
    return 0


def compare() -> tuple[Health, bool]:
    """How the manager sees the watcher, and whether the unit is what this catflap would write. Changes nothing.

    Raises: NoServiceManager, ServiceInTheWay, ServiceFailed, BadInput.
    """
    folder = home()
    manager = _manager(folder)
    contents = manager.contents(shipped(f"watcher/{manager.kind.template}").read_text("utf-8"), _watcher(folder))
    return manager.health(), _read(manager.unit) in contents


def _begin(manager: Manager, contents: list[bytes]) -> None:
    """Put the unit in place and run it: as guarded as this system lets it be. Raises: ServiceFailed."""
    for content in contents:
        _write(manager.unit, content)
        print(f"Wrote {manager.unit}.")
        manager.load()
        try:
            manager.restart()
            return
        except NoSandbox as error:
            if content == contents[-1]:
                raise
            print(f"This system gives a user's service no namespaces ({error.why}): once more, without them.")


def _report_install(manager: Manager, watcher: Watcher) -> None:
    print("The watcher runs, and starts at each login.")
    if manager.kind is Kind.SYSTEMD:
        for place in watcher.in_tmp[:1]:
            print(f"It is not kept out of temporary folders, since {place} lies in one.")
        print("To have it run while you are logged out, too: loginctl enable-linger")
    print("Next: save a work package, and look at `catflap queue list`; `catflap service status` says how it is.")


def _state(manager: Manager | None, folder: Path, health: Health) -> dict[str, object]:
    found = asdict(health)
    return {
        "manager": manager.kind if manager is not None else None,
        "unit": str(manager.unit) if manager is not None else None,
        "installed": manager is not None and _is_installed(manager.unit),
        "expected": expectation.is_expected(folder),
        "state": found["state"],
        "running": found["is_running"],
        "failed": found["has_failed"],
        "pid": found["pid"],
    }


def _manager(folder: Path) -> Manager:
    """The manager of this system, which answers. Raises: NoServiceManager."""
    kind = _kind()
    unit = _unit(kind, folder)
    match kind:
        case Kind.SYSTEMD:
            return Systemd(unit, _tell)
        case Kind.LAUNCHD:
            return Launchd(unit, _tell, uid=os.getuid())
        case Kind.TASKS:
            return Tasks(unit, _tell)


def _installed() -> Manager:
    """The manager, which has our unit. Raises: NoServiceManager, ServiceMissing."""
    manager = _manager(home())
    if not _is_installed(manager.unit):
        hint = "run `catflap service install` first"
        raise ServiceMissing("do that", why=f"the service is not installed (no {manager.unit})", hint=hint)
    return manager


def _tell(command: str) -> None:
    say(f"Ran {command}")


def _kind() -> Kind:
    kind = service.kind_of(sys.platform)
    if kind is None:
        hint = "run `catflap watch` yourself, in a terminal that stays open, or from whatever starts your programs"
        raise NoServiceManager(
            "keep the watcher running",
            why=f"there is no service manager here that is known ({sys.platform})",
            hint=hint,
        )
    return kind


def _watcher(folder: Path) -> Watcher:
    """The watcher as this installation of catflap runs it."""
    python = Path(sys.executable)
    if sys.platform == "win32" and (windowless := python.with_name("pythonw.exe")).is_file():
        python = windowless
    git = shutil.which("git")
    return Watcher(
        python=str(python),
        home=str(folder),
        search=service.search_path(os.path.abspath(git) if git else None, sys.platform),
        user=f"{os.environ.get('USERDOMAIN', '')}\\{os.environ.get('USERNAME', '')}",
        repositories=_repositories(folder / "queue.db"),
    )


def _repositories(path: Path) -> tuple[str, ...]:
    if not is_there(path):
        return ()
    connection = open_database(path)
    try:
        return tuple(project.path for project in ledger.projects(connection))
    finally:
        connection.close()


def _unit(kind: Kind, folder: Path) -> Path:
    """Where the manager looks for our unit. Raises: BadInput when this user has no home directory."""
    match kind:
        case Kind.SYSTEMD:
            named = os.environ.get("XDG_CONFIG_HOME", "")
            # A relative one is to be ignored (XDG Base Directory Specification).
            config = Path(named) if os.path.isabs(named) else _user_home() / ".config"
            return config / "systemd" / "user" / kind.template
        case Kind.LAUNCHD:
            return _user_home() / "Library" / "LaunchAgents" / kind.template
        case Kind.TASKS:
            return folder / kind.template


def _user_home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # what pathlib raises when neither HOME nor the user's entry names one
        raise BadInput("find your home directory", why=str(error), hint="name it in HOME") from error


def _is_installed(unit: Path) -> bool:
    return unit.is_file() and _is_ours(unit.read_bytes())


def _is_ours(data: bytes) -> bool:
    return _MARK.encode() in data or _MARK.encode("utf-16-le") in data


def _read(unit: Path) -> bytes | None:
    """What our unit holds; None when there is none. Raises: ServiceInTheWay when it is somebody else's, or masked."""
    if not os.path.lexists(unit):
        return None
    data = unit.read_bytes() if unit.is_file() and not unit.is_symlink() else b""
    if _is_ours(data):
        return data
    why, hint = "it is there and not written by catflap", "move it away, and try again"
    raise ServiceInTheWay("use", where=str(unit), why=why, hint=hint)


def _expect(folder: Path, manager: Manager) -> None:
    """Make the unit's folder, and remember what was made: uninstall gives it back."""
    place = manager.unit.parent
    known = expectation.read(folder)
    made = [str(path) for path in (*reversed(place.parents), place) if not path.exists()]
    place.mkdir(parents=True, exist_ok=True)
    folders = tuple(dict.fromkeys((*(known.folders if known else ()), *made)))
    expectation.remember(folder, Expectation(manager.kind, str(manager.unit), folders))


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def _take_away(folder: Path, unit: Path) -> None:
    """The unit, what `enable` made where no manager could undo it, and the folders that install made, if empty."""
    known = expectation.read(folder)
    link = unit.parent / "default.target.wants" / unit.name
    if link.is_symlink():
        link.unlink()
    if link.parent.is_dir() and not any(link.parent.iterdir()):
        link.parent.rmdir()
    if unit.is_file():
        unit.unlink()
        print(f"Removed {unit}.")
    for made in map(Path, reversed(known.folders if known is not None else ())):
        if made.is_dir() and not any(made.iterdir()):
            made.rmdir()
    expectation.forget(folder)


def _log_hint(kind: Kind, folder: Path) -> str:
    match kind:
        case Kind.SYSTEMD:
            return f"see why: journalctl --user -u {service.UNIT}"
        case Kind.LAUNCHD:
            return f"see why: {folder}/service-errors.log"
        case Kind.TASKS:
            return "see why: run `catflap watch` in a terminal"
