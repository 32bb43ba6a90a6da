"""What of a message is encrypted, wrapped or only a piece, so that nobody takes the rest for all of it: words for `defects`.

Called once a message. Looks at every part outside attached messages, since lists and gateways wrap what they pass on, and
for OpenPGP written into the text.
"""

from __future__ import annotations

import re
from typing import Final

from .bounce_notice import own_parts
from .structure import Part

OPENPGP: Final = "encrypted: the content cannot be read (OpenPGP, RFC 3156)"
SMIME: Final = "encrypted: the content cannot be read (S/MIME, RFC 8551)"
WRAPPED: Final = "signed: the content lies inside the signature and cannot be read (S/MIME, RFC 8551 §3.5.2)"
IN_TEXT: Final = "encrypted: a part of the text cannot be read (OpenPGP, RFC 9580)"
PIECE: Final = "partial: one piece of a larger message (RFC 2046 §5.2.2)"

_BEGIN: Final = "-----BEGIN PGP MESSAGE-----"
_ARMOR: Final = re.compile(rf"^{_BEGIN}[ \t]*$", re.M)
_SEALED: Final = frozenset(
    ["multipart/encrypted", "message/partial", "application/pkcs7-mime", "application/x-pkcs7-mime"],
)
_OPEN: Final = frozenset(["certs-only", "compressed-data"])
"""`smime-type`s that hide no letter that was encrypted."""


def defects(root: Part, text: str) -> tuple[str, ...]:
    """What cannot be read, each said once. `text` is the body's. Never raises; linear."""
    found = [_said(part) for part in own_parts(root) if part.content_type in _SEALED]
    if _BEGIN in text and _ARMOR.search(text):  # the first test is the quicker one, and hardly any mail passes it
        found.append(IN_TEXT)
    return tuple(dict.fromkeys(said for said in found if said))


def _said(part: Part) -> str:
    if part.content_type == "multipart/encrypted":
        return OPENPGP
    if part.content_type == "message/partial":
        return PIECE
    kind = part.params.get("smime-type", "").lower()
    return "" if kind in _OPEN else WRAPPED if kind == "signed-data" else SMIME
