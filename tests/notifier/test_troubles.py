"""What is wrong, in words: a state, a count, an end. And what is neither wrong nor well stays as it is."""

import pytest

from listener.config import Alerts
from listener.notifier.troubles import Facts, well, wrong
from listener.status import AccountState, AccountStatus

NOW = 1_700_000_000.0
DAY = 86_400.0
ASKED = Alerts(webhook="pager")


def status(state=AccountState.IDLE, **more):
    more.setdefault("last_success", NOW)
    return AccountStatus("support", "imap", state, **more)


def facts(*statuses, counts=None, ends=None, asked=()):
    return Facts(NOW, statuses, counts or {}, ends or {}, sending=asked, probing=asked)


@pytest.mark.parametrize("state", ["auth_failed", "needs_consent", "parked"])
def test_an_account_that_cannot_go_on_is_wrong_and_says_why(state):
    found = wrong(facts(status(AccountState(state), last_error="no such user")), ASKED)
    assert list(found) == [(state, "support")]
    assert "no such user" in found[state, "support"]


@pytest.mark.parametrize("state", ["idle", "polling", "receiving", "stopped", "connecting", "starting", "reconciling"])
def test_an_account_on_its_way_or_at_work_is_not_wrong(state):
    assert wrong(facts(status(AccountState(state))), ASKED) == {}


def test_a_server_out_of_reach_is_wrong_only_after_a_while():
    assert wrong(facts(status(AccountState.BACKOFF, last_success=NOW - 1799)), ASKED) == {}
    assert list(wrong(facts(status(AccountState.BACKOFF, last_success=NOW - 1801)), ASKED)) == [("unreachable", "support")]


def test_a_server_that_never_answered_counts_from_the_start():
    young, old = (status(AccountState.BACKOFF, last_success=None, created_at=at) for at in (NOW - 10, NOW - 1801))
    assert wrong(facts(young), ASKED) == {}
    assert "since the start" in wrong(facts(old), ASKED)["unreachable", "support"]


def test_a_sender_that_cannot_send_is_wrong():
    assert list(wrong(facts(status(sender_error="refused")), ASKED)) == [("sender", "support")]


def test_dead_and_quarantined_messages_are_wrong_with_their_number():
    counts = {("support", "dead", "hook_failed"): 2, ("support", "dead", "unfilable"): 1, ("support", "quarantined", "rule"): 4}
    found = wrong(facts(status(), counts=counts | {("support", "done", ""): 99}), ASKED)
    assert found["dead", "support"].startswith("3 ")
    assert found["quarantine", "support"].startswith("4 ")


def test_none_left_is_not_wrong():
    assert wrong(facts(status(), counts={("support", "dead", "hook_failed"): 0}), ASKED) == {}


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"certificate_expiry": NOW + 13 * DAY}, "server's certificate"),
        ({"token_expiry": NOW + 200}, "access token"),
    ],
)
def test_what_ends_soon_is_wrong(more, word):
    assert word in wrong(facts(status(**more)), ASKED)["expiring", "support"]


def test_what_holds_for_long_is_not_wrong():
    fine = status(certificate_expiry=NOW + 15 * DAY, token_expiry=NOW + 3000)
    assert wrong(facts(fine, ends={"entra": NOW + 15 * DAY}), ASKED) == {}


def test_a_profiles_certificate_that_ends_soon_is_wrong():
    assert list(wrong(facts(ends={"entra": NOW + DAY}), ASKED)) == [("expiring", "oauth.entra")]


def test_only_what_is_asked_for_is_told():
    only = Alerts(webhook="pager", on=("dead",))
    assert wrong(facts(status(AccountState.AUTH_FAILED)), only) == {}


def test_what_is_over_is_well():
    assert well(facts(status()), {}, [("auth_failed", "support")]) == [("auth_failed", "support")]


ABOUT_ACCOUNTS = ["auth_failed", "needs_consent", "parked", "expiring", "canary", "sender"]


@pytest.mark.parametrize("kind", [*ABOUT_ACCOUNTS, "unreachable"])
@pytest.mark.parametrize("state", ["starting", "connecting", "reconciling", "backoff"])
def test_an_account_that_was_just_started_proves_nothing(kind, state):
    started = facts(status(AccountState(state), last_success=None), asked={"support"})
    assert well(started, {}, [(kind, "support")]) == []


@pytest.mark.parametrize("state", ["backoff", "auth_failed", "needs_consent", "parked"])
def test_one_trouble_after_another_ends_neither(state):
    raised = [(kind, "support") for kind in ("auth_failed", "needs_consent", "parked", "expiring") if kind != state]
    assert well(facts(status(AccountState(state))), {}, raised) == []


def test_a_server_that_was_there_in_between_is_no_longer_out_of_reach():
    assert well(facts(status(AccountState.BACKOFF)), {}, [("unreachable", "support")]) == [("unreachable", "support")]


@pytest.mark.parametrize(("kind", "proof"), [("sender", "sender_proven"), ("canary", "canary_proven")])
def test_what_must_be_tried_is_well_once_it_was_tried(kind, proof):
    for proven in (False, True):
        known = facts(status(**{proof: proven}), asked={"support"})
        assert well(known, {}, [(kind, "support")]) == [(kind, "support")] * proven


@pytest.mark.parametrize("kind", ["sender", "canary"])
def test_what_is_no_longer_configured_is_well(kind):
    assert well(facts(status()), {}, [(kind, "support")]) == [(kind, "support")]


def test_a_removed_account_is_well():
    assert well(facts(), {}, [("parked", "support")]) == [("parked", "support")]
