"""Folder names as people write them, resolved to the ids that Graph wants; kept for one session.

`INBOX` is the inbox in whatever language it is shown, as it is in IMAP. Further names are display names, `/` between parent and
child, without regard to case (Exchange has no two that differ by case only). The display name may hold a `/` itself, so the
longest matching name wins. A name of Exchange's own folders (`archive`, `sentitems` …) is tried where nothing is called so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...errors import FolderMissing
from ...mailbox import Folder
from . import refusals
from .client import GraphClient
from .items import names, values
from .links import identifier

PAGE = 250
MAX_DEPTH = 50
DELETED = "deleteditems"
WELL_KNOWN = frozenset({"archive", DELETED, "drafts", "junkemail", "outbox", "sentitems"})
NAMES_SHOWN = 20


class Folders:
    """Names and ids of one mailbox's folders."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self._ids: dict[str, str] = {}
        self._spellings: dict[str, str] = {}

    async def id_of(self, name: str) -> str:
        """The id. Raises FolderMissing, naming what there is."""
        if name not in self._ids:
            self._ids[name] = await self._find(name)
        return self._ids[name]

    async def deleted_items(self) -> str:
        """The id of Deleted Items, whatever it is called. Raises FolderMissing."""
        if DELETED not in self._spellings:
            found = await self._well_known(DELETED)
            if found is None:
                raise FolderMissing(DELETED, "the mailbox has no folder for deleted items")
            self._spellings[DELETED] = found
        return self._spellings[DELETED]

    def forget(self) -> None:
        """Folders may have been renamed, deleted, made: ask anew."""
        self._ids.clear()

    async def is_same(self, one: str, other: str) -> bool:
        """Are these ids of the same folder? Exchange spells an id in more than one way, so it is asked where they differ."""
        return one == other or await self._spelling(one) == await self._spelling(other)

    async def _spelling(self, folder: str) -> str:
        if folder not in self._spellings:
            reply = await self._client.ask("GET", self._client.url("mailFolders", folder, select="id"))
            self._spellings[folder] = (identifier(reply.document.get("id")) if reply.ok else None) or folder
        return self._spellings[folder]

    async def _find(self, name: str) -> str:
        first, _, rest = name.partition("/")
        if first.casefold() == "inbox":
            inbox = await self._well_known("inbox")
            found = await self._descend(inbox, rest) if inbox and rest else inbox
        else:
            found = await self._descend(None, name)
            found = found or (await self._well_known(name.lower()) if name.lower() in WELL_KNOWN else None)
        if found is None:
            raise FolderMissing(name, f'the mailbox has no folder "{name}"', hint=f"there are: {await self.shown()}")
        return found

    async def _descend(self, parent: str | None, path: str, depth: int = 0) -> str | None:
        """The folder of this path under `parent` (None: the root)."""
        wanted = path.casefold()
        children = [(n.casefold(), found) async for n, found in self._children(parent)]
        for child, found in children:
            if child == wanted:
                return found
        for child, found in sorted(children, reverse=True):
            if wanted.startswith(child + "/") and depth < MAX_DEPTH:
                deeper = await self._descend(found, path[len(child) + 1 :], depth + 1)
                if deeper is not None:
                    return deeper
        return None

    async def _children(self, parent: str | None) -> AsyncIterator[tuple[str, str]]:
        path = ("mailFolders", parent, "childFolders") if parent is not None else ("mailFolders",)
        url = self._client.url(*path, select="id,displayName", top=str(PAGE))
        async for document in self._client.collection(url):
            for pair in names(values(document)):
                yield pair

    async def _well_known(self, name: str) -> str | None:
        reply = await self._client.ask("GET", self._client.url("mailFolders", name, select="id"))
        if reply.gone:
            return None
        return identifier(refusals.required(reply, self._client.mailbox, self._client.endpoint.section).get("id"))

    async def count(self, folder: str) -> int:
        """How many messages are in it, as the server says."""
        reply = await self._client.ask("GET", self._client.url("mailFolders", folder, select="totalItemCount"))
        total = reply.document.get("totalItemCount")
        return total if isinstance(total, int) and not isinstance(total, bool) else 0

    async def shown(self) -> str:
        """The names at the root, for people."""
        there = sorted([name async for name, _ in self._children(None)])
        more = f" and {len(there) - NAMES_SHOWN} more" if len(there) > NAMES_SHOWN else ""
        return ", ".join('"' + "".join(c if c.isprintable() else "?" for c in n[:60]) + '"' for n in there[:NAMES_SHOWN]) + more


def folder_missing(name: Folder) -> FolderMissing:
    """It was there a moment ago."""
    return FolderMissing(name, f'the folder "{name}" is no longer there', hint="make it again, or take it out of folders")
