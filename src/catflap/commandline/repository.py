"""The verbs about one checkout: opt in and out, look, watch, lint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catflap.commandline.words import HERE, Json, Repository, end
from catflap.findingformats import Format

verbs = typer.Typer()


@verbs.command()
def install(
    path: Repository = HERE,
    no_hooks: Annotated[bool, typer.Option("--no-hooks", help="Register only; put no git hooks in place.")] = False,
) -> None:
    """Opt this repository in: register it, take its work packages as they are, put the hooks in place.

    Example: catflap install ~/src/my-project
    """
    from catflap.commands.install import install as work

    end(work(path, with_hooks=not no_hooks))


@verbs.command()
def uninstall(
    path: Repository = HERE,
    purge: Annotated[bool, typer.Option("--purge", help="Also forget what was announced.")] = False,
) -> None:
    """Opt this repository out: every hook file is as it was before.

    Example: catflap uninstall
    """
    from catflap.commands.uninstall import uninstall as work

    end(work(path, purge=purge))


@verbs.command()
def observe(path: Repository = HERE, as_json: Json = False) -> None:
    """Look at the repository now: HEAD's moves since the last look, and saved files, in all its worktrees.

    Example: catflap observe
    """
    from catflap.commands.observe import observe as work

    end(work(path, as_json=as_json))


@verbs.command()
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

    end(work(list(paths or ()), is_polling=poll))


@verbs.command()
def hook(
    name: Annotated[str, typer.Argument(help="The git hook that runs, such as post-commit.")],
    args: Annotated[list[str] | None, typer.Argument(help="The arguments that git gave it.")] = None,
) -> None:
    """What a git hook calls: observe HEAD's moves here. Always exits 0, at most one line on stderr.

    Example: catflap hook post-commit
    """
    from catflap.hook import observe_here

    observe_here(name, tuple(args or ()))


@verbs.command()
def status(as_json: Json = False) -> None:
    """Show repositories, hooks, watcher, queue and connection.

    Example: catflap status --json
    """
    from catflap.commands.status import status as work

    end(work(as_json=as_json))


@verbs.command()
def doctor(
    path: Repository = HERE,
    fix: Annotated[bool, typer.Option("--fix", help="Put right what can safely be, then look again.")] = False,
    probe: Annotated[bool, typer.Option("--probe/--no-probe", help="Try the hooks in a scratch clone.")] = True,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no server how it is.")] = False,
    as_json: Json = False,
) -> None:
    """Find out why changes are not told: look at git, hooks, watcher, queue, clock, session, and try the hooks.

    Where the repository is installed, a commit, an amend, a rebase and a commit in a linked worktree are made in a
    scratch clone, with your own hooks, and each is timed. They run as at any commit of yours: what a hook does outside
    of the repository it does then, too, and --no-probe leaves them alone. Nobody is told of these commits, and git
    reaches no remote from there.

    --fix puts hooks, file modes, a broken clock, an outdated or stopped service and the list of repositories right. It
    deletes nothing of yours. Exit code 1 as long as something keeps changes from being told.

    Example: catflap doctor --no-probe
    """
    from catflap.commands.doctor import doctor as work

    end(work(path, mends=fix, tries_hooks=probe, asks_server=not offline, as_json=as_json))


@verbs.command()
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

    end(work(list(files or ()), staged=staged, form=Format.JSON if as_json else form, is_fixing=fix))
