"""The socket: opens it, reads it in a thread of its own, and writes to it. What frames mean is frames.py's."""

from __future__ import annotations

import logging
import queue
import socket
import threading
from contextlib import ExitStack
from typing import Any

import httpx
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from catflap import __version__
from catflap.errors import ServerUnreachable
from catflap.sync.address import Address
from catflap.sync.frames import MAX_FRAME_BYTES

PATH = "/ws/v1/events/"
OPEN_S = 10.0
ALIVE_S = 20.0
"""How often the connection is asked whether it lives, and how long it may take to say so (RFC 6455, 5.5.2)."""
_CLOSE_S = 0.5

# Whatever the level of others: at DEBUG websockets writes the header with the token down.
_log = logging.getLogger("catflap.sync.socket")
_log.setLevel(logging.WARNING)


class Live:
    """One open socket; frames wait in ``inbox``, which holds back a server that sends faster than we take.

    ``inbox`` gets (this object, text), and (this object, None) once the socket has broken: `why` says what happened.
    """

    def __init__(self, address: Address, token: str, inbox: queue.Queue[Any], *, after: int | None = None) -> None:
        """Open it. ``after``: the last event that we have, so that those after it follow the snapshot.

        Raises: ServerUnreachable.
        """
        self.why = ""
        self._inbox = inbox
        self._is_closing = False
        self._stack = ExitStack()
        url = f"{address.socket_url}{PATH}" + (f"?after={after}" if after is not None else "")
        try:
            self._connection = self._stack.enter_context(
                connect(
                    url,
                    additional_headers={"Authorization": f"Bearer {token}"},
                    user_agent_header=f"catflap/{__version__}",
                    # The same certificate authorities as for HTTP: certifi's, or SSL_CERT_FILE's.
                    ssl=httpx.create_ssl_context() if url.startswith("wss:") else None,
                    proxy=None if address.is_loopback else True,
                    open_timeout=OPEN_S,
                    close_timeout=_CLOSE_S,
                    ping_interval=ALIVE_S,
                    ping_timeout=ALIVE_S,
                    max_size=MAX_FRAME_BYTES,
                    logger=_log,
                    create_connection=_NeverElsewhere,
                )
            )
        except (OSError, WebSocketException, ValueError, EOFError) as error:
            raise _unreachable(address, str(error) or type(error).__name__) from error
        self._address = address
        self._thread = threading.Thread(target=self._read, name="catflap-socket", daemon=True)
        self._thread.start()

    def send(self, text: str) -> None:
        """Send a text frame. Raises: ServerUnreachable, when the socket has broken."""
        try:
            self._connection.send(text)
        except (OSError, WebSocketException) as error:
            raise _unreachable(self._address, str(error)) from error

    def cut(self) -> None:
        """Break it at once, from any thread; who reads or writes comes back."""
        self._is_closing = True
        try:
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # broken already
            return

    def close(self) -> None:
        """Take leave of the server, and end the thread."""
        self._is_closing = True
        with self._stack:
            pass
        self._thread.join()

    def _read(self) -> None:
        try:
            while True:
                frame = self._connection.recv()
                if isinstance(frame, str):
                    self._put((self, frame))
        except (OSError, WebSocketException, EOFError) as error:
            self.why = str(error) or type(error).__name__
        self._put((self, None))

    def _put(self, item: Any) -> None:
        while not self._is_closing:
            try:
                self._inbox.put(item, timeout=0.2)
            except queue.Full:  # whoever takes is busy, or is closing us
                continue
            return


class _NeverElsewhere(ClientConnection):
    """A connection that a redirect does not lead to another place, with or without the token."""

    def handshake(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().handshake(*args, **kwargs)
        except InvalidStatus as error:
            status = error.response.status_code
            if 300 <= status < 400:
                raise InvalidHandshake(f"the server redirects ({status}), which is not followed") from error
            raise


def _unreachable(address: Address, why: str) -> ServerUnreachable:
    return ServerUnreachable("open the socket", where=f"at {address.url}", why=why, hint="events wait in the queue")
