"""Where the corpus of real history lies: beside the checkout, in shared/corpus. It is data, and may be absent."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

_BUNDLE = Path(__file__).parents[2] / "shared" / "corpus" / "spec-kitty-wp-history.bundle"


def bundle_path() -> Path | None:
    """The git bundle of real history; None where it is absent."""
    return _BUNDLE if _BUNDLE.is_file() else None


def clone_corpus(path: Path, *options: str) -> Path:
    """A clone of the bundle at ``path``; a test that asks for one where there is no bundle is skipped."""
    bundle = bundle_path()
    if bundle is None:
        pytest.skip("the corpus of real history (shared/corpus beside the checkout) is not here")
    subprocess.run(["git", "clone", "-q", *options, str(bundle), str(path)], check=True, capture_output=True)
    return path


def blob_versions(repo: Path) -> dict[tuple[str, str], bytes]:
    """Every version of every file in the history: (path, blob id) → content."""
    raw = subprocess.run(
        ["git", "log", "--all", "-m", "--raw", "-z", "--format=", "--no-renames", "--no-abbrev"],
        cwd=repo,
        check=True,
        capture_output=True,
    ).stdout.decode()
    fields = raw.split("\0")
    names: dict[tuple[str, str], None] = {}
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        oid = head.split()[3]
        if oid.strip("0"):
            names[(path, oid)] = None
    asked = "".join(f"{oid}\n" for _, oid in names).encode()
    answer = subprocess.run(
        ["git", "cat-file", "--batch"], cwd=repo, input=asked, check=True, capture_output=True
    ).stdout
    found: dict[tuple[str, str], bytes] = {}
    at = 0
    for name in names:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        found[name] = answer[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return found
