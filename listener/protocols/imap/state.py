"""How far one folder was listed: the sync state `UIDVALIDITY:UIDNEXT[:HORIZON[:EPOCH]]`, and what a server may do to it.

No I/O. Below HORIZON the ids were given anew and the mail must be recognised by identity; a reset that was interrupted
goes on as one. EPOCH counts how often UIDs began again under the same UIDVALIDITY, which no server may do and some do:
it keeps an old message's unique id from naming a new one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from ...mailbox import MOVED, SyncState

NOBODYS = 1 << 32
_TEXT = re.compile(r"(\d{1,20}):(\d{1,20})(?::(\d{1,20})(?::(\d{1,9}))?)?", re.A)
_UNIQUE_ID = re.compile(r"(\d{1,20}):(\d{1,20})(?::(\d{1,9}))?", re.A)


@dataclass(frozen=True, slots=True)
class Point:
    """Everything below `next_uid` was listed. `horizon` 0: no reset is under way."""

    validity: int
    next_uid: int
    horizon: int = 0
    epoch: int = 0

    @classmethod
    def parse(cls, text: SyncState | None) -> Self | None:
        """What `text` gave; None for none, and for what is none of ours: then the folder is listed from its beginning.

        MOVED is a UIDVALIDITY that no server has (it has 32 bits, RFC 9051 §2.3.1.1), so that a reset begins.
        """
        if text == MOVED:
            return cls(NOBODYS, 1)
        found = _TEXT.fullmatch(text or "")
        return cls(int(found[1]), int(found[2]), int(found[3] or 0), int(found[4] or 0)) if found else None

    @property
    def text(self) -> SyncState:
        """As short as it can be; `parse` reads it."""
        tail = f":{self.horizon}:{self.epoch}" if self.epoch else f":{self.horizon}" if self.horizon else ""
        return SyncState(f"{self.validity}:{self.next_uid}{tail}")

    @property
    def resetting(self) -> bool:
        """Whether what is listed next must be recognised by identity."""
        return self.next_uid < self.horizon

    def advanced(self, next_uid: int) -> Self:
        """Never backwards; past the horizon the reset is over."""
        next_uid = max(self.next_uid, next_uid)
        return replace(self, next_uid=next_uid, horizon=self.horizon if next_uid < self.horizon else 0)

    def unique_id(self, uid: int) -> str:
        """What names a message within its folder for ever."""
        return f"{self.validity}:{uid}:{self.epoch}" if self.epoch else f"{self.validity}:{uid}"


def begin(point: Point | None, validity: int, next_uid: int) -> Point:
    """Where to go on in a folder that now has this UIDVALIDITY and gives `next_uid` to the next message.

    Another UIDVALIDITY, or a `next_uid` behind ours, begins a reset: everything is listed again.
    """
    if point is None:
        return Point(validity, 1)
    if point.validity != validity:
        return _reset(Point(validity, 1), next_uid)
    if next_uid < point.next_uid:
        return _reset(Point(validity, 1, epoch=point.epoch + 1), max(point.next_uid, point.horizon))
    return point


def _reset(point: Point, horizon: int) -> Point:
    return replace(point, horizon=horizon if horizon > point.next_uid else 0)


def read_unique_id(text: str) -> tuple[int, int, int] | None:
    """UIDVALIDITY, UID and epoch; None for what is none of ours."""
    found = _UNIQUE_ID.fullmatch(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
