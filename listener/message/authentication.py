"""Does the sender's domain vouch for this message, by the word of a server that the account trusts (RFC 8601, RFC 7489)?

`judge` is called once a message with the account's `Trust`. Nobody is trusted by default. Rules of the file:

1. Only fields of our own boundary count: those above the Received field with which the message crossed it, because every
   sender can write the ones below. Gmail writes its field below and a copy above, as ARC-Authentication-Results: that counts.
   A border that writes its fields below its own Received (milters) is believed only as far as the account says
   (`Trust.own_received`, `own_results`): the first so many fields directly below so many Received fields.
2. A field counts by its authserv-id, compared whole; for Microsoft 365, which writes none, only the topmost field counts.
3. PASS is an aligned DMARC pass, or an aligned DKIM pass where DMARC says nothing, for exactly one From address. FAIL is a
   DMARC or composite failure. Anything odd (another version, a method reported twice, several From) is UNKNOWN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

from publicsuffixlist import PublicSuffixList

from .model import Address, Authentication, Trust, Verdict
from .structure import Part

MAX_FIELD: Final = 16 * 1024
MAX_RESULTS: Final = 100
MAX_FIELDS: Final = 200  # from the top, among which ours must be
MAX_DOMAIN: Final = 255
UNREADABLE: Final = "?"  # where an authserv-id should stand and something else does
TOPMOST: Final = "topmost"  # what `trusted` says where the server writes no authserv-id

NOBODYS_WORD: Final = Authentication()
_MICROSOFT: Final = ("outlook.com", "office365.com", "protection.outlook.com")
_ONCE: Final = ("dmarc", "compauth")  # methods of which one message can have one result only

_LOCAL: Final = re.compile(r"(?:ipv6:)?(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|::1$|f[cd][0-9a-f]{2}:|fe80:)")
_LITERAL: Final = re.compile(r"\[([0-9a-f:.]{2,60}|ipv6:[0-9a-f:.]{2,60})\]")
_LOOKED_UP: Final = re.compile(r"\(([a-z0-9_.-]{1,255}) \[((?:ipv6:)?[0-9a-f:.]{2,60})\]\)")  # "(may be forged)" is no proof
_HOST: Final = re.compile(r"[a-z0-9_.-]{1,255}")
_RESULT: Final = re.compile(r"\s*([a-z0-9-]{1,40})\s*(?:/\s*(\d{1,3})\s*)?=\s*([a-z0-9-]{1,40})(?=[\s;]|$)", re.I)
_PROPERTY: Final = re.compile(r"(?<![\w.-])([a-z0-9-]{1,40}\.[a-z0-9_-]{1,40})\s*=\s*(\"[^\"]{0,998}\"|[^\s;\"]{1,998})", re.I)
_FIRST: Final = re.compile(r"\s*\"?([^\s;=\"]{1,255})\"?(?:\s+(\d{1,3}))?\s*$")


class Result(NamedTuple):
    """One `method=result` with its properties (`header.from`, `header.d` …), everything lower case."""

    method: str
    version: str
    result: str
    properties: dict[str, str]


class Field(NamedTuple):
    """One Authentication-Results field. `authserv_id` is "" where there is none; `version` "" or a number."""

    authserv_id: str
    version: str
    results: list[Result]


def judge(root: Part, from_addresses: Sequence[Address], trust: Trust) -> Authentication:
    """The verdict on the one From domain, and whose it is. Linear; never raises."""
    if trust.authserv_id:
        believed = _with_id(root, trust)
        trusted = trust.authserv_id
    elif trust.topmost_without_id:
        believed = _topmost(root)
        trusted = TOPMOST
    else:
        return NOBODYS_WORD
    if not believed:
        return NOBODYS_WORD
    domain = only_domain(len(root.get_all("from")), from_addresses)
    if not domain or any(field.version not in ("", "1") for field in believed):
        return Authentication(Verdict.UNKNOWN, trusted)
    return Authentication(_verdict([result for field in believed for result in field.results], domain), trusted)


def parse(value: str, sealed: bool = False) -> Field:
    """Read one field (RFC 8601 §2.2), folded and commented however; `sealed` ones begin with `i=…` (RFC 8617 §4.1.1)."""
    segments = _without_comments(value[:MAX_FIELD]).split(";")
    if sealed and len(segments) > 1 and segments[0].strip().lower().startswith("i="):
        segments.pop(0)
    if not _result(segments[0]):
        first = _FIRST.match(segments.pop(0))
        name, version = (first[1].lower(), first[2] or "") if first else (UNREADABLE, "")
    else:
        name, version = "", ""
    return Field(name, version, [found for segment in segments[:MAX_RESULTS] if (found := _result(segment))])


def _with_id(root: Part, trust: Trust) -> list[Field]:
    """Our own fields; where there are none, what our server put into its ARC set, which says the same."""
    wanted = (trust.authserv_id or "").strip().lower()
    boundary = list(_boundary(root, wanted))
    if trust.own_received:
        boundary += _below(root, wanted, trust)
    plain = [parse(value) for name, value in boundary if name == "authentication-results"]
    found = [field for field in plain if field.authserv_id == wanted]
    if found:
        return found
    sealed = [parse(value, sealed=True) for name, value in boundary if name == "arc-authentication-results"]
    return [field for field in sealed if field.authserv_id == wanted][:1]


def _topmost(root: Part) -> list[Field]:
    for name, value in _boundary(root, *_MICROSOFT):
        if name == "authentication-results":
            field = parse(value)
            return [field] if not field.authserv_id and field.results else []
    return []


def _boundary(root: Part, *ours: str) -> Iterator[tuple[str, str]]:
    """The fields above the Received field with which the message came from outside."""
    domains = tuple(organisation(host) for host in ours)
    for name, value in root.headers[:MAX_FIELDS]:
        if name == "received" and not _is_internal(value, domains):
            return
        yield name, value


def _below(root: Part, wanted: str, trust: Trust) -> list[tuple[str, str]]:
    """The first results below our border's own Received fields. Hops within our own network are not counted."""
    domains, passed = (organisation(wanted),), 0
    found: list[tuple[str, str]] = []
    for name, value in root.headers[:MAX_FIELDS]:
        if name == "received" and not _is_internal(value, domains):
            passed += 1
            if passed > trust.own_received:
                break
        elif passed == trust.own_received and name == "authentication-results":
            found.append((name, value))
    return found[: trust.own_results]


