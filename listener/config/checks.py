"""What no setting can know alone: do the settings of an account, and accounts, profiles and hooks among them, fit together?

`load` calls these after the settings themselves were read. Each check yields `Conflict`s: the setting at fault, a
sentence that says what to write, and the other settings that the verdict rests on (when one of those is itself faulty, the
conflict is not reported: it would only confuse). Only `file_conflicts` looks at the disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from . import Account, Admin, Alerts, Command, Grant, Limits, OAuthProfile, Otlp, Receiver, Security, Sender, Trust, Webhook
from .account import TOPMOST
from .faults import did_you_mean
from .presets import Provider, providers, takes_passwords
from .toml_lines import Path as KeyPath
from .values import as_size, bind_address, is_loopback

Raw = Mapping[str, Any]

MEANT: Mapping[int, Security] = {
    993: Security.TLS,
    995: Security.TLS,
    465: Security.TLS,
    143: Security.STARTTLS,
    110: Security.STARTTLS,
    587: Security.STARTTLS,
}
"""What servers speak on the well-known ports (RFC 8314 §3, RFC 6409): the others are free."""

PROTOCOL_OF = {993: "imap", 143: "imap", 995: "pop3", 110: "pop3", 465: "smtp", 587: "smtp", 25: "smtp"}


@dataclass(frozen=True, slots=True)
class Conflict:
    """A setting that contradicts others. Paths are relative to the table that was checked."""

    at: KeyPath
    reason: str
    rests_on: tuple[KeyPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """What an account may refer to."""

    oauth: frozenset[str]
    webhook: frozenset[str]
    command: frozenset[str]


def account_conflicts(account: Account, written: Raw, names: Names) -> Iterator[Conflict]:
    """Everything that does not fit within one account. `written` is its table as the file has it."""
    provider = providers().get(account.provider)
    if provider is None:
        known = ", ".join(providers())
        yield Conflict(("provider",), f"is not a provider that we know.{did_you_mean(account.provider, providers())} ({known})")
    yield from _server(account.receiver, "receiver", account, provider)
    yield from _identity(account, written)
    yield from _sign_in(account.receiver, "receiver", account, names)
    yield from _folders(account.receiver)
    if account.receiver.must_be_refused is not None and account.receiver.protocol != "graph":
        yield Conflict(("receiver", "must_be_refused"), "is tried with Microsoft Graph only", (("receiver", "protocol"),))
    yield from _trust(account.trust)
    if account.sender is not None:
        yield from _server(account.sender, "sender", account, provider)
        yield from _sign_in(account.sender, "sender", account, names)
    if account.reply is not None and account.sender is None:
        yield Conflict(("reply",), "automatic replies need to be sent by somebody: add [accounts.sender]", (("sender",),))
    if account.canary is not None and account.sender is None:
        yield Conflict(("canary",), "probe mails need to be sent by somebody: add [accounts.sender]", (("sender",),))
    if account.notify is not None and account.sender is None:
        yield Conflict(("notify",), "notifications need to be sent by somebody: add [accounts.sender]", (("sender",),))
    if account.notify is not None and (account.address or "").lower() in {one.lower() for one in account.notify.to}:
        yield Conflict(
            ("notify", "to"), "holds the account's own address: every notification would come in as mail", (("address",),)
        )
    yield from _hooks(account.hooks, names)


def _server(side: Receiver | Sender, name: str, account: Account, provider: Provider | None) -> Iterator[Conflict]:
    protocol, security = (name, "protocol"), (name, "security")
    if side.protocol == "graph":
        if account.provider != "microsoft365":
            yield Conflict(protocol, 'Microsoft Graph needs provider = "microsoft365"', (("provider",),))
        if side.security is not Security.TLS:
            yield Conflict(security, 'Microsoft Graph is reached by security = "tls" only', (protocol,))
    elif not side.host:
        yield Conflict((name, "host"), _no_host(side, provider), (("provider",), protocol))
    meant = MEANT.get(side.port)
    if meant and meant is not side.security and not (meant is Security.STARTTLS and side.security is Security.NONE):
        yield Conflict((name, "port"), _wrong_port(side, meant), (security, protocol))
    elif PROTOCOL_OF.get(side.port, side.protocol) != side.protocol:
        yield Conflict((name, "port"), f"{side.port} is the port of {PROTOCOL_OF[side.port].upper()}", (protocol, security))
    if side.security is Security.NONE and side.host and not side.insecure and not is_loopback(side.host):
        yield Conflict(
            security,
            f'"none" would send the password to {side.host} in clear text: write "tls" or "starttls", '
            "or insecure = true if the network is really yours",
            ((name, "host"), (name, "insecure")),
        )


def _no_host(side: Receiver | Sender, provider: Provider | None) -> str:
    if provider and provider.imap:
        return f"{provider.name} has no {side.protocol.upper()}: choose another protocol"
    return "is required: write the server's name, or a provider whose preset knows it"


def _wrong_port(side: Receiver | Sender, meant: Security) -> str:
    said = f'{side.port} contradicts security = "{side.security}"'
    return f"{said}: servers speak {meant} there; change one of them, or leave port out"


def _identity(account: Account, written: Raw) -> Iterator[Conflict]:
    if not account.receiver.use_sender_identity:
        return
    at = ("receiver", "use_sender_identity")
    if account.sender is None:
        yield Conflict(at, "there is no [accounts.sender] whose identity could be used", (("sender",),))
    own = written.get("receiver", {})
    for key in ("user", "password_file", "oauth"):
        if isinstance(own, Mapping) and key in own:
            yield Conflict(("receiver", key), "contradicts use_sender_identity = true: leave one of them out")


def _sign_in(side: Receiver | Sender, name: str, account: Account, names: Names) -> Iterator[Conflict]:
    password, oauth = (name, "password_file"), (name, "oauth")
    if name == "receiver" and account.receiver.use_sender_identity:
        return
    if not side.user:
        yield Conflict((name, "user"), "is required: write the name to sign in with, or the account's address", (("address",),))
    if side.password_file and side.oauth:
        yield Conflict(oauth, "there is a password_file too: leave one of them out", (password,))
    if not side.password_file and not side.oauth:
        yield Conflict(password, "is required (or oauth): how else should we sign in?", (oauth, (name, "password")))
    if side.oauth and side.oauth not in names.oauth:
        yield Conflict(oauth, f"there is no [oauth.{side.oauth}].{did_you_mean(side.oauth, names.oauth)}")
    if side.password_file and side.protocol == "graph":
        yield Conflict(password, "Microsoft Graph takes no passwords: write oauth with a profile", ((name, "protocol"),))
    if side.password_file and not takes_passwords(account, "receiver" if name == "receiver" else "sender"):
        yield Conflict(
            password,
            f"{account.provider} takes no passwords here: write oauth with a profile",
            (("provider",), (name, "protocol")),
        )


def _folders(receiver: Receiver) -> Iterator[Conflict]:
    folders, after = ("receiver", "folders"), ("receiver", "after")
    same = [_folder_key(folder) for folder in receiver.folders]
    if len(set(same)) < len(same):
        yield Conflict(folders, "names a folder twice")
    if receiver.protocol == "pop3":
        if same != ["INBOX"]:
            yield Conflict(folders, 'POP3 has only one folder: leave it out or write ["INBOX"]', (("receiver", "protocol"),))
        if receiver.after not in ("keep", "delete"):
            yield Conflict(after, 'POP3 can only "keep" or "delete"', (("receiver", "protocol"),))
        if receiver.after == "delete" and receiver.user.lower().startswith("recent:"):
            reason = (
                'with the user "recent:…" Gmail shows the last 30 days to every program: write "keep", or leave "recent:" out'
            )
            yield Conflict(after, reason, (("receiver", "user"),))
    if receiver.move_to is not None and _folder_key(receiver.move_to) in same:
        yield Conflict(after, f'"{receiver.move_to}" is a watched folder: mail moved there would come again', (folders,))


def _folder_key(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name  # RFC 9051 §5.1: INBOX alone is case-insensitive


def _trust(trust: Trust) -> Iterator[Conflict]:
    if trust.own_received and trust.authserv_id in (None, TOPMOST):
        reason = "needs the authserv_id that your border writes: without it every sender could be its own witness"
        yield Conflict(("trust", "own_received"), reason, (("trust", "authserv_id"),))
    if trust.verify_dkim and not all(map(find_spec, ("dkim", "dns"))):
        yield Conflict(("trust", "verify_dkim"), 'needs the extra `dkim`: pip install "listener[dkim]"')


def _hooks(hooks: Iterable[str], names: Names) -> Iterator[Conflict]:
    known: dict[str, frozenset[str]] = {"webhook": names.webhook, "command": names.command}
    seen: set[str] = set()
    for index, hook in enumerate(hooks):
        kind, _, name = hook.partition(":")
        at: KeyPath = ("hooks", index)
        if hook in seen:
            yield Conflict(at, f'"{hook}" is there twice')
        seen.add(hook)
        if not name or kind not in ("python", *known):
            yield Conflict(at, f'"{hook}": write "python:module:Class", "webhook:NAME" or "command:NAME"')
        elif kind in known and name not in known[kind]:
            yield Conflict(at, f"there is no [{kind}.{name}].{did_you_mean(name, known[kind])}")


def oauth_conflicts(profile: OAuthProfile) -> Iterator[Conflict]:
    """Whether a profile has what its grant needs."""
    needed: dict[Grant, tuple[str, ...]] = {
        Grant.CLIENT_CREDENTIALS: ("client_id",),
        Grant.PASSWORD: ("client_id", "password_file"),
        Grant.REFRESH_TOKEN: ("client_id",) if consent_possible(profile) else ("client_id", "refresh_token_file"),
        Grant.JWT_BEARER: ("service_account_file",),
    }
    managed = profile.managed_identity or profile.workload_identity
    for key in needed[profile.grant]:
        if getattr(profile, key) is None and not (managed and key == "client_id"):
            yield Conflict((key,), f'is required by grant = "{profile.grant}"', (("grant",),))
    if profile.issuer == "microsoft" and profile.tenant is None and profile.grant is not Grant.REFRESH_TOKEN and not managed:
        yield Conflict(("tenant",), 'is required by issuer = "microsoft": the directory (tenant) ID', (("issuer",),))
    if profile.issuer == "custom" and profile.token_url is None:
        yield Conflict(("token_url",), 'is required by issuer = "custom"', (("issuer",),))
    for key in ("token_url", "authorize_url"):
        url = getattr(profile, key)
        if url is not None and not _is_safe(url):
            yield Conflict((key,), "write an https address: secrets are sent there")
    if profile.grant is Grant.CLIENT_CREDENTIALS:
        yield from _client_proof(profile)


def consent_possible(profile: OAuthProfile) -> bool:
    """Can a person consent in the browser, so that no refresh token need be given?"""
    return profile.grant is Grant.REFRESH_TOKEN and (profile.issuer != "custom" or profile.authorize_url is not None)


def _client_proof(profile: OAuthProfile) -> Iterator[Conflict]:
    ways = ("client_secret_file", "certificate_file", "managed_identity", "workload_identity")
    used = [key for key in ways if getattr(profile, key)]
    if len(used) != 1:
        said = f"{' and '.join(used)} contradict each other" if used else "is required"
        yield Conflict((used[-1] if used else ways[0],), f"{said}: write exactly one of {', '.join(ways)}")
    if used and used[0] != "client_secret_file" and profile.issuer != "microsoft":
        yield Conflict((used[0],), 'works with issuer = "microsoft" only', (("issuer",),))
    if profile.issuer == "google":
        yield Conflict(("grant",), 'Google knows no client_credentials for mail: write grant = "jwt_bearer"', (("issuer",),))


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")))


def webhook_conflicts(webhook: Webhook) -> Iterator[Conflict]:
    """Whether the address may be called at all; what it resolves to is vetted at each call."""
    parts = urlsplit(webhook.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Conflict(("url",), "write a whole address, such as https://crm.example.com/inbound")
    elif parts.username or parts.password:
        yield Conflict(("url",), "has a user or password in it: secrets belong into files (secret_file)")
    elif not webhook.allow_private and (parts.scheme == "http" or is_loopback(parts.hostname)):
        yield Conflict(("url",), "plain http and this machine are refused without allow_private = true", (("allow_private",),))


def command_conflicts(command: Command) -> Iterator[Conflict]:
    """Whether there is such a program."""
    if shutil.which(command.argv[0]) is None:
        yield Conflict(("argv",), f'there is no program "{command.argv[0]}" that we may run')


def admin_conflicts(admin: Admin) -> Iterator[Conflict]:
    """Whether the addresses and the TLS files go together."""
    if (admin.cert_file is None) != (admin.key_file is None):
        missing = "key_file" if admin.key_file is None else "cert_file"
        yield Conflict((missing,), "is required: cert_file and key_file go together", (("cert_file",), ("key_file",)))
    if admin.probe_bind == admin.bind and bind_address(admin.bind)[1] != 0:
        yield Conflict(("probe_bind",), "is the same as bind", (("bind",),))
    if admin.public_url is not None and urlsplit(admin.public_url).scheme not in ("http", "https"):
        yield Conflict(("public_url",), "write a whole address, such as https://mail.example.com")


def alert_conflicts(webhooks: Collection[str], alerts: Alerts) -> Iterator[Conflict]:
    """Whether there is a way to tell anybody; whether the account can send is known once all accounts are."""
    if alerts.webhook is None and not alerts.mail_to:
        yield Conflict((), "tells nobody: write webhook, or mail_to and account")
    if alerts.webhook is not None and alerts.webhook not in webhooks:
        yield Conflict(("webhook",), f"there is no [webhook.{alerts.webhook}]{did_you_mean(alerts.webhook, webhooks)}")
    if alerts.mail_to and alerts.account is None:
        yield Conflict(("account",), "is required by mail_to: whose sender sends the mail?", (("mail_to",),))


def otlp_conflicts(otlp: Otlp) -> Iterator[Conflict]:
    """Whether what sends it is installed."""
    if find_spec("opentelemetry") is None:
        yield Conflict((), "needs OpenTelemetry: install listener[otlp], or remove the table")


def limit_conflicts(limits: Limits) -> Iterator[Conflict]:
    """Whether one bound leaves room for the other."""
    if limits.fetch_budget < limits.max_message:
        yield Conflict(
            ("fetch_budget",),
            f'is below max_message ("{as_size(limits.max_message)}"): no such message could ever be fetched',
            (("max_message",),),
        )
    if limits.parse_memory < 3 * limits.max_message:
        yield Conflict(("parse_memory",), "parsing needs at least three times max_message", (("max_message",),))
    if limits.backlog < limits.account_backlog:
        yield Conflict(("backlog",), f"is below account_backlog ({limits.account_backlog})", (("account_backlog",),))


def hook_conflicts(hooks: Iterable[str], check: Callable[[str], str | None]) -> Iterator[Conflict]:
    """What `check` says of the Python hooks (it may import them): a sentence, or None when they can be used."""
    for index, hook in enumerate(hooks):
        reason = check(hook) if hook.startswith("python:") else None
        if reason:
            yield Conflict(("hooks", index), reason)
