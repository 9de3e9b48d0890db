"""Which tests need what only POSIX has, by what they name: modules, calls, signals, sh. Windows leaves these out."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

TESTS = Path(__file__).parent
MODULES = frozenset(("curses", "fcntl", "grp", "pty", "pwd", "resource", "termios"))
"""Modules of Python's that Windows does not have."""
NEEDS = {
    "signals": r"\bsignal\.SIG(?!TERM\b|_)[A-Z]+|\.send_signal\(",
    "processes of that kind": r"\bos\.(?:fork|setsid|killpg|getpgid|WNOHANG|waitpid|pread|sysconf)\b",
    "such users and modes": r"\bos\.(?:geteuid|getuid|getgid|chown|umask)\b|\b0o[0-7]{3}\b|S_IMODE",
    "such files": r"\b(?:os\.mkfifo|symlink_to|os\.symlink|hardlink_to)\b|\bos\.fsdecode\(|[\"'/](?:proc|dev)/",
    "sh on its own": r"[\"']sh[\"'], |#!/bin/sh|shell=True",
    "terminals of that kind": r"\b(?:pty|termios|fcntl)\.|\bTerminal\(|tests\.typist|tests\.warm|openpty",
    "limits": r"\bresource\.|setpriv|RLIMIT",
    "sockets in files": r"\bAF_UNIX\b",
}
"""What Windows does not have, and how a test's source names it."""
_PATTERNS = {need: re.compile(pattern) for need, pattern in NEEDS.items()}


def posix_only_files(folder: Path = TESTS) -> list[str]:
    """The names of the test files that cannot even be imported on Windows."""
    return sorted(path.name for path in folder.glob("test_*.py") if _imports(path) & MODULES)


def need_of(function: Callable[..., Any], fixtures: list[Callable[..., Any]]) -> str | None:
    """What of POSIX's a test needs, itself, by its fixtures, or by what these call in tests/; None: nothing."""
    for source in _sources([function, *fixtures]):
        for need, pattern in _PATTERNS.items():
            if pattern.search(source):
                return need
    return None


def _imports(path: Path) -> set[str]:
    """The modules that the file imports when it is imported."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _sources(waiting: list[Any]) -> Iterator[str]:
    """The source of each function and class, and of those below tests/ that they name, and so on."""
    seen: set[str] = set()
    while waiting:
        one = inspect.unwrap(waiting.pop())
        name = f"{getattr(one, '__module__', '')}.{getattr(one, '__qualname__', '')}"
        if name in seen:
            continue
        seen.add(name)
        source = _source(one)
        if source:
            yield source
            module = inspect.getmodule(one)
            for word in set(re.findall(r"\b[A-Za-z_]\w*\b", source)):
                found = getattr(module, word, None)
                if callable(found) and not isinstance(found, ModuleType) and _is_ours(found):
                    waiting.append(found)


def _is_ours(one: Any) -> bool:
    module = inspect.getmodule(one)
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(TESTS)


def _source(one: Any) -> str:
    if not _is_ours(one):
        return ""
    try:
        return inspect.getsource(one)
    except (OSError, TypeError):  # made while running
        return ""
