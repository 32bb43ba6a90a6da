"""One client's conversation with the embedded IMAP server: greeting, commands in turn, IDLE, the end (RFC 9051 §3).

Commands are carried out one after the other, as they came; pipelined ones wait in the socket, as with real servers. Every
answer passes here, so this is where the script's faults strike. What each command does is in access.py, folders.py and
messages.py: functions of (connection, command) that add untagged answers and return the tagged one's text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..script import Close
from ..store import NoSuchFolder
from ..stream import Closed
from . import access, folders, messages
from .connection import Connection
from .grammar import Command, Malformed

Handler = Callable[[Connection, Command], Awaitable[str]]

HANDLERS: dict[str, Handler] = {**access.HANDLERS, **folders.HANDLERS, **messages.HANDLERS}
NO_EXPUNGE_DURING = frozenset({"FETCH", "STORE", "SEARCH"})
"""RFC 9051 §7.5.1: message numbers must not shift while these, without UID, are answered."""

MAX_BAD_COMMANDS = 20


async def converse(connection: Connection) -> None:
    """The whole conversation, until either side hangs up."""
    try:
        await _perform(connection, Command("*", "GREETING", (), b"", connection.number, connection.secure))
        bad = 0
        while bad < MAX_BAD_COMMANDS and not connection.leaving:
            try:
                await _turn(connection)
            except Malformed as error:
                bad += 1
                await connection.send(f"* BAD {error}\r\n".encode("ascii", "replace"))
    except Closed:
        pass
    await connection.finish()


async def _turn(connection: Connection) -> None:
    """Read one command and answer it."""
    if connection.idle_tag is None:
        command = await connection.command()
    else:
        line = await connection.line()
        command = Command(connection.idle_tag, "DONE", (), line.rstrip(b"\r\n"), connection.number, connection.secure)
    connection.server.note(command)
    await _perform(connection, command)


async def _perform(connection: Connection, command: Command) -> None:
    fault = connection.server.script.take(command)
    if fault is None:
        connection.say(await _carry_out(connection, command))
        await connection.flush()
    else:
        if fault.close is Close.BEFORE:
            raise connection.hang_up(reset=fault.reset)
        connection.hold()
        tagged = await _carry_out(connection, command) if fault.execute else b""
        if fault.reply is not None:
            tagged = f"{command.tag} {fault.reply}\r\n".encode()
        elif fault.instead is not None:
            connection.forget()
            tagged = fault.instead.replace(b"{tag}", command.tag.encode())
        await connection.answer(fault, tagged)
    if connection.upgrade:
        context, connection.upgrade = connection.upgrade, None
        await connection.start_tls(context)


async def _carry_out(connection: Connection, command: Command) -> bytes:
    """Do it; the untagged answers are said, the tagged line (or `+`) is returned."""
    if command.name == "GREETING":
        return f"* OK [CAPABILITY {access.capabilities(connection)}] ready\r\n".encode()
    if command.name == "DONE":
        return _end_idle(connection, command)
    handler = HANDLERS.get(command.name)
    refusal = _refusal(connection, command, handler)
    if refusal or handler is None:
        return f"{command.tag} {refusal}\r\n".encode()
    try:
        status = await handler(connection, command)
    except Malformed as error:
        status = f"BAD {error}"
    except NoSuchFolder as error:
        status = f"NO [NONEXISTENT] no such folder: {error}".encode("ascii", "replace").decode()
    if command.name == "IDLE" and status.startswith("+"):
        return f"{status}\r\n".encode()
    connection.say(connection.tell(expunges=command.name not in NO_EXPUNGE_DURING))
    return f"{command.tag} {status}\r\n".encode()


def _refusal(connection: Connection, command: Command, handler: Handler | None) -> str:
    """Why this command cannot be in this state (RFC 9051 §3); empty: it can."""
    needed = access.NEEDS.get(command.name.removeprefix("UID "))
    if handler is None or (needed and not access.offers(connection, needed)):
        return "BAD unknown command"
    if command.name in access.ANY_STATE:
        return ""
    if command.name in access.BEFORE_LOGIN:
        return "BAD already logged in" if connection.user else ""
    if connection.user is None:
        return "BAD log in first"
    if command.name in messages.SELECTED and connection.folder is None:
        return "BAD no folder selected"
    return ""


def _end_idle(connection: Connection, command: Command) -> bytes:
    """RFC 2177 §3: anything but DONE ends the IDLE with BAD."""
    connection.idle_tag = None
    told = connection.tell(expunges=True)
    status = "OK idle ended" if command.line.upper() == b"DONE" else "BAD DONE expected"
    return told + f"{command.tag} {status}\r\n".encode()
