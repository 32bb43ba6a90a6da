"""What a subject says of itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.cases.subjects import LONGEST_TOPIC, is_forward, topic


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Printer on fire", "printer on fire"),
        ("Re: Printer on fire", "printer on fire"),
        ("RE: AW: Fwd: [list] Printer  on\tfire", "printer on fire"),
        ("Re[2]: Re^3: Printer on fire", "printer on fire"),
        ("Re: Printer [#K7QZ2ABCDEFGH-AAAAAAAAAA] on fire", "printer on fire"),
        ("Antw: Ответ: 回复：Printer on fire", "printer on fire"),
        ("Reprint: the bill", "reprint: the bill"),
        ("Re:", ""),
        ("hi", ""),
        ("", ""),
    ],
)
def test_a_topic_is_what_remains(subject, expected):
    assert topic(subject) == expected


@given(st.text())
def test_any_subject_can_be_asked(subject):
    assert len(topic(subject)) <= LONGEST_TOPIC
    assert is_forward(subject) in (True, False)


def test_a_long_subject_takes_no_time():
    assert len(topic("re:" * 100_000)) <= LONGEST_TOPIC
    assert not is_forward("[" * 100_000)
