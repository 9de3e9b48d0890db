"""Sockets: each team's events, as they are committed, to everybody who listens. Knows no HTTP and no table.

A listener has a place in the team's sequence and is sent what lies behind it, from memory or from the store. So one
that is slow costs no memory and misses nothing; one that takes nothing at all is cut off below (deadlines.py).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from catflap.hub.limits import Limits
from catflap.hub.refusal import Refused
from catflap.hub.store import Stored, as_frame
from catflap.hub.wire import Bad, Good, judged, read_object
from catflap.instants import iso

NORMAL, GOING_AWAY, NO_TEXT, BAD_DATA, POLICY, NO_PONG = 1000, 1001, 1003, 1007, 1008, 1011
"""Close codes (RFC 6455, section 7.4.1)."""
MAX_KEPT = 2048
MAX_KEPT_CHARS = 8 * 1024 * 1024
"""Of a team in memory: so many frames, together so long. A listener further behind reads from the store."""
MAX_AT_ONCE = 256
"""Frames between two looks at everything else, and events of one client under way."""
_log = logging.getLogger("catflap.hub")


class Source(Protocol):
    """What a listener asks of the rest of the hub, for its own team and session."""

    team: str
    team_id: int

    async def snapshot(self) -> tuple[int, str]:
        """(the sequence that it shows, the frame)"""

    async def after(self, sequence: int) -> Sequence[Stored]:
        """Some of the team's events behind that place, the next first."""

    async def accept(self, events: Sequence[Good | Bad]) -> list[dict[str, Any]]:
        """A result for each, once they are stored. Raises: Refused."""

    async def holds(self) -> bool:
        """Whether the session still does."""


