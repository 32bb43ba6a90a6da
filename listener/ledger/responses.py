"""Outgoing mail on its way: due, begun (octets and Message-ID committed first), settled; and the lists that people read.

Reached as `ledger.responses`. The outbox takes what is due, `begin`s it in one commit before the first octet leaves, and says
with `settle` what came of it. Whether a message is answered at all is decided in `responding`, by the policies given to
`answer_by`. Raises what every method of the ledger may raise.
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from ..errors import Refused
from ..message.model import InboundMessage
from ..responder.policy import Purpose, ReplyPolicy
from ..responder.rules import Verdict
from . import bodies, events, responding
from .events import clean
from .queries import LONGEST_LIST, rfc3339
from .records import Row
from .responding import Outgoing, Policies
from .sql import load
from .writer import Transaction

_SQL = load("responses")
_HOURS = load("responding")
_NEWEST = 2**63 - 1
_COLUMNS = (
    *("id", "purpose", "account", "entry", "case", "hook", "recipient", "subject", "state", "reason"),
    *("attempts", "repeated", "message_id"),
)


class ResponseState(StrEnum):
    """The life of an outgoing mail (docs/ledger.md)."""

    READY = "ready"
    SUPPRESSED = "suppressed"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Response:
    """A row with all that composing and sending it needs. `message` is the one it answers, if it answers one."""

    id: int
    key: str
    purpose: Purpose
    account: str
    entry: int | None
    case: str | None
    hook: str
    recipient: str
    verified: bool
    subject: str
    text: str
    message_id: str | None
    octets: bytes | None
    draft: str | None
    state: ResponseState
    attempts: int
    repeated: bool
    created_at: float
    case_subject: str
    case_requester: str
    case_status: str
    message: InboundMessage | None


class Run(Protocol):
    """How the ledger runs a function over a transaction, or over a reader's connection."""

    async def __call__(self, function: Any, /, *values: Any) -> Any: ...


