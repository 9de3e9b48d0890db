"""Logins: what a token must be, how a session goes on and ends, what a password costs, how often one may guess."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.errors import BadInput
from catflap.hub import accounts, sessions
from catflap.hub.database import opened
from catflap.hub.limits import RateLimit
from catflap.hub.refusal import Refused
from catflap.hub.sessions import GRACE_S, MAX_SESSIONS, Session
from catflap.hub.tokens import AUDIENCE, REFRESH_LIFETIME_S, Claims, KeyUnusable, Tickets, Tokens, signing_key

KEY = bytes(range(64))
CLAIMS = Claims("ada", "engines", "session", "jti")
T0 = 1_770_000_000


def said(**changes: Any) -> dict[str, Any]:
    """What a good access token says; a change to None leaves the claim out."""
    now_s = int(time.time())
    good = {"typ": "access", "sub": "ada", "team": "engines", "sid": "session", "jti": "jti", "aud": AUDIENCE}
    return {k: v for k, v in {**good, "iat": now_s, "exp": now_s + 900, **changes}.items() if v is not None}


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str | None = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def refused(token: str) -> str:
    with pytest.raises(Refused) as caught:
        Tokens(KEY).read_access(token)
    assert caught.value.status == 401
    return caught.value.why


# -- access and refresh tokens


def test_a_good_token_says_who_it_is() -> None:
    assert Tokens(KEY).read_access(signed(said())) == CLAIMS
    assert Tokens(KEY).read_access(Tokens(KEY).access(CLAIMS, now_s=time.time())) == CLAIMS


def test_an_unsigned_token_is_refused() -> None:
    assert refused(signed(said(), None, "none")) == "the token is not one of ours"


def test_another_algorithm_is_refused_even_with_our_key() -> None:
    assert refused(signed(said(), KEY, "HS512")) == "the token is not one of ours"


def test_a_foreign_key_is_refused() -> None:
    assert refused(signed(said(), bytes(64))) == "the token is not one of ours"


def test_an_expired_token_is_refused() -> None:
    assert refused(signed(said(exp=int(time.time()) - 1))) == "the token has expired"


@pytest.mark.parametrize("audience", ["somebody-else", ["somebody-else"], ""])
def test_a_token_for_another_audience_is_refused(audience: Any) -> None:
    assert refused(signed(said(aud=audience))) == "the token is not one of ours"


@pytest.mark.parametrize("name", ["exp", "iat", "aud", "sub", "jti", "typ", "team", "sid"])
def test_a_token_without_one_of_its_claims_is_refused(name: str) -> None:
    assert refused(signed(said(**{name: None}))) == "the token is not one of ours"


def test_a_refresh_token_opens_nothing_and_an_access_token_refreshes_nothing() -> None:
    tokens = Tokens(KEY)
    assert refused(tokens.refresh(CLAIMS, issued_at_s=int(time.time()))) == "the token is no access token"
    with pytest.raises(Refused, match="no refresh token"):
        tokens.read_refresh(tokens.access(CLAIMS, now_s=time.time()))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "x" * 5000, "\x00"])
def test_what_is_no_token_is_refused(token: str) -> None:
    refused(token)


# -- socket tickets


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets()
    ticket = tickets.issue(CLAIMS, now_s=0.0)
    assert tickets.redeem(ticket, now_s=29.9) == CLAIMS
    with pytest.raises(Refused, match="unknown, used, or older"):
        tickets.redeem(ticket, now_s=29.9)


def test_a_ticket_is_good_for_30_seconds() -> None:
    tickets = Tickets()
    ticket = tickets.issue(CLAIMS, now_s=0.0)
    with pytest.raises(Refused) as caught:
        tickets.redeem(ticket, now_s=30.0)
    assert caught.value.status == 401


def test_tickets_that_nobody_redeems_are_forgotten() -> None:
    tickets = Tickets()
    for number in range(20_000):
        tickets.issue(CLAIMS, now_s=number / 1000)
    assert len(tickets._open) <= 10_000
    tickets.issue(CLAIMS, now_s=100.0)
    assert len(tickets._open) == 1


# -- the key


def test_the_key_is_made_once_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    before = os.umask(0)
    try:
        key = signing_key(path)
    finally:
        os.umask(before)
    assert len(key) == 64
    assert signing_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_two_that_make_the_key_at_once_have_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    ready = threading.Barrier(8)

    def make() -> None:
        ready.wait()
        found.append(signing_key(tmp_path / "hub.key"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_can_read_or_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    signing_key(path)
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="others can read it"):
        signing_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(KeyUnusable, match="has not 64 bytes"):
        signing_key(path)


# -- sessions


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened(tmp_path / "hub.db") as connection:
        accounts.add(connection, "ada", "x", team="engines", now_s=T0)
        accounts.join(connection, "ada", "weavers")
        yield connection


def begun(connection: sqlite3.Connection, now_s: int = T0) -> Session:
    account = accounts.existing(connection, "ada")
    member = accounts.membership(connection, account.user_id, "engines")
    assert member is not None
    return sessions.begin(connection, member, now_s=now_s)


def refresh(connection: sqlite3.Connection, session: Session, now_s: int) -> Session | None:
    return sessions.refresh(connection, session.id, session.refresh_jti, now_s=now_s)


def test_a_refresh_gives_another_token_each_time(database: sqlite3.Connection) -> None:
    first = begun(database)
    second = refresh(database, first, T0 + 800)
    assert second is not None
    third = refresh(database, second, T0 + 1600)
    assert third is not None
    assert len({first.refresh_jti, second.refresh_jti, third.refresh_jti}) == 3
    assert first.id == second.id == third.id


def test_two_that_refresh_at_the_same_moment_get_the_same_answer(database: sqlite3.Connection) -> None:
    first = begun(database)
    answers = [refresh(database, first, T0 + after) for after in (0, 1, GRACE_S)]
    assert answers[0] is not None
    assert answers[0].refresh_jti != first.refresh_jti
    assert answers == [answers[0]] * 3


def test_a_refresh_token_that_comes_again_later_ends_the_session_for_both(database: sqlite3.Connection) -> None:
    first = begun(database)
    second = refresh(database, first, T0)
    assert second is not None
    assert refresh(database, first, T0 + GRACE_S + 1) is None
    assert sessions.find(database, first.id, now_s=T0) is None
    assert refresh(database, second, T0 + GRACE_S + 2) is None


def test_another_session_does_not_end_with_it(database: sqlite3.Connection) -> None:
    stolen, other = begun(database), begun(database)
    refresh(database, stolen, T0)
    refresh(database, stolen, T0 + 99)
    assert refresh(database, other, T0 + 99) is not None


def test_a_session_that_nobody_refreshes_expires(database: sqlite3.Connection) -> None:
    session = begun(database)
    assert sessions.find(database, session.id, now_s=T0 + REFRESH_LIFETIME_S - 1) is not None
    assert sessions.find(database, session.id, now_s=T0 + REFRESH_LIFETIME_S) is None
    assert refresh(database, session, T0 + REFRESH_LIFETIME_S) is None
    begun(database, T0 + REFRESH_LIFETIME_S)
    assert database.execute("SELECT count(*) FROM session").fetchone() == (1,)


def test_a_user_has_a_hundred_sessions_and_no_more(database: sqlite3.Connection) -> None:
    first = begun(database)
    for number in range(MAX_SESSIONS):
        begun(database, T0 + 1 + number)
    assert database.execute("SELECT count(*) FROM session").fetchone() == (MAX_SESSIONS,)
    assert sessions.find(database, first.id, now_s=T0) is None


def test_who_leaves_a_team_or_gets_a_new_password_is_logged_out(database: sqlite3.Connection) -> None:
    session = begun(database)
    accounts.leave(database, "ada", "weavers")
    assert sessions.find(database, session.id, now_s=T0) is not None
    accounts.set_password(database, "ada", "y")
    assert sessions.find(database, session.id, now_s=T0) is None
    session = begun(database)
    accounts.leave(database, "ada", "engines")
    assert sessions.find(database, session.id, now_s=T0) is None
    assert accounts.existing(database, "ada").teams == ()


def test_used_refresh_tokens_do_not_pile_up(database: sqlite3.Connection) -> None:
    session = begun(database)
    for number in range(20):
        following = refresh(database, session, T0 + 800 * number)
        assert following is not None
        session = following
    assert database.execute("SELECT count(*) FROM used_refresh").fetchone() == (1,)


# -- passwords


def test_a_password_is_kept_as_argon2id() -> None:
    known = accounts.hashed("correct horse battery")
    assert known.startswith("$argon2id$v=19$m=65536,t=3,p=")
    account = accounts.Account(1, "ada", known, ())
    assert accounts.is_password(account, "correct horse battery")
    assert not accounts.is_password(account, "correct horse batterz")


def test_an_unknown_name_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work is done for both: a verification against a hash with the same parameters."""
    verified: list[str] = []
    real = accounts._hasher

    class Counting:
        def verify(self, known: str, password: str) -> bool:
            verified.append(known)
            return real.verify(known, password)

    account = accounts.Account(1, "ada", accounts.hashed("correct horse battery"), ())
    accounts.nobodys_hash()
    monkeypatch.setattr(accounts, "_hasher", Counting())
    assert not accounts.is_password(account, "wrong")
    assert not accounts.is_password(None, "wrong")
    parameters = [one.split("$")[1:4] for one in verified]
    assert len(parameters) == 2
    assert parameters[0] == parameters[1]
    assert verified[0] != verified[1]


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
def test_a_password_that_is_too_short_or_long_is_refused(password: str) -> None:
    with pytest.raises(BadInput, match="8 to 1,024 characters"):
        accounts.hashed(password)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a" * 65, "a\n", "é", "../x"])
