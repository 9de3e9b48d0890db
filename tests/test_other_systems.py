"""What is right on Windows and macOS, as far as Linux can tell: path rules, the shim, files that somebody has open."""

from __future__ import annotations

import errno
import os
import subprocess
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest

from catflap import git, patience, seen, worktree
from catflap.folderwatch import as_watched
from catflap.hookfiles import Shim
from catflap.pager import pager_command
from catflap.patience import put_over
from catflap.shipped import shipped
from catflap.worktree import as_git_names, read_file
from tests.world import FEATURE, planned

DRIVE = "C:/Users/dev/src/project/.git"
DECOMPOSED = unicodedata.normalize("NFD", "kitty-specs/001-größe/tasks/WP01-tür.md")
COMPOSED = unicodedata.normalize("NFC", DECOMPOSED)


# -- paths


@pytest.mark.parametrize(
    ("git_dir", "folder"),
    [
        ("/src/project/.git", "seen/src/project/.git"),
        ("/src/c:d/.git", "seen/src/c:d/.git"),
        (DRIVE, "seen/C/Users/dev/src/project/.git"),
        ("d:/.git/worktrees/agent", "seen/d/.git/worktrees/agent"),
        ("//server/share/project/.git", "seen//server/share/project/.git"),
    ],
)
def test_the_small_files_of_a_view_have_a_path_that_each_system_can_hold(git_dir: str, folder: str) -> None:
    found = seen.notes_folder("HOME", git_dir)
    assert found == f"HOME/{folder}"
    inner = PureWindowsPath(found.removeprefix("HOME/"))
    assert git_dir.startswith("/src/c:d") or not any(":" in part for part in inner.parts)


@pytest.mark.parametrize(
    ("path", "platform", "named"),
    [
        ("kitty-specs/001-demo/tasks/WP01.md", "linux", "kitty-specs/001-demo/tasks/WP01.md"),
        ("kitty-specs\\001-demo\\tasks\\WP01.md", "win32", "kitty-specs/001-demo/tasks/WP01.md"),
        ("kitty-specs/a\\b/tasks/WP01.md", "linux", "kitty-specs/a\\b/tasks/WP01.md"),
        (DECOMPOSED, "darwin", COMPOSED),
        (DECOMPOSED, "linux", DECOMPOSED),
        (COMPOSED, "darwin", COMPOSED),
    ],
)
def test_a_path_of_the_disk_is_the_one_that_git_has(path: str, platform: str, named: str) -> None:
    assert as_git_names(path, platform=platform) == named


NAMED = {
    "/private/var/x/repo": "/var/x/repo",
    "/private/var/x/repo/.git": "/var/x/repo/.git",
    "/Users/dev": "/Users/dev",
}


@pytest.mark.parametrize(
    ("folder", "asked"),
    [
        ("/private/var/x/repo", "/var/x/repo"),
        ("/private/var/x/repo/kitty-specs/001-demo/tasks", "/var/x/repo/kitty-specs/001-demo/tasks"),
        ("/private/var/x/repo/.git", "/var/x/repo/.git"),
        ("/private/var/x/repo.old", "/private/var/x/repo.old"),
        ("/Users/dev/a", "/Users/dev/a"),
        ("/elsewhere", "/elsewhere"),
        ("relative", "relative"),
    ],
)
def test_a_change_is_known_by_the_name_that_was_asked_for(folder: str, asked: str) -> None:
    assert as_watched(folder, NAMED) == asked


