"""The board in a real Chromium, against a real hub: what it shows, and that whatever a team writes is only text."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from playwright.sync_api import Page, expect

import catflap.hub
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

STATIC = Path(catflap.hub.__file__).with_name("static")
LANES = ("planned", "doing", "for_review", "done")
TITLES = {"WP01": "Cut the hole", "WP02": "Hang the flap", "WP03": "Read the chip"}
HOSTILE = {
    "WP01": '<img src=x onerror="alert(1)"><script>alert(1)</script>',
    "WP02": '"><svg onload=alert(1)><style>*{display:none}</style>',
    "WP03": "safe\u202egnp.exe \u2066hidden\u2069 \u200bzero",
    "WP04": "x" * 10_000,
    "WP05": "a" + "\u0301" * 900 + " " + "\U0001f408" * 400,
    "WP06": "{{constructor.constructor('alert(1)')()}} javascript:alert(1)",
}


def test_a_card_says_who_works_on_what_and_what_it_waits_for(page: Page, team: Team) -> None:
    team.send(team.planned(TITLES, WP02=["WP01"], WP03=["WP01", "WP02"]))
    team.send(
        team.moved("WP01", "planned", "done"),
        team.moved("WP02", "planned", "doing"),
        team.event("WPAssigned", "WP02", agent_id="codex", phase="implementation", retry_count=0),
    )
    log_in(page, team)
    expect(card(page, "WP01", "done")).to_contain_text("Cut the hole")
    expect(card(page, "WP02", "doing").locator(".facts")).to_have_text("codex after WP01")
    expect(card(page, "WP03", "planned").locator(".waits")).to_have_text("waits for WP02")
    expect(card(page, "WP02").locator(".age")).to_have_text("now")
    expect(page.locator(".feature-head .facts")).to_have_text("1 of 3 done · main")
    expect(page.locator(".lane-heads")).to_have_text(re.compile(r"planned 1\s*doing 1\s*for review 0\s*done 1"))
    expect(page.locator("#feed li").first).to_contain_text("WP02 assigned to codex, implementation")
    expect(page).to_have_title(f"{team.slug} · catflap")


def test_an_event_moves_its_card_without_a_reload(page: Page, team: Team) -> None:
    team.send(team.planned(TITLES, WP02=["WP01"]))
    log_in(page, team)
    page.evaluate("window.marker = 'the same page'")
    team.send(team.moved("WP01", "planned", "doing"))
    expect(card(page, "WP01", "doing")).to_have_class("card moved")
    expect(page.locator("#announcer")).to_have_text("WP01 Cut the hole went from planned to doing.")
    team.send(team.moved("WP01", "doing", "done"), team.event("WPCreated", "WP04", title="Paint", dependencies=[]))
    expect(card(page, "WP01", "done")).to_be_visible()
    expect(card(page, "WP04", "planned")).to_be_visible()
    expect(card(page, "WP02").locator(".facts")).to_have_text("after WP01")
    expect(page.locator("#feed li").first).to_have_text(re.compile(r"WP04 created: Paint"))
    assert page.evaluate("window.marker") == "the same page"


def test_a_new_feature_appears_among_the_others_in_order(page: Page, team: Team) -> None:
    team.send(team.planned(TITLES), team.planned(TITLES, feature="003-third"))
    log_in(page, team)
    team.send(team.planned(TITLES, feature="002-second"))
    slugs = page.locator(".feature .slug")
    expect(slugs).to_have_text(["003-third", "002-second", "001-demo"])
    expect(card(page, "WP01", "planned")).to_have_count(3)


def test_the_page_says_what_the_hub_says_in_whatever_order_events_come(page: Page, team: Team) -> None:
    """Eight hands with clocks of their own, their events shuffled: late, contradictory, for features unknown so far."""
    random = Random(20260302)
    team.send(team.planned(TITLES))
    log_in(page, team)
    events = []
    for clock in range(100, 280):
        feature, wp_id = random.choice((FEATURE, "002-late")), f"WP0{random.randint(1, 5)}"
        about: dict[str, Any] = {"feature": feature, "clock": clock, "node": f"n{random.randint(1, 8)}"}
        kind = random.random()
        if kind < 0.6:
            before, after = random.sample(LANES, 2)
            events.append(team.moved(wp_id, before, after, **about))
        elif kind < 0.8:
            agent = random.choice(("claude", "codex"))
            events.append(team.event("WPAssigned", wp_id, agent_id=agent, phase="review", retry_count=1, **about))
        else:
            depends = random.sample(["WP01", "WP02", "WP03"], 2)
            events.append(team.event("WPCreated", wp_id, title=f"At {clock}", dependencies=depends, **about))
    random.shuffle(events)
    for start in range(0, len(events), 12):
        team.send(events[start : start + 12])
    hubs = {key: one["status"] for key, one in team.board().items()}
    page.wait_for_function(
        "(count) => document.querySelectorAll('.card').length === count"
        " && document.querySelector('#feed li').dataset.sequence === '184'",
        arg=len(hubs),
    )
    for (feature, wp_id), one in team.board().items():
        row = page.locator(".feature", has=page.locator(".slug", has_text=feature))
        shown = row.locator(f'.lane[data-lane="{one["status"]}"] .card[data-wp="{wp_id}"]')
        expect(shown.locator(".title")).to_have_text(one["title"])
        expect(shown.locator(".agent")).to_have_text(one["agent"] or "")
        expect(shown.locator(".waits")).to_have_text(
            f"waits for {', '.join(one['blocked_by'])}" if one["blocked_by"] and one["status"] != "done" else ""
        )
    assert shown_board(page) == hubs
    assert sequences(page) == list(range(184, 34, -1)), "150 are shown, the newest first"


def test_a_late_event_moves_no_card_back(page: Page, team: Team) -> None:
    """What the page saw decides at once, where it saw enough; an older event than that is only history."""
    team.send(team.planned(TITLES), team.moved("WP01", "planned", "doing", clock=50, node="n2"))
    log_in(page, team)
    page.evaluate(
        """() => {
            window.moves = 0;
            new MutationObserver((all) => { window.moves += all.length; })
                .observe(document.querySelector("#swimlanes"), { childList: true, subtree: true });
        }"""
    )
    team.send(team.moved("WP01", "doing", "for_review", clock=20, node="n3"))
    expect(page.locator("#feed li").first).to_contain_text("WP01 doing → for review")
    assert page.evaluate("window.moves") == 0
    expect(card(page, "WP01", "doing")).to_be_visible()


def test_a_guess_that_was_wrong_is_put_right(page: Page, team: Team) -> None:
    """What the page sees first of a card may be older than what it shows; then the hub's word comes after."""
    team.send(team.planned(TITLES), team.moved("WP01", "planned", "doing", clock=50, node="n2"))
    note = {"entry_type": "note", "entry_content": "went on", "author": "claude"}
    team.send(team.event("HistoryAdded", "WP02", **note) for _ in range(120))
    log_in(page, team)
    team.send(team.moved("WP01", "doing", "for_review", clock=20, node="n3"))
    expect(page.locator("#feed li").first).to_contain_text("WP01 doing → for review")
    expect(card(page, "WP01", "doing")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text(re.compile("from for review to doing"))


def test_hostile_texts_are_only_text(page: Page, team: Team) -> None:
    feature = "009-<b onmouseover=alert(1)>"
    note = {"entry_type": "note", "author": "</li>", "entry_content": HOSTILE["WP01"]}
    team.send(
        team.planned(HOSTILE, feature=feature),
        team.event("WPAssigned", "WP01", feature=feature, agent_id="<i>eve\u202e", phase="review", retry_count=0),
        team.event("HistoryAdded", "WP01", feature=feature, **note),
        team.event("ErrorLogged", feature=feature, error_type="runtime", error_message=HOSTILE["WP04"]),
    )
    log_in(page, team)
    titles = page.locator(".card .title")
    expect(titles).to_have_count(len(HOSTILE))
    assert titles.nth(0).inner_text() == HOSTILE["WP01"]
    assert titles.nth(2).inner_text() == "safe\ufffdgnp.exe \ufffdhidden\ufffd \ufffdzero"
    expect(page.locator(".feature .slug")).to_have_text(feature)
    expect(page.locator(".agent").first).to_have_text("<i>eve\ufffd")
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert max(page.locator(".card").evaluate_all("cards => cards.map((card) => card.offsetHeight)")) < 130
    for wp_id in HOSTILE:
        card(page, wp_id).locator("button").press("Enter")
        expect(page.locator("#details-title")).to_contain_text(wp_id)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.keyboard.press("Escape")
    page.get_by_role("link", name="History").click()
    expect(page.locator("#charts h3")).to_have_text(feature)
    strangers = "img:not([src='/static/icon.svg']), script:not([src]), style, b:not(.wp), i, [onmouseover], [onerror]"
    assert page.locator(strangers).count() == 0
    assert page.locator("script").count() == 1


def test_hostile_addresses_are_only_filters(page: Page, team: Team) -> None:
    team.send(team.planned(TITLES))
    log_in(page, team, "#view=<script>&feature=%25E0%A4%A&agent=__proto__&text=<img src=x onerror=alert(1)>")
    expect(page.locator("#empty")).to_have_text("Nothing here matches the filters.")
    page.keyboard.press("Escape")
    expect(page.locator(".card")).to_have_count(3)


def test_filters_stand_in_the_address(page: Page, team: Team) -> None:
    team.send(team.planned(TITLES), team.planned(TITLES, feature="002-other"))
    team.send(team.event("WPAssigned", "WP02", agent_id="codex", phase="review", retry_count=0))
    log_in(page, team)
    page.get_by_label("Search").fill("flap HANG")
    expect(page.locator("#summary")).to_have_text("2 of 6 work packages")
    page.get_by_label("Agent").select_option("codex")
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator("#feed li .what")).to_have_text(
        ["WP02 assigned to codex, review", "WP02 created: Hang the flap"]
    )
    assert "agent=codex" in page.url
    page.reload()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.get_by_label("Search")).to_have_value("flap HANG")
    expect(page.get_by_label("Agent")).to_have_value("codex")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Feature").select_option(label="002-other")
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_role("link", name="History").click()
    expect(page.locator("#charts h3")).to_have_text("002-other")
    page.go_back()
    expect(page.locator(".card")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.locator(".card")).to_have_count(6)
    assert "#" not in page.url.removesuffix("#")


