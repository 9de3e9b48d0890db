"""git's objects asked for in bulk: in order, whatever is missing among them, and however git takes that."""

from __future__ import annotations

from pathlib import Path

import pytest

from catflap.errors import GitFailed
from catflap.objects import Objects
from tests.world import Repo, partial_clone, planned


def blob_of(repo: Repo, name: str, text: str) -> str:
    path = repo.path / name
    path.write_text(text)
    return repo.git("hash-object", "-w", name).stdout.strip()


@pytest.fixture
def git_dir(tmp_path: Path) -> tuple[Repo, str]:
    repo = planned(tmp_path / "project")
    return repo, str(repo.path / ".git")


def test_many_blobs_come_in_the_order_in_which_they_are_asked_for(git_dir: tuple[Repo, str]) -> None:
    repo, folder = git_dir
    texts = [f"{number}\n" * number for number in range(450)]
    oids = [blob_of(repo, "x", text) for text in texts[:5]] * 90
    with Objects(folder) as objects:
        assert objects.blobs(oids, 1000) == [text.encode() for text in texts[:5]] * 90
        assert objects.blobs([], 1000) == []
        assert objects.blob(oids[1], 1000) == b"1\n"


def test_of_a_long_blob_one_byte_more_than_the_limit_comes_and_the_next_is_whole(git_dir: tuple[Repo, str]) -> None:
    repo, folder = git_dir
    long, short = blob_of(repo, "x", "a" * 200_000), blob_of(repo, "y", "short")
    with Objects(folder) as objects:
        assert objects.blobs([long, short, long], 10) == [b"a" * 11, b"short", b"a" * 11]


def test_what_is_missing_or_no_blob_is_none_and_the_others_come(git_dir: tuple[Repo, str]) -> None:
    repo, folder = git_dir
    here = blob_of(repo, "x", "here")
    with Objects(folder) as objects:
        assert objects.blobs([here, "1" * 40, repo.head(), here], 10) == [b"here", None, None, b"here"]


def test_in_a_partial_clone_the_others_come_though_git_ends_at_what_is_missing(tmp_path: Path) -> None:
    origin = planned(tmp_path / "origin")
    missing = origin.head("HEAD:README.md")
    origin.file("README.md", "new\n")
    origin.commit("new")
    clone = partial_clone(origin, tmp_path / "clone")
    here = clone.head("HEAD:README.md")
    with Objects(str(clone.path / ".git")) as objects:
        assert objects.blobs([here, missing, here, missing, here], 10) == [b"new\n", None, b"new\n", None, b"new\n"]
        assert objects.blob(here, 10) == b"new\n"


def test_git_that_dies_is_an_error(git_dir: tuple[Repo, str]) -> None:
    repo, folder = git_dir
    here = blob_of(repo, "x", "here")
    with Objects(folder) as objects:
        assert objects.blob(here, 10) == b"here"
        assert objects._process is not None
        objects._process.kill()
        objects._process.wait()
        with pytest.raises(GitFailed, match="git cat-file"):
            objects.blobs([here], 10)
