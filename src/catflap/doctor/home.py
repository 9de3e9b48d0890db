"""What may be wrong with catflap's folder, queue.db and the clock. Pure: works on what was seen of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from catflap.doctor.finding import Finding, Kind, Level

ROOM_BYTES = 100 << 20
"""Free space below which there is a warning: a full queue takes 10 MB, and traces and the WAL some more."""
NEARLY_FULL = 0.9

HOME_UNWRITABLE = Kind("home-unwritable", Level.ERROR, "nothing can be queued: changes stay untold")
HOME_MODE = Kind("home-mode", Level.WARNING, "others on this machine can look into your queue and session", True)
HOME_INSIDE = Kind(
    "home-in-repository",
    Level.WARNING,
    "your session's tokens could be committed, and each event changes the repository",
)
DISK = Kind("disk-low", Level.WARNING, "a full disk keeps changes untold until there is room")
CONFIG = Kind("config-unreadable", Level.ERROR, "nobody knows what may be sent where, so hooks tell nothing")
CREDENTIALS_MODE = Kind("credentials-mode", Level.WARNING, "others on this machine can speak in your name", True)
QUEUE_MODE = Kind("queue-mode", Level.WARNING, "others on this machine can read who works on what", True)
UNUSABLE = Kind("queue-unusable", Level.ERROR, "nothing can be queued: changes stay untold")
DAMAGED = Kind("queue-damaged", Level.ERROR, "what is in it may be lost, and new events may not get in")
NEWER = Kind("queue-newer", Level.ERROR, "this catflap does not know its tables, and leaves it alone: nothing is told")
INCOMPLETE = Kind(
    "queue-incomplete", Level.ERROR, "an observation that needs what is missing fails: changes stay untold"
)
WAL_OFF = Kind(
    "queue-not-wal", Level.NOTE, "readers and writers wait for each other, and each commit takes longer", True
)
WAL_IMPOSSIBLE = Kind(
    "wal-unsupported",
    Level.NOTE,
    "queue.db falls back to a DELETE journal: all works, but programs wait for each other",
)
BUSY = Kind("queue-busy", Level.WARNING, "a hook waits a second at most, then its change is told later")
FULL = Kind("queue-full", Level.ERROR, "nothing is dropped, but what changes now is told only once there is room")
NEARLY = Kind("queue-nearly-full", Level.WARNING, "at 10,000 events nothing more is told until some are sent")
PARKED = Kind("events-parked", Level.WARNING, "the server refused them five times; nobody sends them again by itself")
CLOCK_BROKEN = Kind(
    "clock-broken", Level.WARNING, "events get their order from it; the next one would rebuild it", True
)
CLOCK_BEHIND = Kind(
    "clock-behind", Level.WARNING, "it went backwards, as a restored backup does; it must not repeat", True
)
CLOCK_NODE = Kind(
    "clock-other-node",
    Level.NOTE,
    "right after a change of the host's name; but two machines with one copied folder would make the same clocks",
)
KINDS = (
    HOME_UNWRITABLE,
    HOME_MODE,
    HOME_INSIDE,
    DISK,
    CONFIG,
    CREDENTIALS_MODE,
    QUEUE_MODE,
    UNUSABLE,
    DAMAGED,
    NEWER,
    INCOMPLETE,
    WAL_OFF,
    WAL_IMPOSSIBLE,
    BUSY,
    FULL,
    NEARLY,
    PARKED,
    CLOCK_BROKEN,
    CLOCK_BEHIND,
    CLOCK_NODE,
)


@dataclass(frozen=True, slots=True)
class Home:
    """catflap's folder. Modes are the permission bits, None where there are none, or no such file.

    ``inside``: the worktree that it lies in, and that does not ignore it. ``config_trouble``: why config.toml cannot be
    used.
    """

    path: str
    is_there: bool = True
    is_writable: bool = True
    mode: int | None = 0o700
    credentials_mode: int | None = None
    queue_mode: int | None = None
    inside: str | None = None
    free_bytes: int | None = None
    config_trouble: str | None = None

    @property
    def words(self) -> str:
        if not self.is_there:
            return f"{self.path}: not there yet"
        room = f", {_size(self.free_bytes)} free" if self.free_bytes is not None else ""
        return f"{self.path}{room}"


@dataclass(frozen=True, slots=True)
class Queue:
    """queue.db. ``trouble``: why it cannot be used at all; ``damage``: what SQLite finds wrong in it.

    ``version`` is its own, ``known_version`` ours. ``missing``: tables, or columns as ``table.column``. ``can_wal``:
    whether the filesystem lets a database have a WAL.
    """

    path: str
    is_there: bool = True
    trouble: str | None = None
    is_busy: bool = False
    damage: str | None = None
    version: int = 0
    known_version: int = 0
    missing: tuple[str, ...] = ()
    journal: str = "wal"
    can_wal: bool = True
    size: int = 0
    parked: int = 0
    capacity: int = 10_000

    @property
    def is_usable(self) -> bool:
        """Whether anything can be read from it."""
        is_good = self.trouble is None and self.damage is None and not self.is_busy
        return self.is_there and is_good and not self.missing and self.version <= self.known_version

    @property
    def words(self) -> str:
        if not self.is_there:
            return "not there yet"
        if not self.is_usable:
            return "cannot be used"
        return f"{self.size:,} of {self.capacity:,} events, {self.parked:,} parked; sound, journal {self.journal}"


@dataclass(frozen=True, slots=True)
class Clock:
    """clock.json: its value beside ``highest``, the highest ever queued; its node beside this machine's."""

    path: str
    trouble: str | None = None
    value: int = 0
    highest: int = 0
    node_id: str = ""
    machine_id: str = ""

    @property
    def words(self) -> str:
        return f"at {max(self.value, self.highest)}, node {self.node_id}"


