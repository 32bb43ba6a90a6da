"""The public keys of DKIM signatures, asked of the DNS: bounded, off the event loop, for accounts with `verify_dkim`.

`Parser` is given a `LookUp`; a test gives it another. What cannot be had in time is not there, and says nothing.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Sequence

LookUp = Callable[[str], str | None]
"""A DNS name → its TXT record as text; None: none, or it cannot be had. Blocking. Never raises."""

LOOK_UP_SECONDS = 5.0
MAX_RECORD = 8 * 1024


def available() -> bool:
    """Is the extra `dkim` installed?"""
    return all(importlib.util.find_spec(name) is not None for name in ("dkim", "dns"))


def ask_dns(name: str) -> str | None:
    """As the system's resolver answers."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=LOOK_UP_SECONDS, search=False)
    except (dns.exception.DNSException, OSError, ValueError):
        return None
    strings = [b"".join(record.strings) for record in answer]
    found = [text for text in strings if len(text) <= MAX_RECORD]
    return found[0].decode("ascii", "replace") if len(found) == 1 else None  # RFC 6376 §3.6.2.2: several are undefined


async def gathered(names: Sequence[str], look_up: LookUp) -> dict[str, str]:
    """The records that there are, by name, all asked for at once."""
    answers = await asyncio.gather(*(asyncio.to_thread(look_up, name) for name in names))
    return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}
