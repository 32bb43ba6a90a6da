"""A power cut between any two writes of a change: settings and secrets are both there, or neither is."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from listener.ledger import KeptKind, Ledger

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from listener.ledger import KeptKind, Ledger

async def main(folder, verb, statements):
    ledger = await Ledger.open(Path(folder))
    if verb != "add":
        await ledger.kept.add(KeptKind.ACCOUNT, "support", {"name": "old"}, {"receiver.password": b"old"})
    done = 0
    def count(statement):
        nonlocal done
        done += 1
        if done > statements:
            os.kill(os.getpid(), signal.SIGKILL)
    ledger._writer._connection.set_trace_callback(count)
    kept = ledger.kept
    if verb == "add":
        await kept.add(KeptKind.ACCOUNT, "support", {"name": "new"}, {"receiver.password": b"new", "sender.password": b"new"})
    elif verb == "change":
        await kept.change(KeptKind.ACCOUNT, "support", 1, {"name": "new"}, {"receiver.password": b"new"})
    else:
        await kept.remove(KeptKind.ACCOUNT, "support", 1)
    os._exit(0)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""
WHOLE = {
    "add": {(None, None), ("new", b"new")},
    "change": {("old", b"old"), ("new", b"new")},
    "remove": {("old", b"old"), (None, None)},
}


async def ran(folder: Path, verb: str, statements: int) -> int:
    """The exit status of a process that is killed before this many statements and one more were begun."""
    words = (sys.executable, "-c", CHILD, str(folder), verb, str(statements))
    process = await asyncio.create_subprocess_exec(*words, env={**os.environ})
    return await asyncio.wait_for(process.wait(), 60)


async def found(folder: Path) -> tuple[object, object, bool]:
    ledger = await Ledger.open(folder)
    try:
        kept = await ledger.kept.all(KeptKind.ACCOUNT)
        secret = await ledger.secret("account/support/receiver.password")
        return (kept[0].settings["name"] if kept else None), secret, "support" in await ledger.paused()
    finally:
        await ledger.close()


@pytest.mark.parametrize("verb", ["add", "change", "remove"])
async def test_a_kill_before_any_statement_of_a_change_leaves_it_whole_or_undone(tmp_path, verb):
    seen, paused = set(), set()
    for statements in (3, 6, 8, 40):
        folder = tmp_path / str(statements)
        status = await ran(folder, verb, statements)
        name, secret, is_paused = await found(folder)
        seen.add((name, secret))
        paused.add((name is not None, is_paused))
        assert status in (0, -signal.SIGKILL)
    assert seen == WHOLE[verb]
    assert all(there == held for there, held in paused)


@pytest.mark.long
@pytest.mark.parametrize("verb", ["add", "change", "remove"])
async def test_a_kill_before_every_statement(tmp_path, verb):
    for statements in range(40):
        folder = tmp_path / str(statements)
        status = await ran(folder, verb, statements)
        name, secret, _ = await found(folder)
        assert (name, secret) in WHOLE[verb]
        if status == 0:
            break
