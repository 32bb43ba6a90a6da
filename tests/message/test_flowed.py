"""format=flowed put back together (RFC 3676)."""

import pytest

from listener.message.flowed import unflow

TEXTS = {
    "soft break": ("one \ntwo\nthree", False, "one two\nthree"),
    "DelSp": ("one \ntwo", True, "onetwo"),
    "stuffing": (" >not a quote\n From\n  two", False, ">not a quote\nFrom\n two"),
    "quotes": ("> one \n> two\nthree", False, "> one two\nthree"),
    "quotes without a blank": (">one \n>two", False, ">one two"),
    "quotes of different depth": (">> one \n> two", False, ">> one \n> two"),
    "signature": ("one\n-- \nAnna", False, "one\n-- \nAnna"),
    "signature after a soft break": ("one \n-- \nAnna", False, "one \n-- \nAnna"),
    "empty line": ("one \n\ntwo", False, "one \n\ntwo"),
    "quoted empty line": ("> one\n>\n> two", False, "> one\n>\n> two"),
}


@pytest.mark.parametrize(("text", "delete_space", "joined"), TEXTS.values(), ids=TEXTS)
def test_paragraphs_become_lines(text: str, delete_space: bool, joined: str) -> None:
    assert unflow(text, delete_space) == joined
