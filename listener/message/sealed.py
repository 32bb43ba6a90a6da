"""What of a message is encrypted, wrapped or only a piece, so that nobody takes the rest for all of it: words for `defects`.

Called once a message. Looks at every part outside attached messages, since lists and gateways wrap what they pass on, and
for OpenPGP written into the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .bounce_notice import own_parts
from .structure import Part

OPENPGP: Final = "encrypted: the content cannot be read (OpenPGP, RFC 3156)"
SMIME: Final = "encrypted: the content cannot be read (S/MIME, RFC 8551)"
WRAPPED: Final = "signed: the content lies inside the signature and cannot be read (S/MIME, RFC 8551 §3.5.2)"
IN_TEXT: Final = "encrypted: a part of the text cannot be read (OpenPGP, RFC 9580)"
PIECE: Final = "partial: one piece of a larger message (RFC 2046 §5.2.2)"

_ARMOR: Final = re.compile(r"^-----BEGIN PGP MESSAGE-----[ \t]*$", re.M)
_PKCS7: Final = frozenset(["application/pkcs7-mime", "application/x-pkcs7-mime"])
_OPEN: Final = frozenset(["certs-only", "compressed-data"])
"""`smime-type`s that hide no letter that was encrypted."""


def defects(root: Part, text: str) -> tuple[str, ...]:
    """What cannot be read, each said once. `text` is the body's. Never raises; linear."""
    found = [said for part in own_parts(root) for said in _of_part(part)]
    found += [IN_TEXT] * (_ARMOR.search(text) is not None)
    return tuple(dict.fromkeys(found))


def _of_part(part: Part) -> Iterator[str]:
    if part.content_type == "multipart/encrypted":
        yield OPENPGP
    elif part.content_type in _PKCS7:
        kind = part.params.get("smime-type", "").lower()
        if kind not in _OPEN:
            yield WRAPPED if kind == "signed-data" else SMIME
    elif part.content_type == "message/partial":
        yield PIECE
