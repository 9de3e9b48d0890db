"""`catflap check`: lints work packages of the working tree, or of what is staged. The rules are in lint.py."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from catflap import findingformats, git, worktree
from catflap.errors import BadInput
from catflap.findingformats import Format
from catflap.findings import Finding, Level, Levels
from catflap.git import View
from catflap.lanelog import log_path
from catflap.lint import Side
from catflap.objects import Objects
from catflap.sides import Sides, hooks_index
from catflap.terminal import say
from catflap.workpackage import MAX_BYTES, wp_path


def check(files: Sequence[Path], *, staged: bool = False, form: Format = Format.TEXT, is_fixing: bool = False) -> int:
    """1 when something is an error, 0 when nothing is: a warning alone is no reason to stop.

    Without ``files`` all of the working tree, or with ``staged`` what the next commit changes: what was wrong in
    HEAD already does not hold it up. ``is_fixing`` mends what has one right answer, in the working tree, before.

    Raises: NotARepository, GitFailed, BadInput for a file that is no work package, and for settings that are none.
    """
    if staged and is_fixing:
        hint = "run `catflap check --fix`, look at what it did, and `git add` it"
        raise BadInput("fix", why="--staged reads the index, and fixes are made in files", hint=hint)
    view = git.locate(".")
    wanted = [_wanted(view, file) for file in files]
    with Objects(view.git_dir) as objects:
        sides = Sides(view, objects, index=hooks_index(view, os.environ.get("GIT_INDEX_FILE")))
        levels = sides.levels(is_staged=staged)
        found = sides.staged(wanted) if staged else sides.saved(wanted)
        if is_fixing and _fix(view, found.side, _on(found.findings, levels)):
            found = sides.saved(wanted)
    _require(wanted, found.side, staged=staged)
    findings = _on(found.findings, levels)
    _report(view, findings, levels, checked=len(wanted) or len(found.side.files), form=form)
    if not sides.is_judging_steps:
        print("catflap: git is putting commits together anew, so changes of status are not judged", file=sys.stderr)
    return 1 if any(levels[one.rule] is Level.ERROR for one in findings) else 0


def _on(findings: Sequence[Finding], levels: Levels) -> list[Finding]:
    return [one for one in findings if levels[one.rule] is not Level.OFF]


def _wanted(view: View, file: Path) -> str:
    """The path of a work package or lane log in the repository, as an argument names it from here. Raises: BadInput."""
    # Only the folder is resolved: a link in the place of a file is itself what is checked.
    here = file.parent.resolve() / file.name
    top = Path(view.worktree).resolve()
    if not here.is_relative_to(top):
        raise BadInput("check", where=str(file), why=f"it is not in {top}", hint="run this in its own checkout")
    path = here.relative_to(top).as_posix()
    if wp_path(path) is None and log_path(path) is None:
        hint = "name files like kitty-specs/<feature>/tasks/WP01-title.md, or none to check all"
        raise BadInput("check", where=str(file), why="it is not the file of a work package", hint=hint)
    return path


def _require(wanted: Sequence[str], side: Side, *, staged: bool) -> None:
    """Raise BadInput for a file that is asked for and is not there."""
    for path in wanted:
        if path not in side.files and log_path(path) not in side.logs:
            why, hint = "there is no such file", "correct the name"
            if staged:
                why, hint = "it is not staged, and in no commit", "`git add` it first"
            raise BadInput("check", where=path, why=why, hint=hint)


# -- fixing


def _fix(view: View, side: Side, findings: Sequence[Finding]) -> bool:
    """Mend the files of these findings that can be mended; whether any was."""
    from catflap.mend import mend

    mended = mend(side, findings)
    if mended and worktree.is_under_way(view):
        print("catflap: git is in the middle of something here, so nothing is fixed; finish it first", file=sys.stderr)
        return False
    done = [_replace(view, path, data, side.files[path]) for path, data in mended.items()]
    return any(done)


def _replace(view: View, path: str, data: bytes, before: bytes | None) -> bool:
    """Put ``data`` into the file at once, mode kept, unless it changed since it was read; whether that was done."""
    found = worktree.read_file(view, path, limit=MAX_BYTES)
    if found is None or found.data != before:
        print(f"catflap: {path} changed meanwhile and is not fixed; run this again", file=sys.stderr)
        return False
    try:
        _write_over(Path(view.worktree, *path.split("/")), data)
    except OSError as error:  # a folder that is not ours to write, a full disk: the finding stays
        print(f"catflap: cannot fix {path}: {error.strerror}; the file is as it was", file=sys.stderr)
        return False
    print(f"catflap: fixed {path}", file=sys.stderr)
    return True


def _write_over(path: Path, data: bytes) -> None:
    """Give the file new content, at once, its mode kept. Raises: OSError, and then the file is as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(exist_ok=False)
    try:
        temporary.write_bytes(data)
        temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise


# -- telling


def _report(view: View, findings: Sequence[Finding], levels: Levels, *, checked: int, form: Format) -> None:
    if form is Format.JSON:
        print(findingformats.as_json(findings, levels, checked=checked))
        return
    if form is Format.SARIF:
        from catflap import __version__

        print(findingformats.as_sarif(findings, levels, version=__version__))
        return
    if form is Format.GITHUB:
        for command in findingformats.as_github(findings, levels):
            print(command)
    else:
        _say_lines(view, findings, levels)
    files = f"{checked} work package{'' if checked == 1 else 's'} checked"
    counts = [
        f"{count} {level}{'' if count == 1 else 's'}"
        for level in (Level.ERROR, Level.WARNING)
        if (count := sum(levels[one.rule] is level for one in findings))
    ]
    if counts:
        print(f"{files}, {', '.join(counts)}.", file=sys.stderr)
    elif form is Format.TEXT:
        say(f"{files}, nothing found.")


def _say_lines(view: View, findings: Sequence[Finding], levels: Levels) -> None:
    here, top = os.path.realpath(os.curdir), os.path.realpath(view.worktree)
    for one in findings:
        say(findingformats.line(one, levels[one.rule], shown=os.path.relpath(os.path.join(top, one.path), here)))
