"""The probe mails that an account sends to itself (R-100): how one is named, so that nobody else can make one. No I/O.

A probe's Message-ID is signed like that of any mail of ours, for a case that cannot be; its nonce is the moment it was sent. So
it needs no memory, and a forged one is ordinary mail.
"""

from __future__ import annotations

from .tokens import Keyring, in_message_id

CASE = "CANARYCANARYC"
"""Not the id of a case: those are derived from mail, and one in 2⁶⁵ is this."""
OLDEST = 2 * 86_400.0
"""Seconds: a probe older than this is ordinary mail, so that a stolen name is of no use for long."""
SUBJECT = "Listener canary"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def message_id(keys: Keyring, account: str, domain: str, now: float) -> str:
    """The bare Message-ID of a probe sent at `now` (POSIX seconds). Raises LookupError without a key."""
    return keys.message_id(CASE, account, _written(round(now * 1000)), domain)


def sent_at(keys: Keyring, account: str, message_id: str, now: float) -> float | None:
    """When the probe with this Message-ID was sent (POSIX seconds); None: it is no probe of this account."""
    token = in_message_id(message_id)
    if token is None or token.case != CASE or keys.verify(token, account) != CASE:
        return None
    sent = int(token.nonce, 36) / 1000
    return sent if now - OLDEST <= sent <= now + OLDEST else None


def _written(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
