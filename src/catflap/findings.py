"""What `catflap check` can find: its rules, how serious each is, and a finding as a value. Knows no file, no git."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from catflap.errors import BadInput


class Rule(StrEnum):
    """What a finding is about; the value is its name in settings and in every format."""

    UNREADABLE = "unreadable"
    CONFLICT = "conflict"
    LANE = "lane"
    ID = "id"
    DUPLICATE = "duplicate"
    DEPENDENCY = "dependency"
    CYCLE = "cycle"
    UNFINISHED = "unfinished"
    TRANSITION = "transition"

    @property
    def about(self) -> str:
        """What the rule says, in a sentence."""
        return _ABOUT[self]


_ABOUT: Mapping[Rule, str] = {
    Rule.UNREADABLE: "The frontmatter of a work package is YAML that catflap can read.",
    Rule.CONFLICT: "Nothing is left of a merge conflict.",
    Rule.LANE: "A lane is one that Spec Kitty knows.",
    Rule.ID: "The id in the frontmatter is the one in the file's name.",
    Rule.DUPLICATE: "No two files of a feature have one id.",
    Rule.DEPENDENCY: "What a work package depends on is in its feature.",
    Rule.CYCLE: "No work package waits for itself.",
    Rule.UNFINISHED: "A work package starts when what it depends on is done.",
    Rule.TRANSITION: "A status changes by a step that its source allows.",
}


class Level(StrEnum):
    """How serious a rule is: an error ends with 1, a warning is only said, and what is off is not looked at."""

    ERROR = "error"
    WARNING = "warning"
    OFF = "off"


Levels = Mapping[Rule, Level]
DEFAULTS: Levels = {rule: Level.WARNING if rule is Rule.UNFINISHED else Level.ERROR for rule in Rule}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong: ``path`` relative to the repository, ``line`` and ``column`` (in characters) from 1.

    ``message`` is ``what is wrong; what to do``, one line.
    """

    path: str
    line: int
    column: int
    rule: Rule
    message: str


def from_settings(text: str, *, where: str) -> dict[Rule, Level]:
    """The levels that a settings file states in its table ``[check]``: ``lane = "warning"``.

    Raises: BadInput for text that is no TOML, and for a rule or level that does not exist.
    """
    import tomllib  # 5 ms, and few repositories have settings

    try:
        table = tomllib.loads(text).get("check", {})
    except tomllib.TOMLDecodeError as error:
        hint = 'write lines such as lane = "warning" below a line [check]'
        raise BadInput("use", where=where, why=f"it is not TOML: {error}", hint=hint) from error
    if not isinstance(table, dict):
        raise BadInput("use", where=where, why="check is no table", hint="write a line [check], and the rules below it")
    return dict(_level(str(name), str(value), where) for name, value in table.items())


def from_git_config(answer: str) -> dict[Rule, Level]:
    """The levels in what ``git config -z --get-regexp`` prints of ``catflap.check.<rule>``; the last of a rule counts.

    Raises: BadInput for a rule or level that does not exist.
    """
    return dict(_level(name, value, "git config") for name, value in _pairs(answer))


def _pairs(answer: str) -> Iterator[tuple[str, str]]:
    for record in answer.split("\0")[:-1]:
        key, _, value = record.partition("\n")
        yield key.removeprefix("catflap.check."), value


def _level(name: str, value: str, where: str) -> tuple[Rule, Level]:
    if name not in set(Rule):
        hint = f"the rules are {', '.join(Rule)}"
        raise BadInput("use", where=where, why=f"check has no rule {name[:60]!r}", hint=hint)
    if value not in set(Level):
        hint = f"use one of {', '.join(Level)}"
        raise BadInput("use", where=where, why=f"{value[:60]!r} is no level of the rule {name}", hint=hint)
    return Rule(name), Level(value)
