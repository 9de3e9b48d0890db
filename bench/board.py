"""How soon a saved work package is seen on the board: from the end of the save to the painted frame of a browser.

The whole way is real: a watcher, its connection, a hub, and the page in Chromium, all on this machine, so that one
clock times both ends. Beside it, in the same run and browser: an event posted to the hub (hub and page alone), and a
bare websockets server whose frame a bare page writes into itself (what no way of this kind can do without). Then how
long it takes to open a large board, beside a small one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from websockets.sync.server import ServerConnection, serve

from bench.hook import PYTHON, WPS, Checkout
from bench.hub import PASSWORD, hub
from bench.table import Row, table
from bench.watch import catflap, watcher
from catflap.events import encode_ulid
from catflap.worktree import SETTLE_S

LANES = ("for_review", "doing")
FEATURE = 3
POSTED = "900-posted"
PATIENCE_MS = 20_000
RELOADS = 15
OPENED = """(features) => document.querySelectorAll(".feature").length === features
    && document.querySelector(".card") && document.querySelector('.sign[data-state="live"]') && performance.now()"""
SEEN = """(root) => {
    window.seen = {};
    const note = () => requestAnimationFrame(() => {
        const at = performance.timeOrigin + performance.now(); // the frame before this one is painted
        for (const node of document.querySelectorAll(root)) {
            window.seen[`${node.dataset.wp} ${node.closest("[data-lane]").dataset.lane}`] ??= at;
        }
    });
    new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
}"""
BARE_PAGE = """(address) => new Promise((resolve) => {
    const socket = new WebSocket(address);
    socket.onopen = resolve;
    socket.onmessage = ({ data }) => {
        const [wp, lane] = data.split(" ");
        document.body.replaceChildren();
        const section = document.createElement("section");
        const card = document.createElement("p");
        section.dataset.lane = lane;
        card.dataset.wp = card.textContent = wp;
        section.append(card);
        document.body.append(section);
    };
})"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.board", description=__doc__)
    parser.add_argument("--saves", type=int, default=60)
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("no Chromium on this machine: there is nothing to measure here")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        place = Path(name)
        os.environ.update(SPEC_KITTY_HOME=f"{name}/home", GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=f"{name}/git")
        Path(name, "git").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n[gc]\n\tauto = 0\n")
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=args, env={**os.environ, "HOME": name})
        with hub(place / "hub.db") as url:
            rows = [
                row("a save, beyond the settle time", save_latency(place, url, browser, options.saves)),
                row("an event posted to the hub", post_latency(url, browser, options.saves)),
                row("a bare WebSocket frame", frame_latency(browser, options.saves)),
            ]
        opened = [
            row(f"{features * 7:,} work packages", open_latency(place, browser, features)) for features in (400, 1)
        ]
        browser.close()
    print(
        table(f"Until the browser has painted it; a file settles for {SETTLE_S * 1000:.0f} ms", "ms", rows), end="\n\n"
    )
    print(table("From a reload until the board is painted and live", "ms", opened))


def row(name: str, times: list[float]) -> Row:
    cuts = quantiles(times, n=100)
    return Row(name, times, f"p50 {cuts[49]:.1f}, p99 {cuts[98]:.1f}")


