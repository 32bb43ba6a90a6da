"""Python hooks on their own thread: whatever one does, it is a counted failure and stalls nobody else."""

import asyncio
import importlib.metadata
import sys
import threading
import time

import pytest
import structlog

from listener.errors import ConfigurationError
from listener.hooks import Deferred, Filed, HookFailed, HookRefused, Ignored
from listener.hooks.python import MAX_ABANDONED, PythonHost

HEAD = """
    import asyncio, os, sys, threading, time
    from listener.hooks import Deferred, Filed, HookRefused, Ignored
    events = []
    release = threading.Event()
"""


@pytest.fixture
async def host(write_hook):
    """`await host(body)` → a started host of a class with that body; at the end blocked threads are let go, hosts stopped."""
    hosts, modules = [], []

    async def make(body, timeout=5.0, module="hook_under_test"):
        lines = "\n".join("        " + line for line in body.strip("\n").split("\n"))
        name = write_hook(module, f"{HEAD}\n    class TheHook:\n{lines}\n")
        made = PythonHost(name, setting="accounts.support.hooks", timeout=timeout)
        hosts.append(made)
        await made.start()
        modules.append(sys.modules[module])
        return made

    yield make
    for module in modules:
        module.release.set()
    for made in hosts:
        await made.stop()
    for thread in threading.enumerate():
        if thread.name.startswith("hook "):
            await asyncio.to_thread(thread.join, 5)


def module():
    return sys.modules["hook_under_test"]


def wait_until(condition, seconds=10.0):
    """On a thread: look again and again until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.005)


async def test_a_hook_gets_message_case_and_entry_on_a_thread_of_its_own(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    events.append((message, case, entry, threading.current_thread().name))
    return Filed(f"{case.id}/{entry.idempotency_key[:3]}/{len(entry.raw())}", note=message.subject)
"""
    )
    assert await hook.handle(message, case, entry) == Filed("C-1/kkk/59", note="Printer")
    assert module().events == [(message, case, entry, f"hook {hook.name}")]


async def test_start_and_stop_run_once_on_the_same_loop_as_handle(host, message, case, entry):
    hook = await host(
        """
async def start(self): events.append(("start", asyncio.get_running_loop()))
async def handle(self, message, case, entry): events.append(("handle", asyncio.get_running_loop()))
async def stop(self): events.append(("stop", asyncio.get_running_loop()))
"""
    )
    assert await hook.handle(message, case, entry) is None
    await hook.stop()
    await hook.stop()
    assert [word for word, _ in module().events] == ["start", "handle", "stop"]
    assert len({loop for _, loop in module().events}) == 1
    assert asyncio.get_running_loop() not in {loop for _, loop in module().events}


async def test_calls_run_side_by_side(host, message, case, entry):
    hook = await host(
        """
def __init__(self): self.both = asyncio.Barrier(2)
async def handle(self, message, case, entry):
    await self.both.wait()
    return Ignored("met")
"""
    )
    assert await asyncio.gather(*(hook.handle(message, case, entry) for _ in range(2))) == [Ignored("met")] * 2


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("raise ValueError('no such queue')", r"ValueError: no such queue \(hook_under_test.py:\d+ in handle\)"),
        ("sys.exit(3)", "called exit: SystemExit: 3"),
        ("raise KeyboardInterrupt", "called exit: KeyboardInterrupt"),
        ("raise asyncio.CancelledError", "gave up by itself: CancelledError"),
        ("raise GeneratorExit", "gave up by itself: GeneratorExit"),
        ("return 'done'", "returned a value of type str"),
        ("return Filed(reference=object())", "reference must be text"),
        ("raise ValueError('x' * 10**6)", "ValueError: x{100,499}…"),
        ("def f(): f()\n    f()", "RecursionError"),
        (
            "class Broken(Exception):\n        def __str__(self): raise OSError\n    raise Broken",
            "Broken: .its text cannot be read",
        ),
    ],
)
async def test_whatever_a_hook_does_is_a_failure_with_a_clear_sentence(host, message, case, entry, statement, says):
    hook = await host(
        f"async def handle(self, message, case, entry):\n    if not events:\n        events.append(1)\n    {statement}\n"
    )
    for _ in range(2):  # and the thread is as good as before
        with pytest.raises(HookFailed, match=says) as failure:
            await hook.handle(message, case, entry)
        assert len(str(failure.value)) < 1000


async def test_a_hook_may_say_no_for_good(host, message, case, entry):
    hook = await host("async def handle(self, message, case, entry):\n    raise HookRefused('not ours')")
    with pytest.raises(HookRefused, match="not ours"):
        await hook.handle(message, case, entry)


