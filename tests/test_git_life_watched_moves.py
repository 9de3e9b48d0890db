"""What must come out of each thing that git does with HEAD, with a live watcher: alone, and beside hooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lives import LOOKED, READ, Life, Lives, Step, ways
from tests.world import Repo


@pytest.fixture(params=[False, True], ids=["W", "B"])
def lives(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lives]:
    with closing(Lives(tmp_path, has_hooks=request.param)) as made:
        yield made


# -- 6 to 11: commits and branches


def test_06_amending_the_message_is_nothing_and_the_lane_is_one_event(lives: Lives) -> None:
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

    lives.run(amended, in_haste)


def test_07_switching_and_bisecting_is_nothing(lives: Lives) -> None:
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

    lives.run(to_and_fro)


def test_08_an_edit_carried_over_a_switch_is_told_once(lives: Lives) -> None:
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

    lives.run(*ways(carried, "told", "at once"))


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

    lives.run(*ways(pulled, "--ff-only", "--no-rebase", "--rebase", "--rebase=interactive"))


# -- 12 to 15: history rewritten


def test_12_a_rebase_tells_nothing(lives: Lives) -> None:
    def rebased(life: Life, way: str) -> Iterator[Step]:
        life.git("switch", "-q", "-c", "topic")
        life.lane("doing")
        life.lane("doing", "WP02")
        life.lane("for_review", "WP02")
        yield ["planned>doing", "WP02 planned>doing", "WP02 doing>for_review"]
        life.git("switch", "-q", "main")
        life.file("elsewhere.txt")
        life.commit()
        life.git("switch", "-q", "topic")
        yield READ
        if way == "plain":
            life.git("rebase", "-q", "main")
        else:
            edit = {"reorder": ["1{h;d}", "2{G}"], "reword": ["2s/^pick/reword/"]}.get(way, [f"3s/^pick/{way}/"])
            life.git("rebase", "-q", "-i", "main", env=life.picking(*edit))
        yield READ
        yield LOOKED
        life.lane("done", "WP02")
        yield "WP02 for_review>done"

    lives.run(*ways(rebased, "plain", "reorder", "squash", "fixup", "reword"))


def test_13_a_rebase_that_drops_a_change_tells_the_way_back(lives: Lives) -> None:
    def dropped(life: Life, way: str) -> Iterator[Step]:
        life.file("a.txt")
        life.commit("before")
        life.lane("doing")
        yield "planned>doing"
        life.file("b.txt")
        life.commit("after")
        if way == "detached":  # 15b
            life.git("checkout", "-q", "--detach")
        life.git("rebase", "-q", "-i", "HEAD~3", env=life.picking("2s/^pick/drop/"))
        yield "doing>planned"

    lives.run(*ways(dropped, "on a branch", "detached"))


def test_14_a_hard_reset_over_a_told_change_tells_the_way_back(lives: Lives) -> None:
    def reset(life: Life) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.git("reset", "-q", "--hard", "HEAD~1")
        yield "doing>planned"

    lives.run(reset)


def test_14_a_reset_to_what_others_did_is_nothing(lives: Lives) -> None:
    def reset(life: Life) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("doing")
        mate.git("push", "-q")
        life.git("fetch", "-q")
        life.git("reset", "-q", "--hard", "origin/main")
        yield READ
        yield LOOKED
        life.lane("for_review")
        yield "doing>for_review"

    lives.run(reset)


def test_14_a_reset_that_keeps_the_file_is_nothing(lives: Lives) -> None:
    def reset(life: Life, way: str) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.git("reset", "-q", way, "HEAD~1")
        yield READ
        yield LOOKED
        life.commit("again")
        yield READ

    lives.run(*ways(reset, "--soft", "--mixed"))


def test_15_what_is_reverted_and_what_comes_back_is_told(lives: Lives) -> None:
    def reverted(life: Life) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.git("revert", "--no-edit", "HEAD")
        yield "doing>planned"

    def reset_and_taken_back(life: Life) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.git("reset", "-q", "--hard", "HEAD~1")
        yield "doing>planned"
        life.git("reset", "-q", "--hard", "ORIG_HEAD")
        yield "planned>doing"

    lives.run(reverted, reset_and_taken_back)


def test_15a_picking_an_old_change_is_nothing_and_a_new_one_is_told(lives: Lives) -> None:
    def pick(life: Life, source: Repo, rev: str, way: str) -> None:
        if way == "am":
            patch = life.folder / "one.patch"
            patch.write_text(source.git("format-patch", "-1", "--stdout", rev).stdout)
            life.git("am", "-q", patch)
        else:
            life.git("fetch", "-q", source.path, rev)
            life.git("cherry-pick", source.head(rev))

    def old(life: Life, way: str) -> Iterator[Step]:
        life.git("switch", "-q", "-c", "topic")
        life.lane("doing")
        yield "planned>doing"
        life.git("tag", "first")
        life.lane("for_review")
        yield "doing>for_review"
        life.git("switch", "-q", "main")
        pick(life, life, "first", way)
        yield READ
        yield LOOKED

    def new(life: Life, way: str) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("doing")
        life.file("other.txt")
        life.commit()
        pick(life, mate, "main", way)
        yield "planned>doing"

    lives.run(*ways(old, "cherry-pick", "am"), *ways(new, "cherry-pick", "am"))


def test_15a_amending_back_to_the_old_lane_is_told(lives: Lives) -> None:
    def saved(life: Life, way: str) -> Iterator[Step]:
        life.write("WP02", "doing")
        life.lane("doing")
        yield ["planned>doing", "WP02 planned>doing"]
        life.write(lane="planned")
        if way == "at the save":
            yield "doing>planned"
        life.git("commit", "-q", "-a", "--amend", "--no-edit")
        yield READ if way == "at the save" else "doing>planned"

    lives.run(*ways(saved, "at the save", "at the commit"))


def test_15b_the_hands_changes_in_a_rebase_are_told_once(lives: Lives) -> None:
    def conflict(life: Life, way: str) -> Iterator[Step]:
        yield from life.diverge(mine="doing", theirs="for_review")
        life.git("rebase", way, "main", check=False)
        yield LOOKED
        life.write(lane="done")
        yield LOOKED
        life.git("add", "-A")
        life.git("rebase", "--continue")
        yield "for_review>done"

    def edit_stop(life: Life) -> Iterator[Step]:
        yield from life.diverge()
        life.git("rebase", "-q", "-i", "main", env=life.picking("1s/^pick/edit/"))
        life.write(lane="for_review")
        yield LOOKED
        life.git("commit", "-q", "-a", "--amend", "--no-edit")
        yield READ
        life.git("rebase", "--continue")
        yield "doing>for_review"

    def aborted(life: Life) -> Iterator[Step]:
        yield from life.diverge(mine="doing", theirs="for_review")
        life.git("rebase", "main", check=False)
        yield LOOKED
        life.git("rebase", "--abort")
        yield READ
        yield LOOKED

    lives.run(*ways(conflict, "--merge", "--apply"), edit_stop, aborted)


def test_15b_a_plain_rebase_tells_nothing(lives: Lives) -> None:
    def rebased(life: Life, way: str) -> Iterator[Step]:
        backend, _, is_named = way.partition(" ")
        yield from life.diverge(theirs="for_review")
        life.lane("doing", "WP02")
        yield "WP02 planned>doing"
        life.git("switch", "-q", "main")
        life.lane("doing", "WP03")
        life.lane("planned")
        yield ["WP03 planned>doing", "for_review>planned"]
        life.git("switch", "-q", "topic")
        life.lane("planned")
        yield READ
        if is_named:
            life.git("switch", "-q", "main")
            yield READ
            life.git("rebase", "-q", backend, "main", "topic")
        else:
            life.git("rebase", "-q", backend, "main")
        yield READ
        yield LOOKED

    def of_a_mate(life: Life, way: str) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("doing")
        life.git("fetch", "-q", mate.path, "main:topic")
        life.file("other.txt")
        life.commit()
        life.git("rebase", "-q", way, "main", "topic")
        yield READ
        yield LOOKED

    every = ("--merge", "--apply", "--merge from elsewhere", "--apply from elsewhere")
    lives.run(*ways(rebased, *every), *ways(of_a_mate, "--merge", "--apply"))


def test_15c_a_partial_commit_is_nothing_beyond_the_saves(lives: Lives) -> None:
    def partial(life: Life) -> Iterator[Step]:
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

    def in_haste(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        life.write("WP02", "doing")
        life.git("add", life.wp())
        life.git("commit", "-q", "-m", "one of two")
        yield ["planned>doing", "WP02 planned>doing"]

    lives.run(partial, in_haste)


# -- 26a: what git writes into files beside its moves


def test_26a_markers_outside_of_a_merge_are_nothing(lives: Lives) -> None:
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

    lives.run(stash_pop, switch_with_merge)


def test_26a_a_pull_with_autostash_tells_the_edit_once(lives: Lives) -> None:
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

    lives.run(*ways(pulled, "told", "at once"))


def test_26a_a_file_checked_out_from_elsewhere_is_a_hands_change(lives: Lives) -> None:
    def checked_out(life: Life) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("for_review")
        life.git("fetch", "-q", mate.path, "main")
        life.git("checkout", "FETCH_HEAD", "--", life.wp())
        yield "planned>for_review"
        life.commit("theirs, taken over")
        yield READ

    lives.run(checked_out)
