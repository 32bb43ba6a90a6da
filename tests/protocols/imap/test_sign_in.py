"""From greeting to sign-in: what a server or somebody on the way may try, and that no credential leaves before it is safe."""

import ssl
from pathlib import Path

import pytest

from listener.errors import (
    AccountFailure,
    AuthenticationRefused,
    ConnectionLost,
    InsecureConnection,
    PermanentFailure,
    ServerUnavailable,
    Throttled,
    TokenExpired,
)
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.imap.session import Session
from listener.protocols.imap.sign_in import authenticate, connect
from listener.protocols.sasl import Credentials
from listener.testing.imap import ImapServer
from tests.protocols.imap.dialogue import AWAIT, CLOSE, PASSWORD, TLS, TOKEN, USER, dialogue, password, token
from tests.virtual_clock import run_virtual

GREETING = b"* OK ready\r\n"
WITH_PLAIN = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n"
SIGNED_IN = b"{tag} OK [CAPABILITY IMAP4rev1] in\r\n"


async def sign_in(endpoint: Endpoint, credentials: Credentials | None = None) -> Session:
    session = await connect(endpoint)
    await authenticate(session, credentials or password())
    return session


def serving(**kwargs: object) -> ImapServer:
    return ImapServer(**{"users": {USER: PASSWORD}, "tokens": {USER: TOKEN}} | kwargs)


def at(server: ImapServer, security: str = Security.NONE, truststore: Path | None = None) -> Endpoint:
    return Endpoint(server.host, server.port, Security(security), truststore_file=truststore)


# --- the ways in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sasl_ir", [True, False])
@pytest.mark.parametrize("mechanisms", [("PLAIN",), ()], ids=["plain", "login"])
async def test_a_password_signs_in(mechanisms: tuple[str, ...], sasl_ir: bool) -> None:
    async with serving(mechanisms=mechanisms) as server:
        if not sasl_ir:
            server.hidden.add("SASL-IR")
        session = await sign_in(at(server))
        assert server.counters.logins == 1
        assert session.authenticated
        await session.close()


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("sasl_ir", [True, False])
async def test_a_token_signs_in(mechanism: str, sasl_ir: bool) -> None:
    async with serving(mechanisms=("PLAIN", mechanism)) as server:
        if not sasl_ir:
            server.hidden.add("SASL-IR")
        session = await sign_in(at(server), token())
        assert server.counters.logins == 1
        await session.close()


@pytest.mark.parametrize("secret", ["päßwörd 日本", 'quo"te\\back', "{5}", " ", "x" * 2000])
@pytest.mark.parametrize("mechanisms", [("PLAIN",), ()], ids=["plain", "login"])
async def test_any_password_arrives_as_it_is(secret: str, mechanisms: tuple[str, ...]) -> None:
    async def give() -> str:
        return secret

    async with serving(users={"jürgen": secret}, mechanisms=mechanisms, capabilities=("IMAP4rev1",)) as server:
        session = await sign_in(at(server), Credentials("jürgen", give))
        assert server.counters.logins == 1
        await session.close()


async def test_over_tls_from_the_first_octet(server_tls: ssl.SSLContext, truststore: Path) -> None:
    async with serving(tls=server_tls) as server:
        session = await sign_in(at(server, Security.TLS, truststore))
        assert session.connection.facts.version == "TLSv1.3"
        await session.close()


async def test_over_starttls(server_tls: ssl.SSLContext, truststore: Path) -> None:
    async with serving(starttls=server_tls, login_needs_tls=True) as server:
        session = await sign_in(at(server, Security.STARTTLS, truststore))
        assert server.counters.logins == 1
        assert [command.name for command in server.transcript if not command.secure] == ["STARTTLS"]
        await session.close()


async def test_capabilities_are_those_after_the_sign_in() -> None:
    greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR OLD] hi\r\n"
    later = b"* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK done\r\n"
    async with dialogue(greeting, AWAIT, b"{tag} OK in\r\n", AWAIT, later) as server:
        session = await sign_in(server.endpoint())
        assert session.capabilities == {"IMAP4REV1", "IDLE"}
        session.connection.abort()


