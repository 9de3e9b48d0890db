"""Tries the user's hooks: a commit, an amend, a rebase and a worktree commit in a scratch clone, each timed.

What is queued there goes into a home of the clone's own, which is gone at the end: nobody is told.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from catflap import git, registry, seen
from catflap.clock import LamportClock
from catflap.database import open_database
from catflap.doctor.driver import Done, Driver, TookTooLong
from catflap.doctor.scratchclone import NO_HOOKS, CannotClone, Clone, make_clone
from catflap.doctor.trial import WORKTREE_COMMIT, Step, Told, Trial
from catflap.errors import CatflapError
from catflap.git import SPECS
from catflap.instants import iso
from catflap.patience import naps
from catflap.queue import OfflineQueue
from catflap.saves import observe_view

LIMIT_S = 30.0
"""What one command may take with the user's hooks; a test suite in a pre-commit hook takes longer."""
WAIT_S = 2.0
"""How long to wait for an event that is not there when git returns: a hook may work in the background."""
FEATURE = "000-catflap-doctor"
_WP = f"{SPECS}/{FEATURE}/tasks/WP01-try-the-hooks.md"
_OTHER = f"{SPECS}/{FEATURE}/notes.md"
_MESSAGE = "chore: try the hooks"

Say = Callable[[str], None]


@dataclass(slots=True)
class _Run:
    """A trial under way. ``options``: what each commit gets, --no-verify once a hook has refused one."""

    driver: Driver
    clone: Clone
    view: git.View
    seen_events: int = 0
    steps: list[Step] = field(default_factory=list)
    options: tuple[str, ...] = ()
    refusal: str | None = None
    plain_ms: float | None = None
    at: str = "first commit"


class _Stopped(Exception):
    """git itself refused a step: the trial ends."""


def try_hooks(view: git.View, say: Say, *, expects: bool, limit_s: float = LIMIT_S) -> Trial:
    """What came of it. ``say`` hears, before any of them runs, which hooks will. Raises: OSError for a full disk.

    ``expects``: hooks should tell each step.
    """
    with tempfile.TemporaryDirectory(prefix="catflap-doctor-", ignore_cleanup_errors=True) as place:
        root = Path(place).resolve()
        driver = Driver(root, limit_s, _tools(view))
        if _forbids_programs(root):
            return Trial(trouble=f"no program may run in {root.parent}; name another folder in TMPDIR")
        try:
            clone = make_clone(view, driver)
        except CannotClone as error:
            return Trial(trouble=f"no scratch clone can be made: {error}")
        except TookTooLong:
            return Trial(trouble=f"a scratch clone takes longer than {limit_s:g} s")
        say(f"Trying {', '.join(clone.hooks) or 'no hooks'} in a scratch clone, with no remote; see --no-probe")
        run = _Run(driver, clone, view)
        overrun = trouble = None
        try:
            _act(run)
        except TookTooLong:
            overrun = run.at
        except (_Stopped, CatflapError) as error:
            trouble = f"the {run.at} failed: {error}"
        finally:
            driver.end_all()
        return Trial(
            hooks=clone.hooks,
            steps=tuple(run.steps),
            plain_ms=run.plain_ms,
            trouble=trouble,
            refusal=run.refusal,
            overrun=overrun,
            limit_s=limit_s,
            has_own_hooks=clone.has_own_hooks,
            expects=expects,
        )


def _act(run: _Run) -> None:
    """All steps. Raises: TookTooLong, CatflapError, and _Stopped when git refuses what no hook can be to blame for."""
    _begin(run)
    _plain_commit(run)
    _step(run, "commit", ("planned", "doing"), lambda: _commit(run, _wp(run, "doing")))
    _step(run, "amend", ("doing", "for_review"), lambda: _commit(run, _wp(run, "for_review"), "--amend"))
    told = _head(run)
    _write(run, _OTHER, "Behind it.\n")
    _git(run, *NO_HOOKS, "commit", "--quiet", "--no-verify", "-m", _MESSAGE)
    # Takes the amended commit out from under the last one: a rebase that tells something.
    _step(run, "rebase", ("for_review", "planned"), lambda: _git(run, "rebase", "--quiet", "--onto", f"{told}~1", told))
    run.at = WORKTREE_COMMIT
    side = run.driver.root / "linked"
    _git(run, "worktree", "add", "--quiet", "-b", "catflap-doctor-side", str(side))
    _step(run, run.at, ("planned", "doing"), lambda: _commit(run, _wp(run, "doing", side), cwd=side))


def _begin(run: _Run) -> None:
    """The first commit, with no hooks, and an install of the clone's own."""
    _wp(run, "planned")
    _git(run, *NO_HOOKS, "commit", "--quiet", "--no-verify", "-m", _MESSAGE)
    home = run.driver.home
    run.view = git.locate(str(run.clone.path))
    with closing(open_database(home / "queue.db")) as connection:
        registry.register(connection, run.view, hooks_dir=None, now=iso(time.time()))
    seen.register(str(home), run.view.common_dir)


