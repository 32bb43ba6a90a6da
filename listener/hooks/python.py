"""Runs a Python hook: `python:module:Class`, or the name of an entry point, on a thread and event loop of its own.

The dispatcher calls `handle` from the daemon's loop, side by side. A hook that blocks stalls only its own thread: it is
named in the log (`hook.blocked`) with the message and the line of code, and when its time is up the thread is replaced.

Rules of the file
1. Nothing that a hook does reaches the daemon but as HookFailed (or the HookRefused it raised itself): exceptions, exit,
   nonsense, silence.
2. Of the calls on a thread that had to be replaced, only the guilty one failed; the others are Deferred, uncounted.
3. A class that cannot be used is a ConfigurationError at start; a `start()` that fails may pass and is tried again.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from ..errors import ConfigurationError
from ..message.model import InboundMessage
from . import Case, Deferred, Entry, Hook, HookFailed, HookRefused, Outcome
from .loading import describe, load, make
from .outcomes import checked
from .threads import Call, Displaced, HookThread, Raised

TIMEOUT = 60.0
"""Seconds for one call, and for importing and starting."""

NOTICE = 5.0
"""Seconds after which a call that still runs is looked at: does its loop turn?"""

PING = 1.0
"""Seconds in which a loop that is not blocked answers."""

GRACE = 2.0
"""Seconds that a call gets to end after it was cancelled."""

STOPPING = 5.0
"""Seconds that `stop()` gets."""

MAX_ABANDONED = 8
"""Blocked threads left behind per hook, beyond which no new one is made."""

DISPLACED = Deferred(1.0)

log = structlog.get_logger(__name__)


class PythonHost:
    """A HookHost. `name` is the string in `accounts[].hooks`, `setting` how faults call the place it stands in."""

    def __init__(self, name: str, *, setting: str = "accounts.hooks", timeout: float = TIMEOUT) -> None:
        self.name = name
        self._setting = setting
        self._timeout = timeout
        self._ping = min(PING, timeout)
        self._grace = min(GRACE, timeout)
        self._cls: type[Hook] | None = None
        self._file: str | None = None
        self._hook: Hook | None = None
        self._thread: HookThread | None = None
        self._starting = asyncio.Lock()
        self._abandoned: list[HookThread] = []
        self._noticed: HookThread | None = None

    async def start(self) -> None:
        """Import, make and start it. Raises ConfigurationError when there is no class to use."""
        try:
            await self._ready()
        except HookFailed as error:
            log.warning("hook.start_failed", hook=self.name, error=str(error))

    async def handle(self, message: InboundMessage, case: Case, entry: Entry) -> Outcome | None:
        """Run it once under its timeout. Raises HookFailed, or the hook's own HookRefused."""
        try:
            thread, hook = await self._ready()
            value = await self._call(thread, f"message {entry.id}", lambda: hook.handle(message, case, entry), self._timeout)
        except Displaced:
            return DISPLACED
        except ConfigurationError as error:
            raise HookFailed(str(error)) from None
        return checked(value)

    async def stop(self) -> None:
        """Let it stop within its grace; what still runs then is left behind. Never raises."""
        async with self._starting:
            thread, hook, self._thread, self._hook = self._thread, self._hook, None, None
        if thread is None:
            return
        stop = getattr(hook, "stop", None)
        if stop is not None:
            try:
                await self._call(thread, "stop", stop, STOPPING)
            except (HookFailed, Displaced) as error:
                log.warning("hook.stop_failed", hook=self.name, error=str(error))
        thread.end()
        if not await thread.ended(self._grace):
            thread.abandon()

    async def _ready(self) -> tuple[HookThread, Hook]:
        """The running thread and its hook, made anew where there is none."""
        async with self._starting:
            if self._thread is None or self._hook is None:
                self._forget_ended()
                thread = HookThread(self.name, self._stray)
                try:
                    self._hook = await self._made(thread)
                except BaseException:
                    thread.end()
                    raise
                self._thread = thread
            return self._thread, self._hook

    def _forget_ended(self) -> None:
        self._abandoned = [thread for thread in self._abandoned if thread.alive]
        if len(self._abandoned) >= MAX_ABANDONED:
            raise HookFailed(f"{len(self._abandoned)} calls of this hook still block their threads; mend it, then restart")

    async def _made(self, thread: HookThread) -> Hook:
        """A new instance, started. Raises ConfigurationError as long as none could ever be made."""
        try:
            hook: Hook | ConfigurationError = await self._call(thread, "import", self._make, self._timeout)
            if isinstance(hook, ConfigurationError):
                raise hook
            if hasattr(hook, "start"):
                await self._call(thread, "start", hook.start, self._timeout)
        except Displaced:
            raise HookFailed("its thread was replaced while it started") from None
        return hook

    async def _make(self) -> Hook | ConfigurationError:
        """On the hook's thread. A fault is returned, so that nothing a hook raises later can pass for one."""
        try:
            if self._cls is None:
                cls = load(self.name, self._setting)
                self._file = inspect.getsourcefile(cls)
                hook, self._cls = make(cls, self.name, self._setting), cls
                return hook
        except ConfigurationError as error:
            return error
        return self._cls()

    async def _call(
        self, thread: HookThread, label: str, coroutine: Callable[[], Coroutine[Any, Any, Any]], timeout: float
    ) -> Any:
        """What the coroutine returned. Raises HookFailed for what it raised, Displaced when another took the thread down."""
        call = thread.begin(label, coroutine)
        future = asyncio.wrap_future(call.future)
        try:
            await self._watch(thread, call, future, timeout)
            return _result(thread, future)
        finally:
            if not future.done():
                thread.cancel(call)
                future.cancel()  # what it still answers is nobody's
            thread.finish(call)

    async def _watch(self, thread: HookThread, call: Call, future: asyncio.Future[Any], timeout: float) -> None:
        """Wait until it is done. When its time is up: cancel it, and replace the thread if even that does not end it."""
        notice = min(NOTICE, timeout / 2)
        if await _done(future, notice):
            return
        if not await thread.responds(self._ping):
            self._notice(thread)
        if await _done(future, timeout - notice):
            return
        thread.cancel(call)
        if await _done(future, self._grace):
            raise HookFailed(f"took longer than {timeout:g} s")
        holder = thread.holder()
        if holder is None or holder is call:
            self._replace(thread, call)
            raise HookFailed(f"took longer than {timeout:g} s and could not be cancelled: its thread was replaced")
        raise HookFailed(f"took longer than {timeout:g} s while {holder.label} blocked the hook's thread")

    def _notice(self, thread: HookThread) -> None:
        """Say once per thread who blocks it, and where."""
        if self._noticed is not thread:
            self._noticed = thread
            holder = thread.holder()
            log.warning(
                "hook.blocked",
                hook=self.name,
                call=holder.label if holder else "a task of its own",
                at=thread.where(self._file),
                hint="blocking code belongs into asyncio.to_thread",
            )

    def _replace(self, thread: HookThread, call: Call) -> None:
        log.error("hook.replaced", hook=self.name, call=call.label, at=thread.where(self._file))
        if self._thread is thread:
            self._thread = self._hook = None
        self._abandoned.append(thread)
        thread.finish(call)
        thread.abandon()

    def _stray(self, error: BaseException) -> None:
        log.error("hook.stray", hook=self.name, error=describe(error))


async def _done(future: asyncio.Future[Any], within: float) -> bool:
    done, _ = await asyncio.wait({future}, timeout=within)
    return bool(done)


def _result(thread: HookThread, future: asyncio.Future[Any]) -> Any:
    """What the author's code returned; what it raised as one of the exceptions of `_call`."""
    try:
        return future.result()
    except (HookFailed, HookRefused, Displaced):
        raise
    except Raised as raised:
        if thread.ending and isinstance(raised.error, asyncio.CancelledError):
            raise Displaced from None
        called = "called exit" if isinstance(raised.error, SystemExit | KeyboardInterrupt) else "gave up by itself"
        raise HookFailed(f"{called}: {describe(raised.error)}") from None
    except Exception as error:  # the boundary to the author's code
        raise HookFailed(describe(error)) from None
