"""Random lives in git, in which each change by a hand is told exactly once, and nothing else: git_model.py says what.

Real in every life: git, its reflogs and objects, the files, queue.db, the clock, and all of catflap from the reading
of the reflog to the outbox. What differs is who calls it:

- *hooks* (H): the shim that `catflap install` puts, run by git itself.
- *called* (H): `observe_moves` with the hook's name, after each command for which git runs one. It stands in for the
  shim and the start of Python, and looks once where git would run a hook for each step of a rebase.
- *looks* (W): `observe_view` of every worktree after each command, at a date at which all files are settled. It
  stands in for the watcher process, its timers and its waiting for a quiet moment.
- *both* (B): *called*, then *looks*.

In each an operation can go unseen (hooks off, the watcher dead); a later trigger catches up, at the latest `observe`,
which is one of the operations and always runs in this process. Not here: work packages and features that come new, and
lane logs. A life ends where git leaves two files of one work package in a commit.

A failure prints all that was typed. CATFLAP_TEST_LONG=1 lives longer and with other seeds, which it prints;
CATFLAP_TEST_SEED repeats one of them, and CATFLAP_TEST_SHRINK=1 looks for a shorter life that fails.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from catflap import git
from catflap.catchup import observe_moves
from catflap.clock import LamportClock
from catflap.commands.install import install
from catflap.database import open_database
from catflap.observe import Outcome
from catflap.saves import observe_view
from tests import git_upheavals
from tests.git_eyes import Step
from tests.git_files import IN_CONFLICT, WPS, Says, Unclear, render
from tests.git_hands import Hands
from tests.git_model import Event, View, World
from tests.git_operations import OFTEN, OPERATIONS
from tests.lives import has_read
from tests.world import Repo

assert git_upheavals.rebase is OPERATIONS["rebase"]  # imported for the operations that it adds
IS_LONG = bool(os.environ.get("CATFLAP_TEST_LONG"))
SEED = os.environ.get("CATFLAP_TEST_SEED")
IS_SHRINKING = bool(os.environ.get("CATFLAP_TEST_SHRINK"))
STEPS = 50
LIVES = {"hooks": 2, "called": 5, "looks": 3, "both": 2}
"""How many lives of STEPS operations each way has; the long run has LONG times as many."""
SEEDS = {"hooks": 7, "called": 4, "looks": 5, "both": 6}
LONG = int(os.environ.get("CATFLAP_TEST_LONG_TIMES", "40"))
SETTLED_S = 60.0
IN_STEPS = ("rebase", "pull", "cherry_pick", "revert", "am")
"""Operations for which git may run several hooks."""
UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "sequencer", "rebase-merge", "rebase-apply", "BISECT_LOG")
"""Names in the git dir of what waits for a hand: until then only what HEAD did can be told."""
FACTS = {"WPStatusChanged": "status", "WPAssigned": "agent", "HistoryAdded": "row"}


DICE = st.randoms(use_true_random=True)
"""Seeded by Hypothesis. It may not count the choices: a file that is written again in the same tick of the clock is
clean to `git apply --index`, and in the next it is not, so what there is to choose from can differ by chance."""


class Life(RuleBasedStateMachine):
    """One repository in hands that do anything, and the eyes that see it ``way``."""

    way = "called"
    folder: Path
    template: Path
    done: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(dir=self.folder))
        self.home = self.place / "home"
        os.environ["SPEC_KITTY_HOME"] = str(self.home)
        self.hands = Hands(self.place / "git", self.template, self)
        with redirect_stdout(StringIO()):
            install(self.hands.places["main"], with_hooks=self.way == "hooks")
        self.connection = open_database(self.home / "queue.db")
        self.queue = sqlite3.connect(self.home / "queue.db")
        self.clock = LamportClock.load(self.home / "clock.json", floor=0)
        (base,) = self.hands.place(self.hands.heads["main"])
        told = {(wp, "status"): "planned" for wp in WPS} | {(wp, "agent"): None for wp in WPS}
        self.world = World(told, views={"main": View(base)})
        self.views = {"main": git.locate(str(self.hands.places["main"]))}
        self.is_awake, self.has_failed, self.is_over = True, False, False
        self.last_row, self.last_clock = 0, -1

    # -- what is done

    @rule(operation=st.sampled_from(OFTEN), dice=DICE, sleep=st.integers(0, 5))
    def act(self, operation: str, dice: Random, sleep: int) -> None:
        """One operation, seen at once or by a later trigger."""
        if self.is_over:
            return
        view = dice.choice(sorted(self.hands.places))
        self.is_awake = self.hands.uses_hooks = sleep > 0
        if self.way == "hooks" and operation in IN_STEPS:
            self.read_all()
        self.hands.transcript.append(f"-- {operation}{'' if self.is_awake else ', unseen'}")
        try:
            OPERATIONS[operation](self.hands, view, dice)
        except Unclear:
            self.is_over = True
            return
        except Exception as error:
            self.agree(self.has_failed, f"{type(error).__name__}: {error}")
            raise
        self.done[operation] += 1
        self.is_awake = True
        self.agree_on_state()

    def teardown(self) -> None:
        try:
            if not (self.has_failed or self.is_over):
                self.look_everywhere()
                self.look_everywhere()  # the second time there is nothing to tell
                self.agree_on_state()
                self.agree_on_files()
        finally:
            self.connection.close()
            self.queue.close()
        if not self.has_failed:
            shutil.rmtree(self.place)

    # -- who sees it

    def step(self, step: Step) -> None:
        view = self.world.views[step.view]
        if self.way != "hooks":
            view.pending += step.moves
            if step.hook and self.is_awake and self.way != "looks":
                flag = "1" if step.moves else "0"
                args = {"post-checkout": ("", "", flag), "post-rewrite": ("rebase",)}.get(step.hook, ())
                self.tell(self.world.read(step.view, self.here()), self.moves(step.view, (step.hook, *args)))
        elif step.hook and self.is_awake:
            expected = [] if step.moves else self.world.read(step.view, self.here())
            for move in step.moves:  # git has run a hook for each
                view.pending.append(move)
                expected += self.world.read(step.view, self.here())
            if not has_read(Repo(self.hands.places[step.view])):  # the shim saw a tree that was seen already
                self.moves(step.view)
            self.tell(expected, None)
        else:
            view.pending += step.moves
        if self.is_awake and self.way in ("looks", "both"):
            self.look_everywhere()

    def read_all(self) -> None:
        for view in self.views:
            self.tell(self.world.read(view, self.here()), self.moves(view))

    def worktree(self, view: str) -> None:
        if view not in self.hands.places:
            del self.views[view], self.world.views[view]
            self.world.speaker = {wp: name for wp, name in self.world.speaker.items() if name != view}
            return
        self.views[view] = git.locate(str(self.hands.places[view]))
        if view not in self.world.views:
            (base,) = self.hands.place(self.hands.heads[view])
            self.world.views[view] = View(base)

    def look_everywhere(self) -> None:
        for name, view in self.views.items():
            is_busy = any(Path(view.git_dir, state).exists() for state in UNDER_WAY)
            expected = self.world.read(name, self.here()) if is_busy else self.world.look(name, self.here())
            self.let_settle()
            now_s = time.time() + SETTLED_S
            outcome = observe_view(self.connection, self.clock, view, home=str(self.home), now_s=now_s)
            self.tell(expected, None if is_busy else outcome)

    def moves(self, view: str, hook: tuple[str, ...] = ()) -> Outcome | None:
        self.let_settle()
        return observe_moves(self.connection, self.clock, self.views[view], hook=hook)

    def let_settle(self) -> None:
        """Date every index and reflog back, as if a while had gone by since git wrote them."""
        for view in self.views.values():
            for name in ("index", "logs/HEAD"):
                os.utime(Path(view.git_dir, name), (time.time() - SETTLED_S,) * 2)

    def here(self) -> dict[str, Any]:
        """What the files of each view say. What git lays out in the middle of something is nobody's word yet."""
        found = {}
        for name, view in self.views.items():
            says = dict(self.hands.here(name))
            if any(Path(view.git_dir, state).exists() for state in UNDER_WAY):
                says |= {wp: replace(says[wp], lane=IN_CONFLICT) for wp in self.hands.staged(name) & set(says)}
            found[name] = says
        return found

    # -- what must hold

    def tell(self, expected: list[Event], outcome: Outcome | None) -> None:
        """Every change by a hand was told exactly once, and nothing else."""
        self.agree(outcome is None or (outcome.unsettled_s, outcome.waiting) == (0, 0), f"not settled: {outcome}")
        told = [event for event in self.new_events() if event is not None]
        self.hands.transcript.append(f"   told {[' '.join(map(str, event)) for event in told]}")
        more, less = Counter(told) - Counter(expected), Counter(expected) - Counter(told)
        self.agree(
            not more and set(less) <= self.world.optional and all(count == 1 for count in less.values()),
            f"told {told}\nnot  {expected}\nwithout need of {self.world.optional}",
        )
        for wp in WPS:
            for fact in ("status", "agent"):
                sequences = [[one for one in events if one[:2] == (wp, fact)] for events in (told, expected)]
                self.agree(sequences[0] == sequences[1], f"the order of {sequences[0]} is not {sequences[1]}")

    def new_events(self) -> list[Event | None]:
        found: list[Event | None] = []
        for number, text in self.queue.execute("SELECT id, data FROM queue WHERE id > ? ORDER BY id", (self.last_row,)):
            event = json.loads(text)
            self.agree(event["lamport_clock"] > self.last_clock, "a clock that does not grow")
            self.last_row, self.last_clock = number, event["lamport_clock"]
            kind, payload = event["event_type"], event["payload"]
            self.agree(kind in (*FACTS, "FeatureCompleted"), f"{kind} of {payload}")
            if kind == "WPStatusChanged":
                found.append((payload["wp_id"], "status", payload["previous_status"], payload["new_status"]))
            elif kind == "WPAssigned":
                found.append((payload["wp_id"], "agent", None, payload["agent_id"]))
            elif kind == "HistoryAdded":
                found.append((payload["wp_id"], "row", None, payload["entry_content"]))
        return found

    def agree_on_state(self) -> None:
        """The ledger says what was told, or came silently onto it; no chain has a hole."""
        rows = self.queue.execute("SELECT wp_id, announced FROM announced").fetchall()
        ledger = {(wp, fact): json.loads(text).get(fact) for wp, text in rows for fact in ("status", "agent")}
        self.agree(ledger == self.world.told, f"the ledger says {ledger}\nnot {self.world.told}")

    def agree_on_files(self) -> None:
        """Where what was told last was said, and no move there has said otherwise since, the file says it, too."""
        for wp, view in self.world.speaker.items():
            if view in self.views:
                says = self.hands.here(view).get(wp)
                self.agree(says is not None and says.lane == self.world.told[wp, "status"], f"in {view} {wp} is {says}")

    def agree(self, condition: object, why: str) -> None:
        if not condition:
            self.has_failed = True
            raise AssertionError("\n".join([*self.hands.transcript, "", why]))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The start of every life: a repository, the upstream that its main follows, and a mate's clone."""
    return tmp_path_factory.mktemp("template") / "git"


