"""What every test stands on: a home of its own, a git that reads nobody's settings, and no way to the real ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests")  # what helpers assert is shown as what tests do

from tests.portable import need_of, posix_only_files  # noqa: E402
from tests.world import Repo, planned  # noqa: E402

WINDOWS = os.name == "nt"
collect_ignore = posix_only_files() if WINDOWS else []


def pytest_report_header() -> list[str]:
    return [f"left out, for modules that Windows does not have: {', '.join(collect_ignore)}"] if WINDOWS else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Windows leave out what needs POSIX, each test with a word."""
    for item in filter(lambda _: WINDOWS, items):
        if isinstance(item, pytest.Function) and (need := need_of(item.function, fixtures_of(item))) is not None:
            item.add_marker(pytest.mark.skip(reason=f"Windows has no {need}"))


def fixtures_of(item: pytest.Function) -> list[Callable[..., Any]]:
    """The functions of the fixtures that a test asks for."""
    found = item._fixtureinfo.name2fixturedefs
    return [one[-1].func for name, one in found.items() if not name.startswith("_")]


settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# A shell starts its background jobs with Ctrl-C ignored, and every process below inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh home for the user, git and catflap; HOME points to where nothing may be written."""
    base = tmp_path_factory.mktemp("home")
    forbidden = base / "not-yours"
    forbidden.touch()
    for name in [name for name in os.environ if name.startswith(("GIT_", "CATFLAP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(forbidden))
    monkeypatch.setenv("USERPROFILE", str(forbidden))  # its name on Windows
    monkeypatch.setenv("SPEC_KITTY_HOME", str(base / "spec-kitty"))
    config = base / "gitconfig"
    config.write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
        '[advice]\n\tdetachedHead = false\n[protocol "file"]\n\tallow = always\n'
        "[commit]\n\tgpgSign = false\n[gc]\n\tauto = 0\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_EDITOR", "true")


@pytest.fixture
def home() -> Path:
    """This test's SPEC_KITTY_HOME."""
    return Path(os.environ["SPEC_KITTY_HOME"])


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Feature 001-demo with WP01 to WP04 planned and committed, catflap installed."""
    made = planned(tmp_path / "project")
    made.install()
    return made
