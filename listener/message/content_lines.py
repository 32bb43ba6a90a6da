"""The line grammar that calendars and cards share: `NAME;PARAM=VALUE:value`, folded, escaped (RFC 5545 §3.1, RFC 6350 §3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_TEXT = 1024 * 1024
MAX_LINES = 20_000

_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"(?:[A-Za-z0-9-]{1,60}\.)?([A-Za-z0-9-]{1,60})((?:;[A-Za-z0-9-]{1,60}(?:=(?:\"[^\"]*\"|[^;:\"]*))?)*):")
_PARAMETER = re.compile(r";([A-Za-z0-9-]{1,60})=?(\"[^\"]*\"|[^;:\"]*)")
_ESCAPED = re.compile(r"\\(.)", re.S)


class Line(NamedTuple):
    """Name in upper case, parameters by upper-case name, value with its escapes undone."""

    name: str
    params: dict[str, str]
    value: str


def read(text: str) -> Iterator[Line]:
    """Every line that is one; what is not is skipped. Linear."""
    lines = _FOLD.sub("", text[:MAX_TEXT]).splitlines()
    for line in lines[:MAX_LINES]:
        if found := _LINE.match(line):
            params = {name.upper(): value.strip('"') for name, value in _PARAMETER.findall(found[2])}
            yield Line(found[1].upper(), params, _ESCAPED.sub(_unescaped, line[found.end() :]).strip())


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]
