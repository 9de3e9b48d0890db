"""How soon the watcher tells a save and a commit, and what it costs to have it: CPU, memory, inotify watches.

Beside it, in the same run and for the same saves: raw inotify and a bare watchdog observer, each with one WAL commit
per save. Ours counts from the end of the settle time, theirs from the save. What ours does more is to know what the
save means, by asking git.
"""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from watchdog.events import FileClosedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask

from bench.hook import PYTHON, WPS, Checkout
from bench.table import Aim, Row, table
from catflap.worktree import SETTLE_S

INOTIFY, OBSERVER = "raw inotify + a WAL commit", "bare watchdog observer + a WAL commit"
BARE = "watchdog + yaml + sqlite3"
LANES = ("doing", "for_review")
"""Never what HEAD has: a file that goes back to that is held for three seconds."""
PATIENCE_S = 20.0
FOLDERS_PER_FEATURE = ("tasks", "research", "checklists", "contracts", "data")
CODE_FOLDERS = 300
BARE_PROCESS = """
import os, sqlite3, sys, yaml
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
os.chdir(sys.argv[1])
connection = sqlite3.connect("bare.db", isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE t (a)")
yaml.safe_load("lane: planned")
observer = Observer()
observer.schedule(FileSystemEventHandler(), sys.argv[1], recursive=True)
observer.start()
print("ready", flush=True)
sys.stdin.read()
"""


class Commits:
    """A WAL database that takes one row per save, and when it had it (seconds of the monotonic clock)."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE t (data);")
        self._arrived = threading.Event()
        self.at = 0.0

    def put(self, name: str) -> None:
        """Called by a thread of watchdog's."""
        self._connection.execute("INSERT INTO t VALUES (?)", (name * 20,))
        self.at = time.monotonic()
        self._arrived.set()

    def take(self) -> float:
        """When the save that was last made was committed."""
        if not self._arrived.wait(PATIENCE_S):
            raise SystemExit("a contender saw nothing: this measures nothing")
        self._arrived.clear()
        return self.at

    def close(self) -> None:
        self._connection.close()


class Raw:
    """Raw inotify: watchdog's reading thread without its observers."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put
        self._inotify = InotifyFD()
        self._inotify.start()

    def watch(self, folder: Path, mask: int) -> None:
        self._inotify.add_callback(os.fsencode(folder), Mask(mask), self, CallbackId(id(self)))

    def on_event(self, event: InotifyEvent) -> None:
        self._put(os.fsdecode(event.name))

    def on_watch_deleted(self, wd: int) -> None:  # noqa: ARG002 - watchdog's name
        return

    def on_queue_overflow(self) -> None:
        raise SystemExit("inotify lost events: this measures nothing")

    def close(self) -> None:
        self._inotify.stop()
        self._inotify.join()


class Handler(FileSystemEventHandler):
    """What a user of watchdog writes."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put

    def on_closed(self, event: FileSystemEvent) -> None:
        self._put(os.fsdecode(event.src_path))


class Queue:
    """The watcher's queue.db, looked at again and again."""

    def __init__(self, home: Path) -> None:
        self._connection = sqlite3.connect(home / "queue.db", isolation_level=None)

    def size(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM queue").fetchone()[0])

    def wait_for(self, size: int) -> float:
        """When it had this many events (seconds of the monotonic clock)."""
        deadline = time.monotonic() + PATIENCE_S
        while self.size() < size:
            if time.monotonic() > deadline:
                raise SystemExit("the watcher told nothing: this measures nothing")
            time.sleep(0.0001)
        return time.monotonic()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def running(command: Sequence[str], place: Path, word: str) -> Iterator[int]:
    """The pid of a process that has said ``word``; it ends with the body."""
    output = place / f"{abs(hash(tuple(command)))}.out"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while word.encode() not in output.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"it did not start: {output.read_text()}")
            time.sleep(0.01)
        yield process.pid
    finally:
        process.terminate()
        process.communicate()


def catflap(*args: str) -> None:
    subprocess.run([PYTHON, "-m", "catflap", *args], check=True, stdout=subprocess.DEVNULL)


