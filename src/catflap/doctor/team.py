"""What may be wrong with the session, and with the server that it speaks to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from catflap.doctor.finding import Finding, Kind, Level

SKEW_S = 120.0
"""How far two wall clocks may differ before it is worth a word."""
_WAIT = "events wait in the queue meanwhile"

SESSION = Kind("credentials-unreadable", Level.ERROR, f"nothing can be sent; {_WAIT}")
ADDRESS = Kind("server-address-unfit", Level.ERROR, f"no token is sent to such an address; {_WAIT}")
EXPIRED = Kind("session-expired", Level.WARNING, f"the server accepts it no longer; {_WAIT}")
OTHER_TEAM = Kind("team-other", Level.WARNING, "it is bound to another team than the one logged in, so its events wait")
UNREACHABLE = Kind("server-unreachable", Level.WARNING, f"nothing can be sent; {_WAIT}")
UNWELL = Kind("server-unwell", Level.WARNING, f"it may take nothing now; {_WAIT}")
SKEW = Kind("clock-skew", Level.NOTE, "the times on the board are off by that much; the order of events is not")
FAILED = Kind("last-sync-failed", Level.NOTE, f"it is tried again by itself; {_WAIT}")
KINDS = (SESSION, ADDRESS, EXPIRED, OTHER_TEAM, UNREACHABLE, UNWELL, SKEW, FAILED)


@dataclass(frozen=True, slots=True)
class Team:
    """The session, all empty without one. Instants are epoch seconds, ``answer_ms`` milliseconds.

    ``trouble``: why the session cannot be read; ``address_trouble``: why its server is one that no token may go to.
    ``others``: (path, team) of repositories bound to another team. ``status``: the HTTP status of the server's answer,
    None when it was not asked; ``reach_trouble``: why there is none. ``server_at``: the server's wall clock at ``at``.
    """

    at: float = 0.0
    trouble: str | None = None
    server: str | None = None
    team: str | None = None
    username: str = ""
    ends_at: float | None = None
    address_trouble: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    status: int | None = None
    reach_trouble: str | None = None
    server_at: float | None = None
    answer_ms: float | None = None
    last_error: str | None = None

    @property
    def words(self) -> str:
        if self.server is None:
            return "cannot be read" if self.trouble else "not logged in; events wait in the queue"
        answered = f", answers in {self.answer_ms:.0f} ms" if self.answer_ms is not None and self.status else ""
        return f"{self.username} of {self.team} at {self.server}{answered}"


def judge_team(team: Team) -> Iterator[Finding]:
    """What is wrong with the session and the server."""
    login = "`catflap auth login`"
    if team.trouble is not None:
        yield SESSION.found(team.trouble, fix="`catflap auth login --server URL`")
    if team.server is None:
        return
    if team.address_trouble is not None:
        yield ADDRESS.found(team.address_trouble, fix="`catflap auth login --server https://…`", where=team.server)
    if team.ends_at is not None and team.ends_at < team.at:
        days = (team.at - team.ends_at) / 86_400
        yield EXPIRED.found(f"the session at {team.server} ended {days:.1f} days ago", fix=login, where=team.server)
    for path, other in team.others:
        what = f"{path} speaks to team {other} only, and you are logged in to {team.team}"
        yield OTHER_TEAM.found(what, fix=f"log in to {other}, or `catflap auth bind {quote(path)} --any`", where=path)
    yield from _judge_server(team)


def _judge_server(team: Team) -> Iterator[Finding]:
    server = team.server or ""
    if team.reach_trouble is not None:
        fix = "look at the network, or whether the server runs; `catflap sync now` tries again"
        yield UNREACHABLE.found(f"{server} cannot be reached: {team.reach_trouble}", fix=fix, where=server)
    elif team.status is not None and team.status != 200:
        fix = "ask whoever runs it; `catflap sync now` tries again"
        yield UNWELL.found(f"{server} answers with {team.status} when asked how it is", fix=fix, where=server)
    if team.server_at is not None and abs(team.server_at - team.at) > SKEW_S:
        minutes = (team.server_at - team.at) / 60
        what = f"the clock of {server} is {abs(minutes):.0f} minutes {'ahead of' if minutes > 0 else 'behind'} this one"
        yield SKEW.found(what, fix="set the clock that is wrong, by NTP", where=server)
    if team.last_error is not None and team.reach_trouble is None:
        yield FAILED.found(f"the last exchange failed: {team.last_error}", fix="`catflap sync now`", where=server)
