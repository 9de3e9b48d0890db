"""Hands that drive real git, with what git says of what they did. Knows what was typed, not what it means.

A command may be refused by git (a dirty tree, nothing to pick): then nothing moved, and that is handed on as well.
Each step of HEAD is handed on as a Move with the files on all its sides, read by plain git.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from random import Random

from tests.git_eyes import Eyes, Step
from tests.git_files import (
    LANES,
    LINES,
    TASKS,
    Place,
    Says,
    Unclear,
    files_of,
    read_files,
    read_place,
    read_text,
    render,
)
from tests.git_model import Kind, Move

_SILENT = re.compile(r"checkout:|(rebase|pull[^(:]*) \((?!finish)")
NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
START_AT = int(time.time()) + 60
"""The date of the first command, epoch seconds; young enough that `git gc` keeps the reflogs."""


class Hands:
    """A repository with its worktrees, a mate's clone behind an upstream, and the operations on them.

    ``eyes`` are told after each command that may have moved HEAD or brought files; ``uses_hooks`` says whether
    the next commands run with git's hooks.
    """

    def __init__(self, folder: Path, template: Path, eyes: Eyes) -> None:
        shutil.copytree(template, folder, symlinks=True)
        self.folder, self.eyes = folder, eyes
        self.places = {"main": folder / "project"}
        self.mate = folder / "mate"
        self.uses_hooks = True
        self.transcript: list[str] = []
        self.branches = ["main"]
        self.count = self.seconds = 0
        self.editor: dict[str, str] = {}
        self._contents: dict[str, Place] = {}
        self.git("main", "remote", "set-url", "origin", folder / "upstream.git")
        self._plain(self.mate, "remote", "set-url", "origin", folder / "upstream.git")
        self.heads = {"main": self.rev("main")}
        self.moved_at = {"main": START_AT}
        """When each view's last step was handed on, epoch seconds."""

    # -- git, and what it says

    def _plain(self, folder: Path, *args: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        self.seconds += 1  # every command has its own second, so that reflogs show the order
        date = f"{START_AT + self.seconds} +0000"
        return subprocess.run(
            ["git", *map(str, args)],
            cwd=folder,
            env={**os.environ, "GIT_COMMITTER_DATE": date, **self.editor},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, view: str, *args: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run and write down a command that a hand types."""
        words = (*(() if self.uses_hooks else NO_HOOKS), *args)
        done = self._plain(self.places[view], *words, stdin=stdin)
        said = " ".join(f"{done.stdout} {done.stderr}".split())[-160:] if done.returncode else ""
        typed = " ".join(map(str, words)).replace(str(self.folder), "..")
        edited = "".join(f"{name}='{value}' " for name, value in self.editor.items())
        self.transcript.append(f"({view}) {edited}git {typed}" + (f"   # {done.returncode}: {said}" if said else ""))
        self._part_twins(self.places[view])
        return done

    def _part_twins(self, folder: Path) -> None:
        """Of two files of one work package, as git leaves them after a move that was not committed, keep one."""
        files: dict[str, list[Path]] = {}
        for path in sorted((folder / TASKS).rglob("WP*.md")):
            files.setdefault(path.name, []).append(path)
        for twins in files.values():
            if len(twins) > 1:
                tracked = self.ask_in(folder, "ls-files", "--", files_of(twins[0].name[:4])).split()
                keep = next((path for path in twins if path.relative_to(folder).as_posix() in tracked), twins[0])
                for path in twins:
                    if path != keep:
                        name = path.relative_to(folder).as_posix()
                        if name not in tracked:
                            raise Unclear(f"git brought {keep} back beside {name}, which is in no commit")
                        self.ask_in(folder, "rm", "-q", "-f", "--ignore-unmatch", "--", name)
                        path.unlink(missing_ok=True)
                        self.transcript.append(f"({folder.name}) git rm -f {name}")

    def ask(self, view: str, *args: str) -> str:
        """What git answers to a question that changes nothing; empty when it has no answer."""
        return self.ask_in(self.places[view], *args)

    def ask_in(self, folder: Path, *args: str) -> str:
        return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=False).stdout.strip()

    def rev(self, view: str, name: str = "HEAD") -> str:
        return self.ask(view, "rev-parse", "-q", "--verify", f"{name}^{{commit}}")

    def place(self, *commits: str) -> list[Place]:
        """What each commit says."""
        missing = [commit for commit in dict.fromkeys(commits) if commit not in self._contents]
        if missing:
            lines: dict[str, list[tuple[str, str]]] = {commit: [] for commit in missing}
            for line in self.ask("main", "grep", "-E", LINES, *missing, "--", TASKS).splitlines():
                commit, path, text = line.split(":", 2)
                lines[commit].append((path, text))
            self._contents.update({commit: read_place(pairs) for commit, pairs in lines.items()})
        return [self._contents[commit] for commit in commits]

    def here(self, view: str) -> Place:
        return read_files(self.places[view])

    # -- how a step is handed on

    def moved(self, view: str, kind: Kind, *, hook: str | None, onto: str = "", start: str = "") -> None:
        """Hand on what the last command did. ``onto``: the commit that a rebase put the branch ``start`` onto."""
        old, new = start or self.heads[view], self.rev(view)
        if new == self.heads[view] and not start:
            self.eyes.step(Step(view, (), hook))
            return
        steps = [(old, new)]
        if kind in (Kind.COMMIT, Kind.PICK):  # one command may have made several commits
            made = self.ask(view, "rev-list", "--reverse", "--first-parent", f"{old}..{new}").split()
            steps = list(zip([old, *made], made, strict=False)) if len(made) > 1 else steps
        moves = [self._move(view, kind, before, after, onto) for before, after in steps]
        self.heads[view], self.moved_at[view] = new, START_AT + self.seconds
        self.eyes.step(Step(view, tuple(moves), hook))

    def returned(self, view: str) -> None:
        """Hand on that HEAD has been elsewhere and is back, if it has: other views are read before that is."""
        written = self.ask(view, "reflog", "-1", "--format=%gd", "--date=unix")
        moves = ()
        if str(START_AT + self.seconds) in written:
            (here,) = self.place(self.heads[view])
            moves = (Move(Kind.SWITCH, here, here, at=self.seconds),)
        self.eyes.step(Step(view, moves, None))

    def saved(self, view: str, *, hook: str | None = None) -> None:
        """Hand on that files may have changed."""
        self.moved_at[view] = START_AT + self.seconds
        self.eyes.step(Step(view, (), hook))

    def read_all(self) -> None:
        self.eyes.read_all()

    def added(self, view: str, folder: Path) -> None:
        """A worktree is there, or is elsewhere now."""
        self.places[view] = folder
        self.heads[view], self.moved_at[view] = self.rev(view), START_AT + self.seconds
        self.eyes.worktree(view)
        self.eyes.step(Step(view, (), "post-checkout"))

    def removed(self, view: str) -> None:
        """Take a worktree away; what nobody looked at there would be lost with its reflog."""
        self.eyes.read_all()
        folder = self.places.pop(view)
        self.heads.pop(view)
        self.git("main", "worktree", "remove", "--force", folder)
        self.eyes.worktree(view)

    def _move(self, view: str, kind: Kind, old: str, new: str, onto: str) -> Move:
        others: list[str] = []
        if kind is Kind.MERGE:
            parents = self.ask(view, "rev-parse", f"{new}^@").split()
            if len(parents) > 1 and old in parents:
                others = [parent for parent in parents if parent != old]
            else:
                kind = Kind.FORWARD
        elif kind in (Kind.RESET, Kind.REBASE):
            onto = onto or new
            others = [onto, self.ask(view, "merge-base", old, onto)]
        before, after, *sides = self.place(old, new, *others)
        fresh = self._fresh(view, new) if kind in (Kind.FORWARD, Kind.MERGE, Kind.RESET, Kind.REBASE) else frozenset()
        return Move(kind, before, after, tuple(sides), at=self.seconds, fresh=fresh)

    def _fresh(self, view: str, new: str) -> frozenset[str]:
        """The work packages that commits on the way to ``new`` touch which no worktree came to before."""
        heads = [f"^{new}" for name in self.places for _, new in self._journal(name)]
        args = ("log", "--ignore-missing", "--format=", "--name-only", "--no-renames", "--stdin", "--", TASKS)
        asked = "\n".join([new, f"^{self.heads[view]}", *heads])
        done = subprocess.run(
            ["git", *args], cwd=self.places[view], input=asked, capture_output=True, text=True, check=True
        )
        return frozenset(Path(name).name[:4] for name in done.stdout.split())

    def _journal(self, view: str) -> list[tuple[str, str]]:
        """(old, new) of where HEAD came in a worktree before this step, but for switches and inner steps of rebases."""
        path = self.ask(view, "rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD")
        lines = (line.partition("\t") for line in Path(path).read_text("utf-8").splitlines())
        entries = [(head.split(), message) for head, _, message in lines if not _SILENT.match(message)]
        came = [
            words for words, message in entries if words[0] != words[1] and (words[0].strip("0") or message.strip())
        ]
        return [(words[0], words[1]) for words in came if int(words[-2]) <= self.moved_at.get(view, 0)]

    # -- what a hand writes

    def token(self, who: str) -> str:
        self.count += 1
        return f"{who}{self.count}"

    def write(self, folder: Path, wp: str, says: Says) -> None:
        path = folder / says.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(wp, says), encoding="utf-8")

    def change(self, folder: Path, dice: Random, *, who: str = "ada", wp: str | None = None, what: str = "") -> str:
        """Edit one work package; its id, empty when there is none."""
        here = read_files(folder)
        if not here:
            return ""
        wp = wp if wp in here else dice.choice(sorted(here))
        says = here[wp]
        what = what or dice.choice(
            ("lane", "lane", "lane row", "agent", "row", "lane agent", "lane agent row", "words")
        )
        lane = dice.choice([lane for lane in LANES if lane != says.lane]) if "lane" in what else says.lane
        agent = self.token(who) if "agent" in what else says.agent
        rows = (*says.rows, f"{who} {self.token('step')}") if "row" in what else says.rows
        words = self.token("words") if "words" in what else says.words
        self.write(folder, wp, Says(says.path, lane, agent, rows, words))
        self.transcript.append(f"({folder.name}) edit {wp}: {what} → {lane} {agent or ''} {' '.join(rows[-1:])}")
        return wp

    def resolve(self, view: str, dice: Random) -> None:
        """Resolve every conflict by hand: each fact as one side has it, or as none; no row is lost."""
        unmerged = sorted(set(self.ask(view, "diff", "--name-only", "--diff-filter=U").split()))
        for wp in sorted({Path(path).name[:4] for path in unmerged}):
            paths = [path for path in unmerged if Path(path).name[:4] == wp]
            found = [self._stage(view, number, path) for path in paths for number in (2, 3)]
            known = [says for says in found if says is not None]
            self.git(view, "rm", "-q", "-f", "--ignore-unmatch", "--", files_of(wp))
            if known:
                ours, theirs = known[0], known[-1]
                lane = dice.choice((ours.lane, theirs.lane, *LANES))
                agent = dice.choice((ours.agent, theirs.agent, self.token("ada")))
                rows = tuple(dict.fromkeys((*ours.rows, *theirs.rows)))
                if dice.random() < 0.3:
                    rows = (*rows, f"ada {self.token('step')}")
                says = Says(ours.path, lane, agent, rows, dice.choice((ours.words, theirs.words)))
                self.write(self.places[view], wp, says)
                self.transcript.append(f"({view}) resolve {wp}: {lane} {agent or ''} {' '.join(rows)}")
                self.git(view, "add", "--", ours.path)

    def _stage(self, view: str, number: int, path: str) -> Says | None:
        return read_text(path, self.ask(view, "show", f":{number}:{path}"))

    def mate_works(self, dice: Random) -> None:
        """The mate edits, commits and pushes onto what is there."""
        self._plain(self.mate, "fetch", "-q")
        self._plain(self.mate, "reset", "-q", "--hard", "origin/main")
        self.change(self.mate, dice, who="mate")
        self._plain(self.mate, "commit", "-q", "-a", "-m", "mate's")
        self._plain(self.mate, "push", "-q", "origin", "HEAD:main")
        self.transcript.append("(mate) git commit -a && git push")

    def edit_lists(self, sed: str) -> None:
        """Have `rebase -i` edit its list so from now on; empty: no more."""
        self.editor = {"GIT_SEQUENCE_EDITOR": f"sed -i -e '{sed}'"} if sed else {}

    def is_rebasing(self, view: str) -> bool:
        """Whether git keeps the state of a rebase."""
        return self._has(view, "rebase-merge", "rebase-apply")

    def is_under_way(self, view: str) -> bool:
        """Whether a merge, a pick or a revert waits for a hand."""
        return self._has(view, "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "sequencer")

    def _has(self, view: str, *names: str) -> bool:
        folder = Path(self.ask(view, "rev-parse", "--path-format=absolute", "--git-dir"))
        return any((folder / name).exists() for name in names)

    def has_conflict(self, view: str) -> bool:
        return bool(self.ask(view, "diff", "--name-only", "--diff-filter=U"))

    def staged(self, view: str) -> set[str]:
        """The work packages that the index has otherwise than HEAD, or unmerged."""
        return {Path(path).name[:4] for path in self.ask(view, "diff", "--cached", "--name-only", "--", TASKS).split()}

    def is_clean(self, view: str) -> bool:
        return not self.ask(view, "status", "--porcelain", "--", TASKS)

    def other(self, view: str, dice: Random) -> str:
        """Another branch than HEAD's."""
        current = self.ask(view, "symbolic-ref", "-q", "--short", "HEAD")
        return dice.choice([name for name in self.branches if name != current] or ["HEAD~1"])
