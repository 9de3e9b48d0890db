"""Reads the body of a request: no more than it may have, no longer than it may take. Knows nothing of its content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from catflap.hub.limits import Limits
from catflap.hub.refusal import Refused
from catflap.hub.wire import too_large


async def body_of(request: Request, limits: Limits, *, limit_bytes: int) -> bytes:
    """The body as it was sent. Raises: Refused 408 or 413; ClientDisconnect."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise too_large(f"it has {int(declared):,} bytes, more than {limit_bytes:,}")
    parts: list[bytes] = []
    size_bytes = 0
    pieces = request.stream()
    try:
        async with asyncio.timeout(limits.body_s):
            while True:
                part = await _next(pieces, limits.chunk_s)
                if part is None:
                    return b"".join(parts)
                size_bytes += len(part)
                if size_bytes > limit_bytes:
                    raise too_large(f"it has more than {limit_bytes:,} bytes")
                parts.append(part)
    except TimeoutError as error:
        raise _too_late("its body came too slowly") from error


async def drop_body(request: Request, limits: Limits) -> None:
    """Read the body and forget it: whoever is in the midst of sending one would not see an answer before its end."""
    with suppress(Refused, ClientDisconnect):  # the answer that is on its way says what is wrong
        await body_of(request, limits, limit_bytes=limits.body_bytes)


async def _next(pieces: AsyncGenerator[bytes, None], wait_s: float) -> bytes | None:
    """The next piece; None after the last. Raises: Refused 408."""
    try:
        async with asyncio.timeout(wait_s):
            return await anext(pieces, None)
    except TimeoutError as error:
        raise _too_late("nothing more of its body came") from error


def _too_late(why: str) -> Refused:
    return Refused(408, "read the request", why=why, hint="try again")
