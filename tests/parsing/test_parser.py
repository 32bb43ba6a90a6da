"""The daemon's parser: quick messages here, the rest in workers, and nobody waits for a hostile one."""

import asyncio
import fcntl
import os
import signal
import struct
import termios
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from eventually import eventually
from mails import HEAD, message, multipart, part

from listener.errors import ParseCrash, ParseTimeout
from listener.message import Trust, parse
from listener.parsing import DIRECT_OCTETS, Parser
from listener.parsing.worker import Worker

SMALL = message("hello")
LARGER = message("hello\r\n" * DIRECT_OCTETS)
PATIENT = 60.0  # seconds: the machine of a test may be busy
HEAVY = multipart("mixed", *[part("x")] * 150)


@pytest_asyncio.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser(workers=2, deadline=PATIENT)
    yield parser
    await parser.close()


def stop(pid: int) -> None:
    """Halt the process; on return it has halted, and reads nothing more."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


async def test_every_way_gives_the_same_message(parser: Parser) -> None:
    for octets in (SMALL, LARGER, HEAVY):
        assert await parser.parse(octets, Trust()) == parse(octets)
        assert await parser.parse(octets, Trust(), isolated=True) == parse(octets)


async def test_trust_goes_along_into_the_worker(parser: Parser) -> None:
    results = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.net\r\n"
    octets = message("hello", head=results + HEAD)
    trust = Trust(authserv_id="mx.example.com")
    verdict = (await parser.parse(octets, trust, isolated=True)).authentication
    assert verdict == parse(octets, trust).authentication
    assert verdict.trusted == "mx.example.com"


async def test_no_process_is_started_for_ordinary_mail() -> None:
    parser = Parser()
    await asyncio.gather(*[parser.parse(octets, Trust()) for octets in (SMALL, LARGER)])
    assert [worker.pid for worker in parser._workers] == [None] * len(parser._workers)
    await parser.close()


async def test_the_event_loop_goes_on_while_a_bomb_is_parsed(parser: Parser) -> None:
    bomb = message("<p>x" * 150_000, "text/html")
    await parser.parse(HEAVY, Trust())  # the worker is running
    pauses = [0.0]
    done = asyncio.Event()

    async def watch() -> None:
        last = time.monotonic()
        while not done.is_set():
            await asyncio.sleep(0)
            pauses.append(time.monotonic() - last)
            last = time.monotonic()

    watching = asyncio.create_task(watch())
    await parser.parse(bomb, Trust())
    done.set()
    await watching
    assert max(pauses) < 1.0  # 100 ms by promise (docs/message.md); the machine of a test may be busy


def unread(worker: Worker) -> int:
    """Octets in the child's standard input that it has not taken: a question is on its way."""
    process = worker._process
    assert process is not None
    assert process.stdin is not None
    return struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))[0]


async def test_a_killed_worker_is_a_crash_and_the_next_message_gets_another(parser: Parser) -> None:
    worker = Worker(deadline=PATIENT)
    worker.parse(SMALL, Trust())
    assert worker.pid
    stop(worker.pid)
    asking = asyncio.create_task(asyncio.to_thread(worker.parse, SMALL, Trust()))
    await eventually(lambda: unread(worker))
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(ParseCrash):
        await asking
    assert worker.parse(SMALL, Trust()) == parse(SMALL)
    worker.kill()


async def test_closing_ends_what_is_being_parsed() -> None:
    parser = Parser(workers=1, deadline=60)
    await parser.parse(HEAVY, Trust())
    (worker,) = parser._workers
    assert worker.pid
    stop(worker.pid)
    parsing = asyncio.create_task(parser.parse(HEAVY, Trust()))
    await eventually(lambda: unread(worker))
    await parser.close()
    with pytest.raises((ParseCrash, asyncio.CancelledError)):
        await parsing
    assert worker.pid is None
    await parser.close()


def test_a_worker_that_does_not_answer_in_time_is_killed() -> None:
    worker = Worker(deadline=PATIENT)
    worker.parse(SMALL, Trust())
    pid = worker.pid
    assert pid
    worker._deadline = 0.2
    stop(pid)
    with pytest.raises(ParseTimeout, match=r"not parsed within 0\.2 s"):
        worker.parse(SMALL, Trust())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    worker.kill()


def test_a_worker_without_memory_gives_a_result_or_a_crash() -> None:
    worker = Worker(deadline=PATIENT)
    worker.parse(SMALL, Trust())
    status = Path(f"/proc/{worker.pid}/status").read_text()
    worker.kill()
    usual = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmSize")) * 1024
    worker = Worker(deadline=PATIENT, memory=usual + 60_000_000)
    assert worker.parse(SMALL, Trust()) == parse(SMALL)
    try:
        parsed = worker.parse(b"Content-Type: x/y\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUFB" * 12_000_000, Trust())
        assert any("MemoryError" in defect for defect in parsed.defects)
    except ParseCrash:
        pass
    finally:
        worker.kill()


def test_a_worker_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTENER_SECRET", "hunter2")
    worker = Worker(deadline=PATIENT)
    worker.parse(SMALL, Trust())
    with open(f"/proc/{worker.pid}/environ", "rb") as environment:
        assert b"hunter2" not in environment.read()
    worker.kill()


def test_a_worker_ends_with_its_owner() -> None:
    worker = Worker(deadline=PATIENT)
    worker.parse(SMALL, Trust())
    process = worker._process
    assert process
    assert process.stdin
    process.stdin.close()
    assert process.wait(10) == 0
    worker.kill()


def test_a_worker_is_replaced_after_many_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("listener.parsing.worker.MESSAGES_PER_PROCESS", 2)
    worker = Worker(deadline=PATIENT)
    pids = []
    for _ in range(3):
        worker.parse(SMALL, Trust())
        pids.append(worker.pid)
    assert pids[0] == pids[1] != pids[2]
    worker.kill()
