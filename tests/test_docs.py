"""The docs site says what is true: its commands run in its order, its links lead somewhere, its quotes are the code's.

The site itself is built by `make docs`; here with CATFLAP_TEST_LONG=1, and with faults that must end the build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from docs import links, messages, reference, wirepage

from catflap.commandline import app
from tests.documents import DOCS, ROOT, Follower, blocks, command_lines
from tests.warm import warm_catflap
from tests.world import Repo, wp_text

PAGES = sorted(DOCS.glob("*.md"))
DOCUMENTS = [*PAGES, *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
needs_time = pytest.mark.skipif(not os.environ.get("CATFLAP_TEST_LONG"), reason="set CATFLAP_TEST_LONG=1")
FEW = 6
"""How many blocks of all pages may be marked as not run."""


FOLLOWED = [page for page in PAGES if any(one.language == "sh" for one in blocks(page.read_text("utf-8")))]


def name(path: Path) -> str:
    return path.name


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """A folder for PATH with a `catflap` that is started already."""
    with tempfile.TemporaryDirectory(prefix="cf-") as name, warm_catflap(Path(name)) as found:
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Repo:
    """A repository with two planned work packages."""
    repo = Repo.init(tmp_path / "user" / "project")
    for wp in ("WP01", "WP02"):
        repo.write(wp).write_text(wp_text(wp).replace('"planned"', "planned"), encoding="utf-8")
    repo.commit("plan")
    return repo


# -- what the pages say to do


@pytest.mark.skipif(os.name == "nt", reason="the pages are for sh, and their reader forks")
@pytest.mark.parametrize("page", FOLLOWED, ids=name)
def test_a_page_can_be_followed_as_it_stands(page: Path, project: Repo, programs: Path) -> None:
    with Follower(project.path, programs) as follower:
        for block in blocks(page.read_text("utf-8")):
            follower.follow(block)


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    unrun = [one for page in PAGES for one in blocks(page.read_text("utf-8")) if one.mark == "not run"]
    assert len(unrun) <= FEW
    assert all(len(one.about.split()) >= 3 for one in unrun)


def commands() -> dict[str, Any]:
    """Every command, and group, by its words."""
    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while waiting:
        words, one = waiting.pop()
        found[words.strip()] = one
        waiting += [(f"{words} {inner}", child) for inner, child in getattr(one, "commands", {}).items()]
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_and_option_that_is_named_exists(document: Path) -> None:
    known = commands()
    for words in command_lines(document.read_text("utf-8")):
        verbs, rest = [], list(words)
        while rest and " ".join([*verbs, rest[0]]) in known:
            verbs.append(rest.pop(0))
        command = known[" ".join(verbs)]
        is_group = bool(getattr(command, "commands", {}))
        if not verbs and rest and not rest[0].startswith("-"):
            pytest.fail(f"no such command: catflap {' '.join(words)}")
        assert not (is_group and rest and rest[0].islower()), f"no such command: catflap {' '.join(words)}"
        options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
        for word in rest:
            if word.startswith("-"):
                assert word.partition("=")[0].rstrip(",.;:") in options, f"catflap {' '.join(words)}"


def test_the_hooks_that_the_pages_name_are_in_the_manifest() -> None:
    manifest = {one["id"] for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}
    configs = [one for one in blocks((DOCS / "setups.md").read_text("utf-8")) if one.about == ".pre-commit-config.yaml"]
    (config,) = configs
    assert {hook["id"] for repo in yaml.safe_load(config.code)["repos"] for hook in repo["hooks"]} == manifest


# -- what they quote


def test_every_message_that_is_quoted_is_in_the_source() -> None:
    texts = messages.said() | {one.text for one in messages.messages()}
    quoted = [
        line
        for page in PAGES
        for one in blocks(page.read_text("utf-8"))
        if one.mark == "said"
        for line in one.code.splitlines()
    ]
    assert len(quoted) > 30
    for line in quoted:
        pattern = re.compile("(catflap: )?" + ".*".join(map(re.escape, line.split(messages.ANYTHING))), re.DOTALL)
        assert any(pattern.fullmatch(text) for text in texts), line


def test_every_error_is_on_the_page_of_messages_with_what_it_says() -> None:
    page = "\n".join(reference.about_messages())
    raised = {one.kind for one in messages.messages()}
    classes = set(messages.kinds()) - {"CatflapError", "Refused"}
    assert raised == classes
    for kind in raised:
        assert f"## {kind}\n" in page
    assert "cannot send: nobody is logged in; use `catflap auth login --server URL`" in page
    assert "cannot drop: no event is named; name ids from `catflap queue list`, or use --parked" in page


# -- what is made from the code


def test_every_variable_that_a_user_may_set_is_on_the_page_of_settings() -> None:
    read = set[str]()
    for path in messages.SOURCE.rglob("*.py"):
        read |= set(re.findall(r"""environ(?:\.get\(|\[)\s*["']([A-Z_]+)["']""", path.read_text("utf-8")))
    systems = {"USERNAME", "USERDOMAIN", "PRE_COMMIT", "GIT_INDEX_FILE", "CATFLAP_SERVICE", "HOME", "PATH"}
    assert read - systems <= set(reference.ENVIRONMENT)
    text = "\n".join(path.read_text("utf-8") for path in [*messages.SOURCE.rglob("*.py"), ROOT / "hooks" / "hook.sh"])
    libraries = {"NO_COLOR"}
    assert not [one for one in set(reference.ENVIRONMENT) - libraries if one not in text]


def test_every_key_of_config_toml_is_on_the_page_of_settings() -> None:
    read = re.findall(r'table\.get\("(\w+)"', (messages.SOURCE / "bindings.py").read_text("utf-8"))
    named = re.findall(r"^\| `(\w+)` \|", "\n".join(reference.settings()).partition("## Which")[2], re.MULTILINE)
    assert sorted(named) == sorted(read)


def test_the_pages_hold_the_numbers_and_names_of_the_code() -> None:
    made = reference.pages()
    wire, commands_page = made["reference/wire.md"], made["reference/commands.md"]
    assert "| `POST /api/v1/events/batch/` | access |" in wire
    assert "| A batch once it is unpacked. | 16 MiB |" in wire
    assert "| Between two batches, when nothing is told | 300 s |" in wire
    assert "## catflap hub user add\n" in commands_page
    assert "| `--no-hooks` | Register only; put no git hooks in place. |" in commands_page
    assert "| `changed_by` | string | not empty |" in made["reference/events.md"]
    assert "| `unfinished` | `warning` |" in made["reference/settings.md"]
    for page, text in made.items():
        assert not re.search(r"<(?!br>)[a-z]", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)), page


def test_a_route_or_a_limit_without_words_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = dict(wirepage.ROUTES)
    del routes["GET /"]
    monkeypatch.setattr(wirepage, "ROUTES", routes)
    with pytest.raises(ValueError, match="no words for the route GET /"):
        list(wirepage.wire())
    monkeypatch.setattr(wirepage, "ROUTES", {**routes, "GET /": ("", "", ""), "GET /gone/": ("", "", "")})
    with pytest.raises(ValueError, match="the hub has no route GET /gone/"):
        list(wirepage.wire())
    words = {name: text for name, text in wirepage.LIMIT_WORDS.items() if name != "MAX_PASSWORD_CHARS"}
    monkeypatch.setattr(wirepage, "LIMIT_WORDS", words)
    with pytest.raises(ValueError, match="MAX_PASSWORD_CHARS"):
        list(wirepage.hub_limits())


# -- links, and what the site loads


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document: Path) -> None:
    generated = set(reference.PAGES)
    broken = [one for one in links.broken(document) if one.partition(": ")[2].partition("#")[0] not in generated]
    assert broken == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](there.md#two-words) [b](there.md) ![c](there.md) [d](https://example.org/x) `[e](gone.md)`", []),
        ("[a](gone.md)", ["page.md: gone.md"]),
        ("[a](there.md#gone)", ["page.md: there.md#gone"]),
        ("# One\n[a](#one) [b](#two)", ["page.md: #two"]),
        ('<img src="gone.png">', ["page.md: gone.png"]),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "there.md").write_text("# Two `words`\n")
    (tmp_path / "page.md").write_text(text)
    assert links.broken(tmp_path / "page.md") == found


