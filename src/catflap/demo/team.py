"""The end of the way: a hub of the demo's own gets what is queued, and its board must be the one that was told."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from importlib.util import find_spec

from catflap.demo.scratch import Scratch
from catflap.facts import Key

_EXTRA = ("argon2", "jwt", "starlette", "uvicorn")
_USER = "demo"


def send_to_hub(
    place: Scratch, statuses: Mapping[Key, str], told: Collection[Key], say: Callable[[str], None], *, stay: bool
) -> list[str]:
    """Start a hub, log in, send what is queued, and say where the board is; ``stay``: until Ctrl-C.

    In words, whatever the hub's board shows otherwise than ``statuses``, for the work packages that were ``told``.
    Raises: GitFailed when a command refuses.
    """
    if not all(map(find_spec, _EXTRA)):
        say("With the hub's packages (pip install 'catflap[hub]') the demo goes on to a team's live board.")
        return []
    database, password = f"sqlite:///{place.root / 'hub.db'}", secrets.token_urlsafe(9)
    add = ("hub", "user", "add", _USER, "--team", "demo", "--password-stdin", "--database", database)
    place.catflap(*add, stdin=f"{password}\n")
    with place.serving("hub", "--port", "0", "--database", database) as (url, hub):
        place.catflap("auth", "login", "--server", url, "--username", _USER, "--password-stdin", stdin=f"{password}\n")
        counts = json.loads(place.catflap("sync", "now", "--json"))
        wrong = _compare(_board(url, password), statuses, told)
        say(f"{counts['accepted']:,} events sent to a hub of the demo's own, {counts['left']:,} left in the queue.")
        if not wrong:
            say("The hub's board is what the files say, too.")
        say(f"The board: {url} (user {_USER}, password {password})")
        if stay:
            say("It is there until Ctrl-C.")
            with suppress(KeyboardInterrupt):
                hub.wait()
        else:
            say("It ends with the demo; `catflap demo --serve` keeps it up.")
    return wrong


def _board(url: str, password: str) -> dict[Key, str]:
    """The statuses on the hub's board."""
    import httpx

    login = {"username": _USER, "password": password}
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        token = client.post("/api/v1/token/", json=login).raise_for_status().json()["access"]
        answer = client.get("/api/v1/board/", headers={"Authorization": f"Bearer {token}"}).raise_for_status().json()
    return {
        (feature["feature_slug"], card["wp_id"]): card["status"]
        for project in answer["projects"]
        for feature in project["features"]
        for card in feature["work_packages"]
    }


def _compare(board: Mapping[Key, str], statuses: Mapping[Key, str], told: Collection[Key]) -> list[str]:
    differing = [key for key in sorted(told) if board.get(key) != statuses[key]]
    return [f"{' '.join(key)}: the hub says {board.get(key, 'nothing')}, told was {statuses[key]}" for key in differing]
