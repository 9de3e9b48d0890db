"""mkdocs' hook: brings the generated pages and the documents beside docs/ into the site, and looks at what was built.

A broken link, or anything that a page would load from elsewhere, ends the build.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # mkdocs may be started as a program of its own, which does not look here

from docs import links, reference  # noqa: E402

INCLUDED = {"ARCHITECTURE.md": "architecture.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Documents beside docs/, and the pages that they become."""


def on_files(files: Any, config: Any) -> Any:
    """The pages of docs/, the generated ones, and the included ones; ends the build for a broken link outside docs/."""
    if broken := [one for name in ("README.md", *INCLUDED) for one in links.broken(ROOT / name)]:
        raise PluginError(f"links that lead nowhere: {', '.join(broken)}")
    made = reference.pages()
    for name, page in INCLUDED.items():
        made[page] = re.sub(r"\]\(docs/", "](", (ROOT / name).read_text("utf-8"))
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with links to documents beside docs/ led to what they are in the site."""
    for name, page in INCLUDED.items():
        markdown = re.sub(rf"\]\((?:\.\./)?{re.escape(name)}([)#])", rf"]({page}\1", markdown)
    return markdown


def on_post_build(config: Any) -> None:
    """Ends the build when a page loads something from elsewhere."""
    if found := links.loaded_from_elsewhere(Path(config.site_dir)):
        raise PluginError(f"the site would load from elsewhere: {', '.join(found)}")
