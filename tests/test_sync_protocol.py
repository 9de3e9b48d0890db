"""One way through the queue, and when the next one begins: answers in, parts and dates out; no server, no clock."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catflap.sync.answers import Answer, Verdict, read_batch
from catflap.sync.protocol import LONE_REFUSALS, Do, Run, backoff_s
from catflap.sync.schedule import BATCH_S, GATHER_S, PROBE_S, STEADY_S, TRIES, Due, Schedule, State

Server = Callable[[Sequence[str]], Answer]


def ids(count: int) -> list[str]:
    return [f"<{number:05}>" for number in range(count)]


def run_of(count: int, *, tries: int = 3) -> Run:
    return Run(ids(count), tries, lambda: 0.0)


def drive(run: Run, server: Server, *, most: int = 10_000) -> list[tuple[int, Do]]:
    """Run against a server that is a function; how large each part was, and what followed."""
    seen = []
    while not run.is_over and len(seen) < most:
        part = run.part()
        do = run.take(read_batch(part, server(part), now_s=0.0))
        seen.append((len(part), do))
    assert len(seen) < most
    return seen


def accepting(sent: Sequence[str]) -> Answer:
    return Answer(200, json.dumps({"results": [{"event_id": one, "status": "success"} for one in sent]}).encode())


def choosing(is_poison: Callable[[str], bool], status: int) -> Server:
    """Refuses a whole request when anything in it is poison, without saying what."""
    return lambda sent: Answer(status, b"{}") if any(map(is_poison, sent)) else accepting(sent)


def scripted(*answers: Answer | Server) -> Server:
    """One answer after the other, then a good server."""
    left = list(answers)

    def answer(sent: Sequence[str]) -> Answer:
        found = left.pop(0) if left else accepting
        return found(sent) if callable(found) else found

    return answer


def test_ten_thousand_events_go_in_ten_parts() -> None:
    run = run_of(10_000)
    assert drive(run, accepting) == [(1000, Do.SEND)] * 9 + [(1000, Do.END)]
    assert (run.counts.sent, run.counts.accepted, run.why) == (10_000, 10_000, "")


def test_parts_are_in_the_order_of_the_queue() -> None:
    run, sent = run_of(2500), []
    drive(run, lambda part: (sent.extend(part), accepting(part))[1])
    assert sent == ids(2500)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_halving_finds_the_culprits_and_takes_the_rest(status: int) -> None:
    poison = {ids(1000)[3], ids(1000)[997]}
    run = run_of(1000)
    requests = drive(run, choosing(lambda one: one in poison, status))
    assert run.refusals.keys() == poison
    assert (run.counts.accepted, run.counts.refused, run.counts.sent) == (998, 2, 1000)
    assert len(requests) < 50


def test_a_server_that_takes_small_requests_only_is_asked_for_large_ones_once() -> None:
    run = run_of(3000)
    drive(run, lambda part: Answer(413) if len(part) > 100 else accepting(part))
    assert run.counts.accepted == 3000
    again = run_of(3000)
    sizes = [size for size, _ in drive(again, lambda part: Answer(413) if len(part) > 600 else accepting(part))]
    assert (again.counts.accepted, sizes.count(1000)) == (3000, 1)


@pytest.mark.parametrize("status", [400, 403, 413])
def test_a_server_that_refuses_everything_does_not_wear_the_queue_out(status: int) -> None:
    run = run_of(10_000)
    requests = drive(run, lambda _: Answer(status, b"{}"))
    assert len(requests) < 20
    assert run.counts.refused == (LONE_REFUSALS if status != 403 else 0)
    assert run.suspects() == {}
    assert "one event after the other" in run.why


def test_a_403_for_one_event_is_its_own_fault_when_others_are_taken() -> None:
    run = run_of(8)
    drive(run, choosing(lambda one: one == ids(8)[5], 403))
    assert list(run.suspects()) == [ids(8)[5]]
    assert run.counts.accepted == 7


def test_a_401_is_answered_by_one_renewal_and_no_second() -> None:
    run = run_of(10)
    assert drive(run, scripted(Answer(401))) == [(10, Do.REFRESH), (10, Do.END)]
    assert run.counts.accepted == 10
    run = run_of(10)
    assert drive(run, lambda _: Answer(401)) == [(10, Do.REFRESH), (10, Do.END)]
    assert run.counts.accepted == 0
    assert "token" in run.why


def test_each_part_may_be_met_by_an_expired_token() -> None:
    run = run_of(2000)
    drive(run, scripted(Answer(401), accepting, Answer(401)))
    assert run.counts.accepted == 2000


def test_failures_are_tried_again_with_growing_waits_and_then_no_more() -> None:
    run, waits = run_of(5, tries=4), []
    while not run.is_over:
        if run.take(Verdict(**vars_of(run, Answer(500)))) is Do.WAIT:
            waits.append(run.wait_s)
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert (run.counts.accepted, run.why) == (0, "the server answers 500")


def vars_of(run: Run, answer: Answer) -> dict[str, object]:
    found = read_batch(run.part(), answer, now_s=0.0)
    return {name: getattr(found, name) for name in found.__slots__}


def test_patience_that_is_asked_for_is_given() -> None:
    run = run_of(5)
    part = run.part()
    assert run.take(read_batch(part, Answer(429, retry_after="17"), now_s=0.0)) is Do.WAIT
    assert run.wait_s == 17.0
    assert run.part() == part
    assert run.take(read_batch(part, accepting(part), now_s=0.0)) is Do.END
    assert run.counts.accepted == 5


def test_a_server_that_asks_for_patience_for_ever_is_left() -> None:
    run = run_of(5)
    drive(run, lambda _: Answer(503, retry_after="1"))
    assert run.counts.accepted == 0


def test_what_results_leave_out_is_sent_again_as_long_as_others_are_settled() -> None:
    run = run_of(100)
    drive(run, lambda part: accepting(part[: max(1, len(part) // 2)]))
    assert run.counts.accepted == 100
    run = run_of(100, tries=2)
    assert [do for _, do in drive(run, lambda _: accepting([]))] == [Do.WAIT, Do.WAIT, Do.END]


def test_a_part_that_is_too_large_is_cut_and_its_rest_comes_next() -> None:
    run = run_of(10)
    run.part()
    run.only(4)
    assert run.part() == ids(10)[:4]
    run.take(read_batch(run.part(), accepting(run.part()), now_s=0.0))
    assert run.part() == ids(10)[4:]
    run.leave(ids(10)[4:9])
    assert run.part() == ids(10)[9:]


answers = st.sampled_from([200, 200, 200, 201, 302, 400, 401, 403, 404, 413, 429, 500, 503])
shares = st.sampled_from([0.0, 0.3, 1.0])


@given(count=st.integers(0, 60), script=st.lists(st.tuples(answers, shares), max_size=60))
def test_any_script_ends_and_loses_nothing(count: int, script: list[tuple[int, float]]) -> None:
    taken: list[str] = []

    def one(status: int, share: float) -> Server:
        def answer(sent: Sequence[str]) -> Answer:
            own = list(sent[: math.ceil(len(sent) * share)]) if status == 200 else []
            taken.extend(own)
            return accepting(own) if status == 200 else Answer(status, b"{}")

        return answer

    def last(sent: Sequence[str]) -> Answer:
        taken.extend(sent)
        return accepting(sent)

    run = run_of(count)
    drive(run, scripted(*[one(*step) for step in script], *[last] * 200))
    assert len(taken) == len(set(taken)) == run.counts.accepted  # what was settled was not sent again
    assert run.counts.accepted + len(run.refusals) <= count
    if not run.why:
        assert run.counts.accepted + len(run.refusals) + len(run.suspects()) >= count


@given(failures=st.integers(1, 5000), jitter=st.floats(0, 1))
def test_backing_off_grows_to_half_a_minute_and_no_further(failures: int, jitter: float) -> None:
    longest = min(0.5 * 2 ** min(failures - 1, 20), 30.0)
    assert longest / 2 <= backoff_s(failures, jitter) <= longest


# -- the schedule


def scheduled(jitter: float = 0.0) -> Schedule:
    found = Schedule(lambda: jitter)
    found.logged_in(0.0)
    return found


def test_nothing_is_due_before_a_login() -> None:
    schedule = Schedule(lambda: 0.0)
    schedule.told(0.0)
    schedule.asked(0.0)
    assert (schedule.state, schedule.due(1e9), schedule.next_at()) == (State.OFFLINE, None, math.inf)


def test_a_login_begins_with_a_batch_and_then_the_socket() -> None:
    schedule = scheduled()
    assert (schedule.state, schedule.due(0.0)) == (State.RECONNECTING, Due.BATCH)
    schedule.batch_done(1.0)
    assert schedule.due(1.0) is Due.CONNECT
    schedule.connected(2.0)
    assert (schedule.state, schedule.due(2.0)) == (State.CONNECTED, Due.BATCH)
    schedule.batch_done(3.0)
    assert (schedule.due(3.0), schedule.next_at()) == (None, 3.0 + BATCH_S)


def connected() -> Schedule:
    schedule = scheduled()
    schedule.batch_done(0.0)
    schedule.connected(0.0)
    schedule.batch_done(0.0)
    return schedule


def test_ten_tries_and_then_batches() -> None:
    schedule, now, waits = connected(), 100.0, []
    schedule.lost(now)
    while schedule.state is State.RECONNECTING:
        waits.append(schedule.connect_at - now)
        now = schedule.connect_at
        assert schedule.due(now) is Due.CONNECT
        schedule.not_connected(now)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]
    assert len(waits) == TRIES
    assert (schedule.state, schedule.connect_at) == (State.BATCH, math.inf)


def in_batch_mode(*, got_through: bool) -> tuple[Schedule, float]:
    schedule, now = connected(), 100.0
    schedule.lost(now)
    if not got_through:
        schedule.batch_failed(now, is_away=True)
    while schedule.state is State.RECONNECTING:
        now = schedule.connect_at
        schedule.not_connected(now)
    return schedule, now


def test_in_batch_mode_a_batch_that_succeeds_leads_back_to_the_socket() -> None:
    schedule, now = in_batch_mode(got_through=True)
    schedule.batch_done(now)
    assert schedule.due(now) is Due.CONNECT
    schedule.connected(now)
    assert schedule.state is State.CONNECTED


def test_a_socket_that_stays_shut_is_tried_once_per_batch() -> None:
    schedule, now = in_batch_mode(got_through=True)
    for _ in range(3):
        now = schedule.batch_at
        assert schedule.due(now) is Due.BATCH
        schedule.batch_done(now)
        assert schedule.due(now) is Due.CONNECT
        schedule.not_connected(now)
        assert (schedule.state, schedule.due(now), schedule.batch_at) == (State.BATCH, None, now + BATCH_S)


def test_a_server_that_is_back_gets_what_waits_within_half_a_minute() -> None:
    """Whatever the connection was called meanwhile: a try of the socket, a batch, or a question comes that soon."""
    schedule, now = connected(), 100.0
    schedule.lost(now)
    schedule.batch_failed(now, is_away=True)
    for _ in range(500):
        following = schedule.next_at()
        assert following - now <= 30.0
        now = following
        match schedule.due(now):
            case Due.CONNECT:
                schedule.not_connected(now)
            case Due.BATCH:
                schedule.batch_failed(now, is_away=True)
            case Due.PROBE:
                schedule.probed(now, is_there=False)
    assert schedule.state is State.BATCH
    schedule.probed(now, is_there=True)
    assert schedule.due(now) is Due.BATCH


def test_a_socket_that_breaks_at_once_each_time_is_no_socket() -> None:
    schedule, now = connected(), 0.0
    for _ in range(TRIES + 1):
        if schedule.state is State.BATCH:
            break
        schedule.connected(now)
        schedule.batch_done(now)
        now += STEADY_S / 2
        schedule.lost(now)
        now = max(now, min(schedule.connect_at, now + 60))
    assert schedule.state is State.BATCH


def test_a_socket_that_held_gives_all_tries_back() -> None:
    schedule, now = connected(), 100.0
    schedule.lost(now)
    for _ in range(TRIES - 1):
        schedule.not_connected(now)
    schedule.connected(now)
    schedule.lost(now + STEADY_S)
    assert schedule.connect_at == now + STEADY_S + 0.5
    for _ in range(TRIES - 1):
        schedule.not_connected(now)
    assert schedule.state is State.RECONNECTING


def test_what_is_told_in_batch_mode_goes_soon_unless_nothing_gets_through() -> None:
    schedule, now = in_batch_mode(got_through=True)
    schedule.told(now)
    assert schedule.batch_at == now + GATHER_S
    schedule.batch_failed(now + 1)
    schedule.told(now + 2)
    assert (schedule.batch_at, schedule.probe_at) == (now + 1 + BATCH_S, math.inf)
    schedule.batch_failed(now + 3, is_away=True)
    assert (schedule.batch_at, schedule.probe_at) == (now + 3 + BATCH_S, now + 3 + PROBE_S)


@pytest.mark.parametrize("wait_s", [120.0, 3600.0])
def test_the_patience_that_a_server_asks_for_is_kept_by_every_batch(wait_s: float) -> None:
    schedule, now = in_batch_mode(got_through=True)
    schedule.batch_failed(now, wait_s=wait_s)
    schedule.told(now + 1)
    schedule.asked(now + 2)
    schedule.connected(now + 3)
    assert schedule.batch_at == now + wait_s


def test_a_refused_session_ends_everything_until_the_next_login() -> None:
    schedule = connected()
    schedule.logged_out()
    schedule.told(1.0)
    assert (schedule.state, schedule.due(1e9)) == (State.OFFLINE, None)
    schedule.logged_in(2.0)
    assert schedule.due(2.0) is Due.BATCH
