"""The reference pages, made from the code: commands, settings, events, messages, and wirepage.py's. Knows no mkdocs.

What the code names and this file has no words for, or the other way round, is an error: no page goes stale silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import typer
from docs import messages
from docs.manpage import AFTER, argument, context_of, leaves, plain_name
from docs.pageparts import escaped, fenced, table
from docs.wirepage import wire

from catflap import events, findings, payloads, workpackage
from catflap.commandline import app

SCHEMA: Mapping[str, Any] = json.loads((messages.SOURCE / "event.schema.json").read_text("utf-8"))
MADE = "*Made from the code of this version.*"
PAYLOAD_WORDS: Mapping[str, str] = {
    "WPStatusChanged": "A work package has another status.",
    "WPCreated": "A work package is new.",
    "WPAssigned": "Somebody, or an agent, got a work package. `retry_count`: how often before in this phase.",
    "FeatureCreated": "A feature is new; the WPCreated of its first work packages name it as their cause.",
    "FeatureCompleted": "The last open work package of a feature became done. `total_duration` is ISO 8601.",
    "HistoryAdded": "A row is new in a work package's history or Activity Log.",
    "ErrorLogged": "A work package cannot be read, or its lane is unknown; once for each such content.",
    "DependencyResolved": "A work package need no longer wait for another one.",
}
ENVIRONMENT: Mapping[str, str] = {
    **{name: words for title, items in AFTER if title == "ENVIRONMENT" for name, words in items if ", " not in name},
    "SPEC_KITTY_HUB": "The folder of `catflap hub`: hub.db and hub.key; `hub` in SPEC_KITTY_HOME when it is not set.",
    "GIT_PAGER": "What shows long output on a terminal, before git's core.pager and PAGER: see git-var(1).",
    "PAGER": "The same, where git names none.",
    "XDG_CONFIG_HOME": "Where `catflap service` puts its systemd unit: below it, else below ~/.config.",
}
"""Every variable that a user may set, and what for."""


def pages() -> dict[str, str]:
    """Markdown by the path of its page below docs/."""
    return {path: _page(title, lines()) for path, (title, lines) in PAGES.items()}


def _page(title: str, lines: Iterator[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join((f"# {title}", "", MADE, "", *lines))) + "\n"


# -- commands


def commands() -> Iterator[str]:
    """Every command with its arguments, options and example, as its help says it."""
    yield "Every command has this as its `--help`; all together are the manual page `catflap(1)`."
    yield ""
    for title, items in AFTER:
        if title == "EXIT STATUS":
            yield from table(("exit code", "meaning"), items)
    for names, command in leaves(typer.main.get_command(app), ("catflap",)):
        arguments = [argument(one) for one in command.params if one.param_type_name == "argument"]
        yield from ("", f"## {' '.join(names)}", "")
        yield from fenced("text", " ".join((*names, "[OPTIONS]", *arguments)))
        for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
            words = " ".join(paragraph.split())
            before, is_example, example = words.partition("Example: ")
            yield from fenced("text", example) if is_example and not before else ("", escaped(words))
        rows = list(options(command, " ".join(names)))
        yield from table(("option", "meaning"), rows) if rows else ()


def options(command: Any, name: str) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        record = parameter.get_help_record(context_of(command, name))
        if record is not None and record[1] and "--help" not in parameter.opts:
            is_argument = parameter.param_type_name == "argument"
            yield f"`{plain_name(parameter) if is_argument else record[0]}`", record[1]


# -- settings


def settings() -> Iterator[str]:
    """Environment, files, and the keys in them."""
    yield from ("## Environment", "")
    yield from table(("variable", "meaning"), [(f"`{name}`", words) for name, words in ENVIRONMENT.items()])
    yield from ("", "## Files", "")
    for title, items in AFTER:
        if title == "FILES":
            yield from table(("file", "what it holds"), [(f"`{name}`", words) for name, words in items])
    yield from ("", "## Rules of `catflap check`", "")
    yield "`git config catflap.check.RULE LEVEL` sets the level for one checkout, or with `--global` for one user;"
    yield "`.kittify/catflap.toml` sets it for everybody who has the repository. git config comes first."
    yield f"A level is {', '.join(f'`{level}`' for level in findings.Level)}."
    yield from fenced("toml", '[check]\ntransition = "off"\nlane = "warning"')
    rows = [(f"`{rule}`", f"`{findings.DEFAULTS[rule]}`", rule.about) for rule in findings.Rule]
    yield from table(("rule", "level, when nothing sets it", "what it holds"), rows)
    yield from ("", "## Which repository speaks to whom", "")
    yield "`catflap auth bind` writes it into `config.toml` in catflap's folder; it may be edited by hand."
    text = '[repositories."/home/user/src/project/.git"]\nteam = "engines"\nproject = "project"'
    yield from fenced("toml", text)
    rows = [
        ("`team`", "Its events go to this team only; in any other session they wait."),
        ("`local`", "When `true`, nothing of it is queued or sent."),
        ("`project`", "Its project_slug, by which queued events are known."),
    ]
    yield from table(("key", "meaning"), rows)


# -- events


def about_events() -> Iterator[str]:
    """The envelope, each payload, and the rules of their fields."""
    yield "`catflap schema` prints the JSON Schema (draft 2020-12) that says the same to programs. Fields that are not"
    yield "listed here are let pass."
    yield from ("", "## Envelope", "")
    yield from table(("field", "type", "must"), list(field_rows(SCHEMA)))
    for name, kind in payloads.PAYLOADS.items():
        yield from ("", f"## {name}", "", PAYLOAD_WORDS[name], "")
        yield from table(("field", "type", "must"), list(field_rows(SCHEMA["$defs"][name])))
        if unknown := {one.name for one in fields(kind)} ^ set(SCHEMA["$defs"][name]["properties"]):
            raise ValueError(f"schema and payload of {name} differ in {unknown}")
    if set(PAYLOAD_WORDS) != set(payloads.PAYLOADS):
        raise ValueError("the words and the payloads differ")
    yield from ("", "## Lanes and statuses", "")
    yield f"An event knows the statuses {', '.join(f'`{status}`' for status in events.STATUSES)}. Spec Kitty's lanes"
    yield "become these:"
    yield ""
    lanes = workpackage._LANES.items()
    rows = [(f"`{one}`", ", ".join(f"`{lane}`" for lane, status in lanes if status == one)) for one in events.STATUSES]
    yield from table(("status", "lanes"), rows)


def field_rows(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, type and rule of each field."""
    for name, rule in schema["properties"].items():
        kind, must = rule_of(rule)
        is_needed = name in schema.get("required", ())
        yield f"`{name}`", kind, "; ".join(filter(None, (must, "" if is_needed else "may be missing")))


