"""The hub's HTTP routes, over real connections to a real process: the contract, and who may see what."""

from __future__ import annotations

import gzip
import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from catflap.hub.limits import MAX_SMALL_BODY_BYTES
from catflap.hub.tokens import AUDIENCE
from tests.hubs import OTHER_TEAM, PASSWORD, TEAM, Hub, Member, add_user, created, error_of, event

NUMBERS = itertools.count(1000)
ROUTES = [
    ("POST", "/api/v1/ws-token/"),
    ("POST", "/api/v1/events/batch/"),
    ("GET", "/api/v1/events/"),
    ("GET", "/api/v1/board/"),
    ("GET", "/api/v1/history/?project=demo&feature=001-demo"),
]
"""Every route that needs a token, but for the socket."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for all of this file: its users are ada of engines and weavers, and bob of weavers."""
    with Hub(tmp_path_factory.mktemp("hub")) as started:
        add_user(started.database, "ada", TEAM, OTHER_TEAM)
        add_user(started.database, "bob", OTHER_TEAM)
        yield started


@pytest.fixture(scope="module")
def ada(hub: Hub) -> Iterator[Member]:
    with Member(hub) as member:
        yield member


@pytest.fixture(scope="module")
def bob(hub: Hub) -> Iterator[Member]:
    with Member(hub, "bob") as member:
        yield member


def fresh(**fields: Any) -> dict[str, Any]:
    """An event that this file's hub does not know."""
    return event(next(NUMBERS), **fields)


# -- the contract


def test_a_login_answers_with_tokens_lifetimes_and_team(ada: Member) -> None:
    assert set(ada.login) == {"access", "refresh", "access_lifetime", "refresh_lifetime", "team_slug"}
    assert (ada.login["access_lifetime"], ada.login["refresh_lifetime"], ada.login["team_slug"]) == (900, 604800, TEAM)


def test_a_login_may_name_another_of_the_users_teams(hub: Hub) -> None:
    with Member(hub, team=OTHER_TEAM) as member:
        assert member.get("board")["team_slug"] == OTHER_TEAM
    said = {"username": "bob", "password": PASSWORD, "team": TEAM}
    assert error_of(httpx.post(f"{hub.url}/api/v1/token/", json=said), 403) == "you are not in it"


@pytest.mark.parametrize(
    "said", [{"username": "ada", "password": "wrong"}, {"username": "nobody", "password": PASSWORD}]
)
def test_a_bad_login_is_401_and_does_not_say_what_is_bad(hub: Hub, said: dict[str, str]) -> None:
    answer = httpx.post(f"{hub.url}/api/v1/token/", json=said)
    assert error_of(answer, 401) == "the user name or the password is wrong"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"username":1,"password":"x"}', b'{"username":"a","password":"b","team":7}', b"\xff"]
)
def test_a_login_that_is_none_is_400(hub: Hub, body: bytes) -> None:
    error_of(httpx.post(f"{hub.url}/api/v1/token/", content=body), 400)


def test_a_refresh_gives_both_tokens_new_and_they_work(hub: Hub) -> None:
    with Member(hub) as member:
        answer = member.http.post("/api/v1/token/refresh/", json={"refresh": member.login["refresh"]})
        assert answer.status_code == 200
        found = answer.json()
        assert found["refresh"] != member.login["refresh"]
        assert found["access"] != member.login["access"]
        again = member.http.post("/api/v1/token/refresh/", json={"refresh": member.login["refresh"]}).json()
        assert again["refresh"] == found["refresh"]
        member.bearer = {"Authorization": f"Bearer {again['access']}"}
        member.get("board")


def test_a_revoked_session_lets_nobody_in_from_then_on(hub: Hub) -> None:
    with Member(hub) as member:
        answer = member.http.post("/api/v1/token/revoke/", json={"refresh": member.login["refresh"]})
        assert answer.status_code == 204
        error_of(member.http.get("/api/v1/board/", headers=member.bearer), 401)
        error_of(member.http.post("/api/v1/token/refresh/", json={"refresh": member.login["refresh"]}), 401)


def test_each_event_gets_a_result_in_order(ada: Member) -> None:
    known, new, bad = fresh(), fresh(), fresh(status="dong")
    assert ada.send(known) == ["success"]
    answer = ada.post([known, bad, new, 7, known, {**known, "lamport_clock": 1}])
    assert answer.status_code == 200
    found = answer.json()["results"]
    assert [one["status"] for one in found] == ["duplicate", "error", "success", "error", "duplicate", "error"]
    assert [one["event_id"] for one in found] == [
        known["event_id"],
        bad["event_id"],
        new["event_id"],
        None,
        known["event_id"],
        known["event_id"],
    ]
    messages = [one.get("error_message", "") for one in found]
    assert "payload.new_status" in messages[1]
    assert messages[5] == "another event has this event_id already; it stays as it was"


