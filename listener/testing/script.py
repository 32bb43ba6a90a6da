"""Faults on demand: which commands an embedded IMAP or POP3 server answers otherwise than it should, and how.

`server.script.on("UID FETCH", cut=40, times=1)` cuts the next FETCH answer after forty octets. Rules are asked in the order
they were given; the first that matches and has not run out decides. Commands are named as in RFC 9051 and 1939; `FETCH` also
means `UID FETCH`; `*` is every command. Some names are no commands: `GREETING`; for IMAP `DONE`, which ends IDLE (the answer
to `IDLE` itself is its `+`), and `NOTIFY`, what the server says unasked during IDLE (only silent, rewrite, close and reset
apply).

What a fault may do, combined freely
    reply="NO text"   this tagged answer, or POP3's status line; the command is not carried out (unless execute=True)
    instead=b"…"      these octets and nothing else; `{tag}` stands for the tag; not carried out (unless execute=True)
    before= after=    octets around the answer
    rewrite=f         f(answer octets) is sent in its place
    hold=event        answer only once the event is set; a number is seconds
    silent=True       carried out, never answered; the connection stays open and is read no more
    endless=b"…"      after the answer, these octets again and again until the client gives up
    cut=k stall=k     only the first k octets, then close / then silence
    trickle=s         one octet every s seconds
    close="before"    close without carrying out · "instead" carry out, close without an answer · "after" answer, then close
    reset=True        closing is a TCP reset, not a FIN
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """A command as far as rules look at it by themselves."""

    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Named)


class Close(StrEnum):
    """When a fault closes the connection."""

    NEVER = ""
    BEFORE = "before"
    INSTEAD = "instead"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do in place of a plain answer; see the module's page."""

    reply: str | None = None
    instead: bytes | None = None
    before: bytes = b""
    after: bytes = b""
    endless: bytes = b""
    rewrite: Callable[[bytes], bytes] | None = None
    hold: asyncio.Event | float | None = None
    silent: bool = False
    cut: int | None = None
    stall: int | None = None
    trickle: float | None = None
    close: Close = Close.NEVER
    reset: bool = False
    execute: bool = True


@dataclass(slots=True, eq=False)
class Rule(Generic[C]):
    """A fault and when it strikes. `hits` counts how often it did."""

    command: str
    fault: Fault
    when: Callable[[C], bool] | None
    skip: int
    times: int | None
    hits: int = 0

    def remove(self) -> None:
        """Never again. Idempotent."""
        self.times = self.hits

    def strikes(self, command: C) -> bool:
        """Whether it is this one's turn, counting it."""
        names = (self.command, f"UID {self.command}")
        if self.command != "*" and command.name not in names:
            return False
        if (self.when and not self.when(command)) or (self.times is not None and self.hits >= self.times):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True


class Script(Generic[C]):
    """The rules of one server."""

    def __init__(self) -> None:
        self._rules: list[Rule[C]] = []

    def on(
        self,
        command: str,
        *,
        when: Callable[[C], bool] | None = None,
        skip: int = 0,
        times: int | None = None,
        reply: str | None = None,
        instead: bytes | None = None,
        before: bytes = b"",
        after: bytes = b"",
        endless: bytes = b"",
        rewrite: Callable[[bytes], bytes] | None = None,
        hold: asyncio.Event | float | None = None,
        silent: bool = False,
        cut: int | None = None,
        stall: int | None = None,
        trickle: float | None = None,
        close: str = "",
        reset: bool = False,
        execute: bool | None = None,
    ) -> Rule[C]:
        """From now on: on this command, this fault; `skip` lets the first ones pass, `times` bounds how often (None: always).

        `execute` None: carried out unless `reply` or `instead` is given.
        """
        if execute is None:
            execute = reply is None and instead is None
        fault = Fault(
            reply, instead, before, after, endless, rewrite, hold, silent, cut, stall, trickle, Close(close), reset, execute
        )
        rule = Rule(command.upper(), fault, when, skip, times)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Behave from now on."""
        self._rules.clear()

    def take(self, command: C) -> Fault | None:
        """The fault for this command, counted; None: answer as one should."""
        for rule in self._rules:
            if rule.strikes(command):
                return rule.fault
        return None