def _plain_commit(run: _Run) -> None:
    """A commit with catflap disabled, for comparison; the first to meet the hooks that may refuse one."""
    run.at = "commit"
    _write(run, _OTHER, "For comparison.\n")
    off = {"CATFLAP_DISABLE": "1"}
    words = ("commit", "--quiet", "-m", _MESSAGE)
    done = run.driver.git(*words, cwd=run.clone.path, extra=off)
    if done.code != 0:
        run.refusal = done.words
        run.options = ("--no-verify",)
        _git(run, "add", "--force", "--", _OTHER)  # a hook may have taken it out, or changed it
        done = run.driver.git(*words, *run.options, "--allow-empty", cwd=run.clone.path, extra=off)
        if done.code != 0:
            raise _Stopped(done.words)
    run.plain_ms = done.took_ms


def _step(run: _Run, name: str, change: tuple[str, str], act: Callable[[], Done]) -> None:
    """Do it, and see when the queue has the change of WP01, (previous, new)."""
    run.at = name
    done = act()
    returned = time.perf_counter()
    after_ms = 0.0
    for _ in naps(WAIT_S):
        found = _new_changes(run)
        if change in found:
            break
        after_ms = (time.perf_counter() - returned) * 1000
    if change not in found:
        told = Told.LATE if change in _look_late(run) else Told.NEVER
        run.steps.append(Step(name, told, done.took_ms))
        return
    told = Told.AT_ONCE if found.count(change) == 1 and len(found) == 1 else Told.TWICE
    run.seen_events += len(found)
    run.steps.append(Step(name, told, done.took_ms, after_ms))


def _look_late(run: _Run) -> list[tuple[str, str]]:
    """What an observation of every worktree tells that no hook told."""
    path = run.driver.home / "queue.db"
    with closing(open_database(path)) as connection:
        clock = LamportClock.load(run.driver.home / "clock.json")
        for one in git.worktrees(run.view):
            observe_view(connection, clock, one, home=str(run.driver.home), now_s=time.time())
    found = _new_changes(run)
    run.seen_events += len(found)
    return found


def _new_changes(run: _Run) -> list[tuple[str, str]]:
    """(previous, new) of each status change that was queued since the last step."""
    with OfflineQueue(run.driver.home / "queue.db") as queue:
        events = [row.event for row in queue.rows()]
    changes = [one["payload"] for one in events if one["event_type"] == "WPStatusChanged"]
    found = [(one["previous_status"], one["new_status"]) for one in changes if one["feature_slug"] == FEATURE]
    return found[run.seen_events :]


def _commit(run: _Run, path: Path, *more: str, cwd: Path | None = None) -> Done:
    message = ("--no-edit",) if "--amend" in more else ("-m", _MESSAGE)
    words = ("commit", "--quiet", *message, *more)
    where = cwd or run.clone.path
    done = run.driver.git(*words, *run.options, cwd=where)
    if done.code != 0 and not run.options:
        run.refusal, run.options = done.words, ("--no-verify",)
        _git(run, "add", "--force", "--", str(path), cwd=where)
        done = run.driver.git(*words, *run.options, cwd=where)
    if done.code != 0:
        raise _Stopped(done.words)
    return done


def _wp(run: _Run, lane: str, cwd: Path | None = None) -> Path:
    """The work package in this lane, in the index; its path."""
    text = f'---\nwork_package_id: "WP01"\ntitle: "Try the hooks"\nlane: "{lane}"\n---\n\n# Try the hooks\n'
    return _write(run, _WP, text, cwd)


def _write(run: _Run, name: str, text: str, cwd: Path | None = None) -> Path:
    path = (cwd or run.clone.path) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    _git(run, "add", "--force", "--", name, cwd=cwd)
    return path


def _git(run: _Run, *args: str, cwd: Path | None = None) -> Done:
    done = run.driver.git(*args, cwd=cwd or run.clone.path)
    if done.code != 0:
        raise _Stopped(done.words)
    return done


def _head(run: _Run) -> str:
    return git.ask(run.view.worktree, "rev-parse", "HEAD").strip()


def _tools(view: git.View) -> str:
    """The folder of the checkout's own programs, for hooks that look on PATH: the clone has no node_modules."""
    folder = os.path.join(view.worktree, "node_modules", ".bin")
    return folder if os.path.isdir(folder) else ""


def _forbids_programs(folder: Path) -> bool:
    """Whether the filesystem was mounted with noexec, so that git could run no hook in it."""
    if not hasattr(os, "statvfs"):
        return False
    return bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)
