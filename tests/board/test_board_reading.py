"""The board for everybody: by keyboard, by screen reader, on a phone, in the dark, without motion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.board.boardpage import Complaints, Team, card, log_in, sign

TITLES = {"WP01": "Cut the hole", "WP02": "Hang the flap", "WP03": "Read the chip", "WP04": "Count the visits " * 20}
AA: Final = {"text": 4.5, "edge": 3}
"""The least contrast of text, and of the edges of what can be filled in (WCAG 2.2, 1.4.3 and 1.4.11)."""
LOW_CONTRAST = """(least) => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const color = numbers(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const found = [];
    let seen = 0;
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const node = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || !node.checkVisibility({ contentVisibilityAuto: true })) continue;
        if (node.matches("option, noscript, script")) continue;
        const style = getComputedStyle(node);
        const text = light(numbers(node instanceof SVGElement ? style.fill : style.color));
        const ratio = contrast(text, light(ground(node)));
        seen += 1;
        if (ratio < least.text) found.push(`${walk.currentNode.data.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    for (const node of [...document.querySelectorAll("input, select")].filter((one) => one.checkVisibility())) {
        const edge = light(numbers(getComputedStyle(node).borderTopColor));
        const ratio = contrast(edge, light(ground(node.parentElement)));
        if (ratio < least.edge) found.push(`${node.id}: ${ratio.toFixed(2)}`);
    }
    return { seen, found };
}"""
CUT_OFF = """() => [...document.querySelectorAll("body *")]
    .filter((node) => node.checkVisibility() && !node.closest(".unseen, .skip, .scroll, svg, option"))
    .filter((node) => getComputedStyle(node).clipPath === "none")
    .map((node) => [node, node.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.right > innerWidth + 1 || box.left < -1))
    .map(([node]) => node.outerHTML.slice(0, 120))"""


@contextmanager
def looking(browser: Browser, complaints: Complaints, **options: Any) -> Iterator[Page]:
    """A page in a context that is like this."""
    with browser.new_context(**options) as context:
        complaints.listen(context)
        yield context.new_page()


def focused(page: Page) -> str:
    """What has the focus: a work package with its feature, a feature, or an element's id."""
    found = page.evaluate(
        """() => {
            const at = document.activeElement;
            const slug = at.closest(".feature")?.querySelector(".slug").textContent;
            return at.closest(".card") ? `${slug} ${at.closest(".card").dataset.wp}` : slug ?? at.id;
        }"""
    )
    return str(found)


def send_two_features(team: Team) -> None:
    """001-demo: WP01 and WP02 planned, WP03 in doing, WP04 done. 002-other: WP01 planned, WP02 in for_review."""
    team.send(
        team.planned(TITLES, WP03=["WP01", "WP02"]),
        team.moved("WP03", "planned", "doing"),
        team.moved("WP04", "planned", "done"),
        team.planned({"WP01": "Measure", "WP02": "Buy"}, feature="002-other"),
        team.moved("WP02", "planned", "for_review", feature="002-other"),
    )


def test_arrows_go_over_the_board_and_tab_stops_there_once(page: Page, team: Team) -> None:
    send_two_features(team)
    log_in(page, team)
    expect(page.locator(".card")).to_have_count(6)
    page.locator("#agent").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#logout")).to_be_focused()
    page.keyboard.press("Tab")
    assert focused(page) == "002-other WP01"
    for key, expected in (
        ("ArrowRight", "002-other WP02"),
        ("ArrowRight", "002-other WP02"),
        ("ArrowUp", "002-other"),
        ("ArrowDown", "002-other WP02"),
        ("ArrowDown", "001-demo"),
        ("ArrowDown", "001-demo WP01"),
        ("ArrowDown", "001-demo WP02"),
        ("ArrowRight", "001-demo WP03"),
        ("ArrowRight", "001-demo WP04"),
        ("ArrowUp", "001-demo"),
        ("ArrowUp", "002-other WP01"),
        ("End", "001-demo"),
        ("ArrowLeft", "001-demo"),
        ("PageUp", "002-other"),
        ("Home", "002-other"),
    ):
        page.keyboard.press(key)
        assert focused(page) == expected, key
    expect(page.locator(".feature-head button").nth(1)).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".card")).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.locator("#feed")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "002-other"


def test_the_focus_stays_on_a_card_that_moves_and_is_to_be_seen(page: Page, team: Team) -> None:
    send_two_features(team)
    log_in(page, team)
    card(page, "WP02", "planned").locator("button").focus()
    team.send(team.moved("WP02", "planned", "doing"))
    expect(card(page, "WP02", "doing")).to_be_visible()
    assert focused(page) == "001-demo WP02"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    outline = card(page, "WP01", "planned").first.evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid"


def test_slash_searches_enter_opens_and_escape_clears(page: Page, team: Team) -> None:
    send_two_features(team)
    log_in(page, team)
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("chip / read")
    expect(page.locator("#empty")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#text")).to_have_value("")
    expect(page.locator(".card")).to_have_count(6)
    card(page, "WP03").locator("button").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="WP03 Read the chip")
    expect(dialog).to_contain_text("WP01, WP02")
    expect(dialog.locator("ol li").first).to_contain_text("WP03 planned → doing")
    team.send(team.moved("WP03", "doing", "for_review"))
    expect(dialog).to_contain_text("for review, since")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert focused(page) == "001-demo WP03"


def test_a_screen_reader_finds_headings_lists_and_names(page: Page, team: Team) -> None:
    send_two_features(team)
    log_in(page, team)
    expect(page.get_by_role("heading", level=1)).to_contain_text("catflap")
    expect(page.get_by_role("heading", level=2)).to_have_text(["002-other", "001-demo", "Events"])
    row = page.get_by_role("region", name="001-demo")
    doing = row.get_by_role("region", name="doing")
    expect(doing.get_by_role("heading", level=3)).to_have_text("doing 1")
    expect(doing.get_by_role("listitem")).to_have_count(1)
    button = doing.get_by_role("button", name="WP03 Read the chip")
    expect(button).to_have_accessible_description("waits for WP01, WP02 now")
    for role, name in (("search", "Filter work packages"), ("complementary", "Events"), ("navigation", "Views")):
        expect(page.get_by_role(role, name=name)).to_be_visible()  # type: ignore[arg-type]
    expect(page.get_by_role("link", name="Board", exact=True)).to_have_attribute("aria-current", "page")
    expect(sign(page)).to_have_attribute("role", "status")
    expect(page.locator("#announcer")).to_have_attribute("aria-live", "polite")
    assert page.locator("[aria-live=assertive]").count() == 0


def test_a_flood_of_moves_is_announced_as_a_number(page: Page, team: Team) -> None:
    send_two_features(team)
    log_in(page, team)
    moves = [team.moved(wp_id, "planned", "doing") for wp_id in ("WP01", "WP02")]
    moves += [team.moved("WP03", "doing", "done"), team.moved("WP04", "done", "doing")]
    team.send(moves)
    expect(page.locator("#announcer")).to_have_text("4 work packages moved.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(
    browser: Browser, team: Team, complaints: Complaints, scheme: Literal["light", "dark"]
) -> None:
    send_two_features(team)
    with looking(browser, complaints, color_scheme=scheme, reduced_motion="reduce") as page:
        page.goto(team.hub.url)
        expect(page.locator("#login")).to_be_visible()
        assert page.evaluate(LOW_CONTRAST, AA)["found"] == []
        log_in(page, team)
        team.send(team.moved("WP01", "planned", "doing"))
        expect(card(page, "WP01", "doing")).to_have_class("card moved")
        found = page.evaluate(LOW_CONTRAST, AA)
        assert (found["found"], found["seen"] > 50) == ([], True)
        card(page, "WP03").click()
        assert page.evaluate(LOW_CONTRAST, AA)["found"] == []
        page.keyboard.press("Escape")
        page.get_by_role("link", name="History").click()
        expect(page.locator("svg circle")).to_have_count(1)
        assert page.evaluate(LOW_CONTRAST, AA)["found"] == []
        is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"
        assert is_dark == (scheme == "dark")


def test_at_phone_width_nothing_is_cut_off(browser: Browser, team: Team, complaints: Complaints) -> None:
    send_two_features(team)
    long = "003-" + "-".join(["a-name-that-nobody-thought-of-phones-with"] * 3)
    team.send(team.planned({"WP01": "x" * 90}, feature=long), team.moved("WP01", "planned", "done", feature=long))
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with looking(browser, complaints, **phone) as page:
        log_in(page, team)
        for view, what in (("Board", ".card"), ("Events", "#feed li"), ("History", "svg")):
            page.get_by_role("link", name=view, exact=True).tap()
            expect(page.locator(what).first).to_be_visible()
            assert page.evaluate(CUT_OFF) == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("link", name="Board", exact=True).tap()
        lanes = page.locator(".lane:visible h3")
        expect(lanes).to_have_text(["planned 1", "for review 1", "planned 2", "doing 1", "done 1"])
        page.set_viewport_size({"width": 820, "height": 740})
        tops = {box["y"] for name in ("text", "feature", "agent") if (box := page.locator(f"#{name}").bounding_box())}
        assert len(tops) == 1  # the filters stay in one line
        page.set_viewport_size({"width": 360, "height": 740})
        card(page, "WP03").tap()
        expect(page.locator("#details")).to_be_visible()
        assert page.evaluate(CUT_OFF) == []


def test_who_wants_no_motion_gets_none(browser: Browser, team: Team, complaints: Complaints) -> None:
    send_two_features(team)
    running = "node => node.getAnimations().length"
    with (
        looking(browser, complaints, reduced_motion="reduce") as still,
        looking(browser, complaints, reduced_motion="no-preference") as moving,
    ):
        log_in(still, team)
        log_in(moving, team)
        team.send(team.moved("WP02", "planned", "doing"))
        for page in (still, moving):
            expect(card(page, "WP02", "doing")).to_have_class("card moved")
        assert card(still, "WP02", "doing").evaluate(running) == 0
        assert card(moving, "WP02", "doing").evaluate(running) > 0
