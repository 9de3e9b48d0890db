"""kill -9 of client and hub at random moments, and two months offline: the hub has each event, once.

CATFLAP_TEST_LONG=1 kills 200 times.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from catflap import auth, queue
from catflap.queue import OfflineQueue
from catflap.sync.address import read_address
from catflap.sync.http import Server
from tests.hubs import PASSWORD, TEAM, Hub, add_user, event
from tests.watching import wait_for
from tests.world import catflap

KILLS = 200 if os.environ.get("CATFLAP_TEST_LONG") else 10
CLIENT = """
import os, sys, time
from pathlib import Path
from catflap.config import home
from catflap.emitter import get_emitter
from catflap.sync.service import Service

class Nobody:
    def connection(self, state): pass
    def trouble(self, place, why): pass

service = Service(home(), Nobody())
service.start()
emitter = get_emitter()
os.write(1, b"ready\\n")
while True:
    event = emitter.emit_history_added("WP01", "note", "x")
    os.write(1, event["event_id"].encode() + b"\\n")
    service.told()
    time.sleep(0.004)
"""

pytestmark = pytest.mark.timeout(3600 if KILLS > 10 else 300)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A hub with ada in it, not started."""
    made = Hub(tmp_path / "hub")
    add_user(made.database, "ada", TEAM)
    return made


def log_in(hub: Hub, home: Path) -> None:
    with Server(read_address(hub.url)) as server:
        auth.log_in(home, server, "ada", PASSWORD)


def is_empty(home: Path) -> bool:
    with OfflineQueue(home / "queue.db") as queued:
        return queued.size() == 0


class Client:
    """A process that emits as fast as it may, and sends; what it said it stored is in `stored`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", CLIENT], stdout=subprocess.PIPE)
        self.stored: list[str] = []
        self._heard = b""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self._heard = self.process.stdout.read()

    def kill(self) -> None:
        self.process.kill()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()
        self.stored = [line.decode() for line in self._heard.splitlines(keepends=True) if line.endswith(b"\n")]


def test_killed_at_any_moment_both_sides_agree_in_the_end(hub: Hub, home: Path) -> None:
    moments, never = random.Random(5), threading.Event()
    stored: set[str] = set()
    lives = 0
    with hub:
        log_in(hub, home)
        client = Client()
        for number in range(KILLS):
            never.wait(moments.uniform(0.02, 0.7))  # somewhere in an emission, a request, a commit, an answer
            if number % 2:
                hub.kill()
                if moments.random() < 0.5:
                    never.wait(moments.uniform(0.0, 0.5))  # gone for a while
                hub.start()
            else:
                client.kill()
                stored |= {one.strip() for one in client.stored}
                lives += 1
                client = Client()
        client.kill()
        stored |= {one.strip() for one in client.stored}
        done = catflap("sync", "now", "--json")
        assert done.returncode == 0, done.stderr
        assert is_empty(home)
        there = [one["event_id"] for one in hub.events()]
    assert len(there) == len(set(there))
    assert stored <= set(there)
    assert len(set(there) - stored) <= lives + 1  # stored, and killed before it could say so
    assert len(there) >= KILLS


def test_two_months_offline_and_then_all_is_delivered(hub: Hub, home: Path) -> None:
    with hub:
        log_in(hub, home)
        hub.stop()
        written = [event(number, team_slug="local") for number in range(1, 10_001)]
        with OfflineQueue(home / "queue.db") as queued, queued.writing() as connection:
            queue.append(connection, written, queued_at=1_770_000_000)
        done = catflap("sync", "now", "--json")
        assert (done.returncode, json.loads(done.stdout)["left"]) == (1, 10_000)
        hub.start()
        done = catflap("sync", "now", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["sent"], found["accepted"], found["left"]) == (10_000, 10_000, 0)
        assert is_empty(home)
        assert [one["event_id"] for one in hub.events()] == [
            one["event_id"] for one in written
        ]  # in the order of our clock


def test_two_people_see_each_others_changes_through_the_hub(hub: Hub, tmp_path: Path, home: Path) -> None:
    """Two homes, one hub: what one tells moves the other's ledger, before the first login too; a pull tells nothing."""
    from tests.watching import Watch
    from tests.world import Repo, events, planned

    start = planned(tmp_path / "start")
    start.git("clone", "-q", "--bare", start.path, tmp_path / "project.git")
    for name in ("mine", "theirs"):
        start.git("clone", "-q", tmp_path / "project.git", tmp_path / name)
    mine, theirs = Repo(tmp_path / "mine"), Repo(tmp_path / "theirs")
    their_home = tmp_path / "their-home"
    mine.install()
    assert catflap("install", theirs.path, env={"SPEC_KITTY_HOME": str(their_home)}).returncode == 0
    (their_home / "clock.json").write_text(json.dumps({"value": 30, "node_id": "theirs"}))
    theirs.git("config", "core.hooksPath", "/dev/null")

    def they_tell(wp_id: str) -> None:
        theirs.lane("doing", wp_id)
        env = {"SPEC_KITTY_HOME": str(their_home)}
        assert catflap("observe", theirs.path, env=env).returncode == 0
        assert catflap("sync", "now", env=env).returncode == 0
        theirs.git("push", "-q")

    with hub:
        log_in(hub, their_home)
        they_tell("WP02")
        log_in(hub, home)
        with Watch(tmp_path / "out") as watch:
            wait_for(lambda: "connection: Connected" in watch.lines)
            wait_for(lambda: json.loads((home / "sync.json").read_text())["sequence"] == 1)
            assert json.loads((home / "clock.json").read_text())["value"] == 32  # by the snapshot
            they_tell("WP01")
            wait_for(lambda: json.loads((home / "sync.json").read_text())["sequence"] == 2)
            mine.git("pull", "-q")
            mine.lane("for_review")
            wait_for(lambda: len(hub.events()) == 3 and not events())
            mine.lane("done", "WP02")
            wait_for(lambda: len(hub.events()) >= 4 and not events())
        payloads = [one["payload"] for one in hub.events()[:4]]
        told = [(one["wp_id"], one["previous_status"], one["new_status"]) for one in payloads]
        first, second = [("WP02", "planned", "doing"), ("WP01", "planned", "doing")]
        assert told == [first, second, ("WP01", "doing", "for_review"), ("WP02", "doing", "done")]
        assert [one["lamport_clock"] for one in hub.events()[:4]] == [31, 32, 34, 35]
        done = catflap("sync", "now", env={"SPEC_KITTY_HOME": str(their_home)})  # they run no watcher
        assert done.stdout.endswith("\n2 changes of others known now.\n")
        assert json.loads((their_home / "clock.json").read_text())["value"] > 35
