"""The verbs of `catflap` with their arguments and help. Knows no work: each verb is a function in commands/."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from catflap.terminal import say_no_more


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
queue_app = typer.Typer(
    help="The events that wait for the server, and those that were parked.\n\nExample: catflap queue list",
    no_args_is_help=True,
)
app.add_typer(queue_app, name="queue")
service_app = typer.Typer(
    help="Keep the watcher running: systemd user unit, launchd agent, Windows task.\n\n"
    "Example: catflap service install",
    no_args_is_help=True,
)
app.add_typer(service_app, name="service")

Repository = Annotated[Path, typer.Argument(metavar="[PATH]", help="A folder in the repository.", show_default="here")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value, or JSON lines, on stdout.")]
EventIds = Annotated[list[str] | None, typer.Argument(metavar="[EVENT_ID]...", help="All parked events, when none.")]
HERE = Path()


def _end(code: int) -> None:
    raise typer.Exit(code)


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

    Example: catflap install, then edit a work package's lane, commit, and: catflap queue list
    """
    if not version and ctx.invoked_subcommand not in ("watch", "service", "demo", "schema"):
        _warn_of_watcher()


def _warn_of_watcher() -> None:
    """Say on stderr that a watcher which should keep things told does not."""
    import time

    from catflap.config import home
    from catflap.watchstate import trouble

    words = trouble(home(), time.time())
    if words is not None:
        print(f"catflap: {words}", file=sys.stderr)


@app.command()
def install(
    path: Repository = HERE,
    no_hooks: Annotated[bool, typer.Option("--no-hooks", help="Register only; put no git hooks in place.")] = False,
) -> None:
    """Opt this repository in: register it, take its work packages as they are, put the hooks in place.

    Example: catflap install ~/src/my-project
    """
    from catflap.commands.install import install as work

    _end(work(path, with_hooks=not no_hooks))


@app.command()
def uninstall(
    path: Repository = HERE,
    purge: Annotated[bool, typer.Option("--purge", help="Also forget what was announced.")] = False,
) -> None:
    """Opt this repository out: every hook file is as it was before.

    Example: catflap uninstall
    """
    from catflap.commands.uninstall import uninstall as work

    _end(work(path, purge=purge))


@app.command()
def observe(path: Repository = HERE, as_json: Json = False) -> None:
    """Look at the repository now: HEAD's moves since the last look, and saved files, in all its worktrees.

    Example: catflap observe
    """
    from catflap.commands.observe import observe as work

    _end(work(path, as_json=as_json))


@app.command()
def watch(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="All that are registered, when none.")
    ] = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look again and again; for filesystems that report nothing.")
    ] = False,
) -> None:
    """Watch the registered repositories and tell each saved work package, until SIGTERM or Ctrl-C.

    Example: catflap watch
    """
    from catflap.commands.watch import watch as work

    _end(work(list(paths or ()), is_polling=poll))


@app.command()
def hook(
    name: Annotated[str, typer.Argument(help="The git hook that runs, such as post-commit.")],
    args: Annotated[list[str] | None, typer.Argument(help="The arguments that git gave it.")] = None,
) -> None:
    """What a git hook calls: observe HEAD's moves here. Always exits 0, at most one line on stderr.

    Example: catflap hook post-commit
    """
    from catflap.hook import observe_here

    observe_here(name, tuple(args or ()))


@app.command()
def status(as_json: Json = False) -> None:
    """Show repositories, hooks, watcher, queue and connection.

    Example: catflap status --json
    """
    from catflap.commands.status import status as work

    _end(work(as_json=as_json))


@app.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES]...", help="Work package files; all of this checkout, when none."),
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="The index, instead of the working tree.")] = False,
    as_json: Json = False,
) -> None:
    """Lint work packages: FILE:LINE: message, and exit code 1 when there is a finding.

    With --staged and no FILES only what the next commit changes is judged.

    Example: catflap check --staged
    """
    from catflap.commands.check import check as work

    _end(work(list(files or ()), staged=staged, as_json=as_json))


@app.command()
def explain(
    wp: Annotated[str, typer.Argument(metavar="WP", help="A work package id, such as WP01.")],
    feature: Annotated[str | None, typer.Option("--feature", "-f", help="Its feature, where several have it.")] = None,
    as_json: Json = False,
) -> None:
    """Say why the last changes of a work package were told or held back.

    Example: catflap explain WP01 --feature 001-demo
    """
    from catflap.commands.explain import explain as work

    _end(work(wp, feature=feature, as_json=as_json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the events (draft 2020-12).

    Example: catflap schema > event.schema.json
    """
    from catflap.commands.schema import schema as work

    _end(work())


@app.command()
def demo(
    repo: Annotated[
        Path | None, typer.Option("--repo", help="Replay a real repository (or bundle) instead of the small story.")
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many of its last commits that touch WPs.")] = 100,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the scratch folder, and say where it is.")] = False,
) -> None:
    """Show the whole way on a scratch repository: real git, the real hook, each event as it comes, the board.

    Example: catflap demo --repo . --last 50
    """
    from catflap.commands.demo import demo as work

    _end(work(repo, last=last, keep=keep))


@queue_app.command("list")
def queue_list(as_json: Json = False) -> None:
    """List the pending and the parked events, oldest first.

    Example: catflap queue list --json
    """
    from catflap.commands.queue import list_events as work

    _end(work(as_json=as_json))


@queue_app.command("retry")
def queue_retry(events: EventIds = None, as_json: Json = False) -> None:
    """Give parked events another chance.

    Example: catflap queue retry
    """
    from catflap.commands.queue import retry as work

    _end(work(list(events or ()), as_json=as_json))


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

    _end(work(list(events or ()), parked=parked, as_json=as_json))


@queue_app.command("export")
def queue_export(_: Json = False) -> None:
    """Print every event of the queue as JSON lines, with or without --json.

    Example: catflap queue export > events.jsonl
    """
    from catflap.commands.queue import export as work

    _end(work())


@service_app.command("install")
def service_install() -> None:
    """Start the watcher now and at each login.

    Example: catflap service install
    """
    from catflap.commands.service import install as work

    _end(work())


@service_app.command("uninstall")
def service_uninstall() -> None:
    """Stop the watcher, and take away what install wrote.

    Example: catflap service uninstall
    """
    from catflap.commands.service import uninstall as work

    _end(work())


@service_app.command("start")
def service_start() -> None:
    """Start the watcher.

    Example: catflap service start
    """
    from catflap.commands.service import start as work

    _end(work())


@service_app.command("stop")
def service_stop() -> None:
    """Stop the watcher until it is started, or until the next login.

    Example: catflap service stop
    """
    from catflap.commands.service import stop as work

    _end(work())


@service_app.command("status")
def service_status(as_json: Json = False) -> None:
    """Show the service manager, its unit, and how the watcher is; exit code 1 when it has failed.

    Example: catflap service status --json
    """
    from catflap.commands.service import status as work

    _end(work(as_json=as_json))
