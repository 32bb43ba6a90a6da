"""How often an address may be wrong: a few wrong tokens at once, then one in a while, and a clear "come back in N seconds".

A leaky bucket for each address, in bounded memory: beyond `ADDRESSES` the one that was wrong longest ago is forgotten. An IPv6
address counts with its whole /64, which is what one household or machine has. `clock` is monotonic.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable

AT_ONCE = 10
"""Wrong tokens that an address may send before it has to wait."""
REFILL = 30.0
"""Seconds after which it may try once more."""
ADDRESSES = 4_096
_IPV6_PREFIX = 64


class Throttle:
    """Counts what was wrong, by address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._empty_at: OrderedDict[str, float] = OrderedDict()
        """When each address's bucket will have leaked out."""

    def wait(self, address: str | None) -> int:
        """Whole seconds until this address may try again; 0: now."""
        over = self._level(_group(address)) - (AT_ONCE - 1) * REFILL
        return math.ceil(over) if over > 0 else 0

    def failed(self, address: str | None) -> None:
        """It was wrong once more."""
        group = _group(address)
        self._empty_at[group] = self._clock() + self._level(group) + REFILL
        self._empty_at.move_to_end(group)
        if len(self._empty_at) > ADDRESSES:
            self._empty_at.popitem(last=False)

    def _level(self, group: str) -> float:
        return max(0.0, self._empty_at.get(group, 0.0) - self._clock())

    def __len__(self) -> int:
        return len(self._empty_at)


def _group(address: str | None) -> str:
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed)
