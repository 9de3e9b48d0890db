"""What must come out of broken files, odd repositories and odd callers, with hooks alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.world import (
    FEATURE,
    Repo,
    board,
    diverge,
    events,
    many_refs,
    partial_clone,
    pick_script,
    planned,
    told,
    wp_text,
)


def test_28_broken_yaml_is_one_error_then_one_change(repo: Repo) -> None:
    repo.lane("doing")
    repo.wp().write_text("---\nlane: [unclosed\n---\n")
    repo.commit("broken")
    repo.wp().write_text("---\nlane: [unclosed\n---\n\nmore\n")
    repo.commit("still broken, other bytes")
    repo.git("commit", "-q", "--allow-empty", "-m", "nothing")
    repo.lane("for_review")
    kinds = told()
    assert kinds[0] == "planned>doing"
    assert kinds[-1] == "doing>for_review"
    assert kinds.count("error") == len(kinds) - 2 == 2
    error = next(event for event in events() if event["event_type"] == "ErrorLogged")
    assert error["payload"]["error_type"] == "validation"
    assert "WP01-build.md:" in error["payload"]["error_message"]


def test_28_an_unknown_lane_is_one_error(repo: Repo) -> None:
    repo.lane("dong")
    repo.lane("dong", body="More.\n")
    repo.lane("doing")
    assert told() == ["error", "planned>doing"]


def test_of_two_files_with_one_id_the_one_that_is_left_speaks(repo: Repo) -> None:
    other = repo.wp().with_name("WP01-another.md")
    other.write_text(wp_text(lane="planned"))
    repo.commit("the same id twice")
    repo.lane("doing")
    repo.git("rm", "-q", repo.wp())
    repo.git("commit", "-q", "-m", "one of them away")
    assert told() == ["planned>doing", "doing>planned"]
    repo.lane("for_review")
    repo.wp().unlink()
    repo.observe()
    assert told() == ["planned>doing", "doing>planned", "planned>for_review", "for_review>planned"]


ODD_NAMES = {"umlauts": "003-größe und maß", "quoted names": '004-say "a\\b"'}
"""By case: the feature in which it happens. git quotes these names wherever `-z` does not keep it from that."""
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


@pytest.mark.parametrize("case", ODD)
def test_30_odd_repositories(tmp_path: Path, case: str) -> None:
    origin = planned(tmp_path / "origin")
    path = tmp_path / "project"
    match case:
        case "shallow":
            origin.git("clone", "-q", "--depth=1", f"file://{origin.path}", path)
            repo = Repo(path)
        case "partial":
            repo = partial_clone(origin, path)
        case "sparse":
            origin.git("clone", "-q", "--sparse", origin.path, path)
            repo = Repo(path)
            repo.git("sparse-checkout", "set", f"kitty-specs/{FEATURE}")
        case "submodule":
            outer = Repo.init(tmp_path / "outer")
            outer.git("submodule", "--quiet", "add", origin.path, "sub")
            repo = Repo(outer.path / "sub")
        case "hooksPath":
            repo = planned(path)
            repo.git("config", "core.hooksPath", ".husky/_")
        case "umlauts":
            repo = planned(tmp_path / "Größe und Maß", feature=ODD_NAMES[case])
        case "quoted names":
            repo = planned(path, feature=ODD_NAMES[case])
        case "many refs":
            repo = planned(path)
            many_refs(repo, 10_000)
        case "reftable":
            if Repo(tmp_path).git("init", "-q", "--ref-format=reftable", path, check=False).returncode:
                pytest.skip("this git knows no reftable (2.45 does)")
            repo = planned(path)
        case "sha256":
            repo = planned(path, "--object-format=sha256")
        case _:
            repo = planned(path)
            repo.git("config", "core.logAllRefUpdates", "false")
            (repo.path / ".git" / "logs" / "HEAD").unlink()
    feature = ODD_NAMES.get(case, FEATURE)
    repo.install()
    repo.lane("doing", feature=feature)
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("for_review", feature=feature)
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    repo.observe()
    assert told() == ["planned>doing", "doing>for_review"]
    assert board() == {(feature, "WP01"): "for_review"}


def test_31_odd_callers(tmp_path: Path, repo: Repo) -> None:
    other = planned(tmp_path / "other")
    other.install()
    git = shutil.which("git")
    assert git is not None
    repo.write(lane="doing")
    bare = {name: value for name, value in os.environ.items() if name != "PATH"}
    subprocess.run([git, "commit", "-q", "-a", "-m", "no PATH"], cwd=repo.path, env=bare, check=True)
    repo.write(lane="for_review")
    other.git("-C", repo.path, "commit", "-q", "-a", "-m", "from elsewhere")
    repo.write(lane="done")
    index = tmp_path / "index"
    shutil.copy(repo.path / ".git" / "index", index)
    env = {"GIT_DIR": str(repo.path / ".git"), "GIT_WORK_TREE": str(repo.path), "GIT_INDEX_FILE": str(index)}
    other.git("commit", "-q", "-a", "-m", "bound by the environment", env=env)
    assert told() == ["planned>doing", "doing>for_review", "for_review>done"]
    assert {event["project_slug"] for event in events()} == {"project"}


def test_31_in_the_middle_of_a_rebase(tmp_path: Path, repo: Repo) -> None:
    diverge(repo)
    repo.git("rebase", "-q", "-i", "main", env=pick_script(tmp_path, "1s/^pick/edit/"))
    repo.lane("doing", "WP02")
    repo.observe()
    before = told()
    repo.git("rebase", "--continue")
    repo.observe()
    assert before == ["planned>doing"]
    assert told() == ["planned>doing", "WP02 planned>doing"]


def test_32_hooks_are_harmless_once_catflap_is_gone(repo: Repo) -> None:
    hook = repo.path / ".git" / "hooks" / "post-commit"
    for gone in ("python=", "entry="):
        text = hook.read_text()
        hook.write_text("\n".join(f"{gone}/gone" if line.startswith(gone) else line for line in text.split("\n")))
        repo.write(lane=f"d{gone}"[:1] + "oing")
        done = repo.commit(gone)
        assert done.stderr == ""
        repo.write(lane="planned")
        repo.commit("back")
        hook.write_text(text)
    shutil.rmtree(os.environ["SPEC_KITTY_HOME"])
    repo.write(lane="doing")
    assert repo.commit("no home").stderr == ""
