"""Whom to tell of which case: noted in the transaction that files a message, made into mail a little later.

`note` is called by `responding` for each message that is filed. The notifier asks who has something to hear, and `tell` turns
it into one mail (`responses`) and forgets the notices in the same commit: no crash tells a person twice, or not at all.
Reached as `ledger.notices`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..message.model import Kind
from ..responder.policy import Purpose
from . import bodies, responding
from .events import clean
from .sql import load
from .writer import Transaction

_SQL = load("notices")
MAX_TOGETHER = 100
"""Notices in one mail; the rest come with the next one."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has something to hear. `told_at`: when it was last (POSIX seconds); 0: never."""

    account: str
    address: str
    told_at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A message in a case. `subject` and `requester` are the case's, `text` what the sender newly wrote."""

    id: int
    entry: int
    case: str
    is_new: bool
    at: float
    subject: str
    requester: str
    sender: str
    text: str


def note(tx: Transaction, policies: responding.Policies, arrival: responding.Arrival) -> None:
    """Remember whom to tell of it: nobody of automatic mail or strangers' comments, nobody of what they wrote."""
    policy, message = policies.get(arrival.account), arrival.message
    if policy is None or not policy.notifies(arrival.is_new) or arrival.unverified_comment:
        return
    if message.kind is not Kind.MESSAGE or message.automatic.is_machine:
        return
    senders = {one.address.lower() for one in (*message.from_, *message.sender, *message.reply_to)}
    people = [person for person in policy.notify if person not in senders]
    head = (arrival.entry, arrival.case, arrival.is_new, tx.now)
    rows = [(arrival.account, clean(person), *head) for person in people]
    tx.connection.executemany(_SQL["insert_notice"], rows)


class Notices:
    """Of one ledger. `write` and `read` run one function on the writer's thread, committed, or on a reader's."""

    def __init__(self, write: Callable[..., Awaitable[Any]], read: Callable[..., Awaitable[Any]]) -> None:
        self._write, self._read = write, read

    async def people(self) -> list[Person]:
        """Who has something to hear."""
        found: list[Person] = await self._read(people)
        return found

    async def of(self, person: Person) -> list[Notice]:
        """What there is to hear, oldest first."""
        found: list[Notice] = await self._read(of_person, person)
        return found

    async def tell(self, person: Person, last: int, subject: str, text: str) -> None:
        """One mail about everything up to that notice, which is then forgotten. Twice is the same as once."""
        await self._write(tell, person, last, subject, text)

    async def drop(self, person: Person, last: int) -> None:
        """They are no longer to be told: forget it."""
        await self._write(drop, person, last)


def people(connection: sqlite3.Connection) -> list[Person]:
    return [Person(*row) for row in connection.execute(_SQL["people"])]


def of_person(connection: sqlite3.Connection, person: Person) -> list[Notice]:
    values = {"account": person.account, "person": person.address, "most": MAX_TOGETHER}
    return [_notice(*row) for row in connection.execute(_SQL["of_person"], values)]


def tell(tx: Transaction, person: Person, last: int, subject: str, text: str) -> None:
    values = {"account": person.account, "person": person.address, "last": last, "now": tx.now}
    if tx.connection.execute(_SQL["remove_notices"], values).rowcount:
        key = f"notice:{person.account}:{person.address}:{last}:{tx.now!r}"
        responding.add(tx, responding.Outgoing(key, Purpose.NOTIFICATION, person.account, person.address, subject, text))
        tx.connection.execute(_SQL["set_told"], values)


def drop(tx: Transaction, person: Person, last: int) -> None:
    tx.connection.execute(_SQL["remove_notices"], {"account": person.account, "person": person.address, "last": last})


def _notice(*row: Any) -> Notice:
    id, entry, case, is_new, at, case_subject, requester, subject, sender, body = row
    message = bodies.unpack(body)
    text = message.reply.text if message.reply.text is not None else message.text
    return Notice(id, entry, case, bool(is_new), at, case_subject or subject, requester, sender, text)
