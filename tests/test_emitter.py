"""The door for programs: what emit_* stores, what it refuses, and that it never raises; the ledger that it moves."""

from __future__ import annotations

import inspect
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

import catflap
from catflap import EventEmitter, get_emitter
from catflap.clock import LamportClock, generate_node_id
from catflap.database import open_database, write_transaction
from catflap.errors import CatflapError, ClockUnwritable, DatabaseUnusable, InvalidEvent, QueueFull
from catflap.events import Event, validate
from catflap.queue import CAPACITY, append
from tests.world import FEATURE, Repo, events, planned, short, told

EMITTED: dict[str, tuple[str, dict[str, Any], dict[str, Any], str, str]] = {
    "emit_wp_status_changed": (
        "WPStatusChanged",
        {"wp_id": "WP01", "previous_status": "planned", "new_status": "doing"},
        {"changed_by": "user", "feature_slug": None},
        "WP01",
        "WorkPackage",
    ),
    "emit_wp_created": (
        "WPCreated",
        {"wp_id": "WP02", "title": "Build it", "feature_slug": "001-demo"},
        {"dependencies": []},
        "WP02",
        "WorkPackage",
    ),
    "emit_wp_assigned": (
        "WPAssigned",
        {"wp_id": "WP01", "agent_id": "claude", "phase": "review"},
        {"retry_count": 0, "feature_slug": None},
        "WP01",
        "WorkPackage",
    ),
    "emit_feature_created": (
        "FeatureCreated",
        {
            "feature_slug": "001-demo",
            "feature_number": "001",
            "target_branch": "main",
            "wp_count": 7,
            "created_at": "2026-02-03T12:00:00Z",
        },
        {},
        "001-demo",
        "Feature",
    ),
    "emit_feature_completed": (
        "FeatureCompleted",
        {"feature_slug": "001-demo", "total_wps": 7, "completed_at": "2026-02-03T12:00:00Z"},
        {"total_duration": None},
        "001-demo",
        "Feature",
    ),
    "emit_history_added": (
        "HistoryAdded",
        {"wp_id": "WP01", "entry_type": "comment", "entry_content": "half done"},
        {"author": "user", "feature_slug": None},
        "WP01",
        "WorkPackage",
    ),
    "emit_error_logged": (
        "ErrorLogged",
        {"error_type": "auth", "error_message": "refused"},
        {"wp_id": None, "stack_trace": None, "agent_id": None, "feature_slug": None},
        "error",
        "Feature",
    ),
    "emit_dependency_resolved": (
        "DependencyResolved",
        {"wp_id": "WP02", "dependency_wp_id": "WP01", "resolution_type": "merged"},
        {"feature_slug": None},
        "WP02",
        "WorkPackage",
    ),
}
SIGNATURES = {
    "emit_wp_status_changed": "wp_id, previous_status, new_status, changed_by='user', feature_slug=None",
    "emit_wp_created": "wp_id, title, feature_slug, dependencies=None",
    "emit_wp_assigned": "wp_id, agent_id, phase, retry_count=0, feature_slug=None",
    "emit_feature_created": "feature_slug, feature_number, target_branch, wp_count, created_at=None",
    "emit_feature_completed": "feature_slug, total_wps, completed_at=None, total_duration=None",
    "emit_history_added": "wp_id, entry_type, entry_content, author='user', feature_slug=None",
    "emit_error_logged": "error_type, error_message, wp_id=None, stack_trace=None, agent_id=None",
    "emit_dependency_resolved": "wp_id, dependency_wp_id, resolution_type, feature_slug=None",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs in a folder that is in no repository, and closes what the door opened."""
    monkeypatch.chdir(tmp_path)
    yield
    get_emitter().close()


@pytest.fixture
def emitter(home: Path) -> Iterator[EventEmitter]:
    with closing(EventEmitter(home)) as found:
        yield found


def a_change(emitter: EventEmitter, **fields: Any) -> dict[str, Any] | None:
    return emitter.emit_wp_status_changed("WP01", "planned", "doing", feature_slug=FEATURE, **fields)


@pytest.mark.parametrize("name", EMITTED)
def test_function_queues_the_event_that_it_returns(name: str) -> None:
    event_type, given, defaults, aggregate_id, aggregate_type = EMITTED[name]
    found = getattr(catflap, name)(**given)
    assert found is not None
    validate(found)
    assert found["payload"] == given | defaults
    assert (found["event_type"], found["aggregate_id"], found["aggregate_type"]) == (
        event_type,
        aggregate_id,
        aggregate_type,
    )
    assert (found["lamport_clock"], found["node_id"]) == (1, generate_node_id())
    assert (found["team_slug"], found["causation_id"]) == ("local", None)
    assert events() == [found]


@pytest.mark.parametrize("name", EMITTED)
def test_method_does_the_same_and_names_its_cause(emitter: EventEmitter, name: str) -> None:
    cause = emitter.generate_causation_id()
    found = getattr(emitter, name)(**EMITTED[name][1], causation_id=cause)
    assert found is not None
    assert found["causation_id"] == cause
    assert events() == [found]


@pytest.mark.parametrize("name", EMITTED)
def test_signature_is_the_contracts(name: str) -> None:
    for call in (getattr(catflap, name), getattr(get_emitter(), name)):
        parameters = inspect.signature(call).parameters.values()
        shown = [one.name if one.default is one.empty else f"{one.name}={one.default!r}" for one in parameters]
        assert ", ".join(shown) == f"{SIGNATURES[name]}, causation_id=None"


def test_times_that_are_not_given_are_now() -> None:
    created = catflap.emit_feature_created("001-demo", "001", "main", 7)
    completed = catflap.emit_feature_completed("001-demo", 7, total_duration="P1D")
    assert created is not None
    assert completed is not None
    assert created["payload"]["created_at"] == created["timestamp"]
    assert completed["payload"]["completed_at"] == completed["timestamp"]


def test_error_of_a_work_package_is_that_work_packages() -> None:
    found = catflap.emit_error_logged("runtime", "it broke", "WP07", "at line 3", "claude")
    assert found is not None
    assert (found["aggregate_id"], found["aggregate_type"]) == ("WP07", "WorkPackage")


BAD: list[tuple[str, tuple[Any, ...], str]] = [
    ("emit_wp_status_changed", ("WP1", "planned", "doing"), "payload.wp_id"),
    ("emit_wp_status_changed", ("WP01", "planned", "finished"), "payload.new_status"),
    ("emit_wp_status_changed", ("WP01", "planned", "doing", ""), "payload.changed_by"),
    ("emit_wp_status_changed", ("WP01", "planned", "doing", "user", "001-demo", "no ulid"), "causation_id"),
    ("emit_wp_status_changed", (None, ["planned"], {}), "payload.wp_id"),
    ("emit_wp_created", ("WP01", "t", None), "payload.feature_slug"),
    ("emit_wp_created", ("WP01", "t", "f", "WP02"), "payload.dependencies"),
    ("emit_wp_created", ("WP01", "t", "f", 5), "payload.dependencies"),
    ("emit_wp_created", ("WP01", "t", "f", [threading.Lock()]), "payload.dependencies"),
    ("emit_wp_assigned", ("WP01", "a", "testing"), "payload.phase"),
    ("emit_wp_assigned", ("WP01", "a", "review", True), "payload.retry_count"),
    ("emit_wp_assigned", ("WP01", "a", "review", -(10**5000)), "ValueError"),
    ("emit_feature_created", ("f", "001", "main", 7, "yesterday"), "payload.created_at"),
    ("emit_feature_completed", ("f", "7"), "payload.total_wps"),
    ("emit_history_added", ("WP01", "rumour", "x"), "payload.entry_type"),
    ("emit_error_logged", ("runtime", ""), "payload.error_message"),
    ("emit_error_logged", ("runtime", "x", "nobody"), "payload.wp_id"),
    ("emit_dependency_resolved", ("WP01", "WP02", "ignored"), "payload.resolution_type"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), BAD, ids=[f"{one[0]}-{one[2]}" for one in BAD])
def test_event_that_is_not_valid_is_a_warning_and_none(
    caplog: pytest.LogCaptureFixture, home: Path, name: str, arguments: tuple[Any, ...], words: str
) -> None:
    assert getattr(catflap, name)(*arguments) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert words in caplog.text
    assert not home.exists()  # nothing was opened for it, and the clock did not move


def test_endless_argument_is_a_warning_and_none(caplog: pytest.LogCaptureFixture) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert catflap.emit_wp_created("WP01", "t", "f", deep) is None
    assert "RecursionError" in caplog.text


def test_number_that_no_json_can_be_is_a_warning_and_none(caplog: pytest.LogCaptureFixture) -> None:
    assert catflap.emit_wp_assigned("WP01", "a", "review", 10**5000) is None
    assert "was not told" in caplog.text
    assert events() == []


def home_is_a_file(home: Path) -> None:
    home.write_text("mine")


def database_is_a_text(home: Path) -> None:
    home.mkdir()
    (home / "queue.db").write_text("no database, but long enough to be looked at as one\n" * 40)


def database_is_a_folder(home: Path) -> None:
    (home / "queue.db").mkdir(parents=True)


def clock_cannot_be_locked(home: Path) -> None:
    (home / "clock.json.lock").mkdir(parents=True)


UNUSABLE = [
    (home_is_a_file, DatabaseUnusable),
    (database_is_a_text, DatabaseUnusable),
    (database_is_a_folder, DatabaseUnusable),
    (clock_cannot_be_locked, ClockUnwritable),
]


@pytest.mark.parametrize(("spoil", "error"), UNUSABLE, ids=lambda value: value.__name__)
def test_event_that_cannot_be_stored_is_a_warning_and_none(
    caplog: pytest.LogCaptureFixture, home: Path, spoil: Callable[[Path], None], error: type[CatflapError]
) -> None:
    spoil(home)
    assert catflap.emit_history_added("WP01", "note", "x") is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(home) in caplog.text
    with pytest.raises(error):
        get_emitter().emit("HistoryAdded", "WP01", {"wp_id": "WP01", **EMITTED["emit_history_added"][1], "author": "u"})


def test_clock_that_cannot_be_kept_stores_nothing(emitter: EventEmitter, home: Path) -> None:
    clock_cannot_be_locked(home)
    assert a_change(emitter) is None
    assert events() == []
    (home / "clock.json.lock").rmdir()
    assert a_change(emitter) is not None
    assert [event["lamport_clock"] for event in events()] == [1]


def test_user_without_a_home_is_a_warning_and_none(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEC_KITTY_HOME", "~nobody-of-this-name/spec-kitty")
    assert catflap.emit_history_added("WP01", "note", "x") is None
    assert "SPEC_KITTY_HOME" in caplog.text


def test_full_queue_is_a_warning_and_none_and_the_clock_stands(
    emitter: EventEmitter, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_database(home / "queue.db")) as connection, write_transaction(connection):
        rows = [{"event_id": str(n), "event_type": "WPCreated", "lamport_clock": n} for n in range(CAPACITY)]
        append(connection, rows, queued_at=1)
    assert a_change(emitter) is None
    assert "10,000 events" in caplog.text
    with pytest.raises(QueueFull):
        emitter.emit("WPCreated", "WP01", {"wp_id": "WP01", "title": "t", "dependencies": [], "feature_slug": "f"})
    assert emitter.queue.size() == CAPACITY
    assert not (home / "clock.json").exists()
    emitter.queue.mark_synced(["17"])
    found = a_change(emitter)
    assert found is not None
    assert found["lamport_clock"] == CAPACITY  # one above the highest ever queued


def test_disabled_door_does_nothing_silently(
    monkeypatch: pytest.MonkeyPatch, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CATFLAP_DISABLE", "1")
    assert catflap.emit_history_added("WP01", "note", "x") is None
    assert get_emitter().emit_history_added("WP01", "note", "x") is None
    assert not home.exists()
    assert caplog.records == []


def test_emit_gives_the_event_itself(emitter: EventEmitter) -> None:
    payload = {"wp_id": "WP01", "error_type": "runtime", "error_message": "x"}
    event = emitter.emit("ErrorLogged", "WP01", payload)
    assert isinstance(event, Event)
    payload["error_message"] = "changed afterwards"
    assert event.payload["error_message"] == "x"
    assert events() == [event.to_dict()]


@pytest.mark.parametrize(
    ("event_type", "aggregate_id", "payload"),
    [
        ("Unheard", "WP01", {}),
        (["WPCreated"], "WP01", {}),
        ("ErrorLogged", "", {"error_type": "runtime", "error_message": "x"}),
        ("ErrorLogged", "e", {"error_type": "runtime"}),
        ("ErrorLogged", "e", None),
        ("ErrorLogged", "e", {"error_type": "runtime", "error_message": "x", "more": object()}),
    ],
    ids=["type", "no text", "aggregate", "missing", "no payload", "no JSON"],
)
def test_emit_says_what_is_not_valid(emitter: EventEmitter, event_type: Any, aggregate_id: str, payload: Any) -> None:
    with pytest.raises(InvalidEvent):
        emitter.emit(event_type, aggregate_id, payload)
    assert events() == []


def test_ids_strictly_increase_whatever_the_wall_clock_does(
    emitter: EventEmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    steps = iter([now, now, now - 3600, now - 3600, now + 1, now])
    found = []
    for at in steps:
        monkeypatch.setattr("catflap.emission.time.time", lambda at=at: at)
        found.append(emitter.generate_causation_id())
        event = a_change(emitter)
        assert event is not None
        found.append(event["event_id"])
    assert all(before < after for before, after in pairwise(found))
    assert all(ULID.from_str(one).timestamp <= now + 1.001 for one in found)


def test_clock_is_above_a_lost_files_and_a_received_one(emitter: EventEmitter, home: Path) -> None:
    assert a_change(emitter) is not None
    assert LamportClock.load(home / "clock.json").receive(70) == 71
    assert a_change(emitter) is not None
    (home / "clock.json").unlink()
    with closing(EventEmitter(home)) as later:
        assert a_change(later) is not None
        assert later.clock.value == 73
    assert [event["lamport_clock"] for event in events()] == [1, 72, 73]


def test_node_id_is_the_clock_files(emitter: EventEmitter, home: Path) -> None:
    home.mkdir()
    (home / "clock.json").write_text('{"value": 41, "node_id": "alice-laptop-abc123"}')
    found = a_change(emitter)
    assert found is not None
    assert (found["node_id"], found["lamport_clock"]) == ("alice-laptop-abc123", 42)


def test_emitter_is_offline_and_opens_nothing_to_say_so(emitter: EventEmitter, home: Path) -> None:
    assert emitter.get_connection_status() == "Offline"
    emitter.close()
    assert not home.exists()


def test_closed_emitter_opens_again(emitter: EventEmitter) -> None:
    assert a_change(emitter) is not None
    emitter.close()
    assert a_change(emitter) is not None
    assert len(events()) == 2


def test_door_has_one_emitter_for_each_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_emitter()
    found: list[EventEmitter] = []
    threads = [threading.Thread(target=lambda: found.append(get_emitter())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(one) for one in found} == {id(first)}
    monkeypatch.setenv("SPEC_KITTY_HOME", str(tmp_path / "other"))
    assert get_emitter() is not first
    monkeypatch.setenv("SPEC_KITTY_HOME", str(home))
    assert get_emitter() is first


def test_threads_share_the_door() -> None:
    def emit() -> None:
        for _ in range(50):
            assert catflap.emit_history_added("WP01", "note", "x") is not None

    threads = [threading.Thread(target=emit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = events()
    assert [event["lamport_clock"] for event in found] == list(range(1, 201))
    ids = [event["event_id"] for event in found]
    assert ids == sorted(set(ids))


def test_forked_child_goes_on_with_its_parents_emitter(emitter: EventEmitter) -> None:
    assert a_change(emitter) is not None
    child = os.fork()
    if not child:
        done = [a_change(emitter) for _ in range(50)] + [catflap.emit_history_added("WP01", "note", "x")]
        os._exit(0 if all(done) else 1)
    assert all(a_change(emitter) is not None for _ in range(50))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    found = events()
    assert [event["lamport_clock"] for event in found] == list(range(1, 103))
    assert len({event["event_id"] for event in found}) == 102


# -- the ledger of the project that we are in


@pytest.fixture
def repo(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """We are in a folder of it."""
    monkeypatch.chdir(repo.path / "kitty-specs")
    return repo


def test_observation_of_what_was_stated_tells_nothing(repo: Repo) -> None:
    found = catflap.emit_wp_status_changed("WP01", "planned", "doing", "claude", FEATURE)
    assert found is not None
    assert found["project_slug"] == "project"
    repo.lane("doing")
    assert told() == ["planned>doing"]
    repo.lane("for_review")
    assert told() == ["planned>doing", "doing>for_review"]


def test_agent_and_work_package_that_were_stated_are_not_told_again(repo: Repo) -> None:
    assert catflap.emit_wp_assigned("WP01", "claude", "implementation", feature_slug=FEATURE) is not None
    assert catflap.emit_wp_created("WP05", "Build WP05", FEATURE) is not None
    repo.write("WP05", "planned")
    repo.lane("planned", agent="claude")
    assert [short(event) for event in events()] == ["assigned claude implementation 0", "WP05 created"]


def test_feature_that_was_stated_causes_its_work_packages(repo: Repo) -> None:
    created = catflap.emit_feature_created("002-new", "002", "main", 1)
    assert created is not None
    repo.write("WP01", "planned", feature="002-new")
    repo.commit("new")
    assert [short(event) for event in events()] == ["feature 002-new of 1", "created"]
    assert events()[1]["causation_id"] == created["event_id"]


def test_event_without_a_feature_is_queued_and_moves_no_ledger(repo: Repo) -> None:
    assert catflap.emit_wp_status_changed("WP01", "planned", "doing") is not None
    repo.lane("doing")
    assert told() == ["planned>doing", "planned>doing"]


def test_repository_that_is_not_registered_has_no_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = planned(tmp_path / "project")
    monkeypatch.chdir(repo.path)
    found = catflap.emit_wp_status_changed("WP01", "planned", "doing", "user", FEATURE)
    assert found is not None
    assert "project_slug" not in found


def test_ledger_that_cannot_hold_a_text_undoes_the_whole_emission(repo: Repo, caplog: pytest.LogCaptureFixture) -> None:
    assert repo.path.is_dir()
    assert catflap.emit_wp_created("WP05", "half a pair: \ud800", FEATURE) is None
    assert "surrogates not allowed" in caplog.text
    assert events() == []


def test_directory_that_is_gone_has_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    found = catflap.emit_history_added("WP01", "note", "x")
    monkeypatch.chdir(tmp_path)
    assert found is not None
    assert caplog.records == []


# -- what importing costs


def test_import_of_catflap_alone_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import catflap\n"
        "print(sorted(set(sys.modules) - before - {'__future__'}))\n"
        "print(catflap.Event.__module__, catflap.OfflineQueue.__module__, catflap.generate_node_id.__module__)\n"
        "print(set(catflap.__all__) <= set(dir(catflap)), hasattr(catflap, 'emit_nothing'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['catflap']", "catflap.events catflap.queue catflap.clock", "True False"]


def test_emission_of_a_program_imports_no_command_line() -> None:
    code = (
        "import sys, json, catflap; event = catflap.emit_history_added('WP01', 'note', 'x')\n"
        "print(json.dumps([event is not None, sorted({'typer', 'rich', 'yaml', 'ulid'} & set(sys.modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, []]


@pytest.mark.parametrize("name", catflap.__all__)
def test_public_name_is_there(name: str) -> None:
    assert getattr(catflap, name).__name__ == name
