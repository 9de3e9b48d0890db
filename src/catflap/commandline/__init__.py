"""The verbs of `catflap` with their arguments and help, a file per subject. Knows no work: that is in commands/."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from catflap.commandline import around, hub, memory, queue, repository, service, team
from catflap.main import warn_of_watcher
from catflap.terminal import say_no_more

_QUIET = frozenset(("watch", "service", "doctor", "demo", "schema", "completion", "hub"))
"""The verbs that are not about the watcher, or say themselves how it is."""


class _Verbs(TyperGroup):
    """All of them end with 0 when the reader of their output (`| head`) has seen enough; Typer would end with 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            say_no_more()
            raise typer.Exit(0) from error


app = typer.Typer(
    name="catflap",
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for one in (repository, memory, around):
    app.add_typer(one.verbs)
app.add_typer(queue.queue_app, name="queue")
app.add_typer(service.service_app, name="service")
app.add_typer(team.sync_app, name="sync")
app.add_typer(team.auth_app, name="auth")
app.add_typer(hub.hub_app, name="hub")


def _version(asked: bool) -> None:
    if asked:
        from catflap import __version__

        print(f"catflap {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Tells your team what happens to Spec Kitty work packages, without anybody telling it.

    Example: catflap install && catflap board
    """
    if not version and ctx.invoked_subcommand not in _QUIET:
        warn_of_watcher()
