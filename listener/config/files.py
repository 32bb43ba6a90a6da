"""Can the files that settings name be used: are secrets there and readable, are certificates and templates what they should be?

Kept apart from the other checks, because this depends on the machine and on who asks. Nothing that a file holds is kept or
shown. `warnings` says what works and should still be looked at, `process_warnings` what of it concerns no single account.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import Fault
from . import Account, Admin, Config, Grant, Security
from .faults import Place, kind_of
from .kept import KeptFile
from .presets import notices
from .rules import always, rule_warnings
from .toml_lines import Path as KeyPath
from .truststore import Unusable, certificates
from .values import Table, bind_address, is_loopback

MAX_SECRET = 64 * 1024
"""Octets that a secret file may have; keys and certificates included."""


def file_faults(table: Table, place: Place) -> Iterator[Fault]:
    """Every file that this table names and that cannot be used."""
    for at, path, kind in _files(table):
        if kind == "secret file":
            reason = secret_trouble(path)
        elif at[-1] == "truststore_file":
            side = getattr(table, str(at[0]), None) if len(at) > 1 else table
            reason = truststore_trouble(path, getattr(side, "truststore_password_file", None)).reason
        else:
            reason = _file_trouble(path)
        if reason:
            yield place.fault(at, reason)
    if isinstance(table, Admin) and table.cert_file and table.key_file:
        reason = "" if _file_trouble(table.key_file) else _pair_trouble(table.cert_file, table.key_file)
        if reason:
            yield place.fault(("cert_file",), reason)


def _files(table: Table, above: KeyPath = ()) -> Iterator[tuple[KeyPath, Path, str]]:
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, Table):
            borrowed = name == "receiver" and getattr(value, "use_sender_identity", False)
            yield from (f for f in _files(value, (*above, name)) if not (borrowed and f[0][-1] == "password_file"))
        elif kind_of(field) in ("file", "secret file"):
            paths = value if isinstance(value, tuple) else (value,)
            yield from (((*above, name), path, kind_of(field)) for path in paths if isinstance(path, Path))


def secret_trouble(path: Path | KeptFile) -> str:
    """Why this secret file cannot be used and what to do, "" when it can. Raises PermanentFailure for what is kept sealed."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_SECRET + 1)
    except FileNotFoundError:
        return f"there is no file {path}, nor a credential of that name: create it (mode 0600) or correct the name"
    except PermissionError:
        return f"{path} is not readable by {_who()}: give it to that user (mode 0600), or pass it by LoadCredential"
    except (OSError, ValueError) as error:
        return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
    if not octets.strip():
        return f"{path} is empty: write the secret into it"
    return f"{path} is larger than {MAX_SECRET} octets: that is no secret" if len(octets) > MAX_SECRET else ""


def _who() -> str:
    return f"the user who runs this (uid {os.geteuid()})"


def _file_trouble(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return ""


def truststore_trouble(path: Path | KeptFile, password_file: Path | KeptFile | None) -> Fault:
    """Why this trust store cannot be used, at the setting that would mend it; without a reason when it can."""
    if isinstance(path, Path) and (reason := _file_trouble(path)):
        return Fault("truststore_file", reason)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=certificates(path, password_file))
    except Unusable as error:
        return Fault("truststore_password_file" if error.of_password else "truststore_file", str(error))
    except ssl.SSLError:
        it = path if isinstance(path, Path) else "this"
        return Fault("truststore_file", f"{it} has no certificates in PEM form (-----BEGIN CERTIFICATE-----)")
    return Fault("truststore_file", "")


def _pair_trouble(certificate: Path, key: Path) -> str:
    """Why this certificate and key cannot serve TLS, "" when they can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, OSError):
        return f"{certificate} and {key} are no certificate and its unencrypted key, both in PEM form"
    return ""


def warnings(config: Config, today: date) -> list[str]:
    """What works today and should still be looked at; one sentence each, naming the setting."""
    return [
        *process_warnings(config),
        *(f"{a.id}: {at}: {said}" for a in config.accounts for at, said in account_warnings(a, today)),
    ]


def process_warnings(config: Config) -> list[str]:
    """Those that concern no single account; one sentence each, naming the setting or the file."""
    return [
        *_table_warnings(config),
        *(f"oauth.{name}: {said}" for name, profile in config.oauth.items() for said in grant_warnings(profile.grant)),
        *_mode_warnings(config),
    ]


def _table_warnings(config: Config) -> Iterator[str]:
    if not config.accounts:
        yield "there is no account in the files: add [[accounts]] or files in accounts_dir, or make one in the console"
    if not is_loopback(bind_address(config.admin.bind)[0]) and config.admin.cert_file is None:
        yield f"admin.bind: {config.admin.bind} is reachable from elsewhere without TLS: the token travels in clear text"
    used = {side.oauth for account in config.accounts for side in (account.receiver, account.sender) if side}
    for profile in sorted(config.oauth.keys() - used):
        yield f"oauth.{profile}: no account uses it"
    if (public := urlsplit(config.admin.public_url or "")).scheme == "http" and not is_loopback(public.hostname or ""):
        yield "admin.public_url: plain http: mail that webhooks fetch from there crosses the network in clear text"
    yield from _rule_warnings(config)
    named = {hook for account in config.accounts for hook in account.hooks}
    for kind, tables in (("webhook", config.webhook), ("command", config.command)):
        for hook in sorted(tables):
            if f"{kind}:{hook}" not in named:
                yield f"{kind}.{hook}: no account uses it"


def _rule_warnings(config: Config) -> Iterator[str]:
    yield from (f"rules: {said}" for said in rule_warnings(config.rules))
    for account in config.accounts:
        if config.rules and (final := always(account.rules)):
            yield f'{account.id}: rules: the general rules can never fire: "{final.name}" before them always holds'


def account_warnings(account: Account, today: date) -> Iterator[tuple[str, str]]:
    """The same for one account: the setting, and a sentence."""
    for name, side in (("receiver", account.receiver), ("sender", account.sender)):
        if side and side.security is Security.NONE and not is_loopback(side.host):
            yield f"{name}.insecure", "password and mail cross the network in clear text"
    receiver = account.receiver
    if account.provider == "gmail" and receiver.protocol == "pop3" and not receiver.user.startswith("recent:"):
        yield "receiver.user", "Gmail hides mail that any program has popped: read it here alone, or write recent: before it"
    if account.trust.authserv_id is None:
        yield "trust.authserv_id", 'none, so the verdict on every sender is "unknown"'
    yield from (("rules", said) for said in rule_warnings(account.rules))
    for notice in notices(account, today):
        yield "provider", f"{'since' if notice.on <= today else 'on'} {notice.on}: {notice.text}"


def grant_warnings(grant: Grant) -> Iterator[str]:
    """What a profile's grant should be looked at for."""
    if grant is Grant.PASSWORD:
        yield "the password grant cannot satisfy multi-factor sign-in and is being retired by its issuers; plan another"


def _mode_warnings(config: Config) -> Iterator[str]:
    """Secret files that others on this machine can read."""
    tables: list[Table] = [config.listener, config.admin, *config.accounts, *config.oauth.values(), *config.webhook.values()]
    files = {path for table in tables for _, path, kind in _files(table) if kind == "secret file"}
    for path in sorted(files):
        try:
            about = path.stat()
        except OSError:
            continue
        mode, ours = stat.S_IMODE(about.st_mode), about.st_uid == os.geteuid()
        if mode & (0o077 if ours else 0o007):  # another's file reaches us through its group: that is what the group is for
            yield f"{path}: mode {mode:04o} lets others read this secret; chmod 0600"
