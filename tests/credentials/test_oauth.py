"""Tokens: one request for everybody, renewed ahead of time, no rotated one lost, failures named for what they are."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import jwt
import pytest
import structlog
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from listener.config import OAuthProfile
from listener.credentials import Secret
from listener.credentials.oauth import Tokens, TokenSource, scope_of
from listener.credentials.oauth_endpoint import Issued
from listener.errors import (
    AccountFailure,
    AuthenticationRefused,
    ConnectionLost,
    ConsentLost,
    InsecureConnection,
    PermanentFailure,
    ServerUnavailable,
    Throttled,
    TransientFailure,
)
from listener.testing.oauth import TokenServer

CANARY = "correct-horse-battery"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """A TokenStore in memory that can be made to fail."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.broken = False
        self.saves = 0

    async def load(self, name: str) -> str | None:
        return self.kept.get(name)

    async def save(self, name: str, value: str) -> None:
        if self.broken:
            raise OSError("disk full")
        self.saves += 1
        self.kept[name] = value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("client", "password", "refresh"):
        (tmp_path / name).write_text(f"{CANARY}-{name}\n")
    return tmp_path


def profile(folder: Path, url: str, grant: str = "client_credentials", **more: object) -> OAuthProfile:
    settings: dict[str, object] = {"grant": grant, "issuer": "custom", "token_url": url, "client_id": "me"}
    if grant in ("client_credentials", "refresh_token"):
        settings["client_secret_file"] = folder / "client"
    if grant == "password":
        settings["password_file"] = folder / "password"
    if grant == "refresh_token":
        settings["refresh_token_file"] = folder / "refresh"
    return OAuthProfile.model_validate(settings | more)


def tokens_for(made: OAuthProfile, store: Store | None = None, clock: Clock | None = None) -> Tokens:
    return Tokens({"p": made}, store or Store(), clock or Clock())


async def token(tokens: Tokens, user: str = "jo@example.com", protocol: str = "imap") -> str:
    return await tokens.token_of("p", user, protocol)()


# --- the source ---------------------------------------------------------------------------------------------------------


async def test_fifty_callers_make_one_request(folder: Path) -> None:
    async with TokenServer() as server:
        tokens = tokens_for(profile(folder, server.url))
        given = await asyncio.gather(*(token(tokens, f"user{n}@example.com") for n in range(50)))
    assert set(given) == {"access-1"}
    assert len(server.requests) == 1


async def test_a_cancelled_caller_does_not_cancel_the_others(folder: Path) -> None:
    async with TokenServer() as server:
        server.gate.clear()
        tokens = tokens_for(profile(folder, server.url))
        first, second = asyncio.create_task(token(tokens)), asyncio.create_task(token(tokens))
        while not server.requests:
            await asyncio.sleep(0)
        first.cancel()
        server.gate.set()
        assert await second == "access-1"
    assert len(server.requests) == 1


async def test_a_token_is_renewed_at_three_quarters_of_its_life(folder: Path) -> None:
    clock = Clock()
    async with TokenServer(lifetime=1000) as server:
        tokens = tokens_for(profile(folder, server.url), clock=clock)
        assert await token(tokens) == "access-1"
        clock.now += 749
        assert await token(tokens) == "access-1"
        clock.now += 2
        assert await token(tokens) == "access-2"


async def test_a_renewal_that_fails_is_no_failure_while_the_old_token_is_good(folder: Path) -> None:
    clock = Clock()
    async with TokenServer(lifetime=1000) as server:
        tokens = tokens_for(profile(folder, server.url), clock=clock)
        await token(tokens)
        clock.now += 800
        server.answer(status=503, json={})
        assert await token(tokens) == "access-1"
        clock.now += 100
        server.answer(status=503, json={})
        with pytest.raises(ServerUnavailable):
            await token(tokens)


async def test_a_refused_token_is_replaced(folder: Path) -> None:
    async with TokenServer() as server:
        tokens = tokens_for(profile(folder, server.url))
        await token(tokens)
        tokens.source("p", "jo@example.com", "imap").invalidate()
        assert await token(tokens) == "access-2"