async def test_exit_in_a_task_of_its_own_does_not_end_the_hook(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    if not events:
        async def leave(): sys.exit("from a task")
        events.append(asyncio.create_task(leave()))
        while not events[0].done():
            await asyncio.sleep(0)
    return Filed("still here")
"""
    )
    with structlog.testing.capture_logs() as logs:
        assert await hook.handle(message, case, entry) == Filed("still here")
    assert await hook.handle(message, case, entry) == Filed("still here")
    assert [(log["event"], log["error"].split(" (")[0]) for log in logs] == [("hook.stray", "SystemExit: from a task")]
    with pytest.raises(SystemExit):
        module().events[0].result()


async def test_a_slow_call_is_cancelled_when_its_time_is_up_and_the_thread_stays(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    events.append(threading.current_thread())
    if len(events) > 1: return Filed("quick")
    await asyncio.sleep(3600)
""",
        timeout=0.2,
    )
    with pytest.raises(HookFailed, match=r"took longer than 0.2 s$"):
        await hook.handle(message, case, entry)
    assert await hook.handle(message, case, entry) == Filed("quick")
    assert len(set(module().events)) == 1


BLOCKING = """
async def handle(self, message, case, entry):
    events.append(threading.current_thread())
    if message.subject == "Printer":
        release.wait(30)
    return Filed("quick")
"""


async def test_a_blocking_call_is_named_and_its_thread_replaced(host, message, case, entry):
    hook = await host(BLOCKING, timeout=0.4)
    with structlog.testing.capture_logs() as logs, pytest.raises(HookFailed, match="its thread was replaced"):
        await hook.handle(message, case, entry)
    blocked, replaced = logs
    assert blocked["event"] == "hook.blocked"
    assert (blocked["hook"], blocked["call"]) == (hook.name, "message 7")
    assert "hook_under_test.py:" in blocked["at"]
    assert "TheHook.handle → threading.py" in blocked["at"]
    assert replaced["event"] == "hook.replaced"
    module().release.set()
    assert await hook.handle(message, case, entry) == Filed("quick")
    assert len(set(module().events)) == 2


async def test_the_daemon_and_other_hooks_go_on_while_one_blocks(host, message, case, entry):
    blocking = await host(BLOCKING)
    other = await host("async def handle(self, message, case, entry): return Filed('other')", module="another_hook")
    stuck = asyncio.create_task(blocking.handle(message, case, entry))
    assert await asyncio.wait_for(other.handle(message, case, entry), 0.5) == Filed("other")
    assert not stuck.done()
    module().release.set()
    assert await stuck == Filed("quick")


async def test_those_who_shared_the_thread_with_a_blocking_call_are_deferred_and_not_blamed(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    if not events:
        events.append("innocent")
        await asyncio.sleep(3600)
    release.wait(30)
""",
        timeout=0.4,
    )
    guilty_timeout = hook._timeout
    hook._timeout = 60.0  # the innocent has time left when the other one's is up
    innocent = asyncio.create_task(hook.handle(message, case, entry))
    await asyncio.to_thread(wait_until, lambda: module().events)
    hook._timeout = guilty_timeout
    with pytest.raises(HookFailed, match="replaced"):
        await hook.handle(message, case, entry)
    assert await innocent == Deferred(1.0)


async def test_an_endless_loop_is_ended_where_it_stands(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    events.append(threading.current_thread())
    while True: pass
""",
        timeout=0.2,
    )
    with pytest.raises(HookFailed, match="replaced"):
        await hook.handle(message, case, entry)
    thread = module().events[0]
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_a_call_that_refuses_to_be_cancelled_loses_its_thread(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    events.append(threading.current_thread())
    while not release.is_set():
        try: await asyncio.sleep(0.05)
        except asyncio.CancelledError: pass
""",
        timeout=0.2,
    )
    with pytest.raises(HookFailed, match="could not be cancelled"):
        await hook.handle(message, case, entry)
    module().release.set()
    await hook.handle(message, case, entry)
    assert len(set(module().events)) == 2


async def test_threads_are_not_left_behind_without_end(host, message, case, entry):
    hook = await host(BLOCKING, timeout=0.05)
    for _ in range(MAX_ABANDONED):
        with pytest.raises(HookFailed, match="replaced"):
            await hook.handle(message, case, entry)
    with pytest.raises(HookFailed, match="still block their threads"):
        await hook.handle(message, case, entry)
    module().release.set()
    await asyncio.to_thread(wait_until, lambda: not any(t.is_alive() for t in module().events))
    assert await hook.handle(message, case, entry) == Filed("quick")


async def test_blocking_code_in_a_thread_stalls_nobody_and_cannot_keep_the_process_alive(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    def work():
        events.append(threading.current_thread())
        if len(events) == 1: release.wait(30)
        return "worked"
    return Filed(await asyncio.to_thread(work))
""",
        timeout=0.3,
    )
    with pytest.raises(HookFailed, match=r"took longer than 0.3 s$"):
        await hook.handle(message, case, entry)
    assert await hook.handle(message, case, entry) == Filed("worked")
    assert all(thread.daemon for thread in module().events)


