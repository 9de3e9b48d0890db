"""What queue.db remembers of repositories: projects, views, bases, announced states and the trace, as they were put."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from catflap import ledger, trace
from catflap.announced import FeatureAnnounced, Ledger, WPAnnounced, apply_event
from catflap.database import open_database, write_transaction
from catflap.ledger import BaseRow, Project
from catflap.moves import OpenRebase
from catflap.reflog import Cursor
from catflap.trace import TraceRow

KEY = ("001-demo", "WP01")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with closing(open_database(tmp_path / "queue.db")) as found:
        yield found


def put(connection: Connection, name: str = "a", **fields: Any) -> Project:
    known = {"path": f"/{name}", "slug": name, "hooks_dir": None, "installed_at": "2026-02-03T12:00:00Z"}
    return ledger.put_project(connection, common_dir=f"/{name}/.git", **(known | fields))


@pytest.fixture
def project(connection: Connection) -> Project:
    return put(connection)


def trace_row(number: int, **fields: Any) -> TraceRow:
    known: dict[str, Any] = {
        "at": f"2026-02-03T12:00:{number % 60:02}Z",
        "feature_slug": KEY[0],
        "wp_id": KEY[1],
        "rule": "commit",
        "outcome": "held",
        "fact": "status",
        "before": "planned",
        "after": "doing",
        "commit_sha": f"{number:040}",
        "path": None,
        "event_id": None,
        "note": "because",
    }
    return TraceRow(**(known | fields))


def test_project_is_found_by_its_common_dir(connection: Connection, project: Project) -> None:
    assert ledger.find_project(connection, "/a/.git") == project
    assert ledger.find_project(connection, "/b/.git") is None
    other = put(connection, "B")
    assert ledger.projects(connection) == [other, project]


def test_project_put_again_keeps_its_id_and_takes_the_new_words(connection: Connection, project: Project) -> None:
    again = put(connection, path="/moved", slug="renamed", hooks_dir="/hooks")
    assert again == Project(project.id, "/a/.git", "/moved", "renamed", "/hooks", "2026-02-03T12:00:00Z")
    assert ledger.projects(connection) == [again]


def test_retired_project_is_not_observed_and_still_knows_what_it_told(connection: Connection, project: Project) -> None:
    told = Ledger()
    told.put(KEY, WPAnnounced(status="doing", assigned={}))
    ledger.save(connection, project.id, told)
    ledger.put_view(connection, project.id, "/a/.git", Cursor(head="1" * 40))
    ledger.retire_project(connection, project.id)
    assert ledger.find_project(connection, "/a/.git") is None
    assert ledger.projects(connection) == []
    assert ledger.find_view(connection, "/a/.git") is None
    again = put(connection)
    assert again.id == project.id
    assert ledger.everything(connection, again.id).wp(KEY) == WPAnnounced(status="doing", assigned={})


def test_dropped_project_takes_everything_with_it(connection: Connection, project: Project) -> None:
    told = Ledger()
    told.put(KEY, WPAnnounced(status="doing", assigned={}))
    told.features["001-demo"] = FeatureAnnounced()
    told.errors.add("digest")
    ledger.save(connection, project.id, told)
    view_id = ledger.put_view(connection, project.id, "/a/.git", Cursor(head="1" * 40))
    ledger.put_base(connection, view_id, {"x": BaseRow(None)})
    trace.add(connection, project.id, [trace_row(1)])
    ledger.drop_project(connection, "/a/.git")
    tables = ("project", "view", "base", "feature", "announced", "seen_error", "trace")
    assert {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables} == dict.fromkeys(
        tables, 0
    )


def test_view_comes_back_with_its_cursor_and_its_open_rebase(connection: Connection, project: Project) -> None:
    first = Cursor(head="1" * 40, ref="refs/heads/main")
    view_id = ledger.put_view(connection, project.id, "/a/.git", first)
    rebasing = Cursor(head="2" * 40, ref="", rebase=OpenRebase(old="1" * 40, onto="3" * 40, new="2" * 40, at=7))
    assert ledger.put_view(connection, project.id, "/a/.git", rebasing) == view_id
    found = ledger.find_view(connection, "/a/.git")
    assert found is not None
    assert (found.id, found.git_dir, found.cursor) == (view_id, "/a/.git", rebasing)
    assert ledger.views(connection, project.id) == [found]


def test_base_holds_what_was_put_and_forgets_what_was_taken(connection: Connection, project: Project) -> None:
    view_id = ledger.put_view(connection, project.id, "/a/.git", Cursor(head="1" * 40))
    rows = {"ä.md": BaseRow({"lane": "döing"}, "1:2:3"), "gone.md": BaseRow(None)}
    ledger.put_base(connection, view_id, dict(rows))
    assert ledger.base(connection, view_id) == rows
    ledger.put_base(connection, view_id, {"gone.md": None, "never.md": None, "ä.md": BaseRow([], None)})
    assert ledger.base(connection, view_id) == {"ä.md": BaseRow([], None)}
    ledger.clear_base(connection, view_id)
    assert ledger.base(connection, view_id) == {}


STATE = WPAnnounced(
    status="for_review",
    agent="claude",
    title="Überblick",
    dependencies=("WP02", "WP03"),
    history=frozenset(("b", "a")),
    log_seen=("2026-02-03T12:00:00Z", "01M87HZN239J17HCYJF1H9KQBV"),
    assigned={"review": 2},
    dropped="doing",
    is_present=False,
)


def test_announced_state_comes_back_as_it_was_put(connection: Connection, project: Project) -> None:
    told = Ledger()
    told.put(KEY, STATE)
    told.put(("002-next", "WP01"), WPAnnounced())
    told.features["001-demo"] = FeatureAnnounced(created_id="x", created_at="2026-02-03", is_complete=True)
    ledger.save(connection, project.id, told)
    found = ledger.load(connection, project.id, ["001-demo"])
    assert found.wp(KEY) == STATE
    assert found.features == told.features
    assert found.of_feature("002-next") == {}
    assert ledger.everything(connection, project.id).wp(("002-next", "WP01")) == WPAnnounced(assigned={})
    assert ledger.knows_wp(connection, project.id, KEY)
    assert not ledger.knows_wp(connection, project.id, ("001-demo", "WP02"))
    assert ledger.knows_feature(connection, project.id, "001-demo")
    assert not ledger.knows_feature(connection, project.id, "002-next")


def test_projects_with_the_same_ids_are_never_mixed(connection: Connection, project: Project) -> None:
    other = put(connection, "b")
    told = Ledger()
    told.put(KEY, STATE)
    told.errors.add("digest")
    ledger.save(connection, project.id, told)
    trace.add(connection, project.id, [trace_row(1)])
    assert ledger.load(connection, other.id, ["001-demo"]).wp(KEY) is None
    assert ledger.load_errors(connection, other.id, ["digest"]) == set()
    assert trace.last(connection, other.id, "WP01") == []


def test_fork_saves_only_what_it_changed(connection: Connection, project: Project) -> None:
    told = Ledger()
    told.put(KEY, WPAnnounced(status="planned"))
    told.put(("001-demo", "WP02"), WPAnnounced(status="planned"))
    ledger.save(connection, project.id, told)
    ours, theirs = (ledger.load(connection, project.id, ["001-demo"]).fork() for _ in range(2))
    change = {"previous_status": "planned", "feature_slug": "001-demo"}
    apply_event(ours, "WPStatusChanged", {**change, "wp_id": "WP01", "new_status": "doing"})
    apply_event(theirs, "WPStatusChanged", {**change, "wp_id": "WP02", "new_status": "done"})
    ledger.save(connection, project.id, ours)
    ledger.save(connection, project.id, theirs)
    found = ledger.load(connection, project.id, ["001-demo"])
    assert {wp_id: state.status for wp_id, state in found.of_feature("001-demo").items()} == {
        "WP01": "doing",
        "WP02": "done",
    }


def test_error_is_known_by_its_digest(connection: Connection, project: Project) -> None:
    told = Ledger()
    told.errors |= {"a", "b"}
    ledger.save(connection, project.id, told)
    ledger.save(connection, project.id, told)
    assert ledger.load_errors(connection, project.id, ["b", "c", "b"]) == {"b"}


def test_undone_transaction_leaves_the_ledger_as_it_was(connection: Connection, project: Project) -> None:
    def stopped() -> None:
        with write_transaction(connection):
            told = Ledger()
            told.put(KEY, STATE)
            ledger.save(connection, project.id, told)
            ledger.put_view(connection, project.id, "/a/.git", Cursor(head="1" * 40))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert ledger.everything(connection, project.id).wps == {}
    assert ledger.views(connection, project.id) == []


def test_trace_gives_the_last_decisions_oldest_first(connection: Connection, project: Project) -> None:
    rows = [trace_row(number) for number in range(5)]
    trace.add(connection, project.id, [*rows, trace_row(9, wp_id="WP02"), trace_row(8, feature_slug="002-next")])
    assert trace.last(connection, project.id, "WP01", feature="001-demo") == rows
    assert trace.last(connection, project.id, "WP01", limit=2) == [rows[-1], trace_row(8, feature_slug="002-next")]
    assert trace.last(connection, project.id, "WP09") == []


def test_trace_forgets_the_oldest(connection: Connection, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ROWS", 3)
    for number in range(5):
        trace.add(connection, project.id, [trace_row(number)])
    assert trace.last(connection, project.id, "WP01") == [trace_row(number) for number in (2, 3, 4)]
