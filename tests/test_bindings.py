"""Which repository speaks to whom: config.toml, what is queued and sent because of it, and what a bad file does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from catflap.bindings import Binding, put_binding, read_bindings
from catflap.errors import ConfigUnusable
from catflap.sync.outgoing import (
    MAX_BODY_BYTES,
    MAX_EVENTS,
    MAX_PLAIN_BYTES,
    Parcel,
    by_slug,
    pack,
    parcel_of,
    why_held,
)
from tests.badserver import TeamServer
from tests.test_sync_bad_server import account_at, send
from tests.world import Repo, catflap, events, planned, told

LOCAL = Binding("/a/.git", ("one",), is_local=True)
BETA = Binding("/b/.git", ("two",), team="beta")


def test_what_was_put_is_read_and_the_rest_of_the_file_stays(home: Path) -> None:
    home.mkdir()
    config = home / "config.toml"
    config.write_text('# mine\n[other]\nkey = "value"  # kept\n')
    for binding in (LOCAL, BETA, Binding("/c d/ü.git", ("three",), team="x")):
        put_binding(home, binding)
    assert read_bindings(home) == {
        "/a/.git": LOCAL,
        "/b/.git": BETA,
        "/c d/ü.git": Binding("/c d/ü.git", ("three",), "x"),
    }
    put_binding(home, Binding("/a/.git"))
    assert list(read_bindings(home)) == ["/b/.git", "/c d/ü.git"]
    assert config.read_text().startswith('# mine\n[other]\nkey = "value"  # kept\n')
    assert config.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "[repositories",
        "repositories = 3",
        "[repositories]\na = 3",
        '[repositories."/a/.git"]\nteam = 3',
        '[repositories."/a/.git"]\nteam = ""',
        '[repositories."/a/.git"]\nlocal = "yes"',
        "\xff",
    ],
)
def test_a_file_that_cannot_be_read_is_said_and_stays(home: Path, text: str) -> None:
    home.mkdir()
    path = home / "config.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigUnusable, match=r"config\.toml"):
        read_bindings(home)
    with pytest.raises(ConfigUnusable):
        put_binding(home, LOCAL)
    assert path.read_bytes() == text.encode("latin-1")


EVENT: dict[str, Any] = {"event_id": "A", "team_slug": "local", "project_slug": "one", "payload": {}}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({}, "project one is kept local"),
        ({"project_slug": "two"}, "project two is bound to team beta"),
        ({"project_slug": "three"}, None),
        ({"project_slug": None}, None),
        ({"project_slug": "three", "team_slug": "alpha"}, None),
        ({"project_slug": "three", "team_slug": "beta"}, "it belongs to team beta"),
        ({"project_slug": "three", "team_slug": 3}, "it belongs to team 3"),
        ({"project_slug": ["one"]}, None),
    ],
)
def test_why_an_event_waits(event: dict[str, Any], why: str | None) -> None:
    assert why_held(EVENT | event, "alpha", by_slug([LOCAL, BETA])) == why


def test_the_strictest_of_several_clones_speaks_for_all() -> None:
    other = Binding("/elsewhere/.git", ("one",), team="alpha")
    assert why_held(EVENT, "alpha", by_slug([other])) is None
    assert why_held(EVENT, "alpha", by_slug([other, LOCAL])) == "project one is kept local"


def test_an_event_is_sent_as_the_teams_and_is_the_same_each_time() -> None:
    first, again = (parcel_of("A", dict(EVENT), json.dumps(EVENT), team="alpha") for _ in range(2))
    assert first is not None
    assert first == again
    assert json.loads(first.text) == EVENT | {"team_slug": "alpha"}
    assert pack([first]) == pack([first])


@pytest.mark.parametrize("team", ["alpha", 'a"b\\', "team_slug", "ü"])
@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"team_slug": "local"},
        {"title": '"team_slug":"local"'},
        {"title": "team_slug", "n": ["team_slug"]},
        {"title": "ü \ud800"},
        {"title": "NaN"},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_only_the_teams_own_place_is_replaced(payload: dict[str, Any], team: str, separators: tuple[str, str]) -> None:
    event = {"event_id": "A", "payload": payload, "team_slug": "local"}
    found = parcel_of("A", event, json.dumps(event, separators=separators), team=team)
    assert found is not None
    assert json.loads(found.text) == event | {"team_slug": team}


def test_a_name_written_otherwise_is_the_same_name() -> None:
    text = r'{"event_id":"A","payload":{"team_slug":"local"},"team\u005fslug":"local"}'
    found = parcel_of("A", json.loads(text), text, team="alpha")
    assert found is not None
    assert json.loads(found.text) == {"event_id": "A", "payload": {"team_slug": "local"}, "team_slug": "alpha"}


def test_a_number_that_is_no_json_is_not_sent_as_it_stands() -> None:
    text = '{"event_id":"A","payload":{"n":NaN},"team_slug":"local"}'
    assert parcel_of("A", json.loads(text), text, team="alpha") is None


@pytest.mark.parametrize("event", [{"event_id": "B"}, {}, {"event_id": "A", "n": json.loads("1e999")}])
def test_what_cannot_be_sent_under_its_id_is_no_parcel(event: dict[str, Any]) -> None:
    assert parcel_of("A", event | {"team_slug": "alpha"}, "", team="alpha") is None


def test_a_batch_keeps_its_three_limits() -> None:
    import random

    noise = random.Random(1)
    small = [Parcel(str(number), "{}") for number in range(2500)]
    assert pack(small)[1] == MAX_EVENTS
    large = [Parcel(str(number), json.dumps("x" * 100_000)) for number in range(200)]
    body, count = pack(large)
    assert count == MAX_PLAIN_BYTES // 100_003
    noisy = [Parcel(str(number), json.dumps(noise.randbytes(30_000).hex())) for number in range(60)]
    body, count = pack(noisy)
    assert 1 <= count < 60
    assert len(body) <= MAX_BODY_BYTES
    body, count = pack([Parcel("0", json.dumps(noise.randbytes(3 << 20).hex())), *noisy])
    assert (count, len(body) > MAX_BODY_BYTES) == (1, True)


def test_a_repository_that_is_kept_local_moves_its_ledger_and_queues_nothing(repo: Repo) -> None:
    assert catflap("auth", "bind", repo.path, "--local").returncode == 0
    repo.lane("doing")
    assert events() == []
    explained = json.loads(catflap("explain", "WP01", "--json", cwd=repo.path).stdout.splitlines()[-1])
    assert (explained["before"], explained["after"]) == ("planned", "doing")
    done = catflap("auth", "bind", repo.path, "--any")
    assert "speaks to the team logged in" in done.stdout
    repo.lane("for_review")
    assert told() == ["doing>for_review"]  # what was kept is not told later


def test_programs_are_held_to_it_too(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from catflap import emit_wp_status_changed

    assert catflap("auth", "bind", repo.path, "--local").returncode == 0
    monkeypatch.chdir(repo.path)
    assert emit_wp_status_changed("WP01", "planned", "doing", feature_slug="001-demo") is not None
    assert events() == []
    repo.lane("doing")
    assert events() == []


def test_events_bound_to_another_team_wait_for_it(repo: Repo, home: Path, tmp_path: Path) -> None:
    repo.lane("doing")
    assert catflap("auth", "bind", repo.path, "--team", "beta").returncode == 0
    other = planned(tmp_path / "other")
    other.install()
    other.lane("doing")
    with TeamServer() as server, account_at(server, home) as account:
        outcome = send(account, home)
        assert outcome.held == {"project project is bound to team beta": 1}
        assert (outcome.counts.accepted, outcome.counts.held, outcome.counts.left) == (1, 1, 0)
    assert [event["project_slug"] for event in events()] == ["project"]
    assert "wait for a login to team beta" in catflap("status").stdout
    with TeamServer(team="beta") as server, account_at(server, home) as account:
        assert send(account, home).counts.accepted == 1
        assert [event["team_slug"] for event in server.accepted.values()] == ["beta"]
    assert events() == []


def test_with_a_broken_config_nothing_is_queued_or_sent_and_all_is_told_later(repo: Repo, home: Path) -> None:
    (home / "config.toml").write_text("[repositories")
    repo.write("WP01", "doing")
    done = repo.commit("doing")
    assert done.stderr.count("\n") == 1
    assert "config.toml" in done.stderr
    assert events() == []
    with TeamServer() as server, account_at(server, home) as account, pytest.raises(ConfigUnusable):
        send(account, home)
    (home / "config.toml").unlink()
    repo.observe()
    assert told() == ["planned>doing"]


def test_binding_wants_one_answer_and_a_registered_repository(repo: Repo, tmp_path: Path) -> None:
    assert catflap("auth", "bind", repo.path).returncode == 2
    assert catflap("auth", "bind", repo.path, "--local", "--any").returncode == 2
    assert catflap("auth", "bind", repo.path, "--team", "local").returncode == 2
    done = catflap("auth", "bind", Repo.init(tmp_path / "stranger").path, "--local")
    assert (done.returncode, "catflap install" in done.stderr) == (1, True)
