"""What receivers ask and say beside the commit of a page: baselines, sync states, receipts, attempts.

Called by receivers through `Ledger`. The first baseline of a folder wins for ever; a receipt is owed from the commit of its
row until the server confirmed it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from ..mailbox import Baseline, Folder, Listing, Receipt, SyncState
from . import events
from .planning import folder_state, set_folder
from .sql import load
from .writer import Transaction

_SQL = load("receiving")
_NEWEST = 1 << 62
_AT_ONCE = 1_000


def baselines(connection: sqlite3.Connection, account: str) -> dict[Folder, Baseline]:
    rows = connection.execute(_SQL["baselines"], {"account": account})
    return {Folder(folder): Baseline(_sync_state(state), received_at) for folder, state, received_at in rows}


def set_baseline(tx: Transaction, account: str, folder: Folder, baseline: Baseline) -> Baseline:
    """The first one wins, and with it what was present then and the state to begin from."""
    place = {"account": account, "folder": folder}
    row = tx.connection.execute(_SQL["baseline"], place).fetchone()
    if row is not None:
        return Baseline(_sync_state(row[0]), row[1])
    tx.connection.execute(
        _SQL["insert_baseline"], place | {"sync_state": baseline.sync_state, "received_at": baseline.received_at}
    )
    tx.connection.execute(_SQL["account_begins"], {"account": account, "now": tx.now})
    present = [(account, folder, unique_id, tx.epoch, tx.now) for unique_id in baseline.present]
    tx.connection.executemany(_SQL["insert_present"], present)
    if baseline.sync_state is not None:
        state = folder_state(tx.connection, account, folder)
        set_folder(tx.connection, account, folder, replace(state, sync_state=baseline.sync_state))
    detail = {"folder": folder, "sync_state": baseline.sync_state, "received_at": baseline.received_at, "present": len(present)}
    events.write(tx, [(None, account, "account.baseline", detail)])
    return Baseline(baseline.sync_state, baseline.received_at)


def sync_states(connection: sqlite3.Connection, account: str) -> dict[Folder, SyncState]:
    return {Folder(folder): SyncState(state) for folder, state in connection.execute(_SQL["sync_states"], {"account": account})}


def confirm(tx: Transaction, account: str, receipts: Sequence[Receipt], gone: bool) -> None:
    rows = [(gone and not receipt.stays, account, receipt.folder, receipt.unique_id) for receipt in receipts]
    tx.connection.executemany(_SQL["confirm"], rows)


def owed(connection: sqlite3.Connection, account: str, limit: int, passed: int) -> list[Receipt]:
    rows = connection.execute(_SQL["owed"], {"account": account, "most": limit, "passed": passed})
    return [Receipt(Folder(folder), unique_id) for folder, unique_id in rows]


def released(connection: sqlite3.Connection, account: str, limit: int) -> list[Listing]:
    rows = connection.execute(_SQL["released"], {"account": account, "most": limit})
    return [Listing(Folder(row[0]), row[1], row[2], row[3], row[4]) for row in rows]


def octets_since(connection: sqlite3.Connection, account: str, moment: float) -> int:
    """Of the entries taken in since then, which are the newest ones of all accounts: the rest is not looked at."""
    below, total = _NEWEST, 0
    while rows := connection.execute(_SQL["newest"], {"below": below, "most": _AT_ONCE}).fetchall():
        total += sum(size for _, owner, size, accepted_at in rows if owner == account and accepted_at >= moment)
        if rows[-1][3] < moment:
            break
        below = rows[-1][0]
    return total


def fetch_attempted(tx: Transaction, account: str, listing: Listing) -> int:
    values = {"account": account, "folder": listing.folder, "unique_id": listing.unique_id}
    count: int = tx.connection.execute(_SQL["fetch_attempted"], values).fetchone()[0]
    return count


def _sync_state(text: str | None) -> SyncState | None:
    return None if text is None else SyncState(text)
