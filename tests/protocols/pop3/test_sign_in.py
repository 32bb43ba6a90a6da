"""From greeting to sign-in: what a server or somebody on the way may try, and that no credential leaves before it is safe."""

import base64
import ssl

import pytest
import trustme

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
from listener.protocols.endpoint import Security
from listener.protocols.pop3.sign_in import authenticate, connect
from listener.protocols.sasl import Credentials
from tests.protocols.imap.dialogue import AWAIT, CLOSE, PASSWORD, TLS, TOKEN, USER, dialogue, password, token
from tests.protocols.pop3.box import endpoint, serving
from tests.virtual_clock import run_virtual

NO_CAPA = b"-ERR unknown\r\n"


async def sign_in(where, credentials=None):
    session = await connect(where)
    await authenticate(session, credentials or password())
    return session


# --- the ways in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanisms", [("PLAIN",), ()], ids=["auth plain", "user and pass"])
async def test_a_password_signs_in(mechanisms):
    async with serving(mechanisms=mechanisms) as server:
        session = await sign_in(endpoint(server))
        assert server.counters.logins == 1
        assert [command.name for command in server.transcript if command.name in ("USER", "AUTH")] == (
            ["AUTH"] if mechanisms else ["USER"]
        )
        await session.quit()


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_token_signs_in_by_two_steps(mechanism):
    async with serving(mechanisms=("PLAIN", mechanism)) as server:
        session = await sign_in(endpoint(server), token())
        assert server.counters.logins == 1
        assert [command.line.decode() for command in server.commands("AUTH")] == [f"AUTH {mechanism}"]
        await session.quit()


async def test_a_token_of_four_kilobytes_fits():
    async def long():
        return "x" * 4000

    async with serving(tokens={USER: "x" * 4000}) as server:
        session = await sign_in(endpoint(server), Credentials(USER, long, token().kind))
        assert server.counters.logins == 1
        await session.quit()


@pytest.mark.parametrize("secret", ["päßwörd 日本", 'quo"te\\back', " leading and trailing ", "x" * 200, "PASS x"])
@pytest.mark.parametrize("mechanisms", [("PLAIN",), ()], ids=["auth plain", "user and pass"])
async def test_any_password_arrives_as_it_is(secret, mechanisms):
    async def give():
        return secret

    async with serving(users={"jürgen": secret}, mechanisms=mechanisms) as server:
        session = await sign_in(endpoint(server), Credentials("jürgen", give))
        assert server.counters.logins == 1
        await session.quit()


async def test_over_tls_from_the_first_octet(server_tls, truststore):
    async with serving(tls=server_tls) as server:
        session = await sign_in(endpoint(server, Security.TLS, truststore))
        assert session.connection.facts.version == "TLSv1.3"
        await session.quit()


async def test_over_stls(server_tls, truststore):
    async with serving(starttls=server_tls, login_needs_tls=True) as server:
        session = await sign_in(endpoint(server, Security.STARTTLS, truststore))
        assert server.counters.logins == 1
        assert [command.name for command in server.transcript if not command.secure] == ["STLS"]
        await session.quit()


async def test_a_server_without_capa_gets_user_and_pass():
    async with serving() as server:
        server.hidden.add("CAPA")
        session = await sign_in(endpoint(server))
        assert session.capabilities == {}
        await session.quit()


