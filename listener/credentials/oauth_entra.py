"""Tokens for an application in Microsoft Entra, by azure-identity: secret, certificate, managed or workload identity.

Called by `oauth.py`. A new credential is made for each request, so that a rotated secret or certificate is used at once; it
keeps no token of its own for us (`TokenSource` does). azure-identity is imported when first needed, on a thread: that takes
half a second.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..config import OAuthProfile
from ..errors import AccountFailure, ConnectionLost, PermanentFailure, ServerUnavailable, Throttled
from . import Secret, read_secret
from .oauth_endpoint import ENTRA, MAX_SAID, REQUEST_SECONDS, Issued, refusal, retry_after, trusted

_CODE = re.compile(r"AADSTS\d{4,9}")
RETRIES = 1
"""Of azure-identity itself, within one request of ours; back-off is the account's."""


class EntraApplication:
    """One profile's way to a token for `scope`."""

    def __init__(self, name: str, profile: OAuthProfile, scope: str, now: Callable[[], float] = time.time) -> None:
        self._name, self._profile, self._scope, self._now = name, profile, scope, now

    async def fetch(self) -> Issued:
        """A token. Raises PermanentFailure, ConsentLost, TransientFailure, Throttled."""
        azure = await asyncio.to_thread(_azure)
        try:
            async with asyncio.timeout(REQUEST_SECONDS), AsyncExitStack() as stack:
                store = await asyncio.to_thread(self._truststore, stack)
                credential = await stack.enter_async_context(await self._credential(azure, store))
                token = await credential.get_token(self._scope)
        except TimeoutError as error:
            raise ConnectionLost(f"Entra did not answer within {REQUEST_SECONDS:.0f} s") from error
        except azure.CredentialUnavailableError as error:
            raise self._unavailable(error) from error
        except azure.HttpResponseError as error:  # ClientAuthenticationError is one
            raise self._refused(error) from error
        except azure.AzureError as error:
            raise ConnectionLost(f"Entra cannot be reached: {_clean(error)}", setting=f"oauth.{self._name}") from error
        return Issued(Secret(token.token), max(60.0, token.expires_on - self._now()))

    def _truststore(self, stack: AsyncExitStack) -> Path | None:
        """azure-identity knows trust stores as PEM files only, so what is none becomes one for this request."""
        file, pem = self._profile.truststore_file, trusted(self._name, self._profile)
        if pem is None or (isinstance(file, Path) and file.read_bytes() == pem.encode()):
            return file if isinstance(file, Path) else None
        copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="listener-", suffix=".pem"))  # noqa: SIM115
        copy.write(pem.encode())
        copy.flush()
        return Path(copy.name)

    async def _credential(self, azure: Any, truststore: Path | None) -> Any:
        profile = self._profile
        common: dict[str, Any] = {"retry_total": RETRIES}
        if truststore is not None:
            common["connection_verify"] = str(truststore)
        if profile.managed_identity:
            return azure.ManagedIdentityCredential(client_id=profile.client_id, **common)
        common["authority"] = _authority(profile)
        common["disable_instance_discovery"] = True
        try:
            if profile.workload_identity:
                return azure.WorkloadIdentityCredential(tenant_id=profile.tenant, client_id=profile.client_id, **common)
            if profile.certificate_file is not None:
                pem = await self._secret("certificate_file")
                return azure.CertificateCredential(
                    profile.tenant, profile.client_id, certificate_data=pem.reveal().encode(), **common
                )
            secret = await self._secret("client_secret_file")
            return azure.ClientSecretCredential(profile.tenant, profile.client_id, secret.reveal(), **common)
        except ValueError as error:
            setting = f"oauth.{self._name}" + (".certificate_file" if profile.certificate_file else "")
            raise PermanentFailure(f"the profile cannot be used: {_clean(error)}", setting=setting) from None

    async def _secret(self, key: str) -> Secret:
        path, setting = getattr(self._profile, key), f"oauth.{self._name}.{key}"
        if path is None:
            raise PermanentFailure("is required by the grant", setting=setting)
        return await asyncio.to_thread(read_secret, path, setting)

    def _unavailable(self, error: Exception) -> PermanentFailure:
        kind = "managed_identity" if self._profile.managed_identity else "workload_identity"
        return PermanentFailure(
            f"there is no {kind.replace('_', ' ')} here: {_clean(error)}",
            setting=f"oauth.{self._name}.{kind}",
            hint="it exists only on an Azure machine (or pod) that was given one",
        )

    def _refused(self, error: Any) -> AccountFailure:
        response = getattr(error, "response", None)
        status = getattr(error, "status_code", None) or getattr(response, "status_code", None) or 0
        said = _clean(error)
        if status == 429:
            return Throttled("Entra asks us to wait", retry_after=retry_after(getattr(response, "headers", {}), self._now()))
        if status >= 500 or (not status and not _CODE.search(said)):
            return ServerUnavailable(f"Entra is in trouble: {said}")
        return refusal(self._name, self._profile, said, "")


def _authority(profile: OAuthProfile) -> str:
    return f"https://{profile.authority or ENTRA}"


def _clean(error: Exception) -> str:
    text = str(getattr(error, "message", None) or error)
    return "".join(c if c.isprintable() else " " for c in text[:MAX_SAID])


def _azure() -> Any:
    """The names that we use of azure-identity and azure-core."""
    from azure.core import exceptions
    from azure.identity import CredentialUnavailableError, aio

    return SimpleNamespace(
        ClientSecretCredential=aio.ClientSecretCredential,
        CertificateCredential=aio.CertificateCredential,
        ManagedIdentityCredential=aio.ManagedIdentityCredential,
        WorkloadIdentityCredential=aio.WorkloadIdentityCredential,
        CredentialUnavailableError=CredentialUnavailableError,
        AzureError=exceptions.AzureError,
        HttpResponseError=exceptions.HttpResponseError,
    )
