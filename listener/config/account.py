"""The settings of one account.

Part of `config.py`, which names them all; other modules import from there. A loaded account is ready to use: preset,
defaults and `use_sender_identity` are resolved, so `receiver.host`, `.port`, `.user` are what to connect with.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from .canary import Canary
from .rules import MAX_RULES, Flood, Rule
from .telling import Notify
from .values import (
    REQUIRED,
    AccountFile,
    AccountSecret,
    Address,
    After,
    Count,
    Duration,
    Flag,
    Host,
    Name,
    Size,
    Start,
    Table,
    Text,
    is_loopback,
    setting,
    start_time,
)

MAX_IDLE = 28 * 60.0  # seconds; RFC 2177 §3: a server may drop us after 30 minutes


TOPMOST = "topmost-no-authserv-id"
"""The authserv_id of who writes none: Microsoft 365."""


class ReceiverProtocol(StrEnum):
    """How mail is received."""

    IMAP = "imap"
    POP3 = "pop3"
    GRAPH = "graph"


class SenderProtocol(StrEnum):
    """How mail is sent."""

    SMTP = "smtp"
    GRAPH = "graph"


class Security(StrEnum):
    """How a connection is protected. STARTTLS (POP3: STLS) is required or fails; it is never optional."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


PORTS: Mapping[tuple[str, str], int] = {
    ("imap", "tls"): 993,
    ("imap", "starttls"): 143,
    ("imap", "none"): 143,
    ("pop3", "tls"): 995,
    ("pop3", "starttls"): 110,
    ("pop3", "none"): 110,
    ("graph", "tls"): 443,
    ("smtp", "tls"): 465,
    ("smtp", "starttls"): 587,
    ("smtp", "none"): 25,
}
GRAPH_HOST = "graph.microsoft.com"


def _port(given: Mapping[str, Any]) -> int:
    return PORTS.get((given.get("protocol", ""), given.get("security", "")), 443)


class Receiver(Table):
    """Where an account's mail comes from."""

    protocol: ReceiverProtocol = setting(
        "imap", '`imap`, `pop3`, or `graph` (Microsoft Graph; only with `provider = "microsoft365"`).'
    )
    security: Security = setting(
        "tls",
        "`tls` from the first octet, `starttls` (POP3: STLS) required or fail, or `none`. `none` is refused except to this "
        "machine, or with `insecure = true`.",
    )
    host: Host = setting(
        lambda given: GRAPH_HOST if given.get("protocol") == "graph" else "",
        "The server's name or address.",
        said="by preset",
        example="imap.example.com",
    )
    port: Count = setting(
        _port, "The server's port.", said="993 (IMAP) or 995 (POP3) with `tls`, else 143 or 110", example=993, ge=1, le=65535
    )
    insecure: Flag = setting(False, "Let passwords and mail cross a network unencrypted; anybody on the way can read them.")
    min_tls: Literal["1.2", "1.3"] = setting("1.2", "Lowest TLS version that is accepted.")
    truststore_file: AccountFile | None = setting(
        None,
        "File with the certificates of the authorities to trust instead of the system's: PEM, or PKCS#12 (`.p12`). A Java "
        "key store has to be converted to PKCS#12.",
        said="the system's",
        example="ca.pem",
    )
    truststore_password_file: AccountSecret | None = setting(
        None, "The password of a PKCS#12 `truststore_file`.", said="none", example="truststore-password"
    )
    folders: tuple[Text, ...] = setting(
        ("INBOX",),
        "Folders to watch. The first is watched by IDLE, the others every `poll_interval`.",
        min_length=1,
        max_length=100,
    )
    after: After = setting(
        lambda given: "keep" if given.get("protocol") == "pop3" else "seen",
        "What to do on the server once a message is safely stored: `seen` marks it read, `keep` does nothing, `delete` "
        "removes it, `move:Folder` files it there. POP3 knows `keep` and `delete`.",
        said="`seen`; POP3: `keep`",
        example="seen",
    )
    poll_interval: Duration = setting(
        "60s",
        "How often to look where the server cannot tell by itself: POP3, Graph, IMAP without IDLE, further folders. POP3 "
        "and Graph: five times as long once no mail has come for an hour; POP3 never sooner than the server's LOGIN-DELAY.",
        ge=1,
        le=86400,
    )
    idle_interval: Duration = setting(
        "9m", "How often IDLE is renewed, so that a connection that died silently is noticed.", ge=1, le=MAX_IDLE
    )
    max_per_day: Size | None = setting(
        None,
        "How much mail is fetched in one day (UTC) before older mail has to wait for the next; what comes in that day is still "
        "read. For providers that shut an account out when it fetches too much.",
        said="by preset, else no limit",
        example="2000MB",
    )
    user: Name = setting(
        "", "Name to sign in with.", said="`address`, in the form the preset asks for", example="support@example.com"
    )
    password_file: AccountSecret | None = setting(
        None, "The password: a file, or the name of a systemd credential.", said="none", example="support-password"
    )
    use_sender_identity: Flag = setting(False, "Sign in as `[accounts.sender]` does: its user, and its password or profile.")
    oauth: Text | None = setting(None, "Sign in by OAuth 2.0 with the profile `[oauth.NAME]`.", said="none", example="entra")
    user_principal_name: Text | None = setting(
        None, "The mailbox's user principal name in Microsoft Graph.", said="`user`", example="support@example.com"
    )
    must_be_refused: Text | None = setting(
        None,
        "A mailbox of the same tenant that this application must not reach: `listener check` tries to open it, and fails "
        "where it can. Microsoft Graph only.",
        said="none",
        example="chief@example.com",
    )

    @property
    def move_to(self) -> str | None:
        """The folder of `after = "move:Folder"`, else None."""
        return self.after[5:] if self.after.startswith("move:") else None


