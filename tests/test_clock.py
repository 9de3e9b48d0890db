"""The Lamport clock: no value twice, whatever is found in the place of its file, and whoever else ticks it."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from catflap.clock import MAX_CLOCK, MAX_FOLLOWED, LamportClock, generate_node_id
from catflap.errors import BadInput, ClockBusy, ClockUnwritable
from catflap.queue import OfflineQueue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clock.json"


def fields(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("clock.json.broken-*"))


def test_node_id_is_the_data_models() -> None:
    raw = f"{socket.gethostname()}:{getpass.getuser()}"
    assert generate_node_id() == hashlib.sha256(raw.encode()).hexdigest()[:12]
    assert generate_node_id() == generate_node_id()


def test_node_id_exists_for_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    raw = f"{socket.gethostname()}:{os.getuid()}"
    assert generate_node_id() == hashlib.sha256(raw.encode()).hexdigest()[:12]


def test_missing_file_is_a_clock_at_zero_and_loading_writes_nothing(path: Path) -> None:
    clock = LamportClock.load(path)
    assert (clock.value, clock.node_id) == (0, generate_node_id())
    assert list(path.parent.iterdir()) == []


def test_tick_writes_the_data_models_fields(path: Path) -> None:
    assert LamportClock.load(path).tick() == 1
    found = fields(path)
    assert list(found) == ["value", "node_id", "updated_at"]
    assert (found["value"], found["node_id"]) == (1, generate_node_id())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["updated_at"])
    assert path.stat().st_mode & 0o777 == 0o600


def test_loaded_clock_goes_on_and_keeps_its_node_id(path: Path) -> None:
    path.write_text('{"value": 42, "node_id": "alice-laptop-abc123"}')
    clock = LamportClock.load(path)
    assert (clock.value, clock.node_id) == (42, "alice-laptop-abc123")
    assert (clock.tick(), clock.tick()) == (43, 44)
    assert fields(path)["node_id"] == "alice-laptop-abc123"


def test_default_path_is_in_the_home(home: Path) -> None:
    assert LamportClock.load().tick() == 1
    assert fields(home / "clock.json")["value"] == 1
    assert home.stat().st_mode & 0o777 == 0o700


def test_tick_many_gives_consecutive_values_for_one_write(path: Path) -> None:
    clock = LamportClock.load(path)
    assert list(clock.tick_many(3)) == [1, 2, 3]
    assert list(clock.tick_many(0)) == []
    assert fields(path)["value"] == 3 == clock.value
    with pytest.raises(BadInput):
        clock.tick_many(-1)
    assert clock.tick() == 4


def test_unknown_keys_of_a_later_version_are_kept(path: Path) -> None:
    path.write_text('{"value": 7, "node_id": "n", "version": 3, "epochs": [{"since": 1}]}')
    assert LamportClock.load(path).tick() == 8
    found = fields(path)
    assert (found["value"], found["version"], found["epochs"]) == (8, 3, [{"since": 1}])
    assert set_aside(path) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[1]",
        "{}",
        '{"value": "7"}',
        '{"value": -1}',
        '{"value": true}',
        '{"value": 7.5}',
        f'{{"value": {MAX_CLOCK + 1}}}',
        "\x00" * 90,
        '{"value": 1' + "0" * 5000 + "}",
        "[" * 50_000,
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_broken_file_is_set_aside_and_rebuilt_from_the_floor(path: Path, text: str) -> None:
    path.write_text(text)
    assert LamportClock.load(path, floor=100).value == 100
    assert LamportClock.load(path).tick(floor=100) == 101
    assert fields(path)["value"] == 101
    assert [one.read_text() for one in set_aside(path)] == [text]


def test_empty_node_id_is_made_anew(path: Path) -> None:
    path.write_text('{"value": 3, "node_id": " "}')
    clock = LamportClock.load(path)
    assert clock.tick() == 4
    assert fields(path)["node_id"] == clock.node_id == generate_node_id()


def test_lost_file_starts_above_the_highest_clock_ever_queued(path: Path) -> None:
    with OfflineQueue(path.with_name("queue.db")) as queue:
        assert queue.queue_event({"event_id": "a", "event_type": "WPCreated", "lamport_clock": 500})
        queue.clear()
    assert LamportClock.load(path).value == 500
    assert LamportClock.load(path).tick() == 501


def test_file_that_went_backwards_repeats_nothing(path: Path) -> None:
    clock = LamportClock.load(path)
    assert clock.tick_many(50)[-1] == 50
    path.write_text('{"value": 10, "node_id": "n"}')
    assert LamportClock.load(path).tick(floor=50) == 51
    path.write_text('{"value": 10, "node_id": "n"}')
    assert clock.tick() == 51  # what this process gave out counts, floor or not


def test_receive_passes_the_higher_of_both(path: Path) -> None:
    clock = LamportClock.load(path)
    assert clock.receive(41) == 42
    assert clock.receive(3) == 43
    assert LamportClock.load(path).tick() == 44


@given(st.lists(st.one_of(st.none(), st.integers(0, 1000)), max_size=12))
def test_clock_only_ever_grows(tmp_path_factory: pytest.TempPathFactory, steps: list[int | None]) -> None:
    path = tmp_path_factory.mktemp("clock") / "clock.json"
    clock, last = LamportClock.load(path, floor=0), 0
    for remote in steps:
        value = clock.tick() if remote is None else clock.receive(remote)
        assert value == max(last, remote or 0) + 1
        last = value


@pytest.mark.parametrize("remote", [MAX_FOLLOWED + 1, "7", True, None, 1.0], ids=str)
def test_clock_that_nobody_can_have_is_not_followed(path: Path, remote: Any) -> None:
    clock = LamportClock.load(path)
    assert clock.tick() == 1
    with pytest.raises(BadInput):
        clock.receive(remote)
    assert fields(path)["value"] == 1


def test_clock_at_its_end_gives_no_value(path: Path) -> None:
    path.write_text(json.dumps({"value": MAX_CLOCK, "node_id": "n"}))
    with pytest.raises(ClockUnwritable, match="keeps exact"):
        LamportClock.load(path).tick()
    assert fields(path) == {"value": MAX_CLOCK, "node_id": "n"}


def as_folder(path: Path) -> None:
    path.mkdir()
    (path / "letter").touch()


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def as_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def as_link_to_a_folder(path: Path) -> None:
    path.with_name("folder").mkdir()
    path.symlink_to(path.with_name("folder"))


@pytest.mark.parametrize("make", [as_folder, as_pipe, as_dangling_link, as_link_to_a_folder])
def test_what_is_no_file_makes_way_for_the_clock(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    assert [LamportClock.load(path).tick(floor=9) for _ in range(3)] == [10, 11, 12]
    assert path.is_file()
    assert not path.is_symlink()


def test_link_to_itself_is_said_so(path: Path) -> None:
    as_link_to_itself(path)
    with pytest.raises(ClockUnwritable, match=re.escape(str(path))):
        LamportClock.load(path).tick()


def test_linked_clock_goes_on_and_its_target_stays_as_it_was(path: Path) -> None:
    target = path.with_name("dotfiles.json")
    target.write_text('{"value": 42, "node_id": "n"}')
    path.symlink_to(target)
    clock = LamportClock.load(path)
    assert [clock.tick() for _ in range(3)] == [43, 44, 45]
    assert fields(target)["value"] == 42
    assert fields(path)["value"] == 45


def test_file_in_place_of_the_home_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    clock = LamportClock.load(tmp_path / "home" / "clock.json")
    with pytest.raises(ClockUnwritable, match="a folder that you can write to") as caught:
        clock.tick()
    assert str(tmp_path / "home") in str(caught.value)
    assert clock.value == 0


@pytest.mark.parametrize("name", ["clock.json.lock", "clock.json.tmp"])
def test_folder_in_the_way_gives_out_no_value(path: Path, name: str) -> None:
    path.with_name(name).mkdir()
    clock = LamportClock.load(path)
    with pytest.raises(ClockUnwritable):
        clock.tick()
    assert clock.value == 0
    path.with_name(name).rmdir()
    assert clock.tick() == 1


@pytest.mark.parametrize("left", ["clock.json.tmp", "clock.json.old"])
@pytest.mark.parametrize("linked", [True, False])
def test_what_a_killed_process_left_is_used_up(path: Path, left: str, linked: bool) -> None:
    clock = LamportClock.load(path)
    clock.tick_many(7)
    path.with_name(left).unlink(missing_ok=True)
    if linked:
        os.link(path, path.with_name(left))
    else:
        path.with_name(left).write_text("half a cl")
    assert [clock.tick() for _ in range(3)] == [8, 9, 10]
    assert fields(path)["value"] == 10
    assert path.stat().st_nlink == 1


def test_lock_is_the_one_that_filelock_takes(path: Path) -> None:
    clock = LamportClock.load(path, lock_timeout_s=0.05)
    with FileLock(path.with_name("clock.json.lock")), pytest.raises(ClockBusy, match="try again"):
        clock.tick()
    assert not path.exists()
    assert clock.tick() == 1


def test_threads_of_one_clock_and_of_two_share_no_value(path: Path) -> None:
    shared = LamportClock.load(path)
    given_out: list[int] = []

    def tick(clock: LamportClock) -> None:
        given_out.extend(clock.tick() for _ in range(100))

    clocks = [shared, shared, shared, LamportClock.load(path)]
    threads = [threading.Thread(target=tick, args=(clock,)) for clock in clocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given_out) == list(range(1, 401))


def test_processes_share_no_value(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from catflap.clock import LamportClock\n"
        "clock = LamportClock.load(Path(sys.argv[1]), floor=0)\n"
        "print([clock.tick() for _ in range(100)] + list(clock.tick_many(50)))"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    answers = [json.loads(worker.communicate()[0]) for worker in workers]
    assert sorted(value for answer in answers for value in answer) == list(range(1, 601))
    assert all(answer == sorted(answer) for answer in answers)
    assert fields(path)["value"] == 600
