"""The shim in the hooks folder: it runs the user's hook first, never harms git, and goes as it came."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catflap import hookfiles
from tests.world import Repo, catflap, events, planned, told

NAMES = ["post-commit", "post-checkout", "post-merge", "post-rewrite", "post-applypatch"]
USERS_HOOK = """#!/bin/sh
# mine, not catflap's
{ echo "$0 $#: $*"; cat; echo "name=$name home=$home status=$status GIT_DIR=$GIT_DIR"; } >>"$LOG"
exit 3
"""


STUB = '#!/usr/bin/env sh\n. "$(dirname "$0")/h"'


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return planned(tmp_path / "project")


def users_hook(folder: Path, name: str = "post-commit", text: str = USERS_HOOK) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o750)
    return path


def snapshot(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Every file in a folder: mode and bytes; of a link its target."""
    if not folder.exists():
        return {}
    return {
        path.name: (path.lstat().st_mode, os.readlink(path) if path.is_symlink() else path.read_bytes())
        for path in folder.iterdir()
    }


def test_install_puts_five_hooks_in_place_and_uninstall_gives_every_byte_back(repo: Repo, tmp_path: Path) -> None:
    folder = repo.path / ".git" / "hooks"
    users_hook(folder)
    (tmp_path / "elsewhere.sh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "elsewhere.sh").chmod(0o755)
    (folder / "post-merge").symlink_to(tmp_path / "elsewhere.sh")
    (folder / "post-rewrite").write_bytes(b"#!/bin/sh\r\n# not executable, CRLF, no newline at the end")
    before = snapshot(folder)
    done = catflap("install", repo.path)
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if "kept" in line] == [
        f"Your own {name} hook is kept and runs first." for name in ("post-commit", "post-merge", "post-rewrite")
    ]
    assert set(hookfiles.states(folder).values()) == {hookfiles.State.OURS}
    assert all(os.access(folder / name, os.X_OK) for name in NAMES)
    assert catflap("uninstall", repo.path).returncode == 0
    assert snapshot(folder) == before


def test_a_hooks_folder_that_was_not_there_is_gone_again(repo: Repo) -> None:
    folder = repo.path / ".git" / "hooks"
    shutil.rmtree(folder)
    repo.install()
    assert sorted(snapshot(folder)) == sorted(NAMES)
    assert catflap("uninstall", repo.path).returncode == 0
    assert not folder.exists()


def test_installing_again_repairs_and_changes_nothing_else(repo: Repo) -> None:
    folder = repo.path / ".git" / "hooks"
    users_hook(folder)
    repo.install()
    before = snapshot(folder)
    (folder / "post-merge").unlink()
    (folder / "post-commit").write_bytes((folder / "post-commit").read_bytes() + b"# an older version's line\n")
    done = catflap("install", repo.path)
    assert "registered already; repaired" in done.stdout
    assert snapshot(folder) == before


