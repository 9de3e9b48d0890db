"""All that was looked at, and all that is wrong with it. Pure: knows the subjects, not how they are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from catflap.doctor import home, machine, repository, team, trial, watcher
from catflap.doctor.finding import Finding, Kind, Level, by_weight
from catflap.doctor.home import Clock, Home, Queue
from catflap.doctor.machine import Machine
from catflap.doctor.repository import Repository
from catflap.doctor.team import Team
from catflap.doctor.trial import Trial
from catflap.doctor.watcher import Watcher

CATALOGUE: dict[str, Kind] = {
    kind.id: kind for subject in (machine, home, watcher, team, repository, trial) for kind in subject.KINDS
}
"""Everything that can be found, by its id."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What was seen. ``took_ms`` has, by subject, how long the look took; ``trial`` None: it was not asked for."""

    machine: Machine
    home: Home
    queue: Queue
    clock: Clock
    watcher: Watcher
    team: Team
    repositories: tuple[Repository, ...] = ()
    trial: Trial | None = None
    took_ms: dict[str, float] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """What is wrong, the worst first; of repositories elsewhere no notes."""
        found = [
            *machine.judge_machine(self.machine),
            *home.judge_home(self.home),
            *home.judge_queue(self.queue),
            *home.judge_clock(self.clock),
            *watcher.judge_watcher(self.watcher),
            *team.judge_team(self.team),
        ]
        for one in self.repositories:
            judged = repository.judge_repository(one)
            found += [finding for finding in judged if one.is_here or finding.level is not Level.NOTE]
        if self.trial is not None:
            found += trial.judge_trial(self.trial)
        return by_weight(found)

    def rows(self) -> Iterator[tuple[str, str, float | None]]:
        """(subject, what was seen, milliseconds) of all that was looked at."""
        for subject, words in (
            ("machine", self.machine.words),
            ("home", self.home.words),
            ("queue", self.queue.words),
            ("clock", self.clock.words),
            ("watcher", self.watcher.words),
            ("team", self.team.words),
        ):
            yield subject, words, self.took_ms.get(subject)
        for one in self.repositories:
            yield "repository", one.words, self.took_ms.get(one.path)
        if self.trial is not None:
            for step in self.trial.steps:
                yield step.name, step.words, step.took_ms
            if self.trial.added_ms is not None:
                yield "added", "by catflap, to the commit", self.trial.added_ms


def is_well(findings: list[Finding]) -> bool:
    """Whether nothing keeps changes from being told."""
    return all(one.level is not Level.ERROR for one in findings)
