"""The offline queue: order, capacity, parking, what leaves it and what stays; across threads and forks."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from catflap import queue as queue_module
from catflap.database import open_database, write_transaction
from catflap.errors import DatabaseBusy, InvalidEvent
from catflap.queue import CAPACITY, MAX_RETRIES, OfflineQueue, append, highest_clock, highest_clock_in, room


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"E{number:05}", "event_type": "WPCreated", "lamport_clock": number, **fields}


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [one["event_id"] for one in events]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def queue(path: Path) -> Iterator[OfflineQueue]:
    with OfflineQueue(path) as found:
        yield found


def fill(path: Path, count: int, *, first: int = 1) -> None:
    """Rows put there in bulk."""
    with closing(open_database(path)) as connection, write_transaction(connection):
        append(connection, [event(number) for number in range(first, first + count)], queued_at=1)


def test_default_place_is_the_home(home: Path) -> None:
    with OfflineQueue() as queue:
        assert queue.path == home / "queue.db"
        assert queue.queue_event(event(1))
    assert (home / "queue.db").is_file()


def test_events_come_out_as_they_went_in_oldest_first(queue: OfflineQueue) -> None:
    events = [event(3, payload={"title": "Überblick ☃"}), event(1), event(2)]
    assert all(queue.queue_event(one) for one in events)
    assert queue.drain_queue() == events
    assert queue.drain_queue(limit=2) == events[:2]
    assert queue.size() == 3  # draining takes nothing away


def test_row_holds_the_whole_event_as_json(queue: OfflineQueue, path: Path) -> None:
    queue.queue_event(event(1, payload={"a": [1, None]}))
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT id, event_id, event_type, data, retry_count FROM queue").fetchone()
        kinds = connection.execute("SELECT typeof(data), typeof(timestamp), typeof(retry_count) FROM queue").fetchone()
    assert row[:3] == (1, "E00001", "WPCreated")
    assert json.loads(row[3]) == event(1, payload={"a": [1, None]})
    assert row[4] == 0
    assert kinds == ("text", "integer", "integer")


def test_event_that_is_queued_stays_as_it_was(queue: OfflineQueue) -> None:
    assert queue.queue_event(event(1, title="first"))
    assert queue.queue_event(event(1, title="second"))
    assert queue.drain_queue() == [event(1, title="first")]


@pytest.mark.parametrize(
    "bad",
    [{}, {"event_id": "a"}, {"event_id": 1, "event_type": "b"}, event(1, at=object()), event(1, at=float("nan"))],
    ids=["empty", "no type", "number", "object", "nan"],
)
def test_what_is_no_event_is_refused_and_nothing_changes(queue: OfflineQueue, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent):
        queue.queue_event(bad)
    assert queue.size() == 0


def test_synced_events_leave_and_unknown_ids_do_nothing(queue: OfflineQueue, path: Path) -> None:
    fill(path, 4)
    assert queue.mark_synced(["E00002", "E00003", "nobody"]) == 2
    assert ids(queue.drain_queue()) == ["E00001", "E00004"]
    assert queue.mark_synced([]) == 0
    assert queue.drop(["E00001"]) == 1
    assert ids(queue.drain_queue()) == ["E00004"]


def test_more_ids_than_sqlite_takes_in_one_statement(queue: OfflineQueue, path: Path) -> None:
    fill(path, 2_000)
    assert queue.mark_synced(f"E{number:05}" for number in range(1, 2_001)) == 2_000
    assert queue.size() == 0


def test_event_refused_five_times_is_parked_kept_and_shown(queue: OfflineQueue, path: Path) -> None:
    fill(path, 2)
    for refusals in range(1, MAX_RETRIES + 1):
        assert ids(queue.drain_queue()) == ["E00001", "E00002"]
        assert queue.increment_retry(["E00001", "nobody"]) == 1
        assert [row.retry_count for row in queue.rows()] == [refusals, 0]
    assert ids(queue.drain_queue()) == ["E00002"]
    assert ids(queue.parked()) == ["E00001"]
    assert queue.size() == 2


def test_why_an_event_was_refused_is_kept_as_long_as_it_waits(queue: OfflineQueue, path: Path) -> None:
    def reasons() -> list[str | None]:
        return [row.refusal for row in queue.rows()]

    fill(path, 4)
    assert queue.refuse({"E00001": "no such lane", "E00002": "old", "nobody": "x"}) == 2
    assert queue.refuse({"E00002": "new"}) == 1
    queue.increment_retry(["E00003"])
    assert reasons() == ["no such lane", "new", None, None]
    assert [row.retry_count for row in queue.rows()] == [1, 2, 1, 0]
    for _ in range(MAX_RETRIES):
        queue.refuse({"E00001": "no such lane"})
    queue.retry_parked(["E00001"])
    assert reasons() == [None, "new", None, None]
    queue.mark_synced(["E00002"])
    queue.refuse({"E00003": "last"})
    with closing(sqlite3.connect(path)) as connection:  # nothing is kept of what left
        assert connection.execute("SELECT event_id FROM refusal").fetchall() == [("E00001",), ("E00003",)]


def test_parked_event_keeps_its_place_when_it_is_tried_again(queue: OfflineQueue, path: Path) -> None:
    fill(path, 3)
    for _ in range(MAX_RETRIES):
        queue.increment_retry(["E00001", "E00002"])
    assert queue.retry_parked(["E00002", "E00003"]) == 1
    assert ids(queue.drain_queue()) == ["E00002", "E00003"]
    assert queue.retry_parked() == 1
    assert ids(queue.drain_queue()) == ["E00001", "E00002", "E00003"]
    assert queue.parked() == []


def test_events_by_retry_count_are_those_refused_fewer_times(queue: OfflineQueue, path: Path) -> None:
    fill(path, 3)
    for refusals, one in enumerate(["E00001", "E00002", "E00003"]):
        for _ in range(refusals * 3):
            queue.increment_retry([one])
    assert ids(queue.get_events_by_retry_count()) == ["E00001", "E00002"]
    assert ids(queue.get_events_by_retry_count(max_retries=3)) == ["E00001"]
    assert ids(queue.get_events_by_retry_count(7)) == ["E00001", "E00002", "E00003"]


def test_row_that_another_program_left_without_a_count_is_new(queue: OfflineQueue, path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE queue SET retry_count = NULL")
    assert ids(queue.drain_queue()) == ["E00001"]
    assert queue.increment_retry(["E00001"]) == 1
    assert [row.retry_count for row in queue.rows()] == [1]


def test_row_that_is_no_event_is_said_so_and_not_sent(
    queue: OfflineQueue, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(path, 2)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE queue SET data = '[1' WHERE id = 1")
    assert ids(queue.drain_queue()) == ["E00002"]
    assert "catflap queue drop E00001" in caplog.text
    assert queue.rows()[0].event == {"event_id": "E00001", "event_type": "WPCreated"}


def test_full_queue_takes_nothing_loses_nothing_and_warns_once(
    queue: OfflineQueue, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(path, CAPACITY - 1)
    assert queue.queue_event(event(CAPACITY))
    assert not queue.queue_event(event(CAPACITY + 1))
    assert not queue.queue_event(event(CAPACITY + 2))
    assert queue.queue_event(event(1))  # which is there
    assert queue.size() == CAPACITY
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "10,000 events" in caplog.text
    assert queue.mark_synced(["E00005"]) == 1
    assert queue.queue_event(event(CAPACITY + 3))
    assert ids(queue.drain_queue(CAPACITY))[-1] == f"E{CAPACITY + 3:05}"
    assert queue.size() == CAPACITY


@pytest.mark.parametrize(("gone", "free"), [(0, 400), (200, 600), (9_600, 10_000)])
def test_room_is_exact_when_it_is_short_whatever_the_gaps(path: Path, gone: int, free: int) -> None:
    fill(path, CAPACITY - 400)
    with closing(open_database(path)) as connection:
        connection.execute("DELETE FROM queue WHERE id BETWEEN 2 AND ?", (gone + 1,))
        connection.execute("DELETE FROM queue WHERE id = 1 AND ? >= 9600", (gone,))
        assert room(connection) == free


def test_old_row_does_not_make_the_queue_full(path: Path) -> None:
    fill(path, 1)
    with closing(open_database(path)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 1000000 WHERE name = 'queue'")
    fill(path, 5, first=10)
    with closing(open_database(path)) as connection:
        assert room(connection) == CAPACITY - 6


def test_ids_are_never_used_again(queue: OfflineQueue, path: Path) -> None:
    fill(path, 3)
    queue.clear()
    queue.queue_event(event(9))
    assert [row.id for row in queue.rows()] == [4]


def test_highest_clock_survives_the_events(queue: OfflineQueue, path: Path) -> None:
    fill(path, 7)
    queue.queue_event(event(2, event_id="late", lamport_clock=3))
    queue.clear()
    assert queue.size() == 0
    assert highest_clock_in(path) == 7


@pytest.mark.parametrize("clock", [None, "9", -1, True, 2**60, 7.5], ids=str)
def test_clock_that_is_none_does_not_move_the_highest(path: Path, clock: Any) -> None:
    with closing(open_database(path)) as connection:
        with write_transaction(connection):
            append(connection, [event(1, lamport_clock=clock)], queued_at=1)
        assert highest_clock(connection) == 0


def test_highest_clock_of_what_is_no_queue_is_zero_and_nothing_is_made(tmp_path: Path) -> None:
    assert highest_clock_in(tmp_path / "queue.db") == 0
    (tmp_path / "text").write_text("hello, this is a text and not a database\n" * 40)
    assert highest_clock_in(tmp_path / "text") == 0
    assert [one.name for one in tmp_path.iterdir()] == ["text"]


def test_events_of_one_transaction_are_queued_together_or_not_at_all(path: Path) -> None:
    with closing(open_database(path)) as connection:
        with pytest.raises(InvalidEvent), write_transaction(connection):
            append(connection, [event(1), event(2, at=object())], queued_at=1)
        assert connection.execute("SELECT count(*) FROM queue").fetchone() == (0,)
        assert highest_clock(connection) == 0


def test_closed_queue_opens_again(queue: OfflineQueue) -> None:
    queue.queue_event(event(1))
    queue.close()
    queue.close()
    assert queue.size() == 1


def test_threads_share_a_queue(queue: OfflineQueue) -> None:
    def put(worker: int) -> None:
        for number in range(50):
            assert queue.queue_event(event(worker * 100 + number))

    threads = [threading.Thread(target=put, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(queue.drain_queue())) == sorted(f"E{w * 100 + n:05}" for w in range(4) for n in range(50))


def test_reader_sees_the_last_state_while_another_writes(queue: OfflineQueue, path: Path) -> None:
    fill(path, 1)
    with closing(open_database(path)) as connection, write_transaction(connection):
        append(connection, [event(2)], queued_at=1)
        assert queue.size() == 1


def test_queue_held_by_another_is_said_so(queue: OfflineQueue, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(connection: sqlite3.Connection) -> Any:
        return write_transaction(connection, wait_s=0.05)

    monkeypatch.setattr(queue_module, "write_transaction", impatient)
    with closing(open_database(path)) as connection, write_transaction(connection), pytest.raises(DatabaseBusy):
        queue.queue_event(event(1))
    assert queue.queue_event(event(1))


ORPHAN = """
import os, subprocess, sys
from pathlib import Path
from catflap.queue import OfflineQueue

