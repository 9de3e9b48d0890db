"""The demo as a user runs it: what it shows is in the queue, its board is the files' own, and it leaves nothing behind.

The readings of files here share no code with catflap.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from catflap.commands.demo import perform
from catflap.demo.act import Act, Stage
from catflap.demo.board import Files
from catflap.demo.scratch import Scratch, interrupts_wait, scratch
from catflap.demo.story import LATCH, STORY, TREATS
from catflap.demo.team import send_to_hub
from tests.corpus import bundle_path
from tests.world import FEATURE, Repo, catflap, planned

Key = tuple[str, str]
STATUS = {
    **dict.fromkeys(["planned", "genesis", "claimed", "canceled"], "planned"),
    **dict.fromkeys(["doing", "in_progress", "blocked"], "doing"),
    **dict.fromkeys(["for_review", "in_review"], "for_review"),
    **dict.fromkeys(["approved", "done"], "done"),
}
WP_FILE = re.compile(r"kitty-specs/([^/]+)/tasks/(?:(planned|doing|for_review|done)/)?(?:[^/]+/)*(WP\d+)[^/]*\.md")
EVENT_LINE = re.compile(r"     \d\d:\d\d:\d\d +\d+  (?P<rest>.*)")
SUMMARY = re.compile(
    r"^([\d,]+) events? told by (\d+) steps?\.\n(\d+) steps? told nothing, and rightly so", re.MULTILINE
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where scratch folders are made: empty again after every demo that does not keep its own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def busy(tmp_path: Path) -> Repo:
    """A repository with some life: WP01 goes its way, a re-format and a file elsewhere change nothing."""
    repo = planned(tmp_path / "busy")
    repo.lane("doing", agent="claude")
    repo.wp().write_text(repo.wp().read_text().replace('lane: "doing"', "lane: doing"))
    repo.commit("other quotes")
    repo.file("src/elsewhere.txt")
    repo.commit("elsewhere")
    repo.lane("for_review", agent="claude")
    repo.lane("doing", "WP02")
    return repo


def counts(output: str) -> tuple[int, int, int]:
    """Events, steps and silent steps, as the last lines say."""
    found = SUMMARY.search(output)
    assert found, output
    return int(found[1].replace(",", "")), int(found[2]), int(found[3])


def shown_events(output: str) -> list[str]:
    return [found["rest"] for line in output.splitlines() if (found := EVENT_LINE.fullmatch(line))]


def shown_board(output: str) -> dict[Key, str]:
    """The board's lines: two spaces and a feature, four and a status with its work packages."""
    found: dict[Key, str] = {}
    feature = ""
    for line in output.partition("The board, from the events:\n")[2].partition("\n\n")[0].splitlines():
        words = line.split()
        if line.startswith("    "):
            found.update({(feature, wp_id): words[0] for wp_id in words[1:]})
        elif line.startswith("  "):
            feature = words[0]
    return found


def kept(output: str) -> tuple[Path, Repo]:
    """Home and repository of a demo that was run with --keep."""
    found = re.search(r"^Kept: SPEC_KITTY_HOME=(.*), repository (.*)$", output, re.MULTILINE)
    assert found, output
    return Path(found[1]), Repo(Path(found[2]))


