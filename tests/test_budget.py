"""How much may be fetched: an account's share of a day."""

from listener.budget import DAY, DayAllowance


class Clock:
    def __init__(self) -> None:
        self.now = 20_000 * DAY

    def __call__(self) -> float:
        return self.now


def test_the_share_is_spent_when_so_much_was_fetched_and_given_anew_at_midnight() -> None:
    clock = Clock()
    allowance = DayAllowance(100, clock)
    allowance.count(99)
    assert not allowance.spent
    allowance.count(1)
    assert allowance.spent
    clock.now += DAY - 1
    assert allowance.spent
    assert allowance.seconds_left == 1
    clock.now += 1
    assert not allowance.spent
    assert allowance.used == 0


def test_without_a_limit_nothing_is_ever_spent() -> None:
    allowance = DayAllowance(None, Clock())
    allowance.count(1 << 60)
    assert not allowance.spent


def test_with_a_share_of_nothing_all_that_is_old_waits() -> None:
    assert DayAllowance(0, Clock()).spent
