"""One step of a demo, and the stage that a run of them starts from. Knows values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from catflap.demo.board import Files
from catflap.facts import Key


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens in the repository. ``run`` does it; when it returns, the hook has run.

    ``tells``: whether events must come of it; None where nobody knows beforehand.
    """

    title: str
    run: Callable[[], object]
    tells: bool | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A repository with catflap installed, and what will happen in it.

    ``start``: the statuses that the files stated at the install. ``is_whole``: every act leaves all there is in this
    working tree, so that files and events can be compared after each; else only at the end.
    """

    about: str
    files: Files
    start: Mapping[Key, str | None]
    acts: Sequence[Act]
    is_whole: bool
