"""Every setting of Listener: its type, default, unit and prose; attribute names are the names in the TOML.

The models hold what `load.load` made of the files: presets and defaults filled in, paths absolute, checked. So an
account is ready to use as it stands (`account.receiver.host`, `.port`, `.user`, …). Durations are seconds, sizes octets.
Secrets are never here, only where they lie; they are read anew at each sign-in. Everything is frozen and compares by
value, which is how SIGHUP finds what changed (`changes`). `docs/configuration.md`, `config/listener.example.toml` and
`listener schema` are generated from the models: a setting without prose fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import PrivateAttr

from .account import Account, Cases, Receiver, ReceiverProtocol, Reply, Security, Sender, SenderProtocol, Trust
from .otlp import Otlp
from .profile import Grant, OAuthProfile
from .retention import Retention
from .rules import MAX_RULES, Conditions, Flood, Rule
from .telling import Alerts, Notify
from .values import REQUIRED, Bind, Count, Duration, File, Flag, Folder, Rate, SecretFile, Size, Table, Text, setting

__all__ = [
    "Account",
    "Admin",
    "Alerts",
    "Cases",
    "Changes",
    "Command",
    "Conditions",
    "Config",
    "Flood",
    "Grant",
    "Limits",
    "Listener",
    "Notify",
    "OAuthProfile",
    "Otlp",
    "Receiver",
    "ReceiverProtocol",
    "Reply",
    "Retention",
    "Rule",
    "Security",
    "Sender",
    "SenderProtocol",
    "Trust",
    "Webhook",
    "changes",
    "json_schema",
]


class Listener(Table):
    """The daemon itself."""

    state_dir: Folder = setting("/var/lib/listener", "Folder of the ledger, the lock and the control socket; mode 0700.")
    key_file: SecretFile | None = setting(
        None,
        "Key that encrypts stored secrets and signs tokens. Without it one is made in `state_dir`, with a warning, because a "
        "stolen backup would then hold the key beside what it protects.",
        said="made in `state_dir`",
        example="listener-key",
    )
    old_key_files: tuple[SecretFile, ...] = setting(
        (),
        "Former keys after `key_file` was replaced: answers to mail that they signed are still recognised. Take one out once "
        "no such answer is expected any more, or at once where it is in the wrong hands.",
        said="none",
        example=["listener-key-2025"],
        max_length=8,
    )
    expect_state: Flag = setting(
        False,
        "An empty ledger is refused instead of started from now. Set it once the first start is done: a lost disk is then "
        "a clear message and not silently skipped mail.",
    )
    own_addresses: tuple[Text, ...] = setting(
        (),
        "Further addresses of our own that are never answered by a machine, beside those of the accounts; `@example.com` is "
        "a whole domain.",
        said="none",
        example=["helpdesk@example.com", "@tickets.example.com"],
        max_length=1000,
    )
    ledger: Literal["sqlite"] = setting("sqlite", "Where state is kept.")
    accounts_dir: Folder | None = setting(
        None,
        "Folder with one TOML file for each account, with the same keys as `[[accounts]]`.",
        said="none",
        example="accounts",
    )


class Admin(Table):
    """Health, metrics, the API and the console."""

    bind: Bind = setting("127.0.0.1:8025", "Where health, metrics, API and console listen.")
    token_file: SecretFile | None = setting(
        None,
        "Token that `/healthz`, the API and the console ask for. Without it one is made in `state_dir/admin-token`.",
        said="made in `state_dir`",
        example="admin-token",
    )
    probe_bind: Bind | None = setting(
        None,
        "A second address that serves only `/livez`, `/readyz`, `/startupz` and `/metrics`, for orchestrators and Prometheus.",
        said="none",
        example="0.0.0.0:8026",
    )
    public_url: Text | None = setting(
        None,
        "How others reach this server: signed addresses in webhooks begin with it, so that the receiver can fetch messages.",
        said="none",
        example="https://mail.example.com",
    )
    cert_file: File | None = setting(
        None, "Certificate chain (PEM) for TLS of our own on `bind`; with `key_file`.", said="plain HTTP", example="admin.crt"
    )
    key_file: SecretFile | None = setting(None, "Private key (PEM) of `cert_file`.", said="plain HTTP", example="admin.key")


class Limits(Table):
    """Bounds on size, time and number. They all have sensible values; change one only when a message or log names it."""

    max_message: Size = setting(
        "50MB",
        "Largest message that is fetched. A larger one is held in quarantine with its header only and stays on the server; "
        "`listener release` fetches it.",
        ge=64 * 1024,
        le=150_000_000,
    )
    fetch_budget: Size = setting(
        "256MB", "Octets of mail that all accounts together may hold between fetch and commit.", ge=1_000_000, le=64_000_000_000
    )
    parse_timeout: Duration = setting(
        "10s", "Longest time for parsing one message; after it the message is quarantined.", ge=0.1, le=600
    )
    parse_memory: Size = setting(
        lambda given: f"{6 * given['max_message'] + 256 * 1024**2}B" if "max_message" in given else "556MB",
        "Memory (address space) that one parser process may use.",
        said="6 × `max_message` + 256 MiB",
        example="1GB",
        ge=128_000_000,
        le=64_000_000_000,
    )
    login_rate: Rate = setting(10, "Sign-ins a second to one host, over all accounts.", gt=0, le=1000)
    hook_timeout: Duration = setting("60s", "Longest time for one call of a Python hook.", ge=0.1, le=3600)
    hook_attempts: Count = setting(8, "Attempts for one delivery to a hook; after the last one it is dead.", ge=1, le=100)
    hook_concurrency: Count = setting(8, "Calls of one hook at the same time.", ge=1, le=100)
    replies_per_sender: Count = setting(
        1, "Acknowledgements that an account sends to one address within 24 hours.", ge=0, le=1000
    )
    hook_replies_per_sender: Count = setting(
        20, "Replies of hooks that an account sends to one address within 24 hours.", ge=0, le=10_000
    )
    replies_per_case: Count = setting(3, "Acknowledgements in one case, ever.", ge=0, le=1000)
    replies_per_minute: Count = setting(20, "Answers of one account within a minute.", ge=0, le=10_000)
    replies_per_day: Count = setting(500, "Answers of one account within 24 hours.", ge=0, le=1_000_000)
    replies_per_domain: Count = setting(
        5, "Answers within an hour to one domain that did not vouch for its senders, of all accounts.", ge=0, le=10_000
    )
    reply_breaker: Rate = setting(
        10, "All answers stop when the last 24 hours had so many times the answers of a day of the week before.", ge=1, le=1000
    )
    reply_breaker_floor: Count = setting(
        100, "Fewer answers than this within 24 hours never stop them all.", ge=1, le=1_000_000
    )
    reply_timeout: Duration = setting(
        "24h", "How long a mail that cannot be sent now is tried again; then it has failed.", ge=60, le=30 * 86400
    )
    senders_at_once: Count = setting(4, "Accounts that send mail at the same time.", ge=1, le=100)
    account_backlog: Count = setting(
        1000, "Messages of one account stored and not yet settled; above it fetching waits.", ge=1, le=1_000_000
    )
    backlog: Count = setting(
        10_000, "Messages of all accounts stored and not yet settled; above it fetching waits.", ge=1, le=10_000_000
    )


class Webhook(Table):
    """An HTTP address that is called for each message of a case."""

    url: Text = setting(REQUIRED, "Address to POST to (https).", example="https://crm.example.com/inbound")
    secret_file: SecretFile | None = setting(
        None, "Key of the HMAC-SHA256 signature in `X-Listener-Signature`.", said="unsigned", example="crm-hmac"
    )
    allow_private: Flag = setting(False, "Allow loopback and private addresses, and plain http.")
    timeout: Duration = setting("10s", "Longest time for one call.", ge=0.1, le=300)


class Command(Table):
    """A program that is run for each message of a case, with the raw message on its standard input."""

    argv: tuple[Text, ...] = setting(
        REQUIRED,
        "Program and arguments, never a shell. `{case}`, `{account}`, `{entry}` and `{key}` are replaced.",
        example=["/usr/local/bin/archive", "--case", "{case}"],
        min_length=1,
        max_length=100,
    )
    timeout: Duration = setting("60s", "Longest run; after it the program is killed.", ge=0.1, le=3600)


class Config(Table):
    """The whole configuration."""

    listener: Listener = setting(lambda given: {}, "The daemon itself.")
    admin: Admin = setting(lambda given: {}, "Health, metrics, API and console.")
    limits: Limits = setting(lambda given: {}, "Bounds.")
    alerts: Alerts | None = setting(None, "Telling operators what is wrong.", said="off")
    otlp: Otlp | None = setting(None, "OpenTelemetry.", said="off")
    retention: Retention = setting(lambda given: {}, "How long what is dealt with is kept.")
    accounts: tuple[Account, ...] = setting((), "The mailboxes.")
    oauth: dict[str, OAuthProfile] = setting(lambda given: {}, "Authentication profiles.")
    webhook: dict[str, Webhook] = setting(lambda given: {}, "Webhooks.")
    command: dict[str, Command] = setting(lambda given: {}, "Commands.")
    rules: tuple[Rule, ...] = setting(
        (), "Rules for the mail of all accounts, after their own.", said="none", max_length=MAX_RULES
    )

    _places: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def places(self) -> dict[str, str]:
        """Where accounts (`account/ID`) and profiles (`oauth/NAME`) stand: file and line. Those of the ledger are not in it."""
        return self._places

    def account(self, id: str) -> Account | None:
        """The account of that id, or None."""
        return next((account for account in self.accounts if account.id == id), None)

    def of_account(self, account: Account) -> tuple[object, ...]:
        """Everything that an account's tasks depend on; when it differs, the account restarts."""
        profiles = {account.receiver.oauth, account.sender.oauth if account.sender else None}
        hooks = [(hook, self.webhook.get(_name(hook)), self.command.get(_name(hook))) for hook in account.hooks]
        return account, [self.oauth.get(name) for name in sorted(filter(None, profiles))], hooks, self.limits


def _name(hook: str) -> str:
    return hook.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two configurations: account ids, and whether `[listener]` or `[admin]` need a restart."""

    added: frozenset[str]
    removed: frozenset[str]
    changed: frozenset[str]
    restart_needed: bool


def changes(old: Config, new: Config) -> Changes:
    """What SIGHUP has to do to get from `old` to `new`."""
    before = {account.id: old.of_account(account) for account in old.accounts}
    after = {account.id: new.of_account(account) for account in new.accounts}
    return Changes(
        added=frozenset(after.keys() - before.keys()),
        removed=frozenset(before.keys() - after.keys()),
        changed=frozenset(id for id in after.keys() & before.keys() if after[id] != before[id]),
        restart_needed=(old.listener, old.admin, old.otlp) != (new.listener, new.admin, new.otlp),
    )


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the files, for editors and `listener schema`."""
    return Config.model_json_schema(mode="validation")
