"""One server over HTTP: a request goes out, an answer of bounded size comes back in bounded time. Knows no events.

No redirect is followed: a token goes to no other place than the one it was made for. For a server on this machine
no proxy is asked.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from catflap import __version__
from catflap.errors import ServerUnreachable
from catflap.sync.address import Address
from catflap.sync.answers import Answer

MAX_ANSWER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Timing:
    """How long, in seconds, a connection, a piece of an answer, and a whole request may take."""

    connect_s: float = 10.0
    piece_s: float = 30.0
    total_s: float = 60.0


USUAL = Timing()


class Server:
    """Requests to one address, one at a time; `cut` ends the one under way, from any thread."""

    def __init__(self, address: Address, timing: Timing = USUAL) -> None:
        self.address = address
        self._timing = timing
        self._stream: Any = None
        self.is_cut = False
        self._client = httpx.Client(
            headers={"User-Agent": f"catflap/{__version__}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(timing.piece_s, connect=timing.connect_s),
            follow_redirects=False,
            transport=httpx.HTTPTransport() if address.is_loopback else None,  # without the environment's proxies
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def post(
        self,
        path: str,
        *,
        token: str | None = None,
        value: Mapping[str, Any] | None = None,
        gzipped: bytes | None = None,
    ) -> Answer:
        """The answer to a JSON ``value``, or to one that is compressed already. Raises: ServerUnreachable."""
        headers = {"Content-Type": "application/json"} if value is not None or gzipped is not None else {}
        if gzipped is not None:
            headers["Content-Encoding"] = "gzip"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = gzipped if gzipped is not None else json.dumps(value).encode() if value is not None else b""
        return self._ask("POST", path, headers, content)

    def get(self, path: str) -> Answer:
        """The answer to a question without a token. Raises: ServerUnreachable."""
        return self._ask("GET", path, {}, b"")

    def cut(self) -> None:
        """End the request under way, and all that follow, with ServerUnreachable."""
        self.is_cut = True
        self._shut()

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def _ask(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Answer:
        url = f"{self.address.url}{path}"
        deadline = threading.Timer(self._timing.total_s, self._shut)
        deadline.daemon = True
        deadline.start()
        try:
            if self.is_cut:
                raise self._unreachable("we are stopping")
            with self._client.stream(
                method, url, headers=headers, content=content, extensions={"trace": self._trace}
            ) as response:
                return _read(response, time.monotonic() + self._timing.total_s)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error
        finally:
            deadline.cancel()

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Remember the stream that requests go over: what reads byte by byte knows no deadline of the whole."""
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._stream = info.get("return_value")
            if self.is_cut:
                self._shut()

    def _shut(self) -> None:
        found = self._stream.get_extra_info("socket") if self._stream is not None else None
        if found is not None:
            try:
                socket.socket.shutdown(found, socket.SHUT_RDWR)  # not SSLSocket's, which another thread reads from
            except OSError:  # it is closed already
                return

    def _unreachable(self, why: str) -> ServerUnreachable:
        return ServerUnreachable("reach", where=self.address.url, why=why, hint="events wait in the queue")


def _read(response: httpx.Response, deadline: float) -> Answer:
    body: bytes | None = None
    found = bytearray()
    for piece in response.iter_raw():
        found += piece
        if len(found) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            break
    else:
        body = bytes(found)
    headers = response.headers
    return Answer(
        status=response.status_code,
        body=body,
        retry_after=headers.get("retry-after", ""),
        date=headers.get("date", ""),
        location=headers.get("location", ""),
    )
