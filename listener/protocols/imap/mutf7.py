"""Folder names in modified UTF-7 (RFC 3501 §5.1.3), as people write them and as IMAP4rev1 sends them. Linear, never raises.

What a server sends and cannot be decoded stays as it is, so that a folder with a broken name can still be named.
"""

from __future__ import annotations

import base64
import re

_SHIFTED = re.compile(r"[^\x20-\x7e]+")
_ENCODED = re.compile(r"&([A-Za-z0-9+,]*)-")


def encode(name: str) -> str:
    """The name in US-ASCII. Control characters are encoded like any other; the encoder above refuses them first."""
    return _SHIFTED.sub(_shift, name.replace("&", "&-"))


def decode(name: str) -> str:
    """The inverse; a sequence that is no modified UTF-7 stays as it stands."""
    return _ENCODED.sub(_unshift, name)


def _shift(run: re.Match[str]) -> str:
    octets = run[0].encode("utf-16-be", "surrogatepass")
    return "&" + base64.b64encode(octets).decode("ascii").rstrip("=").replace("/", ",") + "-"


def _unshift(run: re.Match[str]) -> str:
    if not run[1]:
        return "&"
    text = run[1].replace(",", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-16-be")
    except ValueError:  # binascii.Error and UnicodeDecodeError are its kinds
        return run[0]
