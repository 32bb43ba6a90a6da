"""How long to wait after a failure: exponential with jitter, so that many who failed together do not come back together.

One `Backoff` belongs to one thing that can fail. Its owner asks `next()` after each failure and calls `reset()` once success
has lasted (five minutes of it: a server that takes a sign-in and then drops us has proven nothing). It only computes;
randomness is an argument.
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
