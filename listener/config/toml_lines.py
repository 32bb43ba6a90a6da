"""On which line of a TOML file does each key stand? The standard library's parser does not say.

`locate` walks the text once, as far as keys, brackets and strings go; values are skipped, not read. It is called only with
text that `tomllib` accepted, and where it is unsure it gives less: a key it does not know has the line of the nearest table
above it (`line_of`). Array-of-tables elements have their index in the path: `("accounts", 0, "receiver", "port")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]
MAX_DEPTH = 8  # of a dotted key; no setting is deeper

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_LITERAL = re.compile(r"'([^'\n]*)'")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_SPACES = re.compile(r"[ \t]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}' r"|'''(?:[^']|'(?!''))*'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^\[\]{}\"'#\n,]+")


def locate(text: str) -> dict[Path, int]:
    """Path of each table and key → its line, counted from 1. Never raises; linear in the length of the text."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, header, keys in _statements(text):
        if header:
            table = _enter(counts, keys, is_array=header == "[[")
            found.setdefault(table, line)
            found.setdefault(table[:-1] if header == "[[" else table, line)
            continue
        for length in range(1, min(len(keys), MAX_DEPTH) + 1):
            found.setdefault(table + keys[:length], line)
    return found


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of this path or of the nearest one above it; 0 when nothing is known."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


def _enter(counts: dict[Path, int], keys: tuple[str, ...], *, is_array: bool) -> Path:
    """The full path of a table header: below an array of tables it means that array's last element."""
    path: Path = ()
    for key in keys[:-1]:
        path = _last_element(counts, (*path, key))
    path = (*path, keys[-1])
    if not is_array:
        return path
    counts[path] = counts.get(path, 0) + 1
    return _last_element(counts, path)


def _last_element(counts: Mapping[Path, int], path: Path) -> Path:
    return (*path, counts[path] - 1) if path in counts else path


def _statements(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line, `[`, `[[` or nothing, and the dotted key, of each table header and each assignment."""
    at, line, counted = 0, 1, 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank:
            at = blank.end()
            continue
        line, counted = line + text.count("\n", counted, at), at
        header = "[[" if text.startswith("[[", at) else "[" if text[at] == "[" else ""
        keys, at = _key(text, at + len(header))
        if keys:
            yield line, header, keys
        at = _line_end(text, at) if header or not keys else _value_end(text, at)


def _key(text: str, at: int) -> tuple[tuple[str, ...], int]:
    keys: list[str] = []
    while True:
        at = _SPACES.match(text, at).end()  # type: ignore[union-attr]  # matches nothing at least
        part = _BARE.match(text, at) or _BASIC.match(text, at) or _LITERAL.match(text, at)
        if part is None:
            return tuple(keys), at
        keys.append(part[1] if part.lastindex else part[0])
        at = part.end()
        dot = _DOT.match(text, at)
        if dot is None:
            return tuple(keys), at
        at = dot.end()


def _value_end(text: str, at: int) -> int:
    """Past the value that follows: strings may span lines, and so may brackets."""
    equals = _EQUALS.match(text, at)
    at, depth = equals.end() if equals else at, 0
    while at < len(text):
        token = _STRING.match(text, at) or _PLAIN.match(text, at)
        if token:
            at = token.end()
        elif text[at] == "#":
            at = _line_end(text, at)
        elif text[at] == "\n" and depth <= 0:
            return at
        else:
            depth += (text[at] in "[{") - (text[at] in "]}")
            at += 1
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
