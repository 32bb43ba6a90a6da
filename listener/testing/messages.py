"""Messages for tests: `make_message` writes one from what matters to the test, `sample` reads one of those that come along.

Everything is the same on every run (Message-ID, boundary and date too), so a test may compare octets. The samples are the
mail of `listener demo`: an order and its replies, a newsletter, an attachment, an out-of-office note, a bounce, and one that
is broken on purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from importlib import resources
from importlib.resources.abc import Traversable

WHEN = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)


def make_message(
    text: str = "Hello,\n\nwhere is my order?\n",
    *,
    subject: str = "A question",
    sender: str = "Ann Example <ann@example.com>",
    to: str = "support@example.com",
    html: str | None = None,
    attachments: Iterable[tuple[str, str, bytes]] = (),
    message_id: str | None = None,
    in_reply_to: str | None = None,
    references: Sequence[str] = (),
    date: datetime | None = WHEN,
    fields: Mapping[str, str] | None = None,
) -> bytes:
    """A message as a server hands it over, lines ended by CRLF.

    `attachments` are (file name, content type, octets). Message-IDs are given without `<>`; the message's own is made from
    its content where none is given, and `references` without `in_reply_to` answers the last of them. `date` None leaves the
    Date out; `fields` are added as they are.
    """
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    if date is not None:
        message["Date"] = format_datetime(date)
    seed = "\0".join((sender, to, subject, text, html or "", *references)).encode("utf-8", "surrogateescape")
    message["Message-ID"] = f"<{message_id or hashlib.sha256(seed).hexdigest()[:20] + '@example.com'}>"
    answered = in_reply_to or (references[-1] if references else None)
    if answered:
        message["In-Reply-To"] = f"<{answered}>"
    if references:
        message["References"] = " ".join(f"<{one}>" for one in references)
    for name, value in (fields or {}).items():
        message[name] = value
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for filename, content_type, octets in attachments:
        maintype, _, subtype = content_type.partition("/")
        message.add_attachment(octets, maintype=maintype, subtype=subtype, filename=filename)
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_part_{number}_{hashlib.sha256(seed).hexdigest()[:12]}")
    return message.as_bytes()


def sample_names() -> list[str]:
    """The samples in the order in which the demo delivers them."""
    return sorted(file.name for file in _folder().iterdir() if file.name.endswith(".eml"))


def sample(name: str) -> bytes:
    """The octets of one sample, lines ended by CRLF as on the wire. Raises FileNotFoundError."""
    return (_folder() / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _folder() -> Traversable:
    return resources.files(__package__) / "samples"
