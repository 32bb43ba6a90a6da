"""Runs a command for each message: arguments by template, never a shell; the raw message on its standard input.

The dispatcher calls `handle` on the daemon's loop. `{case}`, `{account}`, `{entry}` and `{key}` in the arguments are
replaced; the environment holds LISTENER_CASE, _ACCOUNT, _ENTRY, _IDEMPOTENCY_KEY, _ATTEMPT, _REFERENCE, _IS_NEW, _KIND and
what a program needs to run, none of the daemon's own. Exit 0 is filed, and the first line of output is the reference; 75
(EX_TEMPFAIL of sysexits.h) tries again later; any other code is refused for good. Killed by a signal is a failure.

Rules of the file
1. Nothing that a sender wrote becomes an argument: no message can pass an option to the program.
2. Time and output are bounded; the program leads a process group of its own, and what is left of it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import IO

from ..errors import ConfigurationError, Fault
from ..message.model import InboundMessage
from . import Case, Entry, HookFailed, HookRefused, Outcome
from .outcomes import MAX_ERROR, from_output, one_line

TIMEOUT = 60.0
"""Seconds for one run."""

MAX_OUTPUT = 1 << 20
"""Octets that a program may write, on standard output and standard error each."""

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL, and for what a program left behind to close its output."""

TRY_LATER = 75
"""EX_TEMPFAIL."""

STDOUT, STDERR = 1, 2

FIELDS = ("case", "account", "entry", "key")
"""What a template may name."""

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME")
"""What a program gets of the daemon's environment; no credential is among it."""


class CommandHost:
    """A HookHost for `command:NAME`."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        timeout: float = TIMEOUT,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.name = name
        self._setting = f"command.{name.partition(':')[2]}.argv"
        self._argv = tuple(argv)
        self._timeout = timeout
        self._inherited = {key: environment[key] for key in INHERITED if key in environment}

    async def start(self) -> None:
        """Check templates and program. Raises ConfigurationError."""
        faults = [Fault(self._setting, reason) for reason in argv_faults(self._argv, self._inherited.get("PATH"))]
        if faults:
            raise ConfigurationError(faults)

    async def handle(self, message: InboundMessage, case: Case, entry: Entry) -> Outcome | None:
        """Run it once. Raises HookFailed or HookRefused."""
        try:
            stdin = await asyncio.to_thread(_spooled, entry.raw)
        except OSError as error:
            raise HookFailed(f"its standard input could not be made: {error}") from None
        with stdin:
            arguments, environment = self._arguments(case, entry), self._environment(message, case, entry)
            code, output, errors = await _run(arguments, environment, stdin, self._timeout)
        if code == 0:
            return from_output(output)
        said = _last_line(errors) or _last_line(output)
        words = f": {said}" if said else ""
        if code == TRY_LATER:
            raise HookFailed(f"asked to be run again later (exit 75){words}")
        if code < 0:
            raise HookFailed(f"was killed by {_signal_name(-code)}{words}")
        raise HookRefused(f"exit {code}{words}")

    async def stop(self) -> None:
        """Nothing to do: every run ends with its call."""

    def _arguments(self, case: Case, entry: Entry) -> list[str]:
        values = {"case": case.id, "account": entry.account, "entry": str(entry.id), "key": entry.idempotency_key}
        return [argument.format_map(values) for argument in self._argv]

    def _environment(self, message: InboundMessage, case: Case, entry: Entry) -> dict[str, str]:
        values = {
            "CASE": case.id,
            "ACCOUNT": entry.account,
            "ENTRY": str(entry.id),
            "IDEMPOTENCY_KEY": entry.idempotency_key,
            "ATTEMPT": str(entry.attempt),
            "REFERENCE": case.reference or "",
            "IS_NEW": "1" if case.is_new else "0",
            "UNVERIFIED": "1" if case.unverified else "0",
            "KIND": message.kind.value,
        }
        return self._inherited | {f"LISTENER_{name}": value for name, value in values.items()}


def argv_faults(argv: Sequence[str], path: str | None) -> list[str]:
    """What is wrong with the arguments: the program is not there, or a template names what there is not."""
    if not argv or "{" in argv[0]:
        return ["the first element must be a program, without a template"]
    faults = [] if shutil.which(argv[0], path=path) else [f"program {argv[0]} is not there or may not be executed"]
    for argument in argv[1:]:
        try:
            named = [
                (field, spec, conversion) for _, field, spec, conversion in Formatter().parse(argument) if field is not None
            ]
        except ValueError as error:
            faults.append(f"{argument!r} is no template ({error}); write {{{{ for a brace")
            continue
        if any(field not in FIELDS or spec or conversion for field, spec, conversion in named):
            faults.append(f"{argument!r} may only name {', '.join(f'{{{field}}}' for field in FIELDS)}; write {{{{ for a brace")
    return faults


class _Program(asyncio.SubprocessProtocol):
    """What asyncio tells of one program: its output, bounded, and when it exited, wrote too much, and closed its output."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.flooded: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.output = {STDOUT: bytearray(), STDERR: bytearray()}
        self._open = {STDOUT, STDERR}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.output[fd] += data[: MAX_OUTPUT + 1 - len(self.output[fd])]
        if len(self.output[fd]) > MAX_OUTPUT and not self.flooded.done():
            self.flooded.set_result(None)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open and not self.closed.done():
            self.closed.set_result(None)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)


