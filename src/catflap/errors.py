"""What can go wrong, said so that a person can act on it. Knows no files, no git, no terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar


class CatflapError(Exception):
    """What we did, where, why it failed, and what to do now.

    ``str()`` gives ``cannot <what> <where>: <why>; <hint>``, one line. ``exit_code`` is the contract's: 1 the
    user can fix it, 2 usage, 3 our bug. ``retryable`` says that the same call may succeed a moment later.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", why: str, hint: str = "") -> None:
        self.what, self.where, self.why, self.hint = what, where, why, hint
        place = f" {where}" if where else ""
        advice = f"; {hint}" if hint else ""
        super().__init__(f"cannot {what}{place}: {why}{advice}")

    def __reduce__(self) -> tuple[Callable[..., CatflapError], tuple[object, ...]]:
        """How it goes from one process to another (`pickle` would call us with the words of ``str()``)."""
        return _again, (type(self), self.what, self.where, self.why, self.hint)


def _again(kind: type[CatflapError], what: str, where: str, why: str, hint: str) -> CatflapError:
    return kind(what, where=where, why=why, hint=hint)


class InvalidEvent(CatflapError):
    """An event that breaks a rule of the data model; ``where`` is the field."""


class DatabaseUnusable(CatflapError):
    """queue.db cannot be used as it is: not a database, damaged, read-only, or made by a newer catflap."""


class DatabaseBusy(CatflapError):
    """Another process held queue.db for longer than we may wait."""

    retryable = True


class QueueFull(CatflapError):
    """The queue holds its 10,000 events; the change stays unannounced until there is room."""

    retryable = True


class ClockBusy(CatflapError):
    """Another process held the Lamport clock for longer than we may wait."""

    retryable = True


class ClockUnwritable(CatflapError):
    """clock.json cannot be written, so no event may be made: its clock could repeat."""


class GitFailed(CatflapError):
    """git said no to something that we need."""


class NotARepository(CatflapError):
    """The path is in no git repository with a working tree."""


class NotInstalled(CatflapError):
    """`catflap install` was not run in this repository."""


class KeptLocal(CatflapError):
    """The repository is kept local: nothing of it is queued."""


class BadInput(CatflapError):
    """An argument that cannot be used."""

    exit_code = 2


class OutOfWatches(CatflapError):
    """The system gives this user no more inotify watches, or instances."""


class AlreadyWatching(CatflapError):
    """Another watcher of this user runs; there is one per user."""


class HookInTheWay(CatflapError):
    """A hook lies where the shim would go, and cannot be kept."""


class NotInHistory(CatflapError):
    """A revision, a date or a feature that the history does not have."""


class LockHeld(CatflapError):
    """Another process did the same for longer than we may wait."""

    retryable = True


class ConfigUnusable(CatflapError):
    """config.toml cannot be read, so nobody knows what may be sent where."""


class CredentialsUnusable(CatflapError):
    """The session cannot be kept, or read: the file, its disk, or the keyring says no."""


class NotLoggedIn(CatflapError):
    """There is no session with a server, or the server accepts it no longer."""


class LoginRefused(CatflapError):
    """The server does not accept the name with this password."""


class ServerUnreachable(CatflapError):
    """The server could not be asked, or its answer did not arrive."""

    retryable = True


class BadAnswer(CatflapError):
    """The server answered something else than its API says."""

    retryable = True
