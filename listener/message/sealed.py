"""What of a message is encrypted, wrapped or only a piece, so that nobody takes the rest for all of it: words for `defects`.

Called once a message. Looks at every part outside attached messages, since lists and gateways wrap what they pass on, and
for OpenPGP written into the text.
"""

from __future__ import annotations

import re
from typing import Final

from . import cms
from .structure import Part, own_parts

OPENPGP: Final = "encrypted: the content cannot be read (OpenPGP, RFC 3156)"
OPENED: Final = "signed: the content was taken out of its S/MIME signature, which was not verified (RFC 8551 §3.5.2)"
COMPRESSED: Final = "compressed: the content cannot be read (S/MIME, RFC 8551 §3.6)"
SMIME: Final = "encrypted: the content cannot be read (S/MIME, RFC 8551)"
WRAPPED: Final = "signed: the content lies inside the signature and cannot be read (S/MIME, RFC 8551 §3.5.2)"
IN_TEXT: Final = "encrypted: a part of the text cannot be read (OpenPGP, RFC 9580)"
PIECE: Final = "partial: one piece of a larger message (RFC 2046 §5.2.2)"

HEAD: Final = 32  # octets within which CMS names its type
_BEGIN: Final = "-----BEGIN PGP MESSAGE-----"
_ARMOR: Final = re.compile(rf"^{_BEGIN}[ \t]*$", re.M)
_LOOKED_AT: Final = frozenset(
    ["multipart/encrypted", "message/partial", "application/pkcs7-mime", "application/x-pkcs7-mime", "application/octet-stream"]
)
_SAID: Final = {"signed-data": WRAPPED, "compressed-data": COMPRESSED, "certs-only": ""}
"""By `smime-type` (RFC 8551 §3.2.2); what is not here is taken for encrypted."""


def defects(root: Part, text: str) -> tuple[str, ...]:
    """What cannot be read, each said once. `text` is the body's. Never raises; linear."""
    found = [_said(part) for part in own_parts(root) if part.content_type in _LOOKED_AT]
    if _BEGIN in text and _ARMOR.search(text):  # the first test is the quicker one, and hardly any mail passes it
        found.append(IN_TEXT)
    return tuple(dict.fromkeys(said for said in found if said))


def _said(part: Part) -> str:
    if part.content_type == "multipart/encrypted":
        return OPENPGP
    if part.content_type == "message/partial":
        return PIECE
    if not part.is_smime:
        return ""
    if part.children:
        return OPENED
    kind = part.params.get("smime-type", "signed-data" if cms.SIGNED in part.content[:HEAD] else "").lower()
    return _SAID.get(kind, SMIME)
