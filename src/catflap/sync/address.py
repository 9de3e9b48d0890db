"""Which addresses a token may be sent to, and what they are called over HTTP and WebSocket. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from catflap.errors import BadInput

_HINT = "name it like https://catflap.example.org; http is for this machine (127.0.0.1) only"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A server: ``url`` as it is kept and shown, without a slash at its end.

    ``is_loopback``: it is on this machine, so that nothing is sent through a proxy, nor needs TLS.
    """

    url: str
    is_loopback: bool

    @property
    def socket_url(self) -> str:
        """The same server's WebSocket scheme, host, port and path."""
        return "ws" + self.url.removeprefix("http")


def read_address(text: str) -> Address:
    """The server that ``text`` names. Raises: BadInput for one that no token may go to, and says why."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:  # a port that is no number, brackets without an address
        raise _unfit(text, str(error)) from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise _unfit(text, "it is no http or https address")
    if parts.username is not None or parts.password is not None:
        raise _unfit(parts.hostname, "it holds a name or password, which would end up in logs")
    if parts.query or parts.fragment or any(char.isspace() or not char.isprintable() for char in parts.path):
        raise _unfit(text, "it has more than host, port and path")
    is_loopback = _is_loopback(parts.hostname)
    if parts.scheme == "http" and not is_loopback:
        raise _unfit(text, "http would show tokens to everybody on the way")
    return Address(f"{parts.scheme}://{_host(parts, port)}{parts.path.rstrip('/')}", is_loopback)


def _host(parts: SplitResult, port: int | None) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if port is None or port == _DEFAULT_PORTS[parts.scheme] else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: whatever it means today, tomorrow it may mean another machine
        return False


def _unfit(where: str, why: str) -> BadInput:
    return BadInput("use the server", where=where[:200], why=why, hint=_HINT)
