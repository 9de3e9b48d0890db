"""`catflap doctor`: looks at all that telling a change takes, tries the hooks, and mends what can safely be mended."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from catflap import __version__
from catflap.config import home
from catflap.doctor.examination import Examination, is_well
from catflap.doctor.examine import examine
from catflap.doctor.finding import Finding
from catflap.doctor.remedy import mend
from catflap.doctor.show import show, show_mended


def doctor(
    path: Path, *, mends: bool = False, tries_hooks: bool = True, asks_server: bool = True, as_json: bool = False
) -> int:
    """0 when nothing keeps changes from being told; 1 when something does, or could not be mended.

    ``mends``: what can safely be put right is, and then all is looked at again.
    """
    done: list[str] = []
    failed: list[str] = []
    if mends:
        before = examine(path, _say, tries_hooks=False, asks_server=asks_server)
        done, failed = mend(before.findings())
    found = examine(path, _say, tries_hooks=tries_hooks, asks_server=asks_server)
    findings = found.findings()
    if as_json:
        print(json.dumps(_value(found, findings, done)))
    else:
        show_mended(done)
        show(found, findings)
    for words in failed:
        print(f"catflap: cannot mend: {words}", file=sys.stderr)
    return 0 if is_well(findings) and not failed else 1


def _say(words: str) -> None:
    """On stderr, in time: what is about to run may take long, or be interrupted."""
    print(f"{words}.", file=sys.stderr, flush=True)


def _value(found: Examination, findings: list[Finding], done: list[str]) -> dict[str, object]:
    rows = found.rows()
    trial = found.trial
    return {
        "version": __version__,
        "home": str(home()),
        "ok": is_well(findings),
        "checks": [{"subject": subject, "seen": words, "took_ms": took_ms} for subject, words, took_ms in rows],
        "probe": None
        if trial is None
        else {
            "hooks": list(trial.hooks),
            "steps": [
                {"name": step.name, "told": step.told.value, "took_ms": step.took_ms, "after_ms": step.after_ms}
                for step in trial.steps
            ],
            "added_ms": trial.added_ms,
        },
        "findings": [one.to_dict() for one in findings],
        "fixed": done,
    }
