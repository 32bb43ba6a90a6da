"""What the embedded IMAP and POP3 servers keep: an account's folders with their messages, in memory.

The servers' sessions change it by commands; a test or the demo changes it directly (`deliver`, `expunge`, `renumber`). Each
change is told to the sessions that have the folder open, which say so to their clients at the next moment the protocol
allows (RFC 9051 §5.2). Octets are kept exactly as given. Not safe between threads: one event loop owns a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
DELIMITER = "/"


class NoSuchFolder(KeyError):
    """There is no folder of that name."""


@dataclass(slots=True, eq=False)
class Message:
    """One message in one folder. `email_id` follows it when it is moved or copied (RFC 8474 §5.1)."""

    uid: int
    octets: bytes = field(repr=False)
    flags: set[str]
    internal_date: float
    modseq: int
    email_id: str


class Watcher(Protocol):
    """A session that has a folder open."""

    def expunged(self, uid: int) -> None: ...
    def arrived(self, uid: int) -> None: ...
    def flagged(self, uid: int, by: Watcher | None) -> None: ...


@dataclass(slots=True, eq=False)
class Folder:
    """One folder; `messages` by ascending UID.

    `lies` replaces what SELECT and STATUS report: `{"UIDNEXT": None}` leaves it out, `{"UIDVALIDITY": 0}` reports 0.
    `selectable` False: it is listed, and SELECT is refused.
    """

    name: str
    uid_validity: int
    uid_next: int = 1
    highest_modseq: int = 1
    selectable: bool = True
    messages: dict[int, Message] = field(default_factory=dict, repr=False)
    lies: dict[str, int | None] = field(default_factory=dict)
    watchers: set[Watcher] = field(default_factory=set, repr=False)

    def add(self, octets: bytes, flags: Iterable[str], internal_date: float, email_id: str) -> Message:
        """A new message under the next UID."""
        self.highest_modseq += 1
        message = Message(self.uid_next, octets, set(flags), internal_date, self.highest_modseq, email_id)
        self.uid_next += 1
        self.messages[message.uid] = message
        for watcher in list(self.watchers):
            watcher.arrived(message.uid)
        return message

    def expunge(self, uids: Iterable[int]) -> list[int]:
        """Remove these for good; returns those that were there."""
        gone = [uid for uid in sorted(uids) if self.messages.pop(uid, None)]
        self.highest_modseq += bool(gone)
        for uid in gone:
            for watcher in list(self.watchers):
                watcher.expunged(uid)
        return gone

    def set_flags(self, uid: int, flags: Iterable[str], by: Watcher | None = None) -> None:
        """Replace a message's flags; the session that did it (`by`) answers for itself."""
        message = self.messages[uid]
        if message.flags == set(flags):
            return
        self.highest_modseq += 1
        message.flags, message.modseq = set(flags), self.highest_modseq
        for watcher in list(self.watchers):
            watcher.flagged(uid, by)

    def renumber(self, uid_validity: int, first_uid: int = 1) -> None:
        """Give every message a new UID under a new UIDVALIDITY, as a server does that lost its index.

        Only sessions that select the folder afterwards see it: disconnect the others (RFC 9051 §2.3.1.1).
        """
        messages = list(self.messages.values())
        self.uid_validity, self.uid_next = uid_validity, first_uid
        self.messages.clear()
        for message in messages:
            message.uid = self.uid_next
            self.messages[message.uid] = message
            self.uid_next += 1


class Store:
    """One account's folders. INBOX is always there, whatever its case (RFC 9051 §5.1)."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._validity = 1_700_000_000
        self._email_ids = 0
        self._folders: dict[str, Folder] = {}
        self.create("INBOX")

    def __iter__(self) -> Iterator[Folder]:
        return iter(list(self._folders.values()))

    def __contains__(self, name: str) -> bool:
        return _canonical(name) in self._folders

    def __getitem__(self, name: str) -> Folder:
        """Raises NoSuchFolder."""
        try:
            return self._folders[_canonical(name)]
        except KeyError:
            raise NoSuchFolder(name) from None

    def create(self, name: str) -> Folder:
        """A new folder with a UIDVALIDITY never used before; the folder itself where it is there already."""
        if name not in self:
            self._validity += 1
            self._folders[_canonical(name)] = Folder(_canonical(name), self._validity)
        return self[name]

    def delete(self, name: str) -> None:
        """Remove the folder with its messages. Raises NoSuchFolder."""
        folder = self[name]
        folder.expunge(list(folder.messages))
        del self._folders[folder.name]

    def rename(self, old: str, new: str) -> None:
        """Give a folder another name; messages and UIDs stay. Raises NoSuchFolder."""
        folder = self[old]
        del self._folders[folder.name]
        folder.name = _canonical(new)
        self._folders[folder.name] = folder

    def deliver(self, folder: str, octets: bytes, *, flags: Iterable[str] = (), internal_date: float | None = None) -> Message:
        """A new message, received now unless `internal_date` (POSIX seconds) says otherwise. Raises NoSuchFolder."""
        self._email_ids += 1
        received = self.now() if internal_date is None else internal_date
        return self[folder].add(octets, flags, float(int(received)), f"M{self._email_ids:08d}")

    def copy(self, source: Folder, uids: Iterable[int], target: Folder) -> list[tuple[int, int]]:
        """Copies with flags, date and email id; returns (old UID, new UID) of those that were there."""
        found = [source.messages[uid] for uid in sorted(uids) if uid in source.messages]
        return [(m.uid, target.add(m.octets, m.flags, m.internal_date, m.email_id).uid) for m in found]


def _canonical(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name
