"""Places: which folders are watched, how few they are, and what a change in one of them means."""

from __future__ import annotations

from pathlib import Path

import pytest

from catflap import git
from catflap.places import Kind, Meaning, folders_of, meaning
from catflap.seen import notes_folder
from tests.world import Repo, planned


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (Kind.ROOT, "kitty-specs", Meaning.FOLDERS),
        (Kind.ROOT, "src", Meaning.NOTHING),
        (Kind.ROOT, "README.md", Meaning.NOTHING),
        (Kind.SPECS, "001-demo", Meaning.FOLDERS),
        (Kind.FEATURE, "tasks", Meaning.FOLDERS),
        (Kind.FEATURE, "status.events.jsonl", Meaning.FILES),
        (Kind.FEATURE, "meta.json", Meaning.FILES),
        (Kind.FEATURE, "spec.md", Meaning.NOTHING),
        (Kind.FEATURE, "research", Meaning.NOTHING),
        (Kind.TASKS, "WP01-build.md", Meaning.FILES),
        (Kind.TASKS, "WP01.md", Meaning.FILES),
        (Kind.TASKS, "doing", Meaning.FOLDERS),
        (Kind.TASKS, "README.md", Meaning.NOTHING),
        (Kind.TASKS, ".WP01-build.md.swp", Meaning.NOTHING),
        (Kind.TASKS, "WP01-build.md~", Meaning.NOTHING),
        (Kind.TASKS, ".#WP01-build.md", Meaning.NOTHING),
        (Kind.TASKS, ".git", Meaning.NOTHING),
        (Kind.GIT, "HEAD", Meaning.MOVES),
        (Kind.GIT, "ORIG_HEAD", Meaning.MOVES),
        (Kind.GIT, "index", Meaning.FILES),
        (Kind.GIT, "index.lock", Meaning.FILES),
        (Kind.GIT, "MERGE_HEAD", Meaning.FILES),
        (Kind.GIT, "rebase-merge", Meaning.FILES),
        (Kind.GIT, "BISECT_LOG", Meaning.FILES),
        (Kind.GIT, "logs", Meaning.VIEWS),
        (Kind.GIT, "worktrees", Meaning.VIEWS),
        (Kind.GIT, "HEAD.lock", Meaning.NOTHING),
        (Kind.GIT, "COMMIT_EDITMSG", Meaning.NOTHING),
        (Kind.GIT, "objects", Meaning.NOTHING),
        (Kind.LOGS, "HEAD", Meaning.MOVES),
        (Kind.LOGS, "refs", Meaning.NOTHING),
        (Kind.WORKTREES, "agent", Meaning.VIEWS),
        (Kind.NOTES, "note", Meaning.MOVES),
        (Kind.NOTES, "registered", Meaning.VIEWS),
        (Kind.NOTES, "tree", Meaning.NOTHING),
        (Kind.NOTES, "watched", Meaning.NOTHING),
        (Kind.HOME, "changed", Meaning.VIEWS),
        (Kind.HOME, "changed.4711", Meaning.NOTHING),
    ],
)
def test_what_a_change_means(kind: Kind, name: str, expected: Meaning) -> None:
    assert meaning(kind, name) is expected


@pytest.mark.parametrize("kind", list(Kind))
def test_a_folder_that_itself_changed_is_looked_for_anew(kind: Kind) -> None:
    assert meaning(kind, "") is Meaning.FOLDERS


def kinds(repo: Repo, home: Path) -> dict[str, Kind]:
    """The folders of a view by their place in the worktree."""
    found = folders_of(git.locate(str(repo.path)), str(home))
    return {str(Path(folder).relative_to(repo.path)): kind for folder, kind in found.items() if str(home) not in folder}


def test_a_views_folders(tmp_path: Path, home: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.file("kitty-specs/001-demo/research/notes/deep.md")
    repo.file("kitty-specs/001-demo/tasks/doing/later/WP07.md")
    repo.file("kitty-specs/002-bare/spec.md")
    repo.file("kitty-specs/note.md")
    repo.file("src/deep/er/code.py")
    assert kinds(repo, home) == {
        ".": Kind.ROOT,
        ".git": Kind.GIT,
        ".git/logs": Kind.LOGS,
        ".git/worktrees": Kind.WORKTREES,
        "kitty-specs": Kind.SPECS,
        "kitty-specs/001-demo": Kind.FEATURE,
        "kitty-specs/001-demo/tasks": Kind.TASKS,
        "kitty-specs/001-demo/tasks/doing": Kind.TASKS,
        "kitty-specs/001-demo/tasks/doing/later": Kind.TASKS,
        "kitty-specs/002-bare": Kind.FEATURE,
    }


def test_a_linked_worktree_has_no_worktrees_of_its_own(tmp_path: Path, home: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.git("worktree", "add", "-q", "-b", "agent", tmp_path / "agent")
    view = git.locate(str(tmp_path / "agent"))
    found = folders_of(view, str(home))
    assert Kind.WORKTREES not in found.values()
    assert found[view.git_dir] is Kind.GIT
    assert found[f"{view.git_dir}/logs"] is Kind.LOGS
    assert found[notes_folder(str(home), view.git_dir)] is Kind.NOTES
    assert found[str(tmp_path / "agent" / "kitty-specs")] is Kind.SPECS


@pytest.mark.parametrize("place", ["kitty-specs", "kitty-specs/001-demo", "kitty-specs/001-demo/tasks"])
def test_links_are_not_followed(tmp_path: Path, home: Path, place: str) -> None:
    repo = planned(tmp_path / "project")
    outside = tmp_path / "outside"
    (repo.path / place).rename(outside)
    (repo.path / place).symlink_to(outside)
    watched = kinds(repo, home)
    assert place not in watched
    assert not [folder for folder in watched if folder.startswith(f"{place}/")]


def test_folders_grow_with_features_and_with_nothing_else(tmp_path: Path, home: Path) -> None:
    repo = planned(tmp_path / "project")
    before = len(kinds(repo, home))
    for number in range(10):
        repo.file(f"src/package{number}/inner/module.py")
        repo.file(f"kitty-specs/001-demo/research/topic{number}/notes.md")
    assert len(kinds(repo, home)) == before
    for number in range(10):
        repo.write(feature=f"{number + 2:03}-more")
    assert len(kinds(repo, home)) == before + 2 * 10


def test_a_repository_without_work_packages_has_few_folders(tmp_path: Path, home: Path) -> None:
    repo = Repo.init(tmp_path / "project")
    assert set(kinds(repo, home).values()) == {Kind.ROOT, Kind.GIT, Kind.LOGS, Kind.WORKTREES}
