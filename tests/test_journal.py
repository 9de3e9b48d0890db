"""The journal: what queue.db still knows of what was told and what was held back, before and after it was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from catflap import ledger, trace
from catflap.database import open_database, write_transaction
from catflap.entrylines import line_of, style_of
from catflap.journal import Entry, Journal, State, lane_times
from catflap.ledger import Project
from catflap.queue import MAX_RETRIES, OfflineQueue
from catflap.trace import TraceRow
from tests.world import FEATURE, Repo, catflap, events, planned, short


@pytest.fixture
def connection(home: Path) -> Iterator[Connection]:
    with closing(open_database(home / "queue.db")) as opened:
        yield opened


def project(connection: Connection, name: str = "project") -> Project:
    [found] = [one for one in ledger.projects(connection) if one.path.endswith(f"/{name}")]
    return found


def entries(connection: Connection, name: str = "project") -> list[Entry]:
    return Journal(connection, [project(connection, name)]).new()


def send_all(home: Path) -> list[str]:
    """As a server would that takes everything; the ids."""
    with OfflineQueue(home / "queue.db") as queue:
        ids = [row.event_id for row in queue.rows()]
        queue.mark_synced(ids)
    return ids


def test_what_is_queued_is_whole_and_in_the_order_of_telling(repo: Repo, connection: Connection) -> None:
    repo.write("WP01", "done", feature="002-next", agent="claude")
    repo.write("WP02", "planned", feature="002-next", depends=["WP01"])
    repo.commit("next")
    found = entries(connection)
    assert [dict(entry.event) for entry in found] == events()
    assert len(found) >= 6
    assert {(entry.state, entry.is_whole) for entry in found} == {(State.PENDING, True)}
    told = next(entry for entry in found if entry.event["event_type"] == "WPStatusChanged")
    assert told.decision is not None
    assert (told.decision.rule, told.decision.commit_sha) == ("commit", repo.head())


def test_what_was_sent_is_still_whole_and_in_order(repo: Repo, connection: Connection, home: Path) -> None:
    repo.write("WP01", "done", feature="002-next", agent="claude")
    repo.write("WP02", "planned", feature="002-next", depends=["WP01"])
    repo.commit("next")
    told = events()
    send_all(home)
    repo.lane("doing")
    found = entries(connection)
    assert [dict(entry.event) for entry in found] == [*told, *events()]
    assert all(entry.is_whole for entry in found)
    assert [entry.state for entry in found] == [State.TOLD] * len(told) + [State.PENDING]


def test_what_was_sent_long_ago_is_still_known_by_its_decision(
    repo: Repo, connection: Connection, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catflap.queue.SENT_ROWS", 0)
    repo.write("WP01", "doing", agent="claude", log=["- 2026-01-01T00:00:00Z – claude – begun"])
    repo.write("WP05", "planned")
    repo.commit("several facts")
    whole = {one["event_id"]: one for one in events()}
    assert set(send_all(home)) == set(whole)
    found = entries(connection)
    assert {entry.event["event_id"] for entry in found} == set(whole)
    for entry in found:
        full = whole[entry.event["event_id"]]
        assert (entry.state, entry.is_whole) == (State.TOLD, False)
        names = ("event_type", "aggregate_id", "aggregate_type", "timestamp", "project_slug", "head_commit_sha")
        assert {name: entry.event[name] for name in names} == {name: full[name] for name in names}
        assert entry.event["payload"].items() <= full["payload"].items()


def test_what_was_held_back_has_its_reason_and_no_id(repo: Repo, connection: Connection) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--squash", "topic")
    repo.commit("squash")
    *_, last = entries(connection)
    assert (last.state, last.event["event_id"]) == (State.HELD, None)
    assert last.to_dict()["why"] == "announced already"
    assert f"{FEATURE} WP01  held back: planned → doing: announced already  (commit {repo.head()[:12]})" in line_of(
        last
    )
    assert style_of(last) == "yellow"


def test_each_entry_is_handed_out_once(repo: Repo, connection: Connection, home: Path) -> None:
    journal = Journal(connection, [project(connection)])
    assert journal.new() == []
    repo.lane("doing")
    [first] = journal.new()
    assert journal.new() == []
    repo.lane("for_review")
    send_all(home)  # before anybody looked
    [second] = journal.new()
    assert (first.state, second.state) == (State.PENDING, State.TOLD)
    assert second.event["payload"]["new_status"] == "for_review"


def test_ids_that_a_purge_frees_are_seen_when_they_come_again(repo: Repo, connection: Connection, home: Path) -> None:
    other = planned(repo.path.parent / "other")
    other.install()
    repo.lane("doing")
    journal = Journal(connection, None)
    assert len(journal.new()) == 1
    for lane in ("doing", "for_review", "done"):
        other.lane(lane)
    assert len(journal.new()) == 3
    assert catflap("uninstall", "--purge", other.path).returncode == 0
    assert journal.new() == []
    repo.lane("for_review")
    send_all(home)
    assert [entry.event["payload"]["new_status"] for entry in journal.new()] == ["for_review"]


def test_another_project_is_not_mixed_in_even_under_the_same_name(repo: Repo, connection: Connection) -> None:
    other = planned(repo.path.parent / "elsewhere" / "project")
    other.install()
    repo.lane("doing")
    other.lane("for_review")
    first, second = (one for one in ledger.projects(connection))
    assert first.slug == second.slug
    found = {one.path: [short(entry.event) for entry in Journal(connection, [one]).new()] for one in (first, second)}
    assert found == {str(repo.path): ["planned>doing"], str(other.path): ["planned>for_review"]}
    assert len(Journal(connection, None).new()) == 2


def test_parked_events_are_said_to_be(repo: Repo, connection: Connection, home: Path) -> None:
    repo.lane("doing")
    with OfflineQueue(home / "queue.db") as queue:
        for _ in range(MAX_RETRIES):
            queue.increment_retry([events()[0]["event_id"]])
    [entry] = entries(connection)
    assert entry.state is State.PARKED
    assert "(parked, commit " in line_of(entry)


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize("data", ["no json", "[]", json.dumps({"event_type": "Other", "payload": 7})])
def test_a_row_of_another_program_is_shown_among_all_and_harms_nothing(connection: Connection, data: str) -> None:
    with write_transaction(connection):
        connection.execute(
            "INSERT INTO queue (event_id, event_type, data, timestamp) VALUES ('x', 'Other', ?, 1)", (data,)
        )
    [entry] = Journal(connection, None).new()
    assert line_of(entry) == "1970-01-01T00:00:00Z  no event: Other"
    assert entries(connection) == []


# -- since when a work package is in its lane


def trace_row(at: str, after: str, *, outcome: str = "told", rule: str = "commit", fact: str = "status") -> TraceRow:
    return TraceRow(at, FEATURE, "WP01", rule, outcome, fact, None, after, None, None, None, "")


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([trace_row("1", "doing")], ("doing", "1")),
        ([trace_row("1", "Build it", fact="created")], ("planned", "1")),
        ([trace_row("1", "doing"), trace_row("2", "for_review")], ("for_review", "2")),
        ([trace_row("1", "doing"), trace_row("2", "doing", outcome="held")], ("doing", "1")),
        ([trace_row("1", "doing"), trace_row("2", "done", outcome="held", rule="fast-forward")], ("done", "2")),
        ([trace_row("1", "doing"), trace_row("2", "planned", outcome="held", rule="switch")], ("doing", "1")),
        ([trace_row("1", "doing"), trace_row("2", "claude", fact="agent")], ("doing", "1")),
    ],
)
def test_a_lane_is_entered_when_the_status_last_became_another(
    connection: Connection, rows: list[TraceRow], expected: tuple[str, str]
) -> None:
    here = project(connection)
    with write_transaction(connection):
        trace.add(connection, here.id, rows)
    assert lane_times(connection, here) == {(FEATURE, "WP01"): expected}