class Responses:
    """Made by the ledger."""

    def __init__(self, write: Run, read: Run) -> None:
        self._write, self._read = write, read
        self.work = asyncio.Event()
        """Set whenever there may be mail to send; whoever waits for it clears it."""
        self.policies: Policies = MappingProxyType({})

    def answer_by(self, policies: Policies) -> None:
        """Decide by these from now on; those of all configured accounts. Not async."""
        self.policies = MappingProxyType(dict(policies))

    def stir(self) -> None:
        """There may be mail to send. Not async."""
        self.work.set()

    async def send(self, outgoing: Outgoing) -> int | None:
        """Have this mail sent; its number, or None where one of its key was there already."""
        number: int | None = await self._write(responding.add, outgoing)
        self.stir()
        return number

    # --- the outbox -----------------------------------------------------------------------------------------------------

    async def waiting(self) -> dict[str, float]:
        """The accounts that have mail to send, and when the first of each is due (POSIX seconds)."""
        accounts: dict[str, float] = await self._read(_waiting)
        return accounts

    async def due(self, account: str, now: float, limit: int) -> list[int]:
        """What is due, longest first."""
        numbers: list[int] = await self._read(_due, account, now, limit)
        return numbers

    async def begun(self) -> list[Response]:
        """What an earlier process life was sending when it ended."""
        rows: list[Response] = await self._read(_begun)
        return rows

    async def get(self, response: int) -> Response:
        """Raises Refused when there is none."""
        row: Response = await self._read(_response, response)
        return row

    async def begin(self, response: int, message_id: str, octets: bytes) -> int:
        """Keep what will be sent, and count the attempt; its number. What was kept before stays as it is.

        Raises Refused when it may not be sent (again).
        """
        attempts: int = await self._write(_begin, response, message_id, octets)
        return attempts

    async def keep_draft(self, response: int, draft: str) -> None:
        """Its id in the mailbox it is sent from (Graph)."""
        await self._write(_keep_draft, response, draft)

    async def settle(self, response: int, state: ResponseState, reason: str = "", *, again_at: float | None = None) -> None:
        """What came of it; `again_at` (POSIX seconds) with DEFERRED, and with UNKNOWN where it may be sent once more."""
        await self._write(_settle, response, state, reason, again_at)

    async def postpone(self, response: int, reason: str, again_at: float | None) -> None:
        """It was not begun: look at it again later, or (None) no more."""
        await self._write(_postpone, response, reason, again_at)

    # --- people ---------------------------------------------------------------------------------------------------------

    async def rows(
        self, *, state: str | None = None, account: str | None = None, limit: int = 50, before: int | None = None
    ) -> list[Row]:
        """Newest first; `before` is the id of the last one of the page before."""
        found: list[Row] = await self._read(rows, state, account, limit, before)
        return found

    async def row(self, response: int) -> Row | None:
        """One of them."""
        found: Row | None = await self._read(row, response)
        return found

    async def of_entry(self, entry: int) -> list[Row]:
        """What was, or was not, answered to one message."""
        found: list[Row] = await self._read(of_entry, entry)
        return found

    async def foresee(
        self, policy: ReplyPolicy, message: InboundMessage, received_at: float | None, comment: bool, now: float
    ) -> Verdict:
        """Whether this message would be acknowledged if it were filed now, opening a case. Changes nothing."""
        found: Verdict = await self._read(responding.foresee, now, policy, message, received_at, comment)
        return found

    async def tallies(self) -> dict[tuple[str, str, str], int]:
        """How many there are by purpose, state and, where suppressed, rule."""
        found: dict[tuple[str, str, str], int] = await self._read(_tallies)
        return found

    async def answered(self, now: float) -> tuple[int, int]:
        """Answers of the last 24 hours, and of the days before that the breaker compares them with; over all accounts."""
        found: tuple[int, int] = await self._read(_answered, now)
        return found

    async def muted(self, *, limit: int = 50, after: str = "") -> list[Row]:
        """Addresses that get no automatic mail, in order; `after` is the last one of the page before."""
        found: list[Row] = await self._read(_muted, limit, after)
        return found

    async def is_muted(self, address: str) -> bool:
        """Does it get no automatic mail?"""
        found: bool = await self._read(_is_muted, address)
        return found

    async def unmute(self, address: str) -> None:
        """It may get automatic mail again. Raises Refused when it was not muted."""
        await self._write(_unmute, address)


def _waiting(connection: sqlite3.Connection) -> dict[str, float]:
    return dict(connection.execute(_SQL["waiting"]).fetchall())


def _due(connection: sqlite3.Connection, account: str, now: float, limit: int) -> list[int]:
    return [row[0] for row in connection.execute(_SQL["due"], {"account": account, "now": now, "most": limit})]


def _begun(connection: sqlite3.Connection) -> list[Response]:
    return [_response(connection, row[0]) for row in connection.execute(_SQL["begun"]).fetchall()]


def _response(connection: sqlite3.Connection, response: int) -> Response:
    found = connection.execute(_SQL["response"], (response,)).fetchone()
    if found is None:
        raise Refused(f"there is no reply {response}")
    number, key, purpose, account, entry, case, hook, recipient, verified, subject, text, *rest = found
    message_id, octets, draft, state, attempts, repeated, created_at, case_subject, requester, status, body = rest
    return Response(
        number, key, Purpose(purpose), account, entry, case, hook, recipient, bool(verified), subject, text, message_id, octets,
        draft, ResponseState(state), attempts, bool(repeated), created_at, case_subject or "", requester or "", status or "",
        None if body is None else bodies.unpack(body),
    )  # fmt: skip


def _begin(tx: Transaction, response: int, message_id: str, octets: bytes) -> int:
    values = {"id": response, "message_id": message_id, "octets": octets}
    found = tx.connection.execute(_SQL["begin"], values).fetchone()
    if found is None:
        raise Refused(f"reply {response} is not to be sent")
    return int(found[0])


