"""Folders and the numbers in them: SELECT, STATUS, UID SEARCH (RFC 9051 §6.3.2, §6.3.11, §6.4.4). By UID only.

Shared by the mailbox and by `check`. No answer can be unbounded: a search that might find more than SEARCH_WINDOW messages
is done in windows of so many UIDs. A search never asks for flags (R-15) and never names a CHARSET.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Sequence

from ...errors import FolderMissing, ServerUnavailable
from . import encode, mutf7, refusals
from .answers import MAX_UID, found_uids, status_items
from .encode import Command, Unencodable
from .grammar import Condition, Data, Status
from .session import Session
from .told import Selected

DAY = 86_400.0
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SEARCH_WINDOW = 50_000
"""UIDs one SEARCH may find: 11 octets each, well below the longest line."""
STATUS_ITEMS = b"(MESSAGES UIDNEXT UIDVALIDITY)"
_FOUND = frozenset({"SEARCH", "ESEARCH"})


async def open_folder(session: Session, name: str, *, read_only: bool = False) -> Selected:
    """SELECT, or EXAMINE, which changes nothing. Raises FolderMissing, and what concerns the whole session."""
    argument = _encoded(session, name)
    session.selected = selected = Selected(name, read_only=read_only)
    (status,), _ = await session.run(Command("EXAMINE" if read_only else "SELECT", (argument,)))
    if status.condition is not Condition.OK:
        session.selected = None
        raise refusals.of_opening(status) or missing(name, status)
    return selected


async def statuses(session: Session, names: Sequence[str]) -> dict[str, dict[str, int] | FolderMissing]:
    """STATUS of folders that are not open, pipelined: MESSAGES, UIDNEXT, UIDVALIDITY as far as told, or why there is none.

    Raises what concerns the whole session.
    """
    commands: dict[str, Command] = {}
    found: dict[str, dict[str, int] | FolderMissing] = {}
    for name in names:
        try:
            commands[name] = Command("STATUS", (_encoded(session, name), STATUS_ITEMS))
        except FolderMissing as error:
            found[name] = error
    answers, data = await session.run(*commands.values(), want=frozenset({"STATUS"})) if commands else ([], [])
    told = {_name(session, answer): status_items(answer) for answer in data}
    for name, status in zip(commands, answers, strict=True):
        found[name] = told.get(same_name(name), {})
        if status.condition is not Condition.OK:
            failure = refusals.of_opening(status)
            if failure:
                raise failure
            found[name] = missing(name, status)
    return found


async def folder_status(session: Session, name: str) -> dict[str, int]:
    """STATUS of one folder. Raises FolderMissing, and what concerns the whole session."""
    told = (await statuses(session, [name]))[name]
    if isinstance(told, FolderMissing):
        raise told
    return told


def _name(session: Session, status: Data) -> str:
    """The folder that a STATUS response is about, to be compared."""
    value = status.values[0] if status.values else None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return same_name(text if session.utf8 else mutf7.decode(text))


def same_name(name: str) -> str:
    """INBOX is the only name whose case does not count (RFC 9051 §5.1)."""
    return "INBOX" if name.upper() == "INBOX" else name


def missing(name: str, status: Status) -> FolderMissing:
    """The error that parks this folder alone."""
    return FolderMissing(
        name,
        f"the folder {name!r} cannot be opened: {status.shown}",
        hint="check its name (`listener check` lists the folders), or take it out of the list",
    )


def _encoded(session: Session, name: str) -> bytes:
    try:
        return encode.folder(name, utf8=session.utf8)
    except Unencodable as error:
        raise FolderMissing(name, f"the folder name {name!r} cannot be sent: {error}") from error


# --- numbers ---------------------------------------------------------------------------------------------------------


async def search(session: Session, uids: bytes, *, also: bytes = b"", look_again: bool = False) -> list[int]:
    """UIDs of this set that are there (and match `also`), ascending, 0 and repeats filtered; the caller filters the rest.

    `look_again` sends NOOP first: servers tell of other sessions' changes only between commands. Raises ServerUnavailable.
    """
    words = (b"UID", uids, also) if also else (b"UID", uids)
    command = Command("UID SEARCH", words)
    statuses, data = await session.run(*([Command("NOOP")] if look_again else []), command, want=_FOUND)
    if statuses[-1].condition is not Condition.OK:
        raise ServerUnavailable(f"the server refuses to search: {statuses[-1].shown}")
    return found_uids(data)


async def from_uid(session: Session, start: int, *, also: bytes = b"", look_again: bool = False) -> list[int]:
    """UIDs at or above `start`. A server answers `start:*` beyond its last message with that message; that is filtered."""
    found = await search(session, b"%d:*" % start, also=also, look_again=look_again)
    return [uid for uid in found if uid >= start]


async def still_there(session: Session, uids: Iterable[int]) -> set[int]:
    """Those of the UIDs that the server still has, looked up anew."""
    wanted, there = set(uids), set[int]()
    for text in encode.uid_sets(wanted):
        there.update(await search(session, text, look_again=True))
    return there & wanted


async def top_uid(session: Session) -> int:
    """The largest UID there is; 0 in an empty folder."""
    if session.selected and session.selected.exists == 0:
        return 0
    return max(await search(session, b"*"), default=0)


async def next_uid(session: Session, selected: Selected, expected: int) -> int:
    """What the next message will get, or more: UIDNEXT where the server tells it and it can be true, else behind the largest.

    A UIDNEXT below `expected` is looked into: some servers tell too little although the messages are there.
    """
    told = selected.next_uid
    if told is not None and told >= expected:
        return told
    return max(told or 1, await top_uid(session) + 1)


def received_since(moment: float) -> bytes:
    """The search key for what was received at or after that time, and perhaps a little before it.

    SINCE knows only days, in a zone of the server's choice (RFC 9051 §6.4.4), so it begins a day early.
    """
    day = time.gmtime(max(moment - DAY, 0))
    return f"SINCE {day.tm_mday}-{MONTHS[day.tm_mon - 1]}-{day.tm_year}".encode("ascii")


async def windows(session: Session, start: int, end: int, *, also: bytes = b"") -> AsyncGenerator[list[int]]:
    """UIDs at or above `start`, ascending, in lists that are bounded because one search finds at most SEARCH_WINDOW of them.

    `end` is UIDNEXT. Where few can be found, one search does, and it finds what came since.
    """
    exists = session.selected.exists if session.selected else 0
    if min(exists, end - start) <= SEARCH_WINDOW:
        yield await from_uid(session, start, also=also)
        return
    for low in range(start, min(end, MAX_UID), SEARCH_WINDOW):
        high = low + SEARCH_WINDOW - 1
        found = await search(session, b"%d:%d" % (low, high), also=also)
        yield [uid for uid in found if low <= uid <= high]