async def test_capabilities_told_with_the_sign_in_are_not_asked_for_again() -> None:
    async with dialogue(WITH_PLAIN, AWAIT, b"{tag} OK [CAPABILITY IMAP4rev1 MOVE] in\r\n") as server:
        session = await sign_in(server.endpoint())
        assert session.capabilities == {"IMAP4REV1", "MOVE"}
        assert len(server.heard) == 1
        session.connection.abort()


async def test_utf8_is_agreed_on_where_it_is_offered() -> None:
    signed_in = b"{tag} OK [CAPABILITY IMAP4rev1 ENABLE UTF8=ACCEPT] in\r\n"
    enabled = b"* ENABLED UTF8=ACCEPT\r\n{tag} OK done\r\n"
    async with dialogue(WITH_PLAIN, AWAIT, signed_in, AWAIT, enabled) as server:
        session = await sign_in(server.endpoint())
        assert session.utf8
        session.connection.abort()


async def test_being_signed_in_already_under_tls_is_believed(server_tls: ssl.SSLContext, truststore: Path) -> None:
    greeting = b"* PREAUTH [CAPABILITY IMAP4rev1 IDLE] welcome\r\n"
    async with dialogue(greeting, context=server_tls, implicit=True) as server:
        session = await sign_in(server.endpoint(Security.TLS, truststore_file=truststore))
        assert session.authenticated
        assert not server.secrets_heard()
        session.connection.abort()


# --- refused ---------------------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_said_to_be_wrong() -> None:
    async with serving(users={USER: "another"}) as server:
        with pytest.raises(AuthenticationRefused) as caught:
            await sign_in(at(server))
        assert caught.value.setting == "receiver.user"
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_refused_token_says_what_the_server_said(mechanism: str) -> None:
    async with serving(tokens={USER: "another"}, mechanisms=(mechanism,)) as server:
        with pytest.raises(AuthenticationRefused, match="status 400") as caught:
            await sign_in(at(server), token())
        assert caught.value.setting == "receiver.oauth"
        assert TOKEN not in str(caught.value)


async def test_a_token_where_none_is_taken_is_the_wrong_setting() -> None:
    async with serving(mechanisms=("PLAIN",)) as server:
        with pytest.raises(PermanentFailure, match=r"OAuth 2\.0") as caught:
            await sign_in(at(server), token())
        assert caught.value.setting == "receiver.oauth"
        assert TOKEN.encode() not in server.received()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"{tag} NO [UNAVAILABLE] not now\r\n", ServerUnavailable),
        (b"{tag} NO Too many simultaneous connections\r\n", Throttled),
        (b"* BYE AccessTokenExpired\r\n", TokenExpired),
        (b"{tag} BAD what?\r\n", ServerUnavailable),
        (b"+ eA==\r\n+ eA==\r\n", ConnectionLost),
    ],
)
async def test_other_answers_are_no_word_on_the_password(answer: bytes, failure: type[AccountFailure]) -> None:
    async with dialogue(WITH_PLAIN, AWAIT, answer) as server:
        with pytest.raises(failure):
            await sign_in(server.endpoint())


async def test_a_referral_is_not_followed() -> None:
    answer = b"{tag} NO [REFERRAL IMAP://ann@127.0.0.2:1/] try there\r\n"
    async with dialogue(WITH_PLAIN, AWAIT, answer) as server:
        with pytest.raises(AuthenticationRefused):
            await sign_in(server.endpoint())


async def test_a_secret_with_a_line_end_is_never_sent() -> None:
    async def give() -> str:
        return "x\r\nL1 DELETE INBOX"

    async with serving() as server:
        with pytest.raises(PermanentFailure) as caught:
            await sign_in(at(server), Credentials(USER, give))
        assert caught.value.setting == "receiver.password_file"
        assert b"DELETE" not in server.received()


# --- greetings -------------------------------------------------------------------------------------------------------