def save_latency(place: Path, url: str, browser: Browser, saves: int) -> list[float]:
    """Milliseconds from each save to its painted card, without the time that the file has to be quiet."""
    checkout = Checkout(place / "house")
    catflap("install", "--no-hooks", str(checkout.path))
    catflap_login(url)
    found: list[float] = []
    with watcher(place), board(browser, url) as page:
        for wp in range(1, WPS + 1):
            checkout.write_wp(FEATURE, wp, "doing")
            painted_ms(page, wp, "doing")
        for number in range(saves):
            wp, lane = number % WPS + 1, LANES[number // WPS % 2]
            forget(page)
            checkout.write_wp(FEATURE, wp, lane)
            saved_ms = time.time() * 1000
            found.append(painted_ms(page, wp, lane) - saved_ms - SETTLE_S * 1000)
    catflap("uninstall", str(checkout.path))
    return found


def post_latency(url: str, browser: Browser, posts: int) -> list[float]:
    """Milliseconds from the start of each request to the painted card."""
    found: list[float] = []
    with httpx.Client(base_url=url) as http, board(browser, url, f"#text={POSTED}") as page:
        answer = http.post("/api/v1/token/", json={"username": "ada", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {answer.json()['access']}"
        for number in range(posts + 1):
            lane, before = LANES[number % 2], LANES[(number + 1) % 2]
            event = moved(number, before if number else "planned", lane)
            forget(page)
            posted_ms = time.time() * 1000
            http.post("/api/v1/events/batch/", json={"events": [event]}).raise_for_status()
            taken_ms = painted_ms(page, 1, lane) - posted_ms
            if number:  # the first one makes the card
                found.append(taken_ms)
    return found


def open_latency(place: Path, browser: Browser, features: int) -> list[float]:
    """Milliseconds from each of some reloads to the painted board of so many features of seven work packages."""
    found: list[float] = []
    with hub(place / f"{features}.db") as url, httpx.Client(base_url=url, timeout=60) as http:
        answer = http.post("/api/v1/token/", json={"username": "ada", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {answer.json()['access']}"
        for first in range(0, features, 100):
            told = [
                moved(feature * 7 + wp, "planned", "doing", wp=wp, feature=f"{feature:03}-feature")
                for feature in range(first, min(first + 100, features))
                for wp in range(1, 8)
            ]
            http.post("/api/v1/events/batch/", json={"events": told}).raise_for_status()
        with board(browser, url) as page:
            for _ in range(RELOADS):
                page.reload(wait_until="commit")
                handle = page.wait_for_function(OPENED, arg=features, polling="raf", timeout=PATIENCE_MS)
                found.append(float(handle.json_value()))
    return found


def frame_latency(browser: Browser, frames: int) -> list[float]:
    """Milliseconds from a send to a socket to what the page made of it."""
    clients: list[ServerConnection] = []

    def keep(client: ServerConnection) -> None:
        clients.append(client)
        for _ in client:
            pass

    found: list[float] = []
    with serve(keep, "127.0.0.1", 0) as server, browser.new_context() as context:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = context.new_page()
        page.evaluate(SEEN, "[data-wp]")
        page.evaluate(BARE_PAGE, f"ws://127.0.0.1:{server.socket.getsockname()[1]}")
        for number in range(frames):
            lane = LANES[number % 2]
            forget(page)
            sent_ms = time.time() * 1000
            clients[0].send(f"WP01 {lane}")
            found.append(painted_ms(page, 1, lane) - sent_ms)
        server.shutdown()
    return found


def catflap_login(url: str) -> None:
    """Log in as the hub's one user; the password comes by stdin."""
    command = [PYTHON, "-m", "catflap", "auth", "login", "--server", url, "--username", "ada"]
    subprocess.run([*command, "--password-stdin"], input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def board(browser: Browser, url: str, fragment: str = "") -> Iterator[Page]:
    """The page, logged in and live, noting when it has painted what."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{url}/{fragment}")
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("#login-submit").click()
        page.wait_for_selector('.sign[data-state="live"]')
        page.evaluate(SEEN, ".card")
        yield page


def forget(page: Page) -> None:
    page.evaluate("window.seen = {}")


def painted_ms(page: Page, wp: int, lane: str) -> float:
    """When the card was in this lane on the screen, in milliseconds since 1970."""
    key = f"WP{wp:02} {lane}"
    handle = page.wait_for_function("(key) => window.seen[key]", arg=key, polling="raf", timeout=PATIENCE_MS)
    return float(handle.json_value())


def moved(number: int, before: str, after: str, *, wp: int = 1, feature: str = POSTED) -> dict[str, Any]:
    """A valid event: a work package goes to another lane."""
    wp_id = f"WP{wp:02}"
    payload = {"wp_id": wp_id, "previous_status": before, "new_status": after, "changed_by": "claude"}
    return {
        "event_id": encode_ulid(1_770_000_000_000 + number, number),
        "event_type": "WPStatusChanged",
        "aggregate_id": wp_id,
        "aggregate_type": "WorkPackage",
        "payload": {**payload, "feature_slug": feature},
        "node_id": "bench",
        "lamport_clock": number + 1,
        "causation_id": None,
        "timestamp": "2026-02-03T12:00:00Z",
        "team_slug": "bench",
        "project_slug": "house",
    }


if __name__ == "__main__":
    main()
