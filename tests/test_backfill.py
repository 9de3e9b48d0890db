"""`catflap backfill`: history told once, with ids that every clone derives, and the ledger where the chain ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from catflap import ledger
from catflap.announced import HISTORY, LIVE, WPAnnounced
from catflap.database import open_database
from catflap.errors import KeptLocal, NotInHistory, NotInstalled
from catflap.events import validate
from tests.backfilling import STORY, commit, ids, opt_in, preview, retold, shorts, story
from tests.world import FEATURE, Repo, catflap, events, planned, told


def state(repo: Repo, wp_id: str, feature: str = FEATURE) -> WPAnnounced:
    """What the ledger says of a work package."""
    connection = open_database(Path(os.environ["SPEC_KITTY_HOME"]) / "queue.db")
    try:
        project = ledger.find_project(connection, str(repo.path / ".git"))
        assert project is not None
        found = ledger.everything(connection, project.id).wp((feature, wp_id))
    finally:
        connection.close()
    assert found is not None
    return found


def test_dry_run_tells_the_story_and_writes_nothing(tmp_path: Path, home: Path) -> None:
    repo = story(tmp_path / "project")
    before = repo.git("status", "--porcelain", "--ignored").stdout, sorted((repo.path / ".git").rglob("*"))
    found = preview(repo)
    assert shorts(found) == STORY
    assert not home.exists()
    assert before == (repo.git("status", "--porcelain", "--ignored").stdout, sorted((repo.path / ".git").rglob("*")))
    for event in found:
        validate(event)
    assert [event["lamport_clock"] for event in found] == list(range(1, len(found) + 1))


def test_event_has_the_commits_time_and_names_commit_branch_and_file(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    begun = preview(repo)[3]
    assert begun["timestamp"] == "2026-01-01T00:33:20Z"
    assert begun["commit"] == begun["head_commit_sha"] == repo.head("HEAD~3")
    assert begun["path"] == f"kitty-specs/{FEATURE}/tasks/WP01-build.md"
    assert begun["git_branch"] == "main"
    assert begun["project_slug"] == "project"
    assert ULID.from_str(begun["event_id"]).timestamp == 1_767_225_600 + 2_000
    assert begun["payload"]["changed_by"] == "claude"


def test_causes_are_named_by_the_ids_that_they_have(tmp_path: Path) -> None:
    found = preview(story(tmp_path / "project"))
    feature, first, second, *_, done, free = found
    assert [first["causation_id"], second["causation_id"]] == [feature["event_id"]] * 2
    assert free["causation_id"] == done["event_id"]
    assert feature["causation_id"] is None


def test_ids_are_the_same_in_every_run_and_every_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = story(tmp_path / "project")
    first = ids(preview(repo))
    assert len(set(first)) == len(STORY)
    repo.git("clone", "-q", repo.path, tmp_path / "elsewhere")
    monkeypatch.setenv("SPEC_KITTY_HOME", str(tmp_path / "another home"))
    assert ids(preview(tmp_path / "elsewhere")) == first
    opt_in(Repo(tmp_path / "elsewhere"))
    assert ids(retold(tmp_path / "elsewhere")[0]) == first
    assert ids(preview(tmp_path / "elsewhere", since="2026-01-01T00:50Z")) == first[6:]
    assert ids(preview(tmp_path / "elsewhere", feature=FEATURE)) == first
    assert ids(preview(tmp_path / "elsewhere", "HEAD~2")) == first[:6]


def test_story_told_is_in_the_queue_once_behind_what_was_there(tmp_path: Path) -> None:
    other = planned(tmp_path / "other")
    other.install()
    other.lane("doing")
    repo = story(tmp_path / "project")
    opt_in(repo)
    found, words = retold(repo)
    assert shorts(events()) == ["planned>doing", *STORY]
    assert [{name: one[name] for name in one if name not in ("commit", "path")} for one in found] == events()[1:]
    clocks = [event["lamport_clock"] for event in events()]
    assert clocks == sorted(set(clocks))
    assert f"{len(STORY)} events of 1 feature told" in words
    again, words = retold(repo)
    assert again == []
    assert "told before: nothing new" in words
    assert len(events()) == len(STORY) + 1


def test_next_live_change_goes_on_from_where_history_ended(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    repo.install()
    retold(repo)
    repo.write("WP01", "for_review", agent="claude")
    repo.commit("reopen")
    repo.write("WP01", "for_review", agent="codex")
    repo.write("WP03")
    repo.commit("assign, and add a third")
    live = events()[len(STORY) :]
    assert shorts(live) == ["done>for_review", "WP03 created", "assigned codex review 0"]
    assert live[1]["causation_id"] == events()[0]["event_id"]
    repo.write("WP01", "doing", agent="claude")
    repo.commit("back")
    repo.write("WP01", "doing", agent="codex")
    repo.commit("again codex")
    assert shorts(events()[-2:]) == ["assigned claude review 1", "assigned codex implementation 1"]


def test_ledger_is_where_the_chain_ends_with_deleted_work_packages(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    repo.wp("WP02").unlink()
    commit(repo, "drop the second", 6_000)
    opt_in(repo)
    retold(repo)
    first, second = state(repo, "WP01"), state(repo, "WP02")
    assert (first.status, first.agent, first.assigned, first.told) == ("done", "claude", {"implementation": 1}, HISTORY)
    assert len(first.history) == 1
    assert (second.status, second.is_present, second.dependencies) == ("planned", False, ("WP01",))
    repo.write("WP02", depends=["WP01"])
    repo.commit("bring it back")
    repo.observe()
    assert len(events()) == len(STORY)


def test_uncommitted_edit_of_the_install_is_told_when_it_is_committed(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.write("WP01", "doing", agent="codex", log=["- 2026-02-03T12:00:00Z – codex – Began"])
    repo.install()
    retold(repo)
    assert told() == []
    repo.commit("begin")
    repo.observe()
    assert shorts(events()[5:]) == ["planned>doing", "assigned codex implementation 0", "note codex: Began"]


def test_uncommitted_edit_of_the_install_is_told_when_its_file_is_looked_at(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.write("WP01", "doing", agent="codex")
    repo.install()
    retold(repo)
    repo.observe()
    repo.commit("begin")
    assert shorts(events()[5:]) == ["planned>doing", "assigned codex implementation 0"]


def test_uncommitted_edit_of_the_install_is_told_from_history_when_saved_again(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.write("WP01", "doing")
    repo.install()
    retold(repo)
    repo.write("WP01", "for_review")
    repo.observe()
    assert told() == ["planned>for_review"]
    repo.commit("review")
    assert told() == ["planned>for_review"]


def test_work_package_that_was_new_and_uncommitted_at_the_install_is_told_when_it_is_committed(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.write("WP05", "doing")
    repo.write("WP01", feature="002-new")
    repo.install()
    retold(repo)
    assert len(events()) == 5
    repo.commit("add them")
    assert shorts(events()[5:]) == ["WP05 created", "feature 002-new of 1", "created", "WP05 planned>doing"]


def test_change_of_another_branch_is_told_when_it_is_merged(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.git("worktree", "add", "-q", "-b", "topic", tmp_path / "topic")
    topic = Repo(tmp_path / "topic")
    topic.lane("doing")
    repo.install()
    retold(repo)
    assert told() == []
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    assert told() == ["planned>doing"]


def test_merge_is_one_step_and_its_side_commits_are_none(tmp_path: Path) -> None:
    repo = planned(tmp_path / "project")
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.lane("for_review")
    repo.git("switch", "-q", "main")
    repo.file("elsewhere.txt")
    repo.commit("elsewhere")
    repo.git("merge", "-q", "--no-edit", "topic")
    changes = [event for event in preview(repo) if event["event_type"] == "WPStatusChanged"]
    assert [(*shorts([event]), event["commit"]) for event in changes] == [("planned>for_review", repo.head())]


def test_what_was_told_live_is_left_out_and_said(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    repo.install()
    repo.lane("for_review", "WP02", depends=["WP01"])
    found, words = retold(repo)
    assert shorts(found) == [one for one in STORY if "WP02" not in one]
    assert f"1 work package told live since the install, so their earlier history is left out: {FEATURE} WP02" in words
    assert "run backfill right after the install" in words
    assert (state(repo, "WP02").status, state(repo, "WP02").told) == ("for_review", LIVE)
    repo.lane("done", "WP02", depends=["WP01"])
    assert shorts(events()[-2:]) == ["WP02 for_review>done", f"completed {FEATURE} of 2"]


def test_feature_reopened_live_is_not_completed_by_its_past(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "project")
    repo.write("WP01", "done")
    repo.write("WP02", "doing")
    repo.commit("nearly")
    repo.lane("done", "WP02")
    assert shorts(preview(repo))[-1] == f"completed {FEATURE} of 2"
    repo.install()
    repo.lane("doing", "WP02")
    assert shorts(retold(repo)[0]) == [f"feature {FEATURE} of 2", "created", "planned>done"]


def test_work_package_that_a_mate_moved_since_the_install_is_left_out(tmp_path: Path) -> None:
    upstream = planned(tmp_path / "upstream")
    upstream.git("clone", "-q", upstream.path, tmp_path / "project")
    repo = Repo(tmp_path / "project")
    repo.install()
    upstream.lane("doing")
    repo.git("pull", "-q")
    assert shorts(retold(repo)[0]) == [f"feature {FEATURE} of 4", "WP02 created", "WP03 created", "WP04 created"]
    repo.lane("done")
    assert told() == ["doing>done"]


def test_commits_after_the_install_are_not_told_again(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    opt_in(repo)
    head = repo.head()
    repo.write("WP09", feature="002-later")
    repo.commit("later")
    assert {event["commit"] for event in retold(repo)[0]} <= set(repo.git("rev-list", head).stdout.split())
    assert shorts(events()) == STORY


def test_repository_that_was_empty_at_the_install_has_nothing_to_tell(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "project")
    assert retold(repo, dry_run=True) == ([], "catflap: There are no commits yet: nothing to tell.\n")
    opt_in(repo)
    assert retold(repo) == ([], "catflap: There are no commits from before the install: nothing to tell.\n")
    repo.write("WP01")
    repo.commit("plan")
    assert retold(repo)[0] == []


def test_since_is_silent_before_its_date_and_knows_what_was_there(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    assert shorts(preview(repo, since="2026-01-01T01:00:00Z")) == STORY[6:]
    assert shorts(preview(repo, since="HEAD~2")) == STORY[6:]
    assert shorts(preview(repo, since="2025-12-31")) == STORY
    opt_in(repo)
    assert shorts(retold(repo, since="2026-01-01T01:00:00Z")[0]) == STORY[6:]
    assert state(repo, "WP01").status == "done"
    assert state(repo, "WP02").told == HISTORY
    found, words = retold(repo)
    assert shorts(found) == STORY[:1]
    assert "2 work packages told by an earlier backfill" in words


def test_feature_tells_this_one_only_and_leaves_the_others_for_later(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    repo.write("WP01", "doing", feature="002-Größe [x]")
    repo.commit("another")
    opt_in(repo)
    second = ["feature 002-Größe [x] of 1", "created", "planned>doing"]
    assert shorts(retold(repo, feature="002-Größe [x]")[0]) == second
    assert shorts(retold(repo)[0]) == STORY
    assert shorts(events()) == [*second, *STORY]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rev": "nowhere"}, "cannot read the history of 'nowhere': it names no commit here"),
        ({"rev": "-x"}, "cannot read the history of '-x': it names no commit here"),
        ({"rev": "--all"}, "cannot read the history of '--all'"),
        ({"rev": "HEAD\nmain"}, "it names no commit here"),
        ({"rev": "HEAD:kitty-specs"}, "it names no commit here"),
        ({"since": "gibberish"}, "cannot begin at 'gibberish': it is neither a commit nor a date in the past"),
        ({"since": "2099-01-01"}, "neither a commit nor a date in the past"),
        ({"feature": "009-none"}, "cannot tell the feature '009-none': this history has no work package of it"),
    ],
)
def test_what_the_history_does_not_have_is_said_and_nothing_is_told(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    repo = story(tmp_path / "project")
    opt_in(repo)
    for is_dry in (True, False):
        with pytest.raises(NotInHistory) as caught:
            retold(repo, **options, dry_run=is_dry)
        assert message in str(caught.value)
        assert caught.value.exit_code == 1
    assert events() == []
    assert shorts(retold(repo)[0]) == STORY


def test_telling_needs_an_install_and_says_so(tmp_path: Path, home: Path) -> None:
    repo = story(tmp_path / "project")
    for prepare in (lambda: None, lambda: opt_in(planned(tmp_path / "other"))):
        prepare()
        with pytest.raises(NotInstalled, match=r"run `catflap install` here, or look with --dry-run"):
            retold(repo)
    assert not (home / "clock.json").exists()


def test_what_is_kept_local_is_not_queued_from_history_either(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    opt_in(repo)
    assert catflap("auth", "bind", "--local", cwd=repo.path).returncode == 0
    with pytest.raises(KeptLocal, match="it is kept local; show it with --dry-run, or let it go: catflap auth bind"):
        retold(repo)
    assert events() == []
    assert catflap("auth", "bind", "--any", cwd=repo.path).returncode == 0
    assert shorts(retold(repo)[0]) == STORY


def test_install_of_an_earlier_catflap_is_said_to_know_no_heads(tmp_path: Path, home: Path) -> None:
    repo = story(tmp_path / "project")
    opt_in(repo)
    connection = open_database(home / "queue.db")
    connection.execute("UPDATE project SET heads = NULL")
    connection.close()
    with pytest.raises(NotInstalled, match=r"did not note where HEAD stood; run `catflap uninstall --purge`"):
        retold(repo)
    done = catflap("uninstall", "--purge", cwd=repo.path)
    assert done.returncode == 0
    opt_in(repo)
    assert shorts(retold(repo)[0]) == STORY


def test_command_shows_people_a_summary_and_explain_knows_why(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    repo.install()
    done = catflap("backfill", cwd=repo.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Read 5 commits of main.",
        "DependencyResolved  1",
        "FeatureCreated      1",
        "HistoryAdded        1",
        "WPAssigned          1",
        "WPCreated           2",
        "WPStatusChanged     3",
        "9 events of 1 feature told.",
    ]
    why = catflap("explain", "WP01", "--json", cwd=repo.path).stdout.splitlines()
    row = next(json.loads(line) for line in why if json.loads(line)["after"] == "for_review")
    assert (row["at"], row["commit_sha"]) == ("2026-01-01T01:06:40Z", repo.head("HEAD~1"))
    assert row["event_id"] == events()[6]["event_id"]


def test_progress_is_drawn_on_a_terminal_and_gone_at_the_end(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    screen, end = os.openpty()
    command = [sys.executable, "-m", "catflap", "backfill", "--dry-run", "--json"]
    with subprocess.Popen(command, cwd=repo.path, stdout=subprocess.PIPE, stderr=end, text=True) as run:
        os.close(end)
        assert run.stdout is not None
        assert shorts(json.loads(line) for line in run.stdout) == STORY
    drawn = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert run.returncode == 0
    assert "Reading commits" in drawn
    assert "\x1b[2K" in drawn.partition("Reading commits")[2]
    quiet = catflap("backfill", "--dry-run", cwd=repo.path)
    assert (quiet.returncode, quiet.stderr) == (0, "")


def test_replaced_commits_are_read_as_they_were_made(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    first = preview(repo)
    repo.git("replace", repo.head("HEAD~1"), repo.head("HEAD~4"))
    grafts = repo.path / ".git" / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{repo.head()} {repo.git('--no-replace-objects', 'rev-parse', 'HEAD~4').stdout}")
    assert preview(repo) == first


def test_renewed_install_does_not_forget_what_was_told(tmp_path: Path) -> None:
    repo = story(tmp_path / "project")
    opt_in(repo)
    retold(repo)
    assert catflap("uninstall", cwd=repo.path).returncode == 0
    repo.lane("planned", "WP01", agent="claude")
    opt_in(repo)
    found, words = retold(repo)
    assert found == []
    assert "2 work packages told by an earlier backfill" in words
    shutil.rmtree(os.environ["SPEC_KITTY_HOME"])
    opt_in(repo)
    assert shorts(retold(repo)[0])[: len(STORY)] == STORY
