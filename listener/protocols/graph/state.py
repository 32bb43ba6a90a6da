"""The sync state of one folder: which link to ask next, and what kind of round it belongs to. No I/O.

Kept as JSON in the ledger, opaque to everybody else. A state of another folder id (the folder was deleted and made again), or
one that cannot be read, means that the folder is walked anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from ...mailbox import SyncState


@dataclass(frozen=True, slots=True)
class State:
    """`link` None: a walk from the beginning. `reset`: this walk recognises known mail. `floor`: what this walk finds received
    before (POSIX seconds) is left out. `swept`: when the safety listing was last done.
    """

    folder: str
    link: str | None = None
    reset: bool = False
    floor: float | None = None
    swept: float = 0.0

    def text(self) -> SyncState:
        """As the ledger keeps it."""
        return SyncState(json.dumps({key: value for key, value in asdict(self).items() if value or key == "folder"}))

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """What `text` wrote; None for anything else."""
        try:
            kept = json.loads(text or "")
        except (ValueError, RecursionError):
            return None
        if not isinstance(kept, dict) or not isinstance(kept.get("folder"), str):
            return None
        link, floor, swept = kept.get("link"), kept.get("floor"), kept.get("swept")
        return cls(
            kept["folder"],
            link if isinstance(link, str) else None,
            kept.get("reset") is True,
            float(floor) if isinstance(floor, int | float) else None,
            float(swept) if isinstance(swept, int | float) else 0.0,
        )
