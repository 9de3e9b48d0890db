"""`catflap explain`: what was recorded of each decision, told or held back, and what it says when it knows nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catflap.commands.explain import LAST, UnknownWorkPackage, explain
from catflap.errors import BadInput, NotInstalled
from tests.world import FEATURE, Repo, catflap, events, planned


@pytest.fixture
def repo(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """We are in it."""
    monkeypatch.chdir(repo.path)
    return repo


def lines(capsys: pytest.CaptureFixture[str], wp: str, feature: str | None = None) -> list[str]:
    capsys.readouterr()
    assert explain(wp, feature=feature) == 0
    return capsys.readouterr().out.splitlines()


def test_a_told_change_names_rule_commit_file_time_and_event(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.lane("doing")
    [event] = events()
    head, change, why, where = lines(capsys, "WP01")
    assert head == f"{FEATURE} WP01: announced as doing"
    assert change == f"  {event['timestamp']}  told  status  planned → doing"
    assert why == "      commit: changed by a commit"
    assert (
        where
        == f"      commit {repo.head()[:12]}  file kitty-specs/{FEATURE}/tasks/WP01-build.md  event {event['event_id']}"
    )


def test_a_change_held_back_names_the_reason_and_no_event(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.git("switch", "-q", "-c", "topic")
    repo.lane("doing")
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--squash", "topic")
    repo.commit("squash")
    told, held = (line for line in lines(capsys, "WP01") if "status" in line)
    assert "  told  status  planned → doing" in told
    assert "  held  status  planned → doing" in held
    *_, why, where = lines(capsys, "WP01")
    assert why == "      commit: announced already"
    assert where == f"      commit {repo.head()[:12]}  file kitty-specs/{FEATURE}/tasks/WP01-build.md"


def test_json_is_a_line_for_each_decision_with_all_its_fields(repo: Repo) -> None:
    repo.lane("doing", agent="claude")
    done = catflap("explain", "WP01", "--json", cwd=repo.path)
    assert done.returncode == 0
    status, agent = (json.loads(line) for line in done.stdout.splitlines())
    told = {event["event_type"]: event["event_id"] for event in events()}
    assert (status["fact"], status["before"], status["after"]) == ("status", "planned", "doing")
    assert (status["event_id"], agent["event_id"]) == (told["WPStatusChanged"], told["WPAssigned"])
    assert (status["commit_sha"], status["outcome"], status["rule"]) == (repo.head(), "told", "commit")
    assert set(status) == {
        *("at", "feature_slug", "wp_id", "rule", "outcome", "fact", "before", "after"),
        *("commit_sha", "path", "event_id", "note"),
    }


def test_an_id_of_several_features_is_explained_for_each(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.write("WP01", "planned", feature="002-other")
    repo.commit("other")
    repo.lane("doing")
    heads = [line for line in lines(capsys, "WP01") if not line.startswith(" ")]
    assert heads == [f"{FEATURE} WP01: announced as doing", "002-other WP01: announced as planned"]
    assert lines(capsys, "WP01", "002-other")[0] == heads[1]
    assert [line for line in lines(capsys, "WP01", FEATURE) if not line.startswith(" ")] == heads[:1]


def test_a_work_package_that_nobody_touched_is_known(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, "WP02") == [
        f"{FEATURE} WP02: announced as planned",
        "  Nothing was told or held back yet: it is as it was when catflap was installed.",
    ]
    done = catflap("explain", "WP02", "--json", cwd=repo.path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing was told or held back yet" in done.stderr


@pytest.mark.parametrize("wp", ["WP01", "wp1", "WP-01", "wp 01"])
def test_an_id_may_be_written_as_people_do(repo: Repo, wp: str, capsys: pytest.CaptureFixture[str]) -> None:
    repo.lane("doing")
    assert lines(capsys, wp)[0].startswith(f"{FEATURE} WP01:")


def test_only_the_last_decisions_are_shown(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.write("WP01", "doing", log=[f"- 2026-01-01T00:00:00Z – claude – step {n}" for n in range(LAST + 5)])
    repo.commit("a long log")
    shown = [line for line in lines(capsys, "WP01") if "  told  " in line or "  held  " in line]
    assert len(shown) == LAST
    assert shown[-1].endswith(f"step {LAST + 4}")


def test_history_cannot_steer_the_terminal(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.write("WP01", "planned", log=["- 2026-01-01T00:00:00Z – claude – \x1b[2Jgone\u202e"])
    repo.commit("an escape")
    [row] = [line for line in lines(capsys, "WP01") if "gone" in line]
    assert "\x1b" not in row
    assert "\u202e" not in row


def test_it_works_anywhere_in_the_repository(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.git("worktree", "add", "-q", "../side")
    monkeypatch.chdir(repo.path.parent / "side" / "kitty-specs")
    assert lines(capsys, "WP01")[0].startswith(f"{FEATURE} WP01:")


# -- what cannot be explained


def test_an_unknown_work_package_ends_with_1_and_what_to_do(repo: Repo) -> None:
    done = catflap("explain", "WP77", cwd=repo.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot explain WP77: no such work package was seen" in done.stderr
    assert "correct the id" in done.stderr


@pytest.mark.usefixtures("repo")
def test_a_wrong_feature_names_the_right_ones() -> None:
    with pytest.raises(UnknownWorkPackage, match=f"not in feature 009-gone; it is in {FEATURE}"):
        explain("WP01", feature="009-gone")


@pytest.mark.usefixtures("repo")
def test_what_is_no_id_is_a_usage_error() -> None:
    with pytest.raises(BadInput, match="write it like WP01") as error:
        explain("banana")
    assert error.value.exit_code == 2


def test_where_catflap_is_not_installed_it_says_so(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    other = planned(tmp_path / "other")
    monkeypatch.chdir(other.path)
    with pytest.raises(NotInstalled, match="run `catflap install` there"):
        explain("WP01")
    monkeypatch.chdir(repo.path)
    monkeypatch.setenv("SPEC_KITTY_HOME", str(home / "fresh"))
    with pytest.raises(NotInstalled):
        explain("WP01")
    assert not (home / "fresh").exists()
