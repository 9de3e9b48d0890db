"""What must come out with many places, odd repositories and deaths, with a live watcher: alone, and beside hooks."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.lives import LOOKED, READ, Life, Lives, Step, has_read, told_by_folder
from tests.watching import wait_for
from tests.world import FEATURE, Repo, board, catflap, events, planned, short


@pytest.fixture(params=[False, True], ids=["W", "B"])
def lives(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lives]:
    with closing(Lives(tmp_path, has_hooks=request.param)) as made:
        yield made


# -- 18, 19, 26b: worktrees and moved files


def test_18_an_agent_in_a_linked_worktree(lives: Lives) -> None:
    def beside(life: Life) -> Iterator[Step]:
        agent = Repo(life.folder / "agent")
        life.git("worktree", "add", "-q", "-b", "agent", agent.path)
        agent.write(lane="doing")
        yield "planned>doing"
        agent.commit()
        life.write("WP02", "doing")
        yield "WP02 planned>doing"
        life.commit()
        agent.write(lane="for_review")
        yield "doing>for_review"
        agent.commit()
        life.wp().touch()  # the stale copy
        yield LOOKED
        life.git("merge", "-q", "--no-edit", "agent")
        life.git("worktree", "remove", agent.path)
        yield READ
        yield LOOKED

    lives.run(beside)


def test_19_a_move_within_tasks_is_nothing_and_between_lane_folders_a_status(lives: Lives) -> None:
    def within(life: Life) -> Iterator[Step]:
        (life.wp().parent / "deep").mkdir()
        life.git("mv", life.wp(), life.wp().parent / "deep" / "WP01-other.md")
        yield LOOKED
        life.commit()
        yield READ

    def between(life: Life) -> Iterator[Step]:
        folders = life.path / "kitty-specs" / "002-old" / "tasks"
        for lane in ("planned", "doing"):
            (folders / lane).mkdir(parents=True)
        (folders / "planned" / "WP01-x.md").write_text("# Old\n")
        yield ["feature 002-old of 1", "created"]
        life.commit("the folder era")
        yield READ
        life.git("mv", folders / "planned" / "WP01-x.md", folders / "doing" / "WP01-x.md")
        yield "planned>doing"
        life.commit()
        yield READ

    lives.run(within, between)


def test_26b_worktrees_moved_and_replaced(lives: Lives) -> None:
    def moved(life: Life) -> Iterator[Step]:
        life.git("worktree", "add", "-q", "-b", "agent", life.folder / "agent")
        agent = Repo(life.folder / "agent")
        agent.lane("doing")
        yield "planned>doing"
        life.git("worktree", "move", agent.path, life.folder / "moved")
        agent = Repo(life.folder / "moved")
        agent.write(lane="for_review")
        yield "doing>for_review"
        agent.commit()
        yield lambda: has_read(agent)

    def replaced(life: Life) -> Iterator[Step]:
        agent = Repo(life.folder / "agent")
        life.git("worktree", "add", "-q", "-b", "one", agent.path)
        agent.lane("doing")
        yield "planned>doing"
        life.git("worktree", "remove", agent.path)
        life.git("worktree", "add", "-q", "-b", "two", agent.path, "main")
        agent.lane("doing", "WP02")
        agent.write("WP03", "doing")
        yield ["WP02 planned>doing", "WP03 planned>doing"]

    lives.run(moved, replaced)


def test_26b_a_worktree_used_before_anyone_looked(lives: Lives) -> None:
    def unseen(life: Life) -> Iterator[Step]:
        life.watch.kill()
        life.git("-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "-b", "agent", life.folder / "agent")
        agent = Repo(life.folder / "agent")
        agent.write(lane="doing")
        agent.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-a", "-m", "unseen")
        agent.write(lane="for_review")
        life.watch.start()
        yield ["planned>doing", "doing>for_review"]

    lives.run(unseen)


# -- 23 to 25: trouble and death


def test_23_a_commit_while_the_queue_is_locked_succeeds_and_is_told_later(lives: Lives, home: Path) -> None:
    def locked(life: Life) -> Iterator[Step]:
        with closing(sqlite3.connect(home / "queue.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            life.write(lane="doing")
            done = life.commit("while locked")
            assert done.stderr.count("\n") <= 1
            life.lane("for_review")
            other.execute("ROLLBACK")
        yield ["planned>doing", "doing>for_review"]

    lives.run(locked)


def test_23_a_commit_while_the_disk_is_full_succeeds_and_is_told_later(lives: Lives, home: Path) -> None:
    """A limit on the watcher's file sizes (RLIMIT_FSIZE) stands for the disk."""
    resource = pytest.importorskip("resource")

    def full(life: Life) -> Iterator[Step]:
        process, mark = life.watch.process, home / f"seen{life.path / '.git' / 'watched'}"
        assert process is not None
        assert mark.exists()
        limit, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, most))
        life.write(lane="doing")
        yield lambda: not mark.exists()  # it tried, and leaves the work to hooks
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, most))
        assert life.commit("on a disk that was full").stderr == ""
        yield "planned>doing"
        assert process.poll() is None

    lives.run(full)


