"""What states, reasons and rules are called on the pages: a word, a tone that gives the colour, and what it means.

Every colour comes with its word, so that nothing is said by colour alone. A state or reason that is not in a table (a rule's
own, a newer one) is shown as it is. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 but tab and line feed, C1, what turns the direction of text, line separators, and halves of characters."""
_BREAKS = re.compile(r"[\t\n]+")


@dataclass(frozen=True, slots=True)
class Said:
    """A badge: `tone` is ok, info, warn, bad or mute; `why` explains it."""

    word: str
    tone: str = "mute"
    why: str = ""


MESSAGE_STATES: Mapping[str, Said] = {
    "accepted": Said("accepted", "info", "Stored; to be read and put into a case next"),
    "filed": Said("filed", "info", "In its case; hooks are at work"),
    "done": Said("done", "ok", "In its case, and every hook has finished"),
    "ignored": Said("ignored", "mute", "Counted and kept, and nothing is done with it"),
    "quarantined": Said("quarantined", "warn", "Held back until somebody releases it"),
    "dead": Said("dead letter", "bad", "Failed for good; it can be tried again"),
}

ACCOUNT_STATES: Mapping[str, Said] = {
    "starting": Said("starting", "info", "Waits for its first turn"),
    "connecting": Said("connecting", "info", "Opens a session with the server"),
    "receiving": Said("receiving", "ok", "Fetches mail"),
    "idle": Said("idle", "ok", "All mail is here; the server tells when more comes"),
    "polling": Said("polling", "ok", "All mail is here; looks again by itself"),
    "backoff": Said("trying again", "warn", "The last session failed; it is tried again by itself"),
    "auth_failed": Said("sign-in refused", "bad", "The server refuses user or password"),
    "needs_consent": Said("needs consent", "bad", "Somebody must allow the access again"),
    "reconciling": Said("reconciling", "info", "The server gave its ids anew; known mail is recognised"),
    "parked": Said("parked", "bad", "Cannot be used as it is set up"),
    "stopped": Said("paused", "mute", "Nothing is fetched until it is resumed"),
}

KINDS: Mapping[str, Said] = {
    "message": Said("message", "mute", "From a person"),
    "auto_reply": Said("automatic reply", "info"),
    "bounce": Said("bounce", "warn", "A message of ours could not be delivered"),
    "delayed": Said("delayed", "warn", "A message of ours is late"),
    "complaint": Said("complaint", "warn", "Somebody marked a message of ours as spam"),
    "receipt": Said("receipt", "info", "Read or delivered"),
    "list": Said("mailing list", "mute"),
    "bulk": Said("bulk", "mute"),
}

VERDICTS: Mapping[str, Said] = {
    "pass": Said("sender verified", "ok", "The sender's domain vouches for this message"),
    "fail": Said("sender not verified", "bad", "The sender's domain does not vouch for this message: the sender may be forged"),
    "unknown": Said("sender unknown", "mute", "Nobody whom we trust has checked the sender"),
}

DELIVERY_STATES: Mapping[str, Said] = {
    "due": Said("waiting", "info"),
    "done": Said("done", "ok"),
    "ignored": Said("ignored", "mute"),
    "dead": Said("failed for good", "bad"),
}

REPLY_STATES: Mapping[str, Said] = {
    "ready": Said("waiting", "info", "Composed, to be sent next"),
    "sending": Said("being sent", "info", "Begun"),
    "deferred": Said("deferred", "warn", "The server said not now; it is tried again"),
    "sent": Said("sent", "ok", "The server took it"),
    "failed": Said("failed", "bad", "The server refused it"),
    "unknown": Said("unknown", "warn", "Nobody can tell whether the server took it; it is not sent again"),
    "suppressed": Said("suppressed", "mute", "Not sent, by a rule"),
}

CASE_STATES: Mapping[str, Said] = {"open": Said("open", "info"), "closed": Said("closed", "mute")}

