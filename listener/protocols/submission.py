"""Handing one message over to a submission server, so that afterwards it is known how far it came (RFC 5321 §3.3, R-42).

The caller has a session of `smtp.connect` and `smtp.authenticate` and may use it for several messages. `submit` never raises
for what the server does: a `Result` says whether the message was taken, may be tried again, was refused, or whether nobody can
tell.

Rules of the file
1. Until the final dot was written nothing has been sent: whatever breaks before it is LATER.
2. From the moment it was written only the server's answer tells: no answer is UNKNOWN, never LATER.
3. 4xx is LATER, 5xx is REFUSED (RFC 5321 §4.2.1), at whatever stage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from .smtp import COMMAND_SECONDS, MAX_SHOWN

END_SECONDS = 600.0
"""How long the server may think about a message after its final dot (RFC 5321 §4.5.3.2.6)."""
NULL_SENDER = ""

_DOT = re.compile(rb"(?m)^\.")
_NULL_REFUSED = ("5.1.7", "5.1.8", "5.7.60", "5.5.2")
"""Enhanced codes by which the empty sender is refused later than at MAIL (RFC 3463 §3.2; Exchange Online's SendAsDenied)."""


class Ended(StrEnum):
    """What came of it."""

    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """`said`: the server's words, or what happened; `stage`: `mail`, `rcpt`, `data` or `end`; `broken`: the session is at its
    end.
    """

    ended: Ended
    said: str = ""
    stage: str = ""
    broken: bool = False

    @property
    def null_sender_refused(self) -> bool:
        """Was it the empty envelope sender that the server would not take?"""
        if self.ended is not Ended.REFUSED:
            return False
        return self.stage == "mail" or any(f" {code} " in f"{self.said} " for code in _NULL_REFUSED)


class _Answered(Exception):
    """The server said no, for now or for good."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(f"{code} {message}")


async def submit(client: aiosmtplib.SMTP, sender: str, recipient: str, octets: bytes) -> Result:
    """One message to one recipient. `sender` NULL_SENDER is `<>`; `octets` have CRLF line ends. A refused one is reset."""
    stage, written = "mail", False
    try:
        if sender == NULL_SENDER:
            await _command(client, b"MAIL", b"FROM:<>")
        else:
            await _command(client, b"MAIL", b"FROM:<" + sender.encode("ascii") + b">")
        stage = "rcpt"
        await _command(client, b"RCPT", b"TO:<" + recipient.encode("ascii") + b">")
        stage = "data"
        await _command(client, b"DATA", expected=354)
        stage, written = "end", True
        code, said = await _text(client, octets)
    except _Answered as answer:
        return await _refused(client, answer, stage)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return Result(Ended.UNKNOWN if written else Ended.LATER, _lost(error, stage), stage, broken=True)
    if not 200 <= code < 300:
        return await _refused(client, _Answered(code, said), stage)
    return Result(Ended.TAKEN, _shown(f"{code} {said}"), stage)


async def _command(client: aiosmtplib.SMTP, *words: bytes, expected: int = 250) -> None:
    answer = await client.execute_command(*words, timeout=COMMAND_SECONDS)
    if answer.code // 10 != expected // 10:
        raise _Answered(answer.code, answer.message)


async def _text(client: aiosmtplib.SMTP, octets: bytes) -> tuple[int, str]:
    """The message and its final dot; the server's verdict. Line ends were made by us, so dots need stuffing only."""
    protocol = client.protocol
    if protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    end = b".\r\n" if octets.endswith(b"\r\n") else b"\r\n.\r\n"
    protocol.write(_DOT.sub(b"..", octets) + end)
    answer = await protocol.read_response(timeout=END_SECONDS)
    return answer.code, answer.message


async def _refused(client: aiosmtplib.SMTP, answer: _Answered, stage: str) -> Result:
    """Forget the transaction, so that the session can go on (RFC 5321 §4.1.1.5)."""
    said = _shown(str(answer))
    ended = Ended.REFUSED if 500 <= answer.code < 600 else Ended.LATER
    if answer.code == 421:  # RFC 5321 §3.8: the server closes the connection
        return Result(Ended.LATER, said, stage, broken=True)
    try:
        await _command(client, b"RSET")
    except (_Answered, aiosmtplib.SMTPException, OSError):
        return Result(ended, said, stage, broken=True)
    return Result(ended, said, stage)


def _lost(error: Exception, stage: str) -> str:
    what = "the server did not answer" if isinstance(error, aiosmtplib.SMTPTimeoutError) else "the connection broke"
    where = {"mail": "at MAIL", "rcpt": "at RCPT", "data": "at DATA", "end": "after the message was sent"}[stage]
    return f"{what} {where}"


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:MAX_SHOWN])
