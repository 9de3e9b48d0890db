"""Makes a repository of a given size with `git fast-import`: features, work packages, code, merges. Times nothing."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LANES = ("planned", "doing", "for_review", "done")
AGENTS = ("claude", "codex", "gemini")
STEP_S = 600
_START_S = 1_700_000_000
_WORDS = "parse state lane merge queue clock event ledger view hook commit board agent review plan test".split()


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is on the first-parent chain. Each feature begins with ``wps`` work packages in one commit."""

    commits: int = 9_000
    versions: int = 6_000
    features: int = 400
    wps: int = 5
    code_files: int = 400

    def part(self, divisor: int) -> Size:
        """The same shape with a ``divisor``-th of the history."""
        return Size(
            self.commits // divisor, self.versions // divisor, self.features // divisor, self.wps, self.code_files
        )


@dataclass(slots=True)
class _Part:
    """One work package as it is now."""

    feature: str
    wp_id: str
    body: str
    rows: list[str] = field(default_factory=list)
    lane: int = 0
    agent: str = ""

    @property
    def path(self) -> str:
        return f"kitty-specs/{self.feature}/tasks/{self.wp_id}-part.md"

    def text(self) -> str:
        """The file as Spec Kitty 1 writes it: some 5 KB, with a log that grows."""
        return (
            f'---\nwork_package_id: "{self.wp_id}"\ntitle: "Part {self.wp_id} of {self.feature}"\n'
            f'phase: "Phase 2 - User Story 2 (P2)"\nsubtasks:\n  - "T007"\n  - "T008"\n  - "T009"\n'
            f'dependencies: {"[]" if self.wp_id == "WP01" else "[WP01]"}\nlane: "{LANES[self.lane]}"\nassignee: ""\n'
            f'agent: "{self.agent}"\nshell_pid: "17700"\nreview_status: ""\nreviewed_by: ""\nhistory:\n'
            '  - timestamp: "2026-01-18T10:37:13Z"\n    lane: "planned"\n    agent: "system"\n    shell_pid: ""\n'
            '    action: "Prompt generated via /spec-kitty.tasks"\n---\n\n'
            f"# Work Package Prompt: {self.wp_id}\n\n{self.body}\n## Activity Log\n\n" + "".join(self.rows)
        )


def make_history(path: Path, size: Size) -> None:
    """A repository at ``path``, without files checked out, whose main has a chain of ``size``; the same each time."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    importer = subprocess.Popen(["git", "fast-import", "--quiet", "--done"], cwd=path, stdin=subprocess.PIPE)
    assert importer.stdin is not None
    for text in _stream(size):
        importer.stdin.write(text.encode())
    importer.stdin.write(b"done\n")
    importer.stdin.close()
    if importer.wait() != 0:
        raise SystemExit("git fast-import failed")


def _stream(size: Size) -> Iterator[str]:
    """Code first, then a feature, then all else in an order that chance made once."""
    chance = random.Random(4711)
    edits = size.versions - size.features * size.wps
    kinds = ["feature"] * (size.features - 1) + ["edit"] * edits
    kinds += ["code"] * (size.commits - 2 - len(kinds))
    chance.shuffle(kinds)
    parts: list[_Part] = []
    yield _commit(0, "begin", [(f"src/module{number:03}.py", "x = 0\n") for number in range(size.code_files)])
    for number, kind in enumerate(["feature", *kinds], 1):
        if kind == "feature":
            own = [_part(chance, len(parts) // size.wps, wp) for wp in range(1, size.wps + 1)]
            parts += own
            folder = own[0].feature
            meta = f'{{"feature_number": "{folder[:3]}", "target_branch": "main"}}\n'
            files = [(one.path, one.text()) for one in own]
            yield _commit(number, f"Plan {folder}", [*files, (f"kitty-specs/{folder}/meta.json", meta)])
        elif kind == "edit":
            yield _commit(number, "Move a work package", [_edited(chance, parts, number)])
        else:
            path = f"src/module{chance.randrange(size.code_files):03}.py"
            yield _commit(number, "Work", [(path, f"x = {number}\n")], is_merged=number % 20 == 0)


def _part(chance: random.Random, feature: int, wp: int) -> _Part:
    lines = [" ".join(chance.choices(_WORDS, k=12)) for _ in range(60)]
    body = "\n".join(f"### Task {at}\n\n{line}\n" if at % 6 == 0 else line for at, line in enumerate(lines))
    fence = "```sh\nmake test\n```\n"
    return _Part(f"{feature + 1:03}-feature", f"WP{wp:02}", f"{body}\n\n{fence}")


def _edited(chance: random.Random, parts: list[_Part], number: int) -> tuple[str, str]:
    part = chance.choice(parts[-200:])
    part.lane = (part.lane + 1) % len(LANES)
    part.agent = chance.choice(AGENTS)
    lane = LANES[part.lane]
    part.rows.append(f"- 2026-02-03T12:00:00Z – {part.agent} – shell_pid=17700 – lane={lane} – Step {number}\n")
    return part.path, part.text()


def _commit(number: int, message: str, files: list[tuple[str, str]], *, is_merged: bool = False) -> str:
    """A fast-import commit on main, of the files themselves or of a merge with a commit beside it that has them."""
    who = f"committer Ada <ada@example.org> {_START_S + number * STEP_S} +0000\n"
    changes = "".join(f"M 100644 inline {path}\n{_data(text)}" for path, text in files)
    beside = merge = ""
    if is_merged:
        mark = number + 1_000_000
        beside = f"commit refs/heads/side\nmark :{mark}\n{who}{_data(message)}from :{number}\n{changes}\n"
        merge = f"merge :{mark}\n"
    return f"{beside}commit refs/heads/main\nmark :{number + 1}\n{who}{_data(message)}{merge}{changes}\n"


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
