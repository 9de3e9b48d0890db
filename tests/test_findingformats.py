"""Findings as machines read them: GitHub's commands escape what they must, SARIF is SARIF 2.1.0 and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from catflap.findingformats import as_github, as_sarif, line
from catflap.findings import DEFAULTS, Finding, Level, Rule
from tests.world import FEATURE, Repo, catflap, planned

TASKS = f"kitty-specs/{FEATURE}/tasks"
FINDING = Finding(f"{TASKS}/WP01-a.md", 4, 7, Rule.LANE, "lane 'dong' is unknown; use one of planned, doing")
TEXT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}


def strict(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    properties = {**required, **optional}
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


RULE = strict(
    {"id": {"type": "string", "pattern": "^[a-z]+$"}, "shortDescription": TEXT},
    defaultConfiguration=strict({}, enabled={"type": "boolean"}, level=LEVEL),
)
LOCATION = strict(
    {
        "artifactLocation": strict(
            {"uri": {"type": "string", "pattern": r"^[!$&'()*+,;=:@\w.~%/-]+$"}, "uriBaseId": {"const": "%SRCROOT%"}}
        ),
        "region": strict(
            {"startLine": {"type": "integer", "minimum": 1}, "startColumn": {"type": "integer", "minimum": 1}}
        ),
    }
)
RESULT = strict(
    {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "minItems": 1, "items": strict({"physicalLocation": LOCATION})},
    }
)
DRIVER = strict(
    {"name": {"const": "catflap"}, "rules": {"type": "array", "uniqueItems": True, "items": RULE}},
    version={"type": "string"},
    informationUri={"type": "string", "format": "uri", "pattern": "^https://"},
)
RUN = strict(
    {"tool": strict({"driver": DRIVER}), "results": {"type": "array", "items": RESULT}},
    invocations={"type": "array", "items": strict({"executionSuccessful": {"type": "boolean"}})},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
)
SARIF = strict(
    {"version": {"const": "2.1.0"}, "runs": {"type": "array", "minItems": 1, "items": RUN}},
    **{"$schema": {"type": "string", "format": "uri"}},
)
"""The part of SARIF 2.1.0 (OASIS, 3.13 to 3.52) that catflap writes, with names and values as the standard has them."""


def checked(text: str) -> dict[str, Any]:
    """The run in a SARIF log that is one."""
    log = json.loads(text)
    jsonschema.validate(log, SARIF)
    run: dict[str, Any] = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == list(Rule)
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    return run


def test_a_line_names_file_line_column_level_and_rule() -> None:
    words = "4:7: lane 'dong' is unknown; use one of planned, doing [lane]"
    assert line(FINDING, Level.ERROR, shown="WP01-a.md") == f"WP01-a.md:{words}"
    assert line(FINDING, Level.WARNING, shown="x.md") == f"x.md:{words}".replace("7: ", "7: warning: ")
    assert "\x1b" not in line(FINDING, Level.ERROR, shown="a\x1b[31m.md")


def test_github_gets_commands_with_what_must_be_escaped() -> None:
    odd = Finding("kitty-specs/1,2:3%/tasks/WP01.md", 1, 2, Rule.UNFINISHED, "do; 9 %\n::x::")
    assert list(as_github([FINDING, odd], DEFAULTS)) == [
        f"::error file={TASKS}/WP01-a.md,line=4,col=7,title=catflap lane::{FINDING.message}",
        "::warning file=kitty-specs/1%2C2%3A3%25/tasks/WP01.md,line=1,col=2,title=catflap unfinished::do; 9 %25 ::x::",
    ]


def test_sarif_says_where_what_and_how_serious() -> None:
    odd = Finding("kitty-specs/1 2#%/tasks/WP01-ü\udcff.md", 1, 2, Rule.UNFINISHED, "a; b")
    run = checked(as_sarif([FINDING, odd], DEFAULTS, version="1"))
    assert [(one["ruleId"], one["level"], one["message"]["text"]) for one in run["results"]] == [
        ("lane", "error", FINDING.message),
        ("unfinished", "warning", "a; b"),
    ]
    places = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    assert places[0]["region"] == {"startLine": 4, "startColumn": 7}
    assert places[1]["artifactLocation"]["uri"] == "kitty-specs/1%202%23%25/tasks/WP01-%C3%BC%FF.md"


def test_a_rule_that_is_off_is_not_enabled_in_sarif() -> None:
    run = checked(as_sarif([], {**DEFAULTS, Rule.LANE: Level.OFF, Rule.ID: Level.WARNING}, version="1"))
    stated = {rule["id"]: rule["defaultConfiguration"] for rule in run["tool"]["driver"]["rules"]}
    assert stated["lane"] == {"enabled": False, "level": "error"}
    assert stated["id"] == {"enabled": True, "level": "warning"}
    assert run["results"] == []


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = planned(tmp_path / "project")
    made.write("WP01", "dong")
    return made


def test_each_format_of_the_command_ends_with_1_on_an_error(repo: Repo) -> None:
    where = f"{TASKS}/WP01-build.md"
    sarif = catflap("check", "--format", "sarif", cwd=repo.path)
    assert (sarif.returncode, sarif.stderr) == (1, "")
    assert checked(sarif.stdout)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == where
    github = catflap("check", "--format", "github", cwd=repo.path / "kitty-specs")
    assert github.returncode == 1
    assert github.stdout.startswith(f"::error file={where},line=4,col=7,title=catflap lane::lane 'dong' is unknown")
    assert github.stdout.count("\n") == 1
    assert catflap("check", "--format", "xml", cwd=repo.path).returncode == 2
