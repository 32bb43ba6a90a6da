"""Signing in to submit mail: by password and by token, under TLS from the start or by STARTTLS; refusals say what to do."""

import base64
import json
import ssl
import warnings
from contextlib import asynccontextmanager

import pytest
import trustme

from listener.errors import AuthenticationRefused, ServerUnavailable
from listener.protocols import smtp
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.sasl import Credentials, Kind

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from aiosmtpd.smtp import SMTP, AuthResult

USER, TOKEN = "ann@example.com", "access-1"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


class Handler:
    """Takes XOAUTH2 (and PLAIN) with the right token; `refuse` is the line that everybody else gets."""

    def __init__(self, refuse="535 5.7.8 no"):
        self.refuse = refuse
        self.answers = []

    async def auth_XOAUTH2(self, server, args):
        given = base64.b64decode(args[1])
        if given == f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode() and not self.refuse:
            return AuthResult(success=True)
        challenge = json.dumps({"status": "400", "schemes": "Bearer", "scope": "https://mail.google.com/"})
        self.answers.append(await server.challenge_auth(challenge))
        await server.push(self.refuse)
        return AuthResult(success=False, handled=True)


@asynccontextmanager
async def submission(handler, tls=None, starttls=None):
    import asyncio

    def session():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SMTP(handler, tls_context=starttls, require_starttls=bool(starttls), auth_require_tls=False, hostname="mx")

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)


def context(authority):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).configure_cert(made)
    return made


def by_token(token=TOKEN):
    async def secret():
        return token

    return Credentials(USER, secret, Kind.TOKEN, "sender")


async def sign_in(endpoint, credentials):
    client = await smtp.connect(endpoint)
    try:
        await smtp.authenticate(client, endpoint, credentials)
        return smtp.facts(client)
    finally:
        await smtp.leave(client)


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
async def test_a_token_signs_in_under_tls(authority, tmp_path, security):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    how = {"tls" if security is Security.TLS else "starttls": context(authority)}
    async with submission(Handler(refuse=""), **how) as port:
        endpoint = Endpoint("localhost", port, security=security, truststore_file=tmp_path / "ca.pem", section="sender")
        facts = await sign_in(endpoint, by_token())
    assert facts.version.startswith("TLSv1.")


@pytest.mark.parametrize(
    ("line", "kind", "hint"),
    [
        ("535 5.7.3 Authentication unsuccessful", AuthenticationRefused, "check user and password"),
        ("535 5.7.139 Unsuccessful, SmtpClientAuthentication is disabled", AuthenticationRefused, "switched off"),
        ("550 5.7.30 Basic authentication is not supported for Client Submission", AuthenticationRefused, "use oauth"),
        ("534-5.7.9 Application-specific password required", AuthenticationRefused, "app password"),
        ("454 4.7.0 Temporary authentication failure", ServerUnavailable, ""),
        ("421 4.3.2 Service not active", ServerUnavailable, ""),
    ],
)
async def test_what_a_refusal_means_and_what_to_do(line, kind, hint):
    handler = Handler(line.replace("534-", "534 "))
    async with submission(handler) as port:
        endpoint = Endpoint("127.0.0.1", port, security=Security.NONE, section="sender")
        with pytest.raises(kind) as caught:
            await sign_in(endpoint, by_token("stale"))
    assert hint in caught.value.hint
    assert handler.answers == [b""], "the error challenge is answered by an empty line"
    assert "stale" not in str(caught.value)