async def test_a_failed_request_is_not_remembered(folder: Path) -> None:
    async with TokenServer() as server:
        server.answer(status=500, json={})
        tokens = tokens_for(profile(folder, server.url))
        with pytest.raises(ServerUnavailable):
            await token(tokens)
        assert await token(tokens) == "access-1"


async def test_closing_gives_up_a_request_under_way(folder: Path) -> None:
    async with TokenServer() as server:
        server.gate.clear()
        tokens = tokens_for(profile(folder, server.url))
        waiting = asyncio.create_task(token(tokens))
        while not server.requests:
            await asyncio.sleep(0)
        await tokens.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_how_long_a_token_is_good_for_is_known() -> None:
    clock = Clock()

    async def fetch() -> Issued:
        return Issued(Secret("x"), 500.0)

    source = TokenSource(fetch, clock)
    assert source.seconds_left is None
    await source.token()
    clock.now += 100
    assert source.seconds_left == 400


# --- the grants ---------------------------------------------------------------------------------------------------------


async def test_client_credentials_send_id_and_secret(folder: Path) -> None:
    async with TokenServer() as server:
        await token(tokens_for(profile(folder, server.url, scope="mail")))
    assert server.requests == [
        {
            "grant_type": "client_credentials",
            "client_id": "me",
            "client_secret": f"{CANARY}-client",
            "scope": "mail",
            "path": "/token",
        }
    ]


async def test_a_rotated_client_secret_is_used_at_the_next_request(folder: Path) -> None:
    async with TokenServer(lifetime=60) as server:
        tokens = tokens_for(profile(folder, server.url))
        await token(tokens)
        (folder / "client").write_text("new")
        await token(tokens)
    assert server.requests[1]["client_secret"] == "new"


async def test_the_password_grant_asks_for_each_user(folder: Path) -> None:
    async with TokenServer() as server:
        tokens = tokens_for(profile(folder, server.url, "password"))
        await token(tokens, "ann@example.com")
        await token(tokens, "bob@example.com")
    assert [request["username"] for request in server.requests] == ["ann@example.com", "bob@example.com"]
    assert server.requests[0]["password"] == f"{CANARY}-password"


async def test_a_service_account_signs_who_it_acts_for(folder: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    (folder / "key.json").write_text(
        json.dumps({"client_email": "robot@x.example", "private_key": pem, "private_key_id": "k1"})
    )
    async with TokenServer() as server:
        made = profile(folder, server.url, "jwt_bearer", issuer="google", service_account_file=folder / "key.json")
        await token(tokens_for(made))
        claims = jwt.decode(server.requests[0]["assertion"], key.public_key(), ["RS256"], audience=server.url)
    assert (claims["iss"], claims["sub"], claims["scope"]) == ("robot@x.example", "jo@example.com", "https://mail.google.com/")
    assert claims["exp"] - claims["iat"] == 3600
    assert jwt.get_unverified_header(server.requests[0]["assertion"])["kid"] == "k1"


async def test_a_service_account_file_that_is_none_is_named(folder: Path) -> None:
    (folder / "key.json").write_text('{"private_key": "' + CANARY + '", "client_email": "x"}')
    made = profile(folder, "http://127.0.0.1:1/", "jwt_bearer", service_account_file=folder / "key.json")
    with pytest.raises(PermanentFailure, match="service account") as raised:
        await token(tokens_for(made))
    assert raised.value.setting == "oauth.p.service_account_file"
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("issuer", "grant", "protocol", "scope"),
    [
        ("microsoft", "client_credentials", "imap", "https://outlook.office365.com/.default"),
        ("microsoft", "client_credentials", "graph", "https://graph.microsoft.com/.default"),
        ("microsoft", "password", "pop3", "https://outlook.office.com/POP.AccessAsUser.All offline_access"),
        ("microsoft", "refresh_token", "imap", ""),
        ("google", "jwt_bearer", "smtp", "https://mail.google.com/"),
        ("custom", "client_credentials", "imap", ""),
    ],
)
def test_the_scope_follows_issuer_and_protocol(folder: Path, issuer: str, grant: str, protocol: str, scope: str) -> None:
    assert scope_of(profile(folder, "https://x.example", grant, issuer=issuer), protocol) == scope


