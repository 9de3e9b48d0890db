"""What frontmatter says, whatever wrote it; what cannot be read is refused with its line and a hint, and quickly."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from catflap.frontmatter import MAX_DEPTH, UnreadableFrontmatter, read, split

LOADERS = ["C", "pure"] if yaml.__with_libyaml__ else ["pure"]

READABLE: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("no frontmatter", b"# Title\n", {}, "# Title\n"),
    ("empty file", b"", {}, ""),
    ("empty frontmatter", b"---\n---\nbody\n", {}, "body\n"),
    ("only comments", b"---\n# nothing\n---\n", {}, ""),
    ("plain", b"---\nlane: doing\n---\nbody\n", {"lane": "doing"}, "body\n"),
    ("no newline at the end", b"---\nlane: doing\n---", {"lane": "doing"}, ""),
    ("closed by dots", b"---\nlane: doing\n...\nbody\n", {"lane": "doing"}, "body\n"),
    ("spaces behind the fences", b"--- \t\nlane: doing\n---  \nbody\n", {"lane": "doing"}, "body\n"),
    ("a byte order mark", b"\xef\xbb\xbf---\nlane: doing\n---\n", {"lane": "doing"}, ""),
    ("a byte order mark without frontmatter", b"\xef\xbb\xbfbody\n", {}, "body\n"),
    ("CRLF", b"---\r\nlane: doing\r\n---\r\na\r\nb\r\n", {"lane": "doing"}, "a\nb\n"),
    ("CR", b"---\rlane: doing\r---\ra\r", {"lane": "doing"}, "a\n"),
    ("line ends mixed", b"---\r\nlane: doing\nagent: x\r\n---\nbody\r\n", {"lane": "doing", "agent": "x"}, "body\n"),
    ("a key twice", b"---\nlane: planned\nagent: x\nlane: doing\n---\n", {"lane": "doing", "agent": "x"}, ""),
    ("a key twice in a row of a list", b"---\nh:\n- {a: 1, a: 2}\n---\n", {"h": [{"a": "2"}]}, ""),
    ("a date", b"---\nat: 2025-11-11\n---\n", {"at": "2025-11-11"}, ""),
    ("a date in quotes", b"---\nat: '2025-11-11'\n---\n", {"at": "2025-11-11"}, ""),
    ("a time", b"---\nat: 2025-11-11T10:00:00Z\n---\n", {"at": "2025-11-11T10:00:00Z"}, ""),
    ("a date of no calendar", b"---\nat: 2025-99-99\n---\n", {"at": "2025-99-99"}, ""),
    (
        "words that YAML 1.1 takes for values",
        b"---\na: on\nb: ~\nc: 0o17\n---\n",
        {"a": "on", "b": "~", "c": "0o17"},
        "",
    ),
    ("a tag that would build an object", b"---\na: !!python/object:os.system x\n---\n", {"a": "x"}, ""),
    ("a merge key", b"---\n<<: {lane: doing}\n---\n", {"<<": {"lane": "doing"}}, ""),
    ("an anchor that nobody uses", b"---\nlane: &a doing\n---\n", {"lane": "doing"}, ""),
    ("a key that is a list", b"---\n? [a, b]\n: 1\nlane: doing\n---\n", {"lane": "doing"}, ""),
    ("an unfilled template", b"---\nagent: {{AGENT}}\nlane: doing\n---\n", {"agent": {}, "lane": "doing"}, ""),
    ("flow style", b"---\n{lane: doing, deps: [WP01, 'WP02']}\n---\n", {"lane": "doing", "deps": ["WP01", "WP02"]}, ""),
    ("block text", b"---\nnote: |\n  a\n  ---\n  b\n---\n", {"note": "a\n---\nb\n"}, ""),
    ("escapes", b'---\nlane: "\\x64oing"\n---\n', {"lane": "doing"}, ""),
    ("a rule in the body", b"---\nlane: doing\n---\na\n---\nb\n", {"lane": "doing"}, "a\n---\nb\n"),
    (
        "YAML's garbage in the body",
        b"---\nlane: doing\n---\n{[*a: !!x &a\n\t@\n",
        {"lane": "doing"},
        "{[*a: !!x &a\n\t@\n",
    ),
    ("a control character in the body", b"---\nlane: doing\n---\n\x1b[31m\n", {"lane": "doing"}, "\x1b[31m\n"),
    (
        "conflict markers in the body",
        b"---\nlane: doing\n---\n<<<<<<< a\n=======\n>>>>>>> b\n",
        {"lane": "doing"},
        "<<<<<<< a\n=======\n>>>>>>> b\n",
    ),
    ("a fence further down is a rule", b"\n---\nlane: doing\n---\n", {}, "\n---\nlane: doing\n---\n"),
    ("more than three dashes", b"----\nlane: doing\n----\n", {}, "----\nlane: doing\n----\n"),
]

UNREADABLE: list[tuple[str, bytes, int, str]] = [
    ("invalid UTF-8", b"---\nlane: doing\ntitle: \xff\n---\n", 3, "byte 0xFF is not UTF-8"),
    ("invalid UTF-8 in the body", b"---\nlane: doing\n---\na\n\xc3(\n", 5, "byte 0xC3 is not UTF-8"),
    ("UTF-8 cut in the middle", b"---\nlane: doing\n---\n\xe2\x82", 4, "byte 0xE2 is not UTF-8"),
    ("an encoded surrogate", b"---\ntitle: \xed\xa0\x80\n---\n", 2, "byte 0xED is not UTF-8"),
    ("UTF-16", "---\nlane: doing\n---\n".encode("utf-16"), 1, "NUL byte"),
    ("NUL", b"---\nlane: doing\n---\na\0\n", 4, "NUL byte"),
    ("never closed", b"---\nlane: doing\n", 1, "never closed"),
    ("nothing but the fence", b"---", 1, "never closed"),
    ("closed by an indented fence", b"---\nlane: doing\n ---\n", 1, "never closed"),
    (
        "a conflict",
        b"---\nid: WP01\n<<<<<<< HEAD\nlane: doing\n=======\nlane: done\n>>>>>>> other\n---\n",
        3,
        "conflict marker",
    ),
    (
        "a conflict with CRLF",
        b"---\r\n<<<<<<< HEAD\r\nlane: doing\r\n=======\r\n>>>>>>> x\r\n---\r\n",
        2,
        "conflict marker",
    ),
    ("a conflict in diff3 style", b"---\nlane: a\n||||||| base\n---\n", 3, "conflict marker"),
    ("half a conflict left", b"---\nlane: doing\n=======\n---\n", 3, "conflict marker"),
    ("a conflict around the fence", b"<<<<<<< HEAD\n---\nlane: doing\n---\n", 1, "conflict marker"),
    ("a conflict in frontmatter that never ends", b"---\na: 1\n>>>>>>> x\n", 3, "conflict marker"),
    ("a list", b"---\n- lane\n- doing\n---\n", 2, "a list, not a mapping"),
    ("text", b"---\nlane doing\n---\n", 2, "plain text, not a mapping"),
    ("two documents", b"---\nlane: doing\n--- x\nlane: done\n---\n", 3, "second YAML document"),
    ("an alias", b"---\na: &x 1\nb: *x\n---\n", 3, "alias *x"),
    ("an alias of itself", b"---\na: &x [*x]\n---\n", 2, "alias *x"),
    ("a control character", b"---\nid: WP01\ntitle: \x1b[31m\n---\n", 3, "U+001B"),
    ("a colon in plain text", b"---\nid: WP01\ntitle: a: b\n---\n", 3, "not YAML"),
    ("a quote left open", b"---\nlane: 'doing\n---\n", 3, "not YAML"),
    ("a tab as indentation", b"---\nh:\n\t- a\n---\n", 3, "not YAML"),
    ("a list left open", b"---\ndeps: [WP01\n---\n", 3, "not YAML"),
    ("a reserved sign", b"---\nagent: @x\n---\n", 2, "not YAML"),
    ("an escaped surrogate", b'---\nlane: "\\uD800"\n---\n', 2, ""),
    ("an escape beyond Unicode", b'---\nlane: "\\UFFFFFFFF"\n---\n', 2, "not YAML"),
    ("a tag with escapes that are no UTF-8", b"---\na: !%ed%a0%80 b\n---\n", 2, "not YAML"),
    ("a version of 5,000 digits", b"---\n%YAML 1." + b"1" * 5_000 + b"\n---\n", 2, "not YAML"),
]


@pytest.fixture(params=LOADERS)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of PyYAML's loaders; without libyaml there is only the pure one."""
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CBaseLoader", raising=False)
    return str(request.param)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("data", "fields", "body"), [row[1:] for row in READABLE], ids=[row[0] for row in READABLE])