def test_23_a_clock_that_cannot_be_kept_is_told_later(lives: Lives, home: Path) -> None:
    def unwritable(life: Life) -> Iterator[Step]:
        lock = home / "clock.json.lock"
        lock.unlink(missing_ok=True)
        lock.mkdir()
        life.write(lane="doing")
        yield lambda: any("clock.json" in line for line in life.watch.lines)
        done = life.commit("while the clock cannot be kept")
        assert done.stderr.count("\n") <= 1
        lock.rmdir()
        yield "planned>doing"

    lives.run(unwritable)


def test_24_what_happened_while_it_was_dead_is_told_commit_by_commit(lives: Lives) -> None:
    def dead(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        life.watch.kill()
        life.commit("told")
        life.lane("for_review")
        life.lane("doing")
        life.write("WP02", "doing")
        life.watch.start()
        yield ["doing>for_review", "for_review>doing", "WP02 planned>doing"]

    lives.run(dead)


@pytest.mark.parametrize("seed", range(2))
def test_25_killed_at_random_moments_it_loses_nothing_and_tells_nothing_twice(
    lives: Lives, home: Path, seed: int
) -> None:
    chance = random.Random(seed)
    life = lives.life("project")
    lives.begin()
    lane = {f"WP0{number}": "planned" for number in range(1, 4)}
    expected: list[str] = []
    for _ in range(6):
        before, told_before = _stamp(home / "clock.json"), len(life.told())
        worker = threading.Thread(target=lambda: expected.extend(_some_commits(life, chance, lane)))
        worker.start()
        if chance.random() < 0.5:
            wait_for(lambda old=before: _stamp(home / "clock.json") != old)  # in the middle of a transaction
        else:
            count = told_before + chance.randrange(1, 4)
            wait_for(lambda least=count: len(life.told()) >= least)
        life.watch.kill()
        worker.join()
        life.watch.start()
        wait_for(lambda: len(life.told()) >= len(expected))
        assert life.told() == expected
    life.expected = expected

    def quiet(_: Life) -> Iterator[Step]:
        yield READ

    lives.drive((life, quiet))


def _some_commits(life: Life, chance: random.Random, lane: dict[str, str]) -> list[str]:
    """Four commits of a lane change each, in one of three work packages; what must be told of them."""
    made = []
    for _ in range(4):
        wp_id = chance.choice(sorted(lane))
        new = chance.choice([name for name in ("planned", "doing", "for_review") if name != lane[wp_id]])
        life.lane(new, wp_id)
        made.append(f"{wp_id} {lane[wp_id]}>{new}".removeprefix("WP01 "))
        lane[wp_id] = new
    return made


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


# -- 26, 29: never mixed, all at once


def test_26_the_same_ids_elsewhere_are_never_mixed(lives: Lives) -> None:
    first = Repo(planned(lives.base / "first" / "first").path)
    first.write(feature="002-other")
    first.commit()
    first.git("clone", "-q", first.path, lives.base / "clone")
    clone = lives.adopt(lives.base / "clone")
    life, second = lives.adopt(first.path), lives.life("second")

    def one(life: Life) -> Iterator[Step]:
        life.write("WP01", "doing", feature="002-other")
        yield "planned>doing"
        life.commit()
        yield READ

    def another(life: Life) -> Iterator[Step]:
        life.lane("for_review")
        yield "planned>for_review"

    lives.drive((life, one), (second, another))
    found = [(event["project_slug"], event["payload"]["feature_slug"], short(event)) for event in events()]
    assert ("first", "002-other", "planned>doing") in found
    assert ("second", FEATURE, "planned>for_review") in found
    clone.write("WP02", "done")
    wait_for(lambda: len(events()) == len(found) + 1)
    clone.commit()
    clone.git("pull", "-q", "--no-rebase", "--no-edit")
    wait_for(lambda: has_read(clone))
    clone.write("WP03", "doing")
    wait_for(lambda: len(events()) == len(found) + 2)
    assert told_by_folder()["first"][-2:] == [
        "WP02 planned>done",
        "WP03 planned>doing",
    ]  # the clone's origin is named so


def test_29_eight_agents_in_eight_worktrees_at_once(lives: Lives) -> None:
    path = planned(lives.base / "project" / "project").path
    for number in range(5, 9):
        Repo(path).write(f"WP0{number}")
    Repo(path).commit("more of them")
    life = lives.adopt(path)
    lives.begin()
    trees = {f"WP0{number}": Repo(life.folder / f"agent{number}") for number in range(1, 9)}
    for wp_id, tree in trees.items():
        life.git("worktree", "add", "-q", "-b", wp_id, tree.path)

    def work(wp_id: str) -> None:
        for lane in ("doing", "for_review", "doing", "done"):
            trees[wp_id].lane(lane, wp_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, trees))
    wait_for(lambda: len([step for step in life.told() if ">" in step]) >= 32)
    found: dict[str, list[str]] = {}
    for event in events():
        if event["event_type"] == "WPStatusChanged":
            found.setdefault(event["payload"]["wp_id"], []).append(short(event).rpartition(" ")[2])
    assert found == {wp_id: ["planned>doing", "doing>for_review", "for_review>doing", "doing>done"] for wp_id in trees}
    clocks = [(event["node_id"], event["lamport_clock"]) for event in events()]
    assert clocks == sorted(set(clocks))