def watcher(place: Path) -> Any:
    """A running `catflap watch`: its pid."""
    return running([PYTHON, "-m", "catflap", "watch"], place, "watching")


def save_latency(place: Path, home: Path, saves: int) -> dict[str, list[float]]:
    """Per save the milliseconds until it was told, beyond the settle time, and until the others had it committed."""
    checkout = Checkout(place / "saves")
    catflap("install", "--no-hooks", str(checkout.path))
    found: dict[str, list[float]] = {"catflap watch": [], INOTIFY: [], OBSERVER: []}
    with (
        watcher(place),
        closing(Queue(home)) as queue,
        closing(Commits(place / "raw.db")) as raw_commits,
        closing(Commits(place / "observer.db")) as observer_commits,
        closing(Raw(raw_commits.put)) as raw,
    ):
        tasks = checkout.path / "kitty-specs" / "003-feature" / "tasks"
        raw.watch(tasks, InotifyConstants.IN_CLOSE_WRITE)
        observer = Observer()
        observer.schedule(Handler(observer_commits.put), str(tasks), event_filter=[FileClosedEvent])
        observer.start()
        size = queue.size()
        for number in range(saves + 1):
            saved = time.monotonic()
            checkout.write_wp(3, number % WPS + 1, LANES[number // WPS % 2])
            others = {INOTIFY: raw_commits.take(), OBSERVER: observer_commits.take()}
            time.sleep(SETTLE_S * 0.9)
            told = queue.wait_for(size := size + 1)
            if number:  # the first one imports
                found["catflap watch"].append((told - saved - SETTLE_S) * 1000)
                for name, at in others.items():
                    found[name].append((at - saved) * 1000)
        observer.stop()
        observer.join()
    catflap("uninstall", str(checkout.path))
    return found


def commit_latency(place: Path, home: Path, commits: int) -> dict[str, list[float]]:
    """Per commit the milliseconds from git's line in logs/HEAD until it was told, without any hook."""
    checkout = Checkout(place / "commits")
    catflap("install", "--no-hooks", str(checkout.path))
    moved: list[float] = []
    found: dict[str, list[float]] = {"from logs/HEAD to the queue": [], "git commit itself": []}

    def note(name: str) -> None:
        if name == "HEAD":
            moved.append(time.monotonic())

    with watcher(place), closing(Queue(home)) as queue, closing(Raw(note)) as raw:
        raw.watch(checkout.path / ".git" / "logs", InotifyConstants.IN_MODIFY)
        size = queue.size()
        for number in range(commits + 1):
            moved.clear()
            started = time.monotonic()
            git_ms = checkout.commit_ms(lambda: checkout.write_wp(3, 4, LANES[checkout.commits % 2]))
            if time.monotonic() - started > SETTLE_S:
                raise SystemExit("a commit took longer than the settle time: this measures nothing")
            told = queue.wait_for(size := size + 1)
            if number:
                found["from logs/HEAD to the queue"].append((told - moved[0]) * 1000)
                found["git commit itself"].append(git_ms)
    catflap("uninstall", str(checkout.path))
    return found


def cpu_ms(pid: int) -> float:
    """What all threads of a process have used so far (proc(5), schedstat: nanoseconds)."""
    tasks = Path("/proc", str(pid), "task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def rss_mib(pid: int) -> float:
    """Resident memory (proc(5), status)."""
    words = Path("/proc", str(pid), "status").read_text().partition("VmRSS:")[2].split()
    return int(words[0]) / 1024


def watches(pid: int) -> int:
    """The inotify watches of a process (proc(5), fdinfo)."""
    return sum(
        info.read_text().count("inotify wd:") for info in Path("/proc", str(pid), "fdinfo").iterdir() if info.exists()
    )


def cost(place: Path, idle_s: float) -> tuple[float, float, float]:
    """The idle CPU in milliseconds per minute, and the MiB of the watcher and of a bare process."""
    checkout = Checkout(place / "idle")
    catflap("install", "--no-hooks", str(checkout.path))
    with watcher(place) as pid, running([PYTHON, "-c", BARE_PROCESS, str(place)], place, "ready") as bare:
        home = Path(os.environ["SPEC_KITTY_HOME"])
        with closing(Queue(home)) as queue:  # what is imported at the first save stays
            size = queue.size()
            checkout.write_wp(3, 4, "doing")
            queue.wait_for(size + 1)
        time.sleep(1.0)
        before = cpu_ms(pid)
        time.sleep(idle_s)
        found = (cpu_ms(pid) - before) * 60 / idle_s, rss_mib(pid), rss_mib(bare)
    catflap("uninstall", str(checkout.path))
    return found


def count_watches(place: Path, features: int) -> dict[str, int]:
    """The inotify watches for a repository with so many features and a few hundred folders of code."""
    repository = place / f"features{features}"
    for number in range(features):
        for folder in FOLDERS_PER_FEATURE:
            (repository / "kitty-specs" / f"{number:03}-feature" / folder).mkdir(parents=True)
        wp = repository / "kitty-specs" / f"{number:03}-feature" / "tasks" / "WP01-part.md"
        wp.write_text("---\nlane: doing\n---\n", encoding="utf-8")
    for number in range(CODE_FOLDERS):
        (repository / "src" / f"package{number}").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    catflap("install", "--no-hooks", str(repository))
    with watcher(place) as pid:
        found = {"catflap watch": watches(pid)}
    catflap("uninstall", str(repository))
    for name, top in {"kitty-specs, recursive": repository / "kitty-specs", "the whole tree": repository}.items():
        observer = Observer()
        observer.schedule(FileSystemEventHandler(), str(top), recursive=True)
        observer.start()
        found[name] = watches(os.getpid())
        observer.stop()
        observer.join()
    return found


def rows(found: dict[str, list[float]]) -> list[Row]:
    return [Row(name, times, f"p99 {sorted(times)[int(len(times) * 0.99)]:.1f}") for name, times in found.items()]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.watch", description=__doc__)
    parser.add_argument("--saves", type=int, default=60)
    parser.add_argument("--commits", type=int, default=30)
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    options = parser.parse_args()
    logging.getLogger("watchdog").setLevel(logging.ERROR)  # its emitters warn of every stop
    if sys.platform != "linux":
        raise SystemExit("inotify and /proc are Linux's: there is nothing to measure here")
    with tempfile.TemporaryDirectory() as folder:
        place, home = Path(folder), Path(folder, "home")
        home.mkdir()
        os.environ.update(SPEC_KITTY_HOME=str(home), GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=f"{folder}/gitconfig")
        Path(folder, "gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n[gc]\n\tauto = 0\n")
        found = save_latency(place, home, options.saves)
        title = f"From a save to the queue, ours beyond the {SETTLE_S * 1000:.0f} ms in which a file settles"
        print(table(title, "ms", rows(found), [Aim(INOTIFY, 5, at_least=False)]), end="\n\n")
        print(table("A commit, no hook", "ms", rows(commit_latency(place, home, options.commits))), end="\n\n")
        idle_ms, ours_mib, bare_mib = cost(place, options.idle)
        verdict = "held" if idle_ms <= 10 else "MISSED"
        print(f"Idle CPU: {idle_ms:.1f} ms a minute  aim ≤ 10: {verdict}\n")
        memory = [Row("catflap watch", [ours_mib]), Row(BARE, [bare_mib])]
        print(table("Resident memory", "MiB", memory, [Aim(BARE, 1, at_least=False)]), end="\n\n")
        few, many = count_watches(place, 1), count_watches(place, 400)
        for features, counts in ((1, few), (400, many)):
            counted = [Row(name, [count]) for name, count in counts.items()]
            print(table(f"inotify watches, features: {features}", "watches", counted))
        grown = (many["catflap watch"] - few["catflap watch"]) / 399
        print(f"Per feature {grown:g}  aim ≤ 2: {'held' if grown <= 2 else 'MISSED'}")


if __name__ == "__main__":
    main()
