"""Plays the story: makes its repository, and turns each of its steps into edits of files and real git commands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from catflap.demo.act import Act, Stage
from catflap.demo.board import Files
from catflap.demo.scratch import Scratch
from catflap.demo.story import LATCH, STORY, TREATS, Edit, Git, Plan, Reformat, Row, Step
from catflap.events import encode_ulid

_START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_STEP = timedelta(minutes=25)


def open_story(scratch: Scratch) -> Stage:
    """The repository of the story with catflap installed, before its first step."""
    scratch.repository.mkdir()
    scratch.git("init", "-q")
    (scratch.repository / "README.md").write_text("# A door for one cat\n", encoding="utf-8")
    scratch.git("add", "-A")
    scratch.git("commit", "-q", "-m", "Begin")
    scratch.install()
    files = Files(scratch.repository)
    player = Player(scratch)
    acts = [
        Act(step.title, partial(player.play, step, _START + _STEP * number), tells=step.tells)
        for number, step in enumerate(STORY)
    ]
    return Stage("A small story of two features", files, files.statuses(), acts, is_whole=False)


class Player:
    """Does what steps say, in the repository and its one linked worktree."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._worktree = scratch.root / "worktree"
        self._rows = 0

    def play(self, step: Step, at: datetime) -> None:
        """Do the step at this time of the story. Raises: GitFailed."""
        folder = self._worktree if step.in_worktree else self._scratch.repository
        do: dict[type, Callable[..., None]] = {
            Plan: self._plan,
            Edit: self._edit,
            Row: self._row,
            Reformat: self._reformat,
            Git: self._git,
        }
        for action in step.actions:
            do[type(action)](action, folder, at)
        if step.commit:
            self._git(Git(("add", "-A")), folder, at)
            self._git(Git(("commit", "-q", "-m", step.commit)), folder, at)

    def _git(self, command: Git, folder: Path, at: datetime) -> None:
        args = [arg.format(worktree=self._worktree) for arg in command.args]
        date = at.isoformat()
        self._scratch.git(*args, cwd=folder, extra={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date})

    def _plan(self, plan: Plan, folder: Path, at: datetime) -> None:
        feature = folder / "kitty-specs" / plan.feature
        (feature / "tasks").mkdir(parents=True)
        meta = {"feature_number": plan.feature[:3], "target_branch": "main", "created_at": at.isoformat()}
        _write(feature / "meta.json", json.dumps(meta, indent=2) + "\n")
        for wp in plan.wps:
            words = wp.title.lower().replace(" ", "-")
            lane = [] if plan.has_log else ['lane: "planned"']
            lines = [
                "---",
                f'work_package_id: "{wp.wp_id}"',
                f'title: "{wp.title}"',
                *lane,
                'agent: ""',
                'review_status: ""',
                f"dependencies: [{', '.join(wp.depends)}]",
                "history:",
                f'- timestamp: "{_stamp(at)}"',
                '  agent: "system"',
                '  action: "Prompt generated"',
                "---",
                "",
                f"# {wp.wp_id}: {wp.title}",
                "",
                "## Activity Log",
                "",
                f"- {_stamp(at)} – system – lane=planned – Prompt created",
            ]
            _write(feature / "tasks" / f"{wp.wp_id}-{words}.md", "\n".join(lines) + "\n")
            if plan.has_log:
                self._row(Row(wp.wp_id, "genesis", "planned", "system"), folder, at)

    def _edit(self, edit: Edit, folder: Path, at: datetime) -> None:
        [path] = (folder / "kitty-specs" / LATCH / "tasks").glob(f"{edit.wp_id}-*.md")
        text = path.read_text("utf-8")
        fields = {"lane": edit.lane, "agent": edit.by if edit.assign else ""}
        if edit.lane:
            fields["review_status"] = "has_feedback" if edit.feedback else "none"
        for name, value in fields.items():
            if value:
                text = re.sub(rf"^{name}:.*$", f'{name}: "{value}"', text, count=1, flags=re.MULTILINE)
        if edit.body:
            text = text.replace("## Activity Log", f"{edit.body}\n## Activity Log", 1)
        if edit.row:
            text += f"- {_stamp(at)} – {edit.by} – lane={edit.lane} – {edit.row}\n"
        _write(path, text)

    def _row(self, row: Row, folder: Path, at: datetime) -> None:
        self._rows += 1
        moment = at + timedelta(seconds=self._rows)
        fields = {
            "actor": row.actor,
            "at": moment.isoformat(),
            "event_id": encode_ulid(int(moment.timestamp() * 1000), self._rows),
            "from_lane": row.from_lane,
            "to_lane": row.to_lane,
            "wp_id": row.wp_id,
        }
        path = folder / "kitty-specs" / TREATS / "status.events.jsonl"
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(json.dumps(fields) + "\n")

    def _reformat(self, _: Reformat, folder: Path, __: datetime) -> None:
        for path in (folder / "kitty-specs").glob("*/tasks/*.md"):
            front, body = path.read_text("utf-8").split("---\n", 2)[1:]
            keys = sorted(re.findall(r"^\w.*\n(?:[ -].*\n)*", front, re.MULTILINE))
            text = f"---\n{''.join(keys).replace(chr(34), chr(39))}---\n{body}"
            _write(path, text.replace("\n", "\r\n"))


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")
