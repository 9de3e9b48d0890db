"""What a mate's events do here: two clones, real git. What we have heard of is not told when a pull brings it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from catflap.clock import MAX_FOLLOWED, MAX_REMOTE, LamportClock
from catflap.events import encode_ulid
from catflap.queue import OfflineQueue
from catflap.sync.receiving import Reception, receive, receive_snapshot
from tests.world import FEATURE, Repo, catflap, events, planned, told


class Mates:
    """Two people with a clone each, of one upstream: mine is observed, the mate's events come as from the server."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.home = home
        start = planned(folder / "start")
        start.git("clone", "-q", "--bare", start.path, folder / "project.git")
        start.git("clone", "-q", folder / "project.git", folder / "mine")
        start.git("clone", "-q", folder / "project.git", folder / "theirs")
        self.mine, self.theirs = Repo(folder / "mine"), Repo(folder / "theirs")
        self.mine.install()
        self.count = 0

    def their(self, event_type: str, clock: int, node: str = "mate", **payload: Any) -> dict[str, Any]:
        """An event of the mate's."""
        self.count += 1
        return {
            "event_id": encode_ulid(1_770_000_000_000 + self.count, 7),
            "event_type": event_type,
            "aggregate_id": payload.get("wp_id", FEATURE),
            "aggregate_type": "WorkPackage" if "wp_id" in payload else "Feature",
            "payload": {"feature_slug": FEATURE, **payload},
            "node_id": node,
            "lamport_clock": clock,
            "causation_id": None,
            "timestamp": "2026-02-03T12:00:00Z",
            "team_slug": "alpha",
            "project_slug": "project",
        }

    def status(self, before: str, after: str, clock: int, *, wp: str = "WP01", node: str = "mate") -> dict[str, Any]:
        payload = {"wp_id": wp, "previous_status": before, "new_status": after, "changed_by": "mate"}
        return self.their("WPStatusChanged", clock, node, **payload)

    def hear(self, *heard: Mapping[str, Any]) -> Reception:
        with OfflineQueue(self.home / "queue.db") as queued:
            clock = LamportClock.load(self.home / "clock.json")
            return receive(heard, queued=queued, clock=clock, team="alpha", bindings={})

    def see(self, *cards: Any, highest: int = 0) -> int:
        """How many facts of a snapshot with these cards moved the ledger."""
        with OfflineQueue(self.home / "queue.db") as queued:
            clock = LamportClock.load(self.home / "clock.json")
            return receive_snapshot(cards, highest, queued=queued, clock=clock, team="alpha", bindings={})

    def push(self, lane: str) -> None:
        self.theirs.git("pull", "-q", "--rebase")
        self.theirs.lane(lane)
        self.theirs.git("push", "-q")

    def pull(self) -> None:
        self.mine.git("pull", "-q", "--no-edit")

    @property
    def clock(self) -> int:
        return LamportClock.load(self.home / "clock.json").value


@pytest.fixture
def mates(tmp_path: Path, home: Path) -> Mates:
    return Mates(tmp_path, home)


def test_a_change_that_was_heard_of_is_not_told_when_a_pull_brings_it(mates: Mates) -> None:
    mates.push("doing")
    assert mates.hear(mates.status("planned", "doing", 40)).applied == 1
    assert events() == []
    mates.pull()
    mates.mine.observe()
    assert events() == []
    assert mates.clock == 41
    mates.mine.lane("for_review")
    assert told() == ["doing>for_review"]
    assert events()[0]["lamport_clock"] == 42


def test_a_change_that_was_pulled_first_is_not_told_when_its_event_comes(mates: Mates) -> None:
    mates.push("doing")
    mates.pull()
    mates.hear(mates.status("planned", "doing", 40))
    mates.mine.observe()
    assert events() == []
    mates.mine.lane("for_review")
    assert told() == ["doing>for_review"]


def test_the_same_change_by_both_hands_is_told_once(mates: Mates) -> None:
    mates.hear(mates.status("planned", "doing", 40))
    mates.mine.lane("doing")
    assert events() == []


def test_what_comes_late_does_not_take_back_what_was_told_since(mates: Mates) -> None:
    """The mate's first change comes after we went on from it: our own, newer, is what the team knows."""
    mates.push("doing")
    mates.hear(mates.their("HistoryAdded", 10, wp_id="WP02", entry_type="note", entry_content="x", author="mate"))
    mates.pull()
    mates.mine.lane("for_review")
    assert told() == ["doing>for_review"]
    assert mates.hear(mates.status("planned", "doing", 7)).applied == 0  # while ours is queued
    mates.mine.lane("doing")
    assert told() == ["doing>for_review", "for_review>doing"]