# --- refresh tokens -----------------------------------------------------------------------------------------------------


async def test_a_rotated_refresh_token_is_kept_and_used_next_time(folder: Path) -> None:
    store = Store()
    async with TokenServer(rotate=True, lifetime=60) as server:
        tokens = tokens_for(profile(folder, server.url, "refresh_token"), store)
        for _ in range(3):
            await token(tokens)
        await token(tokens_for(profile(folder, server.url, "refresh_token"), store))  # after a restart
    assert [request["refresh_token"] for request in server.requests] == [
        f"{CANARY}-refresh",
        "refresh-1",
        "refresh-2",
        "refresh-3",
    ]


async def test_the_access_token_is_not_used_before_the_rotated_refresh_token_is_saved(folder: Path) -> None:
    store = Store()
    store.broken = True
    async with TokenServer(rotate=True, lifetime=60) as server:
        tokens = tokens_for(profile(folder, server.url, "refresh_token"), store)
        with pytest.raises(OSError, match="disk full"):
            await token(tokens)
        store.broken = False
        await token(tokens)
    assert server.requests[1]["refresh_token"] == "refresh-1", "the one that could not be saved is not lost"


async def test_a_refresh_token_that_does_not_change_is_not_saved_again(folder: Path) -> None:
    store = Store()
    async with TokenServer(lifetime=60) as server:
        tokens = tokens_for(profile(folder, server.url, "refresh_token"), store)
        await token(tokens)
        await token(tokens)
    assert store.saves == 0


async def test_a_new_refresh_token_in_the_file_wins_over_the_kept_one(folder: Path) -> None:
    store = Store()
    async with TokenServer(rotate=True, lifetime=60) as server:
        tokens = tokens_for(profile(folder, server.url, "refresh_token"), store)
        await token(tokens)
        (folder / "refresh").write_text("consented again")
        server.refresh_token = "consented again"
        await token(tokens)
    assert server.requests[1]["refresh_token"] == "consented again"


@pytest.mark.parametrize("rubbish", ["", "not json", "[]", '{"token": "x"}', "null"])
async def test_what_is_kept_and_cannot_be_read_is_passed_over(folder: Path, rubbish: str) -> None:
    store = Store()
    store.kept["oauth/p"] = rubbish
    async with TokenServer() as server:
        await token(tokens_for(profile(folder, server.url, "refresh_token"), store))
    assert server.requests[0]["refresh_token"] == f"{CANARY}-refresh"


