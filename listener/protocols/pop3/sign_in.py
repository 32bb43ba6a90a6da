"""From a connection to a session in the TRANSACTION state: greeting, STLS, CAPA, sign-in, CAPA again (RFC 1939 §4, 2595 §4).

The rule of the file is IMAP's: no credential leaves before the security that the settings ask for is there. STLS is demanded
whatever the server says it offers; anything but +OK ends the session; what was learned in clear is asked again.
"""

from __future__ import annotations

import asyncio

from ...errors import ConnectionLost, InsecureConnection, PermanentFailure
from .. import sasl
from ..connection import CONNECT_SECONDS, Connection
from ..endpoint import Endpoint, Security
from ..sasl import Credentials
from . import refusals
from .grammar import Answer, Unencodable, argument
from .session import Session, Trace


async def connect(endpoint: Endpoint, *, trace: Trace | None = None, deadline: float = CONNECT_SECONDS) -> Session:
    """Connected, greeted and, where asked for, under TLS; all within `deadline` seconds.

    Raises ServerUnavailable, InsecureConnection, ConnectionLost, Throttled.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    connection = await Connection.open(endpoint, deadline=deadline)
    session = Session(connection, trace=trace)
    try:
        async with asyncio.timeout_at(end):
            await _greet(session)
            if endpoint.security == Security.STARTTLS:
                await _start_tls(session)
            await session.learn_capabilities()
    except TimeoutError as error:
        connection.abort()
        raise ConnectionLost(f"{endpoint} did not greet within {deadline:.0f} s") from error
    except BaseException:  # cancelled, too: nobody else could close it
        connection.abort()
        raise
    return session


async def authenticate(session: Session, credentials: Credentials) -> None:
    """Sign in, and learn what the server offers from then on.

    Raises AuthenticationRefused, PermanentFailure, InsecureConnection, Throttled and what a lost connection raises.
    """
    try:
        if not session.connection.protected:
            raise InsecureConnection(f"the connection to {session.connection.endpoint} is not encrypted")
        await _sign_in(session, credentials, await credentials.ask())
        await session.learn_capabilities()
    except BaseException:
        session.connection.abort()
        raise


async def _greet(session: Session) -> None:
    greeting = await session.greeting()
    if not greeting.ok:
        raise refusals.of_session(greeting)


async def _start_tls(session: Session) -> None:
    endpoint = session.connection.endpoint
    try:
        consent = await session.ask(b"STLS")
    except ConnectionLost as error:
        raise _no_stls(endpoint, error.reason) from error
    if not consent.ok:
        raise _no_stls(endpoint, consent.shown)
    await session.connection.start_tls()


def _no_stls(endpoint: Endpoint, reason: str) -> InsecureConnection:
    return InsecureConnection(
        f"{endpoint} did not begin TLS: {reason}",
        setting=endpoint.setting("security"),
        hint='nothing was sent; if the server has a port with TLS from the start, use security = "tls"',
    )


async def _sign_in(session: Session, credentials: Credentials, secret: str) -> None:
    token = credentials.kind == sasl.Kind.TOKEN
    mechanisms = session.capabilities.get("SASL", ())
    reason = ""
    if token:
        answer = await _with_token(session, credentials, secret, mechanisms)
        reason = sasl.challenge_reason(session.challenge)
    elif "PLAIN" in mechanisms:
        answer = await session.converse((b"AUTH PLAIN", sasl.encoded(sasl.plain(credentials.user, secret))), secret_from=1)
    else:
        answer = await _user_and_pass(session, credentials, secret)
    if not answer.ok:
        setting = f"{credentials.section}.{'oauth' if token else 'user'}"
        raise refusals.of_sign_in(answer, setting=setting, reason=reason)


async def _with_token(session: Session, credentials: Credentials, token: str, mechanisms: tuple[str, ...]) -> Answer:
    """In two steps, because an initial response would not fit the 255 octets of a command line (RFC 2449 §4)."""
    endpoint = session.connection.endpoint
    if mechanisms and not {"XOAUTH2", "OAUTHBEARER"} & set(mechanisms):
        reason = f"the server takes no OAuth 2.0 tokens, only {', '.join(mechanisms)[:200]}"
        raise PermanentFailure(reason, setting=f"{credentials.section}.oauth", hint="use a password, or ask the provider")
    if "OAUTHBEARER" in mechanisms and "XOAUTH2" not in mechanisms:
        response = sasl.oauthbearer(credentials.user, token, endpoint.host, endpoint.port)
        lines = (b"AUTH OAUTHBEARER", sasl.encoded(response), sasl.encoded(sasl.OAUTHBEARER_GIVE_UP))
    else:
        lines = (b"AUTH XOAUTH2", sasl.encoded(sasl.xoauth2(credentials.user, token)), sasl.XOAUTH2_GIVE_UP)
    return await session.converse(lines, secret_from=1)


async def _user_and_pass(session: Session, credentials: Credentials, password: str) -> Answer:
    try:
        user, secret = argument(credentials.user), argument(password)
    except Unencodable as error:
        raise PermanentFailure(f"user or password cannot be sent: {error}", setting=f"{credentials.section}.user") from error
    answer = await session.ask(b"USER " + user)
    return await session.ask(b"PASS " + secret, secret=True) if answer.ok else answer
