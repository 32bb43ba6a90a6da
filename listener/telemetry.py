"""What is logged and how: one line an event, for people on a terminal, as JSON everywhere else.

`configure` is called once by a command that runs the daemon; every module logs through structlog with one of the
events and fields. Rules of the file

1. An event is a fixed word of the closed list in `events.py` (a test holds code, list and docs/operations.md together).
2. What a stranger wrote is data: control characters, ANSI escapes, bidi controls and line ends are shown as escapes, and a
   value has at most 256 characters. One event is one line, whatever is in it; only a traceback adds lines on a terminal.
3. No secret: fields called so are masked, and bearer tokens and passwords in addresses too, wherever they turn up.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

MAX_VALUE = 256
"""Characters of one value (R-72)."""
MAX_SAID = 1000
"""Characters of what we say ourselves: errors, faults, hints."""
OWN_WORDS = frozenset({"error", "fault", "hint", "said"})
MAX_ITEMS = 50
"""Elements of a list or table that are shown."""
MAX_TRACEBACK = 8000
"""Characters of a traceback; its end is the telling part."""
MASK = "***"

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_SECRET_NAME = re.compile(
    r"(?:.*_)?(?:pass(?:word|wd|phrase)?|secret|token|authorization|cookie|credentials?|api_?key|private_key|assertion)", re.I
)
_SECRET_TEXT = re.compile(r"(?i)(\b(?:bearer|basic)[ =:]+)[A-Za-z0-9._~+/=-]{8,}|(://[^/\s:@]{0,100}:)[^/\s@]{1,200}(?=@)")
_BARE = re.compile(r"[^\s\"'=]+")
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}

Entry = MutableMapping[str, Any]


def configure(
    stream: TextIO,
    *,
    is_terminal: bool | None = None,
    level: int = logging.INFO,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Log to this stream from now on. `is_terminal` None: ask the stream. Libraries' own logs join from WARNING on."""
    readable = stream.isatty() if is_terminal is None else is_terminal
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            lambda _logger, _method, entry: _stamped(entry, now()),
            lambda _logger, _method, entry: harmless(entry),
            _for_people if readable else _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_FromLibraries()]
    root.setLevel(logging.WARNING)


class _Lines:
    """structlog's way out: each finished line in one write, so that lines of several threads do not mix."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; a log that cannot be written must not end the daemon

    log = debug = info = warning = error = critical = exception = fatal = msg


class _FromLibraries(logging.Handler):
    """What aiohttp, asyncio and others say through the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        tell = {"WARNING": log.warning, "ERROR": log.error, "CRITICAL": log.critical}.get(record.levelname, log.info)
        try:
            said = record.getMessage()
        except (TypeError, ValueError):
            said = str(record.msg)
        tell("library.said", library=record.name, said=said, exc_info=record.exc_info or None)


def _stamped(entry: Entry, now: datetime) -> Entry:
    """What every line begins with: time, level, event."""
    first = {key: entry.pop(key) for key in ("level", "event") if key in entry}
    return {"time": now.isoformat(timespec="milliseconds"), **first, **entry}


def harmless(entry: Mapping[str, Any]) -> Entry:
    """The entry with secrets masked, values bounded and nothing in it that a terminal or a log reader would obey."""
    shown: Entry = {}
    for key, value in entry.items():
        if key == "exc_info":
            if text := _traceback(value):
                shown["exception"] = text
        else:
            shown[escaped(key)] = MASK if _SECRET_NAME.fullmatch(key) and value not in (None, "", False) else _value(key, value)
    return shown


def escaped(text: str, limit: int = MAX_VALUE) -> str:
    """Text as a log may show it: masked, escaped, at most `limit` characters and an ellipsis."""
    cut = text[: limit + 1]
    safe = _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", _SECRET_TEXT.sub(_masked, cut))
    return safe if len(safe) <= limit else safe[:limit] + "…"


def _masked(found: re.Match[str]) -> str:
    return f"{found[1] or found[2]}{MASK}"


def _value(key: str, value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < 3 and isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        return {escaped(str(k)): MASK if _SECRET_NAME.fullmatch(str(k)) else _value(str(k), v, depth + 1) for k, v in items}
    if depth < 3 and isinstance(value, list | tuple | set | frozenset):
        return [_value(key, item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    return escaped(str(value), MAX_SAID if key in OWN_WORDS else MAX_VALUE)


def _traceback(exc_info: Any) -> str:
    """The traceback of True, an exception or a triple, without locals."""
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if not isinstance(error, BaseException):
        return ""
    lines = "".join(traceback.format_exception(error))[-MAX_TRACEBACK:].rstrip("\n").split("\n")
    return "\n".join(escaped(line) for line in lines)


def _as_json(_logger: Any, _method: str, entry: Entry) -> str:
    return json.dumps(entry, ensure_ascii=False, default=str)


def _for_people(_logger: Any, _method: str, entry: Entry) -> str:
    """`10:02:03 info    message.filed  entry=1 account=support`, coloured by level."""
    time, level, event = str(entry.pop("time"))[11:19], str(entry.pop("level", "")), entry.pop("event", "")
    exception = entry.pop("exception", "")
    fields = " ".join(f"{key}={_quoted(value)}" for key, value in entry.items())
    line = f"\x1b[2m{time}\x1b[0m \x1b[{_COLOURS.get(level, '0')}m{level:<8}\x1b[0m \x1b[1m{event}\x1b[0m  {fields}".rstrip()
    return f"{line}\n{exception}" if exception else line


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if _BARE.fullmatch(text) or not isinstance(value, str) else json.dumps(text, ensure_ascii=False)