def test_frontmatter_is_read_as_text(data: bytes, fields: dict[str, Any], body: str) -> None:
    found = read(data)
    assert (found.fields, found.body) == (fields, body)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("data", "line", "why"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
def test_unreadable_says_line_reason_and_hint(data: bytes, line: int, why: str) -> None:
    with pytest.raises(UnreadableFrontmatter) as caught:
        read(data)
    assert caught.value.line == line
    assert why in caught.value.why
    assert caught.value.hint
    assert str(caught.value).startswith(f"line {line}: ")


@pytest.mark.usefixtures("loader")
def test_lines_are_those_of_the_file() -> None:
    data = b"---\r\nid: WP01\r\n\r\n# note\r\nlane: planned\r\nh:\r\n- lane: x\r\nlane: doing\r\n---\r\n"
    assert read(data).lines == {"id": 2, "lane": 8, "h": 6}


@pytest.mark.usefixtures("loader")
@pytest.mark.timeout(30)
def test_a_bomb_of_aliases_is_refused_at_the_first_alias() -> None:
    levels = ["a0: &a0 [boom]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    with pytest.raises(UnreadableFrontmatter, match=r"line 3: the alias \*a0") as caught:
        read("\n".join(["---", *levels, "---", ""]).encode())
    assert caught.value.hint == "write its value out"


@pytest.mark.usefixtures("loader")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("sign", ["[", "{", "? ", "- ", "a: ["], ids=["lists", "mappings", "keys", "entries", "pairs"])
def test_deep_nesting_is_refused_before_the_stack_ends(sign: str) -> None:
    with pytest.raises(UnreadableFrontmatter, match="nested deeper than 60 levels"):
        read(f"---\n{sign * 100_000}\n---\n".encode())


@pytest.mark.usefixtures("loader")
def test_the_deepest_nesting_allowed_is_read() -> None:
    def nested(levels: int) -> bytes:
        return f"---\na: {'[' * (levels - 1)}{']' * (levels - 1)}\n---\n".encode()

    assert read(nested(MAX_DEPTH)).fields["a"]
    with pytest.raises(UnreadableFrontmatter, match="nested deeper"):
        read(nested(MAX_DEPTH + 1))


@pytest.fixture
def handed_to_yaml(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The texts that PyYAML is given, and with which loader; it does its work all the same."""
    calls: list[tuple[str, Any]] = []
    for name in ("CBaseLoader", "BaseLoader"):
        loader = getattr(yaml, name, None)
        if loader is not None:

            def listen(text: str, loader: Any = loader) -> Any:
                calls.append((text, loader))
                return loader(text)

            monkeypatch.setattr(yaml, name, listen)
    return calls


def test_only_the_frontmatter_is_handed_to_yaml(handed_to_yaml: list[tuple[str, Any]]) -> None:
    read(b"---\nlane: doing\n---\n&a [*a, *a]: {\n---\nmore\n")
    assert [text for text, _ in handed_to_yaml] == ["lane: doing\n"]
    read(b"no: frontmatter\n")
    assert len(handed_to_yaml) == 1


def test_the_c_loader_is_used_where_pyyaml_has_it(
    handed_to_yaml: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read(b"---\na: 1\n---\n")
    monkeypatch.delattr(yaml, "CBaseLoader", raising=False)
    read(b"---\na: 1\n---\n")
    best = "CBaseLoader" if yaml.__with_libyaml__ else "BaseLoader"
    assert [loader.__name__ for _, loader in handed_to_yaml] == [best, "BaseLoader"]


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff"))
VALUES = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)
STYLES = st.fixed_dictionaries(
    {
        "default_flow_style": st.sampled_from([True, False, None]),
        "default_style": st.sampled_from([None, "'", '"']),
        "allow_unicode": st.booleans(),
        "width": st.sampled_from([20, 80, 10_000]),
    }
)


@given(fields=st.dictionaries(WORDS, VALUES, max_size=5), style=STYLES, eol=st.sampled_from(["\n", "\r\n"]), body=WORDS)
def test_what_is_written_in_any_style_is_read_back(
    fields: dict[str, Any], style: dict[str, Any], eol: str, body: str
) -> None:
    text = f"---\n{yaml.safe_dump(fields, **style)}---\n{body}"
    found = read(text.replace("\n", eol).encode())
    assert found.fields == fields
    assert found.body == body


YAML_SIGNS = st.text("-:?[]{}&*!|>'\"%@`#,. \t\n\\uUx0<=ab\u0085\u2028\ud7ff", max_size=80).map(str.encode)
GARBAGE = st.binary(max_size=300) | st.one_of(YAML_SIGNS, st.binary(max_size=80)).map(
    lambda inside: b"---\n" + inside + b"\n---\nbody"
)


@pytest.mark.parametrize("name", LOADERS)
@given(data=GARBAGE)
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if name == "pure":
            patch.delattr(yaml, "CBaseLoader", raising=False)
        try:
            found, last_line = read(data), 1
        except UnreadableFrontmatter as error:
            found, last_line = None, error.line
    assert 1 <= last_line <= data.count(b"\n") + data.count(b"\r") + 1
    if found is not None:
        assert found.body == split(data)[1]
        assert found.lines.keys() <= found.fields.keys()
