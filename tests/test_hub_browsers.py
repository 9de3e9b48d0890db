"""The hub and browsers: pages of other origins, foreign code, and what lies beside the static files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from catflap.hub import page
from catflap.hub.refusal import Refused
from tests.hubs import PASSWORD, TEAM, Hub, Member, add_user, error_of, raw_connection


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for all of this file, and ada is its user."""
    with Hub(tmp_path_factory.mktemp("hub")) as started:
        add_user(started.database, "ada", TEAM)
        yield started


@pytest.fixture(scope="module")
def ada(hub: Hub) -> Iterator[Member]:
    with Member(hub) as member:
        yield member


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1",
        "null",
        "",
        "http://127.0.0.1:1",
        "file://",
        "http://[",
        "ftp://{host}",
        "http://{host}.evil.example",
        "http://evil.example#{host}",
    ],
)
def test_a_page_of_another_origin_gets_no_answer(hub: Hub, ada: Member, origin: str) -> None:
    headers = {**ada.bearer, "Origin": origin.format(host=f"127.0.0.1:{hub.port}")}
    error_of(ada.http.get("/api/v1/board/", headers=headers), 403)
    said = {"username": "ada", "password": PASSWORD}
    error_of(ada.http.post("/api/v1/token/", json=said, headers=headers), 403)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:{port}", None),
        ("HTTPS://Hub.Example", "hub.example"),
        ("https://hub.example", "hub.example:443"),
        ("http://hub.example:80", "hub.example"),
    ],
)
def test_the_hubs_own_page_gets_its_answers(hub: Hub, ada: Member, origin: str, host: str | None) -> None:
    headers = {**ada.bearer, "Origin": origin.format(port=hub.port), **({"Host": host} if host else {})}
    assert ada.http.get("/api/v1/board/", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/board/", "/nothing", "/static/nothing", "/api/v1/sync/health/"])
def test_every_answer_keeps_foreign_code_out(hub: Hub, path: str) -> None:
    headers = httpx.get(hub.url + path).headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' ws://127.0.0.1:{hub.port} wss://127.0.0.1:{hub.port}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "server" not in headers


def test_a_host_header_cannot_widen_the_policy(hub: Hub) -> None:
    answer = httpx.get(hub.url, headers={"Host": "x; script-src 'unsafe-inline'"})
    assert "unsafe-inline" not in answer.headers.get("content-security-policy", "")


def answered(hub: Hub, target: str) -> bytes:
    """The raw answer to a GET of a target that no client would send."""
    with raw_connection(hub) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "target",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..",
        "/static/.",
        "/static/",
        "/static/board.html%00.js",
        "/../../etc/passwd",
        "//etc/passwd",
        "/static/__init__.py",
    ],
)
def test_no_path_leads_out_of_the_static_files(hub: Hub, target: str) -> None:
    found = answered(hub, target)
    assert found.split(b" ")[1] in (b"404", b"400")
    assert b"import" not in found
    assert b"root:" not in found


def test_no_link_leads_out_of_the_static_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "secret.js").write_text("secret")
    (tmp_path / "static" / "board.html").write_text("<title>board</title>")
    (tmp_path / "static" / "link.js").symlink_to(tmp_path / "secret.js")
    monkeypatch.setattr(page, "FOLDER", tmp_path / "static")
    found = asyncio.run(asked(Starlette(routes=[Route("/", page.page), Route("/static/{name}", page.static)])))
    assert [one.status_code for one in found] == [200, 304]
    assert (found[0].text, found[0].headers["content-type"]) == ("<title>board</title>", "text/html; charset=utf-8")


async def asked(app: Starlette) -> list[httpx.Response]:
    """The page, the page again with its tag; a link among the files is not there."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
        first = await client.get("/")
        again = await client.get("/", headers={"If-None-Match": first.headers["etag"]})
        with pytest.raises(Refused, match="there is none"):
            await client.get("/static/link.js")
        return [first, again]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/board", 404),
        ("GET", "/api/v1/token/", 405),
        ("DELETE", "/api/v1/board/", 405),
        ("GET", "/ws/v1/events/", 404),
    ],
)
def test_what_is_no_route_is_said_as_json_and_redirects_nowhere(hub: Hub, method: str, path: str, status: int) -> None:
    error_of(httpx.request(method, hub.url + path), status)
