"""Real history, told by `catflap backfill`: for every commit what a plain second reading of the files says, once."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.backfilling import ids, preview
from tests.corpus import clone_corpus
from tests.plainhistory import WholeReading, words
from tests.test_real_history import WP_FILE, History
from tests.world import Repo, catflap

pytestmark = pytest.mark.corpus


def said(event: Mapping[str, Any]) -> str:
    """The event in the words of the plain reading."""
    payload = event["payload"]
    where = f"{payload['feature_slug']} {payload.get('wp_id')}"
    match event["event_type"]:
        case "FeatureCreated":
            return f"feature {payload['feature_slug']} of {payload['wp_count']}"
        case "FeatureCompleted":
            return f"completed {payload['feature_slug']} of {payload['total_wps']}"
        case "WPCreated":
            return f"{where} created {payload['title']}"
        case "WPStatusChanged":
            return f"{where} {payload['previous_status']}>{payload['new_status']}"
        case "WPAssigned":
            return f"{where} assigned {payload['agent_id']}"
        case "HistoryAdded":
            return f"{where} row {payload['author']}: {words(payload['entry_content'])}"
        case "DependencyResolved":
            return f"{where} free of {payload['dependency_wp_id']}"
        case _:
            return f"{where} error {payload['error_message']}"


def test_every_commit_tells_what_a_plain_reading_of_it_says(tmp_path: Path) -> None:
    repo = Repo(clone_corpus(tmp_path / "corpus"))
    done = catflap("backfill", "--dry-run", "--json", cwd=repo.path)
    assert done.returncode == 0, done.stderr
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        told[event["commit"]][said(event)] += 1
    history = History(repo)
    reading = WholeReading(history)
    silent_bulks = 0
    before: dict[str, str] = {}
    for commit in history.commits:
        tree = history.tree(commit)
        touched = sum(before.get(path) != tree.get(path) for path in {*before, *tree} if WP_FILE.fullmatch(path))
        before = tree
        expected = reading.tell(commit)
        assert told.pop(commit, Counter()) == expected, f"{commit}: {repo.git('show', '--stat', commit).stdout}"
        silent_bulks += touched >= 20 and not expected
    assert told == {}
    assert len(done.stdout.splitlines()) >= 500
    assert silent_bulks >= 3


def test_two_clones_tell_the_same_ids(tmp_path: Path) -> None:
    one = clone_corpus(tmp_path / "one")
    other = clone_corpus(tmp_path / "other", "--no-checkout")
    found = preview(one)
    assert ids(preview(other)) == ids(found)
    assert len(set(ids(found))) == len(found) >= 500
