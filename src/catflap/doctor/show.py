"""An examination as people read it: a table of what was looked at, then what is wrong, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from catflap.doctor.examination import Examination, is_well
from catflap.doctor.finding import Finding, Level
from catflap.terminal import say, show_table

_STYLES = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


def show(examination: Examination, findings: Sequence[Finding]) -> None:
    """Print the table, each finding in three lines, and how it all stands."""
    rows = [(subject, words, _time(took_ms)) for subject, words, took_ms in examination.rows()]
    show_table(("looked at", "seen", "took"), rows)
    for finding in findings:
        say("")
        say(f"{finding.level}: {finding.what} [{finding.id}]", style=_STYLES[finding.level])
        say(f"  why: {finding.kind.why}")
        say(f"  fix: {finding.fix}{_by_itself(finding)}")
    say("")
    say(_verdict(findings), style="bold green" if is_well(list(findings)) else "bold red")


def show_mended(done: Iterable[str]) -> None:
    """Print what --fix did."""
    for words in done:
        say(f"Mended: {words}", style="green")


def _by_itself(finding: Finding) -> str:
    is_said = not finding.kind.is_mended or "doctor --fix" in finding.fix
    return "" if is_said else "; or `catflap doctor --fix`"


def _verdict(findings: Sequence[Finding]) -> str:
    if not findings:
        return "All is well."
    counts = [(level, sum(one.level is level for one in findings)) for level in Level]
    listed = ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts if count)
    return f"{listed}." if counts[0][1] else f"Changes are told; {listed}."


def _time(took_ms: float | None) -> str:
    return f"{took_ms:,.0f} ms" if took_ms is not None else ""
