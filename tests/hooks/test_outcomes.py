"""What hooks, webhooks and commands answer is believed only as far as it can be kept."""

import pytest

from listener.hooks import Deferred, Filed, HookFailed, Ignored
from listener.hooks.outcomes import MAX_DEFERRAL, MAX_REFERENCE, MAX_TEXT, checked, from_answer, from_output, one_line


@pytest.mark.parametrize(
    "outcome",
    [None, Filed(), Filed("CRM-7", "noted", True, "Thank you"), Ignored("a newsletter"), Deferred(60.0)],
)
def test_a_good_outcome_is_taken_as_it_is(outcome):
    assert checked(outcome) == outcome


@pytest.mark.parametrize(
    ("rubbish", "says"),
    [
        ("filed", "returned a value of type str"),
        ({"reference": "X"}, "returned a value of type dict"),
        (True, "returned a value of type bool"),
        (Filed, "returned a value of type type"),
        (Filed(reference=7), "reference must be text"),
        (Filed(reference=" "), "reference must be text that is not empty"),
        (Filed(reference="a\nb"), "one printable line"),
        (Filed(reference="x" * (MAX_REFERENCE + 1)), "at most 1000"),
        (Filed(reference="\ud800"), "one printable line"),
        (Filed(note=b"octets"), "note must be text"),
        (Filed(note="x" * (MAX_TEXT + 1)), "at most 64000"),
        (Filed(note="\udfff"), "surrogates"),
        (Filed(reply="a\0b"), "without NUL"),
        (Filed(close="yes"), "close must be true or false"),
        (Ignored(None), "Ignored.reason must be text"),
        (Deferred("soon"), "Deferred.seconds must be a number"),
        (Deferred(float("nan")), "Deferred.seconds must be a number"),
        (Deferred(-1), "Deferred.seconds must be a number"),
        (Deferred(True), "Deferred.seconds must be a number"),
    ],
)
def test_rubbish_is_a_failure_that_says_what_was_wrong(rubbish, says):
    with pytest.raises(HookFailed, match=says):
        checked(rubbish)


@pytest.mark.parametrize(("asked", "kept"), [(0, 1.0), (90, 90.0), (float("inf"), MAX_DEFERRAL), (1e12, MAX_DEFERRAL)])
def test_a_deferral_is_neither_a_tight_loop_nor_for_ever(asked, kept):
    assert checked(Deferred(asked)) == Deferred(kept)


@pytest.mark.parametrize("body", [b"", b"ok", b"\xff\xfe", b"[1]", b'"text"', b"[" * 100_000, b"{}", b'{"reference": null}'])
def test_an_answer_without_a_json_object_says_filed_and_no_more(body):
    assert from_answer(body) == Filed()


def test_an_answer_may_name_reference_note_close_and_reply():
    body = b'{"reference": 1234, "note": "n", "close": true, "reply": "r", "more": {}}'
    assert from_answer(body) == Filed("1234", "n", True, "r")


@pytest.mark.parametrize("body", [b'{"reference": []}', b'{"close": "no"}', b'{"note": 1}', b'{"reference": "\\ud800"}'])
def test_an_answer_with_values_of_the_wrong_kind_is_a_failure(body):
    with pytest.raises(HookFailed):
        from_answer(body)


@pytest.mark.parametrize(
    ("output", "reference"),
    [(b"", None), (b"\n\n", None), (b"A-1\nmore\n", "A-1"), (b"  A-1 \r\n", "A-1"), (b"\xff\n", "\N{REPLACEMENT CHARACTER}")],
)
def test_the_first_line_of_output_is_the_reference(output, reference):
    assert from_output(output) == Filed(reference)


def test_text_from_outside_becomes_one_bounded_printable_line():
    line = one_line("a\r\nb\x1b]0;title\x07" + "x" * 10_000, 50)
    assert line.startswith("a b\N{REPLACEMENT CHARACTER}]0;title")
    assert len(line) == 50
    assert line.isprintable()
