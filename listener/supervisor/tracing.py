"""What is said between us and one account's server, line by line in the log, while somebody wants to see it (R-88).

Handed to every session of the account, and silent until `show`; it falls silent by itself, so that nobody forgets it. The
protocols mask secrets before a line comes here, and leave out literals and the texts of messages; what a server says is
an attacker's, so each line is cut short and made printable.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

MAX_SECONDS = 24 * 3600.0
"""Nobody needs to look longer without saying so again."""
MAX_LINE = 500
"""Characters of a line that are shown."""
_OURS = frozenset({"C", ">"})

log = structlog.get_logger(__name__)


class ProtocolTrace:
    """Of one account. `clock` gives monotonic seconds."""

    def __init__(self, account: str, clock: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self._until = 0.0

    @property
    def seconds_left(self) -> float:
        """How much longer it shows what is said; 0: it does not."""
        return max(0.0, self._until - self._clock())

    def show(self, seconds: float) -> None:
        """Show what is said from now on for so long, at most MAX_SECONDS; 0: no more."""
        seconds = max(0.0, min(seconds, MAX_SECONDS))
        self._until = self._clock() + seconds
        if seconds:
            log.warning("trace.begun", account=self._account, seconds=seconds)
        else:
            log.warning("trace.ended", account=self._account)

    def __call__(self, direction: str, line: bytes | str) -> None:
        """One line: `C` or `>` is ours, `S` or `<` theirs."""
        if self._clock() >= self._until:
            return
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MAX_LINE])
        way = "sent" if direction in _OURS else "received"
        log.info("trace.line", account=self._account, way=way, line=shown, length=len(text))