class Sender(Table):
    """How an account's answers are sent; needed for automatic replies."""

    protocol: SenderProtocol = setting("smtp", '`smtp` or `graph` (only with `provider = "microsoft365"`).')
    security: Security = setting("tls", "As for the receiver.")
    host: Host = setting(
        lambda given: GRAPH_HOST if given.get("protocol") == "graph" else "",
        "The server's name or address.",
        said="by preset",
        example="smtp.example.com",
    )
    port: Count = setting(
        _port, "The server's port.", said="465 with `tls`, 587 with `starttls`, 25 with `none`", example=465, ge=1, le=65535
    )
    insecure: Flag = setting(False, "As for the receiver.")
    min_tls: Literal["1.2", "1.3"] = setting("1.2", "Lowest TLS version that is accepted.")
    truststore_file: AccountFile | None = setting(None, "As for the receiver.", said="the system's", example="ca.pem")
    truststore_password_file: AccountSecret | None = setting(
        None, "As for the receiver.", said="none", example="truststore-password"
    )
    user: Name = setting(
        "", "Name to sign in with.", said="`address`, in the form the preset asks for", example="support@example.com"
    )
    password_file: AccountSecret | None = setting(
        None, "The password: a file, or the name of a systemd credential.", said="none", example="support-password"
    )
    oauth: Text | None = setting(None, "Sign in by OAuth 2.0 with the profile `[oauth.NAME]`.", said="none", example="entra")


class Trust(Table):
    """Whose verdict on a sender's authenticity to believe."""

    authserv_id: Text | None = setting(
        None,
        "The authserv-id (RFC 8601 §2.5) that your own mail server writes into `Authentication-Results`; nobody else's is "
        "believed. `topmost-no-authserv-id` is for Microsoft 365, which writes none. Without it every verdict is `unknown`.",
        said="by preset, else none",
        example="mx.example.com",
    )
    own_received: Count = setting(
        0,
        "How many `Received` fields your own servers put above their `Authentication-Results`. 0: theirs stand on top. Milters "
        "(OpenDMARC, rspamd) write theirs below the border's `Received`: 1. Only where your border takes out what others wrote "
        "under its `authserv_id`, or a sender can vouch for itself.",
        ge=0,
        le=5,
    )
    own_results: Count = setting(
        1,
        "With `own_received`: how many `Authentication-Results` your border writes, one for each milter. What stands below "
        "these counts for nothing.",
        ge=1,
        le=5,
    )
    verify_dkim: Flag = setting(
        False,
        "Verify DKIM signatures ourselves where nobody's verdict is believed; asks the DNS for each sender's key. Needs the "
        'extra `dkim` (`pip install "listener[dkim]"`).',
    )


