"""Floods: too much mail from one sender is held, and released in order once the sender is quiet; nothing is ever dropped.

`Flood` is asked by `filing` for each message of a batch, in the transaction that files it, so the count survives a restart and
is exact within a batch; it costs two look-ups a batch. `release_due` is called by the dispatcher when something is due,
`release_some` by people who want it through at once.

Rules of the file
1. While anything of a sender is held or on its way from there, whatever follows from that sender is held behind it, in order.
2. What is held is released AT_ONCE messages every STEP seconds after `release_after` seconds of quiet, and at the latest after
   LONGEST: a sender who is never quiet must not starve.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..rules import Pace, addresses
from . import bulk, verbs
from .events import clean
from .records import Arrival, Parsed, ReleasedHeld, ReleasedSome, State
from .sql import load
from .writer import Transaction

_SQL = load("flood")
FLOOD = "flood"
"""The reason of such a quarantine."""
AT_ONCE = 15
"""Messages of one sender that are released in one step."""
SENDERS_AT_ONCE = 20
"""Senders of whom something is released in one step."""
STEP = 60.0
"""Seconds between two steps of one sender."""
LONGEST = 24 * 3600.0
"""Seconds after which something is released although its sender is not quiet."""
FORGOTTEN_AT_ONCE = 500
"""Counted messages that are looked at in each batch, whether they can be forgotten."""
LOOKED_AT_ONCE = 500
"""Messages in quarantine that one step of a release by hand looks at."""

Sender = tuple[str, str]
"""Account, and the address of a sender."""


@dataclass(slots=True)
class Flood:
    """One batch's arrivals. `arriving` are all of them, with their accounts; only one of them can be held."""

    tx: Transaction
    arriving: Iterable[tuple[str, Arrival]]
    _paces: dict[Sender, Pace] = field(init=False)
    _behind: set[Sender] = field(init=False)
    _passed: list[tuple[str, str, float, float]] = field(default_factory=list)
    _held: list[tuple[int, str, str]] = field(default_factory=list)
    _due: dict[Sender, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._paces, self._behind = {}, set()
        spans: dict[Sender, tuple[float, float]] = {}
        for account, arrival in self.arriving:
            at, within = self._at(arrival), arrival.limit.within
            low, high = spans.get((account, clean(arrival.sender)), (at - within, at + within))
            spans[account, clean(arrival.sender)] = (min(low, at - within), max(high, at + within))
        if not spans:
            return
        self._paces = {sender: Pace() for sender in spans}
        wanted = json.dumps([[*sender, *span] for sender, span in spans.items()])
        for account, sender, at in self.tx.connection.execute(_SQL["arrivals"], (wanted,)):
            self._paces[account, sender].moments.append(at)
        for pace in self._paces.values():
            pace.moments.sort()
        self._behind = set(self.tx.connection.execute(_SQL["held_back"], (wanted,)))

    def judged(self, parsed: Parsed, account: str) -> Parsed:
        """The message as it is, counted; or held, when it is too much or stands behind what was. Without arrival: as it is."""
        arrival = parsed.flood
        if arrival is None or parsed.state is not State.FILED:
            return parsed
        sender, at, limit = (account, clean(arrival.sender)), self._at(arrival), arrival.limit
        if sender not in self._behind and self._paces[sender].passes(at, limit):
            self._passed.append((*sender, at, max(at, self.tx.now) + limit.within))
            return parsed
        self._behind.add(sender)
        self._held.append((parsed.entry, *sender))
        self._due[sender] = max(self._due.get(sender, 0.0), at + limit.release_after)
        detail = {"rule": FLOOD, "limit": f"{limit.messages} in {limit.within:g} s"}
        return Parsed(parsed.entry, parsed.message, State.QUARANTINED, FLOOD, detail)

    def write(self) -> None:
        """Keep what was counted and held; forget what counts no longer."""
        if not self._passed and not self._held:
            return
        connection = self.tx.connection
        connection.execute(_SQL["forget_arrivals"], {"most": FORGOTTEN_AT_ONCE, "now": self.tx.now})
        bulk.insert(connection, _SQL["insert_arrival"], self._passed)
        bulk.insert(connection, _SQL["insert_held"], self._held)
        for (account, sender), due_at in self._due.items():
            values = {"account": account, "sender": sender, "now": self.tx.now, "due_at": due_at, "longest": LONGEST}
            connection.execute(_SQL["hold"], values)

    def _at(self, arrival: Arrival) -> float:
        """No message has come in the future, whatever its server's clock says."""
        return self.tx.now if arrival.at is None else min(arrival.at, self.tx.now)


def release_due(tx: Transaction) -> ReleasedHeld:
    """One step: the oldest messages of the senders whose time has come, in order; and when the next step is due."""
    due = tx.connection.execute(_SQL["due_floods"], {"now": tx.now, "most": SENDERS_AT_ONCE}).fetchall()
    released = sum(_release_of(tx, account, sender) for account, sender in due)
    return ReleasedHeld(released, tx.connection.execute(_SQL["next_flood"]).fetchone()[0])


def _release_of(tx: Transaction, account: str, sender: str) -> int:
    whose = {"account": account, "sender": sender}
    oldest = [row[0] for row in tx.connection.execute(_SQL["oldest_held"], whose | {"most": AT_ONCE + 1})]
    for entry in oldest[:AT_ONCE]:
        verbs.let_through(tx, entry, account, {"rule": FLOOD})
    if len(oldest) > AT_ONCE:
        tx.connection.execute(_SQL["postpone_flood"], whose | {"due_at": tx.now + STEP})
    else:
        tx.connection.execute(_SQL["forget_flood"], whose)
    return min(len(oldest), AT_ONCE)


def release_some(tx: Transaction, reason: str | None, account: str | None, sender: str | None, after: int) -> ReleasedSome:
    """Release what fits among the next entries in quarantine."""
    name = "quarantined" if account is None else "quarantined_of_account"
    values = {"account": account, "after": after, "most": LOOKED_AT_ONCE}
    rows = tx.connection.execute(_SQL[name], values).fetchall()
    by = addresses([sender]) if sender is not None else None
    fitting = [
        (entry, whose)
        for entry, whose, said, whom in rows
        if reason in (None, said, said.partition(":")[0]) and (by is None or by(whom or ""))
    ]
    to_fetch = frozenset(whose for entry, whose in fitting if verbs.release(tx, entry) == State.QUARANTINED)
    return ReleasedSome(len(fitting), rows[-1][0] if len(rows) == LOOKED_AT_ONCE else None, to_fetch)
