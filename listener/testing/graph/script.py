"""Faults on demand: which requests the embedded Graph answers otherwise than it should, and how.

`server.script.on("value", cut=40, times=1)` cuts the next message after forty octets. Rules are asked in the order they were
given; the first that matches and has not run out decides. Requests are named by what they do: `delta`, `list`, `message`,
`value`, `patch`, `delete`, `move`, `create`, `send`, `sendMail`, `folders`, `folder`, `user`; `*` is every one.

What a fault may do, combined freely
    status= code= words=   this refusal; the request is not carried out (unless execute=True)
    headers={…}            further headers of the answer, such as Retry-After
    instead=b"…"           these octets as the body, with status 200 unless one is given; not carried out (unless execute=True)
    rewrite=f              f(document) is answered in place of the JSON document
    hold=event             answer only once the event is set
    cut=k                  only the first k octets of the body, then the connection is reset
    stall=event            the first half of the body, the rest once the event is set
    trickle=True           one octet at a time
    close="before"         reset without carrying out · "instead": carry out, then reset without an answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: what it does (see above), for which mailbox, and its parts. `at` is the event loop's time."""

    name: str
    user: str
    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: float = 0.0

    @property
    def id(self) -> str:
        """The id of the message or folder that is asked for."""
        return self.path[1] if len(self.path) > 1 else ""

    @property
    def prefers(self) -> str:
        """The Prefer header."""
        return self.headers.get("Prefer", "")


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do in place of a plain answer; see the module's page."""

    status: int | None = None
    code: str = ""
    words: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    instead: bytes | None = None
    rewrite: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    hold: asyncio.Event | None = None
    cut: int | None = None
    stall: asyncio.Event | None = None
    trickle: bool = False
    close: str = ""
    execute: bool = True


@dataclass(slots=True, eq=False)
class Rule:
    """A fault and when it strikes. `hits` counts how often it did."""

    name: str
    fault: Fault
    when: Callable[[Asked], bool] | None
    skip: int
    times: int | None
    hits: int = 0

    def remove(self) -> None:
        """Never again. Idempotent."""
        self.times = self.hits

    def strikes(self, asked: Asked) -> bool:
        """Whether it is this one's turn, counting it."""
        if self.name not in ("*", asked.name) or (self.times is not None and self.hits >= self.times):
            return False
        if self.when and not self.when(asked):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True


class Script:
    """The rules of one server."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def on(
        self,
        name: str,
        *,
        when: Callable[[Asked], bool] | None = None,
        skip: int = 0,
        times: int | None = None,
        execute: bool | None = None,
        **fault: Any,
    ) -> Rule:
        """From now on: on this request, this fault; `skip` lets the first ones pass, `times` bounds how often (None: always).

        `execute` None: carried out unless `status`, `instead` or `close="before"` is given.
        """
        if execute is None:
            execute = "status" not in fault and "instead" not in fault and fault.get("close") != "before"
        rule = Rule(name, Fault(execute=execute, **fault), when, skip, times)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Behave from now on."""
        self._rules.clear()

    def take(self, asked: Asked) -> Fault | None:
        """The fault for this request, counted; None: answer as one should."""
        return next((rule.fault for rule in self._rules if rule.strikes(asked)), None)