class Reply(Table):
    """Automatic replies; off unless this table is there."""

    on: Literal["new_case", "every_message", "never"] = setting(
        "new_case",
        "When a sender gets an acknowledgement: for the message that opens a case, for every message, or `never` (hooks may "
        "still reply, as `to` allows).",
    )
    to: Literal["verified", "anyone"] = setting(
        "verified",
        "Who may get one: `verified` answers only senders whose domain vouches for them (see `[accounts.trust]`); `anyone` "
        "can be abused to send mail to strangers.",
    )
    template: AccountFile | None = setting(
        None,
        "Jinja2 template of the reply's text; it sees `case`, `message` and `account`. See docs/replies.md.",
        said="built in",
        example="acknowledge.txt",
    )
    html_template: AccountFile | None = setting(
        None, "Jinja2 template of an HTML version, sent beside the text.", said="none", example="acknowledge.html"
    )
    subject: Text = setting(
        "We have received your message",
        "Subject for senders who are not verified; verified ones read their own again. The case's tag is put behind it.",
    )
    plus_address: Flag = setting(
        False,
        "Sign the Reply-To by a plus address; only where the server delivers `name+anything@` to `name@`.",
        said="by preset, else `false`",
        example=False,
    )
    envelope_from: Address | None = setting(
        None,
        "Envelope sender where the submission server refuses the empty one; best one that nobody watches.",
        said="the account's address",
        example="no-reply@example.com",
    )


class Cases(Table):
    """What mail for a closed case does; see `docs/cases.md`."""

    closed: Literal["reopen", "follow_up"] = setting(
        "reopen", "`reopen` opens the case again; `follow_up` makes a new case that is linked to it."
    )
    reopen_within: Duration | None = setting(
        None,
        "With `reopen`: how long after it was closed a case is opened again; later mail makes a follow-up.",
        said="for ever",
        example="30d",
        ge=60,
        le=36500 * 86400,
    )


class Account(Table):
    """One mailbox."""

    id: Text = setting(
        REQUIRED,
        "Account ID: letters, digits, `-`, `_` and `.`; never change it, the ledger knows the account by it.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        example="support",
    )
    name: Text = setting(
        lambda given: given.get("id", ""), "Account name, for people.", said="`id`", example="Customer support"
    )
    provider: Text = setting("custom", "Preset that fills what is left out below; see `docs/providers.md`.", example="custom")
    address: Address | None = setting(
        None, "The mailbox's own address.", said="`receiver.user` if that is one", example="support@example.com"
    )
    start: Start = setting(
        "now",
        "Which mail counts at the very first start: `now` (what arrives from then on), `all`, or `since:2026-01-31`. It is "
        "fixed before the first fetch; later changes have no effect.",
    )
    hooks: tuple[Text, ...] = setting(
        (),
        "What to run for each message of a case, in order: `python:module:Class`, `python:NAME` (an entry point of the group "
        "`listener.hooks`), `webhook:NAME`, `command:NAME`. Without any, cases are kept in the built-in case book only.",
        said="none",
        example=["webhook:crm", "command:archive"],
        max_length=20,
    )
    receiver: Receiver = setting(REQUIRED, "Where its mail comes from.")
    sender: Sender | None = setting(None, "How its answers are sent.", said="none")
    trust: Trust = setting(lambda given: {}, "Whose verdict on senders to believe.", said="by preset")
    reply_markers: tuple[Text, ...] = setting(
        (),
        "Further phrases that say where an answer ends, such as the one in your own notifications: from a line with it on, all "
        "is quoted.",
        said="the usual English ones",
        example=["Please write above this line"],
        max_length=20,
    )
    rules: tuple[Rule, ...] = setting(
        (), "What to do with mail before it comes into a case.", said="none", max_length=MAX_RULES
    )
    flood: Flood = setting(lambda given: {}, "How fast one sender may write.")
    reply: Reply | None = setting(None, "Automatic replies.", said="off")
    canary: Canary | None = setting(None, "Mail to itself, to see whether it arrives.", said="off")
    notify: Notify | None = setting(None, "Whom to tell of mail in its cases.", said="nobody")
    cases: Cases = setting(lambda given: {}, "What mail for a closed case does.")

    @property
    def since(self) -> float | None:
        """Where `start` begins: None is now, 0 everything, else POSIX seconds."""
        return start_time(self.start)

    @property
    def mailbox_identity(self) -> str:
        """Which mailbox this is: protocol, host and user. When it changes, unique ids mean nothing any more.

        Other ports are the same server, but on this machine, where tunnels end.
        """
        receiver = self.receiver
        host = receiver.host.lower() + (f":{receiver.port}" if is_loopback(receiver.host) else "")
        return f"{receiver.protocol} {host} {receiver.user_principal_name or receiver.user}"
