"""`catflap demo`: real git and the real hook in a scratch repository, and what comes of each step as it comes.

At the end the board that the events give must be the one that the files give.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

from catflap.demo.act import Act, Stage
from catflap.demo.board import Board, Feed, by_feature
from catflap.demo.play import open_story
from catflap.demo.replay import open_replay
from catflap.demo.scratch import Scratch, scratch
from catflap.demo.show import Screen, Show, show_board, show_on
from catflap.demo.team import send_to_hub
from catflap.eventtable import one_line
from catflap.facts import Key

OUR_BUG = 3
_NEXT = """
Where to go next:
  catflap install       in your own repository: from then on, every commit tells by itself
  catflap queue list    the events that wait for the server
  catflap explain WP01  why a change was told, or held back
  catflap demo --repo . the same with your own history
  README.md             how it works, and what else there is
"""


@dataclass(slots=True)
class _Run:
    """What came of the acts. ``wrong`` holds, in words, whatever should not be."""

    board: Board
    events: int = 0
    silent: int = 0
    wrong: list[str] = field(default_factory=list)
    off: set[Key] = field(default_factory=set)
    """Work packages of which events and files said different things, once each is enough."""


def demo(repo: Path | None, *, last: int, keep: bool = False, stay: bool = False) -> int:
    """0 once all acts are done and the board that the events give is the files' own; 3 when it is not.

    ``repo``: replay the ``last`` commits of this repository (or bundle) that touch work packages; None: the small
    story. Everything is in a scratch folder that is removed at the end; with ``keep`` it stays, and the events stay in
    its queue. Else a hub of the demo's own gets them; ``stay``: it runs until Ctrl-C.

    Raises: BadInput for a ``repo`` that cannot be replayed; GitFailed.
    """
    console = Screen(highlight=False)
    with _ending_in_order(), scratch(keep=keep) as place:
        stage = open_story(place) if repo is None else open_replay(place, repo, last=last)
        code = perform(place, stage, console, goes_on=stay or not keep, stay=stay)
        if keep:
            console.print(Text(f"Kept: SPEC_KITTY_HOME={place.home}, repository {place.repository}"), soft_wrap=True)
    return code


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """What asks us to end, a closed terminal too, does as Ctrl-C does: neither hub nor folder is left behind."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    former = {one: signal.signal(one, signal.default_int_handler) for one in map(signal.Signals.__getitem__, names)}
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


def perform(place: Scratch, stage: Stage, console: Console, *, goes_on: bool = False, stay: bool = False) -> int:
    """Run the acts of a stage and show what came of them: the exit code of `catflap demo`. Raises: GitFailed.

    ``goes_on``: then the team's hub gets the events.
    """
    console.print(Text(f"{one_line(stage.about)}, in a scratch repository with catflap's hook."), soft_wrap=True)
    with Feed(place.home / "queue.db") as feed, show_on(console) as show:
        run = _run(stage, place, feed, show)
    _compare(run, stage, "at the end")
    run.wrong += run.board.holes
    _report(console, run, stage)
    if goes_on and run.events and not feed.has_taken:

        def say(text: str) -> None:
            console.print(Text(text), soft_wrap=True)

        run.wrong += (wrong := send_to_hub(place, run.board.statuses, run.board.told, say, stay=stay))
        for words in wrong:
            say(f"This is our bug; please report it: {words}")
    if not run.wrong:
        console.print(Text(_NEXT), soft_wrap=True)
    return OUR_BUG if run.wrong else 0


def _run(stage: Stage, place: Scratch, feed: Feed, show: Show) -> _Run:
    run = _Run(Board(stage.start))
    for number, act in enumerate(stage.acts, 1):
        show.act(number, act.title)
        act.run()
        events = feed.new()
        for event in events:
            run.board.fold(event)
            show.event(event)
        if not events:
            run.silent += 1
            show.nothing()
        for line in place.said:
            show.said(line)
        place.said.clear()
        run.events += len(events)
        _check(run, stage, number, act, len(events))
    return run


def _check(run: _Run, stage: Stage, number: int, act: Act, told: int) -> None:
    """Note what came of an act that should not, or did not though it should."""
    if act.tells is not None and act.tells != (told > 0):
        expected = "should tell something" if act.tells else "should tell nothing"
        run.wrong.append(f"step {number} ({one_line(act.title)}) {expected}, but {_count(told, 'event')} came of it")
    if stage.is_whole:
        _compare(run, stage, f"after step {number}")


def _compare(run: _Run, stage: Stage, when: str) -> None:
    """Note where the board is not what the files say."""
    for key, words in run.board.differences(stage.files.facts()).items():
        if key not in run.off:
            run.off.add(key)
            run.wrong.append(f"{words} ({when})")


def _report(console: Console, run: _Run, stage: Stage) -> None:
    def say(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    untouched = {key[0] for key in run.board.statuses} - run.board.touched
    say("\nThe board, from the events:" if not console.is_terminal else "")
    show_board(console, by_feature(run.board.statuses, run.board.touched), frozenset(run.board.completed))
    if untouched:
        say(f"Of {_count(len(untouched), 'feature')} more nothing was told.")
    say(f"\n{_count(run.events, 'event')} told by {_count(len(stage.acts), 'step')}.")
    if run.wrong:
        say("The board and the files differ, or a step told what it should not. This is our bug; please report it:")
        for words in run.wrong:
            say(f"  {words}")
        return
    say(f"{_count(run.silent, 'step')} told nothing, and rightly so: nothing had changed, or it was told before.")
    say("The board is what the files say.")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
