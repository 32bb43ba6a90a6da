"""What about the sender deserves a second look (R-74): strings for `defects`, each with the stable prefix `flag: `.

Called once a message with the addresses as read. A flag never changes what is done with a message; the console shows it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from .addresses_in_text import addresses_in
from .model import Address

MAX_NAME: Final = 1000
MAX_DOMAIN: Final = 255
MAX_FLAGS: Final = 20

# Unicode's script names begin the character names; digits, marks and punctuation belong to every script.
_SCRIPTS: Final = (
    "LATIN",
    "CYRILLIC",
    "GREEK",
    "ARMENIAN",
    "HEBREW",
    "ARABIC",
    "GEORGIAN",
    "CHEROKEE",
    "THAI",
    "DEVANAGARI",
    "COPTIC",
)
_EAST_ASIAN: Final = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC")
# Letters of other scripts that look like Latin ones (Unicode TR 39, the ones that fonts draw alike).
_LOOKALIKES: Final = frozenset("аеорсухіјѕԛԝһӏьԁոցսաοανρτυικϲյɑɡıｏ")


def flags(from_: Sequence[Address], reply_to: Sequence[Address]) -> tuple[str, ...]:
    """Flags for the sender's addresses, at most 20. Never raises."""
    found: list[str] = []
    for sender in from_:
        found += _domain_flags(sender.address)
        found += _name_flags(sender)
    domains = {_domain(sender.address) for sender in from_} if reply_to else set[str]()
    for reply in reply_to:
        found += _domain_flags(reply.address)
        if domains and _domain(reply.address) not in domains:
            found.append(f"flag: replies go to another domain, {_shown(_domain(reply.address))}")
    return tuple(dict.fromkeys(found))[:MAX_FLAGS] if found else ()


def _domain_flags(address: str) -> list[str]:
    domain = _domain(address)
    if domain.isascii() and "xn--" not in domain:  # nearly every one
        return []
    readable = _readable(domain)
    if readable.isascii():
        return []
    if any(_is_mixed(label) or _is_imitation(label) for label in readable.split(".")):
        return [f"flag: {_shown(domain)} ({_shown(readable)}) mixes or imitates scripts"]
    return []


def _name_flags(sender: Address) -> list[str]:
    if "@" not in sender.name:
        return []
    others = [other for other in addresses_in(sender.name[:MAX_NAME]) if comparable(other) != comparable(sender.address)]
    return [f"flag: the name shows another address, {_shown(others[0])}"] if others else []


def _is_mixed(label: str) -> bool:
    scripts = {_script(char) for char in label} - {""}
    return len(scripts) > 1


def _is_imitation(label: str) -> bool:
    """A label that is not Latin but consists only of letters that look Latin."""
    letters = [char for char in label if not char.isascii() and char.isalpha()]
    return bool(letters) and all(char in _LOOKALIKES for char in letters)


def _script(char: str) -> str:
    name = unicodedata.name(char, "")
    if name.startswith(_EAST_ASIAN):
        return "EAST ASIAN"
    return next((script for script in _SCRIPTS if name.startswith(script)), "")


def _domain(address: str) -> str:
    return address.rpartition("@")[2].rstrip(".").lower()[:MAX_DOMAIN]


def _readable(domain: str) -> str:
    """U-labels of a domain; a label that is no valid A-label stays as it is."""
    return ".".join(_label(label) for label in domain.split("."))


def _label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.encode("ascii").decode("idna")
    except UnicodeError:
        return label


def comparable(address: str) -> str:
    """An address by which it is known again: small letters, the domain readable and without a last dot."""
    local, _, domain = address.rpartition("@")
    return f"{local.casefold()}@{_readable(domain.rstrip('.').lower()[:MAX_DOMAIN])}"


def _shown(text: str) -> str:
    """Without control or bidirectional characters: flags are shown beside addresses."""
    return "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf"))[:MAX_DOMAIN]
