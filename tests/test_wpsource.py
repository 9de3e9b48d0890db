"""What check reads of a work package file is what catflap tells of it; places are lines and columns of an editor."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.workpackage import parse_wp, wp_path
from catflap.wpsource import WPSource, read_source
from tests.corpus import blob_versions, clone_corpus
from tests.world import wp_text

PATH = "kitty-specs/001-demo/tasks/WP01-a.md"


def assert_agrees(source: WPSource) -> None:
    """The file says to check what it says to those who tell of it."""
    wp = parse_wp(source.path, source.data)
    assert (source.problem is None) == wp.readable
    assert source.wp_id == wp.wp_id
    assert source.status == wp.status
    assert source.lane == wp.lane
    assert tuple(one for one in source.dependencies if one != wp.wp_id) == wp.dependencies
    if source.problem is not None:
        assert wp.problem is not None
        assert (wp.problem.line, wp.problem.message) == (
            source.problem.line,
            f"{source.problem.why}; {source.problem.hint}",
        )


KEYS = st.sampled_from(["lane", "work_package_id", "wp_id", "dependencies", "depends_on", "title"])
VALUES = st.sampled_from(
    ["", "~", "null", '""', "doing", "Done", "dong", "WP1", "'WP-02'", "[WP01, wp3]", "[[x]]", "{a: b}", "*a"]
)


@given(
    st.sampled_from([PATH, "kitty-specs/001-demo/tasks/doing/x/WP07.md"]),
    st.lists(st.tuples(KEYS, VALUES), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_frontmatter_says_the_same_to_check_and_to_those_who_tell(
    path: str, fields: list[tuple[str, str]], end: str
) -> None:
    lines = ["---", *(f"{key}: {value}" for key, value in fields), "---", "# WP01", ""]
    assert_agrees(read_source(path, end.join(lines).encode()))


@given(st.binary(max_size=300))
def test_any_bytes_say_the_same_to_check_and_to_those_who_tell(data: bytes) -> None:
    assert_agrees(read_source(PATH, data))
    assert_agrees(read_source(PATH, b"---\n" + data + b"\n---\n"))


@pytest.mark.corpus
def test_real_files_say_the_same_to_check_and_to_those_who_tell(tmp_path: Path) -> None:
    versions = blob_versions(clone_corpus(tmp_path / "corpus"))
    files = [(path, data) for (path, _), data in versions.items() if wp_path(path) is not None]
    assert len(files) > 300
    for path, data in files:
        assert_agrees(read_source(path, data))


def place(text: str, *keys: str, wp_id: str | None = None) -> tuple[int, int]:
    return read_source(PATH, text.encode()).place(keys, wp_id)


def test_the_place_of_an_id_is_in_its_own_key_and_not_in_the_next() -> None:
    text = "---\ndependencies:\n  - WP02\n  - 'wp-3'\nhistory:\n  - WP04\n---\nWP05\n"
    assert place(text, "dependencies", wp_id="WP03") == (4, 6)
    assert place(text, "dependencies", wp_id="WP02") == (3, 5)
    assert place(text, "dependencies", wp_id="WP04") == (2, 1)
    assert place(text, "dependencies", wp_id="WP05") == (2, 1)
    assert place(text, "history", wp_id="WP04") == (6, 5)
    assert place("---\ndependencies: [WP01, WP010, WP10]\n---\n", "dependencies", wp_id="WP10") == (2, 22)


def test_the_place_of_a_key_that_is_not_there_is_the_files_beginning() -> None:
    assert place(wp_text(), "lanes") == (1, 1)
    assert place("No frontmatter\n", "lane") == (1, 1)
