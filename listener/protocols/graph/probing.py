"""Looks at Graph that only `listener check` takes: how far its clock is from ours, and whether a mailbox is shut to us.

`is_refused` asks for another mailbox than the account's, and reads nothing of it but that its inbox is there.
"""

from __future__ import annotations

from ...errors import PermanentFailure
from ..endpoint import Endpoint
from .client import GraphClient, Token
from .folders import Folders

MAX_SKEW = 120.0
"""Seconds that clocks may differ."""


def clock_hint(skew: float | None, whose: str = "the server's") -> str:
    """What to do about a server's clock so many seconds ahead of ours (None: it told no time); "" where it is well (R-104)."""
    if skew is None or abs(skew) <= MAX_SKEW:
        return ""
    way = "behind" if skew > 0 else "ahead of"
    return f"this machine's clock is {abs(skew):.0f} s {way} {whose}: set it (tokens and signatures need it)"


async def is_refused(endpoint: Endpoint, mailbox: str, token: Token) -> bool:
    """Is this mailbox shut to this token (R-54)?

    Raises PermanentFailure where there is no such mailbox, which proves nothing, and what broken connections raise.
    """
    client = await GraphClient.open(endpoint, mailbox, token)
    try:
        await Folders(client).id_of("INBOX")
    except PermanentFailure as error:
        if error.setting != endpoint.setting("oauth"):
            raise
        return True
    finally:
        await client.close()
    return False