def test_the_users_hook_runs_first_with_its_arguments_stdin_and_environment(repo: Repo, tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = repo.path / ".git" / "hooks"
    for name in NAMES:
        users_hook(folder, name)
    repo.install()
    env = {"LOG": str(log), "name": "the user's", "home": "hers", "status": "untouched"}
    repo.write(lane="doing")
    repo.git("commit", "-q", "-a", "-m", "x", env=env)
    repo.git("commit", "-q", "--amend", "-m", "y", env=env)
    old, new = repo.head("HEAD@{1}"), repo.head()
    words = log.read_text().splitlines()
    assert words[0].endswith("/post-commit 0: ")
    assert "name=the user's home=hers status=untouched GIT_DIR=" in words
    assert any(line.endswith("/post-rewrite 1: amend") for line in words)
    assert f"{old} {new}" in words
    assert told() == ["planned>doing"]
    branch = repo.git("checkout", "-q", "-b", "topic", env=env, check=False)
    assert branch.returncode == 1  # git fails when its post-checkout hook does: the user's word, not ours
    assert log.read_text().splitlines()[-2].endswith(f"/post-checkout 3: {new} {new} 1")
    shim = subprocess.run([folder / "post-merge", "0"], env={**os.environ, **env}, cwd=repo.path, check=False)
    assert shim.returncode == 3


def test_a_users_hook_in_another_language_runs_as_well(repo: Repo, tmp_path: Path) -> None:
    code = f"import sys, pathlib\npathlib.Path({str(tmp_path / 'log')!r}).write_text(repr(sys.argv[1:]))\n"
    users_hook(repo.path / ".git" / "hooks", "post-checkout", f"#!{sys.executable}\n{code}")
    repo.install()
    head = repo.head()
    repo.git("switch", "-q", "-c", "topic")
    assert (tmp_path / "log").read_text() == repr([head, head, "1"])


def test_huskys_stubs_find_their_files_and_are_put_back_without_harm(repo: Repo, tmp_path: Path) -> None:
    stubs = repo.path / ".husky" / "_"
    stub = users_hook(stubs, text=STUB)
    (stubs / "h").write_text('sh -e "$(dirname "$(dirname "$0")")/$(basename "$0")" "$@"\nexit $?\n')
    (repo.path / ".husky" / "post-commit").write_text(f"echo ran >>'{tmp_path}/log'\n")
    repo.git("config", "core.hooksPath", ".husky/_")
    before = snapshot(stubs)
    repo.install()
    repo.lane("doing")
    assert told() == ["planned>doing"]
    stub.write_text(STUB)
    repo.install()
    repo.lane("for_review")
    assert told() == ["planned>doing", "doing>for_review"]
    assert (tmp_path / "log").read_text() == "ran\n" * 2
    assert catflap("uninstall", repo.path).returncode == 0
    assert snapshot(stubs) == before


def test_a_users_hook_that_cannot_run_is_not_run(repo: Repo) -> None:
    users_hook(repo.path / ".git" / "hooks").chmod(0o640)
    repo.install()
    repo.lane("doing")
    assert told() == ["planned>doing"]


def test_two_hooks_of_one_name_are_not_taken_for_each_other(repo: Repo) -> None:
    folder = repo.path / ".git" / "hooks"
    users_hook(folder)
    repo.install()
    users_hook(folder, text="#!/bin/sh\n# another tool's\n")
    before = snapshot(folder)
    done = catflap("install", repo.path)
    assert done.returncode == 1
    assert f"cannot install the hook {folder / 'post-commit'}: it is not catflap's" in done.stderr
    assert "run `catflap install` again" in done.stderr
    assert snapshot(folder) == before
    gone = catflap("uninstall", repo.path)
    assert gone.returncode == 1
    assert "post-commit.catflap-kept stays" in gone.stderr
    assert snapshot(folder)["post-commit"] == before["post-commit"]
    assert snapshot(folder)["post-commit.catflap-kept"] == before["post-commit.catflap-kept"]


@pytest.mark.parametrize("where", ["relative", "absolute"])
def test_core_hooks_path_is_where_the_hooks_go(repo: Repo, tmp_path: Path, where: str) -> None:
    folder = repo.path / ".husky" / "_" if where == "relative" else tmp_path / "hooks"
    repo.git("config", "core.hooksPath", ".husky/_" if where == "relative" else folder)
    users_hook(folder, text="#!/bin/sh\n")
    repo.git("worktree", "add", "-q", "-b", "agent", tmp_path / "agent")
    repo.install()
    assert repo.git("config", "--get-all", "core.hooksPath").stdout.strip() == (
        ".husky/_" if where == "relative" else str(folder)
    )
    assert (folder / "post-commit.catflap-kept").exists()
    Repo(tmp_path / "agent").lane("doing")
    repo.lane("doing", "WP02")
    assert told() == ["planned>doing", "WP02 planned>doing"]
    assert catflap("uninstall", repo.path).returncode == 0
    assert sorted(snapshot(folder)) == ["post-commit"]


def test_every_worktree_shares_the_hooks(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", "-b", "agent", tmp_path / "agent")
    done = catflap("install", tmp_path / "agent")
    assert done.returncode == 0
    assert f"Hooks are in {repo.path / '.git' / 'hooks'}." in done.stdout
    repo.lane("doing")
    Repo(tmp_path / "agent").lane("doing", "WP02")
    assert told() == ["planned>doing", "WP02 planned>doing"]


def test_no_hooks_means_none(repo: Repo) -> None:
    before = snapshot(repo.path / ".git" / "hooks")
    repo.install("--no-hooks")
    assert snapshot(repo.path / ".git" / "hooks") == before
    repo.lane("doing")
    assert events() == []
    repo.observe()
    assert told() == ["planned>doing"]


def test_the_shim_is_posix_and_says_what_it_is(repo: Repo) -> None:
    repo.install()
    shim = repo.path / ".git" / "hooks" / "post-commit"
    assert b"\r" not in shim.read_bytes()
    assert b"@" not in shim.read_bytes().replace(b'"$@"', b"")
    assert shim.read_text().startswith("#!/bin/sh\n# catflap shim: ")
    assert stat.S_IMODE(shim.stat().st_mode) == 0o755
    for shell in filter(shutil.which, ("dash", "busybox", "bash")):
        call = [shell, "sh"] if shell == "busybox" else [shell]
        assert subprocess.run([*call, "-n", str(shim)], check=False).returncode == 0


def test_the_hook_imports_only_what_it_needs(repo: Repo) -> None:
    repo.install()
    repo.write(lane="doing")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-a", "-m", "x")
    git_dir = str(repo.path / ".git")
    tree = repo.head("HEAD:kitty-specs")
    script = "import sys; from catflap import hook; hook.main(sys.argv[1:]); print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script, "post-commit", str(repo.path), git_dir, git_dir, tree],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert told() == ["planned>doing"]
    assert {"catflap", "sqlite3", "yaml"} <= loaded
    assert not loaded & {"typer", "click", "rich", "httpx", "websockets", "watchdog", "ulid", "jsonschema", "asyncio"}


def test_a_commit_that_touches_no_work_package_starts_no_python(repo: Repo, tmp_path: Path) -> None:
    repo.install()
    repo.file("a.txt")
    repo.commit("the first look remembers the tree")
    marker = tmp_path / "python-ran"
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\n: >'{marker}'\nexec '{sys.executable}' \"$@\"\n")
    spy.chmod(0o755)
    shim = repo.path / ".git" / "hooks" / "post-commit"
    lines = [f"python='{spy}'" if line.startswith("python=") else line for line in shim.read_text().splitlines()]
    shim.write_text("\n".join(lines) + "\n")
    repo.file("b.txt")
    repo.commit("elsewhere")
    assert not marker.exists()
    repo.lane("doing")
    assert marker.exists()
    assert told() == ["planned>doing"]


@pytest.mark.parametrize("how", ["CATFLAP_DISABLE", "python", "entry", "home", "not registered"])
def test_32_the_hook_is_silent_and_harmless_without_catflap(repo: Repo, how: str) -> None:
    repo.install()
    shim = repo.path / ".git" / "hooks" / "post-commit"
    env = {}
    match how:
        case "CATFLAP_DISABLE":
            env = {"CATFLAP_DISABLE": "1"}
        case "python" | "entry":
            lines = [f"{how}=/gone" if line.startswith(f"{how}=") else line for line in shim.read_text().splitlines()]
            shim.write_text("\n".join(lines) + "\n")
        case "home":
            shutil.rmtree(os.environ["SPEC_KITTY_HOME"])
        case _:
            env = {"SPEC_KITTY_HOME": str(repo.path / "another-home")}
    repo.write(lane="doing")
    done = repo.git("commit", "-a", "-m", "x", env=env)
    assert "catflap" not in done.stdout + done.stderr
    assert events() == []
    assert not (repo.path / "another-home").exists()


def test_32_a_hook_of_a_moved_catflap_is_repaired_by_installing_again(repo: Repo) -> None:
    repo.install()
    shim = repo.path / ".git" / "hooks" / "post-commit"
    shim.write_text(shim.read_text().replace("python=", "python=/moved"))
    repo.lane("doing")
    assert events() == []
    repo.install()
    repo.file("any.txt")
    repo.commit("the next commit tells what was missed")
    assert told() == ["planned>doing"]


def test_32_after_uninstall_nothing_is_told_and_a_new_install_starts_from_now(repo: Repo) -> None:
    repo.install()
    repo.lane("doing")
    assert catflap("uninstall", repo.path).returncode == 0
    repo.lane("for_review")
    assert catflap("observe", repo.path).returncode == 1
    assert told() == ["planned>doing"]
    repo.install()
    repo.lane("done")
    assert told() == ["planned>doing", "for_review>done"]


def test_the_hook_command_is_the_same_door_for_hook_managers(repo: Repo) -> None:
    repo.install("--no-hooks")
    repo.lane("doing")
    done = catflap("hook", "post-commit", cwd=repo.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert told() == ["planned>doing"]
    nowhere = catflap("hook", "post-commit", cwd=repo.path.parent)
    assert nowhere.returncode == 0
    assert nowhere.stderr.count("\n") == 1
    assert "git says" in nowhere.stderr
    unnamed = catflap("hook", cwd=repo.path)
    assert (unnamed.returncode, unnamed.stdout) == (0, "")
    assert unnamed.stderr == "catflap: which hook runs? use: catflap hook NAME [ARGS...]\n"


FRAMEWORKS_HOOK = "#!/usr/bin/env bash\n# File generated by {}: https://example.org\n"


@pytest.mark.parametrize("tool", ["pre-commit", "prek"])
def test_the_shim_lies_where_a_framework_runs_it_from(repo: Repo, tool: str) -> None:
    folder = repo.path / ".git" / "hooks"
    framework = users_hook(folder, text=FRAMEWORKS_HOOK.format(tool))
    users_hook(folder, "post-commit.legacy")
    before = snapshot(folder)
    repo.install()
    states = hookfiles.states(folder)
    assert states.pop("post-commit") is hookfiles.State.CHAINED
    assert set(states.values()) == {hookfiles.State.OURS}
    assert snapshot(folder)["post-commit"] == before["post-commit"]
    assert snapshot(folder)["post-commit.catflap-kept"] == before["post-commit.legacy"]
    repo.install()
    assert catflap("uninstall", repo.path).returncode == 0
    assert snapshot(folder) == before
    repo.install()
    framework.unlink()  # and its .legacy file, our shim, runs no more
    repo.install()
    assert set(hookfiles.states(folder).values()) == {hookfiles.State.OURS}
    assert not (folder / "post-commit.legacy").exists()
    assert catflap("uninstall", repo.path).returncode == 0
    own = {name: found for name, found in before.items() if not name.startswith("post-commit")}
    assert snapshot(folder) == own | {"post-commit": before["post-commit.legacy"]}


def test_a_shim_that_lefthook_put_aside_is_cleared_away(repo: Repo) -> None:
    folder = repo.path / ".git" / "hooks"
    repo.install()
    (folder / "post-commit").rename(folder / "post-commit.old")
    users_hook(folder, text="#!/bin/sh\n# lefthook's\n")
    users_hook(folder, "post-merge.old")
    own = {name: found for name, found in snapshot(folder).items() if name not in (*NAMES, "post-commit.old")}
    lefthook = snapshot(folder)["post-commit"]
    repo.install()
    assert not (folder / "post-commit.old").exists()
    assert snapshot(folder)["post-commit.catflap-kept"] == lefthook
    assert catflap("uninstall", repo.path).returncode == 0
    assert snapshot(folder) == own | {"post-commit": lefthook}


def test_shims_that_core_hooks_path_put_out_of_effect_go_with_the_others(repo: Repo) -> None:
    folder = repo.path / ".git" / "hooks"
    users_hook(folder)
    before = snapshot(folder)
    repo.install()
    repo.git("config", "core.hooksPath", ".husky/_")
    repo.install()
    assert catflap("uninstall", repo.path).returncode == 0
    assert snapshot(folder) == before
    assert not (repo.path / ".husky" / "_").exists()


def test_a_hook_manager_may_hand_on_the_arguments_in_the_frameworks_variables(repo: Repo, tmp_path: Path) -> None:
    """At the end of a detached rebase git has nothing but the hook's argument to say that it is over."""
    repo.install("--no-hooks")
    call = f'PRE_COMMIT=1 PRE_COMMIT_REWRITE_COMMAND="$1" exec {sys.executable} -m catflap hook post-rewrite'
    users_hook(repo.path / ".git" / "hooks", "post-rewrite", f"#!/bin/sh\n{call}\n")
    repo.git("checkout", "-q", "--detach")
    repo.lane("doing")
    repo.file("other.txt")
    repo.commit("elsewhere")
    catflap("hook", "post-commit", cwd=repo.path)
    assert told() == ["planned>doing"]
    editor = tmp_path / "drop.sh"
    editor.write_text('#!/bin/sh\nsed -i 1d "$1"\n')
    editor.chmod(0o755)
    repo.git("rebase", "-q", "-i", "HEAD~2", env={"GIT_SEQUENCE_EDITOR": str(editor)})
    assert told() == ["planned>doing", "doing>planned"]


def test_the_hook_command_makes_nothing_where_nothing_was_ever_installed(repo: Repo, home: Path) -> None:
    repo.lane("doing")
    done = catflap("hook", "post-commit", cwd=repo.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not home.exists()
