"""The Date field in the forms that mailers write."""

import pytest

from listener.message import dates

FORMS = {
    "Sun, 22 Nov 2026 10:00:00 +0100": "2026-11-22T10:00:00+01:00",
    "22 Nov 26 10:00 EST": "2026-11-22T10:00:00-05:00",
    "Sun, 22 Nov 99 10:00:00 GMT": "1999-11-22T10:00:00+00:00",
    "Sun, 22 Nov 2026 10:00:00 -0600 (CST)": "2026-11-22T10:00:00-06:00",
    "Sun Nov 22 10:00:00 2026": "2026-11-22T10:00:00+00:00",
    "2026-11-22T10:00:00Z": "2026-11-22T10:00:00+00:00",
    "2026-11-22 10:00:00 +02:00": "2026-11-22T10:00:00+02:00",
    "Sunday, November 22, 2026 4:02 PM": "2026-11-22T16:02:00+00:00",
    "Sun, 22 Nov 2026 10 : 00 : 05 +0000": "2026-11-22T10:00:05+00:00",
    "Sun, 22-Nov-2026 10:00:00 GMT": "2026-11-22T10:00:00+00:00",
    "Sun, 22 Nov 2026 10.00.00 +0000": "2026-11-22T10:00:00+00:00",
    "Sun, 22 Nov 2026 10:00:00 GMT+02:00": "2026-11-22T10:00:00+02:00",
    "22 Nov 2026": "2026-11-22T00:00:00+00:00",
    "Tue, 31 Feb 2026 10:00:00 +0000": None,
    "Sun, 22 Nov 0000 10:00:00 +0000": None,
    "Fri, 31 Dec 9999 23:59:59 -2300": "9999-12-31T23:59:59-23:00",
    "Fri, 31 Dec 9999 99:59:59 +0000": None,
    "yesterday": None,
    "": None,
}


@pytest.mark.parametrize(("value", "moment"), FORMS.items())
def test_dates_keep_their_offset(value: str, moment: str | None) -> None:
    assert dates.read(value) == moment
