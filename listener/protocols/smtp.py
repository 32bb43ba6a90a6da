"""Signing in to a mail submission server (RFC 6409), by aiosmtplib: used by `check` and, for answers, by the outbox.

`connect` and `authenticate` are the two steps, like the ones of `imap.sign_in`. The connection is dialled by us, so that the
rule about plaintext and the words for a host that does not answer are the same for every protocol; STARTTLS is required or
fails. Exactly one mechanism is tried: each refused try counts towards the server's lock-out.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiosmtplib

from ..errors import (
    AccountFailure,
    AuthenticationRefused,
    ConnectionLost,
    InsecureConnection,
    PermanentFailure,
    ServerUnavailable,
)
from . import tls
from .dial import Timing, dial
from .endpoint import Endpoint, Security, tls_context
from .sasl import Credentials, Kind

CONNECT_SECONDS = 60.0
"""DNS, TCP, TLS, greeting and EHLO together."""
COMMAND_SECONDS = 60.0
MAX_SHOWN = 200
"""Characters of a server's words that people are shown."""
REFUSED = frozenset({530, 534, 535, 538, 550})
"""RFC 4954 §6: the credentials or the mechanism are refused for good."""

_HINTS = (
    ("5.7.30", "the provider has switched password sign-in off for sending: use oauth"),
    ("5.7.139", "SMTP AUTH is switched off for this mailbox or tenant: switch it on, or send by Graph"),
    ("smtpclientauthentication", "SMTP AUTH is switched off for this mailbox or tenant: switch it on, or send by Graph"),
    ("application-specific password", "this provider wants an app password instead of the account's own"),
    ("app password", "this provider wants an app password instead of the account's own"),
)


async def connect(endpoint: Endpoint, timing: Timing | None = None) -> aiosmtplib.SMTP:
    """Connected, greeted and under TLS as asked. Raises ServerUnavailable, InsecureConnection, ConnectionLost."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await _connect(endpoint, timing or Timing())
    except TimeoutError as error:
        raise ConnectionLost(
            f"{endpoint} did not answer within {CONNECT_SECONDS:.0f} s",
            setting=endpoint.setting("port"),
            hint="check host, port and security",
        ) from error


async def _connect(endpoint: Endpoint, timing: Timing) -> aiosmtplib.SMTP:
    context = await asyncio.to_thread(tls_context, endpoint)
    sock = await dial(endpoint, timing)
    client = aiosmtplib.SMTP(
        hostname=endpoint.host,
        sock=sock,
        local_hostname=socket.gethostname() or "localhost",
        use_tls=endpoint.security == Security.TLS,
        start_tls=endpoint.security == Security.STARTTLS,
        tls_context=context,
        timeout=COMMAND_SECONDS,
    )
    try:
        await client.connect()
        await client.ehlo()
    except (aiosmtplib.SMTPException, OSError) as error:
        sock.close()
        client.close()
        raise _connect_failure(error, endpoint) from error
    return client


async def authenticate(client: aiosmtplib.SMTP, endpoint: Endpoint, credentials: Credentials) -> None:
    """Sign in. Raises AuthenticationRefused, PermanentFailure, ServerUnavailable, ConnectionLost."""
    secret = await credentials.ask()
    offered = client.supported_auth_methods
    try:
        if credentials.kind == Kind.TOKEN:
            await client.auth_xoauth2(credentials.user, secret)
        elif "plain" in offered:
            await client.auth_plain(credentials.user, secret)
        elif "login" in offered:
            await client.auth_login(credentials.user, secret)
        else:
            raise PermanentFailure(
                f"{endpoint} offers no sign-in by password",
                setting=endpoint.setting("security"),
                hint='most servers offer it under TLS only: use "tls" or "starttls"; or use oauth',
            )
    except aiosmtplib.SMTPResponseException as error:
        raise _sign_in_failure(error, endpoint, credentials) from error
    except aiosmtplib.SMTPException as error:
        raise ConnectionLost(f"{endpoint} broke off during the sign-in") from error


def facts(client: aiosmtplib.SMTP) -> tls.TLSFacts | None:
    """What TLS agreed on; None in clear."""
    stream: ssl.SSLObject | None = client.get_transport_info("ssl_object")
    if stream is None:
        return None
    end = (stream.getpeercert() or {}).get("notAfter")
    cipher = stream.cipher()
    expires = float(ssl.cert_time_to_seconds(end)) if isinstance(end, str) else None
    return tls.TLSFacts(stream.version() or "", cipher[0] if cipher else "", expires)


async def leave(client: aiosmtplib.SMTP) -> None:
    """QUIT where that is still possible. Never raises."""
    try:
        await client.quit(timeout=5)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _connect_failure(error: Exception, endpoint: Endpoint) -> AccountFailure:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLError):
        return tls.fault(cause, endpoint)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return ServerUnavailable(f"{endpoint} refuses us: {_said(error)}")
    if endpoint.security == Security.STARTTLS and "STARTTLS" in str(error):
        return InsecureConnection(
            f"{endpoint} did not begin TLS",
            setting=endpoint.setting("security"),
            hint='nothing was sent; if the server has a port with TLS from the start, use security = "tls"',
        )
    return ConnectionLost(
        f"{endpoint} does not speak as a mail submission server does",
        setting=endpoint.setting("port"),
        hint="check host and port",
    )


def _sign_in_failure(error: aiosmtplib.SMTPResponseException, endpoint: Endpoint, credentials: Credentials) -> AccountFailure:
    if error.code not in REFUSED:
        return ServerUnavailable(f"{endpoint} cannot sign us in now: {_said(error)}")
    words = error.message.lower()
    setting = "oauth" if credentials.kind == Kind.TOKEN else "user"
    hint = next((hint for word, hint in _HINTS if word in words), "check user and password, or the OAuth profile")
    return AuthenticationRefused(f"the sign-in was refused: {_said(error)}", setting=endpoint.setting(setting), hint=hint)


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    words = "".join(c if c.isprintable() else " " for c in str(error.message)[:MAX_SHOWN])
    return f'the server says "{error.code} {words}"'
