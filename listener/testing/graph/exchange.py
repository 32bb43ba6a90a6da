"""How a mailbox looks through Graph: folders as a tree with ids, messages with immutable and ordinary ids, as JSON.

What is kept is a `Store`; this is a view of it. The immutable id of a message is made of the id that follows it when it
is moved, the ordinary one of its folder and place, so that it changes with a move, as Exchange's does.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

from ..store import DELIMITER, Folder, Message, NoSuchFolder, Store

INBOX = "INBOX"
WELL_KNOWN = {"inbox": INBOX, "sentitems": "Sent Items", "drafts": "Drafts", "deleteditems": "Deleted Items"}
SHOWN = {INBOX: "Inbox"}
DRAFT = "\\Draft"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is."""

    folder: Folder
    message: Message


class Exchange:
    """One mailbox. `immutable` says which ids a request asked for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._index: dict[str, tuple[str, int]] = {}

    # --- folders -----------------------------------------------------------------------------------------------------

    def folder_named(self, found: str) -> str | None:
        """The name of the folder of this id or well-known name, None without one. Well-known ones are made when asked for."""
        if found.lower() in WELL_KNOWN:
            return self.store.create(WELL_KNOWN[found.lower()]).name
        return next((name for name in self._names() if self.folder_id(name) == found), None)

    def folder_id(self, name: str) -> str:
        """The id of a folder: another one once it was deleted and made again."""
        validity = self.store[name].uid_validity if name in self.store else 0
        return "AAMk" + _encoded(hashlib.sha256(f"{validity}:{name}".encode()).digest())

    def children(self, parent: str | None) -> list[str]:
        """Names of the folders right below this one (None: the root), in order."""
        start = "" if parent is None else parent + DELIMITER
        return [n for n in self._names() if n.startswith(start) and DELIMITER not in n[len(start) :] and n != parent]

    def folder_json(self, name: str) -> dict[str, Any]:
        """The mailFolder."""
        messages = self.messages(name)
        parent = name.rpartition(DELIMITER)[0]
        return {
            "id": self.folder_id(name),
            "displayName": SHOWN.get(name, name.rpartition(DELIMITER)[2]),
            "parentFolderId": self.folder_id(parent) if parent else "AAMkroot",
            "childFolderCount": len(self.children(name)),
            "totalItemCount": len(messages),
            "unreadItemCount": sum("\\Seen" not in message.flags for message in messages),
        }

    def _names(self) -> list[str]:
        """All of them, with the parents that a path implies."""
        names = {folder.name: None for folder in self.store}
        for name in list(names):
            while DELIMITER in name:
                name = name.rpartition(DELIMITER)[0]
                names.setdefault(name)
        return list(names)

    # --- messages ----------------------------------------------------------------------------------------------------

    def messages(self, folder: str) -> list[Message]:
        """In the order they came into the folder."""
        return list(self.store[folder].messages.values()) if folder in self.store else []

    def message_id(self, folder: str, message: Message, *, immutable: bool) -> str:
        """The id that a client gets."""
        if immutable:
            return "AAkALg" + _encoded(message.email_id.encode())
        return "AAMkAG" + _encoded(f"{self.store[folder].uid_validity}:{message.uid}".encode())

    def find(self, found: str) -> Place | None:
        """The message of this id, of either kind."""
        place = self._look_up(found)
        if place is None:
            self._index = dict(self._all())
            place = self._look_up(found)
        return place

    def move(self, place: Place, target: str) -> Place:
        """Into another folder, under the same immutable id."""
        message = place.message
        if place.folder.name == self.store[target].name:
            return place
        place.folder.expunge([message.uid])
        folder = self.store[target]
        return Place(folder, folder.add(message.octets, message.flags, message.internal_date, message.email_id))

    def message_json(self, folder: str, message: Message, *, immutable: bool) -> dict[str, Any]:
        """The message, as far as anybody here asks for it."""
        head = message_from_bytes(message.octets, policy=policy.compat32)
        return {
            "@odata.etag": f'W/"{message.modseq}"',
            "id": self.message_id(folder, message, immutable=immutable),
            "receivedDateTime": received(message),
            "subject": str(head.get("Subject", "")),
            "internetMessageId": str(head["Message-ID"]) if head["Message-ID"] else None,
            "isRead": "\\Seen" in message.flags,
            "isDraft": DRAFT in message.flags,
            "parentFolderId": self.folder_id(folder),
        }

    def _look_up(self, found: str) -> Place | None:
        at = self._index.get(found)
        if at is None:
            return None
        try:
            folder = self.store[at[0]]
        except NoSuchFolder:
            return None
        message = folder.messages.get(at[1])
        same = message is not None and found in self._ids(folder.name, message)
        return Place(folder, message) if message is not None and same else None

    def _all(self) -> Iterator[tuple[str, tuple[str, int]]]:
        for folder in self.store:
            for message in folder.messages.values():
                for found in self._ids(folder.name, message):
                    yield found, (folder.name, message.uid)

    def _ids(self, folder: str, message: Message) -> tuple[str, str]:
        return (
            self.message_id(folder, message, immutable=True),
            self.message_id(folder, message, immutable=False),
        )


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode()


def received(message: Message) -> str:
    """When it came, as Graph writes it."""
    return datetime.fromtimestamp(message.internal_date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