GREETINGS = {
    b"* BYE overloaded\r\n": ServerUnavailable,
    b"* BYE [REFERRAL imap://elsewhere.example.net/] moved\r\n": ServerUnavailable,
    b"* BYE Too many connections from your address\r\n": Throttled,
    b"* NO no\r\n": ConnectionLost,
    b"* BAD bad\r\n": ConnectionLost,
    b"A1 OK tagged\r\n": ConnectionLost,
    b"+ go on\r\n": ConnectionLost,
    b"* CAPABILITY IMAP4rev1\r\n": ConnectionLost,
    b"220 mail.example.com ESMTP\r\n": ConnectionLost,
    b"HTTP/1.1 400 Bad Request\r\n": ConnectionLost,
    b"+OK POP3 ready\r\n": ConnectionLost,
    b"* PREAUTH hello\r\n": InsecureConnection,
    b"* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hello\r\n": InsecureConnection,
    b"x" * 9000: ConnectionLost,
    b"\x16\x03\x01\x00\xff\r\n": ConnectionLost,
}


@pytest.mark.parametrize("greeting", GREETINGS, ids=lambda greeting: repr(greeting[:30]))
async def test_a_greeting_that_is_none_ends_it_before_anything_is_said(greeting: bytes) -> None:
    async with dialogue(greeting) as server:
        with pytest.raises(GREETINGS[greeting]):
            await sign_in(server.endpoint())
        assert server.heard == []


def test_a_server_that_never_greets_costs_the_deadline() -> None:
    async def main(loop: object) -> None:
        async with dialogue() as server:
            with pytest.raises(ConnectionLost, match="90 s"):
                await connect(server.endpoint())

    run_virtual(main)


# --- STARTTLS: required or fail (R-58, R-60) ----------------------------------------------------------------------------

EVIL = b'* LIST () "/" evil\r\n'
REFUSALS = {
    "NO": (b"{tag} NO not here\r\n",),
    "BAD": (b"{tag} BAD what?\r\n",),
    "asks back": (b"+ go on\r\n",),
    "wrong tag": (b"A9 OK begin\r\n",),
    "untagged OK only": (b"* OK begin\r\n", CLOSE),
    "BYE": (b"* BYE go away\r\n",),
    "BYE with referral": (b"* BYE [REFERRAL imap://evil.example.net/] over there\r\n",),
    "hangs up": (CLOSE,),
    "long line": (b"* OK " + b"x" * 9000 + b"\r\n",),
    "literal": (b"* LIST {100000}\r\n",),
    "plaintext behind": (b"{tag} OK begin\r\n" + EVIL,),
    "capabilities behind": (b"{tag} OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",),
    "half a line behind": (b"{tag} OK begin\r\n* ",),
    "preauth behind": (b"{tag} OK begin\r\n* PREAUTH in\r\n",),
    "answer to a login behind": (b"{tag} OK begin\r\nL1 OK in\r\n",),
    "no handshake": (b"{tag} OK begin\r\n", AWAIT),
    "twice OK": (b"{tag} OK begin\r\n{tag} OK begin\r\n",),
}
GREETINGS_BEFORE = {
    "plain": b"* OK hi\r\n",
    "capabilities": b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n",
    "starttls": b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n",
}


@pytest.mark.parametrize("greeting", GREETINGS_BEFORE)
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_without_tls_no_credential_is_sent(refusal: str, greeting: str) -> None:
    steps = (GREETINGS_BEFORE[greeting], AWAIT, *REFUSALS[refusal])
    if refusal == "no handshake":
        steps += (CLOSE,)
    async with dialogue(*steps) as server:
        with pytest.raises(AccountFailure):
            await sign_in(server.endpoint(Security.STARTTLS))
        assert server.heard[0].endswith(b" STARTTLS\r\n")
        assert not server.secrets_heard()


@pytest.mark.parametrize("refusal", ["NO", "BAD", "asks back", "plaintext behind", "capabilities behind", "preauth behind"])
async def test_a_refused_starttls_is_no_passing_trouble(refusal: str) -> None:
    async with dialogue(GREETING, AWAIT, *REFUSALS[refusal]) as server:
        with pytest.raises(InsecureConnection) as caught:
            await sign_in(server.endpoint(Security.STARTTLS))
        assert caught.value.setting == "receiver.security"
        assert caught.value.hint


