"""What a hook is: the interface for people who connect Listener to a case system.

A hook is a class with `async def handle(self, message, case, entry)`; `start()` and `stop()` are optional coroutines. It
is called at least once for every message of a case, with the same `entry.idempotency_key` every time, also after a crash
and after a lost ledger. Return `Filed`, `Ignored`, `Deferred` or None; an exception is a counted retry, then dead.
Runs on a thread and event loop of its own, so blocking code delays nobody else's mail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..message.model import InboundMessage


@dataclass(frozen=True, slots=True)
class Filed:
    """Done. `reference` is this hook's own id for the case, given back in `case.reference` from now on."""

    reference: str | None = None
    note: str | None = None
    close: bool = False
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do for this message, and why. Ends this hook's delivery only."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now; ask again after so many seconds. Not counted as a failure."""

    seconds: float


Outcome = Filed | Ignored | Deferred


@dataclass(frozen=True, slots=True)
class Case:
    """The case a message belongs to, as one hook sees it. `is_new`: this message opened it.

    `unverified`: it came with a valid token from somebody who takes no part in the case and for whom nobody vouches: show it as
    such, and act on nothing that it asks.
    """

    id: str
    account: str
    subject: str
    requester: str
    status: str
    is_new: bool
    reference: str | None = None
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One message's place in the ledger. `attempt` counts from 1. Octets are read on demand, on the calling thread."""

    id: int
    account: str
    folder: str
    idempotency_key: str
    attempt: int
    received_at: float | None
    read_raw: Callable[[], bytes] = field(repr=False)

    def raw(self) -> bytes:
        """The message exactly as the server gave it."""
        return self.read_raw()


@runtime_checkable
class Hook(Protocol):
    """What Listener calls."""

    async def handle(self, message: InboundMessage, case: Case, entry: Entry) -> Outcome | None: ...


class HookHost(Protocol):
    """How the dispatcher runs one configured hook of whatever kind (python, webhook, command)."""

    name: str

    async def start(self) -> None:
        """Make ready. Raises ConfigurationError naming the setting when the hook cannot be used."""
        ...

    async def handle(self, message: InboundMessage, case: Case, entry: Entry) -> Outcome | None:
        """Run it once under its timeout. Raises HookFailed for a retryable failure, HookRefused for a final one."""
        ...

    async def stop(self) -> None:
        """End it; running calls get a grace, then are abandoned. Never raises."""
        ...


class HookFailed(Exception):
    """The hook raised, timed out or answered nonsense; the delivery is tried again, not before `retry_after` seconds."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class HookRefused(Exception):
    """The hook said no for good; the delivery is dead."""


def outcome_json(outcome: Outcome | None) -> dict[str, Any]:
    """The outcome as the ledger keeps it: `{"outcome": "filed" | "ignored" | "deferred" | "none", …}`."""
    if outcome is None:
        return {"outcome": "none"}
    values = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
    return {"outcome": type(outcome).__name__.lower()} | {k: v for k, v in values.items() if v not in (None, False)}
