"""What changes, as it changes: looked for once a second while somebody listens, told to each listener through a bounded queue.

The ledger's history and the accounts' states are the only sources, so nobody has to tell us, nothing is lost between two
looks, and a thousand changes in a second are still one look. A listener that does not read fast enough is dropped and told so.

Rules of the file
1. An event holds ids, states and counts; never a subject, an address or a text.
2. Nothing here waits for a listener.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import LedgerError
from ..ledger import Ledger
from ..ledger.search import Happened
from ..status import AccountStatus

LOOK_EVERY = 1.0
"""Seconds between two looks."""
COUNT_EVERY = 5
"""Looks between two counts."""
QUEUE = 200
"""Events that may wait for one listener."""
LISTENERS = 100
HISTORY_AT_ONCE = 500
"""Events of the ledger that one look reads; what is beyond waits for the next."""
TOLD_AT_ONCE = 50
"""Changes of one kind that are told one by one; more of them in one look are told as `many`."""

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: Facts
    id: str = ""

    def encoded(self) -> bytes:
        """As HTML §9.2 (server-sent events) writes it."""
        head = f"id: {self.id}\n" if self.id else ""
        return f"{head}event: {self.name}\ndata: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()


@dataclass(slots=True, eq=False)
class Listener:
    """Somebody who listens. `ended` says why no more comes; empty while it does."""

    queue: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    ended: str = ""

    def tell(self, event: Event) -> None:
        """Never waits: who is that far behind is dropped."""
        if self.ended:
            return
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.end("dropped")

    def end(self, why: str) -> None:
        """The last event it gets; what still waited is forgotten."""
        self.ended = why
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(Event(why, {}))


class Feed:
    """One daemon's changes."""

    def __init__(self, ledger: Ledger, statuses: Callable[[], Iterable[AccountStatus]]) -> None:
        self._ledger, self._statuses = ledger, statuses
        self._listeners: set[Listener] = set()
        self._watching: asyncio.Task[None] | None = None
        self._boot = secrets.token_hex(4)
        self._version = 0
        self._seen = 0
        self._states: dict[str, tuple[str, float]] = {}
        self._counted: Facts = {}
        self._closed = False

    def join(self, last_seen: str = "") -> Listener | None:
        """A new listener, told where we are: `hello`, or `change` when it missed something. None: there are too many."""
        if self._closed or len(self._listeners) >= LISTENERS:
            return None
        listener = Listener()
        missed = last_seen != "" and last_seen != self._place
        listener.tell(Event("change" if missed else "hello", {"v": self._version}, self._place))
        self._listeners.add(listener)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="feed")
        return listener

    def leave(self, listener: Listener) -> None:
        """Idempotent. Nobody left: nothing is looked for."""
        self._listeners.discard(listener)
        if not self._listeners and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def close(self) -> None:
        """Tell everybody that we end. Idempotent."""
        self._closed = True
        for listener in self._listeners:
            listener.end("bye")

    @property
    def running(self) -> bool:
        """Does anybody still look?"""
        return self._watching is not None and not self._watching.done()

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def _place(self) -> str:
        return f"{self._boot}-{self._version}"

    # --- looking ----------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        self._seen = await self._last_event()
        self._states = self._now()
        looks = 0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            looks += 1
            try:
                await self._look(count=looks % COUNT_EVERY == 0)
            except LedgerError:
                continue  # told by others; here it is only that nothing is told meanwhile

    async def _last_event(self) -> int:
        try:
            return await self._ledger.search.last_event()
        except LedgerError:
            return 0

    async def _look(self, *, count: bool) -> None:
        changed = self._accounts() + self._history(await self._ledger.search.history(self._seen, HISTORY_AT_ONCE))
        if count:
            changed += await self._counters()
        if changed:
            self._version += 1
            changed.append(Event("change", {"v": self._version}, self._place))
        for listener in list(self._listeners):
            for event in changed:
                listener.tell(event)

    def _accounts(self) -> list[Event]:
        before, self._states = self._states, self._now()
        changed = [id for id, state in self._states.items() if before.get(id) != state]
        changed += [id for id in before if id not in self._states]
        if len(changed) > TOLD_AT_ONCE:
            return [Event("account", {"many": len(changed)})]
        return [Event("account", {"id": id, "state": self._states.get(id, ("removed", 0.0))[0]}) for id in changed]

    def _now(self) -> dict[str, tuple[str, float]]:
        return {status.id: (status.state.value, status.since) for status in self._statuses()}

    def _history(self, happened: list[Happened]) -> list[Event]:
        if not happened:
            return []
        self._seen = happened[-1].id
        messages = [one for one in happened if one.entry is not None and one.kind.startswith("message.")]
        cases = dict.fromkeys(one.case for one in happened if one.case is not None)
        told = [Event("message", {"id": one.entry, "account": one.account, "what": one.kind}) for one in messages]
        about = [Event("case", {"id": case}) for case in cases]
        return _few("message", told) + _few("case", about) or [Event("history", {"many": len(happened)})]

    async def _counters(self) -> list[Event]:
        before, self._counted = self._counted, await self._ledger.search.totals()
        return [] if before == self._counted else [Event("counters", {"messages": self._counted})]


def _few(name: str, events: list[Event]) -> list[Event]:
    return events if len(events) <= TOLD_AT_ONCE else [Event(name, {"many": len(events)})]
