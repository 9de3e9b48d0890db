"""Editors and other tools under a real watcher: each save is told once, and what they drop tells nothing.

vim and nano run in tmux, which types what a person would; VS Code and the JetBrains editors are replayed as the
system calls of a save of theirs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.terminals import Terminal, program
from tests.watching import Watch, wait_for, wait_told
from tests.world import Repo, events, planned, told, wp_text

Save = Callable[[Path, str], None]
"""Brings a work package's file to a lane."""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Feature 001-demo, registered without hooks."""
    made = planned(tmp_path / "project")
    made.install("--no-hooks")
    return made


@pytest.fixture
def watch(repo: Repo, tmp_path: Path) -> Iterator[Watch]:
    """A watcher at work on it."""
    assert repo.path.is_dir()
    with Watch(tmp_path / "watch.out") as watching:
        yield watching


def in_lane(path: Path, lane: str) -> str:
    """The file's text as it is, its lane apart."""
    head, _, rest = path.read_text("utf-8").partition("lane: ")
    return f'{head}lane: "{lane}"\n{rest.partition(chr(10))[2]}'


def says(path: Path, lane: str) -> bool:
    """Whether the file is there, and in this lane."""
    try:
        return f'\nlane: "{lane}"\n' in path.read_text("utf-8")
    except FileNotFoundError:  # an editor is about to rename its new file over it
        return False


def assert_told_and_nothing_else(repo: Repo, expected: list[str]) -> None:
    """These status changes are all that the world knows, also once a later save has been told."""
    repo.write("WP04", "done")
    wait_told([*expected, "WP04 planned>done"])
    assert len(events()) == len(expected) + 1


# -- tools and system calls


def write_in_place(path: Path, lane: str) -> None:
    """What `>` and Python's open(…, "w") do."""
    text = in_lane(path, lane)
    path.write_text(text, encoding="utf-8")


def sed(path: Path, lane: str) -> None:
    """GNU: a new file sedXXXXXX, renamed over the old one."""
    subprocess.run([program("sed"), "-i", f's/^lane: .*/lane: "{lane}"/', path], check=True)


def perl(path: Path, lane: str) -> None:
    subprocess.run([program("perl"), "-pi", "-e", f's/^lane: .*/lane: "{lane}"/', path], check=True)


def perl_with_backup(path: Path, lane: str) -> None:
    """The old file is renamed to WP01-build.md.orig and stays."""
    subprocess.run([program("perl"), "-pi.orig", "-e", f's/^lane: .*/lane: "{lane}"/', path], check=True)


def git_apply(path: Path, lane: str) -> None:
    """A patch against the file as it is now, committed or not."""
    new = path.with_name("wanted.txt")
    new.write_text(in_lane(path, lane), encoding="utf-8")
    repo = Repo(path.parents[3])
    name = path.relative_to(repo.path)
    patch = repo.git("diff", "--no-index", name, new.relative_to(repo.path), check=False).stdout
    new.unlink()
    patch = patch.replace(f"b/{new.relative_to(repo.path)}", f"b/{name}")
    repo.git("apply", "-", stdin=patch)


def replace_atomically(path: Path, lane: str) -> None:
    """The way of Python's libraries (atomicwrites, Django): a temporary file beside it, synced, and os.replace."""
    text = in_lane(path, lane)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def vs_code(path: Path, lane: str) -> None:
    """In place: cut to nothing and written in pieces, then flushed; the file keeps its inode."""
    data = in_lane(path, lane).encode()
    handle = os.open(path, os.O_WRONLY)
    os.ftruncate(handle, 0)
    for start in range(0, len(data), 40):
        os.write(handle, data[start : start + 40])
    os.fsync(handle)
    os.close(handle)


def vs_code_atomically(path: Path, lane: str) -> None:
    """WP01-build.md.vsctmp is written and renamed over it."""
    temporary = path.with_name(f"{path.name}.vsctmp")
    temporary.write_text(in_lane(path, lane), encoding="utf-8")
    temporary.rename(path)


def jetbrains(path: Path, lane: str) -> None:
    """Safe write: the new file beside it, the old one aside, the new one in its place, the old one deleted."""
    new, old = path.with_name(f"{path.name}___jb_tmp___"), path.with_name(f"{path.name}___jb_old___")
    new.write_text(in_lane(path, lane), encoding="utf-8")
    path.rename(old)
    new.rename(path)
    old.unlink()


def emacs(path: Path, lane: str) -> None:
    """A lock that is a dangling link, auto-save, the old file kept as a backup (renamed away), the new one written."""
    text = in_lane(path, lane)
    lock, auto = path.with_name(f".#{path.name}"), path.with_name(f"#{path.name}#")
    lock.symlink_to("ada@host.1234:1770000000")
    auto.write_text(text, encoding="utf-8")
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text(text, encoding="utf-8")
    lock.unlink()
    auto.unlink()


WAYS: list[Save] = [
    write_in_place,
    sed,
    perl,
    perl_with_backup,
    git_apply,
    replace_atomically,
    vs_code,
    vs_code_atomically,
    jetbrains,
    emacs,
]


