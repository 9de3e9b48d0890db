"""`catflap check` on real repositories: the working tree, named files, how serious a finding is, and fixing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from catflap.commands.check import check
from catflap.errors import BadInput, NotARepository
from tests.checking import TASKS, WP01, WP02, Run, diverged
from tests.world import FEATURE, Repo, catflap, planned


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Feature 001-demo with WP01 to WP04 planned and committed, and we are in it. `check` needs no install."""
    made = planned(tmp_path / "project")
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


# -- the working tree


def test_a_tree_in_order_ends_with_0(repo: Repo, run: Run) -> None:
    assert run() == (0, ["4 work packages checked, nothing found."])
    repo.write("WP01", "doing")
    assert run()[0] == 0


def test_a_finding_is_file_line_column_message_and_ends_with_1(repo: Repo, run: Run) -> None:
    repo.write("WP01", "dong")
    words = "lane 'dong' is unknown (did you mean doing?); use one of planned, doing, for_review, done [lane]"
    assert run() == (1, [f"{WP01}:4:7: {words}"])
    assert run.said == "4 work packages checked, 1 error.\n"


def test_json_is_one_value_and_nothing_else(repo: Repo) -> None:
    repo.write("WP01", "dong")
    done = catflap("check", "--json", cwd=repo.path)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["checked"] == 4
    [one] = found["findings"]
    assert (one["path"], one["line"], one["column"], one["rule"], one["level"]) == (WP01, 4, 7, "lane", "error")
    assert catflap("check", "--format", "json", cwd=repo.path).stdout == done.stdout


def test_the_step_is_from_head_whatever_is_staged(repo: Repo, run: Run) -> None:
    repo.write("WP01", "doing")
    repo.git("add", "-A")
    repo.write("WP01", "for_review")
    assert run.places() == [f"{WP01}:4"]
    assert run.places(staged=True) == []


def test_a_file_that_is_ignored_or_untracked_is_checked(repo: Repo, run: Run) -> None:
    repo.file(".gitignore", "WP09*\n")
    repo.write("WP08", "dong")
    repo.write("WP09", "dong")
    assert run.places() == [f"{TASKS}/WP08-build.md:4", f"{TASKS}/WP09-build.md:4"]


def test_what_is_no_work_package_is_left_alone(repo: Repo, run: Run) -> None:
    for name in ("notes.md", ".#WP01-x.md", "WP01-x.md~", "WP1_LOCAL_123.md", "#WP01-x.md#"):
        repo.file(f"{TASKS}/{name}", "---\nlane: [\n")
    repo.file(f".worktrees/x/{WP01}", "---\nlane: [\n")
    assert run.places() == []


def test_links_and_pipes_are_named_and_not_opened(repo: Repo, run: Run) -> None:
    secret = repo.file("secret", "---\nlane: dong\n---\n")
    repo.wp("WP01").unlink()
    repo.wp("WP01").symlink_to(secret)
    os.mkfifo(repo.path / TASKS / "WP05-pipe.md")
    assert run.places() == [f"{WP01}:1", f"{TASKS}/WP05-pipe.md:1"]
    assert "no regular file" in run(WP01)[1][0]


def test_linked_folders_are_not_followed(repo: Repo, run: Run) -> None:
    repo.file("elsewhere/tasks/WP01-x.md", "---\nlane: dong\n---\n")
    (repo.path / "kitty-specs" / "002-linked").symlink_to(repo.path / "elsewhere")
    assert run.places() == []
    os.rename(repo.path / "kitty-specs", repo.path / "real")
    (repo.path / "kitty-specs").symlink_to(repo.path / "real")
    assert run.places() == []


def test_a_file_of_100_mb_is_read_up_to_its_limit(repo: Repo, run: Run) -> None:
    with repo.wp("WP01").open("r+b") as file:
        file.truncate(100 << 20)
    assert "larger than 256 KiB" in run()[1][0]


def test_a_sparse_checkout_has_all_dependencies(repo: Repo, run: Run) -> None:
    repo.write("WP02", "planned", depends=["WP01"])
    repo.commit("depend")
    repo.git("sparse-checkout", "set", "--no-cone", f"/{WP02}", f"/{TASKS}/WP03*")
    assert not repo.wp("WP01").exists()
    assert run.places() == []
    assert run.places(WP02) == []


