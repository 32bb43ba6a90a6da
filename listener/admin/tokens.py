"""API tokens: how they look, how one is made, and whose a given one is.

A token is `lst_ID_SECRET`. The id says which row of the ledger to compare with, so that no search depends on the secret; the
ledger keeps SHA-256 of the whole, which is enough for 256 random bits (a slow hash is for what people think up). The token of
`[admin] token_file` is valid beside them, and full. Every comparison takes the same time whatever was sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from ..ledger import Scope, TokenRecord
from ..ledger.access import Access
from .visitor import ADMIN, Principal

ID_OCTETS = 5
SECRET_OCTETS = 32
_TOKEN = re.compile(rb"lst_([a-z2-7]{8})_[A-Za-z0-9_-]{43}")
_NOBODY = TokenRecord("", "", Scope.READ, bytes(32))


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: shown once, and what the ledger keeps of it."""

    text: str
    record: TokenRecord


def make_token(name: str, scope: Scope) -> NewToken:
    """A fresh one."""
    id = base64.b32encode(secrets.token_bytes(ID_OCTETS)).decode("ascii").lower()
    text = f"lst_{id}_{secrets.token_urlsafe(SECRET_OCTETS)}"
    return NewToken(text, TokenRecord(id, name, scope, _digest(text.encode("ascii"))))


def is_made_here(sent: bytes) -> bool:
    """Does it look like one of ours? Those are too long to be guessed, however often somebody tries."""
    return _TOKEN.fullmatch(sent) is not None


class Tokens:
    """The configured token and those in the ledger."""

    def __init__(self, configured: bytes, access: Access) -> None:
        self._configured = _digest(configured)
        self._access = access

    async def holder(self, sent: bytes) -> Principal | None:
        """Who holds this token; None for one that is not valid. Raises LedgerError."""
        digest = _digest(sent)
        if hmac.compare_digest(digest, self._configured):
            return ADMIN
        matched = _TOKEN.fullmatch(sent)
        record = await self._access.token(matched[1].decode("ascii")) if matched else None
        if not hmac.compare_digest(digest, (record or _NOBODY).digest) or record is None:
            return None
        return Principal(record.name, record.scope, record.id)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
