"""`deliver` calls a hook as the daemon does."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from listener.hooks import Case, Deferred, Filed, HookFailed, Ignored
from listener.testing import deliver, make_message

ORDER = make_message("Where is it?\n", subject="My order", attachments=[("a.pdf", "application/pdf", b"%PDF")])


class Recorder:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self, answer=None):
        self.answer = answer
        self.calls = []

    async def start(self):
        self.calls.append("start")

    async def handle(self, message, case, entry):
        self.message, self.case, self.entry = message, case, entry
        self.calls.append("handle")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def stop(self):
        self.calls.append("stop")


@pytest.mark.parametrize("answer", [None, Filed("T-1", note="noted"), Ignored("not ours"), Deferred(30.0)])
async def test_what_the_hook_answers_is_returned(answer):
    assert await deliver(Recorder(answer), ORDER) == answer


async def test_the_hook_is_started_asked_once_and_stopped():
    hook = Recorder()
    await deliver(hook, ORDER)
    assert hook.calls == ["start", "handle", "stop"]


async def test_a_hook_without_start_and_stop_will_do_and_a_class_is_made():
    class Plain:
        async def handle(self, message, case, entry):
            return Filed(message.subject)

    assert await deliver(Plain, ORDER) == Filed("My order")


async def test_the_message_is_parsed_its_attachments_open_and_the_raw_octets_are_there():
    hook = Recorder()
    await deliver(hook, ORDER)
    assert hook.message.subject == "My order"
    assert hook.message.attachments[0].open().read() == b"%PDF"
    assert hook.entry.raw() == ORDER


async def test_without_a_case_the_message_opens_one():
    hook = Recorder()
    await deliver(hook, ORDER, account="sales")
    assert (hook.case.subject, hook.case.requester, hook.case.is_new) == ("My order", "ann@example.com", True)
    assert (hook.case.account, hook.entry.account) == ("sales", "sales")


async def test_a_given_case_is_the_case():
    hook = Recorder()
    case = Case("CASE", "support", "Old subject", "bob@example.com", "open", is_new=False, reference="T-7")
    await deliver(hook, ORDER, case=case, attempt=3)
    assert hook.case == case
    assert hook.entry.attempt == 3


async def test_the_idempotency_key_is_the_same_each_time_and_differs_by_message_and_account():
    keys = []
    for octets, account in ((ORDER, "a"), (ORDER, "a"), (ORDER + b"x", "a"), (ORDER, "b")):
        hook = Recorder()
        await deliver(hook, octets, account=account)
        keys.append(hook.entry.idempotency_key)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


async def test_a_file_will_do(tmp_path: Path):
    file = tmp_path / "order.eml"
    file.write_bytes(ORDER)
    for path in (file, str(file)):
        hook = Recorder()
        await deliver(hook, path)
        assert hashlib.sha256(hook.entry.raw()).digest() == hashlib.sha256(ORDER).digest()


async def test_what_the_hook_raises_comes_out_after_it_was_stopped():
    hook = Recorder(KeyError("the author's own fault"))
    with pytest.raises(KeyError, match="the author's own fault"):
        await deliver(hook, ORDER)
    assert hook.calls[-1] == "stop"


async def test_an_answer_that_is_no_outcome_is_refused_as_the_daemon_would():
    with pytest.raises(HookFailed, match="Filed"):
        await deliver(Recorder("done"), ORDER)


async def test_a_hook_that_takes_too_long_is_stopped():
    class Slow:
        async def handle(self, message, case, entry):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        await deliver(Slow(), ORDER, timeout=0.01)
