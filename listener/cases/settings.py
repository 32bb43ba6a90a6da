"""An account's settings as the rules that decide about its cases."""

from __future__ import annotations

from ..config import Account
from ..tokens import Keyring
from . import CaseRules, Closed


def rules_of(account: Account, keyring: Keyring) -> CaseRules:
    """How this account decides, with these keys."""
    cases = account.cases
    return CaseRules(keyring, account.address or "", Closed(cases.closed), cases.reopen_within)
