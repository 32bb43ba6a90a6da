"""Commands of the embedded IMAP server on folders: SELECT, LIST, STATUS, CREATE and their kin (RFC 9051 §6.3).

Called by the session. A folder's `lies` replace what SELECT and STATUS report; `selectable` False refuses SELECT although
LIST shows the folder, as Exchange does with folders it cannot open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..store import DELIMITER, FLAGS, Folder, NoSuchFolder
from .access import offers
from .connection import Connection
from .grammar import Atom, Command, Malformed, Value, decode_folder, encode_folder, read_date_time, write_set

STATUS_ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ")
MAX_PATTERN_WILDCARDS = 16


async def select(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.3.2; EXAMINE opens the same read-only."""
    if connection.folder is not None:
        connection.leave_folder()
        connection.say(b"* OK [CLOSED] previous folder closed\r\n")
    folder = connection.store[folder_name(connection, command.arguments, at=0)]
    if not folder.selectable:
        return "NO [CANNOT] this folder cannot be opened"
    if any(isinstance(word, list) and Atom(b"CONDSTORE") in word for word in command.arguments):
        connection.enabled.add("CONDSTORE")
    read_only = command.name == "EXAMINE"
    connection.enter_folder(folder, read_only=read_only)
    connection.say(_opening(connection, folder))
    return "OK [READ-ONLY] opened" if read_only else "OK [READ-WRITE] opened"


def _opening(connection: Connection, folder: Folder) -> bytes:
    flags = " ".join(FLAGS)
    permanent = "" if connection.read_only else f"{flags} \\*"
    lines = [f"* FLAGS ({flags})", f"* {len(connection.view)} EXISTS"]
    if not connection.utf8:
        lines.append("* 0 RECENT")
    lines.append(f"* OK [PERMANENTFLAGS ({permanent})] may be set")
    report = {"UIDVALIDITY": folder.uid_validity, "UIDNEXT": folder.uid_next}
    if offers(connection, "CONDSTORE"):
        report["HIGHESTMODSEQ"] = folder.highest_modseq
    told = {**report, **folder.lies}
    lines += [f"* OK [{word} {value}]" for word, value in told.items() if value is not None and word in report]
    if connection.utf8:
        lines.append(f"* LIST () {_quoted_delimiter()} {encode_folder(folder.name, utf8=True).decode()}")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _quoted_delimiter() -> str:
    return f'"{DELIMITER}"'


