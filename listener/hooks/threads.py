"""A thread with an event loop of its own, on which other people's coroutines run and may do their worst.

Used by `python.py`, one per hook. A call is begun from the daemon's loop and awaited there; whatever the coroutine raises,
SystemExit included, becomes the call's error. The thread can be asked whether its loop still turns (`responds`), which
call holds it (`holder`) and where in the code (`where`). A thread that will not give way is abandoned: told to end, sent
an exception that it meets at its next line of Python, and left behind. It is a daemon thread, so it outlives nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

CLOSING = 1.0
"""Seconds that the tasks left on an ending loop get to end."""


class Abandoned(BaseException):
    """Raised inside a thread that was given up, at its next line of Python."""


class Displaced(Exception):
    """This call's thread was given up because of another call on it."""


class Call:
    """One coroutine on the thread. `future` gets what it returned, or what it raised: an Exception, else a `Raised`."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.task: asyncio.Task[None] | None = None

    async def run(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        try:
            self.settle(await make(), None)
        except BaseException as error:  # the boundary to the author's code: SystemExit and its like must not end the loop
            self.settle(None, error)

    def settle(self, value: Any, error: BaseException | None) -> None:
        """The first one counts; the loser of a race with `abandon` is ignored."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            if error is None:
                self.future.set_result(value)
            else:
                # Raised again on the daemon's loop, where a bare SystemExit or CancelledError would mean something else.
                self.future.set_exception(error if isinstance(error, Exception) else Raised(error))


class Raised(Exception):
    """Carries a BaseException of the author's code across threads; `error` is it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(repr(type(error)))


class HookThread:
    """The thread and its loop, running from the start."""

    def __init__(self, name: str, on_stray: Callable[[BaseException], None]) -> None:
        """`on_stray` is told, on this thread, of what was raised outside any call (a task the hook made by itself)."""
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_DaemonThreads())
        self.calls: set[Call] = set()
        self.abandoned = False
        self.ending = False
        self._on_stray = on_stray
        self._thread = threading.Thread(target=self._run, name=f"hook {name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def begin(self, label: str, make: Callable[[], Coroutine[Any, Any, Any]]) -> Call:
        """Start what `make` gives on the thread. From the daemon's loop only; `finish` must follow."""
        call = Call(label)

        def on_thread() -> None:
            call.task = self.loop.create_task(call.run(make))

        self.calls.add(call)
        self.loop.call_soon_threadsafe(on_thread)
        return call

    def cancel(self, call: Call) -> None:
        """Ask its task to end; it may refuse."""
        self._soon(lambda: call.task and call.task.cancel())

    def finish(self, call: Call) -> None:
        """The caller is through with it."""
        self.calls.discard(call)

    async def responds(self, within: float) -> bool:
        """Whether the loop still turns, seen by a round trip."""
        pong: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._soon(lambda: pong.set_result(None))
        done, _ = await asyncio.wait({asyncio.wrap_future(pong)}, timeout=within)
        return bool(done)

    def holder(self) -> Call | None:
        """The call whose code runs at this moment; None between calls and in tasks that the hook made by itself."""
        task = asyncio.current_task(self.loop)
        return next((call for call in self.calls if task is not None and call.task is task), None)

    def where(self, file: str | None) -> str:
        """The line being executed in `file` (the hook's own module), and the innermost one where that is another."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is None:
            return "unknown"
        own: FrameType | None = frame
        while own is not None and own.f_code.co_filename != file:
            own = own.f_back
        return _place(frame) if own is None or own is frame else f"{_place(own)} → {_place(frame)}"

    def abandon(self) -> None:
        """Give the thread up: every call on it is displaced, and the thread ends as soon as it runs Python again."""
        self.abandoned = True
        for call in self.calls:
            call.settle(None, Displaced())
        self.end()
        if self._thread.ident is not None and self.alive:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), ctypes.py_object(Abandoned))

    def end(self) -> None:
        """Ask the loop to stop and the thread to end. Idempotent."""
        self.ending = True
        self._soon(self.loop.stop)

    async def ended(self, within: float) -> bool:
        """Wait for the thread's end, at most so many seconds."""
        return await asyncio.to_thread(self._join, within)

    def _join(self, within: float) -> bool:
        self._thread.join(within)
        return not self.alive

    def _soon(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to ask
            self.loop.call_soon_threadsafe(callback)

    def _run(self) -> None:
        with contextlib.suppress(Abandoned):
            try:
                while not self.ending:
                    self._turn()
            finally:
                self._close()

    def _turn(self) -> None:
        try:
            self.loop.run_forever()
        except BaseException as error:  # asyncio lets SystemExit and KeyboardInterrupt of any task out of the loop
            if not self.abandoned:
                self._on_stray(error)

    def _close(self) -> None:
        with contextlib.suppress(BaseException):  # Abandoned may strike here as well
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSING))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


class _DaemonThreads(ThreadPoolExecutor):
    """What `asyncio.to_thread` of a hook runs on: a thread for each call, which cannot keep the process from ending.

    The standard executor's threads are waited for when Python exits, however long the author's code blocks in one.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # as the standard executor does
                    future.set_exception(error)

        threading.Thread(target=run, name="hook call", daemon=True).start()
        return future


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno} {frame.f_code.co_qualname}"
