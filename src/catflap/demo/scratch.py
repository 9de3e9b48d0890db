"""A folder where the demo drives git as a user would: its own git settings and SPEC_KITTY_HOME, nobody else's touched.

Beside git.py the only file that runs processes. Knows no work packages.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from catflap.errors import GitFailed

_SETTINGS = """\
[user]
\tname = catflap demo
\temail = demo@catflap.invalid
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""
_CATFLAP = (sys.executable, "-P", "-m", "catflap")
"""-P: a file in the repository must not shadow a module of Python's."""
_OURS = "catflap: "
"""What each line begins with that a hook says: git shows it to the user, and so does the demo."""
_ROOM = "is there room on the disk? then run the demo again"


@dataclass(slots=True)
class Scratch:
    """The folder ``root``, and the environment in which everything runs in it.

    ``said`` collects what catflap's hook said, until somebody takes it.
    """

    root: Path
    said: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """SPEC_KITTY_HOME."""
        return self.root / "spec-kitty"

    @property
    def repository(self) -> Path:
        """Where the demo's repository goes."""
        return self.root / "repository"

    def git(
        self, *args: str, cwd: Path | None = None, stdin: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> str:
        """What ``git ARGS`` prints, run in ``cwd`` (the repository, when none) with the ``extra`` environment.

        Raises: GitFailed with git's own words.
        """
        where = cwd or self.repository
        code, out, err = self._run(["git", *args], where, stdin, extra or {})
        lines = err.splitlines()
        self.said += [line for line in lines if line.startswith(_OURS)]
        if code != 0:
            words = [line for line in lines if line.startswith(("fatal: ", "error: "))] or lines[-1:]
            why = words[0] if words else f"exit code {code}"
            raise GitFailed(f"run git {args[0]}", where=f"in {where}", why=why, hint=_ROOM)
        return out

    def install(self) -> None:
        """Run `catflap install` in the repository, as a user would. Raises: GitFailed when it refuses."""
        self.catflap("install", str(self.repository))

    def catflap(self, *args: str, stdin: str = "") -> str:
        """What ``catflap ARGS`` prints. Raises: GitFailed with its last words, when it refuses."""
        code, out, err = self._run([*_CATFLAP, *args], self.root, stdin.encode(), {})
        if code != 0:
            raise self._refused(args, err.strip() or f"exit code {code}")
        return out

    @contextmanager
    def serving(self, *args: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """A ``catflap ARGS`` that runs until the end of the body, and the first line that it prints.

        Raises: GitFailed with its last words, when it ends before that line.
        """
        with (self.root / "serving.log").open("w+b") as log:
            process = subprocess.Popen(
                [*_CATFLAP, *args],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # Ctrl-C reaches us alone
            )
            try:
                assert process.stdout is not None
                line = os.fsdecode(process.stdout.readline()).strip()
                if not line:
                    log.seek(0)
                    raise self._refused(args, os.fsdecode(log.read()).strip() or "it ended")
                yield line, process
            finally:
                with interrupts_wait(process.kill), process:
                    process.terminate()

    def _refused(self, args: Sequence[str], said: str) -> GitFailed:
        """The error for a ``catflap ARGS`` that ended so: its last line, and how to try it."""
        why = said.splitlines()[-1].removeprefix(_OURS)
        return GitFailed(
            f"run `catflap {args[0]}`", where=f"in {self.root}", why=why, hint=f"try it: catflap {args[0]}"
        )

    def environment(self) -> dict[str, str]:
        """This process's environment without anything of the user's that speaks to git or catflap."""
        found = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "CATFLAP_"))}
        found.update(
            SPEC_KITTY_HOME=str(self.home),
            XDG_CONFIG_HOME=str(self.root),  # git/ignore and git/attributes are read from there
            GIT_CONFIG_GLOBAL=str(self.root / "gitconfig"),
            GIT_CONFIG_NOSYSTEM="1",
            GIT_ATTR_NOSYSTEM="1",
            GIT_ALLOW_PROTOCOL="file",  # no network, whatever a repository's settings say
            GIT_NO_LAZY_FETCH="1",
            GIT_TERMINAL_PROMPT="0",
            GIT_EDITOR="true",
            LC_ALL="C",
            LANGUAGE="",
        )
        return found

    def _run(self, command: list[str], cwd: Path, stdin: bytes, extra: Mapping[str, str]) -> tuple[int, str, str]:
        """Exit code, stdout and stderr. Interrupted, it leaves no process that could write into the folder."""
        process: subprocess.Popen[bytes] | None = None

        def end_it() -> None:
            if process is not None and process.returncode is None:
                with suppress(ProcessLookupError):  # it was just ending by itself
                    _kill(process)

        with interrupts_wait(end_it) as came:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env={**self.environment(), **extra},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    process_group=0,  # Ctrl-C reaches us alone: we end git together with its hooks
                )
            except OSError as error:
                hint = f"is {command[0]} installed and on PATH?"
                raise GitFailed(f"run {command[0]}", where=f"in {cwd}", why=str(error), hint=hint) from error
            if came():  # while it was being started, when end_it knew no process yet
                end_it()
            with process:
                out, err = process.communicate(stdin)  # ends when the last holder of the pipes is gone
        return process.returncode, os.fsdecode(out), os.fsdecode(err)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process, and all that it has started where the system knows groups (Windows: itself alone)."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def _remove(root: Path) -> None:
    """The folder and all in it: Windows deletes none of git's objects before they are writable."""
    if os.name == "nt":
        for folder, _, names in os.walk(root):
            for name in names:
                os.chmod(os.path.join(folder, name), stat.S_IREAD | stat.S_IWRITE)
    shutil.rmtree(root)


@contextmanager
def interrupts_wait(on_interrupt: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Let an interrupt (Ctrl-C) wait for the end of the body: ``on_interrupt`` hurries it, KeyboardInterrupt follows.

    The body gets a function that says whether one came. Without this an interrupt inside of Popen would leave a process
    that nobody knows. SIGTERM and SIGHUP wait, too, where they have a handler. For the main thread only.
    """
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    found = {one: signal.getsignal(one) for one in map(signal.Signals.__getitem__, names)}
    # Ignored (nohup), or deadly: then there is nothing that could come in between.
    former = {one: handler for one, handler in found.items() if callable(handler)}
    came = False

    def note(_: int, __: object) -> None:
        nonlocal came
        came = True
        on_interrupt()

    try:
        for one in former:
            signal.signal(one, note)
        yield lambda: came
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)
        if came:
            raise KeyboardInterrupt


@contextmanager
def scratch(*, keep: bool = False) -> Iterator[Scratch]:
    """A scratch folder that is gone at the end, however it ends; with ``keep`` it stays, unless by an exception."""
    root = Path(tempfile.mkdtemp(prefix="catflap-demo-")).resolve()
    stays = False
    try:
        (root / "gitconfig").write_text(_SETTINGS, encoding="utf-8")
        yield Scratch(root)
        stays = keep
    finally:
        if not stays:
            with interrupts_wait(lambda: None):
                _remove(root)
