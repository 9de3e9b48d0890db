"""The ground for tests of the board: a real hub, teams that tell it events, and Chromium looking at its page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Locator, Page, Playwright, expect
from ulid import ULID

from catflap.events import validate
from tests.hubs import PASSWORD, Hub, add_user
from tests.watching import PATIENCE, UNIT_S

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FEATURE = "001-demo"
Told = dict[str, Any]
"""An event."""
WAIT_MS = PATIENCE * UNIT_S * 1000

expect.set_options(timeout=WAIT_MS)


def open_browser(playwright: Playwright, path: str, *, home: Path) -> Browser:
    """A Chromium that is installed, with a home of its own; root has no sandbox."""
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=args, env={**os.environ, "HOME": str(home)})


class Team:
    """A new team with one user of the same name, whose programs send valid events, with one clock."""

    def __init__(self, hub: Hub, slug: str) -> None:
        add_user(hub.database, slug, slug)
        self.hub = hub
        self.slug = slug
        self._clock = 0
        answer = httpx.post(f"{hub.url}/api/v1/token/", json={"username": slug, "password": PASSWORD})
        self._headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['access']}"}

    def event(
        self, event_type: str, wp_id: str | None = None, /, *, feature: str = FEATURE, clock: int = 0, node: str = "n1",
        **payload: Any,
    ) -> Told:  # fmt: skip
        """A valid event; its clock is the next one where none is given."""
        self._clock = max(self._clock + 1, clock)
        about = {"wp_id": wp_id} if wp_id is not None else {}
        event = {
            "event_id": str(ULID()),
            "event_type": event_type,
            "aggregate_id": wp_id or feature,
            "aggregate_type": "WorkPackage" if wp_id is not None else "Feature",
            "payload": {**about, "feature_slug": feature, **payload},
            "node_id": node,
            "lamport_clock": clock or self._clock,
            "causation_id": None,
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "team_slug": self.slug,
            "project_slug": "house",
        }
        validate(event)
        return event

    def moved(self, wp_id: str, before: str, after: str, **more: Any) -> Told:
        fields = {"previous_status": before, "new_status": after, "changed_by": "claude", **more}
        return self.event("WPStatusChanged", wp_id, **fields)

    def planned(self, titles: Mapping[str, str], *, feature: str = FEATURE, **depends: list[str]) -> list[Told]:
        """A feature with these work packages, each by its title."""
        number = feature[:3] if feature[:3].isdigit() else "000"
        created = {"feature_number": number, "target_branch": "main", "created_at": "2026-03-02T08:00:00Z"}
        events = [self.event("FeatureCreated", feature=feature, wp_count=len(titles), **created)]
        for wp_id, title in titles.items():
            dependencies = depends.get(wp_id, [])
            events.append(self.event("WPCreated", wp_id, feature=feature, title=title, dependencies=dependencies))
        return events

    def send(self, *events: Told | Iterable[Told]) -> None:
        """Have the hub take them all."""
        flat = [one for some in events for one in ([some] if isinstance(some, dict) else some)]
        for start in range(0, len(flat), 1000):
            address = f"{self.hub.url}/api/v1/events/batch/"
            answer = httpx.post(address, json={"events": flat[start : start + 1000]}, headers=self._headers, timeout=60)
            results = answer.raise_for_status().json()["results"]
            assert {result["status"] for result in results} <= {"success"}, results

    def board(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What the hub says, by feature and work package."""
        answer = httpx.get(f"{self.hub.url}/api/v1/board/", headers=self._headers)
        return {
            (feature["feature_slug"], card["wp_id"]): card
            for project in answer.raise_for_status().json()["projects"]
            for feature in project["features"]
            for card in feature["work_packages"]
        }


class Complaints:
    """What a browser reports of a page that it should not: errors, dialogs, what the policy refused."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.expected: list[str] = []
        """Parts of messages that are none: the browser itself prints each request that was refused, or found nobody."""

    def listen(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"error: {error.error}"))
        context.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        is_expected = any(part in message.text for part in self.expected)
        if message.type in ("error", "warning") and not is_expected:
            self.found.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def log_in(page: Page, team: Team, fragment: str = "") -> None:
    """Open the page, log in by its form, and return once it is live."""
    page.goto(f"{team.hub.url}/{fragment}")
    fill_login(page, team.slug)
    expect(sign(page)).to_have_text("live")


def fill_login(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.locator("#login-submit").click()


def sign(page: Page) -> Locator:
    return page.locator("#sign-text")


def card(page: Page, wp_id: str, lane: str = "") -> Locator:
    """The card of a work package, in this lane when one is named."""
    within = f'.lane[data-lane="{lane}"] ' if lane else ""
    return page.locator(f'{within}.card[data-wp="{wp_id}"]')


def sequences(page: Page) -> list[int]:
    """The places in the team's log of what the feed shows, from the top."""
    found = page.locator("#feed li").evaluate_all("items => items.map((item) => Number(item.dataset.sequence))")
    return [int(sequence) for sequence in found]


def shown_board(page: Page) -> dict[tuple[str, str], str]:
    """The lane of each card that is drawn, by feature and work package."""
    found: list[tuple[str, str, str]] = page.locator(".card").evaluate_all(
        """cards => cards.map((card) => [card.closest(".feature").querySelector(".slug").textContent, card.dataset.wp,
            card.closest(".lane").dataset.lane])"""
    )
    board = {(feature, wp_id): lane for feature, wp_id, lane in found}
    assert len(board) == len(found), "a card is drawn twice"
    return board
