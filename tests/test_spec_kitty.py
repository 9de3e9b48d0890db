"""Spec Kitty itself, of three eras, at work where catflap is installed: each step of a work package is told once, by
whom Spec Kitty's own files name, and its merges, hooks and worktrees tell nothing twice.

Each test lives through a mission by Spec Kitty's own commands, half a minute or more: under CATFLAP_TEST_LONG=1. Both
programs have one home, as users have it: one clock, and with 2.1.3, which queues events of its own, one queue.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.named import Key, NamedReading
from tests.spec_kitty import IMPLEMENTER, REVIEWER, Mission, programs, put_on_path
from tests.watching import Watch, wait_for
from tests.world import catflap, events

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CATFLAP_TEST_LONG"), reason="set CATFLAP_TEST_LONG=1"),
    pytest.mark.timeout(900),
]

Step = tuple[str, str, str]
"""(previous status, new status, who)"""
Start = Callable[[str, str], Mission]


@pytest.fixture
def start(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Start:
    """How a repository is begun in which Spec Kitty of a release works, in a topology where the release knows some."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    for name in ("home", "scratch"):
        (tmp_path / name).mkdir()

    def begin(release: str, topology: str) -> Mission:
        put_on_path(programs(release, shared), tmp_path / "home", tmp_path / "scratch", monkeypatch)
        mission = Mission(tmp_path / "project", release, topology)
        mission.begin()
        return mission

    return begin


def live(mission: Mission) -> None:
    """A mission from its creation to two work packages that are reviewed."""
    mission.create()
    mission.plan()
    for number in (1, 2):
        mission.implement(number)
        mission.review(number)


def own_events() -> list[dict[str, Any]]:
    """The events that catflap told of work packages; Spec Kitty's own in the same queue are not among them."""
    with closing(sqlite3.connect(Path(os.environ["SPEC_KITTY_HOME"]) / "queue.db")) as connection:
        traced = {row[0] for row in connection.execute("SELECT event_id FROM trace WHERE outcome = 'told'")}
    return [event for event in events() if event["event_id"] in traced]


def steps_told() -> dict[Key, list[Step]]:
    found: dict[Key, list[Step]] = {}
    for event in own_events():
        if event["event_type"] == "WPStatusChanged":
            payload = event["payload"]
            step = (payload["previous_status"], payload["new_status"], payload["changed_by"])
            found.setdefault((payload["feature_slug"], payload["wp_id"]), []).append(step)
    return found


def steps_named(mission: Mission, base: str) -> tuple[dict[Key, list[Step]], int]:
    """What a plain reading of the branch with the states finds since ``base``, and how many history rows were added
    to work packages that were there."""
    reading, rows = NamedReading(mission), 0
    reading.take(base)
    found: dict[Key, list[Step]] = {}
    for commit in mission.git("rev-list", "--first-parent", "--reverse", f"{base}..{mission.branch}").stdout.split():
        known = set(reading.statuses)
        for change in reading.read(commit):
            found.setdefault(change.key, []).append((change.previous, change.new, change.by))
        rows += sum(len(added) for key, added in reading.added.items() if key in known)
    return found, rows


def assert_told_as_named(mission: Mission, base: str) -> None:
    """Each step is told once by whom the files name, the mission's creation once, and the clock never repeats."""
    named, rows = steps_named(mission, base)
    keys = [(mission.slug, "WP01"), (mission.slug, "WP02")]
    assert steps_told() == named
    assert sorted(named) == keys
    for steps in named.values():
        assert steps[-1][1] == "done"
        assert {IMPLEMENTER, REVIEWER} <= {who for *_, who in steps}
    own = own_events()
    kinds = [event["event_type"] for event in own]
    assert kinds.count("HistoryAdded") == rows
    assert sorted(event["payload"]["wp_id"] for event in own if event["event_type"] == "WPCreated") == ["WP01", "WP02"]
    assert "ErrorLogged" not in kinds
    clocks = [(event["node_id"], event["lamport_clock"]) for event in own]
    assert clocks == sorted(set(clocks))
    assert catflap("queue", "list").returncode == 0


@pytest.mark.parametrize(
    ("release", "topology"), [("1.0.3", ""), ("2.1.3", ""), ("3", "single_branch"), ("3", "coord")]
)
def test_a_mission_is_told_once_by_whom_spec_kitty_names(start: Start, release: str, topology: str) -> None:
    mission = start(release, topology)
    hooks = {path.name: path.read_bytes() for path in (mission.path / ".git" / "hooks").iterdir()}
    assert ("pre-commit" in hooks) == (release == "1.0.3")
    mission.install()
    base = mission.head()
    live(mission)
    assert_told_as_named(mission, base)
    before = own_events()
    mission.merge()
    mission.observe()
    assert (mission.path / "src" / "2.txt").exists()
    assert [event for event in own_events() if event["event_type"] != "HistoryAdded"] == [
        event for event in before if event["event_type"] != "HistoryAdded"
    ]
    assert catflap("uninstall", mission.path).returncode == 0
    left = {path.name: path.read_bytes() for path in (mission.path / ".git" / "hooks").iterdir()}
    assert {name: left[name] for name in hooks} == hooks
    assert left.keys() - hooks.keys() <= {"pre-commit"}  # Spec Kitty 3 puts it there with the first worktree


@pytest.mark.parametrize("with_hooks", [False, True], ids=["W", "B"])
def test_a_mission_is_told_once_beside_a_live_watcher(start: Start, tmp_path: Path, with_hooks: bool) -> None:
    mission = start("3", "single_branch")
    mission.install(*([] if with_hooks else ["--no-hooks"]))
    base = mission.head()
    with Watch(tmp_path / "watch.out") as watch:
        live(mission)
        named, _ = steps_named(mission, base)
        wait_for(lambda: steps_told() == named, f"told {steps_told()}, not {named}")
        mission.merge()
        mission.observe()
        assert not [line for line in watch.lines if "Traceback" in line]
    assert_told_as_named(mission, base)
