"""What goes into the ledger and what comes out: plain frozen records, no SQL and no I/O.

The life of a message is `State`; the life of one hook's work on it is `DeliveryState`. Which transitions are legal stands in
`transitions` in schema.sql, where the database itself holds to it, and in docs/architecture.md for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..mailbox import Listing, Receipt
from ..message.model import InboundMessage
from ..rules import FloodLimit


class State(StrEnum):
    """The life of a message (docs/architecture.md)."""

    ACCEPTED = "accepted"
    FILED = "filed"
    DONE = "done"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"
    DEAD = "dead"


class DeliveryState(StrEnum):
    """The life of one hook's work on one message."""

    DUE = "due"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Rebind:
    """A known entry that a reset lists under a new unique id."""

    entry: int
    listing: Listing


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a page: fetch these; re-key those; leave alone what is before the baseline.

    `known` are listings whose rows exist already; their owed receipts come back from `accept` with the new ones. `back` are
    entries that the server lists although it confirmed that they were gone.
    """

    fetch: tuple[Listing, ...] = ()
    rebind: tuple[Rebind, ...] = ()
    before_baseline: tuple[Listing, ...] = ()
    known: tuple[Listing, ...] = ()
    back: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What one commit did. `receipts` are owed to the server now, of new and of already known rows of the page."""

    receipts: tuple[Receipt, ...]
    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    ignored: int = 0
    set_aside: tuple[tuple[str, str], ...] = ()
    """State and reason of each message that was quarantined or ignored on arrival."""


@dataclass(frozen=True, slots=True)
class DueEntry:
    """An accepted message to be parsed and filed.

    `suspicious`: accepted by an earlier process life, which may have died of it; parse it alone, in a worker, its attempt
    counted first.
    """

    id: int
    account: str
    folder: str
    received_at: float | None
    suspicious: bool
    attempts: int
    octets: bytes
    released: str = ""
    accepted_at: float = 0.0
    """The reason of the quarantine that it was released from; "": of none."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the limit on floods counts: from whom and when (POSIX seconds, by its server; None: now), and the limit."""

    sender: str
    at: float | None
    limit: FloodLimit


@dataclass(frozen=True, slots=True)
class ReleasedHeld:
    """How many held messages were released, and when the next are due (POSIX seconds; None: nothing is held)."""

    messages: int
    next_at: float | None


@dataclass(frozen=True, slots=True)
class ReleasedSome:
    """One step of a release by hand: how many, the entry to go on after (None: that was all), whose mail must be fetched."""

    messages: int
    after: int | None
    to_fetch: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Parsed:
    """An entry and what became of parsing it. `reason` with a state IGNORED or QUARANTINED ends it before a case.

    `flood`: it counts as an arrival and may be held; None: it never is.
    """

    entry: int
    message: InboundMessage | None
    state: State = State.FILED
    reason: str = ""
    detail: Mapping[str, Any] | None = None
    flood: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How the ledger itself ended an entry that was to be filed: held for a flood, or ignored as a copy."""

    state: State
    reason: str


FiledAs = str | Ended | None
"""What filing made of an entry: its case; how the ledger ended it; None: what the caller asked for, without a case."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """One hook's next piece of work: the head of its case's queue."""

    id: int
    entry: int
    account: str
    case: str
    hook: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery under way: all that a hook call needs. `attempt` was raised and committed before this was handed out."""

    id: int
    entry: int
    account: str
    folder: str
    hook: str
    attempt: int
    idempotency_key: str
    received_at: float | None
    message: InboundMessage
    case_id: str
    case_subject: str
    case_requester: str
    case_status: str
    case_is_new: bool
    case_reference: str | None
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one account still has before it. Times are POSIX seconds."""

    unprocessed: int = 0
    oldest_unprocessed: float | None = None


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """What the ledger knows of an account beside its configuration."""

    id: str
    paused: bool
    states: Mapping[str, int]


Row = dict[str, Any]
"""One line of a list, as the contract's `--json` prints it."""

Receipts = Sequence[Receipt]


@dataclass(frozen=True, slots=True)
class Storage:
    """The room that the ledger takes and has, in octets."""

    free: int
    ledger: int
    wal: int
