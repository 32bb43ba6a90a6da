"""An account that is pointed to another server, user or protocol: its old unique ids mean nothing there.

Each session says first which mailbox it opened (`Ledger.identify`). When that is another one than the account's rows came
from, then in one transaction every row's id is put aside, nothing is owed to the new server for them, and each folder is
marked MOVED, so that its next listing is a reset: known mail is recognised by identity or by its octets and gets its new id,
what is older than the baseline stays out, and the rest is new. Without this an id of the new server that happens to be equal
to an old one would pass for known, and a receipt would be given for mail that we never stored.
"""

from __future__ import annotations

import sqlite3

from ..mailbox import MOVED
from . import events
from .sql import load
from .writer import Transaction

_SQL = load("kept")


def identity(connection: sqlite3.Connection, account: str) -> str | None:
    """The mailbox that the account's rows came from, as `identify` was told."""
    row = connection.execute(_SQL["identity"], (account,)).fetchone()
    return row[0] if row else None


def identify(tx: Transaction, account: str, mailbox: str) -> bool:
    """True when the account was another mailbox before, and is moved now. The first time there is nothing to move."""
    row = tx.connection.execute(_SQL["identity"], (account,)).fetchone()
    if row is not None and row[0] == mailbox:
        return False
    moves = row[1] + 1 if row else 0
    tx.connection.execute(_SQL["set_identity"], {"account": account, "mailbox": mailbox, "moves": moves})
    if row is None:
        return False
    tx.connection.execute(_SQL["retire_ids"], {"account": account, "prefix": f"moved {moves} "})
    tx.connection.execute(_SQL["restart_folders"], {"account": account, "sync_state": MOVED})
    tx.connection.execute(_SQL["forget_all_attempts"], (account,))
    events.write(tx, [(None, account, "account.moved", {"from": row[0], "to": mailbox})])
    return True
