"""What came of trying the hooks in a scratch clone: whether, when and how often each step was told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from catflap.doctor.finding import Finding, Kind, Level

SLOW_MS = 1000.0
"""What catflap may add to a commit: far more than it does (60 ms), so that a busy machine is no finding."""

REFUSED = Kind(
    "commit-refused",
    Level.NOTE,
    "the rest was tried with --no-verify; in a scratch clone a hook may miss what it finds in your checkout",
)
TIMEOUT = Kind(
    "hooks-too-slow", Level.WARNING, "the steps behind it were not tried; each of your commits waits as long"
)
LATE = Kind("told-late", Level.ERROR, "the hooks ran and did not tell it; a look at the repository later did")
NEVER = Kind("told-never", Level.ERROR, "neither the hooks told it nor a look at the repository later")
TWICE = Kind("told-twice", Level.ERROR, "the board and whoever listens gets a change more than once")
SLOW = Kind("hook-slow", Level.WARNING, "every commit that touches a work package waits for it")
UNTRIED = Kind("not-tried", Level.NOTE, "whether commits are told is only concluded from what lies in the hooks folder")
IN_WORKTREES = Kind(
    "worktree-without-hooks",
    Level.WARNING,
    "core.hooksPath is relative, so each worktree has its own hooks: until they are put there, commits are told late",
)
KINDS = (REFUSED, TIMEOUT, LATE, NEVER, TWICE, SLOW, UNTRIED, IN_WORKTREES)


WORKTREE_COMMIT = "worktree commit"


class Told(StrEnum):
    """When a step was told."""

    AT_ONCE = "told when git returned"
    LATE = "told late"
    NEVER = "not told"
    TWICE = "told more than once"


@dataclass(frozen=True, slots=True)
class Step:
    """One git command. ``took_ms``: the command itself; ``after_ms``: from its return until the event was there."""

    name: str
    told: Told
    took_ms: float
    after_ms: float | None = None

    @property
    def words(self) -> str:
        if self.told is not Told.AT_ONCE:
            return self.told.value
        when = "when git returned" if not self.after_ms else f"{self.after_ms:.0f} ms after git returned"
        return f"told {when}"


@dataclass(frozen=True, slots=True)
class Trial:
    """``hooks``: the names of those that git ran, or might. ``plain_ms``: a commit with catflap disabled.

    ``trouble``: why nothing could be tried; ``refusal``: the last words of a hook that refused the commit; ``overrun``:
    the step that took longer than it may. ``has_own_hooks``: False when core.hooksPath leaves a new worktree without
    any. ``expects``: False where no hook should tell (--no-hooks).
    """

    hooks: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    plain_ms: float | None = None
    trouble: str | None = None
    refusal: str | None = None
    overrun: str | None = None
    limit_s: float = 0.0
    has_own_hooks: bool = True
    expects: bool = True

    @property
    def added_ms(self) -> float | None:
        """What catflap adds to a commit; None when it was not measured. One sample: it says the order of magnitude."""
        commits = [step.took_ms for step in self.steps if step.name == "commit"]
        return max(0.0, commits[0] - self.plain_ms) if commits and self.plain_ms is not None else None


def judge_trial(trial: Trial) -> Iterator[Finding]:
    """What is wrong with the way from git to the queue."""
    if trial.trouble is not None:
        yield UNTRIED.found(f"the hooks could not be tried: {trial.trouble}", fix="see the other findings")
    if trial.refusal is not None:
        fix = "run the hook in your checkout; `catflap doctor --no-probe` leaves the trial out"
        yield REFUSED.found(f"your hooks refused the commit: {trial.refusal}", fix=fix)
    if trial.overrun is not None:
        what = f"the {trial.overrun} took longer than {trial.limit_s:g} s with your hooks, and was ended"
        yield TIMEOUT.found(what, fix="look at what your hooks do; `catflap doctor --no-probe` leaves the trial out")
    yield from _judge_steps(trial) if trial.expects else ()
    if trial.added_ms is not None and trial.added_ms > SLOW_MS:
        fix = "look again on a quieter machine; then please report it"
        yield SLOW.found(f"catflap adds {trial.added_ms:.0f} ms to a commit", fix=fix)


def _judge_steps(trial: Trial) -> Iterator[Finding]:
    """One finding for all steps that went alike."""
    fix = "put right what else is found here, such as `catflap install`; else please report it"
    by_told: dict[Told, list[str]] = {}
    for step in trial.steps:
        is_bare = step.name == WORKTREE_COMMIT and not trial.has_own_hooks
        if is_bare and step.told in (Told.LATE, Told.NEVER):
            advice = "run your hook manager's install and `catflap install` in each new worktree, or a watcher"
            yield IN_WORKTREES.found("git runs no hooks in a new linked worktree", fix=advice)
        else:
            by_told.setdefault(step.told, []).append(step.name)
    for told, kind, words in (
        (Told.NEVER, NEVER, "not told"),
        (Told.LATE, LATE, "not told when git returned"),
        (Told.TWICE, TWICE, "told more than once"),
    ):
        if told in by_told:
            names = by_told[told]
            what = f"the {', '.join(names)} {'was' if len(names) == 1 else 'were'} {words}"
            yield kind.found(what, fix=fix)
