"""What may be wrong with the watcher, and with the service that keeps it running. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from catflap.doctor.finding import Finding, Kind, Level

_LATE = "saves are told at the next commit, instead of within a second"

GONE = Kind("watcher-gone", Level.WARNING, f"it ended without a word (killed, or a crash); {_LATE}", True)
HANGS = Kind(
    "watcher-hangs", Level.WARNING, f"it holds its lock and does nothing: hooks leave their work to it, {_LATE}"
)
OTHER = Kind(
    "watcher-other-version", Level.NOTE, "it goes on with the code of before the update until it is started anew"
)
POLLS = Kind(
    "watcher-polls", Level.NOTE, "their filesystems report no events, so saves there are seen some seconds later"
)
DOWN = Kind("service-not-running", Level.WARNING, f"the service manager should keep it running; {_LATE}", True)
OUTDATED = Kind("service-outdated", Level.WARNING, "it starts the watcher otherwise than this catflap would", True)
PYTHON_GONE = Kind("service-python-gone", Level.WARNING, f"at the next login no watcher starts; {_LATE}", True)
UNIT_GONE = Kind("service-unit-gone", Level.NOTE, "no watcher starts at login; catflap still remembers a service", True)
NO_MANAGER = Kind("service-no-manager", Level.WARNING, f"nobody starts the watcher here; {_LATE}")
IN_THE_WAY = Kind("service-not-ours", Level.WARNING, "catflap touches no unit that it did not write")
KINDS = (GONE, HANGS, OTHER, POLLS, DOWN, OUTDATED, PYTHON_GONE, UNIT_GONE, NO_MANAGER, IN_THE_WAY)


@dataclass(frozen=True, slots=True)
class Service:
    """The service as it was installed. ``is_stopped``: a person stopped it. ``trouble``: why the manager, or the unit,
    cannot be asked; ``is_foreign``: then somebody else wrote the unit. ``python``: the interpreter that the unit names,
    when it is gone. ``is_running`` is None when that is not known.
    """

    unit: str
    is_there: bool = True
    is_stopped: bool = False
    trouble: str | None = None
    is_foreign: bool = False
    is_current: bool = True
    python: str | None = None
    is_running: bool | None = True


@dataclass(frozen=True, slots=True)
class Watcher:
    """``is_running`` by its lock; the rest is what it said of itself last, None and empty when it said nothing.

    ``is_late``: its heartbeat is older than it may be.
    """

    is_running: bool = False
    pid: int | None = None
    heartbeat: str = ""
    is_late: bool = False
    version: str = ""
    our_version: str = ""
    polled: tuple[str, ...] = ()
    service: Service | None = None

    @property
    def words(self) -> str:
        service = "" if self.service is None else ", by the service" if self.is_running else "; there is a service"
        if self.is_running:
            return f"running, process {self.pid}, last well {self.heartbeat}{service}"
        return f"not running; hooks tell each commit{service}"


def judge_watcher(watcher: Watcher) -> Iterator[Finding]:
    """What is wrong with the watcher and its service."""
    if watcher.service is not None:
        yield from _judge_service(watcher.service, is_running=watcher.is_running)
    if not watcher.is_running and watcher.pid is not None and watcher.service is None:
        fix = "`catflap watch`, or `catflap service install`; `catflap doctor --fix` expects it no longer"
        yield GONE.found(f"the watcher, process {watcher.pid}, was last well {watcher.heartbeat}", fix=fix)
    if watcher.is_running and watcher.is_late:
        fix = f"end process {watcher.pid}, then `catflap watch`, or `catflap service start`"
        yield HANGS.found(
            f"the watcher, process {watcher.pid}, gives no sign of life since {watcher.heartbeat}", fix=fix
        )
    elif watcher.is_running and watcher.version != watcher.our_version:
        what = f"the watcher is of catflap {watcher.version}, and this is {watcher.our_version}"
        yield OTHER.found(what, fix="stop it, and start it again")
    if watcher.is_running and watcher.polled:
        yield POLLS.found(f"polled: {', '.join(watcher.polled)}", fix="nothing, or keep the checkout on a local disk")


def _judge_service(service: Service, *, is_running: bool) -> Iterator[Finding]:
    unit = service.unit
    if not service.is_there:
        fix = "`catflap service install`; `catflap doctor --fix` forgets it"
        yield UNIT_GONE.found(f"the service's unit {unit} is gone", fix=fix, where=unit)
    elif service.is_foreign:
        fix = "move it away, then `catflap service install`"
        yield IN_THE_WAY.found(f"{unit} was not written by catflap", fix=fix, where=unit)
    elif service.trouble is not None:
        yield NO_MANAGER.found(service.trouble, fix="run `catflap watch` yourself", where=unit)
    elif service.python is not None:
        what = f"the service's Python {service.python} is gone"
        yield PYTHON_GONE.found(what, fix="`catflap service install`", where=unit)
    elif not service.is_current:
        what = f"{unit} is not what this catflap would write"
        yield OUTDATED.found(what, fix="`catflap service install`", where=unit)
    elif service.is_running is False and not is_running and not service.is_stopped:
        yield DOWN.found("the service is installed, and does not run", fix="`catflap service start`", where=unit)
