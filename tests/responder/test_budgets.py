"""How many answers may leave: each budget at its limit and one below, and whom it concerns (R-82)."""

from dataclasses import replace
from pathlib import Path

import pytest

from listener.responder.budgets import BREAKER_DAYS, BUDGETS, Usage, breaker_open, spent
from listener.responder.policy import Budgets, Purpose

DOCS = Path(__file__).parents[2] / "docs" / "replies.md"
DEFAULTS = Budgets()
LIMITS = [
    ("budget_sender", "to_sender", 1, Purpose.AUTOMATIC),
    ("budget_hook", "to_sender", 20, Purpose.HOOK),
    ("budget_case", "in_case", 3, Purpose.AUTOMATIC),
    ("budget_minute", "in_minute", 20, Purpose.AUTOMATIC),
    ("budget_minute", "in_minute", 20, Purpose.HOOK),
    ("budget_day", "in_day", 500, Purpose.AUTOMATIC),
    ("budget_day", "in_day", 500, Purpose.HOOK),
    ("budget_domain", "to_domain", 5, Purpose.AUTOMATIC),
    ("breaker", "all_in_day", 100, Purpose.AUTOMATIC),
]


@pytest.mark.parametrize(("name", "count", "limit", "purpose"), LIMITS)
def test_a_budget_is_spent_at_its_limit_and_not_before(name, count, limit, purpose):
    usage = Usage()
    assert spent(DEFAULTS, replace(usage, **{count: limit - 1}), purpose, verified=False) is None
    assert spent(DEFAULTS, replace(usage, **{count: limit}), purpose, verified=False) == name


def test_a_domain_that_vouches_for_its_senders_has_no_budget_of_its_own():
    assert spent(DEFAULTS, Usage(to_domain=1000), Purpose.AUTOMATIC, verified=True) is None


def test_a_conversation_that_a_hook_leads_is_not_bound_to_three_answers():
    assert spent(DEFAULTS, Usage(in_case=100, to_sender=19), Purpose.HOOK, verified=True) is None


@pytest.mark.parametrize(
    ("in_day", "a_day_before", "is_open"), [(99, 0, False), (100, 0, True), (399, 40, False), (400, 40, True)]
)
def test_the_breaker_opens_at_ten_times_the_usual_and_never_below_its_floor(in_day, a_day_before, is_open):
    assert breaker_open(DEFAULTS, in_day, a_day_before * BREAKER_DAYS) is is_open


def test_every_budget_is_documented_and_every_documented_one_is_a_budget():
    table = DOCS.read_text().split("<!-- budgets -->")[1].split("<!-- end -->")[0]
    documented = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert documented == [budget.name for budget in BUDGETS]
