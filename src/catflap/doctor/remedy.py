"""Puts right what can safely be put right. Deletes nothing of the user's; starts nothing that was not installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path

from catflap import expectation, git, ledger, seen, soundness, watchstate
from catflap.clock import LamportClock
from catflap.commands import service as service_command
from catflap.commands.install import put_in_place
from catflap.config import home
from catflap.database import open_database, write_transaction
from catflap.doctor import home as about_home
from catflap.doctor import repository as about_repository
from catflap.doctor import watcher as about_watcher
from catflap.doctor.finding import Finding
from catflap.errors import CatflapError

Remedy = Callable[[str], str]
"""Puts right what is wrong at a place, `Finding.where`, and says what it did."""


def mend(findings: Sequence[Finding]) -> tuple[list[str], list[str]]:
    """Apply each remedy that a finding has, once for each place: what was done, and what could not be."""
    done, failed = [], []
    tried: set[tuple[Remedy, str]] = set()
    for kind, remedy in REMEDIES.items():
        for finding in findings:
            if finding.id != kind or (remedy, finding.where) in tried:
                continue
            tried.add((remedy, finding.where))
            try:
                done.append(remedy(finding.where))
            except (CatflapError, OSError) as error:
                failed.append(f"{finding.what}: {error}")
    return done, failed


def _close(place: str) -> str:
    """Take a folder's, or a file's, permissions from everybody but its owner."""
    path = Path(place)
    path.chmod(path.stat().st_mode & 0o700)
    return f"Took the permissions on {place} from everybody else."


def _turn_to_wal(place: str) -> str:
    return f"The journal of {place} is {soundness.turn_to_wal(Path(place)).upper()} now."


def _mend_clock(place: str) -> str:
    """One tick: it sets aside what is no clock, and counts on from the highest value ever queued."""
    value = LamportClock.load(Path(place)).tick()
    return f"{place} stands at {value} now, past all that was queued."


def _forget(place: str) -> str:
    """Forget a repository that is gone, but for what was announced of it."""
    with closing(open_database(home() / "queue.db")) as connection:
        found = [one for one in ledger.projects(connection) if one.path == place]
        with write_transaction(connection):
            for project in found:
                ledger.retire_project(connection, project.id)
    for project in found:
        seen.unregister(str(home()), project.common_dir)
    return f"{place} is no longer registered; what was announced of it stays known."


def _install(place: str) -> str:
    put_in_place(git.locate(place), with_hooks=True)
    return f"Put catflap's hooks in place in {place}."


def _mark(place: str) -> str:
    seen.register(str(home()), git.locate(place).common_dir)
    return f"Marked {place} for the hooks."


def _forget_watcher(_: str) -> str:
    watchstate.forget_state(home())
    return "The watcher that died is no longer expected."


def _install_service(_: str) -> str:
    with redirect_stdout(io.StringIO()):
        service_command.install()
    return "Installed the service again, and its watcher runs."


def _start_service(_: str) -> str:
    with redirect_stdout(io.StringIO()):
        service_command.start()
    return "Started the service."


def _forget_service(place: str) -> str:
    expectation.forget(home())
    return f"The service whose unit was {place} is no longer expected."


REMEDIES: dict[str, Remedy] = {
    about_home.HOME_MODE.id: _close,
    about_home.CREDENTIALS_MODE.id: _close,
    about_home.QUEUE_MODE.id: _close,
    about_home.WAL_OFF.id: _turn_to_wal,
    about_home.CLOCK_BROKEN.id: _mend_clock,
    about_home.CLOCK_BEHIND.id: _mend_clock,
    about_repository.GONE.id: _forget,
    about_repository.REPLACED.id: _forget,
    about_repository.HOOK_MISSING.id: _install,
    about_repository.HOOK_FOREIGN.id: _install,
    about_repository.HOOK_MODE.id: _install,
    about_repository.HOOK_PYTHON.id: _install,
    about_repository.HOOK_OLD.id: _install,
    about_repository.ELSEWHERE.id: _install,
    about_repository.UNMARKED.id: _mark,
    about_watcher.GONE.id: _forget_watcher,
    about_watcher.OUTDATED.id: _install_service,
    about_watcher.PYTHON_GONE.id: _install_service,
    about_watcher.DOWN.id: _start_service,
    about_watcher.UNIT_GONE.id: _forget_service,
}
"""What `catflap doctor --fix` does about each finding that it can put right, in this order."""
