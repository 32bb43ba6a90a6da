"""Attachments: every part that is not the body, the files embedded in text, and what a winmail.dat holds.

`listed` is called once per message; `octets_at` finds the bytes of one `Attachment.path` again. A path names the part by
child numbers from the root (`2.1`, the root itself is `0`), then `!n` the n-th file inside it where it is a container.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from . import charset, embedded, filenames, tnef
from .model import Attachment
from .structure import Part

MAX_ATTACHMENTS = 1_000

_EXTENSIONS = {
    "message/rfc822": "eml", "message/global": "eml", "text/calendar": "ics", "text/vcard": "vcf", "text/x-vcard": "vcf",
    "text/plain": "txt", "text/html": "html", "text/csv": "csv", "text/rtf": "rtf", "text/rfc822-headers": "txt",
    "message/delivery-status": "txt", "message/disposition-notification": "txt", "message/feedback-report": "txt",
    "application/pdf": "pdf", "application/rtf": "rtf", "application/zip": "zip", "application/json": "json", "application/xml": "xml",
    "image/png": "png", "image/jpeg": "jpg", "image/jpg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/tiff": "tif",
    "image/bmp": "bmp", "image/svg+xml": "svg", "audio/mpeg": "mp3", "audio/wav": "wav", "video/mp4": "mp4",
    "application/pgp-signature": "asc", "application/pgp-encrypted": "asc", "application/pkcs7-signature": "p7s",
    "application/x-pkcs7-signature": "p7s", "application/pkcs7-mime": "p7m", "application/x-pkcs7-mime": "p7m",
    "application/ms-tnef": "dat",
}  # fmt: skip


class Found(NamedTuple):
    """An attachment with its octets at hand, before it has a safe name."""

    name: str
    content_type: str
    octets: bytes
    content_id: str | None
    disposition: str
    path: str


def found(parts: list[Part], embedded_files: list[tuple[Part, int, embedded.File]], root: Part, defects: list[str]) -> list[Found]:
    """What the parts and the files embedded in text amount to, in document order."""
    paths = _paths(root)
    result = [item for part in parts for item in _of_part(part, paths.get(id(part), "0"), defects)]
    for part, number, file in embedded_files:
        name = charset.decode(file.name, part.charset)[0]
        path = f"{paths.get(id(part), '0')}!{number}"
        result.append(Found(name, "application/octet-stream", file.octets, None, "attachment", path))
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
            path=item.path,
        )
        for number, item in enumerate(items, 1)
    )


def octets_at(root: Part, path: str) -> bytes:
    """The decoded octets that `Attachment.path` names. Raises KeyError when the message has no such part."""
    place, inside, number = path.partition("!")
    part = root
    for step in place.split(".") if place != "0" else ():
        if not step.isdecimal() or not 0 < int(step) <= len(part.children):
            raise KeyError(path)
        part = part.children[int(step) - 1]
    if not inside:
        return part.content
    files = embedded.split(part.content)[1] if part.content_type.startswith("text/") else tnef.read(part.content).files
    if not number.isdecimal() or int(number) >= len(files):
        raise KeyError(path)
    return files[int(number)].octets


def is_tnef(part: Part) -> bool:
    """Whether Outlook wrapped the real attachments into this one."""
    return part.content_type in ("application/ms-tnef", "application/vnd.ms-tnef") or part.filename.lower() == "winmail.dat"


def _paths(root: Part) -> dict[int, str]:
    paths = {id(root): "0"}
    waiting: list[tuple[Part, str]] = [(root, "")]
    while waiting:
        part, path = waiting.pop()
        for number, child in enumerate(part.children, 1):
            paths[id(child)] = f"{path}{number}"
            waiting.append((child, f"{path}{number}."))
    return paths


def _of_part(part: Part, path: str, defects: list[str]) -> Iterator[Found]:
    if is_tnef(part):
        contents = tnef.read(part.content)
        defects += contents.defects
        if contents.files:
            for number, file in enumerate(contents.files):
                yield Found(file.name, file.content_type, file.octets, file.content_id, "attachment", f"{path}!{number}")
            return
    disposition = part.disposition if part.disposition == "inline" or not part.content_id else "inline"
    name = part.filename
    if not name and part.is_message and part.children:
        subject = part.children[0].text("subject")
        name = f"{subject}.eml" if subject else ""
    yield Found(name, part.content_type, part.content, part.content_id, disposition or "attachment", path)
