"""What one work package file says: id, title, lane, agent, dependencies, history. Pure; knows no git and no ledger.

The lane log (lanelog.py) speaks before the file does; that is applied where both are known. Design: What a work
package says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from catflap.events import STATUSES
from catflap.frontmatter import Frontmatter, UnreadableFrontmatter, Value, read
from catflap.history import HistoryRow, digest, one_line, person, read_history, visible_text

MAX_BYTES = 256 * 1024
MAX_TITLE = 300

_LANES = {
    "planned": "planned",
    "genesis": "planned",
    "claimed": "planned",
    "canceled": "planned",
    "doing": "doing",
    "in_progress": "doing",
    "blocked": "doing",
    "for_review": "for_review",
    "in_review": "for_review",
    "approved": "done",
    "done": "done",
}
_NO_LANE = frozenset({"", "~", "null"})
_ID = re.compile(r"WP[-_ ]?([0-9]{1,20})", re.IGNORECASE)
_ID_INSIDE = re.compile(r"(?<![0-9A-Za-z])WP[-_ ]?[0-9]{1,20}(?![0-9A-Za-z])", re.IGNORECASE)
_FILE = re.compile(r"(WP[0-9]+)(.*)\.md", re.DOTALL)
_MERGETOOL = re.compile(r"_(?:BACKUP|BASE|LOCAL|REMOTE)_[0-9]+\.md$")
_TITLE = re.compile(r"# +(\S.*)")


@dataclass(frozen=True, slots=True)
class WPPath:
    """What a path tells: the feature's slug, the id in the file name, and the lane if the folder is one."""

    feature: str
    wp_id: str
    lane_folder: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the file, or its lane, cannot be used. ``digest`` is the same as long as the problem is."""

    message: str
    digest: str
    line: int


@dataclass(frozen=True, slots=True)
class WorkPackage:
    """The facts of one file.

    ``status`` is one of the model's four, None when unknown; ``source`` says who stated it, ``folder`` or
    ``frontmatter``. ``lane`` and ``lane_line`` are the frontmatter's own, as written, whoever won. Of a file that is
    not ``readable`` only its path, its id, the title from its name and the ``problem`` mean anything.
    """

    feature: str
    wp_id: str
    path: str
    title: str
    status: str | None
    source: str | None
    agent: str | None
    dependencies: tuple[str, ...]
    history: tuple[HistoryRow, ...]
    has_feedback: bool
    problem: Problem | None
    readable: bool
    lane: str | None
    lane_line: int | None


@lru_cache(maxsize=4_096)  # a look at a history asks for each path again and again
def wp_path(path: str) -> WPPath | None:
    """What a repository path (POSIX, relative) says of a work package; None when it is not one's.

    Work packages are ``kitty-specs/<feature>/tasks/**/WP<digits>*.md``. Hidden files and folders, ``.worktrees``
    among them, and what editors and merge tools leave behind are not.
    """
    parts = path.split("/")
    if len(parts) < 4 or parts[0] != "kitty-specs" or parts[2] != "tasks":
        return None
    if any(not part or part.startswith(".") for part in parts):
        return None
    name = _FILE.fullmatch(parts[-1])
    if name is None or _MERGETOOL.search(parts[-1]):
        return None
    wp_id = normalise_wp_id(name[1])
    if wp_id is None:
        return None
    lane_folder = parts[3] if len(parts) > 4 and parts[3] in STATUSES else None
    return WPPath(feature=parts[1], wp_id=wp_id, lane_folder=lane_folder)


def is_wp_name(name: str) -> bool:
    """Whether a file of this name can be a work package."""
    return _FILE.fullmatch(name) is not None and _MERGETOOL.search(name) is None


def status_of_lane(lane: str) -> str | None:
    """The model's status for a lane of any Spec Kitty version; None for one that none has."""
    if not lane.isascii():
        return None
    words = lane.strip(" \t\r\n'\"").lower().replace("-", " ").split()
    return _LANES.get("_".join(words))


def normalise_wp_id(text: str) -> str | None:
    """``WP01`` for ``wp1``, ``WP-01``, ``WP 1``: upper case, two digits or more; None when it is no id."""
    match = _ID.fullmatch(text.strip())
    return f"WP{match[1].zfill(2)}" if match else None


def ids_in(value: Value | None) -> Iterator[str]:
    """The ids in a text, a list, or the keys of a mapping; whatever else stands there is none."""
    if isinstance(value, str):
        for match in _ID_INSIDE.finditer(value):
            if (wp_id := normalise_wp_id(match[0])) is not None:
                yield wp_id
    elif isinstance(value, list | dict):
        for entry in value:
            yield from ids_in(list(entry) if isinstance(entry, dict) else entry)


