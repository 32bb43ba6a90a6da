"""What a server has told of itself and of the open folder, kept as it changes (RFC 9051 §7). No I/O.

The base of a session. What was told in clear before TLS is forgotten by `forget` (R-60).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import ConnectionLost
from .grammar import Data, Status, shown

HINTS = frozenset({"EXISTS", "RECENT"})
"""Untagged data that may mean new mail."""
SEARCHED = frozenset({"SEARCH", "ESEARCH"})
MAX_ALERTS = 5
PART_OF_REV2 = frozenset({"ENABLE", "ESEARCH", "IDLE", "LITERAL-", "MOVE", "NAMESPACE", "SASL-IR", "UIDPLUS", "UNSELECT"})
"""What a server of IMAP4rev2 alone has without having to say so (RFC 9051 appendix E)."""


@dataclass(slots=True)
class Selected:
    """The open folder as SELECT described it (RFC 9051 §6.3.2); `exists` follows what the server says later."""

    name: str
    validity: int = 0
    next_uid: int | None = None
    exists: int = 0
    read_only: bool = False


class Told:
    """`capabilities` are upper case. `hinted`: since the last SEARCH something was said that may mean new mail.

    `notice` is called with the text of an ALERT, harmless and short, as data for a log (R-61).
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self.capabilities: frozenset[str] = frozenset()
        self.selected: Selected | None = None
        self.alerts: deque[str] = deque(maxlen=MAX_ALERTS)
        self.hinted = False
        self._notice = notice

    def offers(self, *capabilities: str) -> bool:
        """Whether the server has all of these."""
        return self.capabilities.issuperset(capabilities)

    def forget(self) -> None:
        """Drop all that was learned."""
        self.capabilities, self.selected, self.hinted = frozenset(), None, False
        self.alerts.clear()

    def note(self, data: Data) -> None:
        """Untagged data, whoever it is for."""
        if data.name in HINTS:
            self.hinted = self.hinted or data.number != 0
        elif data.name in SEARCHED:
            self.hinted = False  # it saw all that was told before
        elif data.name == "CAPABILITY":
            self._learn(data.values)
        if self.selected and data.number is not None:
            if data.name == "EXISTS":
                self.selected.exists = data.number
            elif data.name == "EXPUNGE":
                self.selected.exists = max(self.selected.exists - 1, 0)

    def _learn(self, words: Sequence[object]) -> None:
        told = frozenset(word.upper() for word in words if isinstance(word, str))
        rev2_alone = "IMAP4REV2" in told and "IMAP4REV1" not in told
        self.capabilities = told | PART_OF_REV2 if rev2_alone else told

    def note_code(self, status: Status) -> None:
        """The code of any status response."""
        if status.code == "CAPABILITY":
            self._learn(status.arguments)
        elif status.code == "ALERT":
            self.alerts.append(shown(status.text))
            self._notice(status.shown)
        elif self.selected:
            self._note_folder(self.selected, status)

    def _note_folder(self, folder: Selected, status: Status) -> None:
        value = status.arguments[0] if status.arguments else None
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10 else None
        if status.code == "UIDVALIDITY":
            if folder.validity and number != folder.validity:
                raise ConnectionLost(f"UIDVALIDITY of {folder.name!r} changed while it was open")
            folder.validity = number or 0
        elif status.code == "UIDNEXT":
            folder.next_uid = number or None
        elif status.code == "READ-ONLY":
            folder.read_only = True
