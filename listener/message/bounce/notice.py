"""The part of a bounce that people read: its lines without the returned message, and the addresses it names.

Called by `bounce.read` for the many systems that write no RFC 3464 report, or a wrong one. Line-based: an address that opens
a line after a sentence of a mail system is a recipient; an address within a line of error text only if there is no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from .. import charset, html
from ..addresses_in_text import positions
from ..structure import Part, own_parts
from .words import INTROS, LABELS, ORIGINALS, fold, in_words, reply_class, status_in

MAX_NOTICE: Final = 64 * 1024  # octets of each text part that are looked at
MAX_LINES: Final = 1000
MAX_LINE: Final = 1000
MAX_RECIPIENTS: Final = 500
MAX_DIAGNOSTIC: Final = 1000

_HEADERS: Final = (
    "received:", "return-path:", "message-id:", "mime-version:", "x-", "from:", "to:", "date:", "subject:", "dkim-", "arc-",
    "delivered-to:", "reply-to:", "content-", "sender:", "in-reply-to:", "references:", "authentication-results:", "domainkey-",
    "path:", "list-", "user-agent:", "from ", "precedence:", "cc:", "resent-", "thread-", "importance:", "errors-to:",
    "status:", "posted-date:",
)  # fmt: skip
_CERTAIN_HEADERS: Final = (
    "received: from", "received: by", "received:from", "received: (qmail", "return-path: <", "return-path:<",
)  # fmt: skip
_BULLETS: Final = " \t<>*-+•:.|([{\"'=#~\xa0"
_HELPERS: Final = frozenset(
    ["postmaster", "support", "abuse", "help", "helpdesk", "hostmaster", "mailer-daemon", "webmaster", "mailerdaemon"]
)
_LOCAL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,63}")
_SOURCES: Final = ("expanded from", "generated from")  # the address that was written to, behind the one that failed
_ASIDE: Final = (
    "mailto:", "contact", "please", "assistance", "send mail to", "received", "from", "http", "sender", "return-path",
    "reporting-mta", "message-id", "questions", "via", "arrival",
)  # fmt: skip
# Reasons whose words also stand in sentences that accuse nobody.
_VAGUE: Final = ("", "system", "network", "policy", "blocked", "expired")
_TEXT: Final = ("text/plain", "text/html", "text/enriched")


@dataclass(slots=True)
class Failure:
    """One address and the lines of error text that belong to it."""

    address: str
    diagnostic: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if text and sum(map(len, self.diagnostic)) < MAX_DIAGNOSTIC:
            self.diagnostic.append(text)


@dataclass(frozen=True, slots=True)
class Notice:
    """`lines` before the returned message; `rest` from there on; `introduced` when a mail system's sentence is in `lines`."""

    lines: list[str]
    rest: list[str]
    introduced: bool
    failures: list[Failure]


def read(root: Part) -> Notice:
    """The notice of a message. Never raises."""
    lines = _lines(root)
    end = _end(lines)
    own, rest = lines[:end], lines[end:]
    introduced = _introduced("\n".join(own))
    return Notice(own, rest, introduced, failures(own))