# --- failures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grant", "status", "answer", "kind", "setting"),
    [
        ("refresh_token", 400, {"error": "invalid_grant"}, ConsentLost, "oauth.p"),
        (
            "refresh_token",
            400,
            {"error": "invalid_grant", "error_description": "AADSTS700082: expired"},
            ConsentLost,
            "oauth.p",
        ),
        ("refresh_token", 400, {"error": "interaction_required"}, ConsentLost, "oauth.p"),
        ("password", 400, {"error": "invalid_grant", "error_description": "AADSTS65001: consent"}, ConsentLost, "oauth.p"),
        ("password", 400, {"error": "invalid_grant"}, AuthenticationRefused, "oauth.p.password_file"),
        ("client_credentials", 401, {"error": "invalid_client"}, PermanentFailure, "oauth.p.client_secret_file"),
        (
            "client_credentials",
            401,
            {"error": "invalid_client", "error_description": "AADSTS7000222: keys are expired"},
            PermanentFailure,
            "oauth.p.client_secret_file",
        ),
        (
            "client_credentials",
            400,
            {"error": "x", "error_description": "AADSTS90002: no tenant"},
            PermanentFailure,
            "oauth.p.tenant",
        ),
        ("client_credentials", 400, {"error": "invalid_scope"}, PermanentFailure, "oauth.p.scope"),
        ("client_credentials", 400, {"error": "something_new"}, PermanentFailure, "oauth.p"),
        ("client_credentials", 503, {"error": "temporarily_unavailable"}, ServerUnavailable, ""),
        ("refresh_token", 500, {"error": "invalid_grant"}, ServerUnavailable, ""),
        ("client_credentials", 200, {"token_type": "Bearer"}, ServerUnavailable, "oauth.p.token_url"),
    ],
)
async def test_each_refusal_is_named_for_what_it_is(
    folder: Path, grant: str, status: int, answer: dict[str, str], kind: type[AccountFailure], setting: str
) -> None:
    async with TokenServer() as server:
        server.answer(status=status, json=answer)
        with pytest.raises(kind) as raised:
            await token(tokens_for(profile(folder, server.url, grant)))
    assert type(raised.value) is kind
    assert raised.value.setting == setting
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(("seconds", "told"), [(600, "s behind"), (-600, "s ahead of"), (10, "")])
async def test_a_refusal_tells_of_clocks_that_differ(folder: Path, seconds: float, told: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    async with TokenServer() as server:
        server.answer(status=400, json={"error": "invalid_grant"}, headers={"Date": date})
        with pytest.raises(AccountFailure) as raised:
            await token(tokens_for(profile(folder, server.url)))
    assert told in raised.value.reason
    assert ("clock" in raised.value.reason) == bool(told)


@pytest.mark.parametrize("status", [200, 302, 404])
async def test_a_page_of_html_is_said_to_be_one(folder: Path, status: int) -> None:
    async with TokenServer() as server:
        server.answer(status=status, text="<html>Sign in</html>", headers={"Location": server.url})
        with pytest.raises(ServerUnavailable, match=f"answered {status} with text/html and not with JSON"):
            await token(tokens_for(profile(folder, server.url)))
    assert len(server.requests) == 1, "redirects are not followed"


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("999999999", 3600.0), ("soon", None), ("", None), ("-5", None), ("date", 30.0)]
)
async def test_a_throttled_request_says_how_long_to_wait(folder: Path, value: str, seconds: float | None) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=30)
    async with TokenServer() as server:
        header = format_datetime(moment, usegmt=True) if value == "date" else value
        server.answer(status=429, json={}, headers={"Retry-After": header})
        with pytest.raises(Throttled) as raised:
            await token(tokens_for(profile(folder, server.url)))
    assert raised.value.retry_after == (pytest.approx(seconds, abs=3) if seconds else seconds)


async def test_an_endpoint_that_nobody_listens_at_is_a_network_error(folder: Path) -> None:
    async with TokenServer() as server:
        url = server.url
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        await token(tokens_for(profile(folder, url)))


async def test_an_answer_without_end_is_cut(folder: Path) -> None:
    async with TokenServer() as server:
        server.answer(text="x" * 1_000_000)
        with pytest.raises(ServerUnavailable):
            await token(tokens_for(profile(folder, server.url)))


@pytest.mark.parametrize("lifetime", ["soon", None, float("1e300"), -5, "NaN"])
async def test_a_lifetime_that_makes_no_sense_is_bounded(folder: Path, lifetime: object) -> None:
    async with TokenServer() as server:
        server.answer(json={"access_token": "x", "expires_in": lifetime})
        tokens = tokens_for(profile(folder, server.url))
        await token(tokens)
    left = tokens.source("p", "", "imap").seconds_left
    assert left is not None
    assert 60 <= left <= 86400


async def test_words_of_the_issuer_are_harmless_and_bounded(folder: Path) -> None:
    async with TokenServer() as server:
        server.answer(status=400, json={"error": "x", "error_description": "\x1b[31m" + "y" * 5000})
        with pytest.raises(PermanentFailure) as raised:
            await token(tokens_for(profile(folder, server.url)))
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 600


async def test_a_missing_secret_is_named_before_anything_is_sent(folder: Path) -> None:
    (folder / "client").unlink()
    async with TokenServer() as server:
        with pytest.raises(PermanentFailure) as raised:
            await token(tokens_for(profile(folder, server.url)))
        assert server.requests == []
    assert raised.value.setting == "oauth.p.client_secret_file"


def test_an_unknown_profile_is_named(folder: Path) -> None:
    with pytest.raises(PermanentFailure, match=r"\[oauth\.q\]"):
        tokens_for(profile(folder, "https://x.example")).token_of("q", "jo", "imap")


# --- TLS ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


