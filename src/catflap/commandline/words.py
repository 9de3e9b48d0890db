"""The arguments and options that several verbs share, and how a verb ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def feature_slugs(incomplete: str) -> list[str]:
    """What a shell offers for a feature."""
    from catflap.commands.completion import features

    return features(incomplete)


def wp_ids(incomplete: str) -> list[str]:
    """What a shell offers for a work package."""
    from catflap.commands.completion import work_packages

    return work_packages(incomplete)


Repository = Annotated[Path, typer.Argument(metavar="[PATH]", help="A folder in the repository.", show_default="here")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value, or JSON lines, on stdout.")]
NoPager = Annotated[
    bool, typer.Option("--no-pager", help="Print at once on a terminal, too, where git's pager would show it.")
]
Follow = Annotated[bool, typer.Option("--follow", help="Go on live, until Ctrl-C or until the reader leaves.")]
Everywhere = Annotated[bool, typer.Option("--all", help="Of all projects, instead of the one here.")]
FeatureHere = Annotated[
    str | None, typer.Option("--feature", "-f", metavar="SLUG", help="Of this one only.", autocompletion=feature_slugs)
]
EventIds = Annotated[list[str] | None, typer.Argument(metavar="[EVENT_ID]...", help="All parked events, when none.")]
HubDatabase = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="sqlite:///FILE", show_default="in catflap's folder")
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="The first line of stdin is the password.")]
HERE = Path()


def end(code: int) -> None:
    """End with this exit code."""
    raise typer.Exit(code)
