"""To which team each repository speaks: the table [repositories] of config.toml. Knows no network and no database.

    [repositories."/home/ada/src/project/.git"]      its git common dir
    team = "alpha"                                   only to this team; other sessions leave its events waiting
    local = true                                     instead: nothing of it is queued or sent
    project = "project"                              its project_slug, by which queued events are known

A repository that is not there speaks to whichever team is logged in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catflap.errors import BadInput, ConfigUnusable
from catflap.patience import put_over

_HINT = "mend it, or move it away"


@dataclass(frozen=True, slots=True)
class Binding:
    """A repository's: ``team`` is the only one that it speaks to, None: any; ``is_local``: none at all."""

    common_dir: str
    slugs: tuple[str, ...] = ()
    team: str | None = None
    is_local: bool = False

    @property
    def words(self) -> str:
        """Where its events go."""
        return "kept local" if self.is_local else f"team {self.team} only" if self.team else "the team logged in"


def read_bindings(home: Path) -> dict[str, Binding]:
    """Every binding by common dir. Raises: ConfigUnusable."""
    path = _path(home)
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):  # no file, or no home yet
        return {}
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    import tomllib  # 6 ms, which a hook without a config.toml need not pay

    try:
        tables = tomllib.loads(data.decode()).get("repositories", {})
    except ValueError as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(tables, dict):
        raise _unusable(path, "repositories is no table")
    return {common_dir: _binding(path, common_dir, table) for common_dir, table in tables.items()}


def bindings_mark(home: Path) -> tuple[int, ...] | None:
    """Changes whenever config.toml does; None without one. Costs one stat."""
    try:
        found = _path(home).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def put_binding(home: Path, binding: Binding) -> None:
    """Keep the binding in config.toml; all else there, comments too, stays as it is.

    Raises: ConfigUnusable, with the file as it was.
    """
    import tomlkit

    read_bindings(home)
    path = _path(home)
    try:
        document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
        if "repositories" not in document:
            document["repositories"] = tomlkit.table(is_super_table=True)
        tables: Any = document["repositories"]
        if binding.team is None and not binding.is_local:
            tables.pop(binding.common_dir, None)
        else:
            table = tomlkit.table()
            table.update({"local": True} if binding.is_local else {"team": str(binding.team)})
            if binding.slugs:
                table["project"] = binding.slugs[0]
            tables[binding.common_dir] = table
        _replace(path, tomlkit.dumps(document))
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def where_to(binding: Binding | None, team: str | None, slug: str, bindings: Mapping[str, Binding]) -> tuple[str, bool]:
    """Where a repository's events go, in words, and whether that is to ``team``'s server now.

    Queued events are known by their project_slug only, so the strictest binding of that name speaks for all.
    """
    if binding is not None and binding.is_local:
        return "kept local, nothing is sent", False
    if binding is not None and binding.team is not None and binding.team != team:
        return f"wait for a login to team {binding.team}", False
    for other in bindings.values():
        if slug in other.slugs and (other.is_local or other.team not in (None, team)):
            return f"wait: another clone of {slug} is {other.words}", False
    return (f"team {team}", True) if team is not None else ("wait for a login", False)


def _binding(path: Path, common_dir: str, table: Any) -> Binding:
    if not isinstance(table, Mapping):
        raise _unusable(path, f'repositories."{common_dir}" is no table')
    team, is_local, slug = table.get("team"), table.get("local", False), table.get("project")
    if not isinstance(is_local, bool) or not (team is None or (isinstance(team, str) and team)):
        raise _unusable(path, f'in repositories."{common_dir}", team must be a name and local true or false')
    return Binding(common_dir, (slug,) if isinstance(slug, str) else (), team, is_local)


def check_team(name: str) -> str:
    """``name``, when a team can have it. Raises: BadInput."""
    if not name.strip() or not name.isprintable() or name == "local":
        raise BadInput("bind the repository", where=repr(name), why="no team has such a name", hint="or use --local")
    return name


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    put_over(temporary, path)


def _path(home: Path) -> Path:
    return home / "config.toml"


def _unusable(path: Path, why: str) -> ConfigUnusable:
    return ConfigUnusable("use the configuration", where=str(path), why=why, hint=_HINT)
