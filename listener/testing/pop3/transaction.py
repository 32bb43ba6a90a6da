"""Commands of the embedded POP3 server on the maildrop (RFC 1939 §5 and §7). They return the whole answer."""

from __future__ import annotations

from collections.abc import Callable

from .connection import Command, Connection
from .maildrop import Drop, Maildrop

NO_SUCH_MESSAGE = b"-ERR no such message\r\n"


async def stat(connection: Connection, command: Command) -> bytes:
    left = _maildrop(connection).left()
    return b"+OK %d %d\r\n" % (len(left), sum(len(drop.octets) for drop in left))


async def scan(connection: Connection, command: Command) -> bytes:
    sizes = connection.server.sizes
    return _listing(connection, command, lambda drop: _number(sizes.get(drop.number, len(drop.octets))))


async def unique_ids(connection: Connection, command: Command) -> bytes:
    uidls = connection.server.uidls
    return _listing(connection, command, lambda drop: uidls.get(drop.number, drop.uidl))


async def retrieve(connection: Connection, command: Command) -> bytes:
    drop = _maildrop(connection).get(command.number)
    if drop is None or not _maildrop(connection).holds(drop):
        return NO_SUCH_MESSAGE
    return b"+OK %d octets\r\n" % len(drop.octets) + drop.wire()


async def top(connection: Connection, command: Command) -> bytes:
    drop = _maildrop(connection).get(command.number)
    lines = command.argument.partition(b" ")[2]
    if not lines.isdigit():
        return b"-ERR TOP takes a message and a number of lines\r\n"
    if drop is None or not _maildrop(connection).holds(drop):
        return NO_SUCH_MESSAGE
    return b"+OK\r\n" + drop.wire(int(lines[:9]))


async def delete(connection: Connection, command: Command) -> bytes:
    drop = _maildrop(connection).get(command.number)
    if drop is None:
        return NO_SUCH_MESSAGE
    drop.deleted = True
    return b"+OK marked\r\n"


async def reset(connection: Connection, command: Command) -> bytes:
    _maildrop(connection).reset()
    return b"+OK\r\n"


async def noop(connection: Connection, command: Command) -> bytes:
    return b"+OK\r\n"


def _maildrop(connection: Connection) -> Maildrop:
    assert connection.maildrop is not None
    return connection.maildrop


def _listing(connection: Connection, command: Command, said: Callable[[Drop], bytes | None]) -> bytes:
    """One line for each message, or for the one that was asked for; None leaves a message out."""
    if command.argument:
        drop = _maildrop(connection).get(command.number)
        text = said(drop) if drop else None
        return NO_SUCH_MESSAGE if drop is None or text is None else b"+OK %d %b\r\n" % (drop.number, text)
    lines = [b"%d %b\r\n" % (drop.number, text) for drop in _maildrop(connection).left() if (text := said(drop)) is not None]
    return b"+OK\r\n" + b"".join(lines) + b".\r\n"


def _number(size: int | None) -> bytes | None:
    return None if size is None else b"%d" % size


HANDLERS = {
    "STAT": stat,
    "LIST": scan,
    "UIDL": unique_ids,
    "RETR": retrieve,
    "TOP": top,
    "DELE": delete,
    "RSET": reset,
    "NOOP": noop,
}
