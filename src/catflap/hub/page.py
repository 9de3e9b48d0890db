"""Serves the board's page: the files of static/ by their names, and the headers that keep foreign code out."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from catflap.hub.refusal import Refused

FOLDER = Path(__file__).with_name("static")
PAGE = "board.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


async def page(request: Request) -> Response:
    """The page itself."""
    return _file(request, PAGE)


async def static(request: Request) -> Response:
    """One of the page's files. Raises: Refused 404."""
    return _file(request, request.path_params["name"])


def security_headers(host: str) -> dict[str, str]:
    """What every answer says to a browser; ``host`` is the request's, for the browsers whose 'self' knows no ws:."""
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def _file(request: Request, name: str) -> Response:
    """The file, by a look at what is there: a path in the name finds nothing."""
    there = (
        {path.name: path for path in FOLDER.iterdir() if path.is_file() and not path.is_symlink()}
        if FOLDER.is_dir()
        else {}
    )
    path = there.get(name)
    if path is None or path.suffix not in _TYPES:
        raise Refused(404, "find the page", where=f"{name!r:.80}", why="there is none")
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_TYPES[path.suffix])
