"""Decisions in words."""

from listener.cases import LinkKind, Rule
from listener.cases.words import LINKS, RULES, WHERE, in_words
from listener.tokens import Form


def test_every_rule_and_form_has_its_words():
    assert set(RULES) == set(Rule)
    assert set(WHERE) == set(Form)


def test_a_decision_says_what_matched_and_what_is_odd():
    link = {"case": "OLD", "kind": LinkKind.FOLLOW_UP.value, "why": "closed"}
    said = in_words(
        {"case": "ABC", "rule": "token", "matched": "subject", "unverified": True, "restored": True, "links": [link]}
    )
    assert said.startswith(f"case ABC (token): {RULES['token']} (in its subject)")
    assert "unverified" in said
    assert "made again" in said
    assert f"follows up OLD ({LINKS['closed']})" in said


def test_a_decision_of_an_older_version_is_still_told():
    assert in_words({"case": "ABC", "rule": "guess"}) == "case ABC (guess): a rule of another version"