def test_a_link_is_not_followed_where_no_flag_forbids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = planned(tmp_path / "project")
    outside = tmp_path / "outside.md"
    outside.write_text("---\nlane: done\n---\n")
    repo.wp("WP09").symlink_to(outside)
    view = git.locate(str(repo.path))
    monkeypatch.delattr(os, "O_NOFOLLOW")
    monkeypatch.setattr(worktree, "_O_FLAGS", os.O_RDONLY)
    assert read_file(view, f"kitty-specs/{FEATURE}/tasks/WP09-build.md") is None
    assert read_file(view, f"kitty-specs/{FEATURE}/tasks/WP01-build.md") is not None


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://example.org/team/project.git", "project"),
        ("git@example.org:project.git", "project"),
        ("C:\\src\\project.git", "project"),
        ("C:/src/project", "project"),
        ("", "checkout"),
    ],
)
def test_a_project_is_called_as_its_origin_whatever_parts_its_path(url: str, slug: str, tmp_path: Path) -> None:
    repo = planned(tmp_path / "checkout")
    if url:
        repo.git("config", "remote.origin.url", url)
    assert git.project_slug(git.locate(str(repo.path))) == slug


# -- the shim, in Git for Windows


GIT = f"""#!/bin/sh
case "$*" in *rev-parse*) printf '%s\\n' '{DRIVE}/worktrees/agent' '{DRIVE}' 0123456789abcdef ;; *) exit 1 ;; esac
"""


def test_the_shim_finds_what_python_wrote_for_a_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a git that answers as Git for Windows does, and a Python that says that it was called."""
    programs, home = tmp_path / "programs", str(tmp_path / "home")
    programs.mkdir()
    for name, text in (("git", GIT), ("python", '#!/bin/sh\nprintf "%s|" "$@"\n')):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    template = shipped("hooks/hook.sh").read_text("utf-8")
    shim = Shim(template, python=str(programs / "python"), entry=__file__, modules="C:\\a;C:\\b", home=home)
    hook = tmp_path / "post-commit"
    hook.write_bytes(shim.text("post-commit"))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SPEC_KITTY_HOME")

    def run() -> str:
        return subprocess.run(["sh", hook], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert run() == ""
    seen.register(home, DRIVE)
    assert run() == (
        f"-I|-S|{__file__}|C:\\a;C:\\b|post-commit|{tmp_path}|{DRIVE}/worktrees/agent|{DRIVE}|0123456789abcdef|"
    )
    seen.remember_tree(home, f"{DRIVE}/worktrees/agent", "0123456789abcdef")
    assert run() == ""
    seen.forget_tree(home, f"{DRIVE}/worktrees/agent")
    seen.mark_watched(home, DRIVE, seen.process_mark(os.getpid()) or "")
    Path(seen.notes_folder(home, f"{DRIVE}/worktrees/agent")).mkdir(parents=True, exist_ok=True)
    if os.path.isdir("/proc/self"):
        assert run() == ""
        assert (Path(seen.notes_folder(home, f"{DRIVE}/worktrees/agent")) / "note").exists()


# -- files that somebody has open, programs that are not there


class Held:
    """`os.replace` as on Windows while a reader has the file open, for so many tries."""

    def __init__(self, tries: int) -> None:
        self.left = tries
        self._replace = os.replace

    def __call__(self, one: str, other: str) -> None:
        self.left -= 1
        if self.left >= 0:
            raise PermissionError(errno.EACCES, "The process cannot access the file", other)
        self._replace(one, other)


def test_a_file_that_is_being_read_is_replaced_a_moment_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "file").write_text("old")
    held = Held(3)
    monkeypatch.setattr(patience.os, "replace", held)
    put_over(tmp_path / "new", tmp_path / "file", system="nt")
    assert (held.left, (tmp_path / "file").read_text()) == (-1, "new")


@pytest.mark.parametrize(("system", "tries"), [("posix", 1), ("nt", 1 << 20)])
def test_a_file_that_cannot_be_replaced_is_said(
    system: str, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience.os, "replace", Held(tries))
    monkeypatch.setattr(patience, "REPLACE_WAIT_S", 0.02)
    with pytest.raises(PermissionError):
        put_over(tmp_path / "new", tmp_path / "file", system=system)


def test_without_less_windows_has_no_pager_unless_one_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("GIT_PAGER", "PAGER"):
        monkeypatch.delenv(name, raising=False)
    assert pager_command(system="nt") == []
    assert pager_command(system="posix") == ["less"]
    monkeypatch.setenv("PAGER", "more")
    assert pager_command(system="nt") == ["more"]
