"""A backfill that ends early, or is not alone: each event is in the queue once, whatever happens in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catflap import backfill, ledger, queue
from catflap.database import open_database, write_transaction
from catflap.queue import OfflineQueue
from tests.backfilling import commit, ids, opt_in, preview, retold, shorts, story
from tests.watching import wait_for
from tests.world import FEATURE, Repo, catflap, events, told

STEP = 1 if os.environ.get("CATFLAP_TEST_LONG") else 8
"""Every how manyth line it is killed at."""


def long_story(path: Path, commits: int, *, wps: int = 3) -> Repo:
    """WP01 goes to and fro, one event a commit; the first commit tells ``wps`` + 1."""
    repo = Repo.init(path)
    for number in range(1, wps + 1):
        repo.write(f"WP{number:02}")
    commit(repo, "plan", 0)
    for number in range(1, commits):
        repo.write("WP01", ("planned", "doing")[number % 2])
        commit(repo, f"step {number}", number * 60)
    return repo


def fill_queue(home: Path, *, leaving: int) -> None:
    """Put events of another program into the queue, so that ``leaving`` places are free."""
    rows = [(f"X{number:025}", "WPCreated", "{}", 1) for number in range(queue.CAPACITY - leaving)]
    connection = open_database(home / "queue.db")
    with write_transaction(connection):
        connection.executemany("INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, ?, ?, ?)", rows)
    connection.close()


def own() -> list[dict[str, object]]:
    """The events in the queue but those of :func:`fill_queue`."""
    return [event for event in events() if event]


def send(home: Path, count: int) -> None:
    """Take the oldest events out of the queue, as if the server had them."""
    with OfflineQueue(home / "queue.db") as events:
        events.drop([row.event_id for row in events.rows()[:count]])


def test_killed_at_any_line_and_run_again_each_event_is_told_once(tmp_path: Path, home: Path) -> None:
    repo = story(tmp_path / "project")
    opt_in(repo)
    expected = ids(preview(repo))
    command = [sys.executable, "-c", "from catflap import backfill; backfill.PIECE = 3\n"]
    command[2] += f"from tests.killed_backfill import main; main({str(repo.path)!r}, {str(home)!r}, {STEP})"
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(runs) >= 150 / STEP
    assert all(run["killed"] for run in runs)
    assert len({run["halfway"] for run in runs}) >= 3
    for run in runs:
        assert [one[0] for one in run["told"]] == expected, run["line"]
        clocks = [one[1] for one in run["told"]]
        assert clocks == sorted(set(clocks)), run["line"]


def test_full_queue_stops_at_a_commit_and_the_next_run_goes_on(tmp_path: Path, home: Path) -> None:
    repo = long_story(tmp_path / "project", 10)
    opt_in(repo)
    whole = preview(repo)
    fill_queue(home, leaving=backfill.RESERVED + 6)
    first, words = retold(repo)
    assert shorts(first) == shorts(whole)[:6]
    assert "The queue is full: 7 events found no room." in words
    assert "run the same command again: it goes on from here" in words
    assert retold(repo)[0] == []
    send(home, 2)
    assert ids(retold(repo)[0]) == ids(whole)[6:8]
    send(home, 1_000)
    last, words = retold(repo)
    assert ids(last) == ids(whole)[8:]
    assert "no room" not in words
    assert ids(own()) == ids(whole)
    assert "told before: nothing new" in retold(repo)[1]
    repo.lane("for_review")
    repo.observe()
    assert shorts(own()[-1:]) == ["doing>for_review"]


def test_commit_that_would_not_fit_waits_whole(tmp_path: Path, home: Path) -> None:
    repo = long_story(tmp_path / "project", 2, wps=5)
    opt_in(repo)
    fill_queue(home, leaving=backfill.RESERVED + 5)
    assert retold(repo)[0] == []
    send(home, 1)
    assert len(retold(repo)[0]) == 6


def test_commit_larger_than_any_room_is_told_in_parts(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = long_story(tmp_path / "project", 3, wps=9)
    opt_in(repo)
    whole = preview(repo)
    fill_queue(home, leaving=backfill.RESERVED + 4)
    monkeypatch.setattr(backfill, "ROOM", 4)
    parts = []
    while found := retold(repo)[0]:
        parts.append(len(found))
        send(home, 4)
    assert parts == [4, 4, 4]
    assert ids(own()) == ids(whole)


def test_two_backfills_at_once_tell_each_event_once(tmp_path: Path) -> None:
    repo = long_story(tmp_path / "project", 40)
    opt_in(repo)
    expected = ids(preview(repo))
    code = (
        "import sys; from catflap import backfill; backfill.PIECE = 2\n"
        "from catflap.commands.backfill import backfill\n"
        "sys.stdin.read(); sys.exit(backfill('HEAD', as_json=True))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=repo.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()
        run.stdin = None
    printed = []
    for run in runs:
        lines, words = run.communicate()
        assert run.returncode == 0, words
        printed += [json.loads(line)["event_id"] for line in lines.splitlines()]
    assert sorted(printed) == sorted(expected)
    assert ids(events()) == expected
    clocks = [event["lamport_clock"] for event in events()]
    assert clocks == sorted(set(clocks))


def test_commit_during_a_backfill_is_told_and_its_past_is_then_left_out(tmp_path: Path) -> None:
    repo = long_story(tmp_path / "project", 60)
    repo.write("WP02", "doing")
    commit(repo, "the second begins", 10_000)
    repo.install()
    code = (
        "import sys; from catflap import backfill; backfill.PIECE = 1\n"
        "from catflap.backfill import _Writer\n"
        "from catflap.commands.backfill import backfill\n"
        "write = _Writer.write\n"
        "def slowly(*args):\n"
        "    told = write(*args)\n"
        "    print('piece', flush=True); sys.stdin.readline()\n"
        "    return told\n"
        "_Writer.write = slowly\n"
        "sys.exit(backfill('HEAD'))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=repo.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdin is not None
    assert run.stdout is not None
    with run:
        for _ in range(5):
            assert run.stdout.readline() == "piece\n"
            run.stdin.write("\n")
            run.stdin.flush()
        repo.lane("for_review", "WP02")
        assert told()[-1] == "WP02 doing>for_review"
        run.stdin.close()
        wait_for(lambda: "WP02" in run.stdout.read(), "it did not say what it left out")
    assert run.returncode == 0
    assert [one for one in told() if one.startswith("WP02")] == ["WP02 doing>for_review"]
    assert len([one for one in told() if not one.startswith("WP02")]) == 59
    repo.lane("done", "WP02")
    repo.lane("done")
    assert told()[-2:] == ["WP02 for_review>done", "doing>done"]


def test_writing_is_not_locked_while_git_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = long_story(tmp_path / "project", 5)
    opt_in(repo)
    seen = []
    play = backfill.Replay.play

    def listen(self: backfill.Replay) -> object:
        for one in play(self):
            other = open_database(Path(os.environ["SPEC_KITTY_HOME"]) / "queue.db")
            with write_transaction(other, wait_s=0.0):
                seen.append(one.place)
            other.close()
            yield one

    monkeypatch.setattr(backfill.Replay, "play", listen)
    monkeypatch.setattr(backfill, "PIECE", 1)
    assert len(retold(repo)[0]) == 8
    assert seen == [0, 1, 2, 3, 4]


def test_another_question_tells_what_is_left_once(tmp_path: Path, home: Path) -> None:
    repo = long_story(tmp_path / "project", 10)
    opt_in(repo)
    fill_queue(home, leaving=backfill.RESERVED + 6)
    assert len(retold(repo)[0]) == 6
    send(home, 1_000)
    assert len(retold(repo, feature=FEATURE)[0]) == 13
    assert len(own()) == len(set(ids(own()))) == 13
    assert retold(repo)[0] == []
    connection = open_database(home / "queue.db")
    project = ledger.find_project(connection, str(repo.path / ".git"))
    connection.close()
    assert project is not None
    assert catflap("uninstall", "--purge", cwd=repo.path).returncode == 0
    connection = open_database(home / "queue.db")
    assert connection.execute("SELECT count(*) FROM milestone").fetchone() == (0,)
    connection.close()
