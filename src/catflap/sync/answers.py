"""What a server's HTTP answer to a batch means for each event in it, and what to do next. Pure: no IO, no clock.

Nothing is believed that was not said: only an event that a 200 names with `success` or `duplicate` has arrived.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from catflap.wording import printable

LONGEST_WAIT_S = 3600.0
"""The longest wait that a server may ask for; a date in the far future is a mistake."""
WAIT_S = 30.0
"""The wait after a 429 or 503 that does not say how long."""
WORDS = 300
"""How many characters of a server's own words are repeated."""


class Next(Enum):
    """What to do after an answer."""

    GO_ON = "the events in it are settled"
    REFRESH = "the access token is not accepted any more"
    HALVE = "something in it is refused, nobody says what"
    WAIT = "the server asks for patience"
    RETRY = "the same may be answered otherwise a moment later"
    STOP = "only a person can change that"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``body`` None: it was longer than we read. Headers are as they came, empty when missing."""

    status: int
    body: bytes | None = b""
    retry_after: str = ""
    date: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer said of the events sent, by their ids; ``why`` is for a person, when ``next`` is not GO_ON.

    ``refused`` holds the server's reasons. ``suspect``: the whole request, with only this event in it, was refused
    in a way (403) that may be about the session. ``strangers``: how many results named events that were not in it.
    ``clock``: the highest Lamport clock that a refusal named, 0 for none. ``wait_s`` belongs to WAIT.
    """

    next: Next
    why: str = ""
    accepted: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()
    suspect: str | None = None
    strangers: int = 0
    clock: int = 0
    wait_s: float = 0.0
    is_too_large: bool = False

    @property
    def settled(self) -> int:
        """How many events the server had something to say about."""
        return len(self.accepted) + len(self.duplicates) + len(self.refused)


def read_batch(sent: Sequence[str], answer: Answer, *, now_s: float) -> Verdict:
    """What ``answer`` says of the events ``sent`` (ids, each once). ``now_s``: epoch seconds."""
    match answer.status:
        case 200:
            return _read_results(sent, answer)
        case 401:
            return Verdict(Next.REFRESH, "the server does not accept the access token", unanswered=tuple(sent))
        case 400 | 403 | 413 | 422:
            return _read_refusal(sent, answer)
        case 429 | 503:
            wait_s = read_retry_after(answer, now_s=now_s)
            return Verdict(Next.WAIT, trouble_of(answer), unanswered=tuple(sent), wait_s=wait_s)
        case status if status in (408, 425) or status >= 500:
            return Verdict(Next.RETRY, trouble_of(answer), unanswered=tuple(sent))
        case status if status < 300:
            return Verdict(Next.RETRY, f"the server answers {status} and no results", unanswered=tuple(sent))
        case _:
            return Verdict(Next.STOP, trouble_of(answer), unanswered=tuple(sent))


def read_retry_after(answer: Answer, *, now_s: float) -> float:
    """How long to wait, in seconds: what Retry-After says (RFC 9110, 10.2.3), between 1 s and `LONGEST_WAIT_S`.

    A date counts from the answer's own Date, when it has one: the server's wall clock may be wrong, but it is one.
    """
    text = answer.retry_after.strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        asked_s = float(text)
    elif (until := _instant(text)) is not None:
        asked_s = until - (_instant(answer.date) or now_s)
    else:
        asked_s = WAIT_S
    return min(max(asked_s, 1.0), LONGEST_WAIT_S)


def trouble_of(answer: Answer) -> str:
    """An answer that is of no use, in words: the status, and what the server says about it."""
    if 300 <= answer.status < 400:
        target = f" to {printable(answer.location[:200])}" if answer.location else ""
        return f"the server redirects{target} (a token is never sent on); log in there if that is right"
    words = _own_words(answer)
    return f"the server answers {answer.status}{f': {words}' if words else ''}"


