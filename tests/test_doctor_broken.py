"""Sixty broken set-ups, each of one to three things wrong: doctor finds exactly those, and --fix mends what it says.

A sweep that breaks each thing at least once runs always; all sixty under CATFLAP_TEST_LONG=1.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from catflap.doctor import trial
from catflap.doctor.examination import CATALOGUE, is_well
from catflap.doctor.examine import examine
from catflap.doctor.finding import Finding
from catflap.doctor.machine import PYTHON_OLD
from catflap.doctor.remedy import REMEDIES, mend
from catflap.hookfiles import KEPT
from tests.broken_setups import ALL, BREAKERS, EVENTS, OWN_HOOK, Breaker, World, build

IS_LONG = bool(os.environ.get("CATFLAP_TEST_LONG"))
SEEDS = 60
PICTURES = {kind.id for kind in trial.KINDS} | {PYTHON_OLD.id}
"""What only a trial of the hooks finds (test_doctor.py), or nobody can set up here."""


def deal() -> list[list[Breaker]]:
    """Sets of one to three breakers that go together, one for each seed: the first few have each at least once."""
    luck = random.Random(60)
    left = luck.sample(BREAKERS, len(BREAKERS))
    hands: list[list[Breaker]] = []
    while len(hands) < SEEDS:
        hand = [left.pop(0) if left else luck.choice(BREAKERS)]
        for other in list(left) or luck.sample(BREAKERS, 12):
            if len(hand) < 3 and all(_goes_with(other, one) for one in hand):
                hand.append(other)
                if other in left:
                    left.remove(other)
        hands.append(hand if len(hands) < 40 else hand[: luck.randint(1, 3)])
    return hands


def _goes_with(one: Breaker, other: Breaker) -> bool:
    return not one.touches & other.touches and ALL not in one.touches | other.touches


HANDS = deal()
SWEEP = 1 + max(HANDS.index(next(hand for hand in HANDS if breaker in hand)) for breaker in BREAKERS)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The healthy set-up, at the same place each time."""
    place = _place(tmp_path_factory)
    base = place / "world"
    monkeypatch.setenv("SPEC_KITTY_HOME", str(base / "home"))
    monkeypatch.setenv("PATH", os.pathsep.join(("/usr/local/bin", "/usr/bin", "/bin")))
    if not (place / "healthy").exists():
        build(base)
        base.rename(place / "healthy")
    shutil.copytree(place / "healthy", base, symlinks=True)
    with ExitStack() as until_end:
        made = World(base, monkeypatch, until_end, path=base / "project")
        made.kept[made.hooks / f"post-commit{KEPT}"] = OWN_HOOK
        yield made
    monkeypatch.undo()
    shutil.rmtree(base)


_places: list[Path] = []


def _place(factory: pytest.TempPathFactory) -> Path:
    if not _places:
        _places.append(factory.mktemp("doctor").resolve())
    return _places[0]


def look(world: World) -> list[Finding]:
    return examine(world.path, _say_nothing, tries_hooks=False, asks_server=world.asks_server).findings()


def _say_nothing(words: str) -> None:
    raise AssertionError(f"nothing runs, but it says: {words}")


def queued(home: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(home / "queue.db")) as connection:
        return list(connection.execute("SELECT event_id, data FROM queue ORDER BY id"))


def test_a_healthy_setup_has_no_findings(world: World) -> None:
    assert look(world) == []


def test_each_finding_has_a_breaker_and_each_that_is_mended_a_remedy() -> None:
    broken = {name for breaker in BREAKERS for name in breaker.ids}
    assert broken == set(CATALOGUE) - PICTURES
    assert {kind.id for kind in CATALOGUE.values() if kind.is_mended} == set(REMEDIES)
    assert len(BREAKERS) >= 50


@pytest.mark.parametrize("seed", range(SEEDS if IS_LONG else SWEEP))
def test_what_was_broken_is_found_explained_and_mended_where_it_can_be(world: World, seed: int) -> None:
    hand = HANDS[seed]
    expected = {name for breaker in hand for name in breaker.ids}
    before = queued(world.home)
    for breaker in hand:
        breaker.act(world)
    names = [breaker.name for breaker in hand]

    found = look(world)
    assert {one.id for one in found} == expected, names
    assert all(one.what and one.kind.why and one.fix for one in found)
    assert is_well(found) is all(one.level != "error" for one in found)

    done, failed = mend(found)
    assert failed == [], names
    assert bool(done) is any(one.kind.is_mended for one in found)
    left = look(world)
    assert {one.id for one in left} == {name for name in expected if not CATALOGUE[name].is_mended}, (names, done)

    assert all(path.read_bytes() == data for path, data in world.kept.items()), names
    if not any(ALL in breaker.touches for breaker in hand):
        assert queued(world.home) == before
        assert len(before) == EVENTS


def test_mending_again_does_nothing(world: World) -> None:
    (world.hooks / "post-merge").unlink()
    mend(look(world))
    assert mend(look(world)) == ([], [])


def test_a_clock_that_was_set_aside_is_still_there(world: World) -> None:
    (world.home / "clock.json").write_text("{")
    mend(look(world))
    [aside] = world.home.glob("clock.json.broken-*")
    assert aside.read_text() == "{"
    assert json.loads((world.home / "clock.json").read_text())["value"] > EVENTS