def parse_wp(path: str, data: bytes) -> WorkPackage:
    """The work package in the file ``path`` with the content ``data``; for any bytes there is one.

    ``path`` must be one that :func:`wp_path` knows; of ``data`` ``MAX_BYTES`` + 1 are enough.

    Raises:
        ValueError: ``path`` is not the path of a work package.
    """
    named = wp_path(path)
    if named is None:
        raise ValueError(f"{path!r} is not the path of a work package")
    try:
        if len(data) > MAX_BYTES:
            raise UnreadableFrontmatter("the file is larger than 256 KiB", line=1, hint="split it")
        front = read(data)
    except UnreadableFrontmatter as reason:  # not an error of ours: it is what the file says
        return _unreadable(named, path, data, reason)
    return _readable(named, path, front)


def _readable(named: WPPath, path: str, front: Frontmatter) -> WorkPackage:
    fields = front.fields
    wp_id = _stated_id(front) or named.wp_id
    lane = _lane(fields.get("lane"))
    lane_line = front.lines.get("lane") if lane is not None else None
    status, source, problem = named.lane_folder, "folder", None
    if status is None:
        status = status_of_lane(lane) if lane is not None else None
        source = "frontmatter"
        if lane is not None and status is None:
            problem = _unknown_lane(named.feature, wp_id, lane, line=lane_line or 1)
    return WorkPackage(
        feature=named.feature,
        wp_id=wp_id,
        path=path,
        title=_title(front, path),
        status=status,
        source=source if status is not None else None,
        agent=_agent(fields.get("agent")) or _agent(fields.get("assignee")),
        dependencies=_dependencies(front, wp_id),
        history=read_history(fields.get("history"), front.body),
        has_feedback=_word(fields.get("review_status")) == "has_feedback",
        problem=problem,
        readable=True,
        lane=lane,
        lane_line=lane_line,
    )


def _unreadable(named: WPPath, path: str, data: bytes, reason: UnreadableFrontmatter) -> WorkPackage:
    return WorkPackage(
        feature=named.feature,
        wp_id=named.wp_id,
        path=path,
        title=_slug(path),
        status=None,
        source=None,
        agent=None,
        dependencies=(),
        history=(),
        has_feedback=False,
        problem=Problem(
            message=f"{reason.why}; {reason.hint}",
            digest=digest(named.feature, named.wp_id, data),
            line=reason.line,
        ),
        readable=False,
        lane=None,
        lane_line=None,
    )


def _unknown_lane(feature: str, wp_id: str, lane: str, *, line: int) -> Problem:
    """The digest leaves the rest of the file out: saving it again with the same lane is no news."""
    return Problem(
        message=f"lane {lane!r} is unknown; use one of {', '.join(STATUSES)}",
        digest=digest(feature, wp_id, lane),
        line=line,
    )


def _stated_id(front: Frontmatter) -> str | None:
    for key in ("work_package_id", "wp_id"):
        value = front.fields.get(key)
        if isinstance(value, str) and (wp_id := normalise_wp_id(value)) is not None:
            return wp_id
    return None


def _lane(value: Value | None) -> str | None:
    """The lane as written; None when nothing is. A list or mapping with something in it is a (wrong) lane, too."""
    if not value:
        return None
    text = one_line(value if isinstance(value, str) else str(value), limit=100)
    return None if text.lower() in _NO_LANE else text


def _title(front: Frontmatter, path: str) -> str:
    stated = front.fields.get("title")
    if isinstance(stated, str) and (title := one_line(stated, limit=MAX_TITLE)):
        return title
    lines = visible_text(front.body).split("\n")
    heading = next((found[1] for line in lines if (found := _TITLE.match(line))), "")
    return one_line(heading, limit=MAX_TITLE) or _slug(path)


def _slug(path: str) -> str:
    """``merge-state`` for ``…/WP01-merge-state.md``; the whole name when there is nothing but the id."""
    name = _FILE.fullmatch(path.rpartition("/")[2])
    if name is None:
        return path
    return one_line(name[2].strip("-_. "), limit=MAX_TITLE) or name[1]


def _agent(value: Value | None) -> str | None:
    name = person(value)
    return None if name is None or name.lower() == "system" else name


def _dependencies(front: Frontmatter, wp_id: str) -> tuple[str, ...]:
    stated = front.fields.get("dependencies") or front.fields.get("depends_on")
    found = dict.fromkeys(ids_in(stated))
    found.pop(wp_id, None)
    return tuple(found)


def _word(value: Value | None) -> str:
    return "_".join(value.lower().replace("-", " ").split()) if isinstance(value, str) else ""
