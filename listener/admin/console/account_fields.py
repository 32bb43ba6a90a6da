"""The fields of the account form, in the order in which an administrator knows them, and what goes between form and settings.

Help is the prose of the configuration's own models, so that page, file and documentation say the same. Fields without a
setting of their own (`aside`) steer the form: how a side signs in, where processed mail goes, from which day on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ...config import Account, Receiver, Sender
from ...config.presets import providers
from .forms import KEPT, Field, Options, Part, Settings, Sort, get, put
from .truststores import truststore

SIGN_INS: Options = (("password", "User and password"), ("oauth", "Authentication profile (OAuth 2.0)"))
SECURITIES: Options = (("tls", "SSL/TLS"), ("starttls", "STARTTLS"), ("none", "None (only to this machine)"))
TLS_VERSIONS: Options = (("1.2", "TLS 1.2"), ("1.3", "TLS 1.3"))
AFTERS: Options = (
    ("seen", "Mark as read"),
    ("keep", "Leave as it is"),
    ("move", "Move to a folder"),
    ("delete", "Delete on the server"),
)
STARTS: Options = (("now", "Now: mail that arrives from now on"), ("since", "A day"), ("all", "Everything that is there"))
ONE_LINE = {
    "sender": "How this account's answers are sent. Needed for automatic replies only.",
    "receiver": "Where its mail comes from.",
}

IMAP, POP3, GRAPH = "imap", "pop3", "graph"
_R = "receiver.protocol"
_S = "sender.protocol"


def _prose(table: Any, name: str) -> str:
    return str(table.model_fields[name].description or "")


def parts(profiles: Sequence[str], *, is_new: bool) -> tuple[Part, ...]:
    """The whole form. `profiles`: ids of authentication profiles."""
    chosen: Options = (("", "choose one"), *((one, one) for one in profiles))
    return (
        Part("Account", "What it is called here, and who runs its mail server.", _account(is_new)),
        Part("Sender", ONE_LINE["sender"], _sender(chosen)),
        Part("Receiver", ONE_LINE["receiver"], _receiver(chosen)),
        Part("Mail", "Which mail counts, and what becomes of it on the server.", _mail()),
        Part("Further", "What is handed on, and to whom.", _further()),
    )


@cache
def labels() -> Mapping[str, str]:
    """What settings are called on the pages, by their dotted names."""
    named = {}
    for part in parts((), is_new=False):
        for one in part.fields:
            side = one.name.partition(".")[0]
            label = one.label[:1].lower() + one.label[1:]
            named[one.name] = f"{side.capitalize()}: {label}" if side in ("sender", "receiver") else one.label
            named[f"{one.name}_file"] = f"{named[one.name]} (file)"
    trusted = "Whose verdict on senders is trusted (authserv-id)"
    return named | {"start": "Start from", "receiver.after": "After processing", "trust.authserv_id": trusted}


def _account(is_new: bool) -> tuple[Field, ...]:
    named: Options = tuple((name, provider.name) for name, provider in providers().items())
    return (
        Field(
            "id",
            "Account ID",
            _prose(Account, "id").removeprefix("Account ID: ").capitalize(),
            placeholder="support",
            fixed=not is_new,
        ),
        Field("name", "Account name", _prose(Account, "name"), placeholder="Customer support"),
        Field("provider", "Email provider", "Fills hosts, ports, security and sign-in.", Sort.CHOICE, named, default="custom"),
        Field("address", "Email address", _prose(Account, "address"), placeholder="support@example.com"),
    )


def _sender(profiles: Options) -> tuple[Field, ...]:
    ways: Options = (("", "This account sends nothing"), ("smtp", "SMTP"), ("graph", "Microsoft Graph"))
    any_, smtp = (_S, ("smtp", "graph")), (_S, ("smtp",))
    password, oauth = ("sender.sign_in", ("password",)), ("sender.sign_in", ("oauth",))
    return (
        Field(_S, "Send using", "Microsoft Graph only for Microsoft 365.", Sort.CHOICE, ways),
        Field("sender.user", "Sender's ID", _prose(Sender, "user"), when=(any_,), placeholder="support@example.com"),
        Field("sender.sign_in", "Sender signs in with", "", Sort.CHOICE, SIGN_INS, (smtp,), "password", aside=True),
        Field("sender.password", "Sender's password", "Kept encrypted; never shown again.", Sort.SECRET, when=(smtp, password)),
        Field("sender.oauth", "Sender's profile", _prose(Sender, "oauth"), Sort.CHOICE, profiles, (any_, oauth)),
        *_server("sender", smtp),
    )


def _receiver(profiles: Options) -> tuple[Field, ...]:
    ways: Options = ((IMAP, "IMAP"), (POP3, "POP3"), (GRAPH, "Microsoft Graph"))
    mail, own, sends = (_R, (IMAP, POP3)), ("receiver.use_sender_identity", ("",)), (_S, ("smtp",))
    password, oauth = ("receiver.sign_in", ("password",)), ("receiver.sign_in", ("oauth",))
    same = "Sign in as the sender does: its ID, and its password or profile."
    return (
        Field(_R, "Receive using", "Microsoft Graph only for Microsoft 365.", Sort.CHOICE, ways, default=IMAP),
        Field("receiver.use_sender_identity", "Use sender's ID and password", same, Sort.TICK, when=(mail, sends)),
        Field("receiver.user", "User", _prose(Receiver, "user"), when=(mail, own), placeholder="support@example.com"),
        Field("receiver.sign_in", "Sign in with", "", Sort.CHOICE, SIGN_INS, (mail, own), "password", aside=True),
        Field("receiver.password", "Password", "Kept encrypted; never shown again.", Sort.SECRET, when=(mail, own, password)),
        *_server("receiver", mail),
        Field(
            "receiver.user_principal_name", "User principal name", _prose(Receiver, "user_principal_name"),
            when=((_R, (GRAPH,)),), placeholder="support@example.com",
        ),
        Field("receiver.oauth", "Authentication profile", _prose(Receiver, "oauth"), Sort.CHOICE, profiles, (oauth,)),
    )  # fmt: skip


def _server(side: str, mail: tuple[str, tuple[str, ...]]) -> tuple[Field, ...]:
    """Where a side connects to, and how."""
    shield = (f"{side}.security", ("tls", "starttls"))
    return (
        Field(
            f"{side}.host",
            "Host",
            _prose(Receiver, "host"),
            when=(mail,),
            placeholder=f"{'smtp' if side == 'sender' else 'imap'}.example.com",
        ),
        Field(f"{side}.port", "Port", "Follows the security that is chosen.", Sort.NUMBER, when=(mail,)),
        Field(f"{side}.security", "Security", _prose(Receiver, "security"), Sort.CHOICE, SECURITIES, (mail,), "tls"),
        Field(
            f"{side}.min_tls",
            "Lowest TLS version",
            _prose(Receiver, "min_tls"),
            Sort.CHOICE,
            TLS_VERSIONS,
            (mail, shield),
            "1.2",
        ),
        *truststore(f"{side}.truststore", (mail, shield)),
    )


def _mail() -> tuple[Field, ...]:
    folders = f"{_prose(Receiver, 'folders')} One a line."
    return (
        Field("receiver.folders", "Folders", folders, Sort.LINES, when=((_R, (IMAP, GRAPH)),), default="INBOX"),
        Field("after", "After processing", _prose(Receiver, "after"), Sort.CHOICE, AFTERS, default="seen", aside=True),
        Field("receiver.move", "Folder to move to", "", when=(("after", ("move",)),), placeholder="Processed", aside=True),
        Field("begin", "Start from", _prose(Account, "start"), Sort.CHOICE, STARTS, default="now", aside=True),
        Field(
            "since",
            "Day",
            "Year-month-day, for instance 2026-01-31.",
            when=(("begin", ("since",)),),
            aside=True,
            placeholder="2026-01-31",
        ),
    )


def _further() -> tuple[Field, ...]:
    return (
        Field("hooks", "Hooks", f"{_prose(Account, 'hooks')} One a line.", Sort.LINES),
        Field("receiver.poll_interval", "Look every", _prose(Receiver, "poll_interval"), placeholder="60s"),
        Field("trust.authserv_id", "Trusted authserv-id", "Who vouches for senders: " + _trust(), placeholder="mx.example.com"),
    )


def _trust() -> str:
    return (
        "the name that your own mail server writes into `Authentication-Results`. Filled by the provider where that is known."
    )


# --- between form and settings ---------------------------------------------------------------------------------------------


def finished(made: Settings, values: Mapping[str, str]) -> Settings:
    """The settings with what the steering fields say."""
    after = values.get("after", "")
    put(made, "receiver.after", f"move:{values.get('receiver.move', '')}" if after == "move" else after or None)
    begin = values.get("begin", "now")
    put(made, "start", f"since:{values.get('since', '')}" if begin == "since" else begin)
    if not values.get(_S):
        made.pop("sender", None)
    return made


def steering(made: Settings) -> dict[str, str]:
    """What the steering fields show of these settings."""
    after, start = str(get(made, "receiver.after") or ""), str(made.get("start") or "now")
    default = "keep" if get(made, _R) == POP3 else "seen"
    shown = {
        "after": "move" if after.startswith("move:") else after or default,
        "receiver.move": after[5:] if after.startswith("move:") else "",
    }
    shown |= {
        "begin": "since" if start.startswith("since:") else start,
        "since": start[6:] if start.startswith("since:") else "",
    }
    for side in ("sender", "receiver"):
        has_profile = get(made, f"{side}.oauth") and get(made, f"{side}.password") != KEPT
        is_graph = get(made, f"{side}.protocol") == GRAPH
        shown[f"{side}.sign_in"] = "oauth" if has_profile or is_graph else "password"
    return shown


def implied(values: dict[str, str]) -> dict[str, str]:
    """What follows from other values: Graph signs in with a profile, and who uses the sender's identity has none of his own."""
    for side in ("sender", "receiver"):
        if values.get(f"{side}.protocol") == GRAPH:
            values[f"{side}.sign_in"] = "oauth"
    uses_sender = values.get("receiver.use_sender_identity") == "on"
    if uses_sender and (values.get(_S) != "smtp" or values.get(_R) == GRAPH):
        values["receiver.use_sender_identity"] = ""
    elif uses_sender:
        values["receiver.sign_in"] = "password"
    return values