async def test_capabilities_are_those_after_the_sign_in():
    before, after = b"+OK\r\nUSER\r\nUIDL\r\n.\r\n", b"+OK\r\nPIPELINING\r\nLOGIN-DELAY 60 USER\r\n.\r\n"
    async with dialogue(b"+OK hi\r\n", AWAIT, before, AWAIT, b"+OK\r\n", AWAIT, b"+OK\r\n", AWAIT, after) as server:
        session = await sign_in(server.endpoint())
        assert session.capabilities == {"PIPELINING": (), "LOGIN-DELAY": ("60", "USER")}
        session.connection.abort()


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanisms", [("PLAIN",), ()], ids=["auth plain", "user and pass"])
async def test_a_wrong_password_is_said_to_be_wrong(mechanisms):
    async with serving(users={USER: "another"}, mechanisms=mechanisms) as server:
        with pytest.raises(AuthenticationRefused) as caught:
            await sign_in(endpoint(server))
        assert caught.value.setting == "receiver.user"
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_refused_token_says_what_the_server_said(mechanism):
    async with serving(tokens={USER: "another"}, mechanisms=(mechanism,)) as server:
        with pytest.raises(AuthenticationRefused, match="status 400") as caught:
            await sign_in(endpoint(server), token())
        assert caught.value.setting == "receiver.oauth"
        assert TOKEN not in str(caught.value)
        assert server.counters.refused_logins == 1


async def test_a_token_where_none_is_taken_is_the_wrong_setting():
    async with serving(mechanisms=("PLAIN",)) as server:
        with pytest.raises(PermanentFailure, match=r"OAuth 2\.0") as caught:
            await sign_in(endpoint(server), token())
        assert caught.value.setting == "receiver.oauth"
        assert base64.b64encode(TOKEN.encode())[:-4] not in server.received()


OTHER_ANSWERS = {
    b"-ERR [IN-USE] held by another\r\n": Throttled,
    b"-ERR Mailbox is locked\r\n": Throttled,
    b"-ERR [LOGIN-DELAY] minimum 900 seconds\r\n": Throttled,
    b"-ERR [SYS/TEMP] try later\r\n": ServerUnavailable,
    b"-ERR [SYS/PERM] gone\r\n": PermanentFailure,
    b"-ERR temporarily unavailable\r\n": ServerUnavailable,
    b"-ERR AccessTokenExpired\r\n": TokenExpired,
    b"-ERR [REFERRAL pop://ann@127.0.0.2/] try there\r\n": AuthenticationRefused,
    b"-ERR\r\n": AuthenticationRefused,
    b"garbage\r\n": ConnectionLost,
    b"+ eA==\r\n": ConnectionLost,
    b"x" * 9000 + b"\r\n": ConnectionLost,
}


@pytest.mark.parametrize("said", OTHER_ANSWERS, ids=lambda said: repr(said[:30]))
async def test_each_answer_to_a_password_means_what_it_says(said):
    async with dialogue(b"+OK hi\r\n", AWAIT, NO_CAPA, AWAIT, b"+OK\r\n", AWAIT, said, CLOSE) as server:
        with pytest.raises(OTHER_ANSWERS[said]) as caught:
            await sign_in(server.endpoint())
        assert type(caught.value) is OTHER_ANSWERS[said]


async def test_a_locked_maildrop_is_left_alone_for_a_minute():
    async with serving() as server:
        server.locked.add(USER)
        with pytest.raises(Throttled) as caught:
            await sign_in(endpoint(server))
        assert caught.value.retry_after >= 60


async def test_a_password_is_not_sent_after_a_refused_user():
    async with dialogue(b"+OK hi\r\n", AWAIT, NO_CAPA, AWAIT, b"-ERR no such user\r\n") as server:
        with pytest.raises(AuthenticationRefused):
            await sign_in(server.endpoint())
        assert PASSWORD.encode() not in b"".join(server.heard)


async def test_a_password_is_not_sent_after_a_refused_mechanism():
    capa = b"+OK\r\nSASL PLAIN\r\n.\r\n"
    async with dialogue(b"+OK hi\r\n", AWAIT, capa, AWAIT, b"-ERR not now\r\n") as server:
        with pytest.raises(AuthenticationRefused):
            await sign_in(server.endpoint())
        assert server.heard[1:] == [b"AUTH PLAIN\r\n"]


async def test_a_server_that_asks_back_without_end_is_left():
    capa = b"+OK\r\nSASL XOAUTH2\r\n.\r\n"
    async with dialogue(b"+OK hi\r\n", AWAIT, capa, AWAIT, b"+ \r\n", AWAIT, b"+ e30=\r\n", AWAIT, b"+ e30=\r\n") as server:
        with pytest.raises(ConnectionLost, match="without end"):
            await sign_in(server.endpoint(), token())


