"""What must come out of each thing that hands and editors do to files, with a live watcher: alone, and beside hooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from catflap.worktree import DOUBT_S, SETTLE_S
from tests.lives import LOOKED, READ, Life, Lives, Step, ways
from tests.world import Repo, catflap, events, planned, wp_text


@pytest.fixture(params=[False, True], ids=["W", "B"])
def lives(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lives]:
    with closing(Lives(tmp_path, has_hooks=request.param)) as made:
        yield made


# -- 1 to 5: saves


def test_01_install_tells_nothing_and_names_backfill(lives: Lives) -> None:
    lives.begin()
    life = Life(planned(lives.base / "new" / "new").path, lives.watch)
    life.write("WP02", "doing")
    done = catflap("install", life.path, *([] if lives.has_hooks else ["--no-hooks"]))
    assert done.returncode == 0
    assert "4 work packages" in done.stdout
    assert "backfill" in done.stdout

    def quiet(_: Life) -> Iterator[Step]:
        yield LOOKED

    lives.drive((life, quiet))


def test_02_03_an_edit_is_told_once_settled_and_not_at_the_commit(lives: Lives) -> None:
    def saved(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.commit()
        yield READ

    def committed_at_once(life: Life) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        yield LOOKED

    def twice(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.write(lane="for_review")
        yield "doing>for_review"
        life.commit()
        yield READ

    def twice_in_haste(life: Life) -> Iterator[Step]:
        with life.unseen():
            life.write(lane="doing")
            life.write(lane="for_review")
        yield "planned>for_review"
        life.commit()
        yield READ

    lives.run(saved, committed_at_once, twice, twice_in_haste)


def test_04_16_an_edit_restored_or_stashed_is_told_as_taken_back_if_that_lasts(lives: Lives) -> None:
    def restored(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.git("checkout", "--", ".")
        yield "doing>planned"
        life.file("other.txt")
        life.commit()
        yield READ

    def restored_in_haste(life: Life) -> Iterator[Step]:
        with life.unseen():
            life.write(lane="doing")
            life.git("checkout", "--", ".")
        yield LOOKED

    def stashed_for_a_moment(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.git("stash", "-q")
        yield LOOKED
        life.git("stash", "pop", "-q")
        yield LOOKED
        life.commit()
        yield READ

    def stashed_for_long(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.git("stash", "-q")
        yield "doing>planned"
        life.git("stash", "pop", "-q")
        yield "planned>doing"

    def stashed_unseen(life: Life) -> Iterator[Step]:
        with life.unseen():
            life.write(lane="doing")
            life.git("stash", "-q")
        yield LOOKED
        life.git("stash", "pop", "-q")
        yield "planned>doing"

    lives.run(restored, restored_in_haste, stashed_for_a_moment, stashed_for_long, stashed_unseen)


WITHOUT_MEANING = {
    "body": wp_text(body="Other words.\n"),
    "quotes": wp_text().replace('lane: "planned"', "lane: planned"),
    "order": "---\nlane: 'planned'\ntitle: Build WP01\nwork_package_id: \"WP01\"\ndependencies: []\n---\n",
    "crlf": wp_text().replace("\n", "\r\n"),
    "bom": "\ufeff" + wp_text(),
    "same": wp_text(),
}


def test_05_a_change_without_meaning_is_nothing(lives: Lives) -> None:
    def rewritten(life: Life, way: str) -> Iterator[Step]:
        life.wp().write_bytes(WITHOUT_MEANING[way].encode())
        yield LOOKED
        os.utime(life.wp())
        yield LOOKED
        life.commit("rewritten", "--allow-empty")
        yield READ

    lives.run(*ways(rewritten, *WITHOUT_MEANING))


# -- 16 and 17: edits that tools take away for a while


STASHING = """#!/bin/sh
# What the pre-commit framework does around each of its hooks: unstaged edits are away while it runs.
git diff --no-ext-diff --binary >'{patch}'
[ -s '{patch}' ] || exit 0
git checkout -q -- .
: >'{away}'
{wait}
git apply --whitespace=nowarn '{patch}'
rm '{away}'
"""


def test_17_edits_that_a_hook_takes_away_and_puts_back_tell_nothing(lives: Lives) -> None:
    def stashing(name: str) -> Life:
        path = planned(lives.base / name / name).path
        for hook, wait in (("pre-commit", f"read -r _ <'{path.parent / 'gate'}'"), ("post-commit", ":")):
            script = path / ".git" / "hooks" / hook
            names = {"patch": path.parent / f"{hook}.patch", "away": path.parent / f"{hook}.away", "wait": wait}
            script.write_text(STASHING.format_map(names))
            script.chmod(0o755)
        os.mkfifo(path.parent / "gate")
        return lives.adopt(path)

    def committed(life: Life, way: str) -> Iterator[Step]:
        away, gate = life.folder / "pre-commit.away", life.folder / "gate"
        before, after = ("doing", "for_review") if way == "over a staged one" else ("planned", "doing")
        if before != "planned":
            life.write(lane=before)
            life.git("add", "-A")
            yield "planned>doing"
        life.write(lane=after)
        if way != "at once":
            yield "planned>doing" if before == "planned" else "doing>for_review"
        life.file("other.txt")
        life.git("add", "other.txt")
        with subprocess.Popen(["git", "commit", "-q", "-m", "another file"], cwd=life.path) as commit:
            yield away.exists
            assert before in life.wp().read_text()
            if way in ("for long", "over a staged one"):
                yield lambda: time.time() - life.wp().stat().st_mtime > DOUBT_S + SETTLE_S
            yield LOOKED
            gate.write_text("go\n")
            yield lambda: commit.poll() == 0
        assert after in life.wp().read_text()
        yield READ if way != "at once" else "planned>doing"
        yield LOOKED
        life.commit("the edit")
        yield READ

    ways = ("short", "for long", "at once", "over a staged one")
    lives.drive(*((stashing(way.replace(" ", "-")), partial(committed, way=way)) for way in ways))


# -- 20 to 22, of files that are not committed yet


def test_20_a_file_deleted_and_brought_back_is_nothing(lives: Lives) -> None:
    def deleted(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        text = life.wp().read_text()
        life.wp().unlink()
        yield LOOKED
        life.wp().write_text(text)
        yield LOOKED
        life.git("add", "-A")
        life.git("commit", "-q", "-m", "work")
        life.git("rm", "-q", life.wp())
        yield LOOKED
        life.git("commit", "-q", "-m", "away")
        yield READ
        life.git("revert", "--no-edit", "HEAD")
        yield READ

    lives.run(deleted)


def test_21_bulk_changes_are_nothing(lives: Lives) -> None:
    path = lives.base / "bulk" / "bulk"
    bulk = Repo.init(path)
    for number in range(40):
        for wp in range(1, 51):
            bulk.write(f"WP{wp:02}", "doing" if wp != 4 else "planned", feature=f"{number:03}-bulk")
    planned(path)

    def deleted_and_reformatted(life: Life) -> Iterator[Step]:
        for number in range(40):
            shutil.rmtree(life.path / "kitty-specs" / f"{number:03}-bulk")
        yield LOOKED
        life.commit("all gone")
        yield READ
        life.git("revert", "--no-edit", "HEAD")
        yield READ
        for number in range(6):
            for wp in range(1, 51):
                file = life.wp(f"WP{wp:02}", feature=f"{number:03}-bulk")
                text = file.read_text().replace('lane: "doing"', "lane: doing" if number % 2 else "")
                file.write_text(text.replace("title: ", "title:   "))
        yield LOOKED
        life.commit("the bulk re-format, and lanes removed")
        yield READ
        life.write("WP01", "for_review", feature="001-bulk")
        yield "doing>for_review"

    lives.drive((lives.adopt(path), deleted_and_reformatted))


def test_22_a_new_feature_is_told_whole_once_all_its_files_are_settled(lives: Lives) -> None:
    life = lives.life("project")
    created = [f"WP0{number} created" if number > 1 else "created" for number in range(1, 8)]

    def planned_in_one_go(life: Life) -> Iterator[Step]:
        meta = '{"feature_number": "002", "target_branch": "2.x", "created_at": "2026-02-03T12:00:00Z"}'
        life.file("kitty-specs/002-new/meta.json", meta)
        for number in range(1, 7):
            life.write(f"WP0{number}", feature="002-new", depends=["WP01"] if number > 1 else [])
        last = life.wp("WP07", feature="002-new")
        last.write_text("---\nlane: [unclosed\n---\n")
        yield LOOKED
        life.write("WP07", feature="002-new", depends=["WP01"])
        yield ["feature 002-new of 7", *created]
        life.commit("a feature")
        yield READ
        life.write("WP08", "doing", feature="002-new")
        yield ["WP08 created", "WP08 planned>doing"]

    lives.drive((life, planned_in_one_go))
    found = [event for event in events() if event["payload"]["feature_slug"] == "002-new"]
    assert found[0]["payload"] == {
        "feature_slug": "002-new",
        "feature_number": "002",
        "target_branch": "2.x",
        "wp_count": 7,
        "created_at": "2026-02-03T12:00:00Z",
    }
    assert {event["causation_id"] for event in found[1:9]} == {found[0]["event_id"]}
    assert found[2]["payload"]["dependencies"] == ["WP01"]
    assert found[9]["causation_id"] == found[8]["event_id"]


# -- 27 and 28: how editors write, and what nobody can read


def _typed(life: Life) -> Iterator[Step]:
    for lane in ("", "d", "do", "doi", "doing"):
        life.write(lane=lane)
        yield LOOKED if lane != "doing" else "planned>doing"


def _in_place(life: Life) -> Iterator[Step]:
    with life.wp().open("r+b") as file:
        file.truncate(0)
        for byte in wp_text(lane="doing").encode():
            file.write(bytes([byte]))
            file.flush()
    yield "planned>doing"


def _rename_over(life: Life) -> Iterator[Step]:
    temporary = life.wp().with_name(".WP01-build.md.tmp123")
    temporary.write_text(wp_text(lane="doing"))
    temporary.replace(life.wp())
    yield "planned>doing"


def _backup_and_rename(life: Life) -> Iterator[Step]:
    backup = life.wp().with_name("WP01-build.md~")
    life.wp().rename(backup)
    yield LOOKED
    life.wp().write_text(wp_text(lane="doing"))
    yield "planned>doing"
    backup.unlink()
    yield LOOKED


def _truncate_and_write_slowly(life: Life) -> Iterator[Step]:
    text = wp_text(lane="doing").encode()
    with life.wp().open("wb") as file:
        for part in (b"", text[:30], text[30:60]):
            file.write(part)
            file.flush()
            yield LOOKED
        file.write(text[60:])
    yield "planned>doing"


def _beside_lock_files(life: Life) -> Iterator[Step]:
    tasks = life.wp().parent
    for name in ("4913", ".WP01-build.md.swp", "#WP01-build.md#"):
        (tasks / name).write_text(wp_text(lane="done"))
    (tasks / ".#WP01-build.md").symlink_to("ada@example.org.4913:1")
    (tasks / "4913").unlink()
    yield LOOKED
    life.write(lane="doing")
    yield "planned>doing"
    for file in tasks.iterdir():
        if not file.name.startswith("WP"):
            file.unlink()
    yield LOOKED


def test_27_however_an_editor_writes_it_is_one_event_and_no_error(lives: Lives) -> None:
    lives.run(_typed, _in_place, _rename_over, _backup_and_rename, _truncate_and_write_slowly, _beside_lock_files)


def test_28_broken_yaml_is_one_error_then_one_change(lives: Lives) -> None:
    broken = "---\nlane: [unclosed\n---\n"

    def saved(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.wp().write_text(broken)
        yield "error"
        life.commit("broken")
        yield READ
        life.wp().touch()
        yield LOOKED
        life.lane("for_review")
        yield "doing>for_review"

    def committed_at_once(life: Life) -> Iterator[Step]:
        life.lane("doing")
        yield "planned>doing"
        life.wp().write_text(broken)
        life.commit("broken")
        yield "error"
        life.git("commit", "-q", "--allow-empty", "-m", "nothing")
        yield READ
        life.write(lane="for_review")
        yield "doing>for_review"

    def unknown_lane(life: Life) -> Iterator[Step]:
        life.write(lane="dong")
        yield "error"
        life.write(lane="dong", body="More.\n")
        yield LOOKED
        life.lane("doing")
        yield "planned>doing"

    lives.run(saved, committed_at_once, unknown_lane)
    errors = [event["payload"] for event in events() if event["event_type"] == "ErrorLogged"]
    assert {error["error_type"] for error in errors} == {"validation"}
    assert all("WP01-build.md:" in error["error_message"] for error in errors)
