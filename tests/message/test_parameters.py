"""Content-Type and Content-Disposition with their parameters, RFC 2231 and what mailers make of it."""

import pytest

from listener.message import parameters

FIELDS = {
    "plain": ("text/plain; charset=utf-8", ("text/plain", {"charset": "utf-8"})),
    "quoted": ('Multipart/Mixed; boundary="a;b"', ("multipart/mixed", {"boundary": "a;b"})),
    "escaped": (r'x/y; a="b\"c"', ("x/y", {"a": 'b"c'})),
    "blanks": ("text/plain ; charset = utf-8 ;", ("text/plain", {"charset": "utf-8"})),
    "no semicolon": ("text/plain charset=utf-8", ("text/plain", {"charset": "utf-8"})),
    "open quote": ('x/y; name="abc; b=c', ("x/y", {"name": "abc", "b": "c"})),
    "the first of two": ("x/y; a=1; a=2", ("x/y", {"a": "1"})),
    "extended": ("attachment; filename*=utf-8'de'Gr%C3%BC%C3%9Fe.txt", ("attachment", {"filename": "Grüße.txt"})),
    "extended wins": ("a; filename=x; filename*=utf-8''y", ("a", {"filename": "y"})),
    "pieces": ("a; filename*1=b.txt; filename*0=a", ("a", {"filename": "ab.txt"})),
    "encoded pieces": ("a; filename*0*=utf-8''%E2%98; filename*1*=%85.txt", ("a", {"filename": "★.txt"})),
    "encoded word": ('a; filename="=?utf-8?Q?caf=C3=A9.txt?="', ("a", {"filename": "café.txt"})),
    "broken percent": ("a; filename*=us-ascii''%W6", ("a", {"filename": "%W6"})),
    "unknown charset": ("a; filename*=x-none''%C3%A9", ("a", {"filename": "é"})),
    "no charset": ("a; filename*=%C3%A9", ("a", {"filename": "é"})),
    "nothing": ("", ("", {})),
    "only a semicolon": (";", ("", {})),
    "a name like a method": ("x/y; __proto__=1; get=2", ("x/y", {"__proto__": "1", "get": "2"})),
}


@pytest.mark.parametrize(("value", "expected"), FIELDS.values(), ids=FIELDS)
def test_fields_are_read(value: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parameters.parse(value) == expected


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_number_of_parameters_is_bounded(over: int) -> None:
    count = parameters.MAX_PARAMETERS + over
    _, params = parameters.parse("x/y" + "".join(f"; a{n}=1" for n in range(count)))
    assert len(params) == min(count, parameters.MAX_PARAMETERS)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_only_the_beginning_of_the_field_is_read(over: int) -> None:
    value = "x/y; a=" + "b" * (parameters.MAX_STRUCTURED - 7 + over)
    assert len(parameters.parse(value)[1]["a"]) == parameters.MAX_STRUCTURED - 7 + min(over, 0)
