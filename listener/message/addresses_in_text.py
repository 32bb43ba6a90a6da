"""Addresses in running text, found from each `@` outwards: linear, where a pattern would be quadratic."""

from __future__ import annotations

import re
from typing import Final

MAX_LOCAL: Final = 128
MAX_DOMAIN: Final = 255
MAX_LINE: Final = 4000
_STOPS: Final = " \t\r\n<>()[]{},;:\"'|*`«»“”、，：；。（）【】「」\xa0"

_LOCAL: Final = re.compile(f"[^{re.escape(_STOPS)}]{{0,{MAX_LOCAL}}}")
_DOMAIN: Final = re.compile(f"[\\w.-]{{0,{MAX_DOMAIN}}}")


def addresses_in(line: str) -> list[str]:
    """Every `local@domain` of a line in order, without repetition. Only the first 4,000 characters are looked at."""
    return [address for _, address in positions(line)]


def positions(line: str) -> list[tuple[int, str]]:
    """The same with where each begins."""
    line = line[:MAX_LINE]
    found: dict[str, int] = {}
    at = line.find("@")
    while at >= 0:
        start = at - _length(_LOCAL, line[max(0, at - MAX_LOCAL) : at][::-1])
        end = at + 1 + _length(_DOMAIN, line[at + 1 : at + 1 + MAX_DOMAIN])
        local, domain = line[start:at].lstrip("=.-/\\"), line[at + 1 : end].strip(".-_")
        if local[:5].lower() == "smtp=":  # X.400: dda:SMTP=user@domain
            local = local[5:]
        if local and domain and line[end - 1 : end] != "@":
            found.setdefault(f"{local}@{domain}", start)
        at = line.find("@", max(end, at + 1))
    return [(start, address) for address, start in found.items()]


def _length(pattern: re.Pattern[str], text: str) -> int:
    """How far the pattern, which matches nothing too, reaches from the beginning of the text."""
    found = pattern.match(text)
    return found.end() if found else 0
