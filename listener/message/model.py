"""What a parsed message is: the shapes that `parse` prints, hooks receive and the API serves.

Everything here is frozen, plain and free of I/O. `as_json` gives the contract's schema 1 as a dict that `json.dumps`
accepts; `from_json` reads it back (the parse worker and the ledger both speak only this JSON, never pickles).
Message-ids are kept without `<>`; addresses as addr-spec text; dates as RFC 3339 text with offset, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from io import BytesIO
from typing import Any, Self

SCHEMA = 1
_METHODS = {"REQUEST": "Invitation", "CANCEL": "Cancelled", "REPLY": "Answer to an invitation", "COUNTER": "Counter-proposal"}


class Kind(StrEnum):
    """What sort of mail this is; exactly one holds."""

    MESSAGE = "message"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    DELAYED = "delayed"
    COMPLAINT = "complaint"
    RECEIPT = "receipt"
    LIST = "list"
    BULK = "bulk"


class Verdict(StrEnum):
    """Whether the sender's domain is proven (RFC 8601, RFC 7489 alignment)."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox (RFC 5322 §3.4). `address` is `local@domain` as written, `name` the decoded display name or ""."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """One part that is not the body. `filename` is already safe to show and to save (R-70).

    `sha256` is hex, of the decoded octets, and finds them again in the raw message (`message.attachment_octets`); `size`
    counts them. `opener` reads them where a hook or the console holds the message; it is no part of the data.
    """

    filename: str
    content_type: str
    size: int
    sha256: str
    content_id: str | None
    disposition: str
    opener: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The contract's object."""
        names = ("filename", "content_type", "size", "sha256", "content_id", "disposition")
        return {name: getattr(self, name) for name in names}

    def open(self) -> BytesIO:
        """The decoded octets as a file. Raises ValueError when the message was not bound to its raw octets."""
        if self.opener is None:
            raise ValueError("this attachment is not bound to its message's octets")
        return BytesIO(self.opener())


@dataclass(frozen=True, slots=True)
class Invitation:
    """One event of a calendar that came with the message (RFC 5545); "" where something is unsaid.

    `method` is what is asked (RFC 5546: `REQUEST`, `CANCEL`, `REPLY` …). Times are `2026-11-22 10:00 Europe/Berlin`, whole days
    `2026-11-22`: the zone is the sender's word.
    """

    method: str = ""
    summary: str = ""
    start: str = ""
    end: str = ""
    location: str = ""
    organizer: str = ""
    description: str = ""
    uid: str = ""

    @property
    def title(self) -> str:
        """What is asked, for people."""
        return _METHODS.get(self.method, "Calendar entry")


