"""The verbs about what was told and what is known: why, when, where each work package stands, and the past."""

from __future__ import annotations

from typing import Annotated

import typer

from catflap.commandline.words import Everywhere, FeatureHere, Follow, Json, NoPager, end, feature_slugs, wp_ids

verbs = typer.Typer()


@verbs.command()
def explain(
    wp: Annotated[str, typer.Argument(metavar="WP", help="A work package id, such as WP01.", autocompletion=wp_ids)],
    feature: Annotated[
        str | None,
        typer.Option("--feature", "-f", help="Its feature, where several have it.", autocompletion=feature_slugs),
    ] = None,
    no_pager: NoPager = False,
    as_json: Json = False,
) -> None:
    """Say why the last changes of a work package were told or held back.

    Example: catflap explain WP01 --feature 001-demo
    """
    from catflap.commands.explain import explain as work

    end(work(wp, feature=feature, as_json=as_json, is_paged=not no_pager))


@verbs.command()
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
    end(work(since=since, feature=feature, is_paged=not no_pager, **options))


@verbs.command()
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

    end(work(feature=feature, follow=follow, everywhere=everywhere, as_json=as_json, is_paged=not no_pager))


@verbs.command()
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

    end(work(rev, since=since, feature=feature, dry_run=dry_run, as_json=as_json))
