"""Telling Graph that messages are ours now (`Mailbox.acknowledge`), as `after` asks; one message at a time, a few at once.

Immutable ids follow a message through the whole mailbox, so an id alone does not say that the message still lies where it was
listed. Before moving or deleting we look: what somebody moved elsewhere is left alone and counts as confirmed, as with IMAP,
where its UID would be gone. The same look makes both idempotent. Deleting is moving to Deleted Items, which is what Graph's
DELETE does the first time; repeated by whomever, DELETE would hit the copy there, and aiohttp repeats it on a lost connection.
Marking as read needs no look. Refusals of single messages leave them owed; a few in a row end the attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ...errors import FolderMissing
from ...mailbox import Receipt
from ..imap.acknowledging import Action, After
from . import refusals
from .client import GraphClient
from .folders import Folders
from .links import identifier
from .refusals import Reply

GROUP = 20
"""Receipts that are under way together; `Pacing` says how many requests are."""
MAX_REFUSALS = 3
"""So many refused in a row are not about single messages."""


class Acknowledger:
    """For one session. `notice` is told, in the server's words, why receipts stay owed.

    `echoes`: ids of what we marked as read; each comes back once as a change that is our own.
    """

    def __init__(self, client: GraphClient, folders: Folders, after: After, notice: Callable[[str], None]) -> None:
        self._client, self._folders, self._after, self._notice = client, folders, after, notice
        self.echoes: set[str] = set()

    async def acknowledge(self, receipts: Sequence[Receipt]) -> list[Receipt]:
        """Those that the server confirmed or that are no longer there. Raises what ends the session. Idempotent."""
        if self._after.action is Action.KEEP:
            return list(receipts)
        target = await self._target()
        if target is None and self._after.action is not Action.SEEN:
            return []
        confirmed: list[Receipt] = []
        refusals_in_a_row = 0
        for start in range(0, len(receipts), GROUP):
            for receipt, refused in await self._group(receipts[start : start + GROUP], target):
                if refused is None:
                    confirmed.append(receipt)
                    refusals_in_a_row = 0
                    continue
                refusals_in_a_row += 1
                if refusals_in_a_row == 1:
                    self._notice(f"a message could not be told: {refused.shown}")
            if refusals_in_a_row >= MAX_REFUSALS:
                break
        return confirmed

    async def _group(self, receipts: Sequence[Receipt], target: str | None) -> list[tuple[Receipt, Reply | None]]:
        """Some at once; the first trouble with the session ends them all."""
        tasks = [asyncio.create_task(self._one(receipt, target)) for receipt in receipts]
        try:
            return list(zip(receipts, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, receipt: Receipt, target: str | None) -> Reply | None:
        """None: it is done, or there is nothing to be done. Else the refusal."""
        if self._after.action is Action.SEEN:
            reply = await self._client.ask("PATCH", self._client.url("messages", receipt.unique_id), body={"isRead": True})
            if reply.ok:
                self.echoes.add(receipt.unique_id)
            return _left(reply)
        looked = await self._client.ask("GET", self._client.url("messages", receipt.unique_id, select="id,parentFolderId"))
        if not looked.ok:
            return _left(looked)
        parent = identifier(looked.document.get("parentFolderId"))
        if parent is not None and not await self._is_in(parent, receipt):
            return None
        body = {"destinationId": target}
        return _left(await self._client.ask("POST", self._client.url("messages", receipt.unique_id, "move"), body=body))

    async def _is_in(self, parent: str, receipt: Receipt) -> bool:
        try:
            return await self._folders.is_same(parent, await self._folders.id_of(receipt.folder))
        except FolderMissing:
            return False

    async def _target(self) -> str | None:
        if self._after.action is Action.SEEN:
            return None
        try:
            if self._after.action is Action.DELETE:
                return await self._folders.deleted_items()
            return await self._folders.id_of(self._after.target)
        except FolderMissing as missing:
            self._notice(f"nothing can be moved: {missing.reason}")
            return None


def _left(reply: Reply) -> Reply | None:
    """The refusal, unless the message is done with or gone. Raises what concerns the whole mailbox."""
    if reply.ok or reply.gone:
        return None
    if reply.status in (401, 410):
        raise refusals.failure(reply, "the mailbox")
    return reply
