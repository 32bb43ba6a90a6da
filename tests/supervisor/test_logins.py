"""How often we sign in, and how long an account rests after each kind of end."""

import asyncio
import random

import pytest
from virtual_clock import run_virtual

from listener.errors import (
    AuthenticationRefused,
    ConnectionLost,
    ConsentLost,
    FolderMissing,
    InsecureConnection,
    LedgerFull,
    Throttled,
    TokenExpired,
)
from listener.status import AccountState
from listener.supervisor.logins import SLOW, LoginGate, Patience


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def patience(clock):
    return Patience(clock, random.Random(7).uniform, 60.0)


def test_a_server_that_drops_us_after_each_sign_in_sees_at_most_twelve_in_ten_minutes(clock):
    for seed in range(300):
        clock.now = 0.0
        patience = Patience(clock, random.Random(seed).uniform, 60.0)
        logins = 0
        while clock.now <= 600:
            logins += 1
            patience.opened()
            clock.now += 0.1 + patience.after(ConnectionLost("dropped after sign-in")).seconds
        assert logins <= 12, f"seed {seed}"


def test_failures_are_forgotten_after_five_minutes_of_success(patience, clock):
    for _ in range(8):
        patience.opened()
        patience.after(ConnectionLost("x"))
    patience.opened()
    clock.now += 299
    assert not patience.proven
    clock.now += 1
    assert patience.after(ConnectionLost("x")).seconds <= 2.0


def test_failures_are_remembered_when_success_was_shorter(patience, clock):
    for _ in range(8):
        patience.opened()
        clock.now += 299
        rest = patience.after(ConnectionLost("x"))
    assert rest.seconds > 2.0


def test_a_refused_password_is_tried_thrice_then_once_an_hour_and_a_person_is_told(patience):
    rests = [patience.after(AuthenticationRefused("no")) for _ in range(6)]
    assert [rest.state for rest in rests] == [AccountState.BACKOFF] * 2 + [AccountState.AUTH_FAILED] * 4
    assert all(rest.seconds < 10 for rest in rests[:2])
    assert all(0.85 * SLOW < rest.seconds <= SLOW for rest in rests[2:])


def test_after_a_person_says_that_it_is_mended_the_quick_tries_begin_anew(patience):
    for _ in range(5):
        patience.after(AuthenticationRefused("no"))
    patience.forget()
    assert patience.after(AuthenticationRefused("no")).seconds < 10


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ConsentLost("gone"), AccountState.NEEDS_CONSENT),
        (FolderMissing("Support", "no such folder"), AccountState.PARKED),
        (InsecureConnection("certificate expired"), AccountState.PARKED),
    ],
)
def test_what_a_person_must_mend_is_probed_at_least_hourly(patience, error, state):
    for _ in range(3):
        rest = patience.after(error)
    assert rest.state == state
    assert 60 < rest.seconds <= 3600


def test_a_throttling_server_gets_the_time_it_asks_for(patience):
    assert 300 <= patience.after(Throttled("slow down", retry_after=300)).seconds <= 330


def test_a_throttling_server_cannot_switch_an_account_off(patience):
    assert patience.after(Throttled("go away", retry_after=10**9)).seconds <= 3960


def test_an_expired_token_reconnects_at_once(patience, clock):
    patience.opened()
    clock.now += 3600
    assert patience.after(TokenExpired("expired")).seconds == 0


def test_a_token_that_is_expired_from_the_start_backs_off(patience, clock):
    waits = []
    for _ in range(6):
        patience.opened()
        clock.now += 1
        waits.append(patience.after(TokenExpired("expired")).seconds)
    assert all(waits)
    assert waits[-1] > 10


def test_an_unknown_error_is_taken_for_one_that_passes(patience):
    rest = patience.after(ZeroDivisionError())
    assert rest.state == AccountState.BACKOFF
    assert 0 < rest.seconds <= 2


def test_a_full_ledger_waits_for_the_ledger_and_does_not_count_against_the_server(patience):
    for _ in range(10):
        assert patience.after(LedgerFull("disk full")).seconds is None
    assert patience.after(ConnectionLost("x")).seconds <= 2


def test_a_session_that_ended_as_it_should_is_followed_after_the_poll_interval(patience):
    assert patience.after(None).seconds == 60.0


def test_sign_ins_to_one_host_keep_to_the_rate_and_other_hosts_do_not_wait():
    async def main(loop):
        gate = LoginGate(10, loop.time)
        began = loop.time()
        times = []

        async def sign_in(host):
            await gate.turn(host)
            times.append((host, loop.time() - began))

        await asyncio.gather(*(sign_in("one") for _ in range(100)), sign_in("two"))
        return times

    times = run_virtual(main)
    ones = sorted(at for host, at in times if host == "one")
    assert dict(t for t in times if t[0] == "two") == {"two": 0}
    assert 8.9 < ones[-1] < 9.2
    assert all(sum(start <= at < start + 1 for at in ones) <= 20 for start in ones)


def test_a_rate_below_one_a_second_spaces_sign_ins():
    async def main(loop):
        gate = LoginGate(0.1, loop.time)
        began = loop.time()
        for _ in range(3):
            await gate.turn("one")
        return loop.time() - began

    assert round(run_virtual(main)) == 20


def test_a_quiet_account_is_looked_at_less_often_until_mail_comes(patience, clock):
    assert patience.after(None).seconds == 60
    clock.now += 3599
    assert patience.after(None).seconds == 60
    clock.now += 1
    assert patience.after(None).seconds == 300
    clock.now += 86400
    patience.mail_came()
    assert patience.after(None).seconds == 60


def test_a_server_that_asks_for_a_delay_between_sign_ins_gets_it(patience, clock):
    patience.opened(900.0)
    clock.now += 100
    assert patience.after(None).seconds == 800
    assert patience.after(ConnectionLost("x")).seconds == 800
    assert patience.after(LedgerFull("x")).seconds is None
    clock.now += 800
    assert patience.after(None).seconds == 60
    patience.opened()
    assert patience.after(None).seconds == 60


def test_no_delay_between_sign_ins_switches_an_account_off(patience):
    patience.opened(999_999.0)
    assert patience.after(None).seconds == 3600
