"""The ledger: every state change goes through it, and raw mail is in it; one class, one transaction, one writer.

Outside this folder nobody imports sqlite3. See records.py for what goes in and out, ledger.py for the class, migrations/ and
sql/ for every statement.
"""

from .access import Order, Scope, TokenRecord
from .alerts import Alert, Mailing
from .directory import LEDGER
from .kept import EditedMeanwhile, Kept, KeptKind, secret_name
from .ledger import Ledger
from .notices import Notice, Person
from .records import (
    Accepted,
    AccountRecord,
    Arrival,
    Backlog,
    Delivery,
    DeliveryState,
    DueDelivery,
    DueEntry,
    Ended,
    FiledAs,
    Parsed,
    Plan,
    Rebind,
    Receipts,
    ReleasedHeld,
    ReleasedSome,
    Row,
    State,
)
from .retention import Keep, Pruned
from .stories import Happening, Story

__all__ = [
    "LEDGER",
    "Accepted",
    "AccountRecord",
    "Alert",
    "Arrival",
    "Backlog",
    "Delivery",
    "DeliveryState",
    "DueDelivery",
    "DueEntry",
    "EditedMeanwhile",
    "Ended",
    "FiledAs",
    "Happening",
    "Keep",
    "Kept",
    "KeptKind",
    "Ledger",
    "Mailing",
    "Notice",
    "Order",
    "Parsed",
    "Person",
    "Plan",
    "Pruned",
    "Rebind",
    "Receipts",
    "ReleasedHeld",
    "ReleasedSome",
    "Row",
    "Scope",
    "State",
    "Story",
    "TokenRecord",
    "secret_name",
]