def test_what_the_server_has_of_ours_is_not_taken_back_either(mates: Mates) -> None:
    from catflap.sync.batch import settle

    mates.hear(mates.status("planned", "for_review", 10, wp="WP02"))
    mates.mine.lane("doing")
    own = events()
    with OfflineQueue(mates.home / "queue.db") as queued:
        settle(queued, own, [event["event_id"] for event in own])
    assert events() == []
    assert mates.hear(mates.status("planned", "for_review", own[0]["lamport_clock"] - 1)).applied == 0
    assert mates.hear(mates.status("doing", "for_review", own[0]["lamport_clock"] + 1)).applied == 1
    mates.mine.lane("done")
    assert "for_review>done" in told()


def test_events_in_the_wrong_order_and_twice_end_as_in_the_right_one(mates: Mates) -> None:
    first, second = mates.status("planned", "doing", 40), mates.status("doing", "for_review", 41)
    assert mates.hear(second).applied == 1
    assert mates.hear(first, second).applied == 0
    assigned = mates.their("WPAssigned", 42, wp_id="WP01", agent_id="claude", phase="review", retry_count=0)
    assert mates.hear(assigned, assigned).applied == 1
    assert mates.hear(assigned).applied == 0
    mates.mine.lane("done")
    assert told()[0] == "for_review>done"


def test_one_clock_of_two_nodes_is_decided_as_on_the_board(mates: Mates) -> None:
    assert mates.hear(mates.status("planned", "doing", 40, node="bbb")).applied == 1
    assert mates.hear(mates.status("planned", "done", 40, node="aaa")).applied == 0
    assert mates.hear(mates.status("planned", "done", 40, node="ccc")).applied == 1


def test_own_events_that_come_back_move_nothing(mates: Mates) -> None:
    mates.mine.lane("doing")
    (own,) = events()
    before = mates.clock
    assert mates.hear(own | {"team_slug": "alpha"}) == Reception()
    assert mates.clock == before
    assert events() == [own]


def test_own_events_that_were_sent_move_nothing_either(mates: Mates) -> None:
    mates.mine.lane("doing")
    own = events()
    with OfflineQueue(mates.home / "queue.db") as queued:
        queued.mark_synced([event["event_id"] for event in own])
    before = mates.clock
    assert mates.hear(*(event | {"team_slug": "alpha"} for event in own)) == Reception()
    assert mates.clock == before


def test_a_mate_whose_node_has_our_name_is_heard(mates: Mates) -> None:
    """Users and host names of containers are often the same, and so are the names made of them."""
    node = LamportClock.load(mates.home / "clock.json").node_id
    assert mates.hear(mates.status("planned", "doing", 40, node=node)).applied == 1
    assert mates.clock == 41


@pytest.mark.parametrize(
    "fields",
    [
        {"team_slug": "beta"},
        {"event_id": "x"},
        {"payload": {}},
        {"payload": {"wp_id": "WP01", "previous_status": "planned", "new_status": "canceled", "changed_by": "m"}},
        {"lamport_clock": MAX_REMOTE + 1},
        {"lamport_clock": -1},
        {"project_slug": "\ud800"},
        {"node_id": ""},
    ],
)
def test_what_is_no_event_of_the_team_moves_nothing(mates: Mates, fields: dict[str, Any]) -> None:
    found = mates.hear(mates.status("planned", "doing", 40) | fields)
    assert (found.applied, found.invalid) == (0, 1)
    assert found.why
    assert mates.clock == 0
    mates.mine.lane("doing")
    assert told() == ["planned>doing"]


def test_a_clock_beyond_reason_moves_the_ledger_as_it_does_the_board_and_no_clock(mates: Mates) -> None:
    wild, tame = mates.status("planned", "doing", MAX_FOLLOWED + 1), mates.status("planned", "doing", 40, wp="WP02")
    found = mates.hear(wild, tame)
    assert (found.applied, found.invalid, mates.clock) == (2, 0, 41)
    mates.hear(mates.status("doing", "done", MAX_REMOTE))
    mates.mine.lane("doing")
    assert told() == ["done>doing"]
    assert mates.clock == 42


def test_what_is_told_after_one_bad_sender_is_still_taken_by_a_hub(mates: Mates) -> None:
    """Clients follow up to half of what a hub takes."""
    from catflap.hub.wire import Good, judged

    mates.hear(mates.status("planned", "doing", MAX_FOLLOWED))
    mates.mine.lane("for_review")
    (event,) = events()
    assert event["lamport_clock"] == MAX_FOLLOWED + 2
    assert isinstance(judged(event, json.dumps(event), team="alpha"), Good)


def test_another_project_and_a_feature_that_nobody_has_here_do_no_harm(mates: Mates) -> None:
    mates.hear(mates.status("planned", "doing", 40) | {"project_slug": "elsewhere"})
    strange = mates.status("planned", "doing", 41)
    strange["payload"]["feature_slug"] = "099-elsewhere"
    mates.hear(strange)
    mates.mine.lane("doing")
    assert told() == ["planned>doing"]
    assert mates.clock == 43


