"""Signed thread tokens: how mail that answers us says which case it belongs to, so that nobody else can say it (R-78). No I/O.

A token is the case's id and a tag, `base32(kid ‖ HMAC-SHA256(key, form ‖ case ‖ account ‖ nonce)[:n])`. It travels in three
forms, each signed for itself, so that none can be turned into another:

    Message-ID   <CASE TAG18 . nonce @domain>     10 octets of MAC; clients give it back in References and In-Reply-To
    address      local+CASE TAG18@domain          10 octets; only where the server delivers plus addresses
    subject      [#CASE-TAG10]                    5 octets, short because people see it; each guess costs a mail

A keyring signs with its first key and accepts all of them; `kid` (one octet derived from the key) says which to try. A key that
was taken out accepts nothing any more. Mail servers fold letters, so a token is read in either case. Used by `cases` to decide,
and by whoever composes answers to sign.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from .message.model import InboundMessage

MAX_TOKENS = 16
"""Tokens of one message that are tried: the plus addresses first, then the newest references, then the subject."""
MAX_RECIPIENTS = 100
"""Addresses of one message that are looked at."""
MAX_REFERENCES = 50
"""Newest references that are looked at."""
MAX_SUBJECT = 1_000
"""Characters of a subject that are looked at."""
MAX_LOCAL_PART = 64  # octets, RFC 5321 §4.5.3.1.1
NONCE = re.compile(r"[a-z0-9]{1,32}")
KEY_OCTETS = 32

CASE_LETTERS = 13  # base32 of the 8 octets of a case's id
_MAC_OCTETS = 10
_SHORT_MAC_OCTETS = 5
_LONG = rf"([A-Z2-7]{{{CASE_LETTERS}}})([A-Z2-7]{{18}})"
_IN_MESSAGE_ID = re.compile(rf"{_LONG}\.([A-Z0-9]{{1,32}})@", re.IGNORECASE | re.ASCII)
_IN_ADDRESS = re.compile(_LONG, re.IGNORECASE | re.ASCII)
_IN_SUBJECT = re.compile(rf"\[#([A-Z2-7]{{{CASE_LETTERS}}})-([A-Z2-7]{{10}})\]", re.IGNORECASE | re.ASCII)
_CASE = re.compile(rf"[A-Z2-7]{{{CASE_LETTERS}}}", re.ASCII)


class Form(StrEnum):
    """Where a token travels. The value is part of what is signed: never change it."""

    MESSAGE_ID = "message-id"
    ADDRESS = "address"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Token:
    """What looks like a token in somebody's mail; nobody has verified it. Letters are folded to capitals, `nonce` to small."""

    form: Form
    case: str
    tag: str
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """One signing key, KEY_OCTETS long. Never shows itself."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_OCTETS:
            raise ValueError(f"a key has {KEY_OCTETS} octets")

    @property
    def kid(self) -> bytes:
        """One octet that tells keys apart."""
        return hmac.digest(self.secret, b"kid", "sha256")[:1]

    def tag(self, form: Form, case: str, account: str, nonce: str) -> str:
        """The signature as it is written, in capitals."""
        signed = "\0".join((form.value, case, account, nonce)).encode("utf-8", "surrogatepass")
        octets = _SHORT_MAC_OCTETS if form is Form.SUBJECT else _MAC_OCTETS
        mac = hmac.digest(self.secret, signed, "sha256")[:octets]
        return base64.b32encode(self.kid + mac).decode("ascii").rstrip("=")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys, the current one first. An empty one accepts nothing and cannot sign."""

    keys: tuple[Key, ...] = ()

    def message_id(self, case: str, account: str, nonce: str, domain: str) -> str:
        """A bare Message-ID. `nonce`: 1 to 32 of a-z and 0-9, another for each message, the same when one is composed again.

        Raises ValueError for what cannot be signed, LookupError without a key.
        """
        if not NONCE.fullmatch(nonce):
            raise ValueError("a nonce has 1 to 32 letters a-z and digits")
        return f"{self._long(Form.MESSAGE_ID, case, account, nonce)}.{nonce}@{domain}"

    def address(self, address: str, case: str, account: str) -> str:
        """`local+token@domain`, for Reply-To. Raises ValueError when there is no room for it, LookupError without a key."""
        local, at, domain = address.rpartition("@")
        signed = f"{local}+{self._long(Form.ADDRESS, case, account, '')}"
        if not at or len(signed.encode("utf-8", "replace")) > MAX_LOCAL_PART:
            raise ValueError(f"{address!r} leaves no room for a token in its local part")
        return f"{signed}@{domain}"

    def subject(self, case: str, account: str) -> str:
        """`[#…]`, for the subject. Raises ValueError for what cannot be signed, LookupError without a key."""
        return f"[#{case}-{self._sign(Form.SUBJECT, case, account, '')}]"

    def verify(self, token: Token, account: str) -> str | None:
        """The case, when one of our keys signed this token for this account; else None. Compares in constant time."""
        try:
            kid = base64.b32decode(token.tag[:8])[:1]
        except ValueError:
            return None
        for key in self.keys:
            if key.kid == kid:
                expected = key.tag(token.form, token.case, account, token.nonce)
                if hmac.compare_digest(expected.encode("ascii"), token.tag.encode("ascii", "replace")):
                    return token.case
        return None

    def knows(self, message: InboundMessage, account: str) -> bool:
        """Does the message bear any token that we signed for this account? For whoever judges mail before it has a case."""
        return bool(self.keys) and any(self.verify(token, account) for token in find(message))

    def _long(self, form: Form, case: str, account: str, nonce: str) -> str:
        return (case + self._sign(form, case, account, nonce)).lower()

    def _sign(self, form: Form, case: str, account: str, nonce: str) -> str:
        if not _CASE.fullmatch(case):
            raise ValueError(f"not the id of a case: {case[:40]!r}")
        if not self.keys:
            raise LookupError("there is no key to sign with")
        return self.keys[0].tag(form, case, account, nonce)