def _keep_draft(tx: Transaction, response: int, draft: str) -> None:
    tx.connection.execute(_SQL["keep_draft"], {"id": response, "draft": draft})


def _settle(tx: Transaction, response: int, state: ResponseState, reason: str, again_at: float | None) -> None:
    values = {"id": response, "state": state.value, "reason": clean(reason), "due_at": again_at, "now": tx.now}
    found = tx.connection.execute(_SQL["settle"], values).fetchone()
    if found is None:
        return  # settled before, by a caller who did not hear of it
    entry, account, recipient, purpose, attempts, repeated = found
    detail: dict[str, Any] = {"response": response, "purpose": purpose, "to": recipient, "attempt": attempts}
    detail |= {"error": reason} if reason else {}
    detail |= {"again_at": rfc3339(again_at)} if again_at is not None else {}
    detail |= {"repeated": True} if repeated else {}
    events.write(tx, [(entry, account, f"reply.{state}", detail)])


def _postpone(tx: Transaction, response: int, reason: str, again_at: float | None) -> None:
    tx.connection.execute(_SQL["postpone"], {"id": response, "reason": clean(reason), "due_at": again_at})


def rows(connection: sqlite3.Connection, state: str | None, account: str | None, limit: int, before: int | None) -> list[Row]:
    """Newest first."""
    most = min(limit, LONGEST_LIST)
    values = {"state": state, "account": account, "before": _NEWEST if before is None else before, "most": most}
    name = {(False, False): "newest", (True, False): "newest_of_state", (False, True): "newest_of_account"}.get(
        (state is not None, account is not None), "newest_of_account_in_state"
    )
    numbers = [found[0] for found in connection.execute(_SQL[name], values)]
    return [shown for number in numbers if (shown := row(connection, number)) is not None]


def of_entry(connection: sqlite3.Connection, entry: int) -> list[Row]:
    """What was, or was not, answered to one message."""
    numbers = [found[0] for found in connection.execute(_SQL["of_entry"], (entry,)).fetchall()]
    return [shown for number in numbers if (shown := row(connection, number)) is not None]


def row(connection: sqlite3.Connection, response: int) -> Row | None:
    """One as JSON."""
    found = connection.execute(_SQL["row"], (response,)).fetchone()
    if found is None:
        return None
    shown = dict(zip(_COLUMNS, found[:13], strict=True))
    times = {name: rfc3339(at) for name, at in zip(("created_at", "due_at", "sent_at"), found[13:], strict=True)}
    empty = {name: shown[name] or None for name in ("hook", "recipient", "subject", "reason")}
    return shown | empty | {"repeated": bool(shown["repeated"])} | times


def _tallies(connection: sqlite3.Connection) -> dict[tuple[str, str, str], int]:
    return {(purpose, state, rule): number for purpose, state, rule, number in connection.execute(_SQL["tallies"])}


def _answered(connection: sqlite3.Connection, now: float) -> tuple[int, int]:
    in_day, before = connection.execute(_HOURS["hours"], responding.breaker_hours(now)).fetchone()
    return in_day, before


def _muted(connection: sqlite3.Connection, limit: int, after: str) -> list[Row]:
    found = connection.execute(_SQL["muted"], {"after": after, "most": min(limit, LONGEST_LIST)})
    names = ("address", "reply", "entry", "reason")
    return [dict(zip(names, one[:4], strict=True)) | {"muted_at": rfc3339(one[4])} for one in found]


def _is_muted(connection: sqlite3.Connection, address: str) -> bool:
    return bool(connection.execute(_HOURS["is_muted"], (address,)).fetchone()[0])


def _unmute(tx: Transaction, address: str) -> None:
    found = tx.connection.execute(_SQL["unmute"], (address,)).fetchone()
    if found is None:
        raise Refused(f"{address} is not muted")
