"""Where the corpus of real history lies: beside the checkout, in shared/corpus. It is data, and may be absent."""

from __future__ import annotations

from pathlib import Path

_BUNDLE = Path(__file__).parents[2] / "shared" / "corpus" / "spec-kitty-wp-history.bundle"


def bundle_path() -> Path | None:
    """The git bundle of real history; None where it is absent."""
    return _BUNDLE if _BUNDLE.is_file() else None
