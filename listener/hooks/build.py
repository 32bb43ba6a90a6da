"""From the configuration to running hooks: one host for each name in `accounts[].hooks`, shared by the accounts that name it.

The supervisor calls `build_hosts` and `start_hosts` before the dispatcher, and `stop_hosts` after it; at a reload, `rebuilt`
says which hosts stay. A host is keyed by its name as the configuration writes it, which is also what the ledger keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from ..config import Config
from ..errors import ConfigurationError, Fault
from . import HookHost
from .command import CommandHost
from .python import PythonHost
from .webhook import SignUrl, WebhookHost

MAX_SECRET = 64 * 1024
"""Octets of a secret file that are read."""


def build_hosts(config: Config, *, sign_url: SignUrl | None = None) -> dict[str, HookHost]:
    """A host for every hook that an account names. Raises ConfigurationError listing every name that means nothing.

    `sign_url` makes the signed addresses in webhooks; None without `admin.public_url`.
    """
    hosts: dict[str, HookHost] = {}
    faults: list[Fault] = []
    for name, setting in _named(config).items():
        try:
            hosts[name] = _host(name, setting, config, sign_url)
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise ConfigurationError(faults)
    return hosts


def rebuilt(old: Config, hosts: Mapping[str, HookHost], new: Config, *, sign_url: SignUrl | None = None) -> dict[str, HookHost]:
    """The hosts for a new configuration: the running one where nothing about it changed, else one to be started."""
    fresh = build_hosts(new, sign_url=sign_url)
    return {
        name: hosts[name] if name in hosts and _settings(name, old) == _settings(name, new) else host
        for name, host in fresh.items()
    }


def alert_host(config: Config) -> WebhookHost | None:
    """The webhook that alerts are posted to, if there is one."""
    if config.alerts is None or config.alerts.webhook is None:
        return None
    host = _host(f"webhook:{config.alerts.webhook}", "alerts.webhook", config, None)
    assert isinstance(host, WebhookHost)
    return host


async def start_hosts(hosts: Iterable[HookHost]) -> None:
    """Start all of them side by side. Raises ConfigurationError listing every fault; then none of them runs."""
    starting = list(hosts)
    results = await asyncio.gather(*(host.start() for host in starting), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if not failures:
        return
    await stop_hosts(host for host, result in zip(starting, results, strict=True) if result is None)
    for failure in failures:
        if not isinstance(failure, ConfigurationError):
            raise failure
    raise ConfigurationError([f for failure in failures if isinstance(failure, ConfigurationError) for f in failure.faults])


async def stop_hosts(hosts: Iterable[HookHost]) -> None:
    """Stop all of them side by side."""
    await asyncio.gather(*(host.stop() for host in hosts))


def _named(config: Config) -> dict[str, str]:
    """Each hook's name, and the setting where it first stands."""
    found: dict[str, str] = {}
    for account in config.accounts:
        for name in account.hooks:
            found.setdefault(name, f"accounts.{account.id}.hooks")
    return found


def _host(name: str, setting: str, config: Config, sign_url: SignUrl | None) -> HookHost:
    kind, _, rest = name.partition(":")
    if kind == "python":
        return PythonHost(name, setting=setting, timeout=config.limits.hook_timeout)
    if kind == "webhook" and rest in config.webhook:
        webhook = config.webhook[rest]
        read: Callable[[], bytes] | None = partial(_secret, webhook.secret_file) if webhook.secret_file else None
        return WebhookHost(
            name,
            webhook.url,
            read_secret=read,
            allow_private=webhook.allow_private,
            timeout=webhook.timeout,
            sign_url=sign_url,
        )
    if kind == "command" and rest in config.command:
        command = config.command[rest]
        return CommandHost(name, command.argv, timeout=command.timeout)
    missing = f"there is no [{kind}.{rest}]" if kind in ("webhook", "command") else "write python:, webhook: or command:"
    raise ConfigurationError([Fault(setting, f'"{name}": {missing}')])


def _settings(name: str, config: Config) -> object:
    """What the host of that name depends on."""
    kind, _, rest = name.partition(":")
    if kind == "python":
        return config.limits.hook_timeout
    return (config.webhook.get(rest), config.admin.public_url) if kind == "webhook" else config.command.get(rest)


def _secret(file: Path) -> bytes:
    """The key in a file, without the line end that editors add."""
    with file.open("rb") as opened:
        return opened.read(MAX_SECRET).rstrip(b"\r\n")
