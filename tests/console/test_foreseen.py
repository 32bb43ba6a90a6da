"""What a preview foresees, in words; without a browser."""

import pytest

from listener.admin.console.foreseen import foreseen

HEAD = {"folder": "INBOX", "unique_id": "1:1", "size": 1, "received_at": None, "from": "ann@example.com", "subject": "Lamp"}
QUIET = {"send": False, "why": "no replies configured", "rule": None, "to": None}


def told(**row):
    return foreseen({**HEAD, **row})


def test_a_message_that_opens_a_case_says_so_and_who_would_be_answered():
    one = told(outcome="filed", case="new-1", why="new", reply={"send": True, "why": "", "rule": None, "to": "ann@example.com"})
    assert (one.outcome.word, one.case, one.case_id) == ("goes into a case", "a new one (1)", "")
    assert one.why == "it belongs to no case that we know"
    assert one.reply == "to ann@example.com"


def test_a_message_that_joins_a_case_names_it_and_the_rule():
    one = told(outcome="filed", case="ABC", why="token subject", unverified=True, related=["DEF"], reply=QUIET)
    assert (one.case, one.case_id) == ("ABC", "ABC")
    assert one.why.startswith("it bears a token that we signed for that case (in its subject); nobody vouches for its sender")
    assert one.why.endswith("possibly related to DEF")
    assert one.reply == "none: no replies configured"


@pytest.mark.parametrize(
    ("row", "word", "why"),
    [
        ({"outcome": "quarantined", "why": "too_large"}, "held back", "Larger than this daemon takes"),
        ({"outcome": "quarantined", "why": "rule: odd sender", "rule": "accounts.rules[0]"}, "held back", "accounts.rules[0]"),
        ({"outcome": "ignored", "why": "vanished"}, "ignored", "It was gone from the server"),
        ({"outcome": "known", "why": "it is in the ledger already"}, "here already", "it is in the ledger already"),
    ],
)
def test_what_comes_into_no_case_says_why(row, word, why):
    one = told(**row)
    assert (one.outcome.word, one.case, one.reply) == (word, "none", "none")
    assert why in one.why


def test_a_reply_that_a_rule_keeps_back_says_so_in_words():
    answer = {"send": False, "why": "suppressed by muted", "rule": "muted", "to": "ann@example.com"}
    assert told(outcome="filed", case="new-1", why="new", reply=answer).reply == "none: mail of ours to that address came back"


def test_nothing_hides_in_what_is_foreseen():
    one = told(outcome="filed", case="new-1", why="new \u202etxt", subject="a\u202eb", reply=QUIET)
    assert "\u202e" not in f"{one.subject}{one.why}"
