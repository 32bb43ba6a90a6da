"""Small messages to deliver: each with its own Message-ID, subject and body."""

from __future__ import annotations

from collections.abc import Iterator


def message(number: int | str, *, answers: int | str | None = None, body: str = "Please help.", subject: str = "") -> bytes:
    """One plain message; `answers` makes it a reply to that number, by the same customer."""
    customer = number if answers is None else answers
    reply = f"In-Reply-To: <m{answers}@example.net>\r\nReferences: <m{answers}@example.net>\r\n" if answers is not None else ""
    return (
        f"Return-Path: <customer{customer}@example.net>\r\n"
        f"From: Customer {customer} <customer{customer}@example.net>\r\n"
        f"To: support@example.com\r\n"
        f"Subject: {subject or f'Question {number}'}\r\n"
        f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <m{number}@example.net>\r\n{reply}\r\n"
        f"{body}\r\n"
    ).encode()


def batch(first: int, count: int) -> Iterator[bytes]:
    """Plain messages with numbers from `first` on."""
    return (message(number) for number in range(first, first + count))


def account(server: object, user: str, *, name: str = "support", receiver: str = "", start: str = "all", more: str = "") -> str:
    """The TOML of one account on a private Dovecot."""
    return f"""
[[accounts]]
id = "{name}"
address = "{name}@example.com"
start = "{start}"
{more}
[accounts.receiver]
host = "localhost"
port = {server.imaps}
user = "{user}"
password_file = "password"
truststore_file = "{server.ca_file}"
{receiver}
"""
