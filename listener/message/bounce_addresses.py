"""Addresses in running text, found from each `@` outwards: linear, where a pattern would be quadratic."""

from __future__ import annotations

from typing import Final

MAX_LOCAL: Final = 128
MAX_DOMAIN: Final = 255
MAX_LINE: Final = 4000

_STOP: Final = frozenset(" \t\r\n<>()[]{},;:\"'|*`«»“”、，：；。（）【】「」\xa0")
_DOMAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")


def addresses_in(line: str) -> list[str]:
    """Every `local@domain` of a line in order, without repetition. Only the first 4,000 characters are looked at."""
    return [address for _, address in positions(line)]


def positions(line: str) -> list[tuple[int, str]]:
    """The same with where each begins."""
    line = line[:MAX_LINE]
    found: dict[str, int] = {}
    at = line.find("@")
    while at >= 0:
        start = at
        while start > 0 and at - start < MAX_LOCAL and line[start - 1] not in _STOP:
            start -= 1
        end = at + 1
        while end < len(line) and end - at <= MAX_DOMAIN and (line[end] in _DOMAIN or line[end].isalnum()):
            end += 1
        local, domain = line[start:at].lstrip("=.-/\\"), line[at + 1 : end].strip(".-_")
        if local[:5].lower() == "smtp=":  # X.400: dda:SMTP=user@domain
            local = local[5:]
        if local and domain and line[end - 1 : end] != "@":
            found.setdefault(f"{local}@{domain}", start)
        at = line.find("@", max(end, at + 1))
    return [(start, address) for address, start in found.items()]
