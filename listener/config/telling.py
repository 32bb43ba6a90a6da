"""Whom to tell: people of new mail in cases (`[accounts.notify]`), operators of trouble (`[alerts]`)."""

from __future__ import annotations

from typing import Literal

from .values import REQUIRED, AccountFile, Address, Duration, Table, Text, setting

AlertKind = Literal[
    "auth_failed", "needs_consent", "parked", "unreachable", "sender", "dead", "quarantine", "expiring", "canary"
]
ALL_ALERTS: tuple[AlertKind, ...] = (
    *("auth_failed", "needs_consent", "parked", "unreachable", "sender", "dead", "quarantine", "expiring", "canary"),
)
DAY = 86_400.0


class Notify(Table):
    """Mail to people when a case is made or updated; needs `[accounts.sender]`. Off unless this table is there."""

    to: tuple[Address, ...] = setting(
        REQUIRED,
        "Who is told; never of what they wrote themselves, and nobody of automatic mail.",
        example=["team@example.com"],
        min_length=1,
        max_length=20,
    )
    on: Literal["new_case", "every_message"] = setting("new_case", "Whether also messages that join a case are told of.")
    together: Duration = setting(
        "10m", "After a mail, what follows within this time is told in one mail at its end.", ge=0, le=7 * DAY
    )
    template: AccountFile | None = setting(
        None,
        "Jinja2 template of the mail's text; it sees `account` and `notices`. See docs/notifications.md.",
        said="built in",
        example="notify.txt",
    )


class Alerts(Table):
    """Tells operators what is wrong: once when it begins, and once when it is well again. Off unless this table is there."""

    webhook: Text | None = setting(None, "Post each alert to `[webhook.NAME]`.", said="none", example="pager")
    mail_to: tuple[Address, ...] = setting(
        (), "Mail each alert to these addresses; needs `account`.", said="nobody", example=["ops@example.com"], max_length=20
    )
    account: Text | None = setting(
        None, "The account whose sender sends alerts; best not the one that may be in trouble.", said="none", example="support"
    )
    on: tuple[AlertKind, ...] = setting(
        ALL_ALERTS,
        "Which: a refused sign-in, a lost consent, a parked account, a server that cannot be reached for `unreachable_after`, "
        "a sender that cannot send, dead messages, messages in quarantine, what expires soon, a probe that does not arrive.",
        said="all",
        example=["auth_failed", "needs_consent", "dead"],
    )
    unreachable_after: Duration = setting(
        "30m", "How long a server may be out of reach until it is an alert.", ge=60, le=7 * DAY
    )
    expires_within: Duration = setting(
        "14d", "How long before its end a server's certificate or a profile's certificate is an alert.", ge=3600, le=365 * DAY
    )
