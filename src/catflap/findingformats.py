"""Findings as text that people and machines read: lines, one JSON value, GitHub's commands, SARIF 2.1.0. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from catflap.findings import DEFAULTS, Finding, Level, Levels, Rule
from catflap.wording import printable

_SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HOME = "https://github.com/catflap/catflap"


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def line(finding: Finding, level: Level, *, shown: str) -> str:
    """``FILE:LINE:COL: what is wrong; what to do [rule]``; ``shown`` is the file as it is named from here."""
    warning = "warning: " if level is Level.WARNING else ""
    return printable(f"{shown}:{finding.line}:{finding.column}: {warning}{finding.message} [{finding.rule}]")


def as_json(findings: Sequence[Finding], levels: Levels, *, checked: int) -> str:
    """One JSON value: how many files were ``checked``, and the findings."""
    found = [
        {
            "path": one.path,
            "line": one.line,
            "column": one.column,
            "rule": one.rule.value,
            "level": levels[one.rule].value,
            "message": one.message,
        }
        for one in findings
    ]
    return json.dumps({"checked": checked, "findings": found})


def as_github(findings: Sequence[Finding], levels: Levels) -> Iterator[str]:
    """Workflow commands that GitHub Actions shows beside the lines of a pull request."""
    for one in findings:
        where = f"file={_property(one.path)},line={one.line},col={one.column},title={_property(f'catflap {one.rule}')}"
        yield f"::{levels[one.rule].value} {where}::{_data(printable(one.message))}"


def as_sarif(findings: Sequence[Finding], levels: Levels, *, version: str) -> str:
    """A SARIF 2.1.0 log (OASIS) of one run, for code scanning: paths are relative to the repository's root."""
    rules = list(Rule)
    driver = {
        "name": "catflap",
        "version": version,
        "informationUri": _HOME,
        "rules": [_sarif_rule(rule, levels[rule]) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(one, levels[one.rule], rules.index(one.rule)) for one in findings],
    }
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(rule: Rule, level: Level) -> dict[str, Any]:
    stated = DEFAULTS[rule] if level is Level.OFF else level
    return {
        "id": rule.value,
        "shortDescription": {"text": rule.about},
        "defaultConfiguration": {"enabled": level is not Level.OFF, "level": stated.value},
    }


def _sarif_result(finding: Finding, level: Level, index: int) -> dict[str, Any]:
    from urllib.parse import quote

    # A name that is no UTF-8 came in as surrogates (PEP 383): its bytes go out.
    uri = quote(finding.path.encode("utf-8", "surrogateescape"))
    region = {"startLine": finding.line, "startColumn": finding.column}
    location = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}, "region": region}
    return {
        "ruleId": finding.rule.value,
        "ruleIndex": index,
        "level": level.value,
        "message": {"text": printable(finding.message)},
        "locations": [{"physicalLocation": location}],
    }


def _data(text: str) -> str:
    """Escaped as `@actions/core` does it for the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
