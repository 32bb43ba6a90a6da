"""The settings of `[otlp]`: where traces and metrics go by OpenTelemetry's protocol."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import field_validator

from .values import REQUIRED, Duration, File, SecretFile, Table, Text, setting


class Otlp(Table):
    """Traces and metrics to an OpenTelemetry collector; off unless this table is there. Needs `listener[otlp]` installed."""

    endpoint: Text = setting(
        REQUIRED, "The collector's OTLP address over HTTP, without `/v1/…`.", example="https://otel.example.com:4318"
    )
    headers_file: SecretFile | None = setting(
        None, "Headers of each request, one `name=value` a line, such as an API key.", said="none", example="otlp-headers"
    )
    truststore_file: File | None = setting(
        None, "PEM file with the authorities to trust for the collector.", said="the system's", example="ca.pem"
    )
    service: Text = setting("listener", "The service's name in traces and metrics.")
    metrics_interval: Duration = setting("60s", "How often metrics are sent.", ge=1, le=3600)

    @field_validator("endpoint")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError('write an address such as "https://otel.example.com:4318"')
        return value