def test_a_name_that_could_confuse_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        accounts.checked_name(name)


@pytest.mark.parametrize("team", ["", "Team", "a b", "local", "a\n", "-x"])
def test_a_team_that_could_confuse_is_refused(team: str) -> None:
    with pytest.raises(BadInput):
        accounts.checked_team(team)


# -- how often one may guess


def test_after_a_burst_one_may_guess_at_the_rate_only() -> None:
    rate = RateLimit(burst=3, refill_s=10.0)
    assert [rate.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 10.0]
    assert rate.take("a", 4.0) == 6.0
    assert rate.take("b", 4.0) == 0.0
    assert rate.take("a", 10.0) == 0.0
    assert rate.take("a", 10.0) == 10.0


def test_what_was_no_guess_is_given_back() -> None:
    rate = RateLimit(burst=1, refill_s=10.0)
    for _ in range(5):
        assert rate.take("a", 0.0) == 0.0
        rate.give_back("a")
    rate.give_back("nobody")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20)), max_size=60))
def test_nobody_ever_gets_more_than_the_burst_and_the_rate(waits: list[tuple[str, float]]) -> None:
    rate, now_s, taken = RateLimit(burst=3, refill_s=10.0), 0.0, dict.fromkeys("abc", 0)
    for key, wait_s in waits:
        now_s += wait_s
        taken[key] += rate.take(key, now_s) == 0.0
        assert taken[key] <= 3 + now_s / 10 + 1e-6


def test_a_flood_of_names_takes_no_memory() -> None:
    rate = RateLimit(burst=3, refill_s=10.0, max_keys=100)
    for number in range(1000):
        rate.take(str(number), 0.0)
    assert len(rate._full_at) <= 100
    rate.take("late", 1e6)
    assert len(rate._full_at) == 1
