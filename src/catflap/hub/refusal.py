"""What the hub says no to, as an error that knows its HTTP status. Knows no request and no response."""

from __future__ import annotations

from catflap.errors import CatflapError


class Refused(CatflapError):
    """A request that the hub does not do; ``status`` is HTTP's, ``retry_after_s`` whole seconds or None."""

    def __init__(
        self, status: int, what: str, *, where: str = "", why: str, hint: str = "", retry_after_s: int | None = None
    ) -> None:
        super().__init__(what, where=where, why=why, hint=hint)
        self.status, self.retry_after_s = status, retry_after_s


def no_session(why: str) -> Refused:
    """401: there is no valid token; the client refreshes it, or its user logs in again."""
    return Refused(401, "let you in", why=why, hint="log in again")


def foreign_team(named: str, team: str) -> Refused:
    """403: something of a team that is not the token's."""
    why = f"the token is of team {team!r}"
    return Refused(403, "do this for team", where=f"{named!r:.80}", why=why, hint="log in to the other team first")
