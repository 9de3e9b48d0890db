"""The page about the wire: routes, answers, frames, limits and times, with the numbers that the code has.

A route or a limit of the hub without words here, or words for one that is gone, is an error.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from types import ModuleType

from docs.pageparts import escaped, shown, table

from catflap import queue
from catflap.hub import limits, live, sessions, store, tokens
from catflap.hub.app import SUBPROTOCOL, Hub
from catflap.sync import answers, conversation, http, outgoing, protocol, schedule

ROUTES: Mapping[str, tuple[str, str, str]] = {
    "GET /": ("none", "", "the board's page"),
    "GET /static/{name}": ("none", "", "a file of that page"),
    "GET /api/v1/sync/health/": ("none", "", "`{status, version}`"),
    "POST /api/v1/token/": (
        "none",
        "`{username, password}`, and maybe `team`; the user's first team else",
        "`{access, refresh, access_lifetime, refresh_lifetime, team_slug}`, lifetimes in seconds",
    ),
    "POST /api/v1/token/refresh/": ("none", "`{refresh}`, which is good once", "the same as a login"),
    "POST /api/v1/token/revoke/": ("none", "`{refresh}`", "204: the session is over"),
    "POST /api/v1/ws-token/": ("access", "", "`{ws_token}`, which opens one socket"),
    "POST /api/v1/events/batch/": (
        "access",
        "`{events: [...]}`, gzip or plain",
        "`{results: [{event_id, status, error_message}]}`: `success`, `duplicate` or `error` for each event, in order",
    ),
    "GET /api/v1/events/": (
        "access",
        "`?after=` a sequence, `&limit=`",
        "`{events: [{sequence, received_at, event}], sequence, more}`, oldest first",
    ),
    "GET /api/v1/board/": ("access", "", "`{sequence, team_slug, server_time, projects}`"),
    "GET /api/v1/history/": ("access", "`?project=&feature=`", "how the counts of the lanes changed, for one feature"),
    "WebSocket /ws/v1/events/": ("socket", "`?after=` a sequence", "frames, see below"),
}
"""Method and path → which token, what it takes, what it gives."""
STATUSES: Sequence[tuple[str, str, str]] = (
    ("200", "Each event has its own result.", "Takes out of the queue what is `success` or `duplicate`."),
    ("400", "The request cannot be read.", "Halves the batch, until the culprit is alone."),
    ("401", "The token is not accepted.", "Renews it, and asks once more; refused again, waits for a login."),
    ("403", "Something of another team.", "Counts it against the event, once others of the session were taken."),
    ("408", "The request did not arrive in time.", "Tries again."),
    ("413", "Too large, or too many events.", "Halves the batch."),
    ("415", "An encoding that is neither gzip nor none.", "Stops, and says so."),
    ("429, 503", "Too many tries; too busy.", "Waits as long as `Retry-After` says."),
    ("500 and more", "The hub's own mistake; its log has more.", "Tries again."),
    ("3xx", "A redirect.", "Does not follow it: a token goes to no other place."),
)
FRAMES: Sequence[tuple[str, str, str]] = (
    (
        "`{type: snapshot, sequence, lamport_clock, work_packages}`",
        "hub",
        "The board as it is; the first frame. `lamport_clock` is the highest; cards say under `told` by which events.",
    ),
    (
        "`{type: event, sequence, received_at, event}`",
        "hub",
        "An event of the team; after the snapshot come those behind `?after=`.",
    ),
    ("`{type: ack, event_id, status}`", "hub", "`success`, `duplicate` or `error`, for an event that was sent here."),
    ("`{type: ping, timestamp}`", "hub", "Answer with a pong, or be taken for gone."),
    ("`{type: pong, timestamp}`", "client", "The answer, with the ping's timestamp."),
    ("an event", "client", "As in a batch, without `type`."),
)
CLOSES: Mapping[str, str] = {
    "GOING_AWAY": "The hub stops.",
    "NO_TEXT": "A frame was not text.",
    "BAD_DATA": "A frame was no JSON object.",
    "POLICY": "The session is over.",
    "NO_PONG": "The client did not answer pings.",
}
LIMIT_WORDS: Mapping[str, str] = {
    "MAX_EVENTS": "Events in one batch.",
    "MAX_PASSWORD_CHARS": "Characters of a password.",
    "MAX_EVENT_CHARS": "Characters of one event's JSON.",
}
"""For limits that have no words of their own in limits.py, or other ones than a page needs."""
CLIENT: Sequence[tuple[str, str, float]] = (
    ("Events in the queue; what finds no room stays in the files and is told later", "", queue.CAPACITY),
    ("Refusals of one event until it is parked", "", queue.MAX_RETRIES),
    ("Events in a batch", "", outgoing.MAX_EVENTS),
    ("A batch, compressed", "_bytes", outgoing.MAX_BODY_BYTES),
    ("A batch, before compression", "_bytes", outgoing.MAX_PLAIN_BYTES),
    ("Up to how many events go over the socket one by one", "", conversation.LIVE_EVENTS),
    ("How long an event waits for its ack before a batch asks for it", "_s", conversation.ACK_S),
    ("Tries of the socket in a row before `Offline - Batch Mode`", "", schedule.TRIES),
    ("Between two batches, when nothing is told", "_s", schedule.BATCH_S),
    ("Until a batch that failed is tried again, while the socket is open or being opened", "_s", schedule.AGAIN_S),
    ("Between two questions whether a server that gave no answer is back", "_s", schedule.PROBE_S),
    ("The first wait of a try after a failure; doubled each time", "_s", protocol.backoff_s(1, 0.0)),
    ("The longest such wait", "_s", protocol.backoff_s(100, 0.0)),
    ("The longest wait that a server may ask for by `Retry-After`", "_s", answers.LONGEST_WAIT_S),
    ("The wait after 429 or 503 without `Retry-After`", "_s", answers.WAIT_S),
    ("One request, from its begin to its end", "_s", http.USUAL.total_s),
    ("An access token", "_s", tokens.ACCESS_LIFETIME_S),
    ("A refresh token", "_s", tokens.REFRESH_LIFETIME_S),
    ("A socket token", "_s", tokens.TICKET_LIFETIME_S),
    ("Sessions of one user in one team; a further login ends the oldest", "", sessions.MAX_SESSIONS),
    ("Events of a feature that its history on the board is made of", "", store.MAX_HISTORY_EVENTS),
)
"""Words, the unit as the end of a name, and the number."""


def wire() -> Iterator[str]:
    """The page, line by line. Raises: ValueError where words and code differ."""
    yield "This is Spec Kitty's sync API, which hub and client speak. Below `/api/` everything is JSON."
    yield 'A refusal is `{"error": why, "details": the whole sentence}`. A request may name its team in the header'
    yield "`X-Team-Slug`; it is refused when that is not the token's. Tokens go into `Authorization: Bearer`."
    yield from ("", "## Routes", "")
    yield from table(("route", "token", "takes", "gives"), list(routes()))
    yield from ("", "## Statuses", "")
    yield from table(("status", "meaning", "what the client does"), STATUSES)
    yield from ("", "## Frames of the socket", "")
    yield "A browser, which cannot set headers, offers two subprotocols instead:"
    yield f"`{SUBPROTOCOL}`, and `token.` followed by its socket token."
    yield from table(("frame", "from", "meaning"), FRAMES)
    yield "The hub closes a socket with one of these codes (RFC 6455):"
    yield from table(("code", "why"), [(str(getattr(live, name)), words) for name, words in CLOSES.items()])
    yield from ("", "## Limits of the hub", "")
    yield from table(("what", "at most"), list(hub_limits()))
    yield from ("", "## Numbers of client and session", "")
    yield from table(("what", "value"), [(words, shown(unit, value)) for words, unit, value in CLIENT])


def routes() -> Iterator[tuple[str, str, str, str]]:
    """Each route of the hub with its words."""
    unused = dict(ROUTES)
    for route in Hub.routes(Hub.__new__(Hub)):
        methods = getattr(route, "methods", None)
        name = f"{'WebSocket' if methods is None else 'POST' if 'POST' in methods else 'GET'} {route.path}"
        if name not in unused:
            raise ValueError(f"docs/wirepage.py has no words for the route {name}")
        yield f"`{name}`", *unused.pop(name)
    if unused:
        raise ValueError(f"the hub has no route {', '.join(unused)}")


def hub_limits() -> Iterator[tuple[str, str]]:
    """Each limit in the words that stand below it in limits.py, or in ours, and its value."""
    said = docstrings(limits) | LIMIT_WORDS
    values = {name: value for name, value in vars(limits).items() if name.startswith("MAX_")}
    values |= {one.name: one.default for one in fields(limits.Limits)}
    for name, value in values.items():
        if name not in said:
            raise ValueError(f"docs/wirepage.py has no words for the limit {name}")
        yield escaped(" ".join(said[name].split())), shown(name, value)


def docstrings(module: ModuleType) -> dict[str, str]:
    """The string that stands below each assignment in a module, and in its classes."""
    found: dict[str, str] = {}
    for scope in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(scope, ast.Module | ast.ClassDef):
            continue
        for one, after in zip(scope.body, scope.body[1:], strict=False):
            target = one.targets[0] if isinstance(one, ast.Assign) else getattr(one, "target", None)
            match after:
                case ast.Expr(value=ast.Constant(value=str(words))) if isinstance(target, ast.Name):
                    found[target.id] = words
    return found
