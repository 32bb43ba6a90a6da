"""The settings of an OAuth 2.0 profile, by which accounts sign in. Part of `config.py`, which names them all."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from .values import REQUIRED, AccountFile, AccountSecret, Day, Flag, Host, Table, Text, setting


class Grant(StrEnum):
    """OAuth 2.0 grants: RFC 6749 §4.4, §4.3, §6 and RFC 7523 §2.1."""

    CLIENT_CREDENTIALS = "client_credentials"
    PASSWORD = "password"
    REFRESH_TOKEN = "refresh_token"
    JWT_BEARER = "jwt_bearer"


class OAuthProfile(Table):
    """An authentication profile: how access tokens are had (OAuth 2.0)."""

    grant: Grant = setting(
        REQUIRED, "`client_credentials`, `password`, `refresh_token` or `jwt_bearer`.", example="client_credentials"
    )
    issuer: Literal["microsoft", "google", "custom"] = setting(
        REQUIRED, "Who issues tokens; `custom` needs `token_url`.", example="microsoft"
    )
    tenant: Text | None = setting(
        None, "Microsoft: the directory (tenant) ID.", said="none", example="00000000-0000-0000-0000-000000000000"
    )
    authority: Host = setting(
        "", "Microsoft: sign-in host of a national cloud.", said="login.microsoftonline.com", example="login.microsoftonline.us"
    )
    truststore_file: AccountFile | None = setting(
        None,
        "File with the authorities to trust for the token endpoint: PEM, or PKCS#12 (`.p12`).",
        said="the system's",
        example="ca.pem",
    )
    truststore_password_file: AccountSecret | None = setting(
        None, "The password of a PKCS#12 `truststore_file`.", said="none", example="truststore-password"
    )
    token_url: Text | None = setting(
        None, "Token endpoint (https).", said="by issuer", example="https://login.example.com/oauth2/token"
    )
    authorize_url: Text | None = setting(
        None,
        "`refresh_token`: where a person signs in and consents (https). With it, and always for Microsoft and Google, consent "
        "can be given in the console.",
        said="by issuer",
        example="https://login.example.com/oauth2/authorize",
    )
    client_id: Text | None = setting(
        None, "Application (client) ID.", said="none", example="11111111-1111-1111-1111-111111111111"
    )
    client_secret_file: AccountSecret | None = setting(None, "The application's secret.", said="none", example="entra-secret")
    client_secret_expires: Day | None = setting(
        None,
        "Day on which that secret ends, as its portal says; a metric and an alert remember it.",
        said="none",
        example="2027-01-31",
    )
    certificate_file: AccountSecret | None = setting(
        None, "Microsoft: certificate and private key (PEM) instead of a secret.", said="none", example="entra-certificate.pem"
    )
    managed_identity: Flag = setting(False, "Microsoft: use the managed identity of the Azure machine this runs on.")
    workload_identity: Flag = setting(False, "Microsoft: use the federated token of the Kubernetes pod this runs in.")
    scope: Text | None = setting(
        None, "What the token is for.", said="by issuer and protocol", example="https://outlook.office365.com/.default"
    )
    user: Text | None = setting(
        None,
        "`password`: who signs in; `jwt_bearer`: on whose behalf.",
        said="the account's user",
        example="support@example.com",
    )
    password_file: AccountSecret | None = setting(
        None, "`password`: that user's password.", said="none", example="support-password"
    )
    refresh_token_file: AccountSecret | None = setting(
        None,
        "`refresh_token`: the first one; rotated ones are kept encrypted in the ledger. Without it somebody consents in the "
        "console.",
        said="none",
        example="refresh-token",
    )
    service_account_file: AccountSecret | None = setting(
        None,
        "`jwt_bearer`: the service account's JSON key file, as Google hands it out.",
        said="none",
        example="service-account.json",
    )