def find(message: InboundMessage) -> tuple[Token, ...]:
    """What looks like a token in a message, most deliberate first: where it was sent to, what it answers, its subject.

    Of a bounce, also what it brings back.
    """
    found: dict[Token, None] = {}
    for token in _tokens(message):
        found.setdefault(token)
        if len(found) == MAX_TOKENS:
            break
    return tuple(found)


def in_message_id(message_id: str) -> Token | None:
    """The token that a bare Message-ID seems to hold."""
    match = _IN_MESSAGE_ID.match(message_id)
    return Token(Form.MESSAGE_ID, match[1].upper(), match[2].upper(), match[3].lower()) if match else None


def in_address(address: str) -> Token | None:
    """The token that an address seems to hold behind the last plus of its local part."""
    tag = address.rpartition("@")[0].rpartition("+")[2] if "+" in address else ""
    match = _IN_ADDRESS.fullmatch(tag)
    return Token(Form.ADDRESS, match[1].upper(), match[2].upper()) if match else None


def in_subject(subject: str) -> Iterator[Token]:
    """The tokens that a subject seems to hold."""
    for match in _IN_SUBJECT.finditer(subject[:MAX_SUBJECT]):
        yield Token(Form.SUBJECT, match[1].upper(), match[2].upper())


def _tokens(message: InboundMessage) -> Iterator[Token]:
    addresses = (*message.delivered_to, *(one.address for one in (*message.to, *message.cc)))
    for address in addresses[:MAX_RECIPIENTS]:
        if token := in_address(address):
            yield token
    returned = (message.bounce.original_message_id,) if message.bounce and message.bounce.original_message_id else ()
    for message_id in (*returned, *reversed(message.references[-MAX_REFERENCES:]), *message.in_reply_to[:MAX_REFERENCES]):
        if token := in_message_id(message_id):
            yield token
    yield from in_subject(message.subject)
