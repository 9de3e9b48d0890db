"""Links: those of a document that lead nowhere, and what a built site would load from elsewhere. Reads files only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SOURCE = re.compile(r"""\b(?:src|srcset)=["']([^"'\s]+)""")
_ELSEWHERE = re.compile(r"\s*(?:https?:|wss?:)?//", re.IGNORECASE)
_STYLE = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
LOADING = {"src", "srcset", "data", "poster", "action"}
"""Attributes by which a page loads, or sends, something by itself; `href` does so in a <link> only."""
HARMLESS = {"canonical", "next", "prev", "alternate", "author", "license"}
"""What a <link> may be that loads nothing."""


def broken(document: Path) -> list[str]:
    """Every relative link of a markdown file that names no file, or no heading in it."""
    text = _CODE.sub("", document.read_text("utf-8"))
    found = []
    for target in [*_LINK.findall(text), *_SOURCE.findall(text)]:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            found.append(f"{document.name}: {target}")
    return found


def anchors(document: Path) -> set[str]:
    """The anchors of a markdown file's headings, as GitHub and mkdocs both make them where the words are plain."""
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {_slug(heading) for heading in re.findall(r"^#+ +(.+)$", text, re.MULTILINE)}


def loaded_from_elsewhere(site: Path) -> list[str]:
    """What the pages and styles of a built site would load from another server: nothing, or ``page: address``."""
    found = []
    for path in sorted(site.rglob("*")):
        if path.suffix == ".html":
            page = _Page()
            page.feed(path.read_text("utf-8"))
            found += [f"{path.relative_to(site)}: {address}" for address in page.found]
        elif path.suffix in (".css", ".svg"):
            addresses = _STYLE.findall(path.read_text("utf-8"))
            found += [f"{path.relative_to(site)}: {address}" for address in addresses]
    return found


class _Page(HTMLParser):
    """Collects what one page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._is_style = tag == "style"
        self.found += [value for name, value in self._loads(tag, values) if _ELSEWHERE.match(value)]
        if "mermaid" in values.get("class", "").split():
            self.found.append("a diagram, which the theme draws by a script of unpkg.com")

    def handle_data(self, data: str) -> None:
        if self._is_style:
            self.found += _STYLE.findall(data)

    def _loads(self, tag: str, values: dict[str, str]) -> Iterator[tuple[str, str]]:
        for name, value in values.items():
            is_link = tag == "link" and name == "href" and not set(values.get("rel", "").lower().split()) <= HARMLESS
            if name in LOADING or is_link:
                yield name, value
            elif name == "style":
                yield from ((name, address) for address in _STYLE.findall(value))


def _slug(heading: str) -> str:
    text = unicodedata.normalize("NFKC", re.sub(r"[`*]", "", heading)).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))
