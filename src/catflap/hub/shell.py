"""What goes around every answer of the hub: the headers for browsers, and no for pages of other origins."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catflap.hub.page import security_headers
from catflap.hub.refusal import Refused

_PORTS = {"http": ":80", "https": ":443"}


class Shell:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        ours = security_headers(headers.get("host", ""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                sent = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in ours.items():
                    sent.setdefault(name, value)
                sent.setdefault("cache-control", "no-store")
            await send(message)

        origin = headers.get("origin")
        if origin is not None and not is_own_origin(origin, headers.get("host", "")):
            why = "the request comes from a page of another origin"
            answer = refusal(Refused(403, "answer", where=f"{origin!r:.80}", why=why))
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin came from us: the request's Host is what the browser thinks that we are."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _PORTS or not host:
        return False
    port = _PORTS[parts.scheme]
    return parts.netloc.lower().removesuffix(port) == host.lower().removesuffix(port)


def refusal(error: Refused) -> Response:
    """The answer that says no (contract, The wire: `error` and `details`)."""
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if error.status in (408, 413):
        headers["connection"] = "close"  # the rest of the body is not read
    content = json.dumps({"error": error.why, "details": str(error)})
    return Response(content, error.status, headers, media_type="application/json")
