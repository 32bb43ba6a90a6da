"""Does it work? Tests the connection of an account that need not be saved yet, step by step, and previews its mail.

The steps are those of `listener check`, by the daemon's own code, given out as each completes; secrets of a draft are in memory
only. Nothing is written, on no server and not in the ledger. It connects wherever it is told to, as a mail client must, so only
those who may change accounts may use it; of what a server says, only the words of `check` are shown. At most AT_ONCE at a
time, each bounded in time, and given up when nobody listens any more.

Raises ConfigurationError (the draft has faults), Refused (too many at once), AccountFailure (preview).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from ..check import Step, check_account
from ..config import Account, Config
from ..config.kept_fields import api_name, api_words
from ..credentials import SkewOf, TokenOf
from ..errors import ConfigurationError, Fault, Refused, TransientFailure
from ..ledger import KeptKind
from ..preview import Known, NothingKnown, preview
from .book import AccountBook

Row = dict[str, Any]
AT_ONCE = 4
TEST_SECONDS = 120.0
"""For all steps of one test."""
PREVIEW_SECONDS = 60.0


@dataclass
class Trials:
    """Of one daemon. `config` is what runs, `known` what its ledger knows, `token_of` gives its profiles' tokens,
    `skew_of` says what they told of clocks.
    """

    book: AccountBook
    config: Callable[[], Config]
    known: Known
    token_of: TokenOf
    skew_of: SkewOf = lambda profile: None
    at_once: int = AT_ONCE
    test_seconds: float = TEST_SECONDS
    preview_seconds: float = PREVIEW_SECONDS
    clock: Callable[[], float] = time.monotonic
    _running: int = 0

    async def steps(self, settings: Mapping[str, Any] | None, id: str | None) -> AsyncGenerator[Row]:
        """A row for each step, the last one `{"done": true, "ok", "seconds"}`. `settings` None: as it is saved."""
        with self._place():
            account = await self._account(settings, id)
            begun, ok = self.clock(), True
            async with aclosing(self._bounded(account)) as steps:
                async for step in steps:
                    ok = ok and step.ok
                    yield _row(step, account)
            yield {"done": True, "ok": ok, "seconds": round(self.clock() - begun, 3)}

    async def preview(self, settings: Mapping[str, Any] | None, id: str | None, since: float | None, limit: int) -> list[Row]:
        """What would happen to its mail, as `listener preview` says it."""
        with self._place():
            account = await self._account(settings, id)
            config = self.config()
            known = self.known if id is not None else NothingKnown()
            try:
                async with asyncio.timeout(self.preview_seconds):
                    return await preview(account, config, known, self.token_of, since=since, limit=limit)
            except TimeoutError:
                raise TransientFailure(
                    f"the preview took longer than {self.preview_seconds:.0f} s", hint="ask for fewer messages"
                ) from None

    async def _account(self, settings: Mapping[str, Any] | None, id: str | None) -> Account:
        """The draft, or the saved one. Raises ConfigurationError with every fault of the draft."""
        if settings is not None:
            account, faults = await self.book.account_of(settings, id)
            if account is None or faults:
                raise ConfigurationError(faults or [Fault("", "no account can be made of this")])
            return account
        found = self.config().account(id or "")
        if found is None:
            raise Refused(self.book.why_parked(KeptKind.ACCOUNT, id or "") or f"there is no account {id!r}")
        return found

    async def _bounded(self, account: Account) -> AsyncGenerator[Step]:
        """The steps, by a task of their own that ends with us and at the latest after `test_seconds`."""
        done: asyncio.Queue[Step | None] = asyncio.Queue()
        running = asyncio.create_task(self._run(account, done), name="connection test")
        deadline = asyncio.get_running_loop().time() + self.test_seconds
        try:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        step = await done.get()
                except TimeoutError:
                    said = f"the test took longer than {self.test_seconds:.0f} s and was given up"
                    yield Step("receiver", "time", False, self.test_seconds, said, "try again; is the server very slow?")
                    return
                if step is None:
                    break
                yield step
            await running
        finally:
            running.cancel()
            await asyncio.wait({running})

    async def _run(self, account: Account, done: asyncio.Queue[Step | None]) -> None:
        try:
            async with aclosing(check_account(account, self.token_of, skew_of=self.skew_of)) as steps:
                async for step in steps:
                    done.put_nowait(step)
        finally:
            done.put_nowait(None)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._running >= self.at_once:
            raise Refused(f"{self.at_once} tests are running already: wait a moment and try again")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def _row(step: Step, account: Account) -> Row:
    """A step as the API gives it, in the API's names. A refused sign-in is shown at the secret: a form marks that."""
    side = account.receiver if step.side == "receiver" else account.sender
    field = api_name(Account, step.setting)
    if step.name == "sign-in" and field == f"{step.side}.user" and side is not None and side.password_file is not None:
        field = f"{step.side}.password"
    return {
        "side": step.side,
        "name": step.name,
        "ok": step.ok,
        "seconds": round(step.seconds, 3),
        "said": api_words(Account, step.said),
        "hint": api_words(Account, step.hint),
        "field": field,
    }