async def test_the_endpoints_certificate_is_verified(folder: Path, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(folder / "ca.pem")
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        assert await token(tokens_for(profile(folder, server.url, truststore_file=folder / "ca.pem"))) == "access-1"
        with pytest.raises(InsecureConnection, match="not trusted"):
            await token(tokens_for(profile(folder, server.url)))
    assert len(server.requests) == 1


def locked_store(folder: Path, authority: trustme.CA, password: str = CANARY) -> dict[str, Path]:
    """The authority as a PKCS#12 store, and the settings that name it and its password."""
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    sealing = serialization.BestAvailableEncryption(CANARY.encode())
    (folder / "ca.p12").write_bytes(pkcs12.serialize_key_and_certificates(None, None, None, [certificate], sealing))
    (folder / "store-password").write_text(password + "\n")
    return {"truststore_file": folder / "ca.p12", "truststore_password_file": folder / "store-password"}


async def test_the_authority_may_lie_in_a_pkcs12_store(folder: Path, authority: trustme.CA) -> None:
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        settings = locked_store(folder, authority)
        assert await token(tokens_for(profile(folder, server.url, **settings))) == "access-1"


@pytest.mark.parametrize("octets", [b"", b"no store", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None])
async def test_a_trust_store_that_is_none_is_told_with_its_setting(folder: Path, octets: bytes | None) -> None:
    if octets is not None:
        (folder / "ca.pem").write_bytes(octets)
    async with TokenServer() as server:
        with pytest.raises(InsecureConnection) as caught:
            await token(tokens_for(profile(folder, server.url, truststore_file=folder / "ca.pem")))
        assert server.requests == []
    assert caught.value.setting == "oauth.p.truststore_file"


async def test_a_trust_store_whose_password_is_another_says_so_without_it(folder: Path, authority: trustme.CA) -> None:
    async with TokenServer() as server:
        settings = locked_store(folder, authority, "opensesame")
        with pytest.raises(InsecureConnection, match="truststore_password_file holds another password") as caught:
            await token(tokens_for(profile(folder, server.url, **settings)))
    assert "opensesame" not in str(caught.value)
    assert CANARY not in str(caught.value)


# --- Entra, by azure-identity -------------------------------------------------------------------------------------------


def entra(folder: Path, server: TokenServer, **more: object) -> OAuthProfile:
    settings = {"issuer": "microsoft", "tenant": "11111111-1111-1111-1111-111111111111", "token_url": None}
    settings |= {"authority": "127.0.0.1", "truststore_file": folder / "ca.pem"}
    return profile(folder, server.url, **(settings | more))


@pytest.fixture
def at_our_server(monkeypatch: pytest.MonkeyPatch):
    """Let `authority` name the test server's port, which a setting cannot."""

    def to(server: TokenServer) -> None:
        monkeypatch.setattr("listener.credentials.oauth_entra._authority", lambda profile: f"https://127.0.0.1:{server.port}")

    return to


async def test_an_application_signs_in_with_its_secret(folder: Path, authority: trustme.CA, at_our_server) -> None:
    authority.cert_pem.write_to_path(folder / "ca.pem")
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        at_our_server(server)
        assert await token(tokens_for(entra(folder, server))) == "access-1"
    (request,) = server.requests
    assert request["path"] == "/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token"
    assert (request["client_id"], request["client_secret"]) == ("me", f"{CANARY}-client")
    assert request["scope"] == "https://outlook.office365.com/.default"


async def test_an_applications_authority_may_lie_in_a_pkcs12_store(folder: Path, authority: trustme.CA, at_our_server) -> None:
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        at_our_server(server)
        assert await token(tokens_for(entra(folder, server, **locked_store(folder, authority)))) == "access-1"


async def test_an_application_signs_in_with_its_certificate(folder: Path, authority: trustme.CA, at_our_server) -> None:
    authority.cert_pem.write_to_path(folder / "ca.pem")
    made = trustme.CA().issue_cert("app.example", key_type=trustme.KeyType.RSA)
    (folder / "app.pem").write_bytes(made.private_key_and_cert_chain_pem.bytes())
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        at_our_server(server)
        tokens = tokens_for(entra(folder, server, client_secret_file=None, certificate_file=folder / "app.pem"))
        assert await token(tokens) == "access-1"
    assert "client_assertion" in server.requests[0]


@pytest.mark.parametrize(
    ("status", "description", "kind", "setting"),
    [
        (401, "AADSTS7000222: The provided client secret keys are expired.", PermanentFailure, "oauth.p.client_secret_file"),
        (400, "AADSTS90002: Tenant not found.", PermanentFailure, "oauth.p.tenant"),
        (400, "AADSTS65001: The user has not consented.", ConsentLost, "oauth.p"),
        (429, "slow down", Throttled, ""),
    ],
)
async def test_what_entra_refuses_is_named(
    folder: Path, authority: trustme.CA, at_our_server, status: int, description: str, kind: type[AccountFailure], setting: str
) -> None:
    authority.cert_pem.write_to_path(folder / "ca.pem")
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        at_our_server(server)
        for _ in range(3):
            server.answer(
                status=status, json={"error": "invalid_client", "error_description": description}, headers={"Retry-After": "0"}
            )
        with pytest.raises(kind) as raised:
            await token(tokens_for(entra(folder, server)))
    assert raised.value.setting == setting
    assert CANARY not in str(raised.value)


async def test_entra_out_of_reach_may_pass(folder: Path, authority: trustme.CA, at_our_server) -> None:
    authority.cert_pem.write_to_path(folder / "ca.pem")
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        at_our_server(server)
    with pytest.raises(TransientFailure):
        await token(tokens_for(entra(folder, server)))


async def test_a_managed_identity_gives_tokens_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with TokenServer() as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", server.url)
        monkeypatch.setenv("IDENTITY_HEADER", "x")
        expires = int(datetime.now(UTC).timestamp()) + 3600
        server.answer(json={"access_token": "managed", "expires_on": expires, "resource": "r", "token_type": "Bearer"})
        made = profile(folder, server.url, issuer="microsoft", token_url=None, client_secret_file=None, managed_identity=True)
        assert await token(tokens_for(made)) == "managed"


async def test_a_workload_identity_that_is_not_there_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    made = profile(folder, "x", issuer="microsoft", token_url=None, client_secret_file=None, workload_identity=True)
    with pytest.raises(PermanentFailure) as raised:
        await token(tokens_for(made))
    assert raised.value.setting.startswith("oauth.p")


async def test_a_certificate_that_entra_cannot_use_is_named(folder: Path, authority: trustme.CA, at_our_server) -> None:
    (folder / "app.pem").write_bytes(authority.issue_cert("app.example").private_key_and_cert_chain_pem.bytes())
    authority.cert_pem.write_to_path(folder / "ca.pem")
    async with TokenServer(tls=serving(authority, "127.0.0.1")) as server:
        at_our_server(server)
        with pytest.raises(PermanentFailure, match="RSA") as raised:
            await token(tokens_for(entra(folder, server, client_secret_file=None, certificate_file=folder / "app.pem")))
    assert raised.value.setting == "oauth.p.certificate_file"


async def test_an_issuer_that_tells_no_time_says_nothing_of_clocks(folder: Path) -> None:
    async with TokenServer() as server:
        server.answer(headers={"Date": "soon"}, json={"access_token": "access-1"})
        asked = tokens_for(profile(folder, server.url))
        assert asked.skew("p") is None
        await token(asked)
    assert asked.skew("p") is None


@pytest.mark.parametrize(("seconds", "said"), [(60, False), (-60, False), (180, True), (-180, True)])
async def test_a_clock_that_differs_is_told_also_when_the_token_was_issued(folder: Path, seconds: float, said: bool) -> None:
    async with TokenServer() as server:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        server.answer(headers={"Date": date}, json={"access_token": "access-1", "expires_in": 1000})
        asked = tokens_for(profile(folder, server.url))
        with structlog.testing.capture_logs() as logs:
            assert await token(asked) == "access-1"
    assert asked.skew("p") == pytest.approx(seconds, abs=5)
    told = [line for line in logs if line["event"] == "token.clock_differs"]
    assert bool(told) is said
    assert all("set it" in line["error"] for line in told)
