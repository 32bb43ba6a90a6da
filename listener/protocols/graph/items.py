"""What Graph says of messages and folders, as JSON, turned into our words. No I/O.

Everything is an attacker's: a member of the wrong type is as good as missing. An item without a usable id is nonsense of the
whole answer (ConnectionLost), because leaving it out could lose mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...errors import ConnectionLost
from ...mailbox import Folder, Listing
from .links import identifier

SELECT = "id,receivedDateTime,internetMessageId,isRead,parentFolderId"
"""The properties that a listing needs; anything more costs Exchange time."""
MAX_ITEMS = 2_000
"""Items in one answer; we ask for a few hundred at most."""
MAX_MESSAGE_ID = 998
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One message as it is listed. `parent` is the id of its folder, where told."""

    id: str
    received_at: float | None
    message_id: str | None
    is_read: bool
    parent: str | None

    def listing(self, folder: Folder, *, acknowledged: bool) -> Listing:
        """For the receiver. Immutable ids last as long as the message is in the mailbox, so they are the provider's id too."""
        return Listing(folder, self.id, None, self.received_at, self.id, self.message_id, acknowledged)


def values(document: Document) -> list[Document]:
    """The objects of a collection. Raises ConnectionLost when it is none."""
    value = document.get("value")
    if not isinstance(value, list) or len(value) > MAX_ITEMS or not all(isinstance(one, dict) for one in value):
        raise ConnectionLost("Microsoft Graph answers with something that is no collection")
    return value


def items(document: Document) -> list[Item]:
    """The messages of a page in the order of their arrival, each once; what was removed is left out."""
    present = [item(one) for one in values(document) if "@removed" not in one]
    once = {one.id: one for one in present}
    return sorted(once.values(), key=lambda one: (one.received_at is None, one.received_at))


def item(document: Document) -> Item:
    """One message. Raises ConnectionLost without an id."""
    found = identifier(document.get("id"))
    if found is None:
        raise ConnectionLost("Microsoft Graph lists a message without a usable id")
    return Item(
        found,
        moment(document.get("receivedDateTime")),
        bare_message_id(document.get("internetMessageId")),
        document.get("isRead") is True,
        identifier(document.get("parentFolderId")),
    )


def moment(value: object) -> float | None:
    """A DateTimeOffset in UTC as POSIX seconds, or None."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def instant(seconds: float) -> str:
    """POSIX seconds as a DateTimeOffset, for a filter."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bare_message_id(value: object) -> str | None:
    """`internetMessageId` without its angle brackets."""
    if not isinstance(value, str):
        return None
    bare = value.strip().removeprefix("<").removesuffix(">").strip()
    return bare if bare and len(bare) <= MAX_MESSAGE_ID else None


def names(documents: Iterable[Document]) -> list[tuple[str, str]]:
    """Display name and id of folders, those that have both."""
    pairs = ((one.get("displayName"), identifier(one.get("id"))) for one in documents)
    return [(name, found) for name, found in pairs if isinstance(name, str) and found]