def event(name):
    return {"event_id": name, "event_type": "WPCreated", "lamport_clock": 1}

queue = OfflineQueue(Path(sys.argv[1]))
queue.queue_event(event("parent"))
read, write = os.pipe()
if os.fork():
    os._exit(0)  # the parent is gone; the child has `write` closed by this, and goes on
os.close(write)
assert queue.queue_event(event("child 1"))
assert os.read(read, 1) == b""  # the parent is gone: its end of the pipe is closed
another = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM queue').fetchone()"
subprocess.run([sys.executable, "-c", another, sys.argv[1]], check=True)
assert queue.queue_event(event("child 2"))
print("done", flush=True)
os._exit(0)
"""


def test_events_of_a_forked_child_outlive_its_parent(path: Path) -> None:
    """Another process that opens and closes queue.db must not think that it was the last, and delete the WAL."""
    done = subprocess.run([sys.executable, "-c", ORPHAN, str(path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")
    with OfflineQueue(path) as queue:
        assert ids(queue.drain_queue()) == ["parent", "child 1", "child 2"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns: that is what is tested
def test_fork_waits_for_the_transaction_of_another_thread(queue: OfflineQueue) -> None:
    inside, release = threading.Event(), threading.Event()

    def write() -> None:
        with queue.writing() as connection:
            append(connection, [event(1)], queued_at=1)
            inside.set()
            assert release.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(30)
    threading.Timer(0.05, release.set).start()
    child = os.fork()
    if not child:
        signal.alarm(30)  # a child that waits for ever would outlive the tests
        os._exit(0 if queue.queue_event(event(2)) and queue.size() == 2 else 1)
    writer.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ids(queue.drain_queue()) == ["E00001", "E00002"]