def judge_home(home: Home) -> Iterator[Finding]:
    """What is wrong with the folder and the small files in it."""
    path = home.path
    if not home.is_writable:
        fix = "make it a folder that you can write to, or name another in SPEC_KITTY_HOME"
        yield HOME_UNWRITABLE.found(f"{path} cannot be written", fix=fix, where=path)
    for kind, mode, name, wanted in (
        (HOME_MODE, home.mode, path, 0o700),
        (CREDENTIALS_MODE, home.credentials_mode, f"{path}/credentials", 0o600),
        (QUEUE_MODE, home.queue_mode, f"{path}/queue.db", 0o600),
    ):
        if mode is not None and mode & 0o077:
            yield kind.found(f"the mode of {name} is {mode:04o}", fix=f"`chmod {wanted:o} {quote(name)}`", where=name)
    if home.inside is not None:
        fix = "name a folder outside of it in SPEC_KITTY_HOME, and run `catflap install` again"
        yield HOME_INSIDE.found(f"{path} lies in the repository {home.inside}", fix=fix, where=path)
    if home.free_bytes is not None and home.free_bytes < ROOM_BYTES:
        yield DISK.found(
            f"{_size(home.free_bytes)} are free where {path} lies", fix="make room on the disk", where=path
        )
    if home.config_trouble is not None:
        yield CONFIG.found(home.config_trouble, fix=f"mend {path}/config.toml, or move it away", where=path)


def judge_queue(queue: Queue) -> Iterator[Finding]:
    """What is wrong with queue.db: the first reason for which it cannot be used, else all that is odd."""
    path = queue.path
    aside = f"move {path} away with its -wal and -shm; `sqlite3 {quote(path)} .recover` saves what can be saved"
    if queue.is_busy:
        fix = "end the program that holds it, or try again"
        yield BUSY.found(f"another process holds {path} locked", fix=fix, where=path)
    elif queue.trouble is not None:
        yield UNUSABLE.found(
            queue.trouble, fix=f"move {path} away, or make it a file that you can write to", where=path
        )
    elif queue.damage is not None:
        yield DAMAGED.found(f"{path} is damaged: {queue.damage}", fix=aside, where=path)
    elif queue.version > queue.known_version:
        what = f"the version of {path} is {queue.version}, and this catflap knows versions up to {queue.known_version}"
        yield NEWER.found(what, fix="update catflap, or name another folder in SPEC_KITTY_HOME", where=path)
    elif queue.missing:
        yield INCOMPLETE.found(f"{path} lacks {', '.join(queue.missing)}", fix=aside, where=path)
    elif queue.is_there:
        yield from _judge_use(queue)


def _judge_use(queue: Queue) -> Iterator[Finding]:
    path = queue.path
    if not queue.can_wal:
        fix = "name a folder on a local disk in SPEC_KITTY_HOME"
        yield WAL_IMPOSSIBLE.found(f"the filesystem of {path} cannot hold a WAL", fix=fix, where=path)
    elif queue.journal != "wal":
        what = f"the journal of {path} is {queue.journal.upper()}, not WAL"
        yield WAL_OFF.found(what, fix="`catflap doctor --fix`", where=path)
    count = f"{queue.size:,} of {queue.capacity:,} events wait"
    if queue.size >= queue.capacity:
        yield FULL.found(f"the queue is full: {count}", fix="`catflap sync now`", where=path)
    elif queue.size >= NEARLY_FULL * queue.capacity:
        yield NEARLY.found(count, fix="`catflap sync now`", where=path)
    if queue.parked:
        fix = "see why in `catflap queue list`, then `catflap queue retry`, or `catflap queue drop`"
        yield PARKED.found(f"{queue.parked:,} events are parked", fix=fix, where=path)


def judge_clock(clock: Clock) -> Iterator[Finding]:
    """What is wrong with clock.json."""
    fix = "`catflap doctor --fix`"
    if clock.trouble is not None:
        yield CLOCK_BROKEN.found(f"{clock.path} cannot be used: {clock.trouble}", fix=fix, where=clock.path)
        return
    if clock.value < clock.highest:
        what = f"{clock.path} stands at {clock.value}, and an event with clock {clock.highest} was queued"
        yield CLOCK_BEHIND.found(what, fix=fix, where=clock.path)
    if clock.node_id and clock.node_id != clock.machine_id:
        what = f"{clock.path} names the node {clock.node_id}, and this machine would be {clock.machine_id}"
        fix = f"nothing, unless the folder was copied from another machine: then delete node_id in {clock.path}"
        yield CLOCK_NODE.found(what, fix=fix, where=clock.path)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GB" if size_bytes >= 1 << 30 else f"{size_bytes / (1 << 20):.0f} MB"