def read_object(answer: Answer) -> Mapping[str, Any] | None:
    """The JSON object that the body is; None when it is anything else (HTML, half a text, too long, too deep)."""
    try:
        value = json.loads(answer.body or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _read_results(sent: Sequence[str], answer: Answer) -> Verdict:
    value = read_object(answer)
    results = value.get("results") if value is not None else None
    if not isinstance(results, list):
        what = "a longer answer than we read" if answer.body is None else "something that is no list of results"
        return Verdict(Next.RETRY, f"the server answers {what}; is it a catflap hub?", unanswered=tuple(sent))
    wanted, contradicted, strangers = set(sent), set[str](), 0
    said: dict[str, Mapping[str, Any]] = {}
    for result in results:
        event_id = result.get("event_id") if isinstance(result, dict) else None
        if not isinstance(event_id, str) or event_id not in wanted:
            strangers += 1
            continue
        if event_id in said and said[event_id].get("status") != result.get("status"):
            contradicted.add(event_id)
        said[event_id] = result
    by_status: dict[str, list[str]] = {"success": [], "duplicate": [], "error": []}
    for event_id in sent:
        status = said[event_id].get("status") if event_id in said and event_id not in contradicted else None
        if isinstance(status, str) and status in by_status:
            by_status[status].append(event_id)
    settled = {event_id for own in by_status.values() for event_id in own}
    refused = {event_id: reason_of(said[event_id]) for event_id in by_status["error"]}
    return Verdict(
        next=Next.GO_ON if settled else Next.RETRY,
        why="" if settled else "the server's results name none of the events sent",
        accepted=tuple(by_status["success"]),
        duplicates=tuple(by_status["duplicate"]),
        refused=refused,
        unanswered=tuple(event_id for event_id in sent if event_id not in settled),
        strangers=strangers,
        clock=max((clock_of(said[event_id]) for event_id in refused), default=0),
    )


def _read_refusal(sent: Sequence[str], answer: Answer) -> Verdict:
    """A whole request refused: for one event it is about that event; else for those it names; else nobody knows."""
    why = trouble_of(answer)
    if len(sent) == 1:
        if answer.status == 403:
            return Verdict(Next.GO_ON, why, suspect=sent[0])
        value = read_object(answer) or {}
        return Verdict(Next.GO_ON, why, refused={sent[0]: why}, clock=clock_of(value))
    text = (answer.body or b"").decode(errors="replace")
    named = [event_id for event_id in sent if event_id in text]
    if named and len(named) < len(sent) and answer.status != 413:
        rest = tuple(event_id for event_id in sent if event_id not in set(named))
        return Verdict(Next.GO_ON, why, refused=dict.fromkeys(named, why), unanswered=rest)
    return Verdict(Next.HALVE, why, unanswered=tuple(sent), is_too_large=answer.status == 413)


def reason_of(result: Mapping[str, Any]) -> str:
    """Why an event was refused, in the server's words."""
    words = result.get("error_message")
    return printable(words[:WORDS]) if isinstance(words, str) and words else "the server does not say why"


def clock_of(result: Mapping[str, Any]) -> int:
    """The Lamport clock that a refusal names, as a field or in its words; 0 when it is not about clocks."""
    found = [value for name, value in result.items() if "clock" in name and type(value) is int]
    words = result.get("error_message") or result.get("details") or result.get("error")
    if isinstance(words, str) and "clock" in words.lower():
        found += [int(digits) for digits in re.findall(r"\b[0-9]{1,16}\b", words[:WORDS])]
    return max([0, *found])


def _own_words(answer: Answer) -> str:
    value = read_object(answer)
    if value is None:
        return "" if not answer.body else "no JSON, so perhaps a proxy's page"
    words = [value[name] for name in ("error", "details", "detail") if isinstance(value.get(name), str)]
    return printable(": ".join(words)[:WORDS])


def _instant(text: str) -> float | None:
    """Epoch seconds of an HTTP date; None when it is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
