"""`catflap completion`: the script by which a shell completes catflap's words, and those that only the ledger knows."""

from __future__ import annotations

from typer.completion import get_completion_script  # type: ignore[attr-defined]  # there since 0.4, if unlisted

from catflap import ledger
from catflap.announced import Ledger
from catflap.errors import CatflapError
from catflap.here import project_here

VARIABLE = "_CATFLAP_COMPLETE"
"""The environment variable by which the script asks: Typer's name for it."""


def completion(shell: str) -> int:
    """0 once the script for ``shell`` (bash, zsh, fish) is on stdout."""
    print(get_completion_script(prog_name="catflap", complete_var=VARIABLE, shell=shell))
    return 0


def work_packages(incomplete: str) -> list[str]:
    """The ids of the project here that begin like this, in any case."""
    found = {wp_id for wps in _announced().wps.values() for wp_id in wps}
    return sorted((one for one in found if _begins(one, incomplete)), key=lambda one: (len(one), one))


def features(incomplete: str) -> list[str]:
    """The feature slugs of the project here that begin like this, in any case."""
    known = _announced()
    return sorted(one for one in {*known.features, *known.wps} if _begins(one, incomplete))


def _announced() -> Ledger:
    try:
        with project_here("complete") as (connection, project):
            return ledger.everything(connection, project.id)
    except CatflapError:  # somebody is typing: the command itself says what is wrong
        return Ledger()


def _begins(word: str, incomplete: str) -> bool:
    return word.lower().startswith(incomplete.lower())
