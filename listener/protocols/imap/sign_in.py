"""From a connection to a session that may open folders: greeting, STARTTLS, sign-in, capabilities (RFC 9051 §3, §6.1, §6.2).

`connect` and `authenticate` are the two steps; `check` runs them one by one. The rule of the file: no credential leaves
before the security that the settings ask for is there (R-58 to R-61). So: STARTTLS is demanded whatever the server says it
offers, and anything but its OK ends the session; what was learned in clear is dropped; a greeting that claims we were
signed in already (PREAUTH) is refused in clear; LOGINDISABLED is obeyed; referrals are never followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ... import __version__
from ...errors import ConnectionLost, InsecureConnection, PermanentFailure
from .. import sasl
from ..connection import CONNECT_SECONDS, Connection
from ..endpoint import Endpoint, Security
from ..sasl import Credentials
from . import refusals
from .encode import Command, Unencodable, astring
from .grammar import Condition, Status
from .reading import Trace
from .session import Session


async def connect(
    endpoint: Endpoint,
    *,
    trace: Trace | None = None,
    notice: Callable[[str], None] = lambda text: None,
    deadline: float = CONNECT_SECONDS,
) -> Session:
    """Connected, greeted and, where asked for, under TLS; all within `deadline` seconds.

    Raises ServerUnavailable, InsecureConnection, ConnectionLost, Throttled; nothing of the credentials is known here.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    connection = await Connection.open(endpoint, deadline=deadline)
    session = Session(connection, trace=trace, notice=notice)
    try:
        async with asyncio.timeout_at(end):
            await _greet(session)
            if endpoint.security == Security.STARTTLS:
                await _start_tls(session)
    except TimeoutError as error:
        connection.abort()
        raise ConnectionLost(f"{endpoint} did not greet within {deadline:.0f} s") from error
    except BaseException:  # cancelled, too: nobody else could close it
        connection.abort()
        raise
    return session


async def authenticate(session: Session, credentials: Credentials) -> None:
    """Sign in, unless the greeting said that we are, and learn what the server offers from then on.

    Raises AuthenticationRefused (a tagged NO and nothing less), PermanentFailure, InsecureConnection and what `run` raises.
    """
    try:
        await _authenticate(session, credentials)
    except BaseException:
        session.connection.abort()
        raise


async def _authenticate(session: Session, credentials: Credentials) -> None:
    if not session.authenticated:
        await _know_capabilities(session)
        await _sign_in(session, credentials)
    await _settle_in(session)


# --- before the sign-in ----------------------------------------------------------------------------------------------


async def _greet(session: Session) -> None:
    greeting = await session.greeting()
    endpoint = session.connection.endpoint
    if greeting.tag or greeting.condition in (Condition.NO, Condition.BAD):
        raise ConnectionLost(f"{endpoint} does not greet as an IMAP server: {greeting.shown}", setting=endpoint.setting("port"))
    if greeting.condition is Condition.BYE:
        raise refusals.of_goodbye(greeting, greeting=True)
    if greeting.condition is Condition.PREAUTH:
        if session.connection.facts is None:
            raise InsecureConnection(
                f"{endpoint} claims in clear that we are signed in already",
                setting=endpoint.setting("security"),
                hint='somebody may be tampering with the connection; use security = "tls"',
            )
        session.signed_in()


async def _start_tls(session: Session) -> None:
    endpoint = session.connection.endpoint

    def refuse(challenge: bytes) -> bytes:
        raise _no_starttls(endpoint, "it asks back instead")

    status = await session.converse(Command("STARTTLS"), refuse)
    if status.condition is not Condition.OK:
        raise _no_starttls(endpoint, status.shown)
    await session.connection.start_tls()
    session.forget()


def _refuse_challenge(challenge: bytes) -> bytes:
    raise ConnectionLost("the server asks back instead of answering")


def _no_starttls(endpoint: Endpoint, reason: str) -> InsecureConnection:
    return InsecureConnection(
        f"{endpoint} did not begin TLS: {reason}",
        setting=endpoint.setting("security"),
        hint='nothing was sent; if the server has a port with TLS from the start, use security = "tls"',
    )


async def _know_capabilities(session: Session) -> None:
    if not session.capabilities:
        await session.run(Command("CAPABILITY"))


# --- the sign-in -----------------------------------------------------------------------------------------------------


