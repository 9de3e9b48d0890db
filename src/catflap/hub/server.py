"""Runs a hub under uvicorn until SIGTERM or Ctrl-C: binds, says where it listens, and ends what is open in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from catflap.errors import CatflapError
from catflap.hub.app import create_app
from catflap.hub.deadlines import with_deadlines
from catflap.hub.limits import MAX_FRAME_BYTES, Limits
from catflap.hub.live import Live

GRACE_S = 10
"""For requests under way when the hub is asked to stop."""
FILES_PER_SOCKET_LIMIT = 2
_GOODBYE_S = 3.0


class CannotListen(CatflapError):
    """The address cannot be bound."""


def serve(
    database: Path,
    host: str,
    port: int,
    *,
    announce: Callable[[str], None],
    is_behind_proxy: bool = False,
    limits: Limits | None = None,
) -> int:
    """0 once the hub was asked to stop and has; ``announce`` gets its URL as soon as it answers.

    Raises: HubRunning, HubDatabaseUnusable, KeyUnusable, CannotListen.
    """
    limits = limits or Limits()
    listening = bound(host, port)
    with listening:
        app = create_app(database, limits=limits)
        http, websocket = with_deadlines(limits)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=http,
            ws=websocket,
            ws_max_size=MAX_FRAME_BYTES,
            ws_ping_interval=None,  # live.py pings by itself, and listens for the answers
            ws_per_message_deflate=False,  # 300 KiB for each socket
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=is_behind_proxy,
            forwarded_allow_ips="127.0.0.1,::1",
            timeout_graceful_shutdown=GRACE_S,
        )
        # At its debug level uvicorn logs headers, and so tokens.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        _raise_file_limit(limits.sockets * FILES_PER_SOCKET_LIMIT)
        url = _url(listening)
        asyncio.run(_Server(config, app.state.live, lambda: announce(url)).serve(sockets=[listening]))
    return 0


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises: CannotListen."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        # Its protocol by name: to a socket that has 0 there asyncio gives no TCP_NODELAY, and every answer, written
        # as head and body, would wait for the client's delayed acknowledgement, 40 ms.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            if os.name != "nt":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1024)
        except BaseException:
            listening.close()
            raise
        return listening
    except (OSError, OverflowError) as error:
        where = f"{host}:{port}"
        raise CannotListen("listen on", where=where, why=str(error), hint="name another --host or --port") from error


class _Server(uvicorn.Server):
    """uvicorn's server, which takes leave of sockets with 1001, and ends with 0 when it is asked to."""

    def __init__(self, config: uvicorn.Config, live: Live, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._live, self._announce = live, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self._live.say_goodbye(_GOODBYE_S)
        await super().shutdown(sockets=sockets)

    def handle_exit(self, sig: int, _: FrameType | None) -> None:
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _raise_file_limit(wanted: int) -> None:
    """Let this process open as many files as the sockets need, as far as it may."""
    if os.name == "nt":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, possible), hard))