def test_a_repository_that_is_kept_local_does_not_listen(mates: Mates) -> None:
    from catflap.bindings import read_bindings

    assert catflap("auth", "bind", mates.mine.path, "--local").returncode == 0
    with OfflineQueue(mates.home / "queue.db") as queued:
        clock = LamportClock.load(mates.home / "clock.json")
        found = receive(
            [mates.status("planned", "doing", 40)],
            queued=queued,
            clock=clock,
            team="alpha",
            bindings=read_bindings(mates.home),
        )
    assert (found.applied, mates.clock) == (0, 41)


def test_nothing_received_is_queued_and_no_view_moves(mates: Mates) -> None:
    def views() -> str:
        return json.dumps(json.loads(catflap("status", "--json").stdout)["repositories"][0]["views"])

    before = views()
    mates.hear(*(mates.status("planned", "doing", 40 + n, wp=f"WP0{n}") for n in range(1, 5)))
    assert events() == []
    assert views() == before
    mates.mine.observe()
    assert events() == []


# -- a snapshot, in place of the events before it


def card(status: str, told: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """WP01 as a server's board shows it; with ``told`` as a hub's."""
    shown = {"wp_id": "WP01", "title": "WP01", "status": status, "agent": None, "dependencies": []}
    place = {"project_slug": "project", "feature_slug": FEATURE}
    return shown | place | ({"told": told} if told is not None else {}) | fields


@pytest.mark.parametrize("told_at", [{"WPStatusChanged": [40, "mate"]}, None], ids=["dated", "undated"])
def test_what_a_snapshot_shows_is_not_told_again(mates: Mates, told_at: Any) -> None:
    assert mates.see(card("for_review", told_at)) > 0
    mates.mine.lane("for_review")
    assert events() == []
    mates.mine.lane("done")
    assert told()[0] == "for_review>done"


def test_the_clock_moves_past_all_that_a_snapshot_knows_of(mates: Mates) -> None:
    mates.see(card("doing", {"WPStatusChanged": [40, "mate"]}))
    assert mates.clock == 41
    mates.see(highest=70)
    assert mates.clock == 71
    mates.see(card("doing", {"WPStatusChanged": [40, "mate"]}), highest=60)
    mates.see(highest=MAX_FOLLOWED + 1)
    assert mates.clock == 71


def test_what_a_snapshot_dated_is_not_taken_back_by_what_comes_late(mates: Mates) -> None:
    mates.see(card("for_review", {"WPStatusChanged": [40, "mate"]}))
    assert mates.hear(mates.status("planned", "doing", 39)).applied == 0
    assert mates.hear(mates.status("for_review", "done", 41)).applied == 1
    assert mates.see(card("for_review", {"WPStatusChanged": [40, "mate"]})) == 0


@pytest.mark.parametrize("told_at", [{"WPStatusChanged": [1, "mate"]}, None], ids=["dated", "undated"])
def test_what_waits_in_our_own_queue_is_newer_than_a_snapshot(mates: Mates, told_at: Any) -> None:
    mates.hear(mates.status("planned", "doing", 5, wp="WP02"))
    mates.mine.lane("doing")
    mates.see(card("planned", told_at))
    mates.mine.lane("for_review")
    assert told() == ["planned>doing", "doing>for_review"]


def test_a_snapshot_that_says_nothing_new_leaves_what_a_reset_took_back(mates: Mates) -> None:
    mates.mine.lane("doing")
    mates.mine.git("reset", "-q", "--hard", "HEAD~1")
    mates.mine.observe()
    with OfflineQueue(mates.home / "queue.db") as queued:
        queued.mark_synced([event["event_id"] for event in events()])
    assert mates.see(card("planned")) > 0
    mates.mine.git("reset", "-q", "--hard", "ORIG_HEAD")
    mates.mine.observe()
    assert told() == ["planned>doing"]


def test_own_events_in_a_snapshot_are_news_to_a_home_that_was_lost(mates: Mates) -> None:
    node = LamportClock.load(mates.home / "clock.json").node_id
    assert mates.see(card("doing", {"WPStatusChanged": [40, node]})) == 1
    mates.mine.lane("for_review")
    assert told() == ["doing>for_review"]
    assert events()[0]["lamport_clock"] == 42


@pytest.mark.parametrize(
    "fields",
    [
        {"wp_id": None},
        {"wp_id": "1"},
        {"feature_slug": 7},
        {"feature_slug": "\ud800"},
        {"project_slug": None},
        {"project_slug": ["project"]},
        {"status": "canceled", "title": ""},
        {"status": ["doing"], "dependencies": "WP02"},
        {"told": {"WPStatusChanged": [MAX_REMOTE + 1, "mate"], "WPCreated": ["x"]}, "title": None},
    ],
)
def test_a_card_that_says_nothing_clearly_moves_nothing(mates: Mates, fields: dict[str, Any]) -> None:
    assert mates.see(card("doing") | fields) == 0
    assert mates.clock == 0
    mates.mine.lane("doing")
    assert told() == ["planned>doing"]