@pytest.mark.parametrize("save", WAYS, ids=lambda save: save.__name__)
def test_each_save_is_told_once_and_its_droppings_tell_nothing(repo: Repo, watch: Watch, save: Save) -> None:
    if save is sed and sys.platform != "linux":
        pytest.skip("no GNU sed")
    save(repo.wp(), "doing")
    wait_told(["planned>doing"])
    save(repo.wp(), "for_review")
    wait_told(["planned>doing", "doing>for_review"])
    assert_told_and_nothing_else(repo, ["planned>doing", "doing>for_review"])
    assert all(line.startswith("watching ") or "→" in line for line in watch.lines), "it had trouble"


@pytest.mark.usefixtures("watch")
def test_a_file_that_is_written_slowly_is_told_when_it_is_whole(repo: Repo) -> None:
    path = repo.wp()
    text = in_lane(path, "doing")
    with path.open("w", encoding="utf-8") as file:
        repo.write("WP02", "doing")
        wait_told(["WP02 planned>doing"])  # WP01 was looked at then, empty
        file.write(text[: text.index('"doing"') + 3])
        file.flush()
        repo.write("WP03", "doing")
        wait_told(["WP02 planned>doing", "WP03 planned>doing"])  # and then, cut off in its lane
        file.write(text[text.index('"doing"') + 3 :])
    assert_told_and_nothing_else(repo, ["WP02 planned>doing", "WP03 planned>doing", "planned>doing"])


@pytest.mark.usefixtures("watch")
def test_droppings_tell_nothing_even_when_they_are_broken(repo: Repo) -> None:
    path = repo.wp()
    patterns = (".{}.swp", "{}~", ".#{}", "#{}#", "{}.bak", "{}.orig", "{}___jb_tmp___", "{}___jb_old___", "{}.vsctmp")
    for pattern in patterns:
        path.with_name(pattern.format(path.name)).write_text("---\nlane: [\n---\n", encoding="utf-8")
    path.with_name("4913").touch()
    repo.wp("WP02").write_text("---\nlane: [\n---\n", encoding="utf-8")
    wait_for(lambda: len(told()) > 0)
    assert told() == ["WP02 error"]
    assert_told_and_nothing_else(repo, ["WP02 error"])


# -- editors, typed into


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path / "user") as opened:
        yield opened


@pytest.mark.parametrize(
    "options",
    [
        "backupcopy=yes writebackup",
        "backupcopy=no writebackup",
        "backupcopy=yes backup",
        "backupcopy=no backup",
        "backupcopy=yes nowritebackup nobackup",
        "backupcopy=no nowritebackup nobackup",
    ],
)
@pytest.mark.usefixtures("watch")
def test_what_vim_saves_is_told_once(repo: Repo, terminal: Terminal, options: str) -> None:
    vim = program("vim", "vim.tiny")
    path = repo.wp()
    settings = f"set swapfile directory=. backupdir=. backupskip= {options}"
    terminal.open(vim, "-u", "NONE", "-i", "NONE", "-c", settings, path.name, cwd=path.parent)
    terminal.wait_shown("work_package_id: WP01")
    assert path.with_name(f".{path.name}.swp").exists()
    expected = []
    for old, new in (("planned", "doing"), ("doing", "for_review")):
        terminal.type(f':%s/^lane: .*/lane: "{new}"/')
        terminal.press("Enter")
        terminal.type(":w")
        terminal.press("Enter")
        wait_for(lambda new=new: says(path, new), f"vim did not save {new}")  # type: ignore[misc]
        expected.append(f"{old}>{new}")
        wait_told(expected)
    terminal.type(":q")
    terminal.press("Enter")
    terminal.wait_closed()
    assert path.with_name(f"{path.name}~").exists() is (options.endswith(" backup"))
    assert_told_and_nothing_else(repo, expected)


@pytest.mark.parametrize("flags", [[], ["--backup"], ["--locking"]], ids=["plain", "backup", "locking"])
@pytest.mark.usefixtures("watch")
def test_what_nano_saves_is_told_once(repo: Repo, terminal: Terminal, flags: list[str]) -> None:
    path = repo.wp()
    terminal.open(program("nano"), "--ignorercfiles", *flags, path.name, cwd=path.parent)
    terminal.wait_shown("work_package_id: WP01")
    assert path.with_name(f".{path.name}.swp").exists() is (flags == ["--locking"])
    expected = []
    for old, new in (("planned", "doing"), ("doing", "for_review")):
        terminal.press("C-Home")
        terminal.press("Down", "Down", "Down", "C-k")
        terminal.type(f'lane: "{new}"')
        terminal.press("Enter", "C-o")
        terminal.wait_shown("File Name to Write")
        terminal.press("Enter")
        wait_for(lambda new=new: says(path, new), f"nano did not save {new}")  # type: ignore[misc]
        expected.append(f"{old}>{new}")
        wait_told(expected)
    terminal.press("C-x")
    terminal.wait_closed()
    assert path.with_name(f"{path.name}~").exists() is (flags == ["--backup"])
    assert_told_and_nothing_else(repo, expected)


def test_the_text_that_these_tests_edit_is_a_work_packages(tmp_path: Path) -> None:
    path = tmp_path / "WP01-build.md"
    path.write_text(wp_text("WP01", "planned"), encoding="utf-8")
    assert in_lane(path, "doing") == wp_text("WP01", "doing")