def test_a_linked_worktree_is_checked_by_its_own_files(repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.git("worktree", "add", "-q", "../side")
    side = Repo(repo.path.parent / "side")
    side.write("WP01", "dong")
    assert run.places() == []
    monkeypatch.chdir(side.path)
    assert run.places() == [f"{WP01}:4"]


def test_before_the_first_commit_there_are_no_steps(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo.init(tmp_path / "new")
    monkeypatch.chdir(repo.path)
    assert run() == (0, ["0 work packages checked, nothing found."])
    repo.write("WP01", "done")
    repo.write("WP02", "dong")
    assert run.places() == [f"{WP02}:4"]
    assert run.places(staged=True) == []
    repo.git("add", "-A")
    assert run.places(staged=True) == [f"{WP02}:4"]


def test_names_with_spaces_and_umlauts_are_checked(repo: Repo, run: Run) -> None:
    repo.file(f"{TASKS}/WP07 für später.md", "---\nlane: dong\n---\n")
    assert run.places() == [f"{TASKS}/WP07 für später.md:2"]
    repo.git("add", "-A")
    assert run.places(staged=True) == [f"{TASKS}/WP07 für später.md:2"]


def test_a_name_that_is_no_text_ends_with_a_finding(repo: Repo) -> None:
    name = os.fsencode(repo.path) + f"/{TASKS}/WP07-".encode() + b"\xff.md"
    with open(name, "wb") as file:
        file.write(b"---\nlane: dong\n---\n")
    done = catflap("check", cwd=repo.path)
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert catflap("check", "--json", cwd=repo.path).returncode == 1


# -- named files


def test_named_files_alone_are_reported_but_the_whole_feature_is_known(repo: Repo, run: Run) -> None:
    repo.write("WP01", "dong")
    repo.write("WP02", "planned", depends=["WP01", "WP09"])
    assert run.places(WP02) == [f"{WP02}:6"]
    assert run.places(f"./{WP01}", WP02) == [f"{WP01}:4", f"{WP02}:6"]


def test_paths_are_taken_and_shown_from_where_we_are(repo: Repo, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write("WP01", "dong")
    monkeypatch.chdir(repo.path / "kitty-specs" / FEATURE)
    assert run.places("tasks/WP01-build.md") == ["tasks/WP01-build.md:4"]
    assert run.places(str(repo.wp("WP01"))) == ["tasks/WP01-build.md:4"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("README.md", "not the file of a work package"),
        (f"kitty-specs/{FEATURE}/meta.json", "not the file of a work package"),
        (f"kitty-specs/{FEATURE}/status.events.jsonl", "no such file"),
        ("kitty-specs", "not the file of a work package"),
        (f"{TASKS}/notes.md", "not the file of a work package"),
        ("../WP01-x.md", "it is not in"),
        ("/etc/passwd", "it is not in"),
        (f"{TASKS}/WP99-gone.md", "no such file"),
    ],
)
def test_a_file_that_is_no_work_package_is_a_usage_error(repo: Repo, name: str, why: str) -> None:
    repo.file(f"kitty-specs/{FEATURE}/meta.json", "{}")
    with pytest.raises(BadInput, match=why) as error:
        check([Path(name)])
    assert error.value.exit_code == 2


def test_a_usage_error_ends_with_2(repo: Repo) -> None:
    done = catflap("check", "README.md", cwd=repo.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("catflap: cannot check README.md: ")
    assert catflap("check", "--stagd", cwd=repo.path).returncode == 2


def test_outside_a_repository_check_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotARepository):
        check([])


# -- how serious a rule is


def test_a_warning_is_said_and_ends_with_0(repo: Repo, run: Run) -> None:
    repo.write("WP02", "doing", depends=["WP01"])
    words = "WP02 is doing, but WP01, which it depends on, is planned; finish WP01 first, or take the dependency out"
    assert run() == (0, [f"{WP02}:6:16: warning: {words} [unfinished]"])
    assert run.said == "4 work packages checked, 1 warning.\n"


def test_settings_say_how_serious_a_rule_is_and_git_config_comes_first(repo: Repo, run: Run) -> None:
    repo.write("WP01", "dong")
    repo.file(".kittify/catflap.toml", '[check]\nlane = "warning"\n')
    assert run()[0] == 0
    assert run.said == "4 work packages checked, 1 warning.\n"
    repo.git("config", "catflap.check.lane", "off")
    assert run() == (0, ["4 work packages checked, nothing found."])
    repo.git("config", "catflap.check.lane", "error")
    assert run()[0] == 1


def test_staged_reads_the_staged_settings(repo: Repo, run: Run) -> None:
    repo.write("WP01", "dong")
    repo.git("add", "-A")
    settings = repo.file(".kittify/catflap.toml", '[check]\nlane = "off"\n')
    assert run(staged=True)[0] == 1
    repo.git("add", "-A")
    settings.write_text("[check]\n")
    assert run(staged=True)[0] == 0
    assert run()[0] == 1


@pytest.mark.parametrize("value", ['[check]\nlane = "loud"\n', '[check]\nlanes = "off"\n', "[check\n", "check = 1\n"])
def test_settings_that_cannot_be_used_are_a_usage_error(repo: Repo, value: str) -> None:
    repo.file(".kittify/catflap.toml", value)
    done = catflap("check", cwd=repo.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("catflap: cannot use .kittify/catflap.toml: ")
    (repo.path / ".kittify" / "catflap.toml").unlink()
    repo.git("config", "catflap.check.lanes", "off")
    done = catflap("check", cwd=repo.path)
    assert (done.returncode, "check has no rule 'lanes'; the rules are" in done.stderr) == (2, True)


def test_settings_behind_a_link_are_not_read(repo: Repo, run: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text("[check\n")
    repo.file(".kittify/x")
    (repo.path / ".kittify" / "catflap.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert run()[0] == 0


# -- lane logs


def row(lane_from: str, lane_to: str, number: int, *, force: bool = False) -> str:
    fields = {"wp_id": "WP01", "from_lane": lane_from, "to_lane": lane_to, "at": f"2026-01-0{number}T00:00:00Z"}
    return json.dumps({**fields, "event_id": f"01{number}", "force": force}) + "\n"


def test_a_lane_log_is_judged_by_its_new_rows_and_may_be_named(repo: Repo, run: Run) -> None:
    name = f"kitty-specs/{FEATURE}/status.events.jsonl"
    for wp_id in ("WP01", "WP02", "WP03", "WP04"):
        repo.write(wp_id, None)
    log = repo.file(name, row("genesis", "planned", 1) + row("planned", "done", 2))
    repo.commit("an illegal row that is told already")
    assert run.places() == []
    log.write_text(log.read_text() + row("done", "planned", 3, force=True) + row("planned", "in_progress", 4))
    for staged in (False, True):
        assert run.places(staged=staged) == [f"{name}:4"]
        assert run.places(name, staged=staged) == [f"{name}:4"]
        assert run.places(WP01, staged=staged) == []
        repo.git("add", "-A")


# -- fixing


def test_fix_mends_what_has_one_right_answer_and_no_other_byte(repo: Repo, run: Run) -> None:
    repo.wp("WP01").write_bytes(b"---\r\ntitle: Flap: the door   \r\nlane: dong\r\n---\r\nBody: \xe2\x82\xac\r\n")
    repo.wp("WP01").chmod(0o640)
    code, lines = run(fix=True)
    assert (code, [line.partition(": ")[0] for line in lines]) == (1, [f"{WP01}:3:7"])
    assert run.said.splitlines()[0] == f"catflap: fixed {WP01}"
    assert repo.wp("WP01").read_bytes() == (
        b"---\r\ntitle: 'Flap: the door'   \r\nlane: dong\r\n---\r\nBody: \xe2\x82\xac\r\n"
    )
    assert repo.wp("WP01").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in repo.wp().parent.iterdir()) == [f"WP0{i}-build.md" for i in range(1, 5)]


def test_fix_leaves_files_alone_that_are_not_named(repo: Repo, run: Run) -> None:
    for wp_id in ("WP01", "WP02"):
        repo.wp(wp_id).write_text("---\ntitle: a: b\n---\n")
    run(WP01, fix=True)
    assert repo.wp("WP01").read_text() == "---\ntitle: 'a: b'\n---\n"
    assert repo.wp("WP02").read_text() == "---\ntitle: a: b\n---\n"


def test_fix_changes_nothing_while_git_is_in_the_middle_of_something(repo: Repo, run: Run) -> None:
    diverged(repo, "doing", "done")
    repo.git("merge", "-q", "topic", check=False)
    repo.wp("WP02").write_text("---\ntitle: a: b\n---\n")
    assert run(fix=True)[0] == 1
    assert "git is in the middle of something here, so nothing is fixed; finish it first" in run.said
    assert repo.wp("WP02").read_text() == "---\ntitle: a: b\n---\n"


def test_fix_writes_through_no_link(repo: Repo, run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.md"
    other.write_text("---\ntitle: a: b\n---\n")
    repo.wp("WP01").unlink()
    repo.wp("WP01").symlink_to(other)
    assert run(fix=True)[0] == 1
    assert other.read_text() == "---\ntitle: a: b\n---\n"


def test_a_file_that_cannot_be_written_is_as_it_was_and_the_others_are_fixed(repo: Repo, run: Run) -> None:
    for wp_id in ("WP01", "WP02"):
        repo.wp(wp_id).write_text("---\ntitle: a: b\n---\n")
    taken = repo.wp("WP01").with_name(f".WP01-build.md.{os.getpid()}")
    taken.mkdir()
    assert run.places() == [f"{WP01}:2", f"{WP02}:2"]
    assert run(fix=True)[0] == 1
    assert run.said.splitlines()[:2] == [
        f"catflap: cannot fix {WP01}: File exists; the file is as it was",
        f"catflap: fixed {WP02}",
    ]
    assert repo.wp("WP01").read_text() == "---\ntitle: a: b\n---\n"
    assert taken.is_dir()
    assert run.places() == [f"{WP01}:2"]


def test_fix_is_for_files_and_not_for_the_index(repo: Repo) -> None:
    done = catflap("check", "--staged", "--fix", cwd=repo.path)
    assert done.returncode == 2
    assert "--staged reads the index, and fixes are made in files; run `catflap check --fix`" in done.stderr
