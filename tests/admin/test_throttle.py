"""Wrong tokens: a few at once, then one in a while, in bounded memory, by a clock of our own."""

import pytest

from listener.admin.throttle import ADDRESSES, AT_ONCE, REFILL, Throttle

SOMEBODY = "192.0.2.1"


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttle(clock):
    return Throttle(clock)


def fail(throttle, address=SOMEBODY, times=AT_ONCE):
    for _ in range(times):
        throttle.failed(address)


def test_some_mistakes_cost_nothing(throttle):
    fail(throttle, times=AT_ONCE - 1)
    assert throttle.wait(SOMEBODY) == 0


def test_too_many_mistakes_cost_a_wait_that_is_told_in_seconds(throttle, clock):
    fail(throttle)
    assert throttle.wait(SOMEBODY) == REFILL
    clock.now += REFILL - 1
    assert throttle.wait(SOMEBODY) == 1
    clock.now += 1
    assert throttle.wait(SOMEBODY) == 0


def test_after_the_wait_one_more_mistake_costs_another_wait(throttle, clock):
    fail(throttle)
    clock.now += REFILL
    throttle.failed(SOMEBODY)
    assert throttle.wait(SOMEBODY) == REFILL


def test_a_day_later_all_is_forgiven(throttle, clock):
    fail(throttle, times=50)
    clock.now += 86_400
    fail(throttle, times=AT_ONCE - 1)
    assert throttle.wait(SOMEBODY) == 0


def test_an_address_pays_for_its_own_mistakes_only(throttle):
    fail(throttle)
    assert throttle.wait("192.0.2.2") == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        (None, "nonsense"),
    ],
)
def test_addresses_of_one_machine_count_together(throttle, one, other):
    fail(throttle, one)
    assert throttle.wait(other)


def test_different_networks_count_apart(throttle):
    fail(throttle, "2001:db8:0:1::1")
    assert throttle.wait("2001:db8:0:2::1") == 0


def test_memory_is_bounded_and_the_oldest_mistakes_are_forgotten_first(throttle):
    fail(throttle, "192.0.2.1")
    for number in range(ADDRESSES):
        throttle.failed(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    assert len(throttle) == ADDRESSES
    assert throttle.wait("192.0.2.1") == 0
