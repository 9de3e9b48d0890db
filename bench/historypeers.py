"""The status changes of a first-parent history, as a few lines on other libraries find them; and the floor below all.

``python bench/historypeers.py NAME REPO``: a JSON line for each change. What catflap tells besides (agents, history,
features, dependencies, ids, validation) nobody here does.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import yaml

NOT_HERE = 77
"""The exit code when the library is not installed."""
_FILE = re.compile(r"kitty-specs/([^/]+)/tasks/(?:.*/)?(WP\d+)[^/]*\.md")

Version = tuple[str, str, bytes | None]
"""commit, path, content (None: deleted)"""


def lane(data: bytes, loader: Any) -> str | None:
    """The lane in the frontmatter."""
    text = data.decode()
    end = text.find("\n---", 4)
    fields = yaml.load(text[4:end], Loader=loader) if end > 0 else {}
    return fields.get("lane")


def show_changes(versions: Iterator[Version], loader: Any) -> None:
    """Print each change of a lane against the one before it."""
    known: dict[tuple[str, str], str | None] = {}
    for commit, path, data in versions:
        match = _FILE.fullmatch(path)
        if match is not None and data is not None:
            key, new = (match[1], match[2]), lane(data, loader)
            old = known.get(key, "planned")
            if old != new:
                print(json.dumps({"commit": commit, "feature": key[0], "wp": key[1], "old": old, "new": new}))
            known[key] = new


def on_pygit2(path: str) -> Iterator[Version]:
    pygit2 = import_module("pygit2")
    repo = pygit2.Repository(path)
    commit, chain = repo.head.peel(pygit2.Commit), []
    while True:
        chain.append(commit)
        if not commit.parents:
            break
        commit = commit.parents[0]
    before = None
    for commit in reversed(chain):
        diff = before.tree.diff_to_tree(commit.tree) if before is not None else commit.tree.diff_to_tree(swap=True)
        for delta in diff.deltas:
            if _FILE.fullmatch(delta.new_file.path):
                is_there = delta.status_char() != "D"
                yield str(commit.id), delta.new_file.path, repo[delta.new_file.id].data if is_there else None
        before = commit


def on_gitpython(path: str) -> Iterator[Version]:
    git = import_module("git")
    repo = git.Repo(path)
    before = git.NULL_TREE
    for commit in repo.iter_commits("HEAD", first_parent=True, reverse=True):
        # Of a root the empty tree is asked from the other side.
        found = commit.diff(before, R=True) if before is git.NULL_TREE else before.diff(commit)
        for diff in found:
            name = diff.b_path or diff.a_path
            if _FILE.fullmatch(name):
                blob = diff.b_blob if not diff.deleted_file else None
                yield commit.hexsha, name, blob.data_stream.read() if blob is not None else None
        before = commit


def on_pydriller(path: str) -> Iterator[Version]:
    pydriller = import_module("pydriller")
    repository = pydriller.Repository(path, only_in_branch="main", only_modifications_with_file_types=[".md"])
    for commit in repository.traverse_commits():
        for file in commit.modified_files:
            name = file.new_path or file.old_path
            if _FILE.fullmatch(name):
                yield commit.hash, name, file.content


def on_git(path: str) -> Iterator[Version]:
    """The floor: `git log --raw`, the blobs that it names by one `cat-file --batch`, each parsed once."""
    log = ["git", "log", "--first-parent", "-m", "--raw", "--no-abbrev", "--no-renames", "--reverse", "--format=%H"]
    found, commit = [], ""
    for line in subprocess.run(log, cwd=path, capture_output=True, check=True).stdout.decode().splitlines():
        if line.startswith(":"):
            head, _, name = line.partition("\t")
            if name.startswith("kitty-specs/") and _FILE.fullmatch(name):
                found.append((commit, name, head.split(" ")[3]))
        elif line:
            commit = line
    oids = list(dict.fromkeys(oid for _, _, oid in found if oid.strip("0")))
    batch = ["git", "cat-file", "--batch", "--buffer"]
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    answer = subprocess.run(batch, cwd=path, input=asked, capture_output=True, check=True).stdout
    blobs: dict[str, bytes] = {}
    at = 0
    for oid in oids:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split(b" ")[2])
        blobs[oid] = answer[end + 1 : end + 1 + size]
        at = end + size + 2
    for commit, name, oid in found:
        yield commit, name, blobs.get(oid)


C_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PEERS: Mapping[str, tuple[Callable[[str], Iterator[Version]], Any]] = {
    "git log + cat-file + C loader": (on_git, C_LOADER),
    "pygit2": (on_pygit2, yaml.SafeLoader),
    "pygit2 + C loader": (on_pygit2, C_LOADER),
    "GitPython": (on_gitpython, yaml.SafeLoader),
    "PyDriller": (on_pydriller, yaml.SafeLoader),
}
"""How each reads versions and YAML: `yaml.safe_load`, unless it says otherwise."""


def main(name: str, path: str) -> Any:
    try:
        read, loader = PEERS[name]
        show_changes(read(path), loader)
    except ModuleNotFoundError:
        return NOT_HERE
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
