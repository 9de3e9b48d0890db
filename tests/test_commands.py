"""The command line as people and scripts meet it: exit codes, help, `queue`, output on a terminal or not."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from catflap import main
from catflap.commandline import app
from catflap.events import encode_ulid
from catflap.queue import MAX_RETRIES, OfflineQueue
from catflap.terminal import say, show_table
from catflap.wording import printable
from tests.world import FEATURE, Repo, catflap, events

ENTRY = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from catflap.main import run; run()"


def run_here(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    """The exit code of the command, run in this process through its real door."""
    monkeypatch.setattr(sys, "argv", ["catflap", *args])
    with pytest.raises(SystemExit) as end:
        main.run()
    return int(end.value.code or 0)


def event(number: int, **fields: Any) -> dict[str, Any]:
    """A valid event with the clock ``number``."""
    payload = {
        "wp_id": "WP01",
        "previous_status": "planned",
        "new_status": "doing",
        "changed_by": "claude",
        "feature_slug": FEATURE,
    }
    return {
        "event_id": encode_ulid(1_770_000_000_000 + number, number),
        "event_type": "WPStatusChanged",
        "aggregate_id": "WP01",
        "aggregate_type": "WorkPackage",
        "payload": payload,
        "node_id": "0123456789ab",
        "lamport_clock": number,
        "causation_id": None,
        "timestamp": "2026-02-03T12:00:00Z",
        "team_slug": "local",
        **fields,
    }


@pytest.fixture
def queue(home: Path) -> list[dict[str, Any]]:
    """Four events in the queue: the second refused twice, the last two parked."""
    made = [event(number) for number in range(1, 5)]
    with OfflineQueue(home / "queue.db") as queue:
        for one in made:
            assert queue.queue_event(one)
        for count, one in ((2, made[1]), (MAX_RETRIES, made[2]), (MAX_RETRIES, made[3])):
            for _ in range(count):
                queue.increment_retry([one["event_id"]])
    return made


def parked_ids(home: Path) -> list[str]:
    with OfflineQueue(home / "queue.db") as queue:
        return [one["event_id"] for one in queue.parked()]


# -- exit codes


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and group, as its words."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            yield from walk(inner, (*words, name))

    yield from walk(typer.main.get_command(app), ())


def test_the_contracts_commands_are_there() -> None:
    names = {" ".join(words) for words in commands()}
    assert names >= {"install", "uninstall", "observe", "hook", "status", "check", "explain", "schema", "demo"}
    assert names >= {"events", "board", "completion"}
    assert names >= {"queue list", "queue retry", "queue drop", "queue export"}
    assert names >= {f"service {verb}" for verb in ("install", "uninstall", "start", "stop", "status")}


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_help_has_an_example(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(monkeypatch, *words, "--help") == 0
    help_text = capsys.readouterr().out
    assert f"Example: {' '.join(('catflap', *words))}" in help_text


@pytest.mark.parametrize(
    "args",
    [("nope",), ("queue", "nope"), ("status", "--nope"), ("explain",), ("demo", "--last", "0"), ("queue", "drop")],
)
def test_wrong_usage_ends_with_2_and_says_so_on_stderr(args: tuple[str, ...]) -> None:
    done = catflap(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip()


def test_what_the_user_can_fix_ends_with_1(tmp_path: Path) -> None:
    done = catflap("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("catflap: cannot use .: git says: ")
    assert done.stderr.count("\n") == 1


def test_the_version_is_printed() -> None:
    done = catflap("--version")
    assert (done.returncode, done.stdout) == (0, "catflap 0.1.0\n")


def test_our_bug_ends_with_3_and_where_to_report_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("catflap.commands.schema.schema", lambda: 1 // 0)
    assert run_here(monkeypatch, "schema") == 3
    out, said = capsys.readouterr()
    assert out == ""
    assert "ZeroDivisionError" in said
    assert said.endswith(f"please report it with the lines above: {main.REPORT_TO}\n")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="shows by /proc that the command is under way")
def test_ctrl_c_ends_with_130(home: Path, queue: list[dict[str, Any]]) -> None:
    """The command waits for queue.db, which we hold, until it is interrupted."""
    path = home / "queue.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        words = [sys.executable, "-c", ENTRY, "queue", "drop", queue[0]["event_id"]]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not _has_open(process.pid, path):
                with suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"it ended with {process.wait(timeout=0.01)}")
            process.send_signal(signal.SIGINT)
            out, said = process.communicate()
        connection.execute("ROLLBACK")
    assert (process.returncode, out, said) == (130, "", "")
    assert len(events()) == 4


def _has_open(pid: int, path: Path) -> bool:
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{one}") == str(path) for one in os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:  # a descriptor was closed meanwhile
        return False


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("install",),
        ("uninstall",),
        ("observe",),
        ("hook", "post-commit"),
        ("status", "--json"),
        ("check",),
        ("explain", "WP01"),
        ("queue", "drop"),
        ("nope",),
    ],
    ids=" ".join,
)
def test_disabled_every_door_does_nothing_silently(
    args: tuple[str, ...],
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CATFLAP_DISABLE", "1")
    monkeypatch.setattr(sys, "argv", ["catflap", *args])
    main.run()
    assert capsys.readouterr() == ("", "")
    assert not home.exists()


def test_disabled_the_process_ends_with_0(tmp_path: Path) -> None:
    done = catflap("explain", "WP01", cwd=tmp_path, env={"CATFLAP_DISABLE": "1"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("count", [1, 200])
def test_a_reader_that_has_seen_enough_is_no_error(home: Path, count: int) -> None:
    with OfflineQueue(home / "queue.db") as queue:
        for number in range(count):
            queue.queue_event(event(number))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "catflap", "queue", "list", "--json"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("args", [("schema",), ("--version",), ("queue", "list")], ids=" ".join)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device without room")
def test_output_that_cannot_be_written_ends_with_1(args: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "catflap", *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "catflap: cannot write the output: No space left on device; make room, or send it elsewhere\n"


def test_a_damaged_database_is_the_users_to_fix(repo: Repo, home: Path) -> None:
    path = home / "queue.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xaa" * (len(data) - 4096))
    for args in (("observe",), ("status",), ("explain", "WP01"), ("queue", "list")):
        done = catflap(*args, cwd=repo.path)
        assert done.returncode == 1, done.stderr
        assert f"cannot use the queue {path}: database disk image is malformed; move it away" in done.stderr


# -- queue


def test_an_empty_queue_is_listed_and_none_is_made(home: Path) -> None:
    assert catflap("queue", "list").stdout == "0 events pending, none parked.\n"
    for args in (("list", "--json"), ("export",), ("drop", "--parked", "--json"), ("retry", "--json")):
        assert catflap("queue", *args).returncode == 0
    assert catflap("queue", "drop", "X").returncode == 1
    assert not home.exists()


def test_the_list_names_each_event_its_state_and_its_id(queue: list[dict[str, Any]]) -> None:
    done = catflap("queue", "list")
    *rows, count = done.stdout.splitlines()
    columns = [row.split("  ") for row in rows]
    assert [[cell.strip() for cell in row if cell.strip()][1] for row in columns] == [
        "pending",
        "refused 2×",
        "parked",
        "parked",
    ]
    assert rows[0].endswith(f"{FEATURE} WP01  planned → doing  claude  {queue[0]['event_id']}")
    assert count == "2 events pending, 2 parked; `catflap queue retry` gives these another chance."
    assert done.returncode == 0


def test_json_and_export_are_the_full_events_in_queue_order(queue: list[dict[str, Any]]) -> None:
    listed, exported = catflap("queue", "list", "--json"), catflap("queue", "export")
    assert [json.loads(line) for line in listed.stdout.splitlines()] == queue
    assert exported.stdout == listed.stdout
    assert (listed.stderr, exported.stderr) == ("", "4 events exported.\n")


def test_retry_gives_all_parked_events_another_chance(home: Path, queue: list[dict[str, Any]]) -> None:
    assert len(parked_ids(home)) == 2
    done = catflap("queue", "retry")
    assert (done.returncode, done.stdout) == (0, "2 events given another chance.\n")
    assert parked_ids(home) == []
    with OfflineQueue(home / "queue.db") as after:
        assert [row.retry_count for row in after.rows()] == [0, 2, 0, 0]
        assert [row.event for row in after.rows()] == queue


def test_retry_of_named_events_leaves_the_others(home: Path, queue: list[dict[str, Any]]) -> None:
    ids = [one["event_id"] for one in queue]
    done = catflap("queue", "retry", ids[0], ids[3], ids[3])
    assert (done.returncode, done.stdout) == (0, "1 event given another chance. 1 event named had not been parked.\n")
    assert parked_ids(home) == [ids[2]]


def test_an_unknown_id_ends_with_1_and_the_known_are_done(home: Path, queue: list[dict[str, Any]]) -> None:
    ids = [one["event_id"] for one in queue]
    done = catflap("queue", "retry", "--json", "01GONE", ids[2])
    assert (done.returncode, json.loads(done.stdout)) == (1, {"retried": 1, "unknown": ["01GONE"]})
    done = catflap("queue", "drop", "--json", ids[0], "01GONE")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"dropped": 1, "unknown": ["01GONE"]})
    assert "no event '01GONE' is in the queue" in done.stderr
    assert [one["event_id"] for one in events()] == ids[1:]
    done = catflap("queue", "retry", "01GONE")
    assert done.returncode == 1
    assert parked_ids(home) == [ids[3]]


def test_drop_takes_what_is_named_and_the_parked(queue: list[dict[str, Any]]) -> None:
    ids = [one["event_id"] for one in queue]
    done = catflap("queue", "drop", "--parked", ids[0], ids[3])
    assert (done.returncode, done.stdout) == (0, "3 events dropped, never to be sent.\n")
    assert [one["event_id"] for one in events()] == [ids[1]]


def test_drop_without_a_name_drops_nothing(queue: list[dict[str, Any]]) -> None:
    done = catflap("queue", "drop")
    assert done.returncode == 2
    assert "name ids from `catflap queue list`, or use --parked" in done.stderr
    assert len(events()) == len(queue)


def test_rows_of_another_program_are_counted_shown_and_can_be_dropped(home: Path, queue: list[dict[str, Any]]) -> None:
    with closing(sqlite3.connect(home / "queue.db")) as connection, connection:
        row = "INSERT INTO queue (event_id, event_type, data, timestamp, retry_count) VALUES (?, 'X', ?, 1, 9)"
        connection.executemany(row, [("strange-1", "no json"), ("strange-2", '{"event_id": "strange-2"}')])
    listed = catflap("queue", "list")
    assert [line.split()[-1] for line in listed.stdout.splitlines()[4:6]] == ["strange-1", "strange-2"]
    exported = catflap("queue", "export")
    assert len(exported.stdout.splitlines()) == len(queue)
    assert "2 rows are no events and are left out" in exported.stderr
    assert exported.stderr.endswith("4 events exported.\n")
    assert status_of_queue() == (6, 4)
    assert catflap("queue", "drop", "--parked").stdout == "4 events dropped, never to be sent.\n"
    assert status_of_queue() == (2, 0)


def status_of_queue() -> tuple[int, int]:
    found = json.loads(catflap("status", "--json").stdout)["queue"]
    return found["size"], found["parked"]


# -- words and terminals


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("Prüfung → fertig 🐱", "Prüfung → fertig 🐱"),
        ("two\nlines\there", "two lines here"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("\u202eturned", "\ufffdturned"),
        ("caf\udce9", "caf\ufffd"),
    ],
)
def test_what_is_printed_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_elsewhere_than_on_a_terminal_output_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "value"), [("a", "[bold]1[/]"), ("long", "2\n3")])
    say("done", style="red")
    assert capsys.readouterr().out == "a     [bold]1[/]\nlong  2 3\ndone\n"
    assert "rich" not in _loaded_by("queue", "list")


def _loaded_by(*args: str) -> set[str]:
    """The top modules that the command has imported when it ends."""
    ending = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    code = f"{ending}sys.argv[1:] = {list(args)!r}; from catflap.main import run; run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


def on_a_terminal(*args: str, **env: str) -> str:
    """What the command writes to a terminal of 200 columns."""
    import pty

    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "catflap", *args]
    found = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    found |= {"TERM": "xterm-256color", "COLUMNS": "200", **env}
    with subprocess.Popen(words, stdout=follower, stderr=follower, stdin=subprocess.DEVNULL, env=found) as process:
        os.close(follower)
        data = b""
        while True:
            try:
                part = os.read(leader, 1 << 16)
            except OSError:  # EIO: Linux's way to say that the other end is closed
                break
            if not part:
                break
            data += part
    os.close(leader)
    assert process.returncode == 0
    return data.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.usefixtures("queue")
def test_a_terminal_gets_a_table_and_colours_unless_no_color_is_set() -> None:
    shown = on_a_terminal("queue", "list")
    assert "\x1b[" in shown
    assert "planned → doing" in shown
    plain = on_a_terminal("queue", "list", NO_COLOR="1")
    assert "\x1b[3" not in plain
    assert "planned → doing" in plain
    assert "clock" in plain.splitlines()[0]