# -- 30 to 32: odd repositories, odd callers, and the end


ODD = ("shallow", "sparse", "submodule", "hooksPath", "umlauts", "sha256", "reftable", "no reflog")


def _odd(base: Path, case: str) -> Repo | None:
    """A repository that is odd in this way; None when this git knows no such."""
    path = base / "project"
    if case in ("shallow", "sparse", "submodule"):
        origin = planned(base / "origin")
    match case:
        case "shallow":
            origin.git("clone", "-q", "--depth=1", f"file://{origin.path}", path)
        case "sparse":
            origin.git("clone", "-q", "--sparse", origin.path, path)
            Repo(path).git("sparse-checkout", "set", f"kitty-specs/{FEATURE}")
        case "submodule":
            outer = Repo.init(base / "outer")
            outer.git("submodule", "--quiet", "add", origin.path, "sub")
            return Repo(outer.path / "sub")
        case "hooksPath":
            planned(path).git("config", "core.hooksPath", ".husky/_")
        case "umlauts":
            return planned(base / "Größe und Maß", feature="003-größe und maß")
        case "sha256":
            planned(path, "--object-format=sha256")
        case "reftable":
            base.mkdir(parents=True)
            if Repo(base).git("init", "-q", "--ref-format=reftable", path, check=False).returncode:
                return None  # git 2.45 does
            planned(path)
        case _:
            planned(path).git("config", "core.logAllRefUpdates", "false")
            (path / ".git" / "logs" / "HEAD").unlink()
    return Repo(path)


