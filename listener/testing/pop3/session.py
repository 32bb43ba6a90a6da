"""One client's conversation with the embedded POP3 server: greeting, commands in turn, the end (RFC 1939 §3).

Commands are carried out one after the other, as they came; pipelined ones wait in the socket. Every answer passes here, so
this is where the script's faults strike.
"""

from __future__ import annotations

from ..script import Close
from ..stream import Closed
from . import access, transaction
from .connection import Command, Connection

OPTIONAL = frozenset({"TOP", "UIDL", "CAPA"})
"""Commands that are unknown while they are hidden."""
MAX_BAD_COMMANDS = 20


async def converse(connection: Connection) -> None:
    """The whole conversation, until either side hangs up."""
    bad = 0
    try:
        await _perform(connection, Command("GREETING", b"", b"", connection.number, connection.secure))
        while bad < MAX_BAD_COMMANDS and not connection.leaving:
            command = await connection.command()
            connection.server.note(command)
            bad += not await _perform(connection, command)
    except Closed:
        pass
    await connection.finish()


async def _perform(connection: Connection, command: Command) -> bool:
    """Answer it; whether it was a command."""
    fault = connection.server.script.take(command)
    known = True
    if fault is None:
        answer = await _carry_out(connection, command)
        known = answer is not None
        await connection.send(answer if answer is not None else b"-ERR unknown command\r\n")
    else:
        if fault.close is Close.BEFORE:
            raise connection.hang_up(reset=fault.reset)
        answer = await _carry_out(connection, command) if fault.execute else None
        if fault.reply is not None:
            answer = f"{fault.reply}\r\n".encode()
        elif fault.instead is not None:
            answer = fault.instead
        await connection.answer(fault, answer or b"")
    if connection.upgrade:
        context, connection.upgrade = connection.upgrade, None
        await connection.start_tls(context)
    return known


async def _carry_out(connection: Connection, command: Command) -> bytes | None:
    """Do it, and the whole answer; None: no such command in this state."""
    name = command.name
    if name in OPTIONAL and name in connection.server.hidden:
        return None
    if name == "GREETING":
        return b"+OK ready\r\n"
    if name == "CAPA":
        return await access.capabilities(connection, command)
    if name == "QUIT":
        return _quit(connection)
    handlers = access.HANDLERS if connection.maildrop is None else transaction.HANDLERS
    handler = handlers.get(name)
    return await handler(connection, command) if handler else None


def _quit(connection: Connection) -> bytes:
    """RFC 1939 §6: from the TRANSACTION state the deletions are carried out now."""
    if connection.maildrop is not None:
        connection.maildrop.update()
    connection.leaving = True
    return b"+OK till next time\r\n"
