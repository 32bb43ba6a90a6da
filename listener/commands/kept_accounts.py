"""Accounts made in the console, in `listener check`: only the running daemon tests them.

Their secrets lie sealed in its ledger, which nobody else opens meanwhile; where none runs, opening the ledger would be more
than reading (a new version migrates it), so they are named as untested instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from ..admin.sockets import CONTROL_SOCKET
from ..check import Step
from ..config import Config
from ..ledger import LEDGER
from .control import CommandFailed, RemoteCall, daemon_answers


@dataclass(frozen=True, slots=True)
class KeptAccounts:
    """`ids`: those of the daemon that `call` reaches; None: it does not run, and there may be some."""

    ids: tuple[str, ...] = ()
    call: RemoteCall | None = None

    @property
    def can_be_tested(self) -> bool:
        """Does the daemon run?"""
        return self.call is not None

    def steps(self, id: str) -> Iterator[Step]:
        """The steps of one account, each as the daemon completes it. Raises LedgerError where it is gone meanwhile."""
        if self.call is None:
            return
        try:
            for row in self.call.rows("test_account", {"account": id}):
                if "name" in row:
                    about = {key: row[key] for key in ("side", "name", "ok", "seconds", "said", "hint")}
                    yield Step(**about, setting=row["field"])
                elif not row["ok"] and "said" in row:  # a fault once the answer had begun
                    yield _failed(row["said"])
        except CommandFailed as error:  # parked, or too many tests at once
            yield _failed(str(error))


def of_the_daemon(config: Config) -> KeptAccounts | None:
    """The accounts beside those of the files; None: there can be none. Raises LedgerError."""
    state_dir = config.listener.state_dir
    if not daemon_answers(state_dir):
        return KeptAccounts() if os.path.exists(state_dir / LEDGER) else None  # False where we may not look
    call = RemoteCall(state_dir / CONTROL_SOCKET)
    return KeptAccounts(tuple(_ids(call)), call)


def _ids(call: RemoteCall) -> Iterator[str]:
    cursor: str | None = None
    while True:
        page = call("accounts", cursor=cursor)
        yield from (row["id"] for row in page if row.get("source") == "ledger")
        cursor = getattr(page, "next", None)
        if cursor is None:
            return


def _failed(said: str) -> Step:
    return Step("receiver", "settings", False, 0.0, said)
