"""The fields of the form of an authentication profile: each grant asks for its own, nothing else is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...config import OAuthProfile
from .forms import KEPT, Field, Options, Part, Settings, Sort, get
from .truststores import truststore

ISSUERS: Options = (("microsoft", "Microsoft"), ("google", "Google"), ("custom", "Another"))
GRANTS: Options = (
    ("client_credentials", "Client credentials: the application itself"),
    ("refresh_token", "Refresh token: a person consents in the browser, once"),
    ("password", "User and password, without a second factor"),
    ("jwt_bearer", "JWT: a service account's key"),
)
PROOFS: Options = (
    ("secret", "A client secret"),
    ("certificate", "A certificate"),
    ("managed_identity", "This machine's managed identity (Azure)"),
    ("workload_identity", "This pod's federated identity (Kubernetes)"),
)
ENCRYPTED = "Kept encrypted; never shown again."
TENANT = "In the Entra admin center: App registrations, your application, Overview. The application's ID stands there too."
GUID = "00000000-0000-0000-0000-000000000000"
_G = "grant"
_PERSON = ("client_credentials", "refresh_token", "password")


def _prose(name: str) -> str:
    return str(OAuthProfile.model_fields[name].description or "")


def parts(*, is_new: bool) -> tuple[Part, ...]:
    """The whole form."""
    name = "Letters, digits, `-`, `_` and `.`; accounts name it."
    return (
        Part(
            "Profile",
            "Who issues the tokens, and how they are had.",
            (
                Field("id", "Profile ID", name, placeholder="entra", fixed=not is_new),
                Field("issuer", "Issuer", "", Sort.CHOICE, ISSUERS, default="microsoft"),
                Field(_G, "Grant", "", Sort.CHOICE, GRANTS, default="client_credentials"),
            ),
        ),
        Part("Application", "As it is registered with the issuer.", _application()),
        Part("Identity", "On whose behalf, where the grant asks for it.", _identity()),
        Part("Endpoints", "Filled by the issuer; another one needs its own.", _endpoints()),
    )


def labels() -> Mapping[str, str]:
    """What settings are called on the pages."""
    named = {one.name: one.label for part in parts(is_new=False) for one in part.fields}
    return named | {f"{name}_file": f"{label} (file)" for name, label in named.items()}


def _application() -> tuple[Field, ...]:
    microsoft, person = ("issuer", ("microsoft",)), (_G, _PERSON)
    machine = (_G, ("client_credentials",))
    secret, certificate = ("proof", ("secret",)), ("proof", ("certificate",))
    return (
        Field("tenant", "Directory (tenant) ID", TENANT, when=(microsoft,), placeholder=GUID),
        Field("client_id", "Application (client) ID", "As the issuer registered the application.", when=(person,)),
        Field("proof", "The application proves itself by", "", Sort.CHOICE, PROOFS, (machine,), "secret", aside=True),
        Field("client_secret", "Client secret", ENCRYPTED, Sort.SECRET, when=(person, secret)),
        Field(
            "client_secret_expires",
            "That secret ends on",
            _prose("client_secret_expires"),
            placeholder="2027-01-31",
            when=(person, secret),
        ),
        Field(
            "certificate",
            "Certificate and private key",
            f"{_prose('certificate_file')} {ENCRYPTED}",
            Sort.KEY,
            when=(machine, certificate),
        ),
        Field("scope", "Scope", _prose("scope"), placeholder="by issuer and protocol"),
    )


def _identity() -> tuple[Field, ...]:
    password, refresh, jwt = (_G, ("password",)), (_G, ("refresh_token",)), (_G, ("jwt_bearer",))
    either = (_G, ("password", "jwt_bearer"))
    token = "Leave it empty to consent in the browser once the profile is saved. " + ENCRYPTED
    return (
        Field("user", "User", _prose("user"), when=(either,), placeholder="support@example.com"),
        Field("password", "Password", ENCRYPTED, Sort.SECRET, when=(password,)),
        Field("refresh_token", "Refresh token", token, Sort.SECRET, when=(refresh,)),
        Field(
            "service_account", "Service account's key", f"{_prose('service_account_file')} {ENCRYPTED}", Sort.KEY, when=(jwt,)
        ),
    )


def _endpoints() -> tuple[Field, ...]:
    custom, microsoft = ("issuer", ("custom",)), ("issuer", ("microsoft",))
    return (
        Field("authority", "Sign-in host", _prose("authority"), when=(microsoft,), placeholder="login.microsoftonline.com"),
        Field("token_url", "Token endpoint", _prose("token_url"), when=(custom,)),
        Field(
            "authorize_url",
            "Authorisation endpoint",
            "Where the browser is sent to consent (https).",
            when=(custom, (_G, ("refresh_token",))),
        ),
        *truststore("truststore"),
    )


def finished(made: Settings, values: Mapping[str, str]) -> Settings:
    """The settings with what the steering field says."""
    machine = values.get(_G) == "client_credentials"
    for flag in ("managed_identity", "workload_identity"):
        if machine and values.get("proof") == flag:
            made[flag] = True
        else:
            made.pop(flag, None)
    return made


def steering(made: Mapping[str, Any]) -> dict[str, str]:
    """What the steering field shows of these settings."""
    if get(made, "certificate") == KEPT:
        return {"proof": "certificate"}
    return {"proof": next((flag for flag in ("managed_identity", "workload_identity") if made.get(flag)), "secret")}


def implied(values: dict[str, str]) -> dict[str, str]:
    """Only the application itself has a choice of proofs."""
    if values.get(_G) != "client_credentials":
        values["proof"] = "secret"
    return values
