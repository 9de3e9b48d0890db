"""`catflap queue`: the events that wait."""

from __future__ import annotations

from typing import Annotated

import typer

from catflap.commandline.words import EventIds, Json, end

queue_app = typer.Typer(
    help="The events that wait for the server, and those that were parked.\n\nExample: catflap queue list",
    no_args_is_help=True,
)


@queue_app.command("list")
def queue_list(as_json: Json = False) -> None:
    """List the pending and the parked events, oldest first, and why the server refused some.

    Example: catflap queue list --json
    """
    from catflap.commands.queue import list_events as work

    end(work(as_json=as_json))


@queue_app.command("retry")
def queue_retry(events: EventIds = None, as_json: Json = False) -> None:
    """Give parked events another chance.

    Example: catflap queue retry
    """
    from catflap.commands.queue import retry as work

    end(work(list(events or ()), as_json=as_json))


@queue_app.command("drop")
def queue_drop(
    events: Annotated[list[str] | None, typer.Argument(metavar="[EVENT_ID]...")] = None,
    parked: Annotated[bool, typer.Option("--parked", help="Every parked event.")] = False,
    as_json: Json = False,
) -> None:
    """Take events out of the queue for good: they will not be sent.

    Example: catflap queue drop --parked
    """
    from catflap.commands.queue import drop as work

    end(work(list(events or ()), parked=parked, as_json=as_json))


@queue_app.command("export")
def queue_export(_: Json = False) -> None:
    """Print every event of the queue as JSON lines, with or without --json.

    Example: catflap queue export > events.jsonl
    """
    from catflap.commands.queue import export as work

    end(work())
