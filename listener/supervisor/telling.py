"""Opens what `[otlp]` asks for: an exporter of traces and metrics, with what it needs of the daemon."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..admin.health import Health
from ..admin.metrics import Metrics
from ..config import Otlp
from ..credentials import read_secret
from ..errors import ConfigurationError, Fault, PermanentFailure
from ..ledger import Ledger
from ..otlp import Exporter, read_headers


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
