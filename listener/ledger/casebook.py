"""The case book in the ledger: what a decision asks of it, and what follows from one, in the transaction that files.

`CaseBook` is the `Book` of `cases.decide` over one connection, so filing and the preview decide by the same statements.
`carry_out` opens, joins or restores the case. A case's id is derived from account and first message, so that a lost ledger
gives it again; a token of a case that is no longer known restores it under its id, and its first message takes it over if that
is fetched again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .. import cases
from ..cases import CaseRules, Decision, Standing
from ..cases.subjects import topic
from ..errors import Refused
from ..message.model import InboundMessage
from . import events
from .events import clean
from .sql import load
from .writer import Transaction

_SQL = load("cases")
_CASE_ID_OCTETS = 8
_CASE_DRAWS = 1_000
_TOPIC_OCTETS = 8
_SIMILAR_LOOKED_AT = 20
_KEYS_KEPT = 512  # a batch's; each is asked for three times

Rules = Mapping[str, CaseRules]
"""How each account decides; one that is not named decides as `CaseRules()`."""


@dataclass(frozen=True, slots=True)
class CaseBook:
    """One account's book, as of the connection's transaction.

    `topics` and `referred`: those of a batch that have cases already (Message-IDs as they are kept), looked up at once; None:
    they were not.
    """

    connection: sqlite3.Connection
    account: str
    topics: Collection[str] | None = None
    referred: Mapping[str, str] | None = None

    @classmethod
    def of_batch(cls, connection: sqlite3.Connection, account: str, batch: Sequence[InboundMessage]) -> CaseBook:
        """For the messages of one account that are filed together: what was there before them is asked once."""
        wanted = {clean(one) for message in batch for one in cases.references(message)}
        known = cls(connection, account).filed(list(wanted)) if wanted else {}
        return cls(connection, account, topics_of(connection, account, batch), known)

    def filed(self, message_ids: Sequence[str]) -> dict[str, str]:
        """The case of each Message-ID that was filed in this account or sent by it; of the first, where one was used again."""
        if self.referred is not None:
            by_id = {clean(message_id): message_id for message_id in message_ids}
            return {by_id[key]: self.referred[key] for key in by_id if key in self.referred}
        return self._cases("filed", message_ids)

    def sent(self, message_ids: Sequence[str]) -> dict[str, str]:
        """The case of each of these that this account sent."""
        return self._cases("sent", message_ids)

    def standing(self, case: str, address: str) -> Standing | None:
        """The case, as it concerns that address."""
        values = {"case_id": case, "account": self.account, "address": clean(address)}
        row = self.connection.execute(_SQL["standing"], values).fetchone()
        return Standing(case, bool(address and row[1]), row[0], row[2]) if row else None

    def similar(self, sender: str, about: str, since: float) -> list[str]:
        """Cases of that requester and topic; the newest few, if something happened in them since."""
        topic = topic_key(sender, about)
        if self.topics is not None and topic not in self.topics:
            return []
        values: dict[str, Any] = {"account": self.account, "topic": topic, "since": since}
        values |= {"most": cases.MAX_LINKS, "looked_at": _SIMILAR_LOOKED_AT}
        return [case for (case,) in self.connection.execute(_SQL["similar"], values)]

    def _cases(self, name: str, message_ids: Sequence[str]) -> dict[str, str]:
        by_id = {clean(message_id): message_id for message_id in message_ids}
        values = {"account": self.account, "message_ids": json.dumps(list(by_id))}
        return {by_id[key]: case for key, case in self.connection.execute(_SQL[name], values) if case}


def carry_out(
    tx: Transaction, decision: Decision, account: str, entry: int, digest: bytes, message: InboundMessage
) -> tuple[str, bool]:
    """Open, join or restore the case, with its links; its id, and whether it was opened and nobody knew of it before."""
    opened = False
    if decision.case is None:
        case, opened = _open(tx, decision, account, entry, digest, message)
    elif decision.restored:
        case = _restore(tx, decision, account, entry, message)
    else:
        case = decision.case
        tx.connection.execute(_SQL["join_case"], {"case_id": case, "now": tx.now, "reopen": decision.reopen})
    for link in decision.links:
        values = {"case_id": case, "other": link.case, "kind": link.kind.value, "why": link.why}
        tx.connection.execute(_SQL["insert_link"], values)
    return case, opened


def _open(
    tx: Transaction, decision: Decision, account: str, entry: int, digest: bytes, message: InboundMessage
) -> tuple[str, bool]:
    """A new case; or the one that a token restored before its first message came again, which is this."""
    subject, requester = clean(message.subject), clean(sender(message))
    about = topic_key(requester, decision.about) if decision.about else None
    for draw in range(_CASE_DRAWS):
        case = case_id(account, digest, draw)
        row = (case, account, subject, requester, entry, about, 0, tx.now)
        if tx.connection.execute(_SQL["insert_case"], row).rowcount:
            return case, True
        values = {"case_id": case, "account": account, "subject": subject, "requester": requester}
        if tx.connection.execute(_SQL["adopt_case"], values | {"entry": entry, "topic": about, "now": tx.now}).rowcount:
            return case, False
    raise Refused("no free case id")


def _restore(tx: Transaction, decision: Decision, account: str, entry: int, message: InboundMessage) -> str:
    """Nobody is known to have opened it; a stranger is not taken for its requester."""
    assert decision.case is not None
    known = not (decision.unverified or decision.note)
    requester = clean(sender(message)) if known else ""
    row = (decision.case, account, clean(message.subject), requester, entry, None, 1, tx.now)
    if not tx.connection.execute(_SQL["insert_case"], row).rowcount:
        raise Refused(f"the case {decision.case} is another account's")
    return decision.case


def set_status(tx: Transaction, case: str, status: str) -> str:
    """A person closes a case or opens it again; the new status. Twice is the same as once. Raises Refused for no such case."""
    row = tx.connection.execute(_SQL["status"], (case,)).fetchone()
    if row is None:
        raise Refused(f"there is no case {case}")
    account, before, opened_by = row
    if before != status:
        closed_at = tx.now if status == "closed" else None
        values = {"case_id": case, "status": status, "closed_at": closed_at, "now": tx.now}
        tx.connection.execute(_SQL["set_status"], values)
        word = "case.closed" if status == "closed" else "case.reopened"
        events.write(tx, [(opened_by, account, word, {"case": case})])
    return status


def case_id(account: str, digest: bytes, draw: int) -> str:
    """Thirteen letters and digits, by account and first message; another draw where they are taken."""
    seed = "\0".join(("case", account, digest.hex(), str(draw))).encode("utf-8")
    return base64.b32encode(hashlib.sha256(seed).digest()[:_CASE_ID_OCTETS]).decode("ascii").rstrip("=")


def topics_of(connection: sqlite3.Connection, account: str, batch: Iterable[InboundMessage]) -> frozenset[str]:
    """Those topics of a batch of one account that have cases already."""
    keys = {topic_key(who, about) for one in batch if (who := cases.sender_of(one)) and (about := topic(one.subject))}
    values = {"account": account, "topics": json.dumps(list(keys))}
    return frozenset(key for (key,) in connection.execute(_SQL["known_topics"], values)) if keys else frozenset()


@lru_cache(_KEYS_KEPT)
def topic_key(requester: str, about: str) -> str:
    """What cases of one requester about one thing have in common."""
    text = f"{requester.lower()}\0{about}".encode("utf-8", "replace")
    return hashlib.blake2b(text, digest_size=_TOPIC_OCTETS).hexdigest()


def sender(message: InboundMessage) -> str:
    """Whom people see as the sender: the first address of From, else of Sender, else ""."""
    return next((one.address for one in (*message.from_, *message.sender) if one.address), "")
