"""Presets of well-known mail providers, and how they fill what an account leaves out.

`providers.toml` is data: one table for each provider with its hosts, ports, security, sign-in, limits, source and date.
`fill` works on the account's table as read from TOML, before it becomes a model: own values always win. It also resolves
`use_sender_identity` and the user name. `notices` are the dated warnings of `listener check`. No I/O but that one file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Literal

from .account import Account, Security
from .values import Duration, Host, Name, Size, Table, Text, is_loopback

Raw = dict[str, Any]


class Endpoint(Table):
    """One way in: where, how protected, how to sign in."""

    host: Host
    port: int
    security: Security
    auth: tuple[Literal["oauth", "password", "app_password"], ...]
    user: Literal["address", "local_part"] = "address"


class Notice(Table):
    """A dated warning that concerns accounts of this provider."""

    on: date
    about: Literal["always", "receiver_password", "sender_password"]
    text: Text


class Provider(Table):
    """One row of `providers.toml`; its head explains the keys."""

    name: Text
    domains: tuple[Text, ...]
    imap: tuple[Endpoint, ...] = ()
    pop3: tuple[Endpoint, ...] = ()
    smtp: tuple[Endpoint, ...] = ()
    graph: bool = False
    max_connections: int
    idle_interval: Duration | None = None
    max_per_day: Mapping[Literal["imap", "pop3"], Size] = {}
    authserv_id: Name = ""
    plus_addresses: bool = False
    hint: Name = ""
    notices: tuple[Notice, ...] = ()
    source: Text
    checked_on: date

    def endpoints(self, protocol: str) -> tuple[Endpoint, ...]:
        """The ways in by this protocol, best first; none for Graph, which has no host to fill."""
        found: tuple[Endpoint, ...] = getattr(self, protocol) if protocol in ("imap", "pop3", "smtp") else ()
        return found


@cache
def providers() -> Mapping[str, Provider]:
    """All presets by name."""
    text = resources.files(__package__).joinpath("providers.toml").read_text("utf-8")
    return {name: Provider.model_validate(table) for name, table in tomllib.loads(text).items()}


def fill(account: Raw) -> Raw:
    """The account's table with everything filled in that preset and sender's identity give; the given one stays as it is.

    Values of a wrong type are left for the models to complain about. Never raises.
    """
    provider = providers().get(str(account.get("provider", "custom")))
    receiver, sender = account.get("receiver"), account.get("sender")
    filled = dict(account)
    address = account.get("address") if isinstance(account.get("address"), str) else _address_of(receiver, sender)
    if address:
        filled.setdefault("address", address)
    if isinstance(sender, dict):
        filled["sender"] = sender = _fill_side(sender, sender.get("protocol", "smtp"), provider, address)
    if isinstance(receiver, dict):
        filled["receiver"] = _fill_receiver(receiver, sender, provider, address)
    if provider and provider.authserv_id and isinstance(account.get("trust", {}), dict):
        filled["trust"] = {"authserv_id": provider.authserv_id} | account.get("trust", {})
    if provider and provider.plus_addresses and isinstance(account.get("reply"), dict):
        filled["reply"] = {"plus_address": True} | account["reply"]
    return filled


def _address_of(*sides: object) -> str | None:
    users = (side.get("user") for side in sides if isinstance(side, dict))
    return next((user for user in users if isinstance(user, str) and 0 < user.find("@") < len(user) - 1), None)


def _fill_receiver(receiver: Raw, sender: object, provider: Provider | None, address: str | None) -> Raw:
    own = dict(receiver)
    if own.get("use_sender_identity") is True and isinstance(sender, dict):
        own = {key: sender[key] for key in ("user", "password_file", "oauth") if key in sender} | own
    filled = _fill_side(own, own.get("protocol", "imap"), provider, address)
    if provider and provider.idle_interval is not None:
        filled.setdefault("idle_interval", f"{provider.idle_interval:.0f}s")
    protocol = filled.get("protocol", "imap")
    if provider and protocol in ("imap", "pop3") and (most := provider.max_per_day.get(protocol)):
        filled.setdefault("max_per_day", f"{most}B")
    if filled.get("protocol") == "graph" and filled.get("user"):
        filled.setdefault("user_principal_name", filled["user"])
    return filled


def _fill_side(side: Raw, protocol: object, provider: Provider | None, address: str | None) -> Raw:
    endpoint = _choose(provider.endpoints(str(protocol)) if provider else (), side.get("security"))
    filled = dict(side)
    if endpoint:
        filled.setdefault("host", endpoint.host)
        filled.setdefault("security", str(endpoint.security))
        if filled["security"] == endpoint.security:
            filled.setdefault("port", endpoint.port)
    if address:
        is_local = endpoint is not None and endpoint.user == "local_part"
        filled.setdefault("user", address.rpartition("@")[0] if is_local else address)
    return filled


def _choose(endpoints: tuple[Endpoint, ...], security: object) -> Endpoint | None:
    """The one with the security asked for; where there is none such, the best (its host still holds)."""
    return next((endpoint for endpoint in endpoints if endpoint.security == security), endpoints[0] if endpoints else None)


def takes_passwords(account: Account, side: Literal["receiver", "sender"]) -> bool:
    """Whether the preset's server on this side takes passwords at all; True where nothing is known."""
    settings = account.receiver if side == "receiver" else account.sender
    provider = providers().get(account.provider)
    if settings is None or provider is None or is_loopback(settings.host):
        return True
    known = [endpoint for endpoint in provider.endpoints(settings.protocol) if endpoint.host == settings.host]
    return not known or any(method != "oauth" for endpoint in known for method in endpoint.auth)


def notices(account: Account, today: date, ahead: int = 365) -> list[Notice]:
    """The dated warnings that concern this account: those past, and those within `ahead` days."""
    provider = providers().get(account.provider)
    uses = {"always"}
    if account.receiver.password_file:
        uses.add("receiver_password")
    if account.sender and account.sender.password_file:
        uses.add("sender_password")
    return [n for n in provider.notices if n.about in uses and (n.on - today).days <= ahead] if provider else []
