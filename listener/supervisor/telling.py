"""Opens what tells people and machines outside: the exporter of `[otlp]`, notifications and alerts, each with what it needs.

`open_telling` is called while the daemon opens, so that a template that cannot be used is refused; `update` takes a new
configuration on, `sources_of` judges it before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from ..admin.health import Health
from ..admin.metrics import Metrics
from ..config import Account, Config, Otlp
from ..credentials import read_secret
from ..credentials.expiry import expiry_of
from ..errors import ConfigurationError, Fault, PermanentFailure
from ..hooks.build import alert_host
from ..hooks.webhook import WebhookHost
from ..ledger import Ledger
from ..notifier import Notifier, Setting
from ..otlp import Exporter, read_headers
from ..responder import notify
from ..responder.templates import Source, TemplateFault
from ..status import AccountStatus


class Telling:
    """Notifications and alerts of one daemon. Made by `open_telling`."""

    def __init__(
        self,
        ledger: Ledger,
        config: Config,
        statuses: Callable[[], Iterable[AccountStatus]],
        now: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._setting = Setting(config, {}, None, dict)
        self._host: WebhookHost | None = None
        self.notifier = Notifier(ledger, lambda: self._setting, lambda: list(statuses()), now, uniform)

    async def update(self, config: Config) -> None:
        """Tell by this from now on. Raises ConfigurationError; then the one before goes on."""
        sources = sources_of(config)
        host = alert_host(config)
        if host is not None:
            await host.start()
        before, self._host = self._host, host
        self._setting = Setting(config, sources, host, partial(_ends, config))
        if before is not None:
            await before.stop()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        host, self._host = self._host, None
        if host is not None:
            await host.stop()


async def open_telling(
    config: Config,
    ledger: Ledger,
    statuses: Callable[[], Iterable[AccountStatus]],
    now: Callable[[], float],
    uniform: Callable[[float, float], float],
) -> Telling:
    """Nothing is told yet. Raises ConfigurationError."""
    telling = Telling(ledger, config, statuses, now, uniform)
    await telling.update(config)
    return telling


def sources_of(config: Config) -> dict[str, Source]:
    """Each notifying account's template. Raises ConfigurationError listing all that cannot be used, and a missing sender."""
    sources, faults = {}, _sender_faults(config)
    for account in config.accounts:
        if account.notify is not None:
            try:
                sources[account.id] = _source(account)
                notify.check(sources[account.id])
            except TemplateFault as error:
                faults.append(Fault(f"accounts.{account.id}.{error}", "the template cannot be used"))
    if faults:
        raise ConfigurationError(faults)
    return sources


def _sender_faults(config: Config) -> list[Fault]:
    if config.alerts is None or config.alerts.account is None:
        return []
    account = config.account(config.alerts.account)
    if account is None:
        return [Fault("alerts.account", f'there is no account "{config.alerts.account}"')]
    return [] if account.sender is not None else [Fault("alerts.account", f'"{account.id}" has no [accounts.sender]')]


def _source(account: Account) -> Source:
    assert account.notify is not None
    file = account.notify.template
    if file is None:
        return notify.built_in()
    try:
        return Source(notify.SETTING, str(file), file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, PermanentFailure) as error:
        raise TemplateFault(notify.SETTING, str(file), f"cannot be read: {error}") from error


def _ends(config: Config) -> Mapping[str, float]:
    found = ((name, expiry_of(profile)) for name, profile in config.oauth.items())
    return {name: end for name, end in found if end is not None}


def open_exporter(
    otlp: Otlp | None, ledger: Ledger, metrics: Metrics, health: Health, now: Callable[[], float]
) -> Exporter | None:
    """None where nothing is asked for. Raises ConfigurationError for headers that cannot be read."""
    if otlp is None:
        return None
    from ..otlp.sending import Collector  # the extra `otlp`; its absence was a fault of the configuration

    trust = str(otlp.truststore_file) if otlp.truststore_file else None
    collector = Collector(otlp.endpoint, _headers(otlp), otlp.service, trust)
    return Exporter(collector, ledger, partial(metrics.render, health), metrics.registry.collect, otlp.metrics_interval, now)


def _headers(otlp: Otlp) -> dict[str, str]:
    if otlp.headers_file is None:
        return {}
    try:
        return dict(read_headers(read_secret(otlp.headers_file, "otlp.headers_file").reveal()))
    except PermanentFailure as error:
        raise ConfigurationError([Fault("otlp.headers_file", error.reason)]) from error
    except ValueError as error:
        raise ConfigurationError([Fault("otlp.headers_file", str(error))]) from error
