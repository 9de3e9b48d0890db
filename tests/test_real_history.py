"""Real history, made again commit by commit through the real hook: what is told is what a plain reading of the files
says, once. The reading here shares no code with catflap: regular expressions, state after state.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections import defaultdict
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from tests.corpus import blob_versions, bundle_path
from tests.world import Repo, board, events

pytestmark = pytest.mark.corpus

Key = tuple[str, str]
Tree = dict[str, str]
"""path → blob id"""

STATUS = {
    **dict.fromkeys(["planned", "genesis", "claimed", "canceled"], "planned"),
    **dict.fromkeys(["doing", "in_progress", "blocked"], "doing"),
    **dict.fromkeys(["for_review", "in_review"], "for_review"),
    **dict.fromkeys(["approved", "done"], "done"),
}
WP_FILE = re.compile(r"kitty-specs/([^/]+)/tasks/(?:(planned|doing|for_review|done)/)?(?:[^/]+/)*(WP\d+)[^/]*\.md")


class History:
    """The first-parent history of a clone: a tree of blobs per commit, blobs as text."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.commits = repo.git("rev-list", "--first-parent", "--reverse", "HEAD").stdout.split()
        self._texts: dict[str, str] = {}
        self._fields: dict[str, dict[str, str]] = {}

    @cache  # noqa: B019 - as long as the module's tests
    def tree(self, commit: str) -> Tree:
        listing = self.repo.git("ls-tree", "-r", "-z", commit, "kitty-specs/").stdout
        rows = (row.partition("\t") for row in listing.split("\0") if row)
        return {path: head.split()[2] for head, _, path in rows}

    def text(self, oid: str) -> str:
        if not self._texts:
            self._texts = {
                oid: data.decode("utf-8", "replace") for (_, oid), data in blob_versions(self.repo.path).items()
            }
        return self._texts[oid]

    def fields(self, oid: str) -> dict[str, str]:
        """The frontmatter's lines of a file."""
        if oid not in self._fields:
            front = re.match(r"---\n(.*?)\n---\n", self.text(oid), re.DOTALL)
            pairs = re.findall(r"^(\w+):[ \t]*[\"']?([^\"'\n]*)", front[1], re.MULTILINE) if front else []
            self._fields[oid] = dict(pairs)
        return self._fields[oid]


class PlainReading:
    """What the files say, commit after commit: per work package the chain of statuses."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.chains: dict[Key, list[str]] = {}
        self._seen: dict[Key, tuple[str, str]] = {}
        self._before: Tree = {}

    def read(self, commit: str) -> int:
        """How many status changes the commit adds to the chains."""
        tree = self.history.tree(commit)
        logs = self._logs(tree)
        files = self._files(tree)
        count = 0
        for key in sorted({*files, *logs}):
            is_new = key not in self.chains
            stated = [files[key]] if files.get(key) else []
            lanes = self._new_lanes(key, logs[key], is_new) if logs.get(key) else stated
            if is_new and key not in files and not lanes:
                continue
            chain = self.chains.setdefault(key, ["planned"])
            for lane in lanes:
                if chain[-1] != lane:
                    chain.append(lane)
                    count += 1
        self._before = tree
        return count

    def _new_lanes(self, key: Key, rows: list[tuple[str, str, str]], is_new: bool) -> list[str]:
        seen = self._seen.get(key)
        self._seen[key] = rows[-1][:2] if seen is None else max(seen, rows[-1][:2])
        if seen is None and not is_new:
            return [rows[-1][2]]
        return [lane for at, event_id, lane in rows if seen is None or (at, event_id) > seen]

    def _logs(self, tree: Tree) -> dict[Key, list[tuple[str, str, str]]]:
        found: dict[Key, list[tuple[str, str, str]]] = defaultdict(list)
        for path, oid in tree.items():
            if not path.endswith("/status.events.jsonl"):
                continue
            for line in self.history.text(oid).splitlines():
                row = json.loads(line)
                if "to_lane" in row and "event_type" not in row:
                    key = (path.split("/")[1], row["wp_id"])
                    found[key].append((row["at"], row["event_id"], STATUS[row["to_lane"]]))
        return {key: sorted(rows) for key, rows in found.items()}

    def _files(self, tree: Tree) -> dict[Key, str | None]:
        """Of two files with one id the one that this commit touched speaks, else the last path."""
        found: dict[Key, str | None] = {}
        touched = [path for path in sorted(tree) if self._before.get(path) != tree[path]]
        for path in [*sorted(tree), *touched]:
            match = WP_FILE.fullmatch(path)
            if match is None:
                continue
            fields = self.history.fields(tree[path])
            key = (match[1], fields.get("work_package_id") or match[3])
            found[key] = match[2] or STATUS.get(fields.get("lane", "").strip())
        return found


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    bundle = bundle_path()
    if bundle is None:
        pytest.skip("the corpus of real history (shared/corpus beside the checkout) is not here")
    path = tmp_path_factory.mktemp("corpus") / "clone"
    subprocess.run(["git", "clone", "-q", str(bundle), str(path)], check=True)
    return History(Repo(path))


def test_replayed_history_tells_what_the_files_say(history: History, tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "replay")
    repo.git("fetch", "-q", history.repo.path, "HEAD")
    repo.git("commit", "-q", "--allow-empty", "-m", "nothing yet")
    repo.install()
    reading = PlainReading(history)
    bulk_commits = silent_bulks = 0
    before = history.tree(history.commits[0]) if history.commits else {}
    for commit in history.commits:
        tree = history.tree(commit)
        touched = sum(before.get(path) != tree.get(path) for path in {*before, *tree} if WP_FILE.fullmatch(path))
        before = tree
        told_before = statuses_told()
        expected = reading.read(commit)
        repo.git("read-tree", "--reset", "-u", commit)
        done = repo.git("commit", "-q", "--allow-empty", "-m", f"as {commit}")
        assert "catflap" not in done.stderr
        assert statuses_told() - told_before == expected, f"{commit}: {repo.git('show', '--stat', commit).stdout}"
        if touched >= 20 and not expected:
            bulk_commits += 1
            silent_bulks += statuses_told() == told_before
    assert len(history.commits) >= 150
    assert bulk_commits == silent_bulks >= 3
    assert chains_told() == {key: chain for key, chain in reading.chains.items() if len(chain) > 1}
    assert board() == {key: chain[-1] for key, chain in reading.chains.items() if len(chain) > 1}
    clocks = [event["lamport_clock"] for event in events()]
    assert clocks == sorted(set(clocks))
    count = len(events())
    repo.observe()
    assert len(events()) == count


def statuses_told() -> int:
    with closing(sqlite3.connect(Path(os.environ["SPEC_KITTY_HOME"]) / "queue.db")) as connection:
        query = "SELECT count(*) FROM queue WHERE event_type = 'WPStatusChanged'"
        return int(connection.execute(query).fetchone()[0])


def chains_told() -> dict[Key, list[str]]:
    chains: dict[Key, list[str]] = {}
    for event in events():
        if event["event_type"] == "WPStatusChanged":
            payload = event["payload"]
            chain = chains.setdefault((payload["feature_slug"], payload["wp_id"]), [payload["previous_status"]])
            assert chain[-1] == payload["previous_status"]
            chain.append(payload["new_status"])
    return chains
