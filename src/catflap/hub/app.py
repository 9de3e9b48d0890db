"""The hub's routes: the sync API of the contract, board, feed, history, socket. Knows no SQL and no cryptography."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from catflap import __version__
from catflap.hub import store
from catflap.hub.asking import bearer, number, of_team, ticket_of
from catflap.hub.boards import Boards, Shown
from catflap.hub.bodies import body_of, drop_body
from catflap.hub.database import HubDatabase
from catflap.hub.gate import Gate
from catflap.hub.limits import MAX_EVENTS, MAX_PASSWORD_CHARS, MAX_SMALL_BODY_BYTES, Limits
from catflap.hub.live import Live
from catflap.hub.page import page, static
from catflap.hub.refusal import Refused
from catflap.hub.sessions import Session
from catflap.hub.shell import Shell, refusal
from catflap.hub.store import Outcome, Stored
from catflap.hub.tokens import Tokens, signing_key
from catflap.hub.wire import Bad, Good, inflate, judged, read_batch, read_object
from catflap.instants import iso

SUBPROTOCOL = "catflap.v1"
MAX_BATCHES = 4
"""Unpacked and stored at the same time; each can take a hundred megabytes."""


def create_app(database: Path, *, limits: Limits | None = None) -> Starlette:
    """The hub on this hub.db, as an ASGI application. Raises: HubRunning, HubDatabaseUnusable, KeyUnusable."""
    hub = Hub(database, limits or Limits())
    app = Starlette(
        routes=hub.routes(),
        middleware=[Middleware(Shell)],
        exception_handlers={Refused: _refused, HTTPException: _no_route, ClientDisconnect: _gone, Exception: _our_bug},
        lifespan=hub.lifespan,
    )
    app.router.redirect_slashes = False  # a token must not follow a redirect
    app.state.live = hub.live
    return app


class Hub:
    """The parts of one hub, and its routes."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits = limits
        self._database = HubDatabase(path)
        self._gate = Gate(self._database, Tokens(signing_key(path.with_suffix(".key"))), limits)
        self.live = Live(limits)
        self._batches = asyncio.Semaphore(MAX_BATCHES)
        self._parsing = ThreadPoolExecutor(1, thread_name_prefix="hub-parsing")
        self._boards = Boards()

    def routes(self) -> list[Route | WebSocketRoute]:
        api = "/api/v1"
        return [
            Route("/", page),
            Route("/static/{name}", static),
            Route(f"{api}/sync/health/", self.health),
            Route(f"{api}/token/", self.login, methods=["POST"]),
            Route(f"{api}/token/refresh/", self.refresh, methods=["POST"]),
            Route(f"{api}/token/revoke/", self.logout, methods=["POST"]),
            Route(f"{api}/ws-token/", self.ticket, methods=["POST"]),
            Route(f"{api}/events/batch/", self.batch, methods=["POST"]),
            Route(f"{api}/events/", self.feed),
            Route(f"{api}/board/", self.board),
            Route(f"{api}/history/", self.history),
            WebSocketRoute("/ws/v1/events/", self.socket),
        ]

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._database.start()
        await self._gate.start()
        try:
            yield
        finally:
            self.live.is_closing.set()
            self._gate.close()
            self._parsing.shutdown()
            await self._database.close()

    # -- without login

    async def health(self, _: Request) -> Response:
        return _json({"status": "ok", "version": __version__})

    async def login(self, request: Request) -> Response:
        said = await self._small(request)
        name, password, team = said.get("username"), said.get("password"), said.get("team")
        if not isinstance(name, str) or not isinstance(password, str) or not isinstance(team, str | None):
            raise Refused(400, "log you in", why='it takes the strings "username" and "password", and maybe "team"')
        address = request.client.host if request.client is not None else "?"
        return _json(await self._gate.login(name, password[: MAX_PASSWORD_CHARS + 1], team, address))

    async def refresh(self, request: Request) -> Response:
        return _json(await self._gate.refresh(await self._refresh_token(request)))

    async def logout(self, request: Request) -> Response:
        await self._gate.logout(await self._refresh_token(request))
        return Response(status_code=204)

    # -- with a token

    async def ticket(self, request: Request) -> Response:
        return _json({"ws_token": self._gate.ticket_for(await self._session(request))})

    async def batch(self, request: Request) -> Response:
        try:
            session = await self._session(request)
        except Refused:
            await drop_body(request, self._limits)
            raise
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("gzip", "identity"):
            raise Refused(415, "read the batch", why=f"its encoding is {encoding!r:.40}", hint="use gzip, or none")
        is_gzip = encoding == "gzip"
        limit = self._limits.body_bytes if is_gzip else self._limits.inflated_bytes
        body = await body_of(request, self._limits, limit_bytes=limit)
        async with self._batches:
            loop = asyncio.get_running_loop()
            events = await loop.run_in_executor(self._parsing, self._judged, body, session.team, is_gzip)
            results = await self._accept(session, events)
        return _json({"results": results})

    async def feed(self, request: Request) -> Response:
        session = await self._session(request)
        after = number(request, "after", 0)
        limit = number(request, "limit", 100)
        if not 1 <= limit <= MAX_EVENTS:
            raise Refused(400, "list events", where="limit", why=f"it must be 1 to {MAX_EVENTS:,}")
        events = await self._after(session, after, limit=limit + 1)
        is_more = len(events) > limit
        shown = events[:limit]
        last = shown[-1].sequence if shown else after
        is_more = is_more or (bool(shown) and await self._sequence(session) > last)
        more = "true" if is_more else "false"
        return _text(f'{{"events":{store.as_json(shown)},"sequence":{last},"more":{more}}}')

    async def board(self, request: Request) -> Response:
        session = await self._session(request)
        shown = await self._board(session)
        said = {"sequence": shown.sequence, "team_slug": session.team, "server_time": iso(time.time())}
        return _text(f'{json.dumps(said)[:-1]}, "projects": {shown.projects}}}')

    async def history(self, request: Request) -> Response:
        session = await self._session(request)
        project, feature = request.query_params.get("project", ""), request.query_params.get("feature", "")
        found = await self._database.read(
            lambda connection: store.history_of(connection, session.team_id, project, feature)
        )
        return _json(found)

    async def socket(self, socket: WebSocket) -> None:
        try:
            session, subprotocol = await self._socket_session(socket)
            after = number(socket, "after", None)
            if self.live.is_full:
                raise Refused(503, "open a socket", why="too many are open", hint="try again", retry_after_s=30)
        except Refused as error:
            await socket.send_denial_response(refusal(error))
            return
        await self.live.serve(socket, _Source(self, session), after=after, subprotocol=subprotocol)

    # -- what the routes and the sockets share

    async def _session(self, connection: HTTPConnection) -> Session:
        """Whose request it is. Raises: Refused 401, or 403 when it names another team."""
        return of_team(connection, await self._gate.session_of(bearer(connection)))

    async def _socket_session(self, socket: WebSocket) -> tuple[Session, str | None]:
        """Whose socket it is, and the subprotocol to answer with. Raises: Refused 401 or 403."""
        session = of_team(socket, await self._gate.session_of_ticket(ticket_of(socket)))
        return session, SUBPROTOCOL if SUBPROTOCOL in socket.scope.get("subprotocols", []) else None

    def _judged(self, body: bytes, team: str, is_gzip: bool) -> list[Good | Bad]:
        if is_gzip:
            body = inflate(body, limit_bytes=self._limits.inflated_bytes)
        return [judged(value, text, team=team) for value, text in read_batch(body)]

    async def _accept(self, session: Session, events: Sequence[Good | Bad]) -> list[dict[str, Any]]:
        """A result for each event, once they are on the disk. Raises: Refused 503."""
        now_s = int(time.time())

        def publish(outcome: Outcome) -> None:
            self.live.publish(session.team_id, outcome.stored)

        outcome = await self._database.write(
            lambda connection: store.accept(connection, session.team_id, events, now_s=now_s), publish
        )
        return outcome.results

    async def _after(self, session: Session, after: int, *, limit: int) -> list[Stored]:
        size = self._limits.page_bytes
        return await self._database.read(
            lambda connection: store.events_after(connection, session.team_id, after, limit=limit, limit_bytes=size)
        )

    async def _sequence(self, session: Session) -> int:
        return await self._database.read(lambda connection: store.sequence_of(connection, session.team_id))

    async def _board(self, session: Session) -> Shown:
        return await self._database.read(lambda connection: self._boards.of(connection, session.team_id))

    async def _small(self, request: Request) -> dict[str, Any]:
        return read_object(await body_of(request, self._limits, limit_bytes=MAX_SMALL_BODY_BYTES))

    async def _refresh_token(self, request: Request) -> str:
        token = (await self._small(request)).get("refresh")
        if not isinstance(token, str):
            raise Refused(400, "use the token", why='it takes the string "refresh"')
        return token


class _Source:
    """What a socket asks of the hub, for its session."""

    def __init__(self, hub: Hub, session: Session) -> None:
        self._hub, self._session = hub, session
        self.team, self.team_id = session.team, session.team_id

    async def snapshot(self) -> tuple[int, str]:
        shown = await self._hub._board(self._session)
        return shown.sequence, shown.snapshot

    async def after(self, sequence: int) -> Sequence[Stored]:
        return await self._hub._after(self._session, sequence, limit=MAX_EVENTS)

    async def accept(self, events: Sequence[Good | Bad]) -> list[dict[str, Any]]:
        return await self._hub._accept(self._session, events)

    async def holds(self) -> bool:
        return await self._hub._gate.holds(self._session)


def _json(value: Any) -> Response:
    return _text(json.dumps(value))  # ASCII: a title may hold half of a surrogate pair, which UTF-8 cannot


def _text(content: str) -> Response:
    return Response(content, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


async def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(Refused(error.status_code, "answer", why=error.detail))


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _our_bug(_: Request, __: Exception) -> Response:
    return refusal(Refused(500, "answer", why="that is our bug; the hub's log has more"))
