"""Commands of the embedded IMAP server on messages: FETCH, STORE, SEARCH, COPY, MOVE, EXPUNGE (RFC 9051 §6.4).

Called by the session, with a folder open. The same function serves a command with and without `UID`; what differs is only
how the client names messages. Messages that another session expunged meanwhile are passed over in silence.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from ..store import Folder, Message, NoSuchFolder
from .access import offers
from .connection import Connection
from .fetch import read_items, render
from .folders import folder_name
from .grammar import Atom, Command, Malformed, Value, read_set, write_set
from .search import SearchKey, UnknownCharset, read_search

SELECTED = frozenset(
    {"CLOSE", "UNSELECT", "EXPUNGE", "UID EXPUNGE", "FETCH", "UID FETCH", "STORE", "UID STORE"}
    | {"SEARCH", "UID SEARCH", "COPY", "UID COPY", "MOVE", "UID MOVE", "CHECK"}
)


async def fetch(connection: Connection, command: Command) -> str:
    by_uid = command.name.startswith("UID ")
    if len(command.arguments) < 2:
        raise Malformed("FETCH takes a set and items")
    items = read_items(command.arguments[1])
    if by_uid and not any(item.word == "UID" for item in items):
        items = [*read_items(Atom(b"UID")), *items]
    since = _changed_since(command.arguments[2:])
    marks = any(item.marks_seen for item in items) and not connection.read_only
    for number, message in _named(connection, command.arguments[0], by_uid=by_uid):
        if message.modseq <= since:
            continue
        answer = items
        if marks and "\\Seen" not in message.flags:
            _folder(connection).set_flags(message.uid, message.flags | {"\\Seen"}, by=connection)
            answer = [*items, *read_items(Atom(b"FLAGS"))]
        connection.say(b"* %d FETCH (%b)\r\n" % (number, b" ".join(render(item, message) for item in answer)))
        await connection.relieve()
    return "OK fetched"


def _changed_since(modifiers: tuple[Value, ...]) -> int:
    """RFC 7162 §3.1.4.1: `(CHANGEDSINCE n)`; -1: everything."""
    match modifiers:
        case []:
            return -1
        case [[Atom() as word, Atom() as value]] if word.upper() == b"CHANGEDSINCE" and value.isdigit():
            return int(value)
    raise Malformed("unknown FETCH modifier")


async def store(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.4.6."""
    match command.arguments:
        case [named, Atom() as action, first, *rest]:
            words = first if isinstance(first, list) else [first, *rest]
            flags = {bytes(word).decode("ascii", "replace") for word in words if isinstance(word, Atom)}
        case _:
            raise Malformed("STORE takes a set, an action and flags")
    if connection.read_only:
        return "NO [READ-ONLY] opened with EXAMINE"
    verb, _, manner = action.upper().partition(b".")
    if verb not in (b"FLAGS", b"+FLAGS", b"-FLAGS") or manner not in (b"", b"SILENT"):
        raise Malformed("unknown STORE action")
    by_uid = command.name.startswith("UID ")
    for number, message in _named(connection, named, by_uid=by_uid):
        fresh = flags if verb == b"FLAGS" else message.flags | flags if verb == b"+FLAGS" else message.flags - flags
        _folder(connection).set_flags(message.uid, fresh, by=connection)
        if not manner:
            uid = b"UID %d " % message.uid if by_uid else b""
            text = " ".join(sorted(message.flags)).encode()
            connection.say(b"* %d FETCH (%bFLAGS (%b))\r\n" % (number, uid, text))
    return "OK stored"


