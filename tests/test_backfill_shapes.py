"""Histories of other shapes: shallow, partial, sparse, SHA-256, submodules, odd names, odd dates, bulk commits."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from catflap import chain, chainwindow
from catflap.errors import GitFailed
from catflap.objects import Objects
from tests.backfilling import STORY, commit, ids, opt_in, preview, retold, shorts, story
from tests.world import FEATURE, Repo, catflap, events, planned, told, wp_text


def clone(repo: Repo, path: Path, *options: str) -> Repo:
    """A clone through git's transport, which filters and depths need."""
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", *options, f"file://{repo.path}", path)
    return Repo(path)


def test_sha256_repository_is_told(tmp_path: Path) -> None:
    repo = story(tmp_path / "project", "--object-format=sha256")
    found = preview(repo)
    assert shorts(found) == STORY
    assert {len(event["commit"]) for event in found} == {64}
    opt_in(repo)
    assert ids(retold(repo)[0]) == ids(found)


def test_shallow_clone_begins_silently_where_it_ends_and_says_so(tmp_path: Path) -> None:
    whole = story(tmp_path / "project")
    repo = clone(whole, tmp_path / "shallow", "--depth=2")
    found, words = retold(repo, dry_run=True)
    assert shorts(found) == ["for_review>done", "WP02 free of WP01"]
    assert "This clone is shallow: earlier history is not here" in words
    assert "`git fetch --unshallow` brings it; events told from a whole clone have other ids" in words
    opt_in(repo)
    assert ids(retold(repo)[0]) == ids(found)
    repo.git("fetch", "-q", "--unshallow")
    assert ids(preview(repo)) == ids(preview(whole))
    found, words = retold(repo)
    assert shorts(found) == STORY[:1]
    assert "2 work packages told by an earlier backfill" in words


def test_shallow_clone_of_a_whole_history_is_whole(tmp_path: Path) -> None:
    whole = story(tmp_path / "project")
    repo = clone(whole, tmp_path / "shallow", "--depth=100")
    assert ids(preview(repo)) == ids(preview(whole))


def test_partial_clone_fetches_nothing_says_what_is_missing_and_goes_on(tmp_path: Path) -> None:
    whole = story(tmp_path / "project")
    repo = clone(whole, tmp_path / "partial", "--filter=blob:none")
    objects = repo.git("count-objects", "-v").stdout
    found, words = retold(repo, dry_run=True)
    # Only the two files of HEAD are here. The first of them to be seen is the second, as it was planned.
    assert shorts(found) == [f"feature {FEATURE} of 1", "WP02 created", "created", "planned>done", *LAST]
    assert "3 versions of files are not in this partial clone, and tell nothing" in words
    assert repo.git("count-objects", "-v").stdout == objects
    whole.path.rename(tmp_path / "gone")
    assert ids(preview(repo)) == ids(found)
    (tmp_path / "gone").rename(whole.path)
    repo.git("fetch", "-q", "--refetch", "--no-filter")
    assert ids(preview(repo)) == ids(preview(whole))


LAST = ["assigned claude implementation 0", "WP02 free of WP01"]


