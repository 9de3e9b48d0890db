"""What goes wrong around catflap: a clear word and the right exit code, and git is never held up."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.world import FEATURE, Repo, catflap, events, planned, told, wp_text

BOMB = "---\na: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)
)


def errors() -> list[str]:
    return [event["payload"]["error_message"] for event in events() if event["event_type"] == "ErrorLogged"]


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("catflap:")]


# -- work packages


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (wp_text(lane="doing") + "x\n" * 50_000_000, 1, "the file is larger than 256 KiB; split it"),
        (BOMB + "lane: doing\n---\n", 3, "the alias *a is in the frontmatter; write its value out"),
        ("---\nlane: doing\n", 1, "the frontmatter is never closed; put a line --- below its last key"),
        ("---\n- lane\n---\n", 2, "the frontmatter is a list, not a mapping; write it as key: value lines"),
        ("---\nlane: doing\n<<<<<<< HEAD\n---\n", 3, "a conflict marker is in the frontmatter; resolve the conflict"),
        ("---\nlane: dong\n---\n", 2, "lane 'dong' is unknown; use one of planned, doing, for_review, done"),
    ],
    ids=["100 MB", "bomb", "unclosed", "list", "conflict", "lane"],
)
def test_a_file_that_says_nothing_is_one_error_and_the_last_good_state_stays(
    repo: Repo, text: str, line: int, words: str
) -> None:
    repo.wp().write_text(text)
    done = repo.commit("broken")
    assert done.stderr == ""
    assert errors() == [f"kitty-specs/{FEATURE}/tasks/WP01-build.md:{line}: {words}"]
    repo.git("commit", "-q", "--allow-empty", "-m", "again")
    repo.observe()
    assert len(events()) == 1
    repo.lane("for_review")
    assert told() == ["error", "planned>for_review"]


def test_bytes_that_are_no_utf8_are_one_error(repo: Repo) -> None:
    repo.wp().write_bytes(b"---\nlane: doing\ntitle: \xff\n---\n")
    repo.commit("latin-1")
    assert errors() == [f"kitty-specs/{FEATURE}/tasks/WP01-build.md:3: byte 0xFF is not UTF-8; save the file as UTF-8"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_and_a_symlink_are_no_work_packages(repo: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text(wp_text("WP07", "doing"))
    tasks = repo.wp().parent
    os.mkfifo(tasks / "WP05.md")
    (tasks / "WP06.md").symlink_to(outside)
    (tasks / "WP08").symlink_to(tmp_path, target_is_directory=True)
    repo.observe()
    repo.lane("doing")
    repo.observe()
    assert told(statuses_only=False) == ["planned>doing"]


def test_a_work_package_that_becomes_a_symlink_is_gone_not_followed(repo: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text(wp_text(lane="done"))
    repo.wp().unlink()
    repo.wp().symlink_to(outside)
    repo.commit("a link")
    assert events() == []
    repo.wp().unlink()
    repo.lane("doing")
    assert told() == ["planned>doing"]


# -- catflap's own files


def not_a_database(home: Path) -> str:
    (home / "queue.db").write_bytes(b"this is no database, but it is long enough to be read as one" * 20)
    for name in ("queue.db-wal", "queue.db-shm"):
        (home / name).unlink(missing_ok=True)
    return "file is not a database; move the file away and run the command again"


def another_programs_database(home: Path) -> str:
    (home / "queue.db").unlink()
    with closing(sqlite3.connect(home / "queue.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    return "it is a database of another program; move it away, or name another folder in SPEC_KITTY_HOME"


def newer_database(home: Path) -> str:
    with closing(sqlite3.connect(home / "queue.db")) as connection:
        connection.execute("PRAGMA user_version=99")
    return "its version is 99, and this catflap knows versions up to"


def home_is_a_file(home: Path) -> str:
    shutil.rmtree(home)
    home.write_text("in the way")
    return "make it a file, in a folder, that you can write to"


@pytest.mark.parametrize("harm", [not_a_database, another_programs_database, newer_database])
def test_a_queue_that_cannot_be_used_is_said_once_and_the_change_is_told_later(
    repo: Repo, home: Path, harm: Callable[[Path], str]
) -> None:
    kept = home.with_name("kept")
    repo.observe()
    shutil.copytree(home, kept)
    why = harm(home)
    repo.write(lane="doing")
    done = repo.commit("under harm")
    assert len(said(done)) == 1
    assert f"cannot use the queue {home / 'queue.db'}: {why}" in done.stderr
    assert said(done)[0].endswith(". The change is told later.")
    for verb in ("observe", "install"):
        by_hand = catflap(verb, repo.path)
        assert by_hand.returncode == 1
        assert why in by_hand.stderr
        assert "Traceback" not in by_hand.stderr
    shutil.rmtree(home)
    kept.rename(home)
    repo.observe()
    assert told() == ["planned>doing"]


def test_a_home_that_is_a_file_lets_git_go_on(repo: Repo, home: Path) -> None:
    home_is_a_file(home)
    repo.lane("doing")
    done = catflap("observe", repo.path)
    assert done.returncode == 1
    assert str(home) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_read_only_home_is_said_in_one_line(repo: Repo, home: Path) -> None:
    """Root may write everywhere, unless the process gives that right away (setpriv, capabilities(7))."""
    powerless = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    if powerless and shutil.which("setpriv") is None:
        pytest.skip("root may write to read-only folders, and setpriv is not here to give that right away")
    repo.write(lane="doing")
    home.chmod(0o500)
    try:
        commit = [*powerless, "git", "commit", "-q", "-a", "-m", "read-only"]
        done = subprocess.run(commit, cwd=repo.path, capture_output=True, text=True, check=True)
        by_hand = subprocess.run(
            [*powerless, sys.executable, "-m", "catflap", "observe", str(repo.path)],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        home.chmod(0o700)
    assert len(said(done)) == 1
    assert "make it a file, in a folder, that you can write to. The change is told later." in done.stderr
    assert by_hand.returncode == 1
    assert "Traceback" not in by_hand.stderr
    repo.observe()
    assert told() == ["planned>doing"]


def test_a_clock_that_is_a_folder_is_set_aside(repo: Repo, home: Path) -> None:
    repo.lane("doing")
    (home / "clock.json").unlink()
    (home / "clock.json").mkdir()
    done = repo.commit("--allow-empty", "--allow-empty")
    assert done.stderr == ""
    repo.lane("for_review")
    assert [event["lamport_clock"] for event in events()] == [1, 2]
    assert len(list(home.glob("clock.json.broken-*"))) == 1


def test_a_locked_queue_holds_no_commit_up_for_long_and_is_told_later(repo: Repo, home: Path) -> None:
    with closing(sqlite3.connect(home / "queue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        repo.write(lane="doing")
        done = repo.commit("while locked")
        other.execute("ROLLBACK")
    assert len(said(done)) == 1
    assert "another process has held it for 1 s; try again. The change is told later." in done.stderr
    assert events() == []
    repo.file("any.txt")
    repo.commit("the next commit tells it")
    assert told() == ["planned>doing"]


def test_a_full_disk_is_said_and_the_change_is_told_later(repo: Repo) -> None:
    """A limit on file sizes (RLIMIT_FSIZE) stands for the disk: SQLite meets it as SQLITE_FULL or an I/O error."""
    pytest.importorskip("resource")
    repo.observe()
    repo.write(lane="doing", agent="claude")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-a", "-m", "x")
    script = (
        "import resource, sys; from catflap import hook; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); hook.main(sys.argv[1:])"
    )
    git_dir = str(repo.path / ".git")
    done = subprocess.run(
        [sys.executable, "-c", script, "post-commit", str(repo.path), git_dir, git_dir, "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert len(said(done)) == 1
    assert "The change is told later." in done.stderr
    assert events() == []
    repo.observe()
    assert told() == ["planned>doing"]


# -- repositories


def test_a_repository_without_commits_is_watched_from_its_first(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "young")
    done = catflap("install", repo.path)
    assert done.returncode == 0
    assert "0 work packages" in done.stdout
    repo.write(lane="doing")
    repo.commit("first")
    assert [event["event_type"] for event in events()] == ["FeatureCreated", "WPCreated", "WPStatusChanged"]


@pytest.mark.parametrize("verb", ["install", "uninstall", "observe"])
def test_where_there_is_no_checkout_the_verb_says_so(tmp_path: Path, verb: str) -> None:
    Repo.init(tmp_path / "bare.git", "--bare")
    bare = catflap(verb, tmp_path / "bare.git")
    assert bare.returncode == 1
    assert f"cannot use {tmp_path / 'bare.git'}: it is a bare repository; run this in a checkout of it" in bare.stderr
    (tmp_path / "plain").mkdir()
    for path in ("plain", "missing"):
        done = catflap(verb, tmp_path / path)
        assert done.returncode == 1
        assert f"cannot use {tmp_path / path}: git says: " in done.stderr
        assert "run this inside a git checkout, or name one" in done.stderr
        assert "Traceback" not in done.stderr


def test_observe_where_nobody_installed_names_the_command(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    done = catflap("observe", repo.path)
    assert done.returncode == 1
    assert f"cannot observe {repo.path}: catflap is not installed here; run `catflap install` there" in done.stderr


def test_a_damaged_repository_is_said_in_one_line(repo: Repo) -> None:
    repo.write(lane="doing")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-a", "-m", "x")
    oid = repo.head("HEAD^{tree}")
    (repo.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    done = catflap("hook", "post-commit", cwd=repo.path)
    assert done.returncode == 0
    assert len(said(done)) == 1
    assert f"cannot compare trees in {repo.path / '.git'}: the tree {oid} is missing; try it: git fsck" in done.stderr
    assert events() == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the filesystem takes no such name")
def test_a_path_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    repo = Repo.init(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    repo.commit("first", "--allow-empty")
    done = catflap("install", repo.path)
    assert done.returncode == 1
    assert "its path is not UTF-8, and events could not name it; give its folders names in UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_queue_damaged_inside_is_said_in_one_line(repo: Repo, home: Path) -> None:
    repo.lane("doing")
    repo.lane("planned")
    repo.observe()
    size = (home / "queue.db").stat().st_size
    with (home / "queue.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    repo.write(lane="for_review")
    done = repo.commit("over a damaged queue")
    assert len(said(done)) == 1
    assert f"cannot use the queue {home / 'queue.db'}: database disk image is malformed; move it away" in done.stderr