def make(template: Path) -> None:
    repo = Repo.init(template / "project", "--template=")
    for wp in WPS:
        path = f"kitty-specs/001-demo/tasks/{wp}-build.md"
        repo.file(path, render(wp, Says(path, "planned", None, (), "none")))
    repo.commit("plan")
    for number in range(3):
        repo.file(f"words{number}.txt")
        repo.commit("words")
    repo.git("clone", "-q", "--bare", "--template=", repo.path, template / "upstream.git")
    repo.git("remote", "add", "origin", template / "upstream.git")
    repo.git("fetch", "-q")
    repo.git("branch", "-q", "-u", "origin/main")
    repo.git("clone", "-q", "--template=", template / "upstream.git", template / "mate")


@pytest.mark.timeout(36_000 if IS_LONG else 300)
@pytest.mark.parametrize("way", LIVES)
def test_each_change_by_a_hand_is_told_once_and_nothing_else(tmp_path: Path, template: Path, way: str) -> None:
    if not template.exists():
        make(template)
    number = int(SEED or (secrets.randbits(32) if IS_LONG else SEEDS[way]))
    print(f"{way}: CATFLAP_TEST_SEED={number}")
    done: Counter[str] = Counter()
    (tmp_path / "lives").mkdir()
    life = seed(number)(
        type("Life", (Life,), {"way": way, "folder": tmp_path / "lives", "template": template, "done": done})
    )
    phases = (Phase.generate, Phase.shrink) if IS_SHRINKING else (Phase.generate,)
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=LIVES[way] * (LONG if IS_LONG else 1) + 1,  # the first is always the simplest: edits
            stateful_step_count=STEPS,
            phases=phases,
            database=None,
            deadline=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{way}: {sum(done.values())} operations: {dict(done)}")
    assert sum(done.values()) > 0.8 * STEPS * LIVES[way]  # few lives ended early, with two files of one work package
