"""`catflap hub`: the server itself, and who may log in to it."""

from __future__ import annotations

from typing import Annotated

import typer

from catflap.commandline.words import HubDatabase, Json, PasswordStdin, end

hub_app = typer.Typer(
    help="Run the team's server, with its live board, until SIGTERM or Ctrl-C.\n\nExample: catflap hub --port 8028",
    invoke_without_command=True,
)
hub_user_app = typer.Typer(
    help="Who may log in to the hub, and to which teams.\n\nExample: catflap hub user list",
    no_args_is_help=True,
)
hub_app.add_typer(hub_user_app, name="user")


@hub_app.callback()
def hub(
    ctx: typer.Context,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8028,
    database: HubDatabase = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Take clients' addresses from a proxy on this machine.")
    ] = False,
) -> None:
    """Run the team's server, with its live board, until SIGTERM or Ctrl-C. Its address is the first line of stdout.

    Example: catflap hub --port 8028
    """
    if ctx.invoked_subcommand is None:
        from catflap.commands.hub import serve as work

        end(work(host, port, database, is_behind_proxy=behind_proxy))


@hub_user_app.command("add")
def hub_user_add(
    name: str,
    team: Annotated[str, typer.Option("--team", help="The team whose board they see.")],
    password_stdin: PasswordStdin = False,
    database: HubDatabase = None,
) -> None:
    """Let somebody log in to a team; the team is made when it is new. A known user joins it.

    Example: catflap hub user add reviewer --team engines
    """
    from catflap.commands.hub import add_user as work

    end(work(name, team, from_stdin=password_stdin, database=database))


@hub_user_app.command("list")
def hub_user_list(as_json: Json = False, database: HubDatabase = None) -> None:
    """List the users and their teams.

    Example: catflap hub user list --json
    """
    from catflap.commands.hub import list_users as work

    end(work(as_json=as_json, database=database))


@hub_user_app.command("remove")
def hub_user_remove(
    name: str,
    team: Annotated[str | None, typer.Option("--team", help="From this team only.")] = None,
    database: HubDatabase = None,
) -> None:
    """Log somebody out, and let them in no more; what they sent stays.

    Example: catflap hub user remove reviewer --team engines
    """
    from catflap.commands.hub import remove_user as work

    end(work(name, team, database=database))


@hub_user_app.command("password")
def hub_user_password(name: str, password_stdin: PasswordStdin = False, database: HubDatabase = None) -> None:
    """Give somebody a new password; they are logged out everywhere.

    Example: catflap hub user password reviewer
    """
    from catflap.commands.hub import set_password as work

    end(work(name, from_stdin=password_stdin, database=database))
