"""What we rely on in watchdog 7.1: no loss without a word, no thread that dies unseen or spins, no watch that stays."""

from __future__ import annotations

import errno
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from catflap import watch
from catflap.clock import LamportClock
from catflap.database import open_database
from catflap.errors import OutOfWatches
from catflap.events import Event
from catflap.folderwatch import InotifyWatch, folder_watch, polling_watch
from catflap.git import View
from catflap.places import Kind
from catflap.watch import Report, Watcher
from tests.watching import PATIENCE, UNIT_S, Watch, wait_for, wait_told
from tests.world import Repo, events, planned, told

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

QUEUED_EVENTS = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
FOLDERS = 20_000
LOSS = ("", "")


class Posts:
    """What a folder watch has said."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.found: list[tuple[str, str]] = []

    def __call__(self, folder: str, name: str) -> None:
        self._queue.put((folder, name))

    def take(self) -> list[tuple[str, str]]:
        """All of them so far."""
        with suppress(queue.Empty):
            while True:
                self.found.append(self._queue.get_nowait())
        return self.found

    def wait_for(self, *posts: tuple[str, str]) -> None:
        wait_for(lambda: set(posts) <= set(self.take()), f"{posts} did not come: {self.found[-20:]}")


@pytest.fixture
def posts() -> Posts:
    return Posts()


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Feature 001-demo, registered without hooks."""
    made = planned(tmp_path / "project")
    made.install("--no-hooks")
    return made


def watches(pid: int | str = "self") -> int:
    """The inotify watches that a process has (proc(5), fdinfo)."""
    count = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            count += info.read_text().count("inotify wd:")
    return count


def descriptors(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_for_sleep(pid: int | str = "self") -> None:
    """Return once the other threads of a process do not run between two looks: one that spins never sleeps."""
    own = str(threading.get_native_id())
    seen: list[dict[str, str]] = [{}]

    def turns() -> dict[str, str]:  # how often each was given the processor: proc(5), schedstat
        found = {}
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError):
                found[task.name] = (task / "schedstat").read_text().split()[2]
        return {name: count for name, count in found.items() if name != own}

    wait_for(lambda: seen.append(turns()) or seen[-1] == seen[-2], "it does not sleep")


