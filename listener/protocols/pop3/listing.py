"""What a maildrop holds: UIDL and LIST joined into one table, and the cut into pages. No I/O.

R-26, R-27: UIDL is asked first, then LIST; a message that is in only one of them arrived in between and waits for the next
session. A unique-id names a message only if it is well-formed and stands once; all others are *anonymous*, and named by their
content once it was fetched.

R-29: a server may give all its unique-ids anew. `Sketch` is a small sample of a session's ids, kept as sync state; when most
of it is gone and most of what is listed is new, the session is a reset.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...mailbox import SyncState
from .grammar import scan, unique_id

PAGE_COUNT = 200
PAGE_OCTETS = 16 * 1024 * 1024
SKETCH = 64
"""Ids in a sketch: enough to tell eight in ten from two in ten."""
FEWEST = 5
"""Where we delete what is read, the ids are always others: with fewer than this they say nothing."""
MOST = 0.8


@dataclass(frozen=True, slots=True)
class Drop:
    """One message of this session: its number, its octets as listed, and its unique-id or None."""

    number: int
    size: int
    uidl: str | None


def maildrop(uidl_lines: Iterable[bytes] | None, scan_lines: Iterable[bytes]) -> list[Drop]:
    """The messages in the server's order. `uidl_lines` None: the server has no UIDL."""
    ids: dict[int, str | None] = {}
    for line in uidl_lines or ():
        found = unique_id(line)
        if found is not None:
            ids[found[0]] = found[1]
    times = Counter(uidl for uidl in ids.values() if uidl is not None)
    sizes = (entry for entry in map(scan, scan_lines) if entry is not None)
    both = {number: size for number, size in sizes if uidl_lines is None or number in ids}
    return [Drop(number, size, _only(ids.get(number), times)) for number, size in both.items() if number > 0]


def _only(uidl: str | None, times: Counter[str]) -> str | None:
    return uidl if uidl is not None and times[uidl] == 1 else None


def cut(drops: Sequence[Drop], count: int = PAGE_COUNT, octets: int = PAGE_OCTETS) -> Iterator[list[Drop]]:
    """Pages of at most so many messages and announced octets; one at least."""
    page: list[Drop] = []
    total = 0
    for drop in drops:
        if page and (len(page) >= count or total + drop.size > octets):
            yield page
            page, total = [], 0
        page.append(drop)
        total += drop.size
    if page:
        yield page


@dataclass(frozen=True, slots=True)
class Sketch:
    """The smallest hashes of a set of ids: which part of another set is new can be told from two of them."""

    hashes: tuple[int, ...]

    @classmethod
    def of(cls, ids: Iterable[str]) -> Sketch:
        """The sketch of a set of ids."""
        hashed = (int.from_bytes(hashlib.sha256(one.encode()).digest()[:6], "big") for one in ids)
        return cls(tuple(sorted(set(hashed))[:SKETCH]))

    @classmethod
    def read(cls, state: SyncState | None) -> Sketch:
        """What `text` wrote; anything else is no sketch."""
        try:
            return cls(tuple(int(part, 16) for part in (state or "").split(",") if part))
        except ValueError:
            return cls(())

    def text(self) -> SyncState:
        """As a sync state."""
        return SyncState(",".join(f"{one:x}" for one in self.hashes))

    def replaced_by(self, now: Sketch, *, fewest: int = FEWEST) -> bool:
        """Are most of these gone, and most of those new? Never with fewer than `fewest` before or now."""
        if min(len(self.hashes), len(now.hashes)) < fewest:
            return False
        reach = min(max(self.hashes), max(now.hashes)) if SKETCH in (len(self.hashes), len(now.hashes)) else 1 << 48
        before = {one for one in self.hashes if one <= reach}
        after = {one for one in now.hashes if one <= reach}
        common = len(before & after)
        return bool(before) and bool(after) and common <= (1 - MOST) * min(len(before), len(after))
