"""What may be wrong with the machine: versions, programs on PATH, the environment, inotify's limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from catflap.doctor.finding import Finding, Kind, Level

GIT_AT_LEAST = (2, 31)
"""`rev-parse --path-format`, by which the shim asks where it is, came with git 2.31."""
PYTHON_AT_LEAST = (3, 11)

GIT_MISSING = Kind("git-missing", Level.ERROR, "catflap reads repositories through git")
GIT_OLD = Kind("git-too-old", Level.ERROR, "the hook asks git where it is by an option that git 2.31 brought")
PYTHON_OLD = Kind("python-too-old", Level.ERROR, "catflap is written for Python 3.11 and later")
TWICE = Kind("catflap-twice", Level.WARNING, "the hooks and your shell may run different versions of catflap")
WATCHES = Kind(
    "inotify-watches-low", Level.WARNING, "the watcher polls what it gets no watches for: it costs more and sees later"
)
INSTANCES = Kind("inotify-instances-low", Level.WARNING, "without an inotify instance the watcher polls everything")
KINDS = (GIT_MISSING, GIT_OLD, PYTHON_OLD, TWICE, WATCHES, INSTANCES)


@dataclass(frozen=True, slots=True)
class Machine:
    """``git``: what `git version` prints, None where it cannot be run. ``programs``: each `catflap` on PATH, once.

    ``watches`` and ``instances`` are inotify's limits for this user, None where there is no inotify; ``folders`` is how
    many watches the registered repositories need.
    """

    git: str | None
    python: tuple[int, int, int]
    programs: tuple[str, ...] = ()
    watches: int | None = None
    instances: int | None = None
    folders: int = 0

    @property
    def words(self) -> str:
        git = self.git.removeprefix("git version ") if self.git is not None else "missing"
        inotify = f", {self.folders:,} folders to watch of {self.watches:,}" if self.watches is not None else ""
        return f"git {git}, Python {'.'.join(map(str, self.python))}{inotify}"


def judge_machine(machine: Machine) -> Iterator[Finding]:
    """What is wrong with the machine."""
    if machine.git is None:
        yield GIT_MISSING.found("there is no git that can be run on PATH", fix="install git, or put it on PATH")
    elif (version := version_of(machine.git)) is not None and version < GIT_AT_LEAST:
        yield GIT_OLD.found(f"this is {machine.git}", fix="update git to 2.31 or later")
    if machine.python[:2] < PYTHON_AT_LEAST:
        version_words = ".".join(map(str, machine.python))
        yield PYTHON_OLD.found(f"this is Python {version_words}", fix="install catflap with Python 3.11 or later")
    if len(machine.programs) > 1:
        first = machine.programs[0]
        fix = f"uninstall all but one, then run `catflap install` in each repository; your shell runs {first}"
        yield TWICE.found(f"{len(machine.programs)} catflaps are on PATH: {', '.join(machine.programs)}", fix=fix)
    if machine.watches is not None and machine.watches < machine.folders:
        what = f"inotify gives each user {machine.watches:,} watches, and your repositories need {machine.folders:,}"
        yield WATCHES.found(what, fix=f"`sudo sysctl fs.inotify.max_user_watches={_roomy(machine.folders)}`")
    if machine.instances is not None and machine.instances < 1:
        what = f"inotify gives each user {machine.instances} instances"
        yield INSTANCES.found(what, fix="`sudo sysctl fs.inotify.max_user_instances=128`")


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor of what `git version` prints; None when it has none."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _roomy(needed: int) -> int:
    """A limit that leaves editors and others theirs: a power of two, at least the usual 65,536."""
    return max(65_536, 1 << (2 * needed).bit_length())