@pytest.mark.parametrize("case", ODD)
def test_30_odd_repositories(lives: Lives, case: str) -> None:
    found = _odd(lives.base / "odd", case)
    if found is None:
        pytest.skip("this git knows no reftable (2.45 does)")
    life = lives.adopt(found.path)
    feature = "003-größe und maß" if case == "umlauts" else FEATURE
    lives.begin()
    life.write(lane="doing", feature=feature)
    _wait_told("planned>doing")
    life.commit()
    wait_for(lambda: has_read(life))
    life.git("switch", "-q", "-c", "topic")
    life.lane("for_review", feature=feature)
    _wait_told("planned>doing", "doing>for_review")
    life.git("switch", "-q", "main")
    wait_for(lambda: has_read(life))
    life.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    wait_for(lambda: has_read(life))
    life.write("WP02", "doing", feature=feature)
    _wait_told("planned>doing", "doing>for_review", "WP02 planned>doing")
    assert board() == {(feature, "WP01"): "for_review", (feature, "WP02"): "doing"}


def test_31_odd_callers(lives: Lives) -> None:
    life, other = lives.life("project"), lives.life("other")
    git = shutil.which("git")
    assert git is not None

    def called(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        bare = {name: value for name, value in os.environ.items() if name != "PATH"}
        subprocess.run([git, "commit", "-q", "-a", "-m", "no PATH"], cwd=life.path, env=bare, check=True)
        yield "planned>doing"
        life.write(lane="for_review")
        other.git("-C", life.path, "commit", "-q", "-a", "-m", "from elsewhere")
        yield "doing>for_review"
        life.write(lane="done")
        index = life.folder / "index"
        shutil.copy(life.path / ".git" / "index", index)
        env = {
            "GIT_DIR": str(life.path / ".git"),
            "GIT_WORK_TREE": str(life.path),
            "GIT_INDEX_FILE": str(index),
        }
        other.git("commit", "-q", "-a", "-m", "bound by the environment", env=env)
        yield "for_review>done"
        yield LOOKED

    def in_a_rebase(life: Life) -> Iterator[Step]:
        yield from life.diverge()
        life.git("rebase", "-q", "-i", "main", env=life.picking("1s/^pick/edit/"))
        life.lane("doing", "WP02")
        yield READ
        yield LOOKED
        life.git("rebase", "--continue")
        yield "WP02 planned>doing"

    def untouched(_: Life) -> Iterator[Step]:
        yield LOOKED

    lives.drive((life, called), (lives.life("rebasing"), in_a_rebase), (other, untouched))


def test_32_catflap_gone_is_harmless_and_uninstalled_tells_nothing(lives: Lives) -> None:
    def uninstalled(life: Life) -> Iterator[Step]:
        life.write(lane="doing")
        yield "planned>doing"
        assert catflap("uninstall", life.path).returncode == 0
        assert sorted(os.listdir(life.path / ".git" / "hooks")) == hooks
        life.lane("for_review")
        assert life.commit("quiet", "--allow-empty").stderr == ""
        yield LOOKED
        life.install(*([] if lives.has_hooks else ["--no-hooks"]))
        yield LOOKED

    def without_its_python(life: Life) -> Iterator[Step]:
        for hook in (life.path / ".git" / "hooks").glob("post-*"):
            lines = hook.read_text().split("\n")
            hook.write_text("\n".join("python=/gone" if line.startswith("python=") else line for line in lines))
        life.write(lane="doing")
        assert life.commit("told by the watcher").stderr == ""
        yield "planned>doing"

    hooks = sorted(os.listdir(planned(lives.base / "plain").path / ".git" / "hooks"))
    lives.run(uninstalled, without_its_python)


def _wait_told(*expected: str) -> None:
    """Return once exactly this is told of the repository that is not the bystander's."""

    def found() -> list[str]:
        return [step for folder, steps in told_by_folder().items() if folder != "bystander" for step in steps]

    wait_for(lambda: len(found()) >= len(expected), f"told {found()}, not {expected}")
    assert found() == list(expected)
