"""What must come out of each thing that git does with HEAD, with a live watcher: alone, and beside hooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lives import LOOKED, READ, Life, Lives, Step, ways


@pytest.fixture(params=[False, True], ids=["W", "B"])
def lives(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lives]:
    with closing(Lives(tmp_path, has_hooks=request.param)) as made:
        yield made


# -- 6 to 11: commits and branches


def test_06_15c_an_amend_and_a_partial_commit_tell_nothing_beyond_the_saves(lives: Lives) -> None:
    def amended(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.commit()
        yield READ
        life.git("commit", "-q", "--amend", "-m", "other words")
        yield READ
        life.write(lane="for_review")
        yield "doing>for_review"
        life.git("commit", "-q", "-a", "--amend", "-m", "and the lane")
        yield READ

    def in_haste(life: Life) -> Iterator[Step]:
        life.lane("doing")
        life.write(lane="for_review")
        life.git("commit", "-q", "-a", "--amend", "-m", "and the lane")
        yield ["planned>doing", "doing>for_review"]

    def partial_commit(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.write("WP02", "doing")
        yield "WP02 planned>doing"
        life.git("add", life.wp())
        life.git("commit", "-q", "-m", "one of two")
        yield READ
        yield LOOKED
        life.commit("the other")
        yield READ

    def partial_in_haste(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        life.write("WP02", "doing")
        life.git("add", life.wp())
        life.git("commit", "-q", "-m", "one of two")
        yield ["planned>doing", "WP02 planned>doing"]

    lives.run(amended, in_haste, partial_commit, partial_in_haste)


def test_07_08_switching_and_bisecting_is_nothing_and_an_edit_carried_along_is_told_once(lives: Lives) -> None:
    def to_and_fro(life: Life) -> Iterator[Step]:
        first = life.head()
        life.git("switch", "-q", "-c", "topic")
        life.lane("doing")
        yield "planned>doing"
        for number in range(4):
            life.file("n.txt", str(number))
            life.commit()
        for way in ("switch main", "switch topic", "checkout --detach main", "switch topic"):
            life.git(*way.split())
            yield READ
        life.git("bisect", "start", "HEAD", first)
        yield LOOKED
        life.git("bisect", "good")
        yield READ
        life.git("bisect", "reset")
        yield READ

    def carried(life: Life, way: str) -> Iterator[Step]:
        life.git("branch", "topic")
        life.write(lane="doing")
        if way == "told":
            yield "planned>doing"
        life.git("switch", "-q", "topic")
        yield READ if way == "told" else "planned>doing"
        yield LOOKED
        life.commit()
        yield READ

    lives.run(to_and_fro, *ways(carried, "told", "at once"))


def test_09_a_branch_that_was_told_is_merged_silently(lives: Lives) -> None:
    def merged(life: Life, way: str) -> Iterator[Step]:
        life.git("switch", "-q", "-c", "topic")
        life.lane("doing")
        yield "planned>doing"
        life.git("switch", "-q", "main")
        yield READ
        match way:
            case "ff":
                life.git("merge", "-q", "--ff-only", "topic")
            case "no-ff":
                life.git("merge", "-q", "--no-ff", "--no-edit", "topic")
            case "squash":
                life.git("merge", "-q", "--squash", "topic")
                yield LOOKED
                life.git("commit", "-q", "-m", "squashed")
            case "octopus":
                life.git("switch", "-q", "-c", "other")
                life.file("other.txt")
                life.commit()
                life.git("switch", "-q", "main")
                life.file("main.txt")
                life.commit()
                life.git("merge", "-q", "--no-edit", "topic", "other")
            case _:
                life.file("main.txt")
                life.commit()
                life.git("cherry-pick", "topic")
        yield READ
        yield LOOKED

    lives.run(*ways(merged, "ff", "no-ff", "squash", "octopus", "cherry-pick"))


def test_10_a_conflict_resolved_to_a_third_lane_is_one_event(lives: Lives) -> None:
    def resolved(life: Life) -> Iterator[Step]:
        yield from life.diverge(mine="doing", theirs="for_review")
        life.git("switch", "-q", "main")
        life.git("merge", "topic", check=False)
        assert "<<<<<<<" in life.wp().read_text()
        yield LOOKED
        life.write(lane="done")
        yield LOOKED
        life.commit()
        yield "for_review>done"

    lives.run(resolved)


def test_11_a_pull_brings_nothing_to_tell(lives: Lives) -> None:
    def pulled(life: Life, way: str) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("for_review", "WP02")
        mate.git("push", "-q")
        if way != "--ff-only":
            life.lane("doing")
            yield "planned>doing"
        life.git("pull", "-q", "--no-edit", way)
        assert "for_review" in life.wp("WP02").read_text()
        yield READ
        yield LOOKED
        life.lane("done", "WP02")
        yield "WP02 for_review>done"

    def merged(life: Life) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("for_review", "WP02")
        life.git("fetch", "-q", mate.path, "main")
        life.git("merge", "-q", "--no-ff", "--no-edit", "FETCH_HEAD", env={"GIT_REFLOG_ACTION": "tool"})
        yield READ
        yield LOOKED
        life.lane("done", "WP02")
        yield "WP02 for_review>done"

    lives.run(*ways(pulled, "--ff-only", "--no-rebase", "--rebase", "--rebase=interactive"), merged)


# -- 26a: what git writes into files beside its moves


def test_26a_markers_are_nothing_and_what_a_hand_brings_into_a_file_is_told_once(lives: Lives) -> None:
    def stash_pop(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.git("stash", "-q")
        life.lane("for_review")
        yield "doing>for_review"
        assert life.git("stash", "pop", check=False).returncode == 1
        assert "<<<<<<<" in life.wp().read_text()
        yield LOOKED
        life.lane("done")
        yield "for_review>done"

    def switch_with_merge(life: Life) -> Iterator[Step]:
        life.git("switch", "-q", "-c", "topic")
        life.lane("for_review")
        yield "planned>for_review"
        life.git("switch", "-q", "main")
        life.write(lane="doing")
        yield "for_review>doing"
        life.git("switch", "-q", "-m", "topic")
        assert "<<<<<<<" in life.wp().read_text()
        yield READ
        yield LOOKED
        life.lane("done")
        yield "doing>done"

    def pulled(life: Life, way: str) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("for_review", "WP02")
        mate.git("push", "-q")
        life.file("mine.txt")
        life.commit()
        life.write(lane="doing")
        if way == "told":
            yield "planned>doing"
        life.git("pull", "-q", "--rebase", "--autostash")
        yield READ if way == "told" else "planned>doing"
        yield LOOKED
        life.commit("the edit that was stashed meanwhile")
        yield READ

    def checked_out(life: Life) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("for_review")
        life.git("fetch", "-q", mate.path, "main")
        life.git("checkout", "FETCH_HEAD", "--", life.wp())
        yield "planned>for_review"
        life.commit("theirs, taken over")
        yield READ

    lives.run(stash_pop, switch_with_merge, *ways(pulled, "told", "at once"), checked_out)