def test_the_same_id_twice_in_one_batch_is_stored_once(ada: Member) -> None:
    one = fresh()
    assert ada.send(one, one, {**one, "lamport_clock": 1}) == ["success", "duplicate", "error"]


def test_the_same_id_in_two_teams_succeeds_in_both(ada: Member, bob: Member) -> None:
    one = fresh()
    assert ada.send(one) == bob.send(one) == ["success"]
    assert ada.send(one) == bob.send(one) == ["duplicate"]


def test_an_event_made_before_the_login_is_the_same_as_with_its_team(ada: Member) -> None:
    one = fresh()
    assert ada.send(one, {**one, "team_slug": TEAM}) == ["success", "duplicate"]


def test_a_batch_may_come_plain_and_may_be_empty(ada: Member) -> None:
    one = fresh()
    answer = ada.post_raw(json.dumps({"events": [one]}).encode())
    assert answer.json() == {"results": [{"event_id": one["event_id"], "status": "success"}]}
    assert ada.post([]).json() == {"results": []}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"<html>", {}, 400),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{"), {"Content-Encoding": "gzip"}, 400),
        (b'{"events": ' + b"[" * 200_000, {}, 400),
        (b'{"events": [NaN]}', {}, 400),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (json.dumps({"events": [1] * 1001}).encode(), {}, 413),
        (gzip.compress(bytes(64 << 20)), {"Content-Encoding": "gzip"}, 413),
        (bytes(17 << 20), {}, 413),
        (bytes(5 << 20), {"Content-Encoding": "gzip"}, 413),
    ],
    ids=["empty", "html", "no gzip", "half", "deep", "NaN", "brotli", "1001", "bomb", "large", "large gzip"],
)
def test_a_body_that_is_no_batch_stores_nothing(
    hub: Hub, ada: Member, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = len(hub.events())
    try:
        answer = ada.post_raw(body, **headers)
    except httpx.TransportError:
        assert status == 413  # the hub did not wait for the end of what is too large anyway
    else:
        error_of(answer, status)
    assert len(hub.events()) == before
    assert ada.send(fresh()) == ["success"]


def test_a_body_without_an_announced_length_is_cut_at_the_same_size(ada: Member) -> None:
    pieces = (bytes(1 << 20) for _ in range(40))
    with suppress(httpx.TransportError):  # the hub need not wait for the end
        answer = ada.http.post("/api/v1/events/batch/", content=pieces, headers=ada.bearer)
        error_of(answer, 413)
    assert next(pieces, None) is not None, "all of it was taken"


def test_a_small_body_must_be_small(hub: Hub) -> None:
    said = {"username": "ada", "password": "x" * MAX_SMALL_BODY_BYTES}
    error_of(httpx.post(f"{hub.url}/api/v1/token/", json=said), 413)


def test_a_long_password_is_wrong_like_any_other(hub: Hub) -> None:
    error_of(httpx.post(f"{hub.url}/api/v1/token/", json={"username": "ada", "password": "x" * 5000}), 401)


def test_the_feed_goes_on_where_it_ended(hub: Hub) -> None:
    add_user(hub.database, "feeder", "feeders")
    with Member(hub, "feeder") as member:
        told = [fresh() for _ in range(7)]
        member.send(*told)
        seen: list[dict[str, Any]] = []
        answer: dict[str, Any] = {"sequence": 0, "more": True}
        while answer["more"]:
            answer = member.get("events", after=answer["sequence"], limit=3)
            seen += answer["events"]
        assert [one["sequence"] for one in seen] == list(range(1, 8))
        assert [one["event"] for one in seen] == [{**one, "team_slug": "feeders"} for one in told]
        assert all(one["received_at"].endswith("Z") for one in seen)
        assert member.get("events", after=7) == {"events": [], "sequence": 7, "more": False}
        assert member.get("board")["sequence"] == 7


def test_a_page_of_the_feed_ends_where_it_grows_too_large(tmp_path: Path) -> None:
    with Hub(tmp_path, {"page_bytes": 1000}) as hub:
        add_user(hub.database, "ada", TEAM)
        with Member(hub) as member:
            member.send(*(fresh(extra="x" * 800) for _ in range(3)))
            answer = member.get("events")
            assert (len(answer["events"]), answer["sequence"], answer["more"]) == (1, 1, True)


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "limit=0", "limit=1001", "after=1e3", "after=" + "9" * 99, "after=²"]
)
def test_a_query_that_is_no_number_is_400(ada: Member, query: str) -> None:
    error_of(ada.http.get(f"/api/v1/events/?{query}", headers=ada.bearer), 400)


