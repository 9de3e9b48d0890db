"""The verbs around the work: the schema of events, completion, the demo."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from catflap.commandline.words import end

verbs = typer.Typer()


class Shell(StrEnum):
    """A shell that can complete commands."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@verbs.command()
def schema() -> None:
    """Print the JSON Schema of the events (draft 2020-12).

    Example: catflap schema > event.schema.json
    """
    from catflap.commands.schema import schema as work

    end(work())


@verbs.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print what a shell runs to complete catflap's commands, options, work packages and features.

    In ~/.bashrc: eval "$(catflap completion bash)". In ~/.zshrc, below compinit: eval "$(catflap completion zsh)".
    In ~/.config/fish/config.fish: catflap completion fish | source

    Example: catflap completion bash
    """
    from catflap.commands.completion import completion as work

    end(work(shell.value))


@verbs.command()
def demo(
    repo: Annotated[
        Path | None, typer.Option("--repo", help="Replay a real repository (or bundle) instead of the small story.")
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many of its last commits that touch WPs.")] = 100,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the scratch folder with its queue, and say where it is.")
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Keep the hub with its board up until Ctrl-C.")] = False,
) -> None:
    """Show the whole way on a scratch repository: real git, the real hook, each event as it comes, the team's board.

    Example: catflap demo --repo . --last 5
    """
    from catflap.commands.demo import demo as work

    end(work(repo, last=last, keep=keep, stay=serve))
