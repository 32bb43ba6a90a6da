"""The two ways out: an SMTP session, used for several mails, and Microsoft Graph, by draft, immutable id, send and look (R-43).

`open_carrier` opens the one that the account's sender asks for; the supervisor hands it to the outbox through its seams, so
that a test can stand between. A carrier owns its connection until `close`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import aiosmtplib

from ..config import Account, SenderProtocol
from ..credentials import TokenOf, credentials_of, endpoint_of
from ..errors import AccountFailure, AuthenticationRefused, ConsentLost, PermanentFailure, TransientFailure
from ..protocols import smtp
from ..protocols.graph.sending import GraphSender, Outcome
from ..protocols.submission import NULL_SENDER, Ended, Result, submit
from .plan import Carrier, Parcel


async def open_carrier(account: Account, token_of: TokenOf) -> Carrier:
    """Connected and signed in. Raises AccountFailure."""
    endpoint, credentials = endpoint_of(account, "sender"), credentials_of(account, "sender", token_of)
    if account.sender is not None and account.sender.protocol is SenderProtocol.GRAPH:
        return GraphCarrier(await GraphSender.open(endpoint, credentials.user, credentials.ask))
    client = await smtp.connect(endpoint)
    try:
        await smtp.authenticate(client, endpoint, credentials)
    except BaseException:
        client.close()
        raise
    return SmtpCarrier(client)


@dataclass(slots=True)
class SmtpCarrier:
    """A session with a submission server. Once it refused the empty envelope sender, it is not asked again."""

    client: aiosmtplib.SMTP
    _null_refused: bool = field(default=False)

    @property
    def resumes(self) -> bool:
        """SMTP has no way to ask what became of a message."""
        return False

    async def carry(self, parcel: Parcel) -> Result:
        """Try the envelope senders in order; never raises for what the server does."""
        senders = [one for one in parcel.envelopes if one != NULL_SENDER or not self._null_refused]
        result = Result(Ended.REFUSED, "no envelope sender that the server takes: set accounts.reply.envelope_from", "mail")
        for sender in senders:
            result = await submit(self.client, sender, parcel.recipient, parcel.octets)
            if sender != NULL_SENDER or not result.null_sender_refused:
                return result
            self._null_refused = True
            if result.broken:
                return Result(Ended.LATER, result.said, result.stage, broken=True)
        return result

    async def close(self, *, politely: bool = True) -> None:
        """QUIT where that is still possible."""
        if politely:
            await smtp.leave(self.client)
        else:
            self.client.close()


@dataclass(slots=True)
class GraphCarrier:
    """One mailbox in Microsoft Graph."""

    sender: GraphSender

    @property
    def resumes(self) -> bool:
        """The draft's immutable id, or its Message-ID, says whether it has left."""
        return True

    async def carry(self, parcel: Parcel) -> Result:
        """Whatever was done before, by whomever: exactly one leaves."""
        try:
            return await self._carry(parcel)
        except (AuthenticationRefused, ConsentLost):
            raise
        except TransientFailure as error:
            return Result(Ended.LATER, error.reason, "end", broken=True)
        except PermanentFailure as error:
            return Result(Ended.REFUSED, error.reason, "end")

    async def _carry(self, parcel: Parcel) -> Result:
        draft = parcel.draft
        if draft is None:
            draft = await self.sender.find(parcel.message_id) or await self.sender.draft(parcel.octets)
            await parcel.keep_draft(draft)
        outcome = await self.sender.send(draft)
        if outcome is Outcome.GONE:
            return Result(Ended.UNKNOWN, "somebody deleted the draft, before or after it left", "end")
        if outcome is Outcome.DRAFT:
            return Result(Ended.LATER, "Microsoft Graph did not send the draft yet", "end")
        return Result(Ended.TAKEN, await self._verified(draft), "end")

    async def _verified(self, draft: str) -> str:
        """Where it lies now, for people: it was taken in any case."""
        try:
            there = await self.sender.look(draft)
        except AccountFailure:
            return "taken; it could not be looked at"
        return "it lies in Sent Items" if there is Outcome.SENT else "taken; it is on its way"

    async def close(self, *, politely: bool = True) -> None:
        """Drop the connections."""
        await self.sender.close()
