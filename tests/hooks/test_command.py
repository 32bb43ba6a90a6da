"""Commands: no shell, nothing of the sender's in the arguments, bounded in time and output, and nothing left running."""

import asyncio
import os
import stat
import time
from dataclasses import replace

import pytest

from listener.errors import ConfigurationError
from listener.hooks import Entry, Filed, HookFailed, HookRefused
from listener.hooks.command import MAX_OUTPUT, CommandHost
from tests.hooks.conftest import RAW


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`await command(script, *arguments)` → a started host of that shell script."""
    monkeypatch.setattr("listener.hooks.command.GRACE", 0.3)

    async def make(script, *arguments, **settings):
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        host = CommandHost("command:archive", [str(program), *arguments], **{"timeout": 10.0} | settings)
        await host.start()
        return host

    return make


async def test_exit_0_is_filed_and_the_first_line_of_output_is_the_reference(command, message, case, entry):
    host = await command("echo A-17; echo more; echo noise >&2")
    assert await host.handle(message, case, entry) == Filed("A-17")


async def test_no_output_is_filed_without_a_reference(command, message, case, entry):
    assert await (await command("exit 0")).handle(message, case, entry) == Filed()


async def test_the_raw_message_is_on_standard_input(command, message, case, entry, tmp_path):
    host = await command(f"cat > {tmp_path}/in")
    await host.handle(message, case, entry)
    assert (tmp_path / "in").read_bytes() == RAW


async def test_a_large_message_that_nobody_reads_does_no_harm(command, message, case, entry):
    large = replace(entry, read_raw=lambda: b"x" * 20_000_000)
    assert await (await command("echo ok")).handle(message, case, large) == Filed("ok")


async def test_arguments_by_template_are_never_a_shells(command, message, entry, case, tmp_path):
    host = await command(
        f'for a in "$@"; do echo "$a" >> {tmp_path}/args; done',
        "--case={case}",
        "{account}",
        "{entry}/{key}",
        "{{case}}",
        "$(touch /tmp/no); `x` | & * ~",
    )
    await host.handle(message, replace(case, id="C 1;*"), entry)
    assert (tmp_path / "args").read_text().splitlines() == [
        "--case=C 1;*",
        "support",
        f"7/{'k' * 64}",
        "{case}",
        "$(touch /tmp/no); `x` | & * ~",
    ]


async def test_the_environment_is_ours_and_holds_no_secret_of_the_daemons(command, message, case, entry, tmp_path):
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "CREDENTIALS_DIRECTORY": "/run/secret", "TOKEN": "s3cret"}
    host = await command(f"env > {tmp_path}/env", environment=environment)
    await host.handle(message, replace(case, reference="A-1"), entry)
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    ours = {name.removeprefix("LISTENER_"): value for name, value in seen.items() if name.startswith("LISTENER_")}
    assert ours == {
        "CASE": "C-1",
        "ACCOUNT": "support",
        "ENTRY": "7",
        "IDEMPOTENCY_KEY": "k" * 64,
        "ATTEMPT": "1",
        "REFERENCE": "A-1",
        "IS_NEW": "1",
        "UNVERIFIED": "0",
        "KIND": "message",
    }
    assert seen.keys() - {f"LISTENER_{name}" for name in ours} <= {"PATH", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}


async def test_exit_75_is_tried_again(command, message, case, entry):
    with pytest.raises(HookFailed, match=r"asked to be run again later .exit 75.: mailbox locked"):
        await (await command("echo mailbox locked >&2; exit 75")).handle(message, case, entry)


@pytest.mark.parametrize("code", [1, 2, 64, 74, 76, 126, 127, 255])
async def test_any_other_exit_is_refused_with_its_last_words(command, message, case, entry, code):
    with pytest.raises(HookRefused, match=f"^exit {code}: no such project$"):
        await (await command(f"echo first >&2; echo no such project >&2; exit {code}")).handle(message, case, entry)


async def test_its_last_words_are_bounded_and_printable(command, message, case, entry):
    with pytest.raises(HookRefused) as refusal:
        await (await command(r"printf '\033]0;x\007%05000d' 1 >&2; exit 1")).handle(message, case, entry)
    assert len(str(refusal.value)) < 300
    assert str(refusal.value).isprintable()


async def test_killed_by_a_signal_may_pass(command, message, case, entry):
    with pytest.raises(HookFailed, match="was killed by SIGKILL"):
        await (await command("kill -9 $$")).handle(message, case, entry)


async def test_a_program_that_takes_too_long_is_killed_with_all_that_it_started(command, message, case, entry, tmp_path):
    host = await command(f"sleep 600 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/self; wait", timeout=0.5)
    with pytest.raises(HookFailed, match=r"took longer than 0.5 s and was killed"):
        await host.handle(message, case, entry)
    for name in ("self", "child"):
        await gone(int((tmp_path / name).read_text()))


async def gone(pid):
    deadline = time.monotonic() + 10
    while running(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        await asyncio.sleep(0.01)


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_program_that_ignores_sigterm_is_killed_all_the_same(command, message, case, entry, tmp_path):
    host = await command(f"trap '' TERM; echo $$ > {tmp_path}/self; while :; do sleep 0.1; done", timeout=0.3)
    with pytest.raises(HookFailed, match="was killed"):
        await host.handle(message, case, entry)
    await gone(int((tmp_path / "self").read_text()))


@pytest.mark.parametrize("where", ["", ">&2"])
async def test_a_flood_of_output_is_cut_off(command, message, case, entry, where, tmp_path):
    host = await command(f"echo $$ > {tmp_path}/self; yes {where}")
    with pytest.raises(HookFailed, match=f"wrote more than {MAX_OUTPUT} octets and was killed"):
        await host.handle(message, case, entry)
    await gone(int((tmp_path / "self").read_text()))


async def test_a_child_left_behind_with_our_output_open_neither_delays_nor_survives(command, message, case, entry, tmp_path):
    host = await command(f"sleep 600 & echo $! > {tmp_path}/child; echo A-1; exit 0")
    began = time.monotonic()
    assert await host.handle(message, case, entry) == Filed((tmp_path / "child").read_text().strip() and "A-1")
    assert time.monotonic() - began < 5
    await gone(int((tmp_path / "child").read_text()))


async def test_a_cancelled_call_leaves_nothing_running(command, message, case, entry, tmp_path):
    host = await command(f"echo $$ > {tmp_path}/self; sleep 600")
    call = asyncio.create_task(host.handle(message, case, entry))
    while not (tmp_path / "self").exists() or not (tmp_path / "self").read_text():
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await gone(int((tmp_path / "self").read_text()))


async def test_a_call_cancelled_while_its_program_starts_leaves_nothing_running_either(
    command, message, case, entry, tmp_path, monkeypatch
):
    """The program runs already, and has started another, while asyncio still connects its pipes."""
    host = await command(f"sleep 600 & echo $! > {tmp_path}/child; wait")
    connected = asyncio.Event()
    connect = asyncio.SelectorEventLoop.connect_read_pipe

    async def slowly(self, *arguments):
        await connected.wait()
        return await connect(self, *arguments)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "connect_read_pipe", slowly)
    call = asyncio.create_task(host.handle(message, case, entry))
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        await asyncio.sleep(0.01)
    call.cancel()
    await asyncio.sleep(0)
    connected.set()
    await asyncio.wait({call}, timeout=10)
    assert call.cancelled()
    await gone(int((tmp_path / "child").read_text()))


async def test_a_program_that_has_gone_since_the_start_may_come_back(command, message, case, entry, tmp_path):
    host = await command("exit 0")
    (tmp_path / "program").unlink()
    with pytest.raises(HookFailed, match=r"could not be started: .*No such file"):
        await host.handle(message, case, entry)


async def test_a_raw_message_that_cannot_be_read_is_a_failure(command, message, case):
    def unreadable():
        raise OSError(5, "Input/output error")

    entry = Entry(7, "support", "INBOX", "k", 1, None, unreadable)
    with pytest.raises(HookFailed, match="its standard input could not be made"):
        await (await command("exit 0")).handle(message, case, entry)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "the first element must be a program"),
        (["{case}"], "the first element must be a program, without a template"),
        (["/no/such/program"], "program /no/such/program is not there or may not be executed"),
        (["no-such-program-on-the-path"], "is not there or may not be executed"),
        (["/bin/sh", "{subject}"], "may only name {case}, {account}, {entry}, {key}"),
        (["/bin/sh", "{case.id.__class__}"], "may only name"),
        (["/bin/sh", "{case!r}"], "may only name"),
        (["/bin/sh", "{case:>10}"], "may only name"),
        (["/bin/sh", "{}"], "may only name"),
        (["/bin/sh", "{case"], "is no template"),
        (["/bin/sh", "a}b"], "is no template"),
    ],
)
async def test_arguments_that_cannot_be_right_are_faults_at_start(argv, says):
    with pytest.raises(ConfigurationError) as failure:
        await CommandHost("command:archive", argv).start()
    assert says in str(failure.value)
    assert {fault.setting for fault in failure.value.faults} == {"command.archive.argv"}


async def test_every_fault_is_named_at_once():
    with pytest.raises(ConfigurationError) as failure:
        await CommandHost("command:archive", ["/no/such/program", "{subject}", "{case"]).start()
    assert len(failure.value.faults) == 3


async def test_a_file_that_may_not_be_executed_is_a_fault_at_start(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(stat.S_IRUSR)
    with pytest.raises(ConfigurationError, match="may not be executed"):
        await CommandHost("command:archive", [str(program)]).start()