@pytest.mark.parametrize("ending", ["\r\nDELE 1", "\nQUIT", "\0", "\r", "\x1b[2J"])
@pytest.mark.parametrize("part", ["user", "password"])
async def test_a_control_character_in_user_or_password_is_never_sent(part, ending):
    async def give():
        return PASSWORD + ending * (part == "password")

    async with serving(mechanisms=()) as server:
        with pytest.raises(PermanentFailure) as caught:
            await sign_in(endpoint(server), Credentials(USER + ending * (part == "user"), give))
        assert caught.value.setting == ("receiver.user" if part == "user" else "receiver.password_file")
        assert {command.name for command in server.transcript} <= {"CAPA"}


# --- greetings -------------------------------------------------------------------------------------------------------

GREETINGS = {
    b"-ERR overloaded\r\n": ServerUnavailable,
    b"-ERR [SYS/TEMP] maintenance\r\n": ServerUnavailable,
    b"-ERR [SYS/PERM] closed\r\n": PermanentFailure,
    b"-ERR [REFERRAL pop3://evil.example.net/] moved\r\n": ServerUnavailable,
    b"-ERR Too many connections from your address\r\n": Throttled,
    b"+ go on\r\n": ConnectionLost,
    b"+OKAY\r\n": ConnectionLost,
    b"* OK IMAP4rev1 ready\r\n": ConnectionLost,
    b"* PREAUTH welcome\r\n": ConnectionLost,
    b"220 mail.example.com ESMTP\r\n": ConnectionLost,
    b"HTTP/1.1 400 Bad Request\r\n": ConnectionLost,
    b"\r\n": ConnectionLost,
    b"\0\0\0\0\r\n": ConnectionLost,
    b"x" * 9000: ConnectionLost,
    b"\x16\x03\x01\x00\xff\r\n": ConnectionLost,
}


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
@pytest.mark.parametrize("greeting", GREETINGS, ids=lambda greeting: repr(greeting[:30]))
async def test_a_greeting_that_is_none_ends_it_before_anything_is_said(greeting, security):
    async with dialogue(greeting) as server:
        with pytest.raises(GREETINGS[greeting]):
            await sign_in(server.endpoint(security))
        assert server.heard == []


def test_a_server_that_never_greets_costs_the_deadline():
    async def main(loop):
        async with dialogue() as server:
            with pytest.raises(ConnectionLost, match="90 s"):
                await connect(server.endpoint())

    run_virtual(main)


# --- STLS: required or fail (R-58, R-60) --------------------------------------------------------------------------------

SIGNED_IN = b"+OK signed in\r\n"
REFUSALS = {
    "-ERR": (b"-ERR no\r\n",),
    "-ERR with code": (b"-ERR [SYS/PERM] TLS is switched off\r\n",),
    "-ERR unknown command": (b"-ERR unknown command\r\n",),
    "referral": (b"-ERR [REFERRAL pop3://evil.example.net/] over there\r\n",),
    "asks back": (b"+ go on\r\n",),
    "garbage": (b"what?\r\n",),
    "blank line": (b"\r\n",),
    "OK without plus": (b"OK begin\r\n",),
    "the answer of IMAP": (b"* OK begin\r\n",),
    "hangs up": (CLOSE,),
    "half an answer": (b"+O", CLOSE),
    "long line": (b"+OK " + b"x" * 9000 + b"\r\n",),
    "answer to a sign-in behind": (b"+OK begin\r\n" + SIGNED_IN,),
    "several answers behind": (b"+OK begin\r\n" + SIGNED_IN * 3,),
    "capabilities behind": (b"+OK begin\r\n+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n",),
    "half a line behind": (b"+OK begin\r\n+",),
    "one octet behind": (b"+OK begin\r\n\n",),
    "-ERR behind": (b"+OK begin\r\n-ERR after all not\r\n",),
    "twice OK": (b"+OK begin\r\n+OK begin\r\n",),
    "bare LF and more": (b"+OK begin\n+OK more\n",),
    "no handshake": (b"+OK begin\r\n", AWAIT, b"-ERR what is this?\r\n"),
    "plain text for a handshake": (b"+OK begin\r\n", AWAIT, SIGNED_IN * 50),
    "hangs up in the handshake": (b"+OK begin\r\n", AWAIT, CLOSE),
}
GREETINGS_BEFORE = {
    "plain": b"+OK hi\r\n",
    "apop": b"+OK ready <1896.697170952@mail.example.com>\r\n",
    "answers sent ahead": b"+OK hi\r\n+OK begin\r\n+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n" + SIGNED_IN,
}


