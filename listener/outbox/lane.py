"""One account's mail on its way out: compose, begin (one commit), hand over, settle; one mail after the other in one session.

Run by `Outbox` while the account has mail that is due. It ends when nothing is, when the session was used enough, when it is
told to stop, or with the AccountFailure that stops it.

Rules of the file
1. Octets, Message-ID and `sending` are committed before the first octet leaves; what was composed once is never composed anew.
2. The answer of the server decides (submission.py): LATER is tried again, REFUSED has failed, UNKNOWN is never sent again,
   unless a hook or a person is behind it; then with the same Message-ID, flagged, and at most MAX_REPEATS times.
3. Stopping lets the mail under way finish; what is cut short is found as `sending` by the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from ..config import Account
from ..errors import AccountFailure, ConnectionLost, Refused
from ..ledger import Ledger
from ..ledger.responses import Response, ResponseState
from ..protocols.submission import Ended, Result
from ..responder.compose import ComposeFault
from ..responder.policy import Purpose
from ..responder.templates import TemplateFault
from .composing import Composed, compose_response, envelopes_of
from .patience import until_writable
from .plan import Carrier, Observer, Parcel, SendingPlan

LOOK_AHEAD = 20
"""Mails that one look at the ledger brings."""
SESSION_MAILS = 100
"""Mails of one session; servers count them."""
MAX_REPEATS = 3
"""Attempts of a mail of which nobody can tell whether it arrived, where it may be sent again."""
RETRY_AFTER = (60.0, 300.0, 900.0, 1800.0, 3600.0)
"""Seconds: the longest wait after the first refusal for now, the second, …; the last one from then on."""

log = structlog.get_logger(__name__)


class Lane:
    """See the module. `resume`: rows that an earlier life was sending, if the carrier can tell what became of them."""

    def __init__(
        self,
        account: Account,
        ledger: Ledger,
        plan: SendingPlan,
        observer: Observer,
        open_carrier: Callable[[], Awaitable[Carrier]],
        now: Callable[[], float],
        uniform: Callable[[float, float], float],
        resume: Sequence[int] = (),
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._plan = plan
        self._observer = observer
        self._open_carrier = open_carrier
        self._now = now
        self._uniform = uniform
        self._resume = list(resume)
        self._carrier: Carrier | None = None
        self._stopping = False
        self._carried = 0

    def stop(self) -> None:
        """Begin no further mail."""
        self._stopping = True

    async def run(self) -> None:
        """Until nothing is due. Raises AccountFailure where the account cannot send, LedgerError."""
        try:
            while self._resume and not self._stopping:
                await self._go_on(self._resume[0])
                self._resume.pop(0)
            while due := await self._due():
                for response in due:
                    if not self._stopping and self._carried < SESSION_MAILS:
                        await self._send(response)
        except asyncio.CancelledError:
            await self._leave(politely=False)
            raise
        finally:
            await self._leave(politely=True)

    async def _leave(self, *, politely: bool) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            await carrier.close(politely=politely)

    async def _due(self) -> list[int]:
        if self._stopping or self._carried >= SESSION_MAILS:
            return []
        return await self._ledger.responses.due(self._account.id, self._now(), LOOK_AHEAD)

    async def _go_on(self, number: int) -> None:
        """What an earlier life began: look what became of it, and finish it."""
        response = await self._ledger.responses.get(number)
        if response.state is not ResponseState.SENDING or response.octets is None or response.message_id is None:
            return
        carrier = await self._open()
        if carrier.resumes:
            await self._carry(carrier, response, Composed(response.message_id, response.octets))
        else:
            await self._settle(response, Result(Ended.UNKNOWN, "the process ended while it was sent"))

    async def _send(self, number: int) -> None:
        """One mail from its row to its record."""
        response = await self._ledger.responses.get(number)
        if self._now() - response.created_at > self._plan.reply_timeout:
            await self._too_late(response)
            return
        composed = await self._composed(response)
        if composed is None:
            return
        carrier = await self._open()
        try:
            await self._write(lambda: self._ledger.responses.begin(number, composed.message_id, composed.octets))
        except Refused:  # settled since it was listed
            return
        await self._carry(carrier, await self._ledger.responses.get(number), composed)

    async def _composed(self, response: Response) -> Composed | None:
        """Its octets; None: it has failed, because nothing can be made of it."""
        if response.octets is not None and response.message_id is not None:
            return Composed(response.message_id, response.octets)
        try:
            return await asyncio.to_thread(compose_response, response, self._account, self._plan.keyring, self._now())
        except (ComposeFault, TemplateFault) as error:
            await self._record(response, ResponseState.FAILED, str(error))
            return None

    async def _open(self) -> Carrier:
        if self._carrier is None:
            self._carrier = await self._open_carrier()
            self._observer.trouble(self._account.id, None)
        return self._carrier

    async def _carry(self, carrier: Carrier, response: Response, composed: Composed) -> None:
        """Hand it over and write down what came of it. Raises ConnectionLost where the session is of no more use."""
        parcel = Parcel(
            message_id=composed.message_id,
            recipient=response.recipient,
            octets=composed.octets,
            envelopes=envelopes_of(response, self._account),
            draft=response.draft,
            keep_draft=lambda draft: self._write(lambda: self._ledger.responses.keep_draft(response.id, draft)),
        )
        self._carried += 1
        try:
            result = await carrier.carry(parcel)
        except AccountFailure as error:  # nothing was handed over
            await self._settle(response, Result(Ended.LATER, error.reason))
            raise
        await self._settle(response, result)
        if result.broken:
            raise ConnectionLost(result.said, setting="sender.host")

    # --- what came of it ------------------------------------------------------------------------------------------------

    async def _settle(self, response: Response, result: Result) -> None:
        match result.ended:
            case Ended.TAKEN:
                await self._record(response, ResponseState.SENT, "")
            case Ended.REFUSED:
                await self._record(response, ResponseState.FAILED, result.said)
            case Ended.LATER:
                longest = RETRY_AFTER[min(max(response.attempts, 1), len(RETRY_AFTER)) - 1]
                again_at = self._now() + self._uniform(longest / 2, longest)
                await self._record(response, ResponseState.DEFERRED, result.said, again_at)
            case Ended.UNKNOWN:
                await self._record(response, ResponseState.UNKNOWN, result.said, repeat_at(response, self._now()))

    async def _too_late(self, response: Response) -> None:
        if response.state is ResponseState.UNKNOWN:
            await self._write(lambda: self._ledger.responses.postpone(response.id, "too late to send it again", None))
        else:
            said = f"could not be sent within {self._plan.reply_timeout:.0f} s"
            await self._record(response, ResponseState.FAILED, said)

    async def _record(self, response: Response, state: ResponseState, said: str, again_at: float | None = None) -> None:
        await self._write(lambda: self._ledger.responses.settle(response.id, state, said, again_at=again_at))
        self._observer.settled(response.purpose.value, state.value)
        about = {"reply": response.id, "entry": response.entry, "account": response.account, "purpose": response.purpose.value}
        if state is ResponseState.SENT:
            log.info("reply.sent", **about)
        else:
            log.warning(f"reply.{state}", **about, error=said, again_at=again_at)

    async def _write(self, write: Callable[[], Awaitable[object]]) -> None:
        await until_writable(write, self._uniform)


def repeat_at(response: Response, now: float) -> float | None:
    """When a mail of which nobody can tell whether it arrived is sent again under its Message-ID; None: never (R-42)."""
    may = response.purpose is not Purpose.AUTOMATIC and response.attempts < MAX_REPEATS
    return now + RETRY_AFTER[0] if may else None
