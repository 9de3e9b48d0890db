"""Writes docs/catflap.1, the manual page, from the commands' own help and the few words here that no help has."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from catflap import __version__
from catflap.commandline import app

PAGE = Path(__file__).with_name("catflap.1")
DATE = "2026-11-25"
"""When the words of this file were last changed: a page made again from the same sources is the same."""

BEFORE = (
    (
        "Spec Kitty cuts features into work packages: markdown files below kitty-specs/ that people and agents edit. "
        "catflap sees each edit by git hooks and a file watcher, works out what it means, and puts an event for the "
        "team into a queue, once and in order, whatever git did to get there."
    ),
    "`catflap install` opts a repository in; after that nobody types a command for an event to be told.",
)
AFTER: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "EXIT STATUS",
        (
            ("0", "Done."),
            ("1", "Something that you can fix; the last line on stderr says what, where, why, and what to do."),
            ("2", "The command was not written as it must be."),
            ("3", "A bug of catflap's; the message says where to report it."),
            ("130", "Interrupted by Ctrl-C."),
        ),
    ),
    (
        "ENVIRONMENT",
        (
            ("SPEC_KITTY_HOME", "The folder of everything that catflap keeps; ~/.spec-kitty when it is not set."),
            ("CATFLAP_DISABLE", "When 1, every command and hook ends at once, silently."),
            ("CATFLAP_LOG", "A file: what commands, hooks and the watcher do is added to it, with times."),
            ("GIT_PAGER, PAGER", "What shows long output on a terminal, with git's core.pager: see git-var(1)."),
            ("NO_COLOR", "When set, nothing is coloured."),
        ),
    ),
    (
        "FILES",
        (
            ("~/.spec-kitty/queue.db", "The events that wait to be sent, what was announced, and why (SQLite)."),
            ("~/.spec-kitty/clock.json", "The Lamport clock of this machine."),
            ("~/.spec-kitty/config.toml", "To which team each repository speaks."),
            ("~/.spec-kitty/credentials", "The session with the team's server, unless the keyring keeps it."),
            ("~/.spec-kitty/watch.log", "What the watcher did."),
            ("~/.spec-kitty/catflap.log", "What a hook met that is a bug of catflap's."),
            (".kittify/catflap.toml", "In a repository: how serious each rule of catflap check is."),
        ),
    ),
)


def page() -> str:
    """The manual page in the man(7) macros, as groff and mandoc read them."""
    command = typer.main.get_command(app)
    return "".join(f"{line}\n" for line in _page(command))


def _page(command: Any) -> Iterator[str]:
    yield f'.TH CATFLAP 1 {DATE} "catflap {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "catflap \\- tells a team what happens to Spec Kitty work packages"
    yield ".SH SYNOPSIS"
    yield ".B catflap"
    yield ".I COMMAND"
    yield "[" + _bold("--help") + "] ..."
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate(BEFORE):
        if number:
            yield ".PP"
        yield from _lines(paragraph)
    yield ".SH OPTIONS"
    yield from _options(command, context_of(command, "catflap"))
    yield ".SH COMMANDS"
    for names, inner in leaves(command, ("catflap",)):
        yield from _section(names, inner)
    for title, items in AFTER:
        yield f".SH {title}"
        for term, words in items:
            yield from _item(term, words)
    yield ".SH SEE ALSO"
    yield ".BR git (1),"
    yield ".BR githooks (5)"


def leaves(command: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does work, in the order of the help."""
    inner = getattr(command, "commands", {})
    if not inner or (len(names) > 1 and command.invoke_without_command):
        yield names, command
    for name, one in inner.items():
        yield from leaves(one, (*names, name))


def _section(names: tuple[str, ...], command: Any) -> Iterator[str]:
    arguments = [argument(one) for one in command.params if one.param_type_name == "argument"]
    yield f".SS {_escaped(' '.join((*names, '[OPTIONS]', *arguments)))}"
    paragraphs = re.split(r"\n\s*\n", (command.help or "").strip())
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        words = " ".join(paragraph.split())
        before, is_example, example = words.partition("Example: ")
        if is_example and not before:
            yield "Example:"
            yield _bold(example)
        else:
            yield from _lines(words)
    yield from _options(command, context_of(command, " ".join(names)))


def argument(parameter: Any) -> str:
    """``PATH``, ``[PATH]`` or ``[PATH]...``: optional in brackets, with dots what may come several times."""
    name = plain_name(parameter)
    return f"{name if parameter.required else f'[{name}]'}{'...' if parameter.nargs == -1 else ''}"


def plain_name(parameter: Any) -> str:
    return re.sub(r"[\[\].]", "", parameter.metavar or parameter.name).upper()


def _options(command: Any, context: Any) -> Iterator[str]:
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or not record[1] or "--help" in parameter.opts:
            continue
        term, words = record
        yield from _item(plain_name(parameter) if parameter.param_type_name == "argument" else term, words)


def _item(term: str, words: str) -> Iterator[str]:
    yield ".TP"
    yield _bold(term)
    yield from _lines(words)


def context_of(command: Any, name: str) -> Any:
    return command.make_context(name, [], resilient_parsing=True)


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _lines(text: str) -> Iterator[str]:
    """The words on lines of their own; one that begins with a control character is none."""
    for line in textwrap.wrap(" ".join(text.split()), 72, break_long_words=False, break_on_hyphens=False):
        yield ("\\&" if line.startswith((".", "'")) else "") + _escaped(line)


def _escaped(text: str) -> str:
    """``text`` as it is: a hyphen can be copied, and a letter is the same in every encoding (groff_char(7))."""
    found = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    found = found.replace("^", "\\(ha").replace("~", "\\(ti")
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in found)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="ascii")
