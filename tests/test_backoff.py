"""Waits grow, stay bounded and are spread; nobody hammers a server."""

import random

import pytest

from listener.backoff import BASE, CAP, LEAST, QUIET_AFTER, Backoff, Polling


def longest(_low: float, high: float) -> float:
    return high


def test_each_wait_may_be_longer_than_the_one_before_up_to_the_cap() -> None:
    backoff = Backoff(longest)
    assert [backoff.next() for _ in range(11)] == [2, 4, 8, 16, 32, 64, 128, 256, 512, CAP, CAP]


def test_reset_begins_anew() -> None:
    backoff = Backoff(longest)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() == BASE


@pytest.mark.parametrize("seed", range(5))
def test_waits_lie_between_a_part_of_the_longest_and_the_longest(seed: int) -> None:
    drawn, bounds = Backoff(random.Random(seed).uniform), Backoff(longest)
    for _ in range(20):
        wait, most = drawn.next(), bounds.next()
        assert LEAST * most <= wait <= most


def test_accounts_that_failed_together_do_not_come_back_together() -> None:
    backoffs = [Backoff(random.Random(seed).uniform) for seed in range(100)]
    for _ in range(3):
        waits = [backoff.next() for backoff in backoffs]
    assert max(waits) - min(waits) > 4


def test_a_server_that_drops_us_after_each_sign_in_sees_at_most_twelve_in_ten_minutes() -> None:
    for seed in range(2000):
        backoff, at, logins = Backoff(random.Random(seed).uniform), 0.0, 0
        while at <= 600:
            logins += 1
            at += backoff.next()
        assert logins <= 12


def test_where_no_mail_has_come_for_an_hour_a_look_is_taken_a_fifth_as_often_until_some_comes() -> None:
    now = [1000.0]
    polling = Polling(60.0, lambda: now[0])
    assert polling.interval == 60.0
    now[0] += QUIET_AFTER - 1
    assert polling.interval == 60.0
    now[0] += 1
    assert polling.interval == 300.0
    polling.mail_came()
    assert polling.interval == 60.0
