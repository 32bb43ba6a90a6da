"""Faults on demand: what the embedded SMTP server answers otherwise than it should.

`receiver.script.on("text", close="instead", times=1)` takes the next message and cuts the connection before its 250. Rules are
asked in the order they were given; the first that matches and has not run out decides.

Steps are named by their verb in small letters (`ehlo`, `auth`, `mail`, `rcpt`, `data`, `rset`, `quit`), `greeting` for the
first line, `text` for what follows the final dot. `when` is asked with what stands behind the verb; for `text` with the first
recipient.

What a fault may do
    answer="451 4.3.0 later"   this answer; nothing is carried out
    hold=event                 go on only once the event is set
    close="before"             cut the connection without carrying out · "instead": carry out, then cut without an answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Rule:
    """A fault and when it strikes. `hits` counts how often it did; `struck` is set the first time."""

    step: str
    answer: str
    close: str
    hold: asyncio.Event | None
    when: Callable[[str], bool]
    skip: int
    times: int | None
    struck: asyncio.Event
    hits: int = 0

    def remove(self) -> None:
        """Never again. Idempotent."""
        self.times = self.hits

    def strikes(self, step: str, argument: str) -> bool:
        """Whether it is this one's turn, counting it."""
        if step != self.step or (self.times is not None and self.hits >= self.times) or not self.when(argument):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        self.struck.set()
        return True


class Script:
    """The rules of one server."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def on(
        self,
        step: str,
        *,
        answer: str = "",
        close: str = "",
        hold: asyncio.Event | None = None,
        when: Callable[[str], bool] = lambda argument: True,
        skip: int = 0,
        times: int | None = None,
    ) -> Rule:
        """From now on, at this step, this fault; `skip` lets the first ones pass, `times` bounds how often (None: always)."""
        rule = Rule(step, answer, close, hold, when, skip, times, asyncio.Event())
        self._rules.append(rule)
        return rule

    async def play(self, step: str, argument: str, carry_out: Callable[[], Awaitable[str]]) -> str:
        """The answer to this step. Raises ConnectionResetError where the connection is to be cut."""
        rule = next((rule for rule in self._rules if rule.strikes(step, argument)), None)
        if rule is None:
            return await carry_out()
        if rule.hold is not None:
            await rule.hold.wait()
        if rule.close == "instead":
            await carry_out()
        if rule.close:
            raise ConnectionResetError("the script cuts the connection")
        return rule.answer or await carry_out()
