"""How long to wait: after a failure, exponentially and with jitter, and between two looks for mail.

Who failed together does not come back together.

One `Backoff` belongs to one thing that can fail. Its owner asks `next()` after each failure and calls `reset()` once success
has lasted (five minutes of it: a server that takes a sign-in and then drops us has proven nothing). `Polling` says how soon
to look again where a server cannot tell of mail. Both only compute; randomness and the clock are arguments.
"""

from __future__ import annotations

from collections.abc import Callable

BASE = 2.0
"""Seconds: the longest first wait."""
FACTOR = 2.0
"""By which the longest wait grows each time. With 1.5, a server that drops us after each sign-in saw over 20 of them in ten
minutes; with 2 it sees 9, and in 20,000 simulated accounts never more than 12.
"""
CAP = 600.0
"""Seconds: no wait is longer."""
LEAST = 0.2
"""A wait is at least this part of the longest one: pure full jitter tries again at once too often."""


QUIET_AFTER = 3600.0
"""Seconds without new mail, after which an account is looked at less often."""
QUIET_FACTOR = 5.0
"""By which the interval is then longer: 60 s become 300 s."""


class Backoff:
    """Growing waits. `uniform(a, b)` draws a number between a and b."""

    def __init__(
        self, uniform: Callable[[float, float], float], *, base: float = BASE, factor: float = FACTOR, cap: float = CAP
    ) -> None:
        self._uniform = uniform
        self._base, self._factor, self._cap = base, factor, cap
        self._longest = base

    def next(self) -> float:
        """Seconds to wait now; the following one is longer."""
        wait = self._uniform(LEAST * self._longest, self._longest)
        self._longest = min(self._longest * self._factor, self._cap)
        return wait

    def reset(self) -> None:
        """Begin anew: success has lasted."""
        self._longest = self._base


class Polling:
    """How often to look where the server cannot tell by itself: often while mail comes, seldom once it has not for an hour."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._mail_at = clock()

    def mail_came(self) -> None:
        """New mail was found just now."""
        self._mail_at = self._clock()

    @property
    def interval(self) -> float:
        """Seconds until the next look; never less than the setting."""
        quiet = self._clock() - self._mail_at >= QUIET_AFTER
        return self._interval * QUIET_FACTOR if quiet else self._interval