@pytest.mark.parametrize(
    ("page", "is_loaded"),
    [
        ('<a href="https://example.org/">x</a>', False),
        ('<link rel="canonical" href="https://example.org/">', False),
        ('<script src="assets/a.js"></script><img src="a.png">', False),
        ('<script src="https://example.org/a.js"></script>', True),
        ('<img src="//example.org/a.png">', True),
        ('<link rel="stylesheet" href="https://example.org/a.css">', True),
        ('<link rel="preconnect" href="https://example.org">', True),
        ("<style>@import 'https://example.org/a.css';</style>", True),
        ('<p style="background: url(https://example.org/a.png)">x</p>', True),
        ('<pre class="mermaid"></pre>', True),
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_found(tmp_path: Path, page: str, is_loaded: bool) -> None:
    (tmp_path / "index.html").write_text(page)
    assert bool(links.loaded_from_elsewhere(tmp_path)) is is_loaded


def test_the_pictures_load_nothing_from_elsewhere() -> None:
    assert links.loaded_from_elsewhere(DOCS) == []


# -- the site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of what the site is made of."""
    for one in ("docs", "src"):
        shutil.copytree(ROOT / one, tmp_path / one, ignore=shutil.ignore_patterns("__pycache__"))
    for one in ("mkdocs.yml", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy2(ROOT / one, tmp_path / one)
    for one in re.findall(r"\]\((?!https?:|docs/)([\w./-]+)", "".join(path.read_text("utf-8") for path in DOCUMENTS)):
        if (ROOT / one).is_file() and not (tmp_path / one).exists():
            (tmp_path / one).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / one, tmp_path / one)
    return tmp_path


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_time
def test_the_site_is_built_whole(site: Path) -> None:
    done = build(site)
    assert done.returncode == 0, done.stderr
    built = {path.relative_to(site / "build" / "site").as_posix() for path in (site / "build" / "site").rglob("*.html")}
    assert {"index.html", "architecture.html", "git-life.html", "reference/wire.html"} <= built
    assert not list((site / "build" / "site").rglob("*.py"))


@needs_time
@pytest.mark.parametrize(
    ("page", "text", "why"),
    [
        ("docs/hub.md", "[x](gone.md)", "gone.md"),
        ("docs/hub.md", "[x](security.md#gone)", "gone"),
        ("docs/hub.md", "[x](reference/wire.md#gone)", "gone"),
        ("README.md", "[x](docs/gone.md)", "gone.md"),
        ("docs/hub.md", '<img src="https://example.org/x.png">', "load from elsewhere"),
    ],
)
def test_a_fault_ends_the_build(site: Path, page: str, text: str, why: str) -> None:
    with (site / page).open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")
    done = build(site)
    assert done.returncode != 0
    assert why in done.stderr