def queued(home: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(home / "queue.db")
    try:
        return [json.loads(row[0]) for row in connection.execute("SELECT data FROM queue ORDER BY id")]
    finally:
        connection.close()


def last_told(events: list[dict[str, Any]]) -> dict[Key, str]:
    """The status of each work package of which an event told one; no chain of them has a hole."""
    found: dict[Key, str] = {}
    for event in events:
        payload = event["payload"]
        key = (payload.get("feature_slug", ""), payload.get("wp_id", ""))
        if event["event_type"] == "WPCreated":
            found.setdefault(key, "planned")
        elif event["event_type"] == "WPStatusChanged":
            assert found.get(key, payload["previous_status"]) == payload["previous_status"]
            found[key] = payload["new_status"]
    return found


def plain_statuses(repo: Repo, rev: str) -> dict[Key, str]:
    """What the files of a commit say: the newest row of a lane log, else the folder, else the frontmatter's lane."""
    packed = subprocess.run(["git", "archive", rev], cwd=repo.path, capture_output=True, check=True).stdout
    texts: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                texts[member.name] = file.read().decode("utf-8", "replace").replace("\r\n", "\n")
    found: dict[Key, str] = {}
    for path in sorted(texts):
        match = WP_FILE.fullmatch(path)
        front = re.match(r"---\n(.*?)\n---\n", texts[path], re.DOTALL) if match else None
        if match is None or front is None:
            continue
        fields = dict(re.findall(r"^(\w+):[ \t]*[\"']?([^\"'\n]*)", front[1], re.MULTILINE))
        status = match[2] or STATUS.get(fields.get("lane", "").strip())
        if status is not None:
            found[(match[1], fields.get("work_package_id") or match[3])] = status
    for path, text in texts.items():
        if path.endswith("/status.events.jsonl"):
            rows = [json.loads(line) for line in text.splitlines()]
            for row in sorted((row for row in rows if "to_lane" in row), key=lambda row: (row["at"], row["event_id"])):
                found[(path.split("/")[1], row["wp_id"])] = STATUS[row["to_lane"]]
    return found


def fingerprint(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below ``folder`` with its time of change and its bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


# -- the story


def test_the_story_ends_with_a_board_and_leaves_nothing_behind(
    temporary: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "users-gitconfig"
    broken.write_text("[this is no git config\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(broken))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "not-yours"))
    done = catflap("demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    events, steps, silent = counts(done.stdout)
    assert events == len(shown_events(done.stdout)) > 60
    assert steps == len(STORY)
    assert silent == done.stdout.count("     nothing to tell\n") == sum(not step.tells for step in STORY) >= 10
    assert shown_board(done.stdout) == {
        **{(LATCH, f"WP0{number}"): "done" for number in range(1, 8)},
        **{(TREATS, f"WP0{number}"): "planned" for number in (2, 3, 5)},
        (TREATS, "WP01"): "done",
        (TREATS, "WP04"): "doing",
    }
    assert f"{LATCH}  feature completed, 7 work packages" in shown_events(done.stdout)
    for word in ("catflap install", "catflap queue list", "catflap explain", "README"):
        assert word in done.stdout
    assert f"{events} events sent to a hub of the demo's own, 0 left in the queue." in done.stdout
    assert "The hub's board is what the files say, too." in done.stdout
    assert list(temporary.iterdir()) == []
    assert not home.exists()
    assert Path(os.environ["HOME"]).read_bytes() == b""
    assert "\x1b" not in done.stdout


def test_the_story_tells_what_its_files_say() -> None:
    done = catflap("demo", "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    home, repo = kept(done.stdout)
    events = queued(home)
    assert len(events) == counts(done.stdout)[0]
    assert last_told(events) == plain_statuses(repo, "HEAD") == shown_board(done.stdout)
    assert [event["lamport_clock"] for event in events] == list(range(1, len(events) + 1))
    assert int(repo.git("rev-list", "--count", "HEAD").stdout) >= 28
    kinds = {event["event_type"] for event in events}
    assert kinds >= {"FeatureCreated", "WPCreated", "WPStatusChanged", "WPAssigned", "HistoryAdded"}
    assert kinds >= {"DependencyResolved", "FeatureCompleted"}
    chain = [
        event["payload"]["new_status"]
        for event in events
        if event["event_type"] == "WPStatusChanged"
        and (event["payload"]["feature_slug"], event["payload"]["wp_id"]) == (LATCH, "WP01")
    ]
    assert chain == ["doing", "for_review", "doing", "for_review", "done"]


# -- a repository of one's own


@pytest.mark.parametrize("kind", ["repository", "bundle", "bundle without HEAD", "subfolder", "bare", "worktree"])
def test_a_repository_is_replayed_and_not_touched(busy: Repo, tmp_path: Path, temporary: Path, kind: str) -> None:
    source = tmp_path / "source"
    match kind:
        case "repository":
            source = busy.path
        case "subfolder":
            source = busy.path / "kitty-specs" / FEATURE
        case "bundle":
            busy.git("bundle", "create", "-q", source, "HEAD", "main")
        case "bundle without HEAD":
            busy.git("bundle", "create", "-q", source, "main")
        case "bare":
            busy.git("clone", "-q", "--bare", ".", source)
        case _:
            busy.git("worktree", "add", "-q", "--detach", source)
    before = fingerprint(busy.path)
    done = catflap("demo", "--repo", source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint(busy.path) == before
    assert list(temporary.iterdir()) == []
    events, steps, silent = counts(done.stdout)
    assert (events, steps, silent) == (9, 5, 1)
    assert shown_events(done.stdout)[5:] == [
        f"{FEATURE} WP01  planned → doing  by claude",
        f"{FEATURE} WP01  assigned to claude (implementation)  by claude",
        f"{FEATURE} WP01  doing → for_review  by claude",
        f"{FEATURE} WP02  planned → doing  by user",
    ]
    assert shown_board(done.stdout) == plain_statuses(busy, "HEAD")


def test_the_last_commits_start_from_the_state_before_them(busy: Repo) -> None:
    done = catflap("demo", "--repo", busy.path, "--last", "2", "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(done.stdout) == (2, 2, 0)
    assert shown_board(done.stdout) == plain_statuses(busy, "HEAD")
    _, repo = kept(done.stdout)
    shape = ("log", "--first-parent", "-2", "--format=%an %ae %at %cn %ce %ct %B", "HEAD", "--", "kitty-specs")
    assert repo.git(*shape).stdout == busy.git(*shape).stdout
    assert repo.head("HEAD:kitty-specs") == busy.head("HEAD:kitty-specs")
    assert repo.head("HEAD~2:kitty-specs") == busy.head("HEAD~2:kitty-specs")


def test_a_shallow_clone_starts_where_its_history_ends(busy: Repo, tmp_path: Path) -> None:
    Repo(tmp_path).git("clone", "-q", "--depth", "2", busy.path.as_uri(), "shallow")
    done = catflap("demo", "--repo", tmp_path / "shallow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown_events(done.stdout) == [f"{FEATURE} WP02  planned → doing  by user"]


def _missing(folder: Path) -> None:
    assert not folder.exists()


def _without_specs(folder: Path) -> None:
    repo = Repo.init(folder)
    repo.file("README.md")
    repo.commit()


def _shallow(folder: Path) -> None:
    deep = planned(folder.parent / "deep")
    Repo(folder.parent).git("clone", "-q", "--depth", "1", deep.path.as_uri(), folder)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_missing, "there is no such file or folder"),
        (Path.mkdir, "not a git repository"),
        (Path.touch, "git says"),
        (Repo.init, "it has no commits"),
        (_without_specs, "none of its commits touches kitty-specs/*/tasks/"),
        (_shallow, "its history is too shallow"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    make: Callable[[Path], object], why: str, tmp_path: Path, temporary: Path, home: Path
) -> None:
    source = tmp_path / "source"
    make(source)
    done = catflap("demo", "--repo", source, "--keep")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"catflap: cannot replay {source}: ")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(temporary.iterdir()) == []
    assert not home.exists()


@pytest.mark.corpus
def test_the_corpus_is_replayed_and_its_board_is_the_files_own() -> None:
    bundle = bundle_path()
    if bundle is None:
        pytest.skip("the corpus of real history (shared/corpus beside the checkout) is not here")
    done = catflap("demo", "--repo", bundle, "--last", "100", "--keep")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    home, repo = kept(done.stdout)
    events = queued(home)
    assert counts(done.stdout)[:2] == (len(events), 100)
    start = plain_statuses(repo, repo.git("rev-list", "--max-parents=0", "HEAD").stdout.strip())
    end = plain_statuses(repo, "HEAD")
    told = {**start, **last_told(events)}
    assert {key: told.get(key) for key in end} == end
    assert len(end) >= 8
    assert len(last_told(events)) >= 10
    touched = {event["payload"]["feature_slug"] for event in events}
    assert {key: status for key, status in shown_board(done.stdout).items() if key in told} == {
        key: status for key, status in told.items() if key[0] in touched
    }


# -- the ends that are not good


def test_the_board_stays_up_until_ctrl_c(temporary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "catflap", "demo", "--serve"], stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        url = next(line for line in lines if line.startswith("The board: ")).split()[2]
        assert next(lines) == "It is there until Ctrl-C.\n"
        assert httpx.get(url, trust_env=False).text.startswith("<!doctype html>")
        process.send_signal(signal.SIGINT)
        assert "Where to go next:\n" in list(lines)
    assert process.returncode == 0
    assert list(temporary.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_hub_that_says_otherwise_is_our_bug(place: Scratch) -> None:
    commit(place, "for_review")()
    said: list[str] = []
    key = ("001-demo", "WP01")
    assert send_to_hub(place, {key: "done"}, {key}, said.append, stay=False) == [
        "001-demo WP01: the hub says for_review, told was done"
    ]
    assert "The hub's board is what the files say, too." not in said


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_who_ends_it_finds_nothing_left(temporary: Path, name: str) -> None:
    if (ending := getattr(signal, name, None)) is None:
        pytest.skip(f"no {name} here")
    process = subprocess.Popen(
        [sys.executable, "-m", "catflap", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("  5. "):
            break
    assert len(list(temporary.iterdir())) == 1
    process.send_signal(ending)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(temporary.iterdir()) == []


def test_an_interrupt_ends_git_and_all_that_it_started(temporary: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch() as place:
        place.git("-c", f"alias.wait=!kill -INT {os.getpid()}; sleep 600", "wait", cwd=place.root)
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_waits_for_what_must_not_be_left_half_done(name: str) -> None:
    if (ending := getattr(signal, name, None)) is None:
        pytest.skip(f"no {name} here")
    steps: list[str] = []
    former = signal.signal(ending, signal.default_int_handler)

    def interrupted() -> None:
        with interrupts_wait(lambda: steps.append("hurry")):
            os.kill(os.getpid(), ending)
            steps.append("done")

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert signal.getsignal(ending) is signal.default_int_handler
    finally:
        signal.signal(ending, former)
    assert steps == ["hurry", "done"]


def test_a_reader_that_leaves_early_is_no_error(temporary: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "catflap", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (0, b"")
    assert list(temporary.iterdir()) == []


@pytest.fixture
def place() -> Iterator[Scratch]:
    """A scratch repository with the feature's four work packages planned, catflap installed."""
    with scratch() as made:
        planned(made.repository)
        made.install()
        yield made


def commit(place: Scratch, lane: str, *options: str) -> Callable[[], None]:
    """An act's work: move WP01 to the lane and commit it, with git's ``options``."""

    def work() -> None:
        Repo(place.repository).write(lane=lane)
        place.git(*options, "commit", "-q", "-a", "-m", lane)

    return work


def staged(place: Scratch, *acts: Act, is_whole: bool = False) -> tuple[int, str]:
    """Exit code and words of a demo of these acts."""
    files = Files(place.repository)
    words = io.StringIO()
    code = perform(place, Stage("A test", files, files.statuses(), acts, is_whole), Console(file=words))
    return code, words.getvalue()


def test_a_change_that_was_missed_is_said_and_is_our_bug(place: Scratch) -> None:
    missed = Act("missed", commit(place, "doing", "-c", "core.hooksPath=/dev/null"))
    code, words = staged(place, missed, is_whole=True)
    assert code == 3
    assert f"{FEATURE} WP01: events say planned, its files say doing (after step 1)" in words
    assert "rightly" not in words
    assert words.count("nothing to tell") == 1


def test_a_step_that_must_be_silent_and_is_not_is_our_bug(place: Scratch) -> None:
    code, words = staged(place, Act("loud", commit(place, "doing"), tells=False))
    assert code == 3
    assert "step 1 (loud) should tell nothing, but 1 event came of it" in words


def test_what_the_hook_says_is_shown_and_the_change_is_told_later(place: Scratch) -> None:
    def commit_while_locked() -> None:
        other = sqlite3.connect(place.home / "queue.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            commit(place, "doing")()
        finally:
            other.close()

    code, words = staged(
        place,
        Act("queue locked", commit_while_locked, tells=False),
        Act("queue free", commit(place, "for_review"), tells=True),
    )
    assert code == 0, words
    first, _, second = words.partition("queue free")
    assert "the hook says: catflap: cannot use the queue" in first
    assert "the hook says" not in second
    assert shown_events(words) == [
        f"{FEATURE} WP01  planned → doing  by user",
        f"{FEATURE} WP01  doing → for_review  by user",
    ]


def test_a_terminal_gets_a_table_and_no_color_is_obeyed(busy: Repo) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "catflap", "demo", "--repo", str(busy.path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # Linux says EIO when the other side is closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert re.search(r"│ +WP01 │ .*doing → for_review", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)) is not None
    assert "┃" in text
    assert not re.search(r"\x1b\[(?:[0-9;]*;)?(?:3|4|9)[0-9](?:;[0-9;]*)?m", text)