def test_the_history_of_a_feature_is_there_and_of_none_is_empty(ada: Member) -> None:
    ada.send(created(next(NUMBERS), feature="007-flow"), fresh(status="done", feature="007-flow"))
    found = ada.get("history", project="demo", feature="007-flow")
    assert found["flow"][-1]["done"] == 1
    assert [one["wp_id"] for one in found["cycle_times"]] == ["WP01"]
    assert ada.get("history", project="demo", feature="none") == {"flow": [], "cycle_times": []}


def test_half_of_a_surrogate_pair_in_a_title_is_kept_as_it_is(hub: Hub) -> None:
    add_user(hub.database, "odd", "odd")
    with Member(hub, "odd") as member:
        assert member.send(created(next(NUMBERS), title="\ud83d")) == ["success"]
        assert member.cards()["WP01"]["title"] == "\ud83d"
        with member.socket() as socket:
            assert socket.frame("snapshot")["work_packages"][0]["title"] == "\ud83d"


def test_health_needs_no_login(hub: Hub) -> None:
    answer = httpx.get(f"{hub.url}/api/v1/sync/health/")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


# -- who may see what


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearerx", "Basic YWRhOng=", "Bearer nonsense", "refresh", "ticket"],
    ids=lambda header: str(header) or "empty",
)
def test_every_route_wants_an_access_token(ada: Member, method: str, path: str, header: str | None) -> None:
    known = {"refresh": f"Bearer {ada.login['refresh']}", "ticket": f"Bearer {ada.ticket()}"}
    headers = {} if header is None else {"Authorization": known.get(header, header)}
    answer = ada.http.request(method, path, headers=headers, content=b'{"events":[]}' if method == "POST" else None)
    error_of(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_refuses_a_token_that_somebody_forged(hub: Hub, ada: Member, method: str, path: str) -> None:
    good = jwt.decode(ada.login["access"], options={"verify_signature": False})
    key = hub.database.with_suffix(".key").read_bytes()
    forged = {
        "as it is": (good, key, "HS256", 200),
        "none": (good, None, "none", 401),
        "foreign": (good, bytes(64), "HS256", 401),
        "expired": ({**good, "exp": int(time.time()) - 1}, key, "HS256", 401),
        "audience": ({**good, "aud": "else"}, key, "HS256", 401),
        "team": ({**good, "team": OTHER_TEAM}, key, "HS256", 401),
        "user": ({**good, "sub": "bob"}, key, "HS256", 401),
        "session": ({**good, "sid": "none"}, key, "HS256", 401),
    }
    assert good["aud"] == AUDIENCE
    for name, (claims, signing, algorithm, status) in forged.items():
        headers = {"Authorization": f"Bearer {jwt.encode(claims, signing, algorithm=algorithm)}"}
        answer = ada.http.request(method, path, headers=headers, content=b'{"events":[]}' if method == "POST" else None)
        assert answer.status_code == status, name


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_refuses_a_request_for_another_team(ada: Member, method: str, path: str) -> None:
    headers = {**ada.bearer, "X-Team-Slug": OTHER_TEAM}
    answer = ada.http.request(method, path, headers=headers, content=b'{"events":[]}' if method == "POST" else None)
    error_of(answer, 403)
    headers["X-Team-Slug"] = TEAM
    answer = ada.http.request(method, path, headers=headers, content=b'{"events":[]}' if method == "POST" else None)
    assert answer.status_code == 200


def test_another_teams_event_in_a_batch_refuses_all_of_it(hub: Hub, ada: Member) -> None:
    before = len(hub.events())
    assert "engines" in error_of(ada.post([fresh(), fresh(team_slug=OTHER_TEAM)]), 403)
    assert len(hub.events()) == before


def test_a_team_sees_nothing_of_another(ada: Member, bob: Member) -> None:
    secret = created(next(NUMBERS), title="secret of the engines", feature="666-secret")
    planned = {"feature_slug": "666-secret", "feature_number": "666", "target_branch": "main", "wp_count": 1}
    planned["created_at"] = "2026-02-03T12:00:00Z"
    ada.send(secret, fresh(event_type="FeatureCreated", aggregate_type="Feature", payload=planned))
    assert "666-secret" in ada.http.get("/api/v1/board/", headers=ada.bearer).text
    for path in ("/api/v1/board/", "/api/v1/events/?limit=1000"):
        assert "666-secret" not in bob.http.get(path, headers=bob.bearer).text
    assert ada.get("history", project="demo", feature="666-secret")["flow"] != []
    assert bob.get("history", project="demo", feature="666-secret")["flow"] == []
    with bob.socket("?after=0") as socket:
        assert "666-secret" not in json.dumps(socket.frame("snapshot"))
        ada.send(fresh(feature="666-secret"))
        bob.send(mine := fresh())
        while (found := socket.frame("event"))["event"]["event_id"] != mine["event_id"]:
            assert found["event"]["team_slug"] == OTHER_TEAM


def test_a_removed_user_is_out_at_once(hub: Hub) -> None:
    from catflap.hub import accounts
    from catflap.hub.database import opened, transaction

    add_user(hub.database, "carol", TEAM)
    with Member(hub, "carol") as carol:
        carol.get("board")
        with opened(hub.database) as connection, transaction(connection):
            accounts.remove(connection, "carol")
        error_of(carol.http.get("/api/v1/board/", headers=carol.bearer), 401)
        error_of(carol.http.post("/api/v1/token/refresh/", json={"refresh": carol.login["refresh"]}), 401)


# -- guessing, and the log


def statuses(http: httpx.Client, guesses: list[tuple[str, str]]) -> list[int]:
    return [http.post("/api/v1/token/", json={"username": n, "password": p}).status_code for n, p in guesses]


def test_guessing_one_password_is_slowed_down(tmp_path: Path) -> None:
    with Hub(tmp_path, {"user_guesses": 2}) as hub:
        add_user(hub.database, "ada", TEAM)
        add_user(hub.database, "bob", TEAM)
        with Member(hub) as ada, httpx.Client(base_url=hub.url) as http:
            right = [("ada", PASSWORD)]
            assert statuses(http, right * 3) == [200] * 3  # what was right does not count
            assert statuses(http, [("ada", "guess")] * 2) == [401, 401]
            answer = http.post("/api/v1/token/", json={"username": "ada", "password": PASSWORD})
            assert error_of(answer, 429) == "too many tries"
            assert 1 <= int(answer.headers["retry-after"]) <= 10
            assert statuses(http, [("bob", PASSWORD)]) == [200]
            assert ada.send(event(1)) == ["success"]  # who is in already is not disturbed


def test_guessing_many_names_from_one_address_is_slowed_down_whatever_it_says_of_itself(tmp_path: Path) -> None:
    with Hub(tmp_path, {"address_guesses": 2}) as hub, httpx.Client(base_url=hub.url) as http:

        def guess(number: int) -> int:
            said = {"username": f"user{number}", "password": "guess"}
            forwarded = {"X-Forwarded-For": f"10.0.0.{number}"}
            return http.post("/api/v1/token/", json=said, headers=forwarded).status_code

        found = map(guess, range(100))
        assert next(found) == 401
        assert 429 in found


def test_no_password_and_no_token_is_in_the_log(tmp_path: Path) -> None:
    """At the level DEBUG of everything, which `catflap hub` never logs at."""
    with Hub(tmp_path, {}) as hub:
        add_user(hub.database, "ada", TEAM)
        with Member(hub) as ada:
            ada.send(event(1))
            secrets = [PASSWORD, ada.login["access"], ada.login["refresh"], "hunter2-guess", "hunter2-name"]
            for name, password in (("ada", "hunter2-guess"), ("hunter2-name", "x")):
                ada.http.post("/api/v1/token/", json={"username": name, "password": password})
            secrets.append(ada.ticket())
            with ada.socket() as socket:
                socket.frame("snapshot")
                secrets.append(socket.connection.request.headers["Authorization"].removeprefix("Bearer "))
            ada.post_raw(b"{", Authorization=f"Bearer {secrets[1][:-2]}")
            ada.http.get("/api/v1/board/", headers={"Authorization": f"Bearer {secrets[2]}"})
            answer = ada.http.post("/api/v1/token/refresh/", json={"refresh": ada.login["refresh"]}).json()
            secrets += [answer["access"], answer["refresh"]]
        assert hub.stop() == 0
        log = hub.log.read_text()
    assert "ada logged in to team engines" in log
    for secret in secrets:
        assert secret not in log
        assert secret[-20:] not in log
    with closing(sqlite3.connect(hub.database)) as connection:
        kept = "\n".join(connection.iterdump())
    assert not [secret for secret in secrets if secret in kept]