def test_only_what_the_filters_want_is_announced(page: Page, team: Team) -> None:
    team.send(team.planned(TITLES), team.moved("WP01", "planned", "doing"))
    log_in(page, team, "#text=hole")
    team.send(team.moved("WP02", "planned", "doing"), team.moved("WP01", "doing", "done"))
    expect(card(page, "WP01", "done")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card(page, "WP02", "doing")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("WP01 Cut the hole went from doing to done.")


def test_the_history_is_drawn_and_stands_in_tables(page: Page, team: Team) -> None:
    team.send(team.planned(TITLES))
    for wp_id in ("WP01", "WP02"):
        for before, after in pairwise(LANES):
            team.send(team.moved(wp_id, before, after))
    log_in(page, team, "#view=history")
    flow, cycle = page.locator("figure").nth(0), page.locator("figure").nth(1)
    expect(flow.locator("svg path.area")).to_have_count(4)
    expect(flow.get_by_role("img")).to_have_accessible_name(re.compile("Cumulative flow of 3"))
    expect(cycle.locator("svg circle")).to_have_count(2)
    day = re.compile(r"[A-Z][a-z]{2} \d|\d [A-Z][a-z]{2}")
    expect(cycle.locator("text.tick").filter(has_text=day)).not_to_have_count(0)  # its hours are those of a day
    cycle.get_by_text("As a table").click()
    expect(cycle.locator("tbody th")).to_have_text(["WP01", "WP02"])
    flow.get_by_text("As a table").click()
    expect(flow.locator("tbody tr").last.locator("td")).to_have_text(["1", "0", "0", "2"])
    team.send(team.moved("WP03", "planned", "doing"))
    expect(flow.locator("tbody tr").last.locator("td")).to_have_text(["0", "1", "0", "2"])


def test_a_wrong_password_is_said_and_a_right_one_opens_the_board(
    page: Page, hub: Hub, team: Team, complaints: Complaints
) -> None:
    complaints.expected.append("401 (Unauthorized)")
    team.send(team.planned(TITLES))
    page.goto(hub.url)
    fill_login(page, team.slug, "something else")
    expect(page.get_by_role("alert")).to_have_text("The hub does not know this name with this password.")
    for _ in range(3):
        page.keyboard.press("Escape")
        expect(page.locator("#login")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(card(page, "WP01")).to_be_visible()
    expect(page.locator("#login")).to_be_hidden()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#login")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)
    assert page.evaluate("sessionStorage.length") == 0
    expect(sign(page)).to_have_text("logged out")


def test_the_page_holds_no_code_or_style_inline_and_reads_no_markup() -> None:
    html = (STATIC / "board.html").read_text("utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:|<script(?![^>]*\ssrc=)|https?://", html)
    for path in STATIC.glob("*.js"):
        text = path.read_text("utf-8")
        assert text.startswith("// "), f"{path.name} has no opening sentence"
        assert not re.search(r"(inner|outer|Adjacent)HTML|document\.write|\beval\b|new Function", text), path.name
        assert not re.search(r"""from ["'](?!\./)""", text), f"{path.name} imports what is not ours"
