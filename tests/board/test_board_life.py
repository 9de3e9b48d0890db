"""The board over time: saves become moves, hubs die and come back, sessions end; the page is never loaded again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.board.boardpage import (
    FEATURE,
    Complaints,
    Team,
    card,
    fill_login,
    log_in,
    sequences,
    shown_board,
    sign,
)
from tests.hubs import PASSWORD, Hub
from tests.watching import Watch
from tests.world import catflap, planned

TITLES = {f"WP0{number}": f"Build WP0{number}" for number in range(1, 6)}
LANES = ("planned", "doing", "for_review", "done")
ABSENCE = ["net::ERR_", "WebSocket connection"]
REFUSAL = "401 (Unauthorized)"


@pytest.fixture
def mortal_hub(chromium: str, tmp_path: Path) -> Iterator[Hub]:
    """A hub that this test alone uses."""
    assert chromium
    with Hub(tmp_path / "hub") as hub:
        yield hub


def mark(page: Page) -> None:
    page.evaluate("window.marker = 'the same page'")


def is_marked(page: Page) -> bool:
    return bool(page.evaluate("window.marker === 'the same page'"))


def test_a_saved_work_package_moves_its_card(page: Page, team: Team, tmp_path: Path) -> None:
    """The whole way: a file is saved, the watcher sees it, its service sends it, the hub tells the page."""
    repo = planned(tmp_path / "house")
    repo.install("--no-hooks")
    login = catflap(
        "auth", "login", "--server", team.hub.url, "--username", team.slug, "--password-stdin", stdin=PASSWORD
    )
    assert login.returncode == 0, login.stderr
    log_in(page, team)
    mark(page)
    with Watch(tmp_path / "watch.log"):
        repo.write("WP02", "doing", agent="claude")
        expect(card(page, "WP02", "doing").locator(".agent")).to_have_text("claude")
        repo.write("WP02", "for_review", agent="claude")
        expect(card(page, "WP02", "for_review")).to_be_visible()
        repo.write("WP05", "planned", title="Paint it", depends=["WP02"])
        expect(card(page, "WP05", "planned").locator(".title")).to_have_text("Paint it")
        expect(card(page, "WP05").locator(".waits")).to_have_text("waits for WP02")
    assert is_marked(page)
    assert sequences(page) == list(range(len(sequences(page)), 0, -1))


def test_a_hub_that_dies_and_comes_back_leaves_no_gap_and_no_double(
    page: Page, complaints: Complaints, mortal_hub: Hub
) -> None:
    """Events come before a kill, after the restart before the page is back, and in a burst while it catches up."""
    complaints.expected += ABSENCE
    team = Team(mortal_hub, "mortal")
    team.send(team.planned(TITLES))
    told = 6
    log_in(page, team)
    mark(page)
    lane = dict.fromkeys(TITLES, 0)
    for _ in range(2):
        mortal_hub.kill()
        expect(sign(page)).to_have_text("connection lost, trying again")
        mortal_hub.start()
        for wp_id in list(TITLES) * 6:
            before, after = LANES[lane[wp_id]], LANES[(lane[wp_id] + 1) % 4]
            team.send(team.moved(wp_id, before, after))
            lane[wp_id] = (lane[wp_id] + 1) % 4
            told += 1
        expect(sign(page)).to_have_text("live")
        expect(page.locator("#feed li").first).to_have_attribute("data-sequence", str(told))
        expect(page.locator(f'#feed li[data-sequence="{told}"]')).to_have_count(1)
        assert sequences(page) == list(range(told, 0, -1))
        assert shown_board(page) == {(FEATURE, wp_id): LANES[place] for wp_id, place in lane.items()}
    assert is_marked(page)


def test_what_was_missed_beyond_the_feed_is_on_the_board(page: Page, complaints: Complaints, mortal_hub: Hub) -> None:
    complaints.expected += ABSENCE
    team = Team(mortal_hub, "away")
    team.send(team.planned(TITLES))
    log_in(page, team)
    page.context.set_offline(True)
    mortal_hub.kill()
    expect(sign(page)).to_have_text("connection lost, trying again")
    mortal_hub.start()
    lanes = ["doing" if number % 2 else "planned" for number in range(1300)]
    team.send(team.moved("WP01", before, after) for before, after in pairwise(lanes))
    page.context.set_offline(False)
    expect(sign(page)).to_have_text("live")
    expect(card(page, "WP01", "doing")).to_be_visible()
    assert sequences(page) == list(range(1305, 1205, -1))


def test_an_access_token_that_expired_is_replaced_in_silence(page: Page, team: Team, complaints: Complaints) -> None:
    """The hub refuses the token of the login, as it does one that is too old; the page refreshes once, and goes on."""
    complaints.expected.append(REFUSAL)
    team.send(team.planned(TITLES))
    refreshes: list[str] = []

    def spoil(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "access": "old.old.old"})

    page.route("**/api/v1/token/", spoil)
    page.on("request", lambda request: refreshes.append(request.url) if "refresh" in request.url else None)
    log_in(page, team)
    expect(card(page, "WP01", "planned")).to_be_visible()
    expect(page.locator("#login")).to_be_hidden()
    assert len(refreshes) == 1


def test_a_session_that_is_over_asks_again_and_keeps_the_boards_place(
    page: Page, team: Team, complaints: Complaints
) -> None:
    complaints.expected.append(REFUSAL)
    for number in range(1, 9):
        team.send(team.planned(TITLES, feature=f"00{number}-part"))
    log_in(page, team, "#text=build")
    mark(page)
    page.locator(".feature-head button").nth(2).click()
    page.evaluate("scrollTo(0, 300)")
    address = page.url
    refresh = page.evaluate("sessionStorage.getItem('catflap.refresh')")
    httpx.post(f"{team.hub.url}/api/v1/token/revoke/", json={"refresh": refresh}).raise_for_status()
    # Something that the page has to ask the hub about: an event whose feature nobody named.
    orphan = team.moved("WP01", "planned", "doing")
    del orphan["payload"]["feature_slug"]
    team.send(orphan)
    expect(page.locator("#login-why")).to_have_text("The session is over. The board is as it was.")
    expect(page.locator(".card")).to_have_count(35)
    team.send(team.moved("WP03", "planned", "doing", feature="008-part"))
    fill_login(page, team.slug)
    expect(card(page, "WP03", "doing")).to_have_count(1)
    assert (page.url, page.evaluate("scrollY"), is_marked(page)) == (address, 300, True)
    expect(page.locator(".feature-head button").nth(2)).to_have_attribute("aria-expanded", "false")


def test_another_teams_board_is_another_board(page: Page, hub: Hub) -> None:
    ours, theirs = Team(hub, "ours"), Team(hub, "theirs")
    ours.send(ours.planned(TITLES))
    ours.send(ours.event("WPAssigned", "WP01", agent_id="codex", phase="review", retry_count=0))
    theirs.send(theirs.planned({"WP77": "Elsewhere"}))
    log_in(page, ours, "#view=history")
    expect(page.get_by_role("img", name="Cumulative flow of 5")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("option")).to_have_count(2)
    fill_login(page, "theirs")
    expect(page.get_by_role("img", name="Cumulative flow of 1")).to_be_visible()
    page.get_by_role("link", name="Board", exact=True).click()
    expect(page.locator(".card .title")).to_have_text(["Elsewhere"])
    expect(page.locator("#feed li")).to_have_count(2)
    theirs.send(theirs.moved("WP77", "planned", "doing"))
    ours.send(ours.moved("WP01", "planned", "doing"))
    expect(card(page, "WP77", "doing")).to_be_visible()
    expect(page.locator("#feed li")).to_have_count(3)


def test_a_refresh_that_fails_for_want_of_a_hub_logs_nobody_out(
    page: Page, complaints: Complaints, mortal_hub: Hub
) -> None:
    complaints.expected += ABSENCE
    team = Team(mortal_hub, "patient")
    team.send(team.planned(TITLES))
    log_in(page, team)
    page.route("**/api/**", lambda route: route.fulfill(status=502, body="<html>Bad gateway</html>"))
    complaints.expected.append("502 (Bad Gateway)")
    mortal_hub.kill()
    expect(sign(page)).to_have_text("connection lost, trying again")
    with page.expect_request("**/api/v1/board/"):
        pass
    expect(page.locator("#login")).to_be_hidden()
    page.unroute("**/api/**")
    mortal_hub.start()
    expect(sign(page)).to_have_text("live")


def test_four_hundred_features_are_there_at_once_and_a_move_touches_one(page: Page, team: Team) -> None:
    wps = {f"WP0{number}": f"Part {number}" for number in range(1, 8)}
    team.send(one for number in range(400) for one in team.planned(wps, feature=f"{number:03}-feature"))
    log_in(page, team)
    expect(page.locator(".feature")).to_have_count(400)
    expect(page.locator(".card")).to_have_count(30 * 7)
    page.evaluate(
        """() => {
            window.touched = new Set();
            new MutationObserver((all) => all.forEach(({ target }) =>
                window.touched.add((target.nodeType === 1 ? target : target.parentElement)
                    .closest(".feature")?.querySelector(".slug").textContent ?? "the board")))
                .observe(document.querySelector("#swimlanes"),
                    { childList: true, subtree: true, characterData: true, attributes: true });
        }"""
    )
    team.send(team.moved("WP03", "planned", "doing", feature="390-feature"))
    expect(card(page, "WP03", "doing")).to_have_count(1)
    assert page.evaluate("[...window.touched]") == ["390-feature"]
    page.get_by_label("Search").fill("007-feature")
    expect(page.locator(".card")).to_have_count(7)