async def search(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.4.4; answers SEARCH, or ESEARCH where RETURN or IMAP4rev2 asks for it."""
    folder = _folder(connection)
    try:
        wanted = read_search(command.arguments, uid_max=max(folder.messages, default=0), number_max=len(connection.view))
    except UnknownCharset:
        return "NO [BADCHARSET (US-ASCII UTF-8)] charset not known"
    by_uid = command.name.startswith("UID ")
    found = list(_found(connection, folder, wanted.matches, by_uid=by_uid))
    if wanted.returns is None and not connection.utf8:
        connection.say(b"* SEARCH" + b"".join(b" %d" % number for number in found) + b"\r\n")
        return "OK searched"
    connection.say(_esearch(command.tag, found, wanted.returns or ("ALL",), by_uid=by_uid))
    return "OK searched"


def _found(connection: Connection, folder: Folder, matches: SearchKey, *, by_uid: bool) -> Iterator[int]:
    for number, uid in enumerate(connection.view, 1):
        message = folder.messages.get(uid)
        if message and matches(number, message):
            yield uid if by_uid else number


def _esearch(tag: str, found: list[int], returns: tuple[str, ...], *, by_uid: bool) -> bytes:
    """RFC 9051 §7.3.4."""
    parts = [f'* ESEARCH (TAG "{tag}")'.encode(), *([b"UID"] if by_uid else [])]
    if "MIN" in returns and found:
        parts.append(b"MIN %d" % found[0])
    if "MAX" in returns and found:
        parts.append(b"MAX %d" % found[-1])
    if "ALL" in returns and found:
        parts.append(b"ALL " + write_set(found))
    if "COUNT" in returns:
        parts.append(b"COUNT %d" % len(found))
    return b" ".join(parts) + b"\r\n"


async def copy(connection: Connection, command: Command) -> str:
    code = _copy(connection, command)
    return f"{code} copied" if code.startswith("OK") else code


async def move(connection: Connection, command: Command) -> str:
    """RFC 6851: the untagged COPYUID comes first, then the EXPUNGEs."""
    if connection.read_only:
        return "NO [READ-ONLY] opened with EXAMINE"
    code = _copy(connection, command)
    if not code.startswith("OK"):
        return code
    connection.say(f"* {code} moved\r\n".encode())
    by_uid = command.name.startswith("UID ")
    _folder(connection).expunge([m.uid for _, m in _named(connection, command.arguments[0], by_uid=by_uid)])
    return "OK moved"


def _copy(connection: Connection, command: Command) -> str:
    """`OK [COPYUID …]` (RFC 4315), or the NO."""
    named = _named(connection, command.arguments[0], by_uid=command.name.startswith("UID "))
    uids = [message.uid for _, message in named]
    try:
        target = connection.store[folder_name(connection, command.arguments, at=1)]
    except NoSuchFolder:
        return "NO [TRYCREATE] no such folder"
    pairs = connection.store.copy(_folder(connection), uids, target)
    if not pairs:
        return "OK"
    old, new = (write_set(numbers).decode() for numbers in zip(*pairs, strict=True))
    return f"OK [COPYUID {target.uid_validity} {old} {new}]"


async def expunge(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.4.3; `UID EXPUNGE` touches only the given (RFC 4315)."""
    if connection.read_only:
        return "NO [READ-ONLY] opened with EXAMINE"
    folder = _folder(connection)
    if command.name == "UID EXPUNGE":
        if not offers(connection, "UIDPLUS"):
            return "BAD unknown command"
        candidates = [message for _, message in _named(connection, command.arguments[0], by_uid=True)]
    else:
        candidates = list(folder.messages.values())
    folder.expunge([message.uid for message in candidates if "\\Deleted" in message.flags])
    return "OK expunged"


async def check(connection: Connection, command: Command) -> str:
    return "OK checked"


def _folder(connection: Connection) -> Folder:
    assert connection.folder is not None
    return connection.folder


def _named(connection: Connection, value: Value, *, by_uid: bool) -> list[tuple[int, Message]]:
    """(number, message) for a sequence set, ascending, each once. Raises Malformed."""
    if not isinstance(value, Atom):
        raise Malformed("a set is missing")
    view, folder = connection.view, _folder(connection)
    positions: dict[int, None] = {}
    for low, high in read_set(value, (view[-1] if view else 0) if by_uid else len(view)):
        if by_uid:
            positions.update(dict.fromkeys(range(bisect_left(view, low), bisect_right(view, high))))
        elif high > len(view):
            raise Malformed("no such message number")
        else:
            positions.update(dict.fromkeys(range(low - 1, high)))
    return [(at + 1, folder.messages[view[at]]) for at in sorted(positions) if at >= 0 and view[at] in folder.messages]


HANDLERS = {
    "CHECK": check,
    "EXPUNGE": expunge,
    "UID EXPUNGE": expunge,
    "FETCH": fetch,
    "UID FETCH": fetch,
    "STORE": store,
    "UID STORE": store,
    "SEARCH": search,
    "UID SEARCH": search,
    "COPY": copy,
    "UID COPY": copy,
    "MOVE": move,
    "UID MOVE": move,
}
