"""How long what is dealt with is kept: the settings of `[retention]`."""

from __future__ import annotations

from .values import Duration, Table, setting

DAY = 86_400.0
YEARS = 100 * 366 * DAY


class Retention(Table):
    """How long what is dealt with is kept; without a time, for ever. What is unfinished, quarantined or dead always stays."""

    raw: Duration | None = setting(
        None,
        "Raw octets of messages that are done or ignored. After it they cannot be exported, nor their attachments opened; "
        "texts, cases and history stay.",
        said="for ever",
        example="90d",
        ge=DAY,
        le=YEARS,
    )
    attachments: Duration | None = setting(
        lambda given: f"{given['raw']:.0f}s" if given.get("raw") else None,
        "The same for messages that have attachments: they are most of what a ledger weighs.",
        said="`raw`",
        example="30d",
        ge=DAY,
        le=YEARS,
    )
    cases: Duration | None = setting(
        None,
        "Cases to which nothing happened for so long, open or closed, with the texts of their messages, what hooks answered "
        "and what was replied. A later answer to one makes a new case.",
        said="for ever",
        example="730d",
        ge=30 * DAY,
        le=YEARS,
    )
    keys: Duration | None = setting(
        None,
        "What messages are known by, and their history, once the mail server confirmed that they are deleted or moved and "
        "their case is no longer kept. The keys of messages that stay there are kept, or they would be taken for new ones.",
        said="for ever",
        example="1000d",
        ge=90 * DAY,
        le=YEARS,
    )
    history: Duration | None = setting(
        None,
        "What happened to an account as a whole (switched off and on, saved, ids given anew), and the audit: who ordered what. "
        "History of a message goes with its key.",
        said="for ever",
        example="1000d",
        ge=90 * DAY,
        le=YEARS,
    )