@pytest.mark.parametrize("error", ["ValueError('from a thread')", "SystemExit('from a thread')"])
async def test_what_is_raised_in_such_a_thread_is_a_failure(host, message, case, entry, error):
    hook = await host(
        f"""
async def handle(self, message, case, entry):
    def work(): raise {error}
    await asyncio.to_thread(work)
"""
    )
    with pytest.raises(HookFailed, match="from a thread"):
        await hook.handle(message, case, entry)


async def test_a_start_that_fails_is_tried_again_at_the_next_call(host, message, case, entry):
    with structlog.testing.capture_logs() as logs:
        hook = await host(
            """
async def start(self):
    events.append("start")
    if len(events) < 3: raise ConnectionError("no database")
async def handle(self, message, case, entry): return Filed("at last")
"""
        )
    assert [(log["event"], log["hook"]) for log in logs] == [("hook.start_failed", hook.name)]
    with pytest.raises(HookFailed, match="ConnectionError: no database"):
        await hook.handle(message, case, entry)
    assert await hook.handle(message, case, entry) == Filed("at last")


async def test_a_stop_that_blocks_or_raises_does_not_hold_the_daemon(host, message, case, entry, monkeypatch):
    monkeypatch.setattr("listener.hooks.python.STOPPING", 0.1)
    hook = await host(
        """
async def handle(self, message, case, entry): pass
async def stop(self): release.wait(30)
""",
        timeout=0.1,
    )
    with structlog.testing.capture_logs() as logs:
        await asyncio.wait_for(hook.stop(), 5)
    assert "hook.stop_failed" in [log["event"] for log in logs]


async def test_a_cancelled_call_is_cancelled_on_its_thread_too(host, message, case, entry):
    hook = await host(
        """
async def handle(self, message, case, entry):
    try:
        events.append("begun")
        await asyncio.sleep(3600)
    finally:
        events.append("cancelled")
"""
    )
    call = asyncio.create_task(hook.handle(message, case, entry))
    await asyncio.to_thread(wait_until, lambda: module().events == ["begun"])
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.to_thread(wait_until, lambda: module().events == ["begun", "cancelled"])


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import no_such_library",
            "module bad_hook cannot be imported: ModuleNotFoundError: No module named 'no_such_library'",
        ),
        ("raise SystemExit(4)", "module bad_hook cannot be imported: SystemExit: 4"),
        ("def broken(:", "module bad_hook cannot be imported: SyntaxError"),
        ("class TheHok: pass", "module bad_hook has no class TheHook; did you mean TheHok?"),
        ("TheHook = 5", "is a int, not a class"),
        ("class TheHook: pass", "has no handle; write: async def handle"),
        ("class TheHook:\n  def handle(self, message, case, entry): pass", "handle of .* is not async"),
        ("class TheHook:\n  async def handle(self, message): pass", "does not take .self, message, case, entry."),
        ("class TheHook:\n  async def handle(self, m, c, e): pass\n  def stop(self): pass", "stop of .* is not async"),
        (
            "class TheHook:\n  def __init__(self, x): pass\n  async def handle(self, m, c, e): pass",
            "could not be made: TypeError",
        ),
        (
            "class TheHook:\n  def __init__(self): exit(1)\n  async def handle(self, m, c, e): pass",
            "could not be made: SystemExit",
        ),
    ],
)
async def test_a_hook_that_cannot_be_used_is_a_fault_of_the_setting(write_hook, source, says):
    host = PythonHost(write_hook("bad_hook", source), setting="accounts.support.hooks")
    with pytest.raises(ConfigurationError, match=says) as failure:
        await host.start()
    assert [fault.setting for fault in failure.value.faults] == ["accounts.support.hooks"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("python:no_such_module:Hook", "module no_such_module cannot be imported"),
        ("python:a:b:c", "must read python:module:Class"),
        ("python::Class", "must read python:module:Class"),
        ("python:ticket", 'no entry point "ticket" in the group listener.hooks'),
    ],
)
async def test_a_name_that_means_nothing_is_a_fault_of_the_setting(name, says):
    with pytest.raises(ConfigurationError, match=says):
        await PythonHost(name).start()


async def test_an_entry_point_is_found_by_its_name(write_hook, monkeypatch, message, case, entry):
    write_hook("packaged_hook", "class TheHook:\n  async def handle(self, message, case, entry): pass")
    point = importlib.metadata.EntryPoint("tickets", "packaged_hook:TheHook", "listener.hooks")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: importlib.metadata.EntryPoints([point]))
    host = PythonHost("python:tickets")
    await host.start()
    assert await host.handle(message, case, entry) is None
    await host.stop()
