"""What every test stands on: a home of its own, a git that reads nobody's settings, and no way to the real ones."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
