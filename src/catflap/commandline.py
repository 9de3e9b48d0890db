"""The verbs of `catflap` with their arguments and help. Knows no work: each verb is a function in commands/."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from catflap.findingformats import Format
from catflap.terminal import say_no_more


class _Verbs(TyperGroup):
    """All of them end with 0 when the reader of their output (`| head`) has seen enough; Typer would end with 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            say_no_more()
            raise typer.Exit(0) from error


class Shell(StrEnum):
    """A shell that can complete commands."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def _features(incomplete: str) -> list[str]:
    from catflap.commands.completion import features

    return features(incomplete)


def _work_packages(incomplete: str) -> list[str]:
    from catflap.commands.completion import work_packages

    return work_packages(incomplete)


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
sync_app = typer.Typer(
    help="Send what is pending to the team's server, and say how it went.\n\nExample: catflap sync now",
    no_args_is_help=True,
)
app.add_typer(sync_app, name="sync")
auth_app = typer.Typer(
    help="Who speaks to which server, and which repositories speak to it.\n\nExample: catflap auth status",
    no_args_is_help=True,
)
app.add_typer(auth_app, name="auth")
hub_app = typer.Typer(
    help="Run the team's server, with its live board, until SIGTERM or Ctrl-C.\n\nExample: catflap hub --port 8028",
    invoke_without_command=True,
)
app.add_typer(hub_app, name="hub")
hub_user_app = typer.Typer(
    help="Who may log in to the hub, and to which teams.\n\nExample: catflap hub user list",
    no_args_is_help=True,
)
hub_app.add_typer(hub_user_app, name="user")

Repository = Annotated[Path, typer.Argument(metavar="[PATH]", help="A folder in the repository.", show_default="here")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value, or JSON lines, on stdout.")]
NoPager = Annotated[
    bool, typer.Option("--no-pager", help="Print at once on a terminal, too, where git's pager would show it.")
]
Follow = Annotated[bool, typer.Option("--follow", help="Go on live, until Ctrl-C or until the reader leaves.")]
Everywhere = Annotated[bool, typer.Option("--all", help="Of all projects, instead of the one here.")]
FeatureHere = Annotated[
    str | None, typer.Option("--feature", "-f", metavar="SLUG", help="Of this one only.", autocompletion=_features)
]
EventIds = Annotated[list[str] | None, typer.Argument(metavar="[EVENT_ID]...", help="All parked events, when none.")]
HubDatabase = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="sqlite:///FILE", show_default="in catflap's folder")
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="The first line of stdin is the password.")]
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
    if not version and ctx.invoked_subcommand not in ("watch", "service", "demo", "schema", "completion", "hub"):
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
        typer.Argument(metavar="[FILES]...", help="Work packages and lane logs; all of this checkout, when none."),
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="The index, instead of the working tree.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How findings are printed.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="First mend, in the working tree, what has one right answer.")
    ] = False,
) -> None:
    """Lint work packages: FILE:LINE:COL: what is wrong; what to do. Exit code 1 when anything is an error.

    With --staged and no FILES only what the next commit changes is judged.

    --fix quotes a value that YAML cannot read for its first character or a ': ' in it, writes the id of the file's
    name over one that is none or that another file has by its name, and takes out a dependency on itself. No other
    byte of a file changes, and no file while git is in the middle of something.

    The rules are unreadable, conflict, lane, id, duplicate, dependency, cycle, transition (errors) and unfinished (a
    warning). `git config catflap.check.<rule> error|warning|off` sets how serious one is, or a line such as
    transition = "off" below [check] in .kittify/catflap.toml for everybody; git config comes first.

    Example: catflap check --staged
    """
    from catflap.commands.check import check as work

    _end(work(list(files or ()), staged=staged, form=Format.JSON if as_json else form, is_fixing=fix))


@app.command()
def explain(
    wp: Annotated[
        str, typer.Argument(metavar="WP", help="A work package id, such as WP01.", autocompletion=_work_packages)
    ],
    feature: Annotated[
        str | None,
        typer.Option("--feature", "-f", help="Its feature, where several have it.", autocompletion=_features),
    ] = None,
    no_pager: NoPager = False,
    as_json: Json = False,
) -> None:
    """Say why the last changes of a work package were told or held back.

    Example: catflap explain WP01 --feature 001-demo
    """
    from catflap.commands.explain import explain as work

    _end(work(wp, feature=feature, as_json=as_json, is_paged=not no_pager))


@app.command()
def events(
    follow: Follow = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="A date, a time, or an age such as 2h or 3d.")
    ] = None,
    feature: FeatureHere = None,
    held: Annotated[bool, typer.Option("--held", help="What was held back, too, and why.")] = False,
    everywhere: Everywhere = False,
    no_pager: NoPager = False,
    as_json: Json = False,
) -> None:
    """Show what was told, oldest first, with the rule and the commit, as this machine remembers it.

    Of events that were sent the newest 10,000 are whole. One that is older, was dropped, or is of a repository that is
    kept local is known by what was recorded of its decision: with --json it is not whole then.

    Example: catflap events --since 3d --json
    """
    from catflap.commands.events import events as work

    options = {"follow": follow, "held": held, "everywhere": everywhere, "as_json": as_json}
    _end(work(since=since, feature=feature, is_paged=not no_pager, **options))


@app.command()
def board(
    feature: FeatureHere = None,
    follow: Follow = False,
    everywhere: Everywhere = False,
    no_pager: NoPager = False,
    as_json: Json = False,
) -> None:
    """Show which work package is in which lane, from what was announced here; no server is asked.

    Example: catflap board --feature 001-demo
    """
    from catflap.commands.board import board as work

    _end(work(feature=feature, follow=follow, everywhere=everywhere, as_json=as_json, is_paged=not no_pager))


@app.command()
def backfill(
    rev: Annotated[str, typer.Argument(metavar="[REV]", help="The end of the first-parent history.")] = "HEAD",
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE|REV", help="Tell what came at, or after, this.")
    ] = None,
    feature: Annotated[str | None, typer.Option("--feature", "-f", metavar="SLUG", help="Tell this one only.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the history tells; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Tell the history from before the install: the same events, with the same ids, on every clone.

    Once, and best right after the install; stopped, or short of room in the queue, it goes on when run again.

    Example: catflap backfill --dry-run --json | head
    """
    from catflap.commands.backfill import backfill as work

    _end(work(rev, since=since, feature=feature, dry_run=dry_run, as_json=as_json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the events (draft 2020-12).

    Example: catflap schema > event.schema.json
    """
    from catflap.commands.schema import schema as work

    _end(work())


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print what a shell runs to complete catflap's commands, options, work packages and features.

    In ~/.bashrc: eval "$(catflap completion bash)". In ~/.zshrc, below compinit: eval "$(catflap completion zsh)".
    For fish: catflap completion fish > ~/.config/fish/completions/catflap.fish

    Example: catflap completion bash
    """
    from catflap.commands.completion import completion as work

    _end(work(shell.value))


@app.command()
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

    Example: catflap demo --repo . --last 50
    """
    from catflap.commands.demo import demo as work

    _end(work(repo, last=last, keep=keep, stay=serve))


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


@sync_app.command("now")
def sync_now(as_json: Json = False) -> None:
    """Send every pending event now; exit code 1 when some are left.

    Example: catflap sync now
    """
    from catflap.commands.sync import now as work

    _end(work(as_json=as_json))


@sync_app.command("status")
def sync_status(as_json: Json = False) -> None:
    """Show the connection, the last sync, the last error.

    Example: catflap sync status --json
    """
    from catflap.commands.sync import status as work

    _end(work(as_json=as_json))


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

    Example: catflap auth login --server https://catflap.example.org --username ada
    """
    from catflap.commands.auth import login as work

    _end(work(server=server, username=username, team=team, from_stdin=password_stdin, as_json=as_json))


@auth_app.command("status")
def auth_status(as_json: Json = False) -> None:
    """Show who is logged in where, and what each repository sends; exit code 1 when nobody is.

    Example: catflap auth status --json
    """
    from catflap.commands.auth import status as work

    _end(work(as_json=as_json))


@auth_app.command("logout")
def auth_logout(as_json: Json = False) -> None:
    """Forget the session; what is queued stays queued.

    Example: catflap auth logout
    """
    from catflap.commands.auth import logout as work

    _end(work(as_json=as_json))


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

    _end(work(path, team=team, is_local=local, is_any=anybody, as_json=as_json))


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

        _end(work(host, port, database, is_behind_proxy=behind_proxy))


@hub_user_app.command("add")
def hub_user_add(
    name: str,
    team: Annotated[str, typer.Option("--team", help="The team whose board they see.")],
    password_stdin: PasswordStdin = False,
    database: HubDatabase = None,
) -> None:
    """Let somebody log in to a team; the team is made when it is new. A known user joins it.

    Example: catflap hub user add ada --team engines
    """
    from catflap.commands.hub import add_user as work

    _end(work(name, team, from_stdin=password_stdin, database=database))


@hub_user_app.command("list")
def hub_user_list(as_json: Json = False, database: HubDatabase = None) -> None:
    """List the users and their teams.

    Example: catflap hub user list --json
    """
    from catflap.commands.hub import list_users as work

    _end(work(as_json=as_json, database=database))


@hub_user_app.command("remove")
def hub_user_remove(
    name: str,
    team: Annotated[str | None, typer.Option("--team", help="From this team only.")] = None,
    database: HubDatabase = None,
) -> None:
    """Log somebody out, and let them in no more; what they sent stays.

    Example: catflap hub user remove ada --team engines
    """
    from catflap.commands.hub import remove_user as work

    _end(work(name, team, database=database))


@hub_user_app.command("password")
def hub_user_password(name: str, password_stdin: PasswordStdin = False, database: HubDatabase = None) -> None:
    """Give somebody a new password; they are logged out everywhere.

    Example: catflap hub user password ada
    """
    from catflap.commands.hub import set_password as work

    _end(work(name, from_stdin=password_stdin, database=database))
