"""How many answers may leave, so that no fault of ours or trick of others makes a flood (R-82). Data, no I/O.

The ledger counts in the transaction that would write the answer, so the counts are exact and survive a restart; `spent` says
which budget is used up. The breaker looks at all accounts together: it opens when the last 24 hours had `breaker` times
as many answers as a day of the week before, and closes by itself as these hours pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .policy import Budgets, Purpose

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
BREAKER_DAYS: Final = 7
"""Days before the last 24 hours over which the mean is taken."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was made so far and not suppressed: to this sender by this account and purpose within a day, acknowledgements in
    this case ever, by this account within a minute and a day, to this domain within an hour where it was not verified; of all
    accounts within the last 24 hours, and in the days before.
    """

    to_sender: int = 0
    in_case: int = 0
    in_minute: int = 0
    in_day: int = 0
    to_domain: int = 0
    all_in_day: int = 0
    all_before: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """Used up where `spent`. `automatic_only`: a hook's reply is not counted by it."""

    name: str
    what: str
    spent: Callable[[Budgets, Usage], bool]
    automatic_only: bool = False
    unverified_only: bool = False
    hook_only: bool = False


def spent(budgets: Budgets, usage: Usage, purpose: Purpose, verified: bool) -> str | None:
    """The name of the first budget that leaves no room for one more; None: all do."""
    for budget in BUDGETS:
        concerns = not (
            (budget.automatic_only and purpose is not Purpose.AUTOMATIC)
            or (budget.hook_only and purpose is not Purpose.HOOK)
            or (budget.unverified_only and verified)
        )
        if concerns and budget.spent(budgets, usage):
            return budget.name
    return None


def breaker_open(budgets: Budgets, in_day: int, before: int) -> bool:
    """`in_day`: answers of the last 24 hours; `before`: of the BREAKER_DAYS days before them."""
    return in_day >= max(float(budgets.breaker_floor), budgets.breaker * before / BREAKER_DAYS)


BUDGETS: Final = (
    Budget("breaker", "all accounts, 24 hours", lambda b, u: breaker_open(b, u.all_in_day, u.all_before)),
    Budget("budget_sender", "account and sender, 24 hours", lambda b, u: u.to_sender >= b.per_sender, automatic_only=True),
    Budget("budget_hook", "account and sender, 24 hours", lambda b, u: u.to_sender >= b.hook_per_sender, hook_only=True),
    Budget("budget_case", "case, ever", lambda b, u: u.in_case >= b.per_case, automatic_only=True),
    Budget("budget_minute", "account, one minute", lambda b, u: u.in_minute >= b.per_minute),
    Budget("budget_day", "account, 24 hours", lambda b, u: u.in_day >= b.per_day),
    Budget("budget_domain", "recipient's domain, one hour", lambda b, u: u.to_domain >= b.per_domain, unverified_only=True),
)
