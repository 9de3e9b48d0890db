"""uvicorn's HTTP and WebSocket protocols with the deadlines that they do not have. Knows bytes and timers only.

Nobody may keep a connection open by sending nothing, or a head a byte at a time (slow loris), or by not reading what
we send. Bodies have their deadline where they are read (bodies.py).
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from catflap.hub.limits import Limits

CLOSING_S = 3.0
"""From the end of a socket's application to the end of its connection, whether the other side agrees or not."""


class _Http(H11Protocol):
    limits: ClassVar[Limits]
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        self._expect_head()
        super().data_received(data)
        self._forget_head_if_there()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._forget_head_if_there()  # of a request that was sent before this response was read

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._cancel()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.limits.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        super().resume_writing()

    def _expect_head(self) -> None:
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._head_timer = self.loop.call_later(self.limits.head_s, self.transport.abort)

    def _forget_head_if_there(self) -> None:
        if self._head_timer is not None and self.cycle is not None and not self.cycle.response_complete:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel(self) -> None:
        for timer in (self._head_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()


class _Socket(WebSocketsSansIOProtocol):
    limits: ClassVar[Limits]
    _stall_timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.limits.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        super().connection_lost(exc)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(CLOSING_S, self.transport.abort)


def with_deadlines(limits: Limits) -> tuple[type[H11Protocol], type[WebSocketsSansIOProtocol]]:
    """The HTTP and the WebSocket protocol for uvicorn's Config."""
    return type("Http", (_Http,), {"limits": limits}), type("Socket", (_Socket,), {"limits": limits})
