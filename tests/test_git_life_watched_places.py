"""What must come out of worktrees, clones and odd repositories, with a live watcher: alone, and beside hooks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.lives import LOOKED, READ, Life, Lives, Step, has_read, told_by_folder
from tests.watching import wait_for
from tests.world import FEATURE, Repo, catflap, events, many_refs, partial_clone, planned, short


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


def _odd(base: Path, case: str) -> Repo | None:
    """A repository that is odd in this way; None when this git knows no such. Project and folder have one name."""
    path = base / case
    if case in ("shallow", "partial", "sparse", "submodule"):
        origin = planned(base / "origin" / case)
    match case:
        case "shallow":
            origin.git("clone", "-q", "--depth=1", f"file://{origin.path}", path)
        case "partial":
            partial_clone(origin, path)
        case "sparse":
            origin.git("clone", "-q", "--sparse", origin.path, path)
            Repo(path).git("sparse-checkout", "set", f"kitty-specs/{FEATURE}")
        case "submodule":
            outer = Repo.init(base / "outer")
            outer.git("submodule", "--quiet", "add", origin.path, case)
            path = outer.path / case
        case "hooksPath":
            planned(path).git("config", "core.hooksPath", ".husky/_")
        case "sha256":
            planned(path, "--object-format=sha256")
        case "reftable":
            base.mkdir(parents=True)
            if Repo(base).git("init", "-q", "--ref-format=reftable", path, check=False).returncode:
                return None  # git 2.45 does
            planned(path)
        case "no reflog":
            planned(path).git("config", "core.logAllRefUpdates", "false")
            (path / ".git" / "logs" / "HEAD").unlink()
        case "many refs":
            many_refs(planned(path), 10_000)
        case _:
            planned(path).write(feature=ODD_NAMES[case])
            Repo(path).commit("a feature with a name")
    return Repo(path)


ODD_NAMES = {"Größe und Maß": "003-größe und maß", "quoted": '004-say "a\\b"'}
ODD = (
    "shallow",
    "partial",
    "sparse",
    "submodule",
    "hooksPath",
    "sha256",
    "reftable",
    "no reflog",
    "many refs",
    *ODD_NAMES,
)


def test_30_odd_repositories_are_as_any_other(lives: Lives) -> None:
    def merged(life: Life) -> Iterator[Step]:
        feature = ODD_NAMES.get(life.path.name, FEATURE)
        life.write(lane="doing", feature=feature)
        yield "planned>doing"
        life.commit()
        yield READ
        life.git("switch", "-q", "-c", "topic")
        yield READ  # without a reflog a switch and a commit that came at once would look like a switch
        life.lane("for_review", feature=feature)
        yield "doing>for_review"
        life.git("switch", "-q", "main")
        yield READ
        life.git("merge", "-q", "--no-ff", "--no-edit", "topic")
        yield READ
        yield LOOKED

    found = [_odd(lives.base / f"odd{number}", case) for number, case in enumerate(ODD)]
    lives.drive(*((lives.adopt(repo.path), merged) for repo in found if repo is not None))


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