def test_version_that_is_missing_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    whole = story(tmp_path / "project")
    repo = clone(whole, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    for rev in ("HEAD~4", "HEAD~3"):
        repo.git("cat-file", "blob", f"{rev}:kitty-specs/{FEATURE}/tasks/WP01-build.md")
    found, words = retold(repo, dry_run=True)
    assert shorts(found) == [f"feature {FEATURE} of 1", "created", *STORY[3:6]]
    assert "3 versions" in words
    repo.git("cat-file", "blob", f"HEAD:kitty-specs/{FEATURE}/tasks/WP01-build.md")
    assert shorts(preview(repo))[-2:] == ["note claude: Began", "doing>done"]
    repo.git("cat-file", "blob", f"HEAD:kitty-specs/{FEATURE}/tasks/WP02-build.md")
    assert shorts(preview(repo))[-2:] == ["doing>done", "WP02 free of WP01"]


def test_lane_log_that_is_missing_says_nothing(tmp_path: Path) -> None:
    whole = planned(tmp_path / "project")
    log = whole.path / "kitty-specs" / FEATURE / "status.events.jsonl"
    row = '{{"wp_id":"WP01","to_lane":"{}","at":"2026-02-03T12:0{}:00Z","event_id":"E{}","actor":"ada"}}\n'
    text = ""
    for number, lane in enumerate(["in_progress", "for_review", "done"]):
        text += row.format(lane, number, number)
        log.write_text(text)
        whole.commit(lane)
    repo = clone(whole, tmp_path / "partial", "--filter=blob:none")
    found, words = retold(repo, dry_run=True)
    assert shorts(found)[5:] == ["planned>done"]
    assert "2 versions" in words


def test_clone_without_trees_says_that_they_are_missing(tmp_path: Path) -> None:
    repo = clone(story(tmp_path / "project"), tmp_path / "treeless", "--filter=tree:0", "--no-checkout")
    with pytest.raises(GitFailed, match="cannot compare trees"):
        preview(repo)


def test_git_calls_of_ours_never_fetch(tmp_path: Path) -> None:
    """What git would fetch in a partial clone is missing, in a hook too; the next question is answered all the same."""
    whole = story(tmp_path / "project")
    repo = clone(whole, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    repo.git("config", "remote.origin.uploadpack", f"touch '{tmp_path / 'fetched'}'; git-upload-pack")
    tree = repo.head("HEAD^{tree}")
    with Objects(str(repo.path / ".git")) as objects:
        for rev in ("HEAD", "HEAD~3"):
            name = f"{rev}:kitty-specs/{FEATURE}/tasks/WP01-build.md"
            assert objects.blob(name, 100) is None
            assert objects.has(tree)
    assert not (tmp_path / "fetched").exists()
    repo.git("cat-file", "blob", f"HEAD:kitty-specs/{FEATURE}/tasks/WP01-build.md")
    assert (tmp_path / "fetched").exists()


def test_hook_in_a_partial_clone_without_its_remote_tells_what_is_committed(tmp_path: Path) -> None:
    whole = story(tmp_path / "project")
    repo = clone(whole, tmp_path / "partial", "--filter=blob:none")
    whole.path.rename(tmp_path / "gone")
    repo.install()
    repo.write("WP01", "doing", agent="claude")
    done = repo.commit("reopen")
    assert "catflap" not in done.stderr
    assert told() == ["done>doing"]


def test_sparse_checkout_is_told_whole(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    found = ids(preview(repo))
    repo.git("sparse-checkout", "set", "--no-cone", "code.txt")
    assert not repo.wp().exists()
    opt_in(repo)
    assert ids(retold(repo)[0]) == found


def test_submodule_and_linked_worktree_tell_their_own_history(tmp_path: Path) -> None:
    inner = story(tmp_path / "inner")
    outer = planned(tmp_path / "outer", feature="009-outer")
    outer.git("submodule", "--quiet", "add", inner.path, "inner")
    outer.commit("add it")
    found = preview(outer.path / "inner")
    assert ids(found) == ids(preview(inner))
    assert {event["payload"]["feature_slug"] for event in preview(outer)} == {"009-outer"}
    inner.git("worktree", "add", "-q", "-b", "topic", tmp_path / "topic", "HEAD~1")
    beside = preview(tmp_path / "topic")
    assert ids(beside) == ids(found)[:7]
    assert {event["git_branch"] for event in beside} == {"topic"}


def test_names_that_git_would_quote_are_told_as_they_are(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "pro jekt ü")
    repo.git("config", "core.quotePath", "true")
    feature = "004-Überblick \t und „mehr“"
    repo.write("WP01", "doing", feature=feature)
    repo.commit("plan")
    assert shorts(preview(repo)) == [f"feature {feature} of 1", "created", "planned>doing"]
    assert preview(repo)[1]["path"] == f"kitty-specs/{feature}/tasks/WP01-build.md"
    assert ids(preview(repo, feature=feature)) == ids(preview(repo))


def test_ten_thousand_refs_change_nothing(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    found = preview(repo)
    head = repo.head()
    lines = [f"{head} refs/{kind}/r{number:05}\n" for kind in ("heads", "tags") for number in range(5_000)]
    (repo.path / ".git" / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + "".join(lines))
    assert len(repo.git("for-each-ref").stdout.splitlines()) == 10_001
    assert preview(repo) == found
    assert ids(preview(repo, "r00042")) == ids(found)


def test_configuration_of_porcelain_changes_nothing(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    found = preview(repo)
    for name, value in {
        "log.showRoot": "false",
        "log.follow": "true",
        "log.showSignature": "true",
        "diff.renames": "copies",
        "diff.noprefix": "true",
        "core.abbrev": "4",
        "core.pager": "false",
    }.items():
        repo.git("config", name, value)
    assert preview(repo) == found


def test_bare_repository_and_no_repository_are_refused(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    repo.git("clone", "-q", "--bare", repo.path, tmp_path / "bare.git")
    for place, words in ((tmp_path / "bare.git", "it is a bare repository"), (tmp_path, "not a git repository")):
        done = catflap("backfill", "--dry-run", cwd=place)
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr


@pytest.mark.parametrize("date", ["-62135596800", "0", "99999999999"])
def test_commit_with_an_impossible_date_is_told(tmp_path: Path, date: str) -> None:
    repo = planned(tmp_path / "project")
    tree = repo.head("HEAD^{tree}")
    who = f"Ada <ada@example.org> {date} +0000"
    text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nplan\n"
    oid = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=text).stdout.strip()
    assert len(preview(repo, oid)) == 5


def test_bulk_commits_tell_nothing(tmp_path: Path) -> None:
    """Deleting 600 and bringing them back, writing their YAML in other words, removing their lanes."""
    repo = Repo.init(tmp_path / "project")
    for number in range(100):
        for wp in range(1, 7):
            repo.write(f"WP{wp:02}", "doing", feature=f"{number:03}-bulk")
    commit(repo, "all of them", 0)
    whole = preview(repo)
    assert len(whole) == 100 * 13
    specs = repo.path / "kitty-specs"
    specs.rename(tmp_path / "away")
    commit(repo, "delete all", 1)
    (tmp_path / "away").rename(specs)
    commit(repo, "bring all back", 2)
    for path in specs.rglob("WP*.md"):
        path.write_text(path.read_text().replace('lane: "doing"', "lane:   'doing'").replace("title: ", "title:  "))
    commit(repo, "in other words", 3)
    for path in specs.rglob("WP*.md"):
        path.write_text(wp_text(path.name[:4], None))
    commit(repo, "no lanes", 4)
    assert ids(preview(repo)) == ids(whole)
    opt_in(repo)
    assert len(retold(repo)[0]) == len(whole)
    repo.git("revert", "-n", "HEAD")
    commit(repo, "lanes again", 5)
    repo.observe()
    assert len(events()) == len(whole)


def test_lane_log_is_told_row_by_row_but_when_it_first_appears(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    log = repo.path / "kitty-specs" / FEATURE / "status.events.jsonl"
    row = '{{"wp_id":"WP01","to_lane":"{}","at":"2026-02-03T12:0{}:00Z","event_id":"E{}","actor":"{}"}}\n'
    log.write_text(row.format("in_progress", 1, 1, "claude") + row.format("for_review", 2, 2, "claude"))
    repo.commit("work")
    log.write_text(log.read_text() + row.format("done", 3, 3, "ada") + row.format("planned", 4, 4, "bob"))
    repo.write("WP02", "doing")
    repo.commit("accept")
    found = [event for event in preview(repo) if event["event_type"] == "WPStatusChanged"]
    assert shorts(found) == ["planned>for_review", "for_review>done", "done>planned", "WP02 planned>doing"]
    assert [event["payload"]["changed_by"] for event in found] == ["claude", "ada", "bob", "user"]


def test_small_pieces_and_small_memory_tell_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = story(tmp_path / "project")
    repo.wp("WP02").rename(repo.wp("WP02").with_name("WP02-renamed.md"))
    commit(repo, "rename", 6_000)
    repo.git("revert", "--no-edit", "HEAD~1")
    whole = preview(repo)
    for module, name in ((chainwindow, "PIECE"), (chainwindow, "WINDOW"), (chain, "WPS_KEPT"), (chain, "LOGS_KEPT")):
        monkeypatch.setattr(module, name, 1)
    assert preview(repo) == whole
    monkeypatch.setattr(chain, "WPS_KEPT", 0)
    assert preview(repo) == whole


def test_reader_that_has_seen_enough_ends_it(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "project")
    for number in range(300):
        repo.write(f"WP{number:03}", "doing")
    repo.commit("many")
    command = f"{os.sys.executable} -m catflap backfill --dry-run --json | head -1"
    done = subprocess.run(["sh", "-c", command], cwd=repo.path, capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_damaged_history_is_said_and_not_passed_over(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    tree = repo.head("HEAD~2^{tree}")
    (repo.path / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(GitFailed, match=f"cannot compare trees .*{tree}.* missing; try it: git fsck"):
        preview(repo)
    oid = repo.head("HEAD~3")
    (repo.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    done = catflap("backfill", "--dry-run", cwd=repo.path)
    assert done.returncode == 1
    assert "cannot" in done.stderr
