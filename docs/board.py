"""Draws docs/board.png and docs/board-dark.png, README's pictures of the board: a real hub, seen by a real Chromium.

Run it from the repository's folder as `python -m docs.board`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright

from catflap.events import STATUSES, encode_ulid
from catflap.hub import accounts, database

FOLDER = Path(__file__).parent
PASSWORD = "only for the picture"
SIZE = {"width": 1280, "height": 720}


@dataclass(frozen=True, slots=True)
class WP:
    """A work package: how far it is, who has it, and how many hours ago it came there."""

    title: str
    status: str
    agent: str = ""
    hours: float = 60
    depends: tuple[str, ...] = ()


FEATURES: dict[str, list[WP]] = {
    "001-night-latch": [WP("Latch motor", "done"), WP("Sunset table", "done"), WP("Manual override", "done")],
    "002-treat-counter": [
        WP("Weigh the bowl", "done", "claude", 49),
        WP("Count per visit", "done", "codex", 26, ("WP01",)),
        WP("Daily limit, and what happens at the limit", "for_review", "claude", 2.2, ("WP02",)),
        WP("Show the week", "doing", "opencode", 0.4, ("WP02",)),
    ],
    "003-chip-reader": [
        WP("Antenna around the tunnel", "done", "codex", 31),
        WP("Read ISO 11784 tags", "for_review", "codex", 28, ("WP01",)),
        WP("Know the neighbour's cat", "doing", "claude", 81, ("WP02",)),
        WP("Open for known tags only", "planned", "", 100, ("WP02", "WP03")),
        WP("Log every visit", "planned", "", 100, ("WP02",)),
    ],
    "004-weather-flap": [
        WP("Wind sensor", "doing", "gemini", 1.2),
        WP("Hold the flap against storms", "planned", "", 20, ("WP01",)),
        WP("Rain, and cats that wait in it", "planned", "", 20),
    ],
}


def main() -> None:
    """Start a hub, tell it all, and take the pictures."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        path = Path(name, "hub.db")
        with database.opened(path) as connection, database.transaction(connection):
            accounts.add(connection, "ada", accounts.hashed(PASSWORD), team="cat-door", now_s=0)
        command = [sys.executable, "-m", "catflap", "hub", "--port", "0", "--database", f"sqlite:///{path}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as hub:
            assert hub.stdout is not None
            address = hub.stdout.readline().strip()
            tell(address)
            args = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=chromium, args=args)
            take(browser, address, "light", FOLDER / "board.png")
            take(browser, address, "dark", FOLDER / "board-dark.png")
            browser.close()
            hub.terminate()


def tell(address: str) -> None:
    """Send the events that make the board, in the order of time."""
    login = httpx.post(f"{address}/api/v1/token/", json={"username": "ada", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {login.raise_for_status().json()['access']}"}
    told = sorted(happened(datetime.now(UTC)), key=lambda one: one[0])
    events = [event(number, *one) for number, one in enumerate(told, 1)]
    answer = httpx.post(f"{address}/api/v1/events/batch/", json={"events": events}, headers=headers)
    wrong = [one for one in answer.raise_for_status().json()["results"] if one["status"] != "success"]
    assert not wrong, wrong


def happened(now: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """(when, event type, payload) of everything, feature by feature."""
    for slug, wps in FEATURES.items():
        begun = now - timedelta(hours=120)
        about = {"feature_slug": slug}
        facts = {"feature_number": slug[:3], "target_branch": "main", "created_at": stamp(begun)}
        yield begun, "FeatureCreated", {**about, **facts, "wp_count": len(wps)}
        for number, wp in enumerate(wps, 1):
            wp_id = f"WP{number:02}"
            named = {**about, "wp_id": wp_id}
            at = now - timedelta(hours=max(wp.hours, 100))
            yield at, "WPCreated", {**named, "title": wp.title, "dependencies": list(wp.depends)}
            way = STATUSES[: STATUSES.index(wp.status) + 1]
            for step in range(1, len(way)):
                at = now - timedelta(hours=wp.hours * (len(way) - step))
                by = wp.agent or "claude"
                if step == 1 and wp.agent:
                    yield at, "WPAssigned", {**named, "agent_id": by, "phase": "implementation", "retry_count": 0}
                change = {"previous_status": way[step - 1], "new_status": way[step], "changed_by": by}
                yield at, "WPStatusChanged", {**named, **change}
        if all(wp.status == "done" for wp in wps):
            at = now - timedelta(hours=min(wp.hours for wp in wps))
            yield (
                at,
                "FeatureCompleted",
                {**about, "completed_at": stamp(at), "total_wps": len(wps), "total_duration": None},
            )


def event(number: int, at: datetime, event_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    wp_id = payload.get("wp_id")
    return {
        "event_id": encode_ulid(int(at.timestamp() * 1000), number),
        "event_type": event_type,
        "aggregate_id": wp_id or payload["feature_slug"],
        "aggregate_type": "WorkPackage" if wp_id else "Feature",
        "payload": payload,
        "node_id": "0123456789ab",
        "lamport_clock": number,
        "causation_id": None,
        "timestamp": stamp(at),
        "team_slug": "cat-door",
        "project_slug": "cat-door",
    }


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def take(browser: Browser, address: str, scheme: Any, picture: Path) -> None:
    """Log in, wait until the board is live, and keep what is to be seen."""
    with browser.new_context(viewport=SIZE, color_scheme=scheme, locale="en-GB") as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("#login-submit").click()
        page.wait_for_selector('.sign[data-state="live"]')
        page.mouse.move(0, 0)
        page.screenshot(path=picture)


if __name__ == "__main__":
    main()