def rule_of(rule: Mapping[str, Any]) -> tuple[str, str]:
    """A field's type and what its value must be, in words."""
    if "$ref" in rule:
        name = rule["$ref"].rpartition("/")[2]
        kind, must = rule_of(SCHEMA["$defs"][name])
        return (kind, DEF_WORDS.get(name, must))
    if "anyOf" in rule:
        found = [rule_of(one) for one in rule["anyOf"]]
        return " or ".join(kind for kind, _ in found), "; ".join(must for _, must in found if must)
    if "enum" in rule:
        return "string", "one of " + ", ".join(f"`{value}`" for value in rule["enum"])
    if rule.get("type") == "array":
        return "array of strings", rule_of(rule["items"])[1]
    kind = rule.get("type", "string")
    return (" or ".join(kind) if isinstance(kind, list) else kind), rule.get("description", "")


DEF_WORDS: Mapping[str, str] = {
    "ulid": "a ULID: 26 characters of Crockford's base 32",
    "text": "not empty",
    "count": "0 or more",
    "timestamp": "ISO 8601 with date, time and zone",
    "wp_id": "`WP` and two or more digits",
}
"""Rules that the schema says by a pattern."""


# -- messages


def about_messages() -> Iterator[str]:
    """Every error of the command line, with its exit code and every text that it can have."""
    yield "Every error is one line on stderr: `catflap: cannot <what> <where>: <why>; <what to do>`. A part that only"
    yield f"the run knows is `{messages.ANYTHING}`. What people meet most is in"
    yield "[Troubleshooting](../troubleshooting.md)."
    kinds = messages.kinds()
    texts: dict[str, list[str]] = {}
    for one in messages.messages():
        texts.setdefault(one.kind, []).append(one.text)
    for name, kind in sorted(kinds.items()):
        if name in texts:
            yield from ("", f"## {name}", "", escaped(kind.about), "")
            yield f"Exit code {kind.exit_code}.{' The same may work a moment later.' if kind.is_retryable else ''}"
            yield from fenced("text", "\n".join(f"{text}" for text in texts[name]))


PAGES: Mapping[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "reference/commands.md": ("Commands", commands),
    "reference/settings.md": ("Settings", settings),
    "reference/events.md": ("Events", about_events),
    "reference/wire.md": ("The wire", wire),
    "reference/messages.md": ("Messages", about_messages),
}