def tasks(folders: list[Path]) -> dict[str, Kind]:
    return {str(folder): Kind.TASKS for folder in folders}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that is not run meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def overflow(folder: Path) -> None:
    """More changes of files that are no work packages than the kernel keeps for a process that does not read them."""
    # Two names in turns, since the kernel merges an event with an equal one before it; four events per round.
    for _ in range(QUEUED_EVENTS // 4 + 100):
        for name in ("one.txt", "other.txt"):
            (folder / name).touch()
        for name in ("one.txt", "other.txt"):
            (folder / name).unlink()


# -- what is said


def test_what_happens_in_a_folder_is_said_by_folder_and_name(tmp_path: Path, posts: Posts) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with closing(folder_watch(posts)) as watch:
        watch.watch_only(tasks([tmp_path]))
        (tmp_path / "file").write_text("x")
        (tmp_path / "file").rename(tmp_path / "other")
        (tmp_path / "other").unlink()
        posts.wait_for((str(tmp_path), "file"), (str(tmp_path), "other"))
        (inner / "unseen").write_text("x")
        watch.watch_only(tasks([tmp_path, inner]))
        (inner / "seen").write_text("x")
        posts.wait_for((str(inner), "seen"))
        assert (str(inner), "unseen") not in posts.found


def test_reading_says_nothing(tmp_path: Path, posts: Posts) -> None:
    (tmp_path / "read").write_text("x")
    with closing(folder_watch(posts)) as watch:
        watch.watch_only(tasks([tmp_path]))
        assert (tmp_path / "read").read_text() == "x"
        assert os.listdir(tmp_path)
        (tmp_path / "written").write_text("x")
        posts.wait_for((str(tmp_path), "written"))
        assert {name for _, name in posts.found} == {"written"}


def test_a_folder_that_goes_and_comes_back_is_watched_again(tmp_path: Path, posts: Posts) -> None:
    folder = tmp_path / "tasks"
    with closing(folder_watch(posts)) as watch:
        for number in range(3):
            folder.mkdir()
            watch.watch_only(tasks([folder]))
            (folder / f"file{number}").write_text("x")
            posts.wait_for((str(folder), f"file{number}"))
            posts.found.clear()
            shutil.rmtree(folder)
            posts.wait_for((str(folder), ""))
        wait_for(lambda: watches() == 0)


def test_a_folder_that_was_moved_is_watched_under_its_new_name(tmp_path: Path, posts: Posts) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    with closing(folder_watch(posts)) as watch:
        watch.watch_only(tasks([old]))
        old.rename(new)
        posts.wait_for((str(old), ""))
        watch.watch_only(tasks([new]))
        (new / "file").write_text("x")
        posts.wait_for((str(new), "file"))
        old.mkdir()
        watch.watch_only(tasks([new, old]))
        (old / "other").write_text("x")
        posts.wait_for((str(old), "other"))
        assert watches() == 2


def test_what_lies_below_a_folder_that_was_moved_is_let_go(tmp_path: Path, posts: Posts) -> None:
    top, inner = tmp_path / "specs", tmp_path / "specs" / "feature"
    inner.mkdir(parents=True)
    with closing(folder_watch(posts)) as watch:
        watch.watch_only(tasks([top, inner]))
        top.rename(tmp_path / "elsewhere")
        posts.wait_for((str(top), ""))
        assert watches() == 0
        inner.mkdir(parents=True)
        watch.watch_only(tasks([top, inner]))
        (tmp_path / "elsewhere" / "feature" / "unseen").touch()
        (inner / "seen").touch()
        posts.wait_for((str(inner), "seen"))
        assert (str(inner), "unseen") not in posts.found


def test_what_is_not_wanted_any_more_is_let_go(tmp_path: Path, posts: Posts) -> None:
    folders = [tmp_path / f"folder{number}" for number in range(50)]
    for folder in folders:
        folder.mkdir()
    before = descriptors()
    with closing(folder_watch(posts)) as watch:
        for _ in range(5):
            watch.watch_only(tasks(folders))
            assert watches() == 50
            watch.watch_only(tasks(folders[:3]))
            assert watches() == 3
        watch.watch_only({})
        assert watches() == 0
    assert descriptors() == before


def test_folders_that_are_not_there_are_left_out(tmp_path: Path, posts: Posts) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with closing(folder_watch(posts)) as watch:
        watch.watch_only(tasks([tmp_path / name for name in ("file", "there", "link", "nowhere")]))
        assert watches() == 1


def test_polling_sees_a_save_too(tmp_path: Path, posts: Posts) -> None:
    with closing(polling_watch(posts)) as watch:
        (tmp_path / "feature" / "tasks").mkdir(parents=True)
        watch.watch_only({str(tmp_path): Kind.SPECS})
        (tmp_path / "feature" / "tasks" / "file").write_text("x")
        posts.wait_for((str(tmp_path / "feature" / "tasks"), "file"))
        assert watches() == 0


# -- a loss


def test_a_loss_of_events_is_said(tmp_path: Path, posts: Posts) -> None:
    entered, go_on = queue.SimpleQueue[None](), queue.SimpleQueue[None]()

    def slow(folder: str, name: str) -> None:
        if name == "first":
            entered.put(None)
            go_on.get()
        posts(folder, name)

    with closing(folder_watch(slow)) as watch:
        watch.watch_only(tasks([tmp_path]))
        (tmp_path / "first").mkdir()
        entered.get(timeout=20)
        overflow(tmp_path)
        go_on.put(None)
        posts.wait_for(LOSS)
        (tmp_path / "after").write_text("x")
        posts.wait_for((str(tmp_path), "after"))
        assert watch.is_alive()


def test_what_was_lost_while_the_watcher_was_stopped_is_told(tmp_path: Path, home: Path) -> None:
    repo = planned(tmp_path / "project")
    for number in range(1, 61):
        repo.write(f"WP{number:02}", feature="002-many")
    repo.commit("many")
    repo.install("--no-hooks")
    with Watch(tmp_path / "watch.out") as watch:
        with stopped(watch.pid):
            overflow(repo.wp().parent)
            repo.write(lane="doing")
            for _ in range(12_000 // 60):
                for number in range(1, 61):
                    repo.write(f"WP{number:02}", "for_review", feature="002-many")
        wait_for(lambda: len(told()) == 61)
        assert sorted(told()) == sorted(
            ["planned>doing", *(f"{f'WP{n:02} ' if n > 1 else ''}planned>for_review" for n in range(1, 61))]
        )
        repo.write("WP02", "doing")
        wait_for(lambda: len(told()) == 62)
    assert "events were lost (inotify queue overflow)" in (home / "watch.log").read_text("utf-8")


# -- a thread that dies


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What threads died of."""
    found: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: found.append(args.exc_type))
    return found


class WatchdogBugError(Exception):
    """What a thread of watchdog's dies of."""


def fail(folder: str, name: str) -> None:
    raise WatchdogBugError(folder, name)


def test_a_thread_that_died_is_known_to_be_dead(tmp_path: Path, deaths: list[object]) -> None:
    before = descriptors()
    with closing(InotifyWatch(fail)) as watch:
        watch.watch_only(tasks([tmp_path]))
        assert watch.is_alive()
        (tmp_path / "file").touch()
        wait_for(lambda: not watch.is_alive())
    assert deaths == [WatchdogBugError]
    assert descriptors() == before


class Said(Report):
    """What a watcher in this process reports."""

    def __init__(self) -> None:
        self.watched = 0
        self.polled: list[str] = []
        self.troubles: list[str] = []
        self.events: list[Event] = []

    def views(self, views: Sequence[View], polled: Sequence[View]) -> None:
        self.watched, self.polled = len(views), [view.worktree for view in polled]

    def told(self, events: Sequence[Event]) -> None:
        self.events += events

    def trouble(self, place: str, why: str) -> None:
        self.troubles.append(f"{place}: {why}")


@contextmanager
def watching(home: Path, said: Said) -> Iterator[Watcher]:
    """A watcher in a thread of this process, so that a seam in it can be reached."""
    with closing(open_database(home / "queue.db")) as connection:
        clock = LamportClock.load(home / "clock.json", floor=0)
        watcher = Watcher(connection, clock, said, home=home)
        thread = threading.Thread(target=watcher.run)
        thread.start()
        try:
            wait_for(lambda: said.watched)
            yield watcher
        finally:
            watcher.stop()
            thread.join()


def test_a_view_that_its_first_look_finds_gone_is_let_go_before_the_next_heartbeat(
    repo: Repo, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "BEAT_S", 10 * PATIENCE * UNIT_S)
    repo.git("worktree", "add", "-q", tmp_path / "agent")
    take = Watcher._take_posts

    def take_away_first(watcher: Watcher, wait_s: float) -> None:
        """Before the first look the worktree goes, and the only event of that comes."""
        if (tmp_path / "agent").exists():
            (tmp_path / "agent").rename(tmp_path / "moved")
            wait_for(watcher._posts.qsize)
        take(watcher, wait_s)

    monkeypatch.setattr(Watcher, "_take_posts", take_away_first)
    said = Said()
    with watching(home, said):
        wait_for(lambda: said.watched == 1)


def test_a_thread_that_died_is_replaced(
    repo: Repo, home: Path, monkeypatch: pytest.MonkeyPatch, deaths: list[object]
) -> None:
    before, said = descriptors(), Said()
    with watching(home, said) as watcher:
        repo.write(lane="doing")
        wait_told(["planned>doing"])
        monkeypatch.setattr(watcher._list._watches[False], "_post", fail)
        repo.write("WP02", "doing")
        wait_for(lambda: deaths)
        watcher.reload()  # it would look at its next heartbeat
        wait_told(["planned>doing", "WP02 planned>doing"])
        assert said.troubles == ["watchdog: its thread has died; a new one is started"]
        repo.write("WP03", "doing")
        wait_told(["planned>doing", "WP02 planned>doing", "WP03 planned>doing"])
        assert deaths == [WatchdogBugError]
    wait_for(lambda: descriptors() == before)


# -- many folders, and folders that come and go


def test_many_folders_do_not_make_it_spin(tmp_path: Path, posts: Posts) -> None:
    folders = [tmp_path / f"{number // 100:03}" / f"{number:05}" for number in range(FOLDERS)]
    for folder in folders:
        folder.mkdir(parents=True)
    with closing(folder_watch(posts)) as watch:
        watch.watch_only(tasks(folders))
        assert watches() == FOLDERS
        expected = {(str(folders[number]), "file") for number in range(0, FOLDERS, FOLDERS // 50)}
        for folder, name in expected:
            Path(folder, name).touch()
        posts.wait_for(*expected)
        wait_for_sleep()
        assert Counter(posts.take()) == dict.fromkeys(expected, 2)  # created; closed


def test_branch_switch_churn_leaves_no_watch_and_no_noise(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.git("switch", "-q", "-c", "many")
    for number in range(2, 60):
        repo.write(feature=f"{number:03}-more")
    repo.commit("many features")
    repo.install("--no-hooks")
    repo.git("switch", "-q", "main")
    with Watch(tmp_path / "watch.out") as watch:
        repo.write("WP03", "doing")
        wait_told(["WP03 planned>doing"])
        wait_for(lambda: descriptors(watch.pid) < 12)
        few, opened = watches(watch.pid), descriptors(watch.pid)
        for _ in range(10):
            repo.git("switch", "-q", "many")
            repo.git("switch", "-q", "main")
        repo.write(lane="doing")
        wait_told(["WP03 planned>doing", "planned>doing"])
        wait_for(lambda: watches(watch.pid) == few, f"{watches(watch.pid)} watches, not {few}")
        wait_for(lambda: descriptors(watch.pid) == opened)
        repo.write("WP02", "doing")
        wait_told(["WP03 planned>doing", "planned>doing", "WP02 planned>doing"])
        wait_for_sleep(watch.pid)
        assert [line for line in watch.lines[1:] if "  001-demo WP0" not in line] == []


def test_a_tree_that_replaces_another_of_its_shape_is_watched(repo: Repo, tmp_path: Path) -> None:
    with Watch(tmp_path / "watch.out") as watch:
        specs, elsewhere = repo.path / "kitty-specs", tmp_path / "elsewhere"
        with stopped(watch.pid):
            specs.rename(elsewhere)
            shutil.copytree(elsewhere, specs)
        repo.write(lane="doing")
        wait_told(["planned>doing"])
        repo.write("WP02", "doing")
        wait_told(["planned>doing", "WP02 planned>doing"])


# -- no more watches


class Fewer:
    """The seam: an inotify that gives a number of watches and no more, as a low max_user_watches does."""

    def __init__(self, watch: InotifyWatch, count: int) -> None:
        self._add, self._left = watch._inotify.add_callback, count

    def __call__(self, *args: Any) -> int:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        return self._add(*args)


def test_out_of_watches_names_the_sysctl(tmp_path: Path, posts: Posts, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    with closing(InotifyWatch(posts)) as watch:
        monkeypatch.setattr(watch._inotify, "add_callback", Fewer(watch, 2))
        with pytest.raises(OutOfWatches, match=r"sysctl fs\.inotify\.max_user_watches=") as caught:
            watch.watch_only(tasks([tmp_path / name for name in ("one", "two", "three")]))
        assert caught.value.where == str(tmp_path / "three")
        (tmp_path / "two" / "file").touch()
        posts.wait_for((str(tmp_path / "two"), "file"))


def limited(place: Path, what: str, count: int) -> Path:
    """A Python in a user namespace of its own that gives so many watches, or instances (namespaces(7))."""
    path = place / "python"
    script = f'echo {count} >/proc/sys/user/max_inotify_{what} && exec "{sys.executable}" "$@"'
    path.write_text(f"#!/bin/sh\nexec unshare --user --map-root-user sh -c '{script}' sh \"$@\"\n")
    path.chmod(0o755)
    if shutil.which("unshare") is None or subprocess.run([path, "-c", "pass"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    return path


@pytest.mark.parametrize(("what", "count"), [("watches", 0), ("instances", 0)])
def test_without_watches_files_are_polled(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, count: int
) -> None:
    monkeypatch.setattr(sys, "executable", str(limited(tmp_path, what, count)))
    with Watch(tmp_path / "watch.out") as watch:
        assert watches(watch.pid) == 0
        assert f"{repo.path} is polled: no events come from there" in watch.lines
        said = [line for line in watch.lines if line.startswith("inotify: cannot watch")]
        assert len(said) == 1
        assert f"raise it: sudo sysctl fs.inotify.max_user_{what}=" in said[0]
        assert said[0].endswith("; until then files are polled")
        repo.write(lane="doing")
        wait_told(["planned>doing"])
        repo.lane("for_review")
        wait_told(["planned>doing", "doing>for_review"])


def test_a_repository_for_which_no_watches_are_left_is_polled_and_no_other(
    repo: Repo, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = planned(tmp_path / "large")
    for number in range(2, 30):
        large.write(feature=f"{number:03}-more")
    large.commit("many features")
    large.install("--no-hooks")
    monkeypatch.setattr(sys, "executable", str(limited(tmp_path, "watches", 40)))
    with Watch(tmp_path / "watch.out") as watch:
        assert [line for line in watch.lines if line.endswith("is polled: no events come from there")] == [
            f"{large.path} is polled: no events come from there"
        ]
        (said,) = [line for line in watch.lines if "cannot watch" in line]
        assert said.startswith(f"{large.path}: cannot watch {large.path}")
        assert "raise it: sudo sysctl fs.inotify.max_user_watches=" in said
        assert 0 < watches(watch.pid) < 20
        repo.write(lane="doing")
        wait_told(["planned>doing"])
        large.write("WP02", "doing", feature="003-more")
        wait_for(lambda: len(events()) >= 2)
        assert json.loads((home / "watch.json").read_text("utf-8"))["polled"] == [str(large.path)]