@pytest.mark.parametrize(
    "greeting",
    [b"* PREAUTH hi\r\n", b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n", b"* PREAUTH [ALERT] hi\r\n", b"* preauth\r\n"],
)
async def test_preauth_in_clear_ends_it(greeting: bytes) -> None:
    async with dialogue(greeting) as server:
        with pytest.raises(InsecureConnection):
            await sign_in(server.endpoint(Security.STARTTLS))
        assert server.heard == []


@pytest.mark.parametrize(
    "untagged",
    [
        EVIL,
        b"* STATUS INBOX (MESSAGES 7)\r\n",
        b"* SEARCH 1 2 3\r\n",
        b"* FLAGS (\\Evil)\r\n",
        b"* 23 EXISTS\r\n",
        b"* 5 RECENT\r\n",
        b"* 4 EXPUNGE\r\n",
        b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n",
        b"* OK [ALERT] call 555-1234\r\n",
        b"* OK [UIDVALIDITY 1] x\r\n",
        b"* CAPABILITY IMAP4rev1 AUTH=PLAIN UTF8=ONLY ENABLE\r\n",
        b"* NO something\r\n",
        b"* LIST (a (b) {3}\r\nxyz)\r\n",
    ],
    ids=lambda line: line[:20].decode(),
)
async def test_what_was_said_in_clear_is_forgotten_under_tls(
    untagged: bytes, server_tls: ssl.SSLContext, truststore: Path
) -> None:
    capabilities = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n{tag} OK\r\n"
    steps = (GREETING, untagged, AWAIT, untagged + b"{tag} OK begin\r\n", TLS, AWAIT, capabilities, AWAIT, SIGNED_IN)
    async with dialogue(*steps, context=server_tls) as server:
        session = await sign_in(server.endpoint(Security.STARTTLS, truststore_file=truststore))
        assert session.capabilities == {"IMAP4REV1"}
        assert not session.alerts
        assert not session.hinted
        assert session.selected is None
        assert not session.utf8
        assert len(server.clear) == 1
        session.connection.abort()


async def test_capabilities_are_asked_for_again_under_tls(server_tls: ssl.SSLContext, truststore: Path) -> None:
    lie = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n"
    disabled = b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK done\r\n"
    async with dialogue(lie, AWAIT, b"{tag} OK begin\r\n", TLS, AWAIT, disabled, context=server_tls) as server:
        with pytest.raises(PermanentFailure, match="LOGINDISABLED"):
            await sign_in(server.endpoint(Security.STARTTLS, truststore_file=truststore))
        assert [line.split()[1] for line in server.heard] == [b"STARTTLS", b"CAPABILITY"]


async def test_a_certificate_that_is_not_trusted_ends_it_under_starttls_too(server_tls: ssl.SSLContext) -> None:
    async with dialogue(GREETING, AWAIT, b"{tag} OK begin\r\n", TLS, context=server_tls) as server:
        with pytest.raises(InsecureConnection, match="not trusted"):
            await sign_in(server.endpoint(Security.STARTTLS))
        assert not server.secrets_heard()


async def test_logindisabled_is_obeyed_in_clear() -> None:
    async with dialogue(b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n") as server:
        with pytest.raises(PermanentFailure, match="LOGINDISABLED"):
            await sign_in(server.endpoint())
        assert not server.secrets_heard()


async def test_an_alert_is_data_for_a_log() -> None:
    notices: list[str] = []
    async with dialogue(b"* OK [ALERT] \x1b[31mPay " + b"x" * 400 + b"\r\n") as server:
        session = await connect(server.endpoint(), notice=notices.append)
        session.connection.abort()
    (notice,) = notices
    assert notice.startswith('the server says "[ALERT]')
    assert notice.isprintable()
    assert len(notice) < 250


async def test_a_trace_shows_no_secret() -> None:
    lines: list[bytes] = []

    def trace(direction: str, line: bytes) -> None:
        lines.append(line)

    for credentials, mechanisms in ((password(), ("PLAIN",)), (password(), ()), (token(), ("XOAUTH2",))):
        for sasl_ir in (True, False):
            async with serving(mechanisms=mechanisms) as server:
                server.hidden |= set() if sasl_ir else {"SASL-IR", "LITERAL+"}
                session = await connect(at(server), trace=trace)
                await authenticate(session, credentials)
                await session.close()
    everything = b"\n".join(lines)
    assert b"***" in everything
    assert PASSWORD.encode() not in everything
    assert TOKEN.encode() not in everything
    assert len(lines) > 40
