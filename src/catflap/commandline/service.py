"""`catflap service`: what keeps the watcher running."""

from __future__ import annotations

import typer

from catflap.commandline.words import Json, end

service_app = typer.Typer(
    help="Keep the watcher running: systemd user unit, launchd agent, Windows task.\n\n"
    "Example: catflap service install",
    no_args_is_help=True,
)


@service_app.command("install")
def service_install() -> None:
    """Start the watcher now and at each login.

    Example: catflap service install
    """
    from catflap.commands.service import install as work

    end(work())


@service_app.command("uninstall")
def service_uninstall() -> None:
    """Stop the watcher, and take away what install wrote.

    Example: catflap service uninstall
    """
    from catflap.commands.service import uninstall as work

    end(work())


@service_app.command("start")
def service_start() -> None:
    """Start the watcher.

    Example: catflap service start
    """
    from catflap.commands.service import start as work

    end(work())


@service_app.command("stop")
def service_stop() -> None:
    """Stop the watcher until it is started, or until the next login.

    Example: catflap service stop
    """
    from catflap.commands.service import stop as work

    end(work())


@service_app.command("status")
def service_status(as_json: Json = False) -> None:
    """Show the service manager, its unit, and how the watcher is; exit code 1 when it has failed.

    Example: catflap service status --json
    """
    from catflap.commands.service import status as work

    end(work(as_json=as_json))
