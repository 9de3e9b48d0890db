"""Every version of every file in real history, read by catflap and by plain means that share no code with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime

import pytest
import yaml

from catflap.featuremeta import parse_meta
from catflap.lanelog import log_path, parse_log
from catflap.workpackage import WorkPackage, parse_wp, wp_path
from tests.corpus import blob_versions, clone_corpus

pytestmark = pytest.mark.corpus

Versions = dict[tuple[str, str], bytes]

STATUS = {
    **dict.fromkeys(["planned", "genesis", "claimed", "canceled"], "planned"),
    **dict.fromkeys(["doing", "in_progress", "blocked"], "doing"),
    **dict.fromkeys(["for_review", "in_review"], "for_review"),
    **dict.fromkeys(["approved", "done"], "done"),
}
WP_FILE = re.compile(r"kitty-specs/[^/]+/tasks/(?:(planned|doing|for_review|done)/)?(?:[^/]+/)*(WP\d+)[^/]*\.md")
UNREADABLE: dict[str, str] = {}
"""Blob id → why: the versions that may be unreadable. There is none."""


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return blob_versions(clone_corpus(tmp_path_factory.mktemp("corpus") / "bare", "--bare"))


@pytest.fixture(scope="module")
def work_packages(versions: Versions) -> dict[tuple[str, str], WorkPackage]:
    return {name: parse_wp(name[0], data) for name, data in versions.items() if wp_path(name[0]) is not None}


def front_of(data: bytes) -> tuple[str, str]:
    """The frontmatter and the body, plainly cut."""
    match = re.match(r"---\n(.*?)\n---\n", data.decode(), re.DOTALL)
    return (match[1], data.decode()[match.end() :]) if match else ("", data.decode())


def plain_field(front: str, key: str) -> str:
    match = re.search(rf"^{key}:[ \t]*(.*)$", front, re.MULTILINE)
    return match[1].partition(" #")[0].strip().strip("\"'") if match else ""


def test_the_same_paths_are_work_packages(
    versions: Versions, work_packages: dict[tuple[str, str], WorkPackage]
) -> None:
    assert set(work_packages) == {name for name in versions if WP_FILE.fullmatch(name[0])}
    assert len(work_packages) > 300


def test_every_version_is_readable(work_packages: dict[tuple[str, str], WorkPackage]) -> None:
    problems = {oid: wp.problem.message for (_, oid), wp in work_packages.items() if wp.problem is not None}
    assert problems == UNREADABLE


def test_a_plain_reading_finds_the_same_status(
    versions: Versions, work_packages: dict[tuple[str, str], WorkPackage]
) -> None:
    sources: dict[str | None, int] = {}
    for name, wp in work_packages.items():
        match = WP_FILE.fullmatch(name[0])
        assert match is not None
        lane = plain_field(front_of(versions[name])[0], "lane")
        expected = match[1] or (STATUS[lane.lower()] if lane else None)
        assert wp.status == expected, name
        assert wp.source == ("folder" if match[1] else "frontmatter" if lane else None), name
        sources[wp.source] = sources.get(wp.source, 0) + 1
    assert min(sources[source] for source in ("folder", "frontmatter", None)) >= 10


def test_a_plain_reading_finds_the_same_id_and_agent(
    versions: Versions, work_packages: dict[tuple[str, str], WorkPackage]
) -> None:
    for name, wp in work_packages.items():
        front, _ = front_of(versions[name])
        match = WP_FILE.fullmatch(name[0])
        assert match is not None
        assert wp.wp_id == (plain_field(front, "work_package_id") or match[2]), name
        agent = next((stated for key in ("agent", "assignee") if (stated := plain_field(front, key))), "")
        name_of_agent = agent.partition(":")[0]
        assert wp.agent == (name_of_agent if name_of_agent not in ("", "system") else None), name


def test_every_dated_line_of_an_activity_log_is_a_row(
    versions: Versions, work_packages: dict[tuple[str, str], WorkPackage]
) -> None:
    count = 0
    for name, wp in work_packages.items():
        front, body = front_of(versions[name])
        _, _, section = body.partition("\n## Activity Log\n")
        section = re.split(
            r"^##? ", re.sub(r"```.*?```", "", section, flags=re.DOTALL), maxsplit=1, flags=re.MULTILINE
        )[0]
        lines = set(re.findall(r"^- 20\d\d-.*\S", section, re.MULTILINE))
        _, _, block = front.partition("\nhistory:\n")
        entries = len(
            re.findall(r"^[ -]+(?:timestamp|at|date):", re.split(r"^\w", block, flags=re.MULTILINE)[0], re.MULTILINE)
        )
        assert max(len(lines), entries) <= len(wp.history) <= len(lines) + entries, name
        assert all(row.content for row in wp.history)
        count += len(wp.history)
    assert count > 1_000


def test_another_yaml_style_and_other_line_ends_change_no_fact(
    versions: Versions, work_packages: dict[tuple[str, str], WorkPackage]
) -> None:
    for name, wp in work_packages.items():
        front, body = front_of(versions[name])
        if not front:
            continue
        fields = yaml.load(front, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        dumped = yaml.dump(
            fields, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), default_style='"', width=60, sort_keys=True
        )
        again = parse_wp(name[0], f"\ufeff---\n{dumped}---\n{body}".replace("\n", "\r\n").encode())
        assert replace(again, lane_line=None) == replace(wp, lane_line=None), name


def test_the_pure_loader_reads_the_same(
    versions: Versions, work_packages: dict[tuple[str, str], WorkPackage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(yaml, "CBaseLoader", raising=False)
    fronts: dict[str, tuple[str, str]] = {}
    for name in work_packages:
        fronts.setdefault(front_of(versions[name])[0], name)
    for name in fronts.values():
        assert parse_wp(name[0], versions[name]) == work_packages[name], name


def test_a_plain_reading_finds_the_same_rows_in_every_lane_log(versions: Versions) -> None:
    logs = 0
    for name, data in versions.items():
        if log_path(name[0]) is None:
            continue
        logs += 1
        plain = {
            row["event_id"]: (
                datetime.fromisoformat(row["at"]),  # as text "…53Z" would come after "…53.1+00:00"
                row["event_id"],
                row["wp_id"],
                STATUS[row["to_lane"]],
            )
            for row in map(json.loads, data.decode().splitlines())
            if "to_lane" in row and "event_type" not in row
        }
        found = parse_log(data)
        assert [(datetime.fromisoformat(row.at), row.event_id, row.wp_id, row.status) for row in found] == sorted(
            plain.values()
        ), name
    assert logs >= 50


def test_every_meta_states_the_number_of_its_slug(versions: Versions) -> None:
    slugs = set()
    for (path, _), data in versions.items():
        if path.endswith("/meta.json"):
            slug = path.split("/")[1]
            slugs.add(slug)
            found = parse_meta(slug, data)
            assert found.number == (slug[:3] if slug[:3].isdigit() else "000")
            assert found.created_at == json.loads(data)["created_at"]
            assert found.target_branch == json.loads(data).get("target_branch")
    assert len(slugs) >= 5
