"""What must come out when git rewrites history, with a live watcher: alone, and beside hooks."""

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


# -- 12 to 15: history rewritten


def test_12_13_a_rebase_tells_only_the_way_back_of_what_it_drops(lives: Lives) -> None:
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

    def dropped(life: Life, way: str) -> Iterator[Step]:
        life.file("a.txt")
        life.commit("before")
        life.lane("doing")
        yield "planned>doing"
        life.file("b.txt")
        life.commit("after")
        if way != "on a branch":  # 15b
            life.git("checkout", "-q", "--detach")
        life.git("rebase", "-q", "-i", "HEAD~3", env=life.picking(f"{'1,$' if way == 'all' else 2}s/^pick/drop/"))
        yield "doing>planned"

    every = ways(rebased, "plain", "reorder", "squash", "fixup", "reword")
    lives.run(*every, *ways(dropped, "on a branch", "detached", "all"))


def test_14_15_a_reset_or_revert_tells_what_it_takes_back_and_what_it_brings_back(lives: Lives) -> None:
    def reset_and_taken_back(life: Life) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.git("reset", "-q", "--hard", "HEAD~1")
        yield "doing>planned"
        life.git("reset", "-q", "--hard", "ORIG_HEAD")
        yield "planned>doing"

    def reverted(life: Life) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.git("revert", "--no-edit", "HEAD")
        yield "doing>planned"

    def to_what_others_did(life: Life) -> Iterator[Step]:
        mate = life.mate()
        mate.lane("doing")
        mate.git("push", "-q")
        life.git("fetch", "-q")
        life.git("reset", "-q", "--hard", "origin/main")
        yield READ
        yield LOOKED
        life.lane("for_review")
        yield "doing>for_review"

    def keeping_the_file(life: Life, way: str) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.git("reset", "-q", way, "HEAD~1")
        yield READ
        yield LOOKED
        life.commit("again")
        yield READ

    lives.run(reset_and_taken_back, reverted, to_what_others_did, *ways(keeping_the_file, "--soft", "--mixed"))


def test_15a_picking_an_old_change_is_nothing_and_a_new_one_or_an_amended_one_is_told(lives: Lives) -> None:
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

    def amended_back(life: Life, way: str) -> Iterator[Step]:
        life.write("WP02", "doing")
        life.lane("doing")
        yield ["planned>doing", "WP02 planned>doing"]
        life.write(lane="planned")
        if way == "at the save":
            yield "doing>planned"
        life.git("commit", "-q", "-a", "--amend", "--no-edit")
        yield READ if way == "at the save" else "doing>planned"

    backs = ways(amended_back, "at the save", "at the commit")
    lives.run(*ways(old, "cherry-pick", "am"), *ways(new, "cherry-pick", "am"), *backs)


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