async def _run(
    argv: Sequence[str], environment: Mapping[str, str], stdin: IO[bytes], timeout: float
) -> tuple[int, bytes, bytes]:
    """Exit code (negative: the signal), output and errors. Raises HookFailed. A cancelled call kills the program first.

    The program's life is a task that is never cancelled: cut short while it starts a program, asyncio kills the leader alone
    and then waits for ever for pipes that the others hold.
    """
    cut: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    life = asyncio.ensure_future(_live(argv, environment, stdin, timeout, cut))
    try:
        return await asyncio.shield(life)
    except asyncio.CancelledError:
        cut.set_result(None)
        await asyncio.wait({life})
        life.cancelled() or life.exception()  # whatever came of it, nobody asks any more
        raise


async def _live(
    argv: Sequence[str], environment: Mapping[str, str], stdin: IO[bytes], timeout: float, cut: asyncio.Future[None]
) -> tuple[int, bytes, bytes]:
    """From its start to the death of its process group, for which `cut` asks at once."""
    try:
        transport, program = await asyncio.get_running_loop().subprocess_exec(
            _Program,
            *argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise HookFailed(f"could not be started: {error}") from None
    ends = {program.exited, program.flooded, cut}
    await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    flooded, exited = program.flooded.done(), program.exited.done()
    await _end(transport, program)
    if flooded:
        raise HookFailed(f"wrote more than {MAX_OUTPUT} octets and was killed")
    code = transport.get_returncode()
    if not exited or code is None:
        raise HookFailed(f"took longer than {timeout:g} s and was killed")
    return code, bytes(program.output[STDOUT]), bytes(program.output[STDERR])


async def _end(transport: asyncio.SubprocessTransport, program: _Program) -> None:
    """Leave nothing of the program's process group behind.

    A group is signalled only while a member of it is known to live, the leader or one that holds the output open: the
    number of an empty group may already be another program's.
    """
    if program.exited.done():
        await asyncio.wait({program.closed}, timeout=GRACE)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if program.exited.done() and program.closed.done():
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), sign)
        await asyncio.wait({program.exited, program.closed}, timeout=GRACE)
    transport.close()


def _spooled(read_raw: Callable[[], bytes]) -> IO[bytes]:
    """The raw message as a file without a name, for standard input: a program that does not read it harms nobody."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    try:
        file.write(read_raw())
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _last_line(output: bytes) -> str:
    lines = output[-4 * MAX_ERROR :].decode("utf-8", "replace").strip().splitlines()
    return one_line(lines[-1], MAX_ERROR // 2) if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
