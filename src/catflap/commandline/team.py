"""`catflap sync` and `catflap auth`: who speaks to which server, and what goes there."""

from __future__ import annotations

from typing import Annotated

import typer

from catflap.commandline.words import HERE, Json, Repository, end

sync_app = typer.Typer(
    help="Send what is pending to the team's server, and say how it went.\n\nExample: catflap sync now",
    no_args_is_help=True,
)
auth_app = typer.Typer(
    help="Who speaks to which server, and which repositories speak to it.\n\nExample: catflap auth status",
    no_args_is_help=True,
)


@sync_app.command("now")
def sync_now(as_json: Json = False) -> None:
    """Send every pending event now, and hear what others told; exit code 1 when some are left.

    Example: catflap sync now
    """
    from catflap.commands.sync import now as work

    end(work(as_json=as_json))


@sync_app.command("status")
def sync_status(as_json: Json = False) -> None:
    """Show the connection, the last sync, the last error.

    Example: catflap sync status --json
    """
    from catflap.commands.sync import status as work

    end(work(as_json=as_json))


@auth_app.command("login")
def auth_login(
    server: Annotated[str | None, typer.Option("--server", metavar="URL", help="The last one, when not named.")] = None,
    username: Annotated[str | None, typer.Option("--username", metavar="U", help="Asked for, when not named.")] = None,
    team: Annotated[str | None, typer.Option("--team", metavar="T", help="Your first team, when not named.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="The password is the first line of stdin; else it is asked for.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Log in at the team's server; says which repositories send there.

    Example: catflap auth login --server http://127.0.0.1:8028 --username reviewer
    """
    from catflap.commands.auth import login as work

    end(work(server=server, username=username, team=team, from_stdin=password_stdin, as_json=as_json))


@auth_app.command("status")
def auth_status(as_json: Json = False) -> None:
    """Show who is logged in where, and what each repository sends; exit code 1 when nobody is.

    Example: catflap auth status --json
    """
    from catflap.commands.auth import status as work

    end(work(as_json=as_json))


@auth_app.command("logout")
def auth_logout(as_json: Json = False) -> None:
    """Forget the session; what is queued stays queued.

    Example: catflap auth logout
    """
    from catflap.commands.auth import logout as work

    end(work(as_json=as_json))


@auth_app.command("bind")
def auth_bind(
    path: Repository = HERE,
    team: Annotated[str | None, typer.Option("--team", metavar="T", help="Send to this team only.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Send nothing of it, ever.")] = False,
    anybody: Annotated[bool, typer.Option("--any", help="Send to whichever team is logged in.")] = False,
    as_json: Json = False,
) -> None:
    """Bind a repository to a team, keep it local, or let it speak to any.

    Example: catflap auth bind ~/src/diary --local
    """
    from catflap.commands.auth import bind as work

    end(work(path, team=team, is_local=local, is_any=anybody, as_json=as_json))
