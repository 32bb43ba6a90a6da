"""The maildrop of one POP3 session: what INBOX held when it began, numbered from 1 (RFC 1939 §5).

It does not change while the session lasts, whatever becomes of the folder; deletions are marks until `update` carries them
out. POP3 carries lines: a bare LF becomes CRLF, the last line gets its end, and sizes are those of what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..store import Folder, Message


@dataclass(slots=True, eq=False)
class Drop:
    """One message: its number, its unique-id, and whether it is marked as deleted."""

    number: int
    uidl: bytes
    message: Message
    deleted: bool = False

    @property
    def octets(self) -> bytes:
        """As lines that end in CRLF."""
        lines = self.message.octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return lines if not lines or lines.endswith(b"\r\n") else lines + b"\r\n"

    def wire(self, body_lines: int | None = None) -> bytes:
        """As a multi-line answer without its status (RFC 1939 §3, TOP: §7)."""
        octets = self.octets
        if body_lines is not None:
            header, gap, body = octets.partition(b"\r\n\r\n")
            octets = header + gap + b"".join(body.splitlines(keepends=True)[:body_lines]) if gap else octets
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"


class Maildrop:
    """One session's view of a folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._drops = [
            Drop(number, b"%08x%08x" % (uid, folder.uid_validity), message)
            for number, (uid, message) in enumerate(folder.messages.items(), 1)
        ]

    def left(self) -> list[Drop]:
        """What is not marked as deleted."""
        return [drop for drop in self._drops if not drop.deleted]

    def get(self, number: int) -> Drop | None:
        """The message of this number, unless it is marked."""
        drop = self._drops[number - 1] if 1 <= number <= len(self._drops) else None
        return None if drop is None or drop.deleted else drop

    def holds(self, drop: Drop) -> bool:
        """Whether its octets are still there."""
        return self._folder.messages.get(drop.message.uid) is drop.message

    def reset(self) -> None:
        """Take all marks away (RFC 1939 §5, RSET)."""
        for drop in self._drops:
            drop.deleted = False

    def update(self) -> None:
        """Carry out the deletions (RFC 1939 §6, the UPDATE state)."""
        self._folder.expunge(drop.message.uid for drop in self._drops if drop.deleted and self.holds(drop))
