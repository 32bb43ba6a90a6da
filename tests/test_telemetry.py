"""Logs are one harmless line an event, for people or for machines, and hold no secret."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from listener.credentials import Secret
from listener.events import EVENTS
from listener.telemetry import MAX_VALUE, configure

ROOT = Path(__file__).parent.parent
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = "correct-horse-battery"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def logged(*, is_terminal: bool = False, **fields: object) -> str:
    stream = io.StringIO()
    configure(stream, is_terminal=is_terminal, now=lambda: NOON)
    structlog.get_logger("test").warning("message.filed", **fields)
    return stream.getvalue()


def test_an_event_is_one_json_line_with_time_and_level() -> None:
    line = logged(entry=7, account="support")
    assert line.endswith("\n")
    assert list(json.loads(line))[:3] == ["time", "level", "event"]
    assert json.loads(line) == {
        "time": "2026-11-22T12:00:00.000+00:00",
        "level": "warning",
        "event": "message.filed",
        "entry": 7,
        "account": "support",
    }


def test_a_terminal_gets_a_readable_line() -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", logged(is_terminal=True, entry=7, subject="Printer on fire"))
    assert plain == '12:00:00 warning  message.filed  entry=7 subject="Printer on fire"\n'


HOSTILE = [
    'x\r\n{"level":"critical","event":"forged"}',
    "\x1b]0;owned\x07\x1b[2J",
    "evil\u202egnp.exe",
    "a\u2028b\u2029c\u0085d",
    "\ud800 lone",
    "nul\x00",
    "zero\u200bwidth\ufeff",
]


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_stranger_wrote_stays_one_line_and_commands_no_terminal(text: str, is_terminal: bool) -> None:
    out = logged(is_terminal=is_terminal, subject=text, **{text: "as a name"}, nested={"k": [text]}, error=ValueError(text))
    assert out.count("\n") == 1
    uncoloured = re.sub(r"\x1b\[(?:[0-9]|1;31|3[0-9])m", "", out)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\u2029\u200b\ufeff]", uncoloured)
    out.encode()
    if not is_terminal:
        assert json.loads(out)["event"] == "message.filed"
        assert not re.search("[\x00-\x1f\u202e\u2028]", json.loads(out)["subject"])


def test_values_are_bounded() -> None:
    entry = json.loads(logged(subject="x" * 10_000, many=list(range(1000)), error="y" * 10_000))
    assert len(entry["subject"]) == MAX_VALUE + 1
    assert len(entry["many"]) == 50
    assert len(entry["error"]) == 1001


@pytest.mark.parametrize(
    "fields",
    [
        {"password": CANARY},
        {"client_secret": CANARY},
        {"access_token": CANARY},
        {"settings": {"user": "jo", "Password": CANARY}},
        {"given": Secret(CANARY)},
        {"error": f"server said: Authorization: Bearer {CANARY}"},
        {"error": f"bearer={CANARY}"},
        {"url": f"https://jo:{CANARY}@example.com/x"},
        {"subject": f"https://jo:{CANARY}@{'x' * 300}"},
    ],
)
def test_no_secret_is_logged(fields: dict[str, object]) -> None:
    for is_terminal in (True, False):
        line = logged(is_terminal=is_terminal, **fields)
        assert CANARY not in line
        assert "***" in line


def test_an_expired_token_is_still_a_time_and_not_a_secret() -> None:
    assert json.loads(logged(token_expiry=5, tokens=3, token=None))["token_expiry"] == 5


def test_a_traceback_keeps_its_lines_and_loses_what_a_stranger_put_in() -> None:
    stream = io.StringIO()
    configure(stream, is_terminal=False)
    try:
        raise ValueError("bad\r\n\x1b[31mred")
    except ValueError:
        structlog.get_logger().error("task.restarted", exc_info=True)
    assert stream.getvalue().count("\n") == 1
    told = json.loads(stream.getvalue())["exception"]
    assert told.startswith("Traceback")
    assert "\x1b" not in told
    assert "\r" not in told


def test_an_exception_as_exc_info_is_told_too() -> None:
    stream = io.StringIO()
    configure(stream, is_terminal=True)
    structlog.get_logger().error("task.restarted", exc_info=ValueError("why"))
    structlog.get_logger().error("task.restarted", exc_info=None)
    assert stream.getvalue().count("ValueError: why") == 1


def test_libraries_join_from_warning_on() -> None:
    stream = io.StringIO()
    configure(stream, is_terminal=False)
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("asyncio").error("Task %s failed\r\n", "x")
    logging.getLogger("asyncio").warning("broken %d", "format")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["library"], first["level"]) == ("library.said", "asyncio", "error")
    assert first["said"].startswith("Task x failed")
    assert second["said"] == "broken %d"


def test_a_log_that_nobody_reads_ends_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    configure(Gone(), is_terminal=False)
    structlog.get_logger().info("daemon.ready")


def test_debug_is_off_by_default() -> None:
    stream = io.StringIO()
    configure(stream, is_terminal=False)
    structlog.get_logger().debug("message.filed")
    assert stream.getvalue() == ""


# --- the closed list -----------------------------------------------------------------------------------------------------


def events_in_the_code() -> tuple[set[str], set[str]]:
    """Words that are logged, and the beginnings of those that are put together (`f"delivery.{…}"`)."""
    words, beginnings = set(), set()
    for path in (ROOT / "listener").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            if node.func.attr not in {"debug", "info", "warning", "error", "critical"} or "log" not in ast.dump(
                node.func.value
            ):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant):
                words.add(first.value)
            elif isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
                beginnings.add(first.values[0].value)
    return words, beginnings


def test_every_event_in_the_code_is_on_the_list() -> None:
    words, beginnings = events_in_the_code()
    assert words - EVENTS.keys() == set()
    assert all(any(event.startswith(beginning) for event in EVENTS) for beginning in beginnings)


def test_every_event_on_the_list_is_logged_somewhere() -> None:
    words, beginnings = events_in_the_code()
    unused = {event for event in EVENTS if event not in words and not event.startswith(tuple(beginnings))}
    assert unused - {"library.said"} == set()  # the one that telemetry.py itself says through a table of levels


def test_every_event_is_documented_for_operators() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert [event for event in EVENTS if f"`{event}`" not in page] == []
