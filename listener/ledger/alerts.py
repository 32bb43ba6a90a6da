"""What is wrong at the moment, kept so that a restart neither repeats an alert nor forgets that one was raised.

Reached as `ledger.alerts`. `sync` is given all that is wrong; what is new is raised and what is gone is cleared in one
commit with the mails that say so. What the webhook has been told is noted after it answered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..responder.policy import Purpose
from . import responding
from .events import clean
from .sql import load
from .writer import Transaction

_SQL = load("notices")
RAISED, CLEARED = "raised", "cleared"

Key = tuple[str, str]
"""Kind, and the account or profile that it is about."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One trouble. Times in POSIX seconds; `hooked` is what the webhook was told last."""

    kind: str
    about: str
    said: str
    raised_at: float
    cleared_at: float | None
    hooked: str

    @property
    def key(self) -> Key:
        return self.kind, self.about

    @property
    def state(self) -> str:
        """`raised`, or `cleared` once it is well again."""
        return RAISED if self.cleared_at is None else CLEARED


@dataclass(frozen=True, slots=True)
class Mailing:
    """To whom alerts go by mail, and whose sender sends them; `words` says what changed at once: subject and text."""

    people: Sequence[str]
    account: str
    words: Callable[[Sequence[Alert]], tuple[str, str]]


class Alerts:
    """Of one ledger. `write` and `read` run one function on the writer's thread, committed, or on a reader's."""

    def __init__(self, write: Callable[..., Awaitable[Any]], read: Callable[..., Awaitable[Any]]) -> None:
        self._write, self._read = write, read

    async def all(self) -> list[Alert]:
        """Every one that is raised, or cleared and not yet told everywhere."""
        found: list[Alert] = await self._read(all_alerts)
        return found

    async def sync(self, wrong: Mapping[Key, str], well: Sequence[Key], mailing: Mailing | None) -> list[Alert]:
        """Raise what is wrong and was not, clear what is well again; those that changed."""
        changed: list[Alert] = await self._write(sync, wrong, well, mailing)
        return changed

    async def drop(self, keys: Collection[Key]) -> None:
        """Forget them without a word: nobody asks for them any more, which does not make them well."""
        await self._write(drop, keys)

    async def told(self, alert: Alert) -> None:
        """The webhook was told of this state, or there is none; what is well again is forgotten with it."""
        await self._write(told, alert)


def all_alerts(connection: sqlite3.Connection) -> list[Alert]:
    return [Alert(*row) for row in connection.execute(_SQL["alerts"])]


def sync(tx: Transaction, wrong: Mapping[Key, str], well: Sequence[Key], mailing: Mailing | None) -> list[Alert]:
    known = {alert.key: alert for alert in all_alerts(tx.connection)}
    changed = []
    for (kind, about), said in wrong.items():
        before = known.get((kind, about))
        if before is None or before.cleared_at is not None:
            values = {"kind": kind, "about": clean(about), "said": clean(said), "now": tx.now}
            tx.connection.execute(_SQL["raise_alert"], values)
            changed.append(Alert(kind, about, said, tx.now, None, ""))
    for key in well:
        before = known.get(key)
        if before is not None and before.cleared_at is None:
            tx.connection.execute(_SQL["clear_alert"], {"kind": key[0], "about": key[1], "now": tx.now})
            changed.append(Alert(before.kind, before.about, before.said, before.raised_at, tx.now, before.hooked))
    if changed and mailing is not None:
        _mail(tx, changed, mailing)
    return changed


def drop(tx: Transaction, keys: Collection[Key]) -> None:
    tx.connection.executemany(_SQL["drop_alert"], [{"kind": kind, "about": about} for kind, about in keys])


def told(tx: Transaction, alert: Alert) -> None:
    values = {"kind": alert.kind, "about": alert.about, "raised_at": alert.raised_at, "hooked": alert.state}
    if alert.state == CLEARED:
        tx.connection.execute(_SQL["forget_alert"], values)
    else:
        tx.connection.execute(_SQL["hooked_alert"], values)


def _mail(tx: Transaction, changed: Sequence[Alert], mailing: Mailing) -> None:
    subject, text = mailing.words(changed)
    first = changed[0]
    for person in mailing.people:
        key = f"alert:{first.kind}:{first.about}:{first.raised_at!r}:{first.state}:{person}"
        responding.add(tx, responding.Outgoing(key, Purpose.ALERT, mailing.account, person, subject, text))