async def _sign_in(session: Session, credentials: Credentials) -> None:
    if not session.connection.protected:
        raise InsecureConnection(f"the connection to {session.connection.endpoint} is not encrypted")
    secret = await credentials.ask()
    session.capabilities, offered = frozenset(), session.capabilities  # they change with the sign-in (RFC 9051 §6.1.1)
    if credentials.kind == sasl.Kind.TOKEN:
        status, reason = await _with_token(session, credentials, secret, offered)
    elif "AUTH=PLAIN" in offered:
        status, reason = await _sasl(session, "PLAIN", sasl.plain(credentials.user, secret), b"", offered)
    else:
        status, reason = await _login(session, credentials, secret, offered), ""
    if status.condition is not Condition.OK:
        setting = f"{credentials.section}.{'oauth' if credentials.kind == sasl.Kind.TOKEN else 'user'}"
        raise refusals.of_sign_in(status, setting=setting, reason=reason)
    session.signed_in()


async def _with_token(session: Session, credentials: Credentials, token: str, offered: frozenset[str]) -> tuple[Status, str]:
    endpoint = session.connection.endpoint
    if "AUTH=XOAUTH2" in offered:
        return await _sasl(session, "XOAUTH2", sasl.xoauth2(credentials.user, token), sasl.XOAUTH2_GIVE_UP, offered)
    if "AUTH=OAUTHBEARER" in offered:
        response = sasl.oauthbearer(credentials.user, token, endpoint.host, endpoint.port)
        return await _sasl(session, "OAUTHBEARER", response, sasl.OAUTHBEARER_GIVE_UP, offered)
    raise PermanentFailure(
        f"{endpoint} offers no sign-in with an OAuth 2.0 token",
        setting=f"{credentials.section}.oauth",
        hint="use a password, or another host",
    )


async def _sasl(
    session: Session, mechanism: str, response: bytes, give_up: bytes, offered: frozenset[str]
) -> tuple[Status, str]:
    """AUTHENTICATE, the response at once (SASL-IR, RFC 4959) or when asked: the answer, and what an error challenge said."""
    reasons: list[str] = []
    waiting = [] if "SASL-IR" in offered else [response]

    def reply(challenge: bytes) -> bytes:
        if waiting:
            return sasl.encoded(waiting.pop())
        if reasons:
            raise ConnectionLost("the server asks again and again during the sign-in")
        reasons.append(sasl.challenge_reason(challenge))
        return sasl.encoded(give_up) if give_up else b""

    initial = () if waiting else (sasl.encoded(response),)
    command = Command("AUTHENTICATE", (mechanism.encode("ascii"), *initial), secret=True)
    return await session.converse(command, reply), "".join(reasons)


async def _login(session: Session, credentials: Credentials, password: str, offered: frozenset[str]) -> Status:
    if "LOGINDISABLED" in offered:
        raise PermanentFailure(
            f"{session.connection.endpoint} takes no password here (LOGINDISABLED)",
            setting=f"{credentials.section}.oauth",
            hint='use oauth, or security = "tls" if the connection is in clear',
        )
    try:
        arguments = (astring(credentials.user), astring(password))
    except Unencodable as error:
        raise PermanentFailure(f"user or password cannot be sent: {error}", setting=f"{credentials.section}.user") from error
    return await session.converse(Command("LOGIN", arguments, secret=True), _refuse_challenge)


# --- after the sign-in -----------------------------------------------------------------------------------------------


async def _settle_in(session: Session) -> None:
    """Capabilities as they are now; then say who we are, as some servers demand, and agree on UTF-8."""
    await _know_capabilities(session)
    commands = []
    if session.offers("ID"):  # RFC 2971
        commands.append(Command("ID", (f'("name" "listener" "version" "{__version__}")'.encode("ascii"),)))
    accept = session.offers("ENABLE") and (session.offers("UTF8=ACCEPT") or session.offers("UTF8=ONLY"))
    if accept:  # RFC 6855 §3
        commands.append(Command("ENABLE", (b"UTF8=ACCEPT",)))
    if commands:
        answers, _ = await session.run(*commands)
        accept = accept and answers[-1].condition is Condition.OK
    session.utf8 = accept or (session.offers("IMAP4REV2") and not session.offers("IMAP4REV1"))
