"""What every test of the board stands on: a hub, a browser, a team of its own, and a page without complaints."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.board.boardpage import CHROMIUM, Complaints, Team, open_browser
from tests.hubs import Hub


@pytest.fixture(scope="module")
def chromium() -> str:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    return CHROMIUM


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = open_browser(playwright, chromium, home=tmp_path_factory.mktemp("browser"))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def hub(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    assert chromium, "without anybody to look there is nothing to serve"
    with Hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def team(hub: Hub, request: pytest.FixtureRequest) -> Team:
    """A team of this test's own."""
    slug = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    return Team(hub, slug[:60])


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the browser complained of; at the end of a test there is nothing, but for what the test expected."""
    complaints = Complaints()
    yield complaints
    assert complaints.found == []


@pytest.fixture
def page(browser: Browser, complaints: Complaints) -> Iterator[Page]:
    """A page in a browser context of its own."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        complaints.listen(context)
        yield context.new_page()