def _is_internal(received: str, domains: tuple[str, ...]) -> bool:
    """Whether one of our own hosts handed the message over (RFC 5321 §4.4). What a client calls itself proves nothing.

    Proof is a look-up's name of our domain before the address, `from x (host.ours.example [192.0.2.1])`, or that all
    addresses are of the machine or network itself. Microsoft 365 names its own hosts without a look-up.
    """
    head = received[:MAX_FIELD].lower().partition(" by ")[0]
    words = head.split(None, 2)
    if not words or words[0] != "from":
        return True
    looked_up = _LOOKED_UP.findall(head)
    if looked_up:
        addresses, names = [looked_up[-1][1]], [looked_up[-1][0]]
    else:
        addresses, names = _LITERAL.findall(head), words[1:2] if domains[0] in _MICROSOFT else []
    if addresses and all(_LOCAL.match(address) for address in addresses):
        return True
    return any(_HOST.fullmatch(name) and name.endswith(tuple("." + domain for domain in domains)) for name in names)


def _verdict(results: list[Result], domain: str) -> Verdict:
    if any(sum(result.method == method for result in results) > 1 for method in _ONCE):
        return Verdict.UNKNOWN
    if any(result.version not in ("", "1") for result in results):
        return Verdict.UNKNOWN
    by_method = {result.method: result for result in results}
    dmarc = by_method.get("dmarc")
    compauth = by_method.get("compauth")
    if dmarc and dmarc.result == "fail":
        return Verdict.FAIL
    if compauth and compauth.result == "fail":
        return Verdict.FAIL
    if dmarc and dmarc.result == "pass":
        return Verdict.PASS if _domain(dmarc.properties.get("header.from", domain)) == domain else Verdict.UNKNOWN
    dkim = (result.properties for result in results if result.method == "dkim" and result.result == "pass")
    signers = (_domain(found.get("header.d") or found.get("header.i", "").rpartition("@")[2]) for found in dkim)
    return Verdict.PASS if any(aligned(signer, domain) for signer in signers) else Verdict.UNKNOWN


def only_domain(fields: int, from_addresses: Sequence[Address]) -> str:
    """The domain of the only mailbox of the only From field (R-66) of so many, or ""."""
    if fields != 1 or len(from_addresses) != 1:
        return ""
    return _domain(from_addresses[0].address.rpartition("@")[2])


def _domain(text: str) -> str:
    """A domain for comparing: lower case, A-labels; "" if it is none."""
    text = text.strip('"<> ').rpartition("@")[2].rstrip(".").lower()
    if not text or len(text) > MAX_DOMAIN:
        return ""
    if text.isascii():
        return text
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def aligned(signer: str, domain: str) -> bool:
    """Relaxed alignment (RFC 7489 §3.1.1): the same organisational domain."""
    return bool(signer and domain) and (signer == domain or organisation(signer) == organisation(domain))


def organisation(host: str) -> str:
    """The organisational domain by the public suffix list (RFC 7489 §3.2); a public suffix is its own."""
    return _suffixes().privatesuffix(host) or host


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _result(segment: str) -> Result | None:
    found = _RESULT.match(segment)
    if not found:
        return None
    properties = {match[1].lower(): match[2].strip('"').lower() for match in _PROPERTY.finditer(segment, found.end())}
    return Result(found[1].lower(), found[2] or "", found[3].lower(), properties)


def _without_comments(value: str) -> str:
    """Comments (RFC 5322 §3.2.2, nested too) as a blank; a `;` in a quoted string becomes a blank, so that `;` only divides."""
    out: list[str] = []
    depth = 0
    quoted = escaped = False
    for char in value:
        if escaped:
            escaped = False
            char = " " if char in ";()" else char
        elif char == "\\":
            escaped = True
            continue
        elif char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            out.append(" ")
            continue
        elif char == ";" and quoted:
            char = " "
        if not depth:
            out.append(char)
    return "".join(out)