REASONS: Mapping[str, str] = {
    "too_large": "Larger than this daemon takes. Releasing it fetches it whatever its size.",
    "refused": "The server could not hand it over. Releasing it asks again.",
    "parse_crash": "Reading it failed three times, in a process of its own each time. The raw message is kept.",
    "parse_timeout": "Reading it took too long, three times. The raw message is kept.",
    "hook_failed": "A hook refused it, or failed too often. Its history says which one and why.",
    "hook_removed": "A hook that should have got it is no longer configured. Retry once it is back.",
    "duplicate": "The same content is here already.",
    "before_baseline": "It was there before this account began.",
    "vanished": "It was gone from the server before it could be fetched.",
    "rule": "By a rule",
    "flood": "Too much mail from one sender in a short time; it is let through by itself once the sender is quiet.",
}

REPLY_RULES: Mapping[str, str] = {
    "no_sender": "the account has no sender",
    "before_start": "the message is older than the account's first start",
    "null_sender": "its return path is empty: it wants no answer",
    "automatic": "a machine wrote it, or it came through a list",
    "own_message": "it is a message of our own",
    "own_address": "it comes from, or would go to, an address of ours",
    "held_flood": "its sender sent too much at once",
    "unverified_comment": "a stranger knew the mark of somebody's case",
    "sender_unverified": "nobody vouches for its sender",
    "recipient_unproven": "nobody proven could be written to",
    "recipient_invalid": "the address is none that mail can be sent to",
    "muted": "mail of ours to that address came back",
    "breaker": "far more answers than usual were going out",
    "budget_sender": "that address had its answer within a day",
    "budget_hook": "that address had its hooks' answers within a day",
    "budget_case": "the case had its answers",
    "budget_minute": "the account sent enough within a minute",
    "budget_day": "the account sent enough within a day",
    "budget_domain": "that domain, which vouches for nobody, had enough within an hour",
}
"""Why an automatic reply was not sent (docs/replies.md)."""

STEPS: Mapping[str, str] = {
    "dns": "the host's name (DNS)",
    "tcp": "the connection (TCP)",
    "tls": "encryption (TLS)",
    "greeting": "the server's greeting",
    "capabilities": "what the server can do",
    "idle": "notice of new mail (IDLE)",
    "token": "the access token",
    "delta": "the list of changes (delta)",
    "refusal": "the mailbox that must be refused",
}
"""Steps of a connection test whose names are technical; the others are words already."""

ADVICE: Mapping[str, str] = {
    "auth_failed": "Check user and password, then restart it. It is tried once an hour, so that the mailbox is not locked.",
    "needs_consent": "Open the authentication profile and give consent again; the account goes on by itself.",
    "parked": "Correct the setting named here; the account is tried again when it is saved or restarted.",
    "backoff": "Nothing, if it passes. Test the connection if it stays.",
    "stopped": "Resume it when it should receive again.",
}


def said(table: Mapping[str, Said], value: object) -> Said:
    """The badge of a state; one that is in no table shows itself."""
    word = str(value or "")
    return table.get(word) or Said(plain(word.replace("_", " ")) or "unknown")


def reason(text: object) -> str:
    """A reason in words: the fixed word explained, and what follows its colon as it is."""
    word, _, rest = str(text or "").partition(":")
    known = REASONS.get(word.strip())
    if known is None:
        return plain(str(text or "")).replace("_", " ")
    return f"{known} ({plain(rest.strip())})" if rest.strip() else known


def reply_reason(text: object) -> str:
    """Why a reply is where it is: a rule in words, what a server said as it is."""
    word = str(text or "")
    return REPLY_RULES.get(word) or plain(word.replace("_", " ") if word.isidentifier() else word)


def advice(row: Mapping[str, Any]) -> str:
    """What an operator should do about an account, in one sentence; "" when nothing is the matter."""
    if row.get("missing_folders"):
        return "Make the folder on the server or correct its name; it is looked for again by itself."
    return ADVICE.get(str(row.get("state")), "")


def plain(text: object) -> str:
    """One line that nothing can be hidden in: no control characters, no turned direction of text."""
    return _UNFIT.sub("\ufffd", _BREAKS.sub(" ", "" if text is None else str(text)))


def plain_text(text: object) -> str:
    """The same for text of many lines."""
    return _UNFIT.sub("\ufffd", ("" if text is None else str(text)).replace("\r\n", "\n"))


def size(octets: int | float | None) -> str:
    """Octets for people: 17 KB."""
    number = float(octets or 0)
    for unit in ("octets", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit != "MB" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