@dataclass(slots=True)
class _Team:
    """A team's listeners, and its newest frames: without a gap up to `sequence`."""

    listeners: set[_Listener] = field(default_factory=set)
    kept: deque[str] = field(default_factory=deque)
    kept_chars: int = 0
    sequence: int | None = None

    def publish(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            self.kept.append(as_frame(one))
            self.kept_chars += len(self.kept[-1])
            while len(self.kept) > MAX_KEPT or self.kept_chars > MAX_KEPT_CHARS:
                self.kept_chars -= len(self.kept.popleft())
        self.sequence = stored[-1].sequence
        for listener in self.listeners:
            listener.wake()

    def behind(self, place: int) -> list[str] | None:
        """The next frames behind the place; None when they are not in memory."""
        if self.sequence is None or not self.sequence - len(self.kept) <= place:
            return None
        start = len(self.kept) - (self.sequence - place)
        return [self.kept[number] for number in range(start, min(start + MAX_AT_ONCE, len(self.kept)))]


class Live:
    """All listeners of this hub."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._teams: dict[int, _Team] = {}
        self._count = 0
        self.is_closing = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return self._count >= self._limits.sockets

    async def say_goodbye(self, patience_s: float) -> None:
        """Close every socket with 1001; returns once they are closed, or the patience is at its end."""
        self.is_closing.set()
        deadline_s = time.monotonic() + patience_s
        while self._count and time.monotonic() < deadline_s:
            await asyncio.sleep(0.02)

    def publish(self, team_id: int, stored: Sequence[Stored]) -> None:
        """Let a team's listeners know what is committed, in the order of its sequence."""
        team = self._teams.get(team_id)
        if team is not None and stored:
            team.publish(stored)

    async def serve(self, socket: WebSocket, source: Source, *, after: int | None, subprotocol: str | None) -> None:
        """Talk to an authenticated client until one side ends it. ``after``: the place that the client has already."""
        team = self._teams.setdefault(source.team_id, _Team())
        listener = _Listener(socket, source, team, self._limits)
        team.listeners.add(listener)
        self._count += 1
        try:
            await socket.accept(subprotocol=subprotocol)
            await listener.run(after, self.is_closing)
        except WebSocketDisconnect:
            pass  # the usual end
        finally:
            self._count -= 1
            team.listeners.discard(listener)
            if not team.listeners and self._teams.get(source.team_id) is team:
                del self._teams[source.team_id]  # nobody listens: nothing is kept, a newcomer reads the store


class _Listener:
    """One socket: where it is in the sequence, and what is to be sent besides."""

    def __init__(self, socket: WebSocket, source: Source, team: _Team, limits: Limits) -> None:
        self._socket, self._source, self._team, self._limits = socket, source, team, limits
        self._place = 0
        self._answers: deque[str] = deque()
        self._is_woken = asyncio.Event()
        self._room = asyncio.Semaphore(MAX_AT_ONCE)
        self._heard_s = time.monotonic()
        self._under_way: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        self._is_woken.set()

    async def run(self, after: int | None, is_closing: asyncio.Event) -> None:
        """Raises: WebSocketDisconnect when the client is gone."""
        sequence, frame = await self._source.snapshot()
        self._place = sequence if after is None else min(after, sequence)
        await self._socket.send_text(frame)
        parts = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        closing = asyncio.create_task(is_closing.wait())
        everything: list[asyncio.Task[Any]] = [*parts, closing]
        try:
            done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        finally:
            everything += self._under_way
            for part in everything:
                part.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
        ended = [part.result() for part in parts if part in done]
        code, reason = ended[0] if ended else (GOING_AWAY, "the hub stops")
        await self._socket.close(code, reason)

    async def _send(self) -> tuple[int, str]:
        """Send what there is; ends with a close code when the client does not answer, or its session is over."""
        due_s = time.monotonic() + self._limits.ping_s
        while True:
            self._is_woken.clear()
            sent = await self._send_answers() + await self._send_events()
            wait_s = due_s - time.monotonic()
            if wait_s <= 0:
                if time.monotonic() - self._heard_s > 2.5 * self._limits.ping_s:
                    return NO_PONG, "no pong"
                if not await self._source.holds():
                    return POLICY, "the session is over"
                await self._socket.send_text(json.dumps({"type": "ping", "timestamp": iso(time.time())}))
                due_s = time.monotonic() + self._limits.ping_s
            elif not sent:
                await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._is_woken.wait()
        except TimeoutError:
            pass  # the next ping is due

    async def _send_answers(self) -> int:
        count = len(self._answers)
        for _ in range(count):
            await self._socket.send_text(self._answers.popleft())
        return count

    async def _send_events(self) -> int:
        if self._place == self._team.sequence:
            return 0
        frames = self._team.behind(self._place)
        if frames is None:
            frames = [as_frame(one) for one in await self._source.after(self._place)]
            if not frames and self._team.sequence is None:
                self._team.sequence = self._place  # what comes next is published
        for frame in frames:
            await self._socket.send_text(frame)
            self._place += 1
        return len(frames)

    async def _receive(self) -> tuple[int, str]:
        """Take what the client sends; ends with a close code when it is no JSON. Raises: WebSocketDisconnect."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", NORMAL))
            self._heard_s = time.monotonic()
            text = message.get("text")
            if text is None:
                return NO_TEXT, "a frame is JSON text"
            try:
                value = read_object(text)
            except Refused as error:
                return BAD_DATA, error.why[:100]
            if "type" not in value:
                await self._room.acquire()
                task = asyncio.create_task(self._take(value, text))
                self._under_way.add(task)
                task.add_done_callback(self._taken)
            elif value["type"] == "ping":
                self._answer({"type": "pong", "timestamp": value.get("timestamp")})

    def _taken(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.release()

    async def _take(self, value: dict[str, Any], text: str) -> None:
        """Store a bare event, and say what became of it."""
        try:
            (result,) = await self._source.accept([judged(value, text, team=self._source.team)])
        except Refused as error:
            if error.status == 503:
                return  # that is no answer about the event: the client keeps it
            event_id = value.get("event_id")
            result = {"event_id": event_id, "status": "error", "error_message": str(error)}
        self._answer({"type": "ack", **result})

    def _answer(self, frame: dict[str, Any]) -> None:
        self._answers.append(json.dumps(frame))
        self.wake()
