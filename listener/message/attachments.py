"""Attachments: every part that is not the body, the files embedded in text, and what a winmail.dat holds.

`found` is called once per message and `described` makes of it what the message shows; whoever needs an attachment's octets
again calls `found` again on the raw message and looks for their digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from . import charset, embedded, filenames, tnef
from .model import Attachment
from .structure import Part

MAX_ATTACHMENTS = 1_000

_EXTENSIONS = {
    "application/json": "json",
    "application/ms-tnef": "dat",
    "application/pdf": "pdf",
    "application/pgp-encrypted": "asc",
    "application/pgp-signature": "asc",
    "application/pkcs7-mime": "p7m",
    "application/pkcs7-signature": "p7s",
    "application/rtf": "rtf",
    "application/x-pkcs7-mime": "p7m",
    "application/x-pkcs7-signature": "p7s",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif",
    "image/webp": "webp",
    "message/delivery-status": "txt",
    "message/disposition-notification": "txt",
    "message/feedback-report": "txt",
    "message/global": "eml",
    "message/rfc822": "eml",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/rfc822-headers": "txt",
    "text/rtf": "rtf",
    "text/vcard": "vcf",
    "text/x-vcard": "vcf",
    "video/mp4": "mp4",
}


class Found(NamedTuple):
    """An attachment with its octets at hand, before it has a safe name."""

    name: str
    content_type: str
    octets: bytes
    content_id: str | None
    disposition: str
    charset: str = ""  # as declared, of text


def found(
    parts: list[Part], containers: Mapping[int, tnef.Contents], files: list[tuple[Part, embedded.File]], defects: list[str]
) -> list[Found]:
    """What the parts, the containers among them (by identity) and the files embedded in text amount to, in document order."""
    result = [item for part in parts for item in _of_part(part, containers)]
    for part, file in files:
        name = charset.decode(file.name, part.charset)[0]
        result.append(Found(name, "application/octet-stream", file.octets, None, "attachment"))
    if len(result) > MAX_ATTACHMENTS:
        defects.append(f"attachments: over {MAX_ATTACHMENTS}, the rest is not listed")
    return result[:MAX_ATTACHMENTS]


def described(items: list[Found]) -> tuple[Attachment, ...]:
    """The attachments as the message shows them: named safely, measured and digested."""
    return tuple(
        Attachment(
            filename=filenames.safe(item.name, number, _EXTENSIONS.get(item.content_type, "bin")),
            content_type=item.content_type,
            size=len(item.octets),
            sha256=hashlib.sha256(item.octets).hexdigest(),
            content_id=item.content_id,
            disposition=item.disposition,
        )
        for number, item in enumerate(items, 1)
    )


def is_tnef(part: Part) -> bool:
    """Whether Outlook wrapped the real attachments into this one."""
    return part.content_type in ("application/ms-tnef", "application/vnd.ms-tnef") or part.filename.lower() == "winmail.dat"


def _of_part(part: Part, containers: Mapping[int, tnef.Contents]) -> Iterator[Found]:
    contents = containers.get(id(part))
    if contents and contents.files:
        for file in contents.files:
            yield Found(file.name, file.content_type, file.octets, file.content_id, "attachment")
        return
    disposition = part.disposition if part.disposition == "inline" or not part.content_id else "inline"
    name = part.filename
    if not name and part.is_message and part.children:
        subject = part.children[0].text("subject")
        name = f"{subject}.eml" if subject else ""
    yield Found(name, part.content_type, part.content, part.content_id, disposition or "attachment", part.charset)
