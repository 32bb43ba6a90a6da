"""What the dispatcher's tests are made of: mail, a clock, hooks and parsers that do as they are told."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from listener.errors import ParseCrash, ParseTimeout
from listener.hooks import Filed
from listener.mailbox import Extent, Fetched, Folder, Listing, Page, SyncState
from listener.message import parse

INBOX = Folder("INBOX")
PATIENCE = 10.0
UIDS = itertools.count(1)


async def eventually(condition, seconds=PATIENCE):
    """Look again and again until the condition (a function, perhaps async) gives something true; what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, "it never came to pass"
        await asyncio.sleep(0.005)


def mail(number, *, subject=None, references="", body="Hello.\r\n"):
    """An ordinary message; its Message-ID is `number@example.com`."""
    head = f"From: ann@example.com\r\nMessage-ID: <{number}@example.com>\r\nSubject: {subject or f'Mail {number}'}\r\n"
    head += f"References: <{references}@example.com>\r\n" if references != "" else ""
    return (head + "\r\n" + body).encode()


async def receive(ledger, octets, account="support"):
    """Accept these messages as a receiver would."""
    fetched = [Fetched(Listing(INBOX, f"1:{next(UIDS)}", len(one), 1_800_000_000.0), Extent.WHOLE, one) for one in octets]
    page = Page(INBOX, tuple(item.listing for item in fetched), SyncState(f"1:{next(UIDS)}"))
    plan = await ledger.plan(account, page)
    return await ledger.accept(account, page, plan, fetched, owe=False)


@dataclass
class Clock:
    """POSIX time that a test moves; the ledger and the dispatcher read it."""

    now: float = 1_800_000_000.0

    def __call__(self):
        return self.now


@dataclass
class FakeHook:
    """A HookHost that remembers its calls and answers as `answer(call)` says (a value, an exception or an awaitable)."""

    name: str
    answer: Callable = lambda call: Filed()
    calls: list = field(default_factory=list)
    most_at_once: int = 0
    _now_running: int = 0

    async def start(self):
        pass

    async def stop(self):
        pass

    async def handle(self, message, case, entry):
        call = Call(message, case, entry)
        self.calls.append(call)
        self._now_running += 1
        self.most_at_once = max(self.most_at_once, self._now_running)
        try:
            answer = self.answer(call)
            if asyncio.iscoroutine(answer):
                answer = await answer
        finally:
            self._now_running -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Call:
    message: object
    case: object
    entry: object


class FakeParser:
    """Parses in this process. Messages whose octets hold one of `words` do something else: see `rules`."""

    def __init__(self, **rules):
        self.rules = rules
        self.asked = []

    async def parse(self, octets, trust, *, isolated=False):
        self.asked.append((octets, isolated))
        for word, rule in self.rules.items():
            if word.encode() in octets:
                answer = rule()
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if isinstance(answer, BaseException):
                    raise answer
        return parse(octets, trust)


CRASH = ParseCrash("the worker died")
SLOW = ParseTimeout("took longer than 10 s")
