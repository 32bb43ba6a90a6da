"""Browser sessions: server-side, in memory, bounded in number and time, ended with the token they were begun with.

They survive no restart: a person signs in again and comes back to the page they were on. The cookie is 256 random bits; only
its digest is kept, so that a memory dump or a page of ours cannot give a session away. `clock` is monotonic.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from .visitor import Principal, Visitor

LIFETIME = 12 * 3600.0
"""Seconds until a session ends, however busy it is."""
IDLE = 3600.0
"""Seconds without a request until it ends."""
MOST = 1_000
"""Sessions at a time; beyond it the one that was silent longest ends."""
SECRET_OCTETS = 32


@dataclass(slots=True)
class _Session:
    visitor: Visitor
    ends: float
    seen: float


class Sessions:
    """All sessions of one daemon."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, principal: Principal) -> str:
        """A new session; what its cookie holds."""
        cookie, now = secrets.token_urlsafe(SECRET_OCTETS), self._clock()
        while len(self._open) >= MOST:
            self._open.popitem(last=False)
        self._open[_key(cookie)] = _Session(Visitor(principal, secrets.token_urlsafe(SECRET_OCTETS)), now + LIFETIME, now)
        return cookie

    def find(self, cookie: str, *, touch: bool = True) -> Visitor | None:
        """Whose it is; None once it has ended. `touch`: a person did something, so it is not idle."""
        key, now = _key(cookie), self._clock()
        session = self._open.get(key)
        if session is None:
            return None
        if now >= session.ends or now - session.seen >= IDLE:
            del self._open[key]
            return None
        if touch:
            session.seen = now
            self._open.move_to_end(key)
        return session.visitor

    def end(self, cookie: str) -> None:
        """Idempotent."""
        self._open.pop(_key(cookie), None)

    def end_of_token(self, token: str) -> None:
        """Every session that was begun with that token."""
        for key in [key for key, session in self._open.items() if session.visitor.principal.token == token]:
            del self._open[key]

    def __len__(self) -> int:
        return len(self._open)


def _key(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
