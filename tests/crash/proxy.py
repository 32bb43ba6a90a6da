"""A proxy around a seam: counts every call that has an effect, and at the N-th one dies or fails.

`Gate` is shared by all proxies of one process, so N counts calls to mailboxes, ledger and hooks together, in the order in which
they happen. `before` stops a call from taking effect; `after` lets it take effect and keeps its result from everybody.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Gate:
    """What happens at call number `at` (from 1; 0 never): `kill`, or raise `failure()`, once or from then on for good."""

    at: int = 0
    after: bool = False
    failure: Callable[[str], BaseException] | None = None
    for_good: bool = False
    count: int = 0
    armed: bool = True
    names: list[str] = field(default_factory=list)

    def _strikes(self, number: int) -> bool:
        return self.armed and self.at > 0 and (number == self.at or (self.for_good and number > self.at))

    def enter(self, name: str) -> int:
        """Number this call; strike before it."""
        self.count += 1
        self.names.append(name)
        if self._strikes(self.count) and not self.after:
            self._strike(name)
        return self.count

    def leave(self, name: str, number: int) -> None:
        """Strike after it."""
        if self.after and self._strikes(number):
            self._strike(name)

    def _strike(self, name: str) -> None:
        if self.failure is None:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise self.failure(name)


class Proxy:
    """`target` with every coroutine and asynchronous generator among `methods` passing the gate; the rest as it is."""

    def __init__(self, target: Any, gate: Gate, methods: Iterable[str], prefix: str) -> None:
        self.__dict__.update(_target=target, _gate=gate, _methods=frozenset(methods), _prefix=prefix)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name not in self._methods:
            return value
        if inspect.iscoroutinefunction(value):
            return lambda *args, **kwargs: self._call(name, value, args, kwargs)
        return lambda *args, **kwargs: self._generate(name, value(*args, **kwargs))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)

    async def _call(self, name: str, method: Any, args: Any, kwargs: Any) -> Any:
        called = f"{self._prefix}.{name}"
        try:
            number = self._gate.enter(called)
        except Exception:
            if name == "close":
                self._hang_up()
            raise
        result = await method(*args, **kwargs)
        self._gate.leave(called, number)
        return result

    def _hang_up(self) -> None:
        """A mailbox that cannot be closed politely has lost its connection: else its server would think it open still."""
        session = getattr(self._target, "session", None)
        if session is not None:
            session.connection.close()

    async def _generate(self, name: str, source: Any) -> AsyncIterator[Any]:
        called = f"{self._prefix}.{name}"
        try:
            while True:
                number = self._gate.enter(called)
                try:
                    item = await anext(source)
                except StopAsyncIteration:
                    return
                self._gate.leave(called, number)
                yield item
        finally:
            await source.aclose()


MAILBOX = ("folders", "baseline", "pages", "fetch", "acknowledge", "wait", "close")
HOOK = ("handle",)
LEDGER = (
    *("baselines", "set_baseline", "sync_states", "plan", "accept", "confirm", "owed", "fetch_attempted", "released"),
    *("due_entries", "parse_attempted", "file", "due_deliveries", "begin_delivery", "settle_delivery", "fail_delivery"),
    *("drop_hooks",),
)
