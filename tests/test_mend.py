"""What `catflap check --fix` changes: exactly what has one right answer, byte for byte, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.findings import Rule
from catflap.frontmatter import UnreadableFrontmatter, read
from catflap.lint import Side, lint
from catflap.mend import mend
from tests.world import wp_text

TASKS = "kitty-specs/001-demo/tasks/"


def mended(files: dict[str, str | bytes]) -> dict[str, str]:
    """The new text of each file that is mended, by name."""
    data = {TASKS + name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()}
    side = Side(data, {})
    new = mend(side, lint(side, ()))
    return {path.removeprefix(TASKS): text.decode() for path, text in new.items()}


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("title: Flap: the door", "title: 'Flap: the door'"),
        ("title:   It's a flap: the door  ", "title:   'It''s a flap: the door'  "),
        ("agent: @claude", "agent: '@claude'"),
        ("agent: `claude`", "agent: '`claude`'"),
        ("title: %done", "title: '%done'"),
        ("  note: a: b", "  note: 'a: b'"),
        ("  - at: 10:00: noon", "  - at: '10:00: noon'"),
    ],
)
def test_a_value_at_which_yaml_stops_is_quoted(line: str, fixed: str) -> None:
    parent = "history:\n" if line.startswith(" ") else ""
    text = f"---\nwork_package_id: WP01\n{parent}{{}}\n---\n\nBody: of @it\n"
    assert mended({"WP01-a.md": text.format(line)}) == {"WP01-a.md": text.format(fixed)}
    ends = text.replace("\n", "\r\n")
    assert mended({"WP01-a.md": "\ufeff" + ends.format(line)}) == {"WP01-a.md": "\ufeff" + ends.format(fixed)}


def test_every_value_of_a_file_is_quoted_or_none() -> None:
    assert mended({"WP01-a.md": "---\ntitle: a: b\nagent: @x\n---\n"}) == {
        "WP01-a.md": "---\ntitle: 'a: b'\nagent: '@x'\n---\n"
    }
    assert mended({"WP01-a.md": "---\ntitle: a: b\nagent: [@x\n---\n"}) == {}
    assert mended({"WP01-a.md": "---\n" + "".join(f"k{i}: a: b\n" for i in range(21)) + "---\n"}) == {}


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: a: b # why\n---\n",
        '---\ntitle: "a" b\n---\n',
        "---\nlane: [doing\n---\n",
        "---\na: &x 1\nb: *x\n---\n",
        "---\ntitle: a: b\n",
        "---\ntitle: a: b\n<<<<<<< HEAD\n---\n",
        b"---\ntitle: a: b\nx: \xff\n---\n",
        "---\n- a\n---\n",
        "---\n\ttitle: x\n---\n",
    ],
)
def test_what_could_mean_several_things_is_left_alone(text: str | bytes) -> None:
    assert mended({"WP01-a.md": text}) == {}


def copy(stated: str) -> str:
    return f"---\ntitle: x\nwork_package_id: {stated}\nlane: planned\n---\nwork_package_id: WP01\n"


@pytest.mark.parametrize(
    ("stated", "fixed"),
    [
        ("WP01", "WP02"),
        ('"WP01"', '"WP02"'),
        ("'wp-1' # copied", "'WP02' # copied"),
        ("banana", "WP02"),
        ("two words", "WP02"),
    ],
)
def test_a_copy_gets_the_id_of_its_name(stated: str, fixed: str) -> None:
    files: dict[str, str | bytes] = {"WP01-a.md": wp_text("WP01"), "WP02-b.md": copy(stated)}
    assert mended(files) == {"WP02-b.md": copy(fixed)}


@pytest.mark.parametrize(
    "files",
    [
        {"WP02-b.md": copy("WP01")},
        {"WP01-a.md": wp_text("WP01"), "WP02-b.md": copy("WP01"), "WP02-c.md": wp_text("WP02")},
        {"WP01-a.md": wp_text("WP02"), "WP02-b.md": copy("WP01")},
        {"WP01-a.md": wp_text("WP01"), "WP02-b.md": copy("[WP01]")},
        {"WP01-a.md": wp_text("WP01"), "WP02-b.md": copy("WP02").replace("title", "wp_id: WP01\ntitle")},
    ],
)
def test_an_id_that_may_be_meant_is_left_alone(files: dict[str, str | bytes]) -> None:
    assert mended(files) == {}


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("dependencies: [WP01]", "dependencies: []"),
        ("dependencies: [ WP01 ]", "dependencies: []"),
        ("dependencies: [WP01, WP02] # x", "dependencies: [WP02] # x"),
        ('dependencies: [WP02, "WP01"]', "dependencies: [WP02]"),
        ("dependencies: [WP02, WP01, WP03]", "dependencies: [WP02, WP03]"),
        ("depends_on:\n- WP02\n-  'WP01'\n- WP03", "depends_on:\n- WP02\n- WP03"),
    ],
)
def test_a_dependency_on_itself_is_taken_out(line: str, fixed: str) -> None:
    text = "---\nwork_package_id: WP01\n{}\nlane: planned\n---\n- WP01\n"
    files: dict[str, str | bytes] = {"WP01-a.md": text.format(line), "WP02-a.md": "", "WP03-a.md": ""}
    assert mended(files) == {"WP01-a.md": text.format(fixed)}


@pytest.mark.parametrize(
    "line", ["dependencies: WP01", "dependencies:\n- WP01", "dependencies: [wp-1]", "dependencies: {WP01: x}"]
)
def test_a_dependency_on_itself_that_is_written_otherwise_is_left_alone(line: str) -> None:
    assert mended({"WP01-a.md": f"---\n{line}\n---\n"}) == {}


def test_a_longer_cycle_is_left_alone() -> None:
    one, other = wp_text("WP01", depends=["WP02"]), wp_text("WP02", depends=["WP01"])
    assert mended({"WP01-a.md": one, "WP02-b.md": other}) == {}


def test_a_file_that_becomes_readable_is_mended_to_its_end() -> None:
    text = "---\nwork_package_id: banana\ntitle: a: b\ndependencies: [WP01]\n---\n"
    assert mended({"WP01-a.md": text}) == {
        "WP01-a.md": "---\nwork_package_id: WP01\ntitle: 'a: b'\ndependencies: []\n---\n"
    }


LINES = st.sampled_from(
    [
        "title: a: b",
        "title: @x",
        "x: [",
        "lane: doing",
        "work_package_id: banana",
        "dependencies: [WP01]",
        "- a",
        "y: *a",
    ]
)


@given(st.lists(LINES, max_size=5), st.binary(max_size=40), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_mending_leaves_the_body_and_every_readable_field_and_once_is_enough(
    lines: list[str], body: bytes, end: bytes
) -> None:
    data = end.join([b"---", *(line.encode() for line in lines), b"---", body])
    path = f"{TASKS}WP01-a.md"
    side = Side({path: data}, {})
    for new in mend(side, lint(side, ())).values():
        assert new.endswith(end + b"---" + end + body)
        assert len(new.split(end)) == len(data.split(end))
        after = Side({path: new}, {})
        assert Rule.UNREADABLE not in {one.rule for one in lint(after, ())}
        assert mend(after, lint(after, ())) == {}
        try:
            old = read(data).fields
        except UnreadableFrontmatter:  # there was nothing that could be kept
            continue
        changed = {key for key in old if read(new).fields[key] != old[key]}
        assert changed <= {"work_package_id", "dependencies"}
