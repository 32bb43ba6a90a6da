"""What happened to an account, in words; without a browser."""

import pytest

from listener.admin.console.history import of_account


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (
            {"kind": "account.baseline", "folder": "INBOX", "received_at": 0.0},
            "Began with INBOX: everything that is there counts",
        ),
        (
            {"kind": "account.baseline", "folder": "INBOX", "received_at": 1_795_000_000.0},
            "Began with INBOX: mail received before 2026-11-18 11:06 UTC does not count",
        ),
        ({"kind": "account.baseline", "received_at": None}, "mail that was there before does not count"),
        ({"kind": "account.baseline", "received_at": 1e30}, "mail that was there before does not count"),
        ({"kind": "account.moved", "from": "imap a u", "to": "imap b u"}, "It became another mailbox: imap b u."),
    ],
)
def test_what_happened_to_an_account_is_told_in_words(event, says):
    (one,) = of_account([{"id": 1, "at": "2026-11-22T10:00:00+00:00", **event}])
    assert says in one.text
    assert "received at" not in one.more
    assert "id:" not in one.more


def test_a_notice_of_the_server_is_told_with_what_it_said():
    (one,) = of_account([{"id": 1, "at": "", "kind": "server.said", "text": "[ALERT] quota"}])
    assert (one.tone, "[ALERT] quota" in one.more) == ("warn", True)
