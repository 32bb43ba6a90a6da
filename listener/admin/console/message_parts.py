"""What a page shows of one raw message: its header block, its attachments' octets, its HTML made harmless.

Attachments are read again from the raw message, in a process of their own that can be killed: the octets are a stranger's.
A message's HTML gets its own pictures as `data:`; nothing else in it loads anything (R-71).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from ...message import Trust
from ...message.fields import header_end
from ...message.model import Attachment, InboundMessage
from ...message.safe_html import safe_html
from ...parsing.worker import Worker

MAX_SHOWN = 256 * 1024
"""Octets of header or source that a page shows; all of it can be downloaded."""
MAX_PICTURES = 8 * 1024 * 1024
"""Octets of pictures within one message's HTML."""
PICTURES = frozenset({"image/png", "image/gif", "image/jpeg", "image/webp"})
READERS = 2
"""Processes that read attachments at a time."""
_CID = re.compile(r'src="cid:([^"]{1,500})"')
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1a2230;background:#fff;margin:16px;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}"
)


class Reader:
    """Reads attachments; at most READERS at a time."""

    def __init__(self) -> None:
        self._seats = asyncio.Semaphore(READERS)

    async def contents(self, octets: bytes) -> list[bytes]:
        """Every attachment decoded, in the message's order. Raises ParseTimeout or ParseCrash."""
        async with self._seats:
            return await asyncio.to_thread(_contents, octets)

    async def attachment(self, octets: bytes, sha256: str) -> bytes | None:
        """The attachment with that digest (hex), None where there is none. Raises ParseTimeout or ParseCrash."""
        found = await self.contents(octets)
        return next((one for one in found if hashlib.sha256(one).hexdigest() == sha256), None)


def _contents(octets: bytes) -> list[bytes]:
    worker = Worker()
    try:
        answer = worker.ask(octets, Trust(), contents=True)
        ends, found = 0, []
        for attachment in answer.message().attachments:
            found.append(answer.contents[ends : ends + attachment.size])
            ends += attachment.size
        return found
    finally:
        worker.kill()


def source(octets: bytes) -> tuple[str, bool]:
    """The raw message as text, and whether that is all of it."""
    return _as_text(octets[:MAX_SHOWN]), len(octets) <= MAX_SHOWN


def header(octets: bytes) -> tuple[str, bool]:
    """The header block as text, and whether that is all of it."""
    end = header_end(octets, 0, len(octets))[0]
    return _as_text(octets[: min(end, MAX_SHOWN)]), end <= MAX_SHOWN


def _as_text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def wants_pictures(message: InboundMessage) -> bool:
    """Whether its HTML shows pictures that it brings along."""
    return bool(message.html and "cid:" in message.html and any(_is_picture(one) for one in message.attachments))


def frame(message: InboundMessage, contents: Sequence[bytes] = ()) -> str:
    """A whole page with the message's HTML, cleaned, its own pictures in it."""
    cleaned = _with_pictures(safe_html(message.html or ""), _pictures(message.attachments, contents))
    head = f'<meta charset="utf-8"><title>Message</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}<body>{cleaned}</body></html>'


def _is_picture(attachment: Attachment) -> bool:
    return bool(attachment.content_id) and attachment.content_type in PICTURES


def _pictures(attachments: Sequence[Attachment], contents: Sequence[bytes]) -> Mapping[str, str]:
    """`data:` addresses by content id, as many as the limit allows."""
    left, found = MAX_PICTURES, dict[str, str]()
    for attachment, octets in zip(attachments, contents, strict=False):
        if _is_picture(attachment) and attachment.content_id and len(octets) <= left:
            left -= len(octets)
            found[attachment.content_id.strip("<>")] = (
                f"data:{attachment.content_type};base64,{base64.b64encode(octets).decode()}"
            )
    return found


def _with_pictures(cleaned: str, pictures: Mapping[str, str]) -> str:
    def address(match: re.Match[str]) -> str:
        picture = pictures.get(match[1]) or pictures.get(unquote(match[1]))
        return f'src="{picture}"' if picture else ""

    return _CID.sub(address, cleaned)
