"""Things made ahead come in order, with their errors, and leave no process behind, however their use ends."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from catflap import ahead, chain, errors
from catflap.errors import CatflapError, GitFailed
from tests.backfilling import preview, story

WAYS = {"thread": lambda make, *args: ahead.in_thread(make(*args)), "process": ahead.in_process}


def numbers(count: int, error: Exception | None = None) -> Generator[int, None, None]:
    yield from range(1, count + 1)
    if error is not None:
        raise error


def own_pid_and_then(count: int) -> Iterator[int]:
    yield os.getpid()
    yield from range(count)


def blocks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(1 << 20)


@pytest.mark.parametrize("way", WAYS)
def test_all_come_in_order(way: str) -> None:
    assert list(WAYS[way](numbers, 1000)) == list(range(1, 1001))
    assert list(WAYS[way](numbers, 0)) == []


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_before_an_error_is_used_and_the_error_is_the_same(way: str) -> None:
    found: list[int] = []
    wrong = GitFailed("compare trees", where="in x", why="a tree is missing", hint="try it: git fsck")
    with closing(WAYS[way](numbers, 3, wrong)) as items, pytest.raises(GitFailed) as raised:
        found.extend(items)
    assert found == [1, 2, 3]
    assert (str(raised.value), raised.value.hint) == (str(wrong), wrong.hint)


def test_a_mistake_of_ours_in_the_process_says_where_it_was_made() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        list(ahead.in_process(numbers, 1, ZeroDivisionError("oh")))
    assert "in numbers" in raised.value.__notes__[0]


@pytest.mark.parametrize("kind", [one for one in vars(errors).values() if isinstance(one, type)])
def test_every_error_goes_from_process_to_process(kind: type[Exception]) -> None:
    if not issubclass(kind, CatflapError):
        pytest.skip("no error of ours")
    error = kind("do it", where="here", why="because", hint="do that")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def test_a_process_that_is_killed_is_an_error_and_no_early_end() -> None:
    with closing(ahead.in_process(own_pid_and_then, 1_000_000)) as items:
        os.kill(next(items), signal.SIGKILL)
        with pytest.raises(GitFailed, match="was ended; run the same command again"):
            list(items)


def test_a_process_ends_when_nobody_uses_what_it_makes() -> None:
    items = ahead.in_process(own_pid_and_then, 1_000_000)
    pid = next(items)
    items.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_makes_no_more_ahead_than_a_pipe_holds() -> None:
    with closing(ahead.in_process(blocks, 10_000)) as items:  # 10 GB, were they made
        assert len(next(items)) == 1 << 20


def test_a_process_reads_the_same_history_as_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = story(tmp_path / "project")
    by_thread = preview(repo)
    assert by_thread
    started: list[str] = []

    def in_process(*args: Any) -> Any:
        started.append("a process")
        return ahead.in_process(*args)

    monkeypatch.setattr(chain, "LONG", 1)
    monkeypatch.setattr(chain, "in_process", in_process)
    assert preview(repo) == by_thread
    assert started


def test_without_a_process_to_be_had_a_thread_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = story(tmp_path / "project")
    by_thread = preview(repo)

    def no_process(*_: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(chain, "LONG", 1)
    monkeypatch.setattr(chain, "in_process", no_process)
    assert preview(repo) == by_thread