def text_of(part: Part) -> str:
    """A text part's first 64 KiB as text with LF line ends."""
    text, _ = charset.decode(part.content[:MAX_NOTICE], part.charset)
    if part.content_type == "text/html":
        text = html.to_text(text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def failures(lines: list[str]) -> list[Failure]:
    """The addresses that failed, in order, each with what follows it."""
    sure: dict[str, Failure] = {}
    told: dict[str, Failure] = {}
    last_resort: dict[str, Failure] = {}
    current: Failure | None = None
    pending = ""
    introduced = False
    for number, line in enumerate(lines[:MAX_LINES]):
        line = line[:MAX_LINE]
        found = positions(line)
        folded = fold(line)
        window = fold(" ".join(lines[max(0, number - 1) : number + 1]))
        introduced = introduced or any(phrase in window for phrase in INTROS)
        if not found:
            if pending and folded.startswith("<<<") and reply_class(line):
                told.setdefault(pending.lower(), Failure(pending)).add(line.strip())
            elif current:
                current.add(line.strip())
            continue
        start, address = found[0]
        before = fold(line[:start].strip(_BULLETS))
        pending = address if before.endswith("rcpt to") else ""
        if _is_aside(before, address):
            continue
        rank = _rank(before, folded, line[start + len(address) :], introduced)
        group = {3: sure, 2: told, 1: last_resort}.get(rank)
        if group is None:
            if current:
                current.add(line.strip())
            continue
        current = group.setdefault(address.lower(), Failure(address))
        current.add(line[start + len(address) :].strip(" >:\t\"'-") if rank == 3 else line.strip())
        for _, other in found[1:] if rank == 3 and _is_list(line) else ():
            sure.setdefault(other.lower(), Failure(other))
        if len(sure) >= MAX_RECIPIENTS:
            break
    for key in told.keys() & sure.keys():
        sure[key].diagnostic += told[key].diagnostic
    return list((sure or told or last_resort).values())


def local_name(lines: list[str]) -> str:
    """A name without `@` that stands alone below a mail system's sentence: a mailbox of that system itself, or ""."""
    for number, line in enumerate(lines[1:MAX_LINES], start=1):
        above = fold(" ".join(before for before in lines[max(0, number - 4) : number] if before.strip())[-MAX_LINE:])
        name = line.strip().partition("  ")[0] if line[:1] in (" ", "\t") else ""
        if above.endswith(":") and any(phrase in above for phrase in INTROS) and _LOCAL_NAME.fullmatch(name):
            return name
    return ""


def _rank(before: str, folded: str, after: str, introduced: bool) -> int:
    """How sure it is that the address failed: 3 it opens the line, 2 it stands in error text, 1 it was a recipient, 0 no."""
    if not before or (before.isdigit() and len(before) < 3):
        alone = not after.strip(" >:\t\"';,)")
        return 3 if introduced or alone or after.lstrip(" >\"'").startswith((":", "...", " ...")) or _tells(folded) else 0
    label = before.rstrip(" :;=<")
    if label == "to":
        return 1
    if label in LABELS or label.rpartition(";")[0] in LABELS or label.endswith("dda"):
        return 3
    said = any(phrase in before for phrase in INTROS)
    if said and label.endswith((" to", " for", " recipient", " address", " user", " recipients", " an", " à", " a", " para")):
        return 3
    if label.endswith(_SOURCES):
        return 1
    return 2 if said or _tells(folded) else 0


def _tells(folded: str) -> bool:
    return bool(reply_class(folded) or status_in(folded)) or in_words(folded) not in _VAGUE


def _is_aside(before: str, address: str) -> bool:
    """Addresses that are named for another purpose: whom to ask, who sent it."""
    if before.endswith(_SOURCES):
        return False
    if before.startswith(_ASIDE) or before.endswith(_ASIDE):
        return True
    helper = bool(before) and address.partition("@")[0].lower() in _HELPERS
    return helper and not any(phrase in before for phrase in INTROS)


def _is_list(line: str) -> bool:
    """`a@b, c@d`: several recipients on one line and nothing else."""
    return all("@" in word for word in line.replace(",", " ").replace(";", " ").split())


def _introduced(text: str) -> bool:
    lines = [line for line in text.split("\n")[:200] if not line.startswith(">")]
    folded = fold(" ".join(lines))
    return any(phrase in folded for phrase in INTROS)


def _lines(root: Part) -> list[str]:
    texts = [part for part in own_parts(root) if not part.children and part.content_type in _TEXT]
    plain = [part for part in texts if part.content_type != "text/html"]
    chosen = plain if any(part.octets.strip() for part in plain) else texts
    if not chosen and not root.children:
        chosen = [root]
    lines: list[str] = []
    for part in chosen:
        lines += text_of(part).split("\n", MAX_LINES)[:MAX_LINES]
        if len(lines) >= MAX_LINES:
            break
    return lines[:MAX_LINES]


def _end(lines: list[str]) -> int:
    """Where the returned message begins."""
    for number, line in enumerate(lines):
        folded = fold(line[:MAX_LINE])
        if folded.startswith(_CERTAIN_HEADERS):
            return number
        if folded.startswith("content-type: message/rfc822") or folded.startswith("content-type: text/rfc822-headers"):
            return number
        if any(phrase in folded for phrase in ORIGINALS) and "original message was received" not in folded:
            following = next((fold(after[:80]) for after in lines[number + 1 : number + 6] if after.strip(" -=*")), "")
            if following.startswith(_HEADERS):
                return number
    return len(lines)