@dataclass(frozen=True, slots=True)
class Card:
    """One person or company of a business card that came with the message (RFC 6350)."""

    name: str = ""
    organization: str = ""
    title: str = ""
    emails: tuple[str, ...] = ()
    telephones: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The body taken apart: what the sender newly wrote, what was quoted, and the signature."""

    text: str
    quoted: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Automatic:
    """Two verdicts that must not be merged: is a machine speaking, and must we keep silent. `rules` names what fired."""

    is_machine: bool = False
    suppress_reply: bool = False
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BounceRecipient:
    """One recipient of a delivery status notification (RFC 3464 §2.3). `status` is an enhanced code (RFC 3463) or ""."""

    address: str
    action: str
    status: str
    permanent: bool
    reason: str
    diagnostic: str


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce or a delay notice says, and about which message of ours."""

    recipients: tuple[BounceRecipient, ...]
    original_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Authentication:
    """`trusted` is the authserv-id that was believed, or "" when none was."""

    verdict: Verdict = Verdict.UNKNOWN
    trusted: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """What an account's settings say about reading its mail.

    Whose Authentication-Results to believe (R-76): a literal authserv-id, the topmost field without one, or nobody's. Where our
    border writes them below its own Received fields, `own_received` of these are passed over, and the next `own_results` fields
    count. `verify_dkim`: look ourselves where nobody's word counts. `reply_markers`: further "reply above this line" phrases.
    """

    authserv_id: str | None = None
    topmost_without_id: bool = False
    own_received: int = 0
    own_results: int = 1
    verify_dkim: bool = False
    reply_markers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message, understood as far as it can be. `defects` says in words what could not be."""

    message_id: str
    subject: str = ""
    date: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    return_path: str | None = None
    delivered_to: tuple[str, ...] = ()
    text: str = ""
    html: str | None = None
    reply: Reply = field(default_factory=lambda: Reply(""))
    attachments: tuple[Attachment, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    cards: tuple[Card, ...] = ()
    kind: Kind = Kind.MESSAGE
    automatic: Automatic = field(default_factory=Automatic)
    bounce: Bounce | None = None
    authentication: Authentication = field(default_factory=Authentication)
    defects: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The contract's object, keys in the contract's order."""
        bounce = self.bounce
        return {
            "schema": SCHEMA,
            "message_id": self.message_id,
            "in_reply_to": list(self.in_reply_to),
            "references": list(self.references),
            "subject": self.subject,
            "date": self.date,
            "from": _addresses(self.from_),
            "sender": _addresses(self.sender),
            "reply_to": _addresses(self.reply_to),
            "to": _addresses(self.to),
            "cc": _addresses(self.cc),
            "return_path": self.return_path,
            "delivered_to": list(self.delivered_to),
            "text": self.text,
            "html": self.html,
            "reply": {"text": self.reply.text, "quoted": self.reply.quoted, "signature": self.reply.signature},
            "attachments": [attachment.as_json() for attachment in self.attachments],
            "invitations": [asdict(one) for one in self.invitations],
            "cards": [asdict(one) | {"emails": list(one.emails), "telephones": list(one.telephones)} for one in self.cards],
            "kind": self.kind.value,
            "automatic": {
                "is_machine": self.automatic.is_machine,
                "suppress_reply": self.automatic.suppress_reply,
                "rules": list(self.automatic.rules),
            },
            "bounce": bounce and asdict(bounce) | {"recipients": [asdict(one) for one in bounce.recipients]},
            "authentication": {"verdict": self.authentication.verdict.value, "trusted": self.authentication.trusted},
            "defects": list(self.defects),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read back what `as_json` gave.

        Raises KeyError, TypeError or ValueError when the data is not of the schema.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"message schema {data['schema']!r}, expected {SCHEMA}")
        addresses = {
            key: tuple(Address(**a) for a in data[name])
            for key, name in (("from_", "from"), ("sender", "sender"), ("reply_to", "reply_to"), ("to", "to"), ("cc", "cc"))
        }
        bounce = data["bounce"]
        return cls(
            message_id=data["message_id"],
            subject=data["subject"],
            date=data["date"],
            in_reply_to=tuple(data["in_reply_to"]),
            references=tuple(data["references"]),
            **addresses,
            return_path=data["return_path"],
            delivered_to=tuple(data.get("delivered_to", ())),  # messages kept by the first version have none
            text=data["text"],
            html=data["html"],
            reply=Reply(**data["reply"]),
            attachments=tuple(Attachment(**a) for a in data["attachments"]),
            invitations=tuple(Invitation(**one) for one in data.get("invitations", ())),  # nor have they these
            cards=tuple(_card(**one) for one in data.get("cards", ())),
            kind=Kind(data["kind"]),
            automatic=Automatic(**data["automatic"] | {"rules": tuple(data["automatic"]["rules"])}),
            bounce=bounce and Bounce(tuple(BounceRecipient(**r) for r in bounce["recipients"]), bounce["original_message_id"]),
            authentication=Authentication(Verdict(data["authentication"]["verdict"]), data["authentication"]["trusted"]),
            defects=tuple(data["defects"]),
        )


def _card(emails: list[str], telephones: list[str], **texts: str) -> Card:
    return Card(emails=tuple(emails), telephones=tuple(telephones), **texts)


def _addresses(addresses: tuple[Address, ...]) -> list[dict[str, str]]:
    """By hand: `asdict` on a whole message costs more than keeping it."""
    return [{"name": one.name, "address": one.address} for one in addresses]