@pytest.mark.parametrize("greeting", GREETINGS_BEFORE)
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_without_tls_no_credential_is_sent(refusal, greeting):
    async with dialogue(GREETINGS_BEFORE[greeting], AWAIT, *REFUSALS[refusal]) as server:
        with pytest.raises(AccountFailure):
            await sign_in(server.endpoint(Security.STARTTLS))
        assert server.heard[:1] in ([b"STLS\r\n"], [])
        everything = b"".join(server.heard)
        assert PASSWORD.encode() not in everything
        assert not any(word in everything.upper() for word in (b"USER ", b"PASS ", b"AUTH ", b"APOP "))


@pytest.mark.parametrize("refusal", ["-ERR", "asks back", "capabilities behind", "answer to a sign-in behind", "garbage"])
async def test_a_refused_stls_is_no_passing_trouble(refusal):
    async with dialogue(b"+OK hi\r\n", AWAIT, *REFUSALS[refusal]) as server:
        with pytest.raises(InsecureConnection) as caught:
            await sign_in(server.endpoint(Security.STARTTLS))
        assert caught.value.setting == "receiver.security"
        assert caught.value.hint


async def test_stls_is_demanded_also_where_it_is_not_offered():
    """A man in the middle strips the offer; we never look at it."""
    async with serving(starttls=None) as server:
        with pytest.raises(InsecureConnection):
            await sign_in(endpoint(server, Security.STARTTLS))
        assert [command.name for command in server.transcript] == ["STLS"]


async def test_capabilities_are_asked_for_again_under_tls(server_tls, truststore):
    capa = b"+OK\r\nSASL PLAIN\r\n.\r\n"
    steps = (b"+OK hi\r\n", AWAIT, b"+OK\r\n", TLS, AWAIT, capa, AWAIT, b"+ \r\n", AWAIT, b"+OK\r\n", AWAIT, NO_CAPA)
    async with dialogue(*steps, context=server_tls) as server:
        session = await sign_in(server.endpoint(Security.STARTTLS, truststore_file=truststore))
        assert server.clear == [b"STLS\r\n"]
        assert server.heard[1:3] == [b"CAPA\r\n", b"AUTH PLAIN\r\n"]
        assert session.capabilities == {}
        session.connection.abort()


def certificate(name, authority=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (authority or trustme.CA()).issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
@pytest.mark.parametrize("fault", ["another authority", "another name"])
async def test_a_certificate_that_is_not_the_servers_ends_it(fault, security, authority, truststore):
    context = certificate("localhost") if fault == "another authority" else certificate("mail.example.net", authority)
    async with serving(**{"tls" if security == Security.TLS else "starttls": context}) as server:
        with pytest.raises(InsecureConnection):
            await sign_in(endpoint(server, security, truststore))
        assert {command.name for command in server.transcript} <= {"STLS"}


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
async def test_an_old_tls_version_ends_it(security, authority, truststore):
    context = certificate("127.0.0.1", authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(**{"tls" if security == Security.TLS else "starttls": context}) as server:
        where = endpoint(server, security, truststore)
        where = type(where)(where.host, where.port, where.security, min_tls="1.3", truststore_file=truststore)
        with pytest.raises(AccountFailure, match=r"TLS 1\.3|version"):
            await sign_in(where)
        assert {command.name for command in server.transcript} <= {"STLS"}