async def close(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.4.1: CLOSE expunges silently, UNSELECT does not."""
    folder, read_only = connection.folder, connection.read_only
    connection.leave_folder()
    if folder and command.name == "CLOSE" and not read_only:
        folder.expunge([uid for uid, message in folder.messages.items() if "\\Deleted" in message.flags])
    return "OK closed"


async def status(connection: Connection, command: Command) -> str:
    folder = connection.store[folder_name(connection, command.arguments, at=0)]
    asked = command.arguments[1] if len(command.arguments) == 2 else None
    if not isinstance(asked, list):
        raise Malformed("STATUS takes a folder and a list of items")
    values = {**_values(folder), **folder.lies}
    words = [bytes(word).upper().decode("ascii", "replace") for word in asked if isinstance(word, Atom)]
    if any(word not in STATUS_ITEMS for word in words):
        raise Malformed("unknown STATUS item")
    items = " ".join(f"{word} {values[word]}" for word in words if values[word] is not None)
    connection.say(b"* STATUS %b (%b)\r\n" % (encode_folder(folder.name, utf8=connection.utf8), items.encode()))
    return "OK status told"


def _values(folder: Folder) -> dict[str, int | None]:
    messages = folder.messages.values()
    return {
        "MESSAGES": len(folder.messages),
        "RECENT": 0,
        "UIDNEXT": folder.uid_next,
        "UIDVALIDITY": folder.uid_validity,
        "UNSEEN": sum("\\Seen" not in message.flags for message in messages),
        "DELETED": sum("\\Deleted" in message.flags for message in messages),
        "SIZE": sum(len(message.octets) for message in messages),
        "HIGHESTMODSEQ": folder.highest_modseq,
    }


async def list_folders(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.3.9 without the extended options; LSUB answers the same, as everything counts as subscribed."""
    match command.arguments:
        case [bytes() as reference, (bytes() | list()) as wanted]:
            patterns = wanted if isinstance(wanted, list) else [wanted]
        case _:
            raise Malformed(f"{command.name} takes a reference and a pattern")
    if patterns == [b""]:
        connection.say(b'* %b (\\Noselect) "%b" ""\r\n' % (command.name.encode(), DELIMITER.encode()))
        return "OK listed"
    for name in _matching(connection, reference, patterns):
        quoted = encode_folder(name, utf8=connection.utf8)
        connection.say(b'* %b () "%b" %b\r\n' % (command.name.encode(), DELIMITER.encode(), quoted))
    return "OK listed"


def _matching(connection: Connection, reference: bytes, patterns: Iterable[Value]) -> list[str]:
    expressions = []
    for pattern in patterns:
        text = decode_folder(reference + (pattern if isinstance(pattern, bytes) else b""), utf8=connection.utf8)
        if text.count("*") + text.count("%") > MAX_PATTERN_WILDCARDS:
            raise Malformed("too many wildcards")
        body = re.sub(r"\*+", "*", text)
        parts = (".*" if c == "*" else f"[^{DELIMITER}]*" if c == "%" else re.escape(c) for c in body)
        expressions.append(re.compile("".join(parts), re.I if text.upper() == "INBOX" else 0))
    return sorted(folder.name for folder in connection.store if any(e.fullmatch(folder.name) for e in expressions))


async def create(connection: Connection, command: Command) -> str:
    name = folder_name(connection, command.arguments, at=0).rstrip(DELIMITER)
    if name in connection.store or not name:
        return "NO [ALREADYEXISTS] it is there already"
    connection.store.create(name)
    return "OK created"


async def delete(connection: Connection, command: Command) -> str:
    name = folder_name(connection, command.arguments, at=0)
    if name.upper() == "INBOX":
        return "NO [CANNOT] INBOX stays"
    connection.store.delete(name)
    return "OK deleted"


async def rename(connection: Connection, command: Command) -> str:
    old, new = folder_name(connection, command.arguments, at=0), folder_name(connection, command.arguments, at=1)
    if new in connection.store or old.upper() == "INBOX":
        return "NO [ALREADYEXISTS] cannot be renamed so"
    connection.store.rename(old, new)
    return "OK renamed"


async def subscribe(connection: Connection, command: Command) -> str:
    folder_name(connection, command.arguments, at=0)
    return "OK noted"


async def namespace(connection: Connection, command: Command) -> str:
    connection.say(b'* NAMESPACE (("" "%b")) NIL NIL\r\n' % DELIMITER.encode())
    return "OK namespace told"


async def append(connection: Connection, command: Command) -> str:
    """RFC 9051 §6.3.12 with UIDPLUS's APPENDUID."""
    try:
        folder = connection.store[folder_name(connection, command.arguments, at=0)]
    except NoSuchFolder:
        return "NO [TRYCREATE] no such folder"
    rest = list(command.arguments[1:])
    flags: list[str] = []
    if rest and isinstance(rest[0], list):
        flags = [bytes(flag).decode("ascii", "replace") for flag in rest.pop(0) if isinstance(flag, Atom)]
    date = None
    match rest:
        case [bytes() as moment, bytes() as octets]:
            date = read_date_time(moment).timestamp()
        case [bytes() as octets]:
            pass
        case _:
            raise Malformed("APPEND takes a folder, flags, a date and a literal")
    message = connection.store.deliver(folder.name, octets, flags=flags, internal_date=date)
    return f"OK [APPENDUID {folder.uid_validity} {write_set([message.uid]).decode()}] appended"


async def idle(connection: Connection, command: Command) -> str:
    """RFC 2177: from here on changes are told unasked, until a line comes."""
    connection.say(connection.tell(expunges=True))
    connection.idle_tag = command.tag
    return "+ idling"


def folder_name(connection: Connection, arguments: tuple[Value, ...], *, at: int) -> str:
    """The folder's name given as the argument at this place."""
    value = arguments[at] if len(arguments) > at else None
    if not isinstance(value, bytes):
        raise Malformed("a folder's name is missing")
    return decode_folder(value, utf8=connection.utf8)


HANDLERS = {
    "SELECT": select,
    "EXAMINE": select,
    "CLOSE": close,
    "UNSELECT": close,
    "STATUS": status,
    "LIST": list_folders,
    "LSUB": list_folders,
    "CREATE": create,
    "DELETE": delete,
    "RENAME": rename,
    "SUBSCRIBE": subscribe,
    "UNSUBSCRIBE": subscribe,
    "NAMESPACE": namespace,
    "APPEND": append,
    "IDLE": idle,
}
