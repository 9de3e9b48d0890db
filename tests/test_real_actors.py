"""Whom real history names for a change, by a plain reading of each commit, is who its event says made it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pytest

from catflap import git
from catflap.announced import Ledger
from catflap.drafts import Context, Draft
from catflap.infer import infer
from catflap.moves import Move, Rule
from catflap.objects import Objects
from catflap.trees import Step, TreeReader
from tests.corpus import clone_corpus
from tests.named import Key, Named, NamedReading
from tests.world import Repo

pytestmark = pytest.mark.corpus

AT_LEAST = 0.95


@dataclass(frozen=True)
class Told:
    """What one commit of the corpus tells, and what a plain reading of it says that it must."""

    commit: str
    subject: str
    drafts: list[Draft]
    changes: list[Named]
    added: dict[Key, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    repo = Repo(clone_corpus(tmp_path_factory.mktemp("corpus") / "clone"))
    return replay(repo)


def replay(repo: Repo) -> list[Told]:
    """Each commit of the first-parent history, judged as a hand's, by catflap and by the plain reading."""
    view, reading, ledger = git.locate(str(repo.path)), NamedReading(repo), Ledger()
    found = []
    with Objects(view.git_dir) as objects:
        reader, before = TreeReader(view, objects), git.EMPTY_TREES[40]
        for line in repo.git("log", "--first-parent", "--reverse", "--format=%H %s").stdout.splitlines():
            commit, _, subject = line.partition(" ")
            tree = reader.tree(commit)
            assert tree is not None
            step = Step(Move(rule=Rule.HAND, old="", new=commit, at=0, label=""), tree, (before,))
            (changes,) = reader.changes([step], lambda key: ledger.wp(key) is not None)
            features = {slug: reader.meta(tree, slug) for slug in {change.key[0] for change in changes}}
            inference = infer(Context(Rule.HAND, "2026-01-01T00:00:00Z", features=features), changes, ledger)
            ledger.absorb(inference.ledger)
            plain = list(reading.read(commit))
            found.append(Told(commit, subject, inference.drafts, plain, reading.added))
            before = tree
    return found


def test_who_changed_a_status_is_whom_the_same_commit_names(history: list[Told]) -> None:
    by_source: dict[str, Counter[bool]] = {"log": Counter(), "row": Counter(), "agent": Counter()}
    wrong = []
    for told in history:
        said = statuses(told)
        for change in told.changes:
            by = said[(change.key, change.previous, change.new)].pop(0)
            if change.by != "user":
                by_source[change.source][by == change.by] += 1
                if by != change.by:
                    wrong.append(f"{told.commit}: {change}, told: {by}")
        assert not any(said.values()), told.commit
    assert share(sum(by_source.values(), Counter())) >= AT_LEAST, wrong
    assert by_source["log"].total() >= 15
    assert by_source["row"].total() >= 120


def test_who_changed_a_status_is_whom_the_commits_subject_names(history: list[Told]) -> None:
    """`Move WP06 to for_review on spec 076 [codex:gpt-4o:reviewer]` names codex. catflap does not read subjects."""
    found: Counter[bool] = Counter()
    for told in history:
        if match := re.search(r"\[([\w.-]+)[^\]]*\]$", told.subject):
            found.update(by == match[1] for names in statuses(told).values() for by in names)
    assert share(found) >= AT_LEAST
    assert found.total() >= 100


def test_the_author_of_a_history_row_is_whom_the_row_names(history: list[Told]) -> None:
    found: Counter[bool] = Counter()
    for told in history:
        for draft in told.drafts:
            if draft.event_type != "HistoryAdded":
                continue
            first = draft.payload["entry_content"].split("\n")[0]
            rows = told.added.get((draft.feature, draft.wp_id or ""), [])
            names = {author for text, author in rows if first in text and author}
            if names:
                found[draft.payload["author"] in names] += 1
    assert share(found) >= AT_LEAST
    assert found.total() >= 100


def statuses(told: Told) -> dict[tuple[Key, str, str], list[str]]:
    """Who changed what, as catflap tells the commit: (work package, previous, new) → names in telling order."""
    found: dict[tuple[Key, str, str], list[str]] = {}
    for draft in told.drafts:
        if draft.event_type == "WPStatusChanged":
            payload = draft.payload
            key = ((draft.feature, payload["wp_id"]), payload["previous_status"], payload["new_status"])
            found.setdefault(key, []).append(payload["changed_by"])
    return found


def share(found: Counter[bool]) -> float:
    """How many of all are right."""
    return found[True] / found.total()
