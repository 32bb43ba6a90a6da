"""Asks a session what its maildrop holds; used by the mailbox, and by `check`."""

from __future__ import annotations

from .grammar import Answer
from .listing import Drop, maildrop
from .session import Session, required


async def read_maildrop(session: Session) -> list[Drop]:
    """UIDL first, then LIST (R-27). A server without UIDL is served all the same.

    Raises what a refused LIST means, and ConnectionLost.
    """
    uidls = await session.listing(b"UIDL")
    sizes = await session.listing(b"LIST")
    if isinstance(sizes, Answer):
        required(sizes)
        sizes = []
    return maildrop(None if isinstance(uidls, Answer) else uidls, sizes)
