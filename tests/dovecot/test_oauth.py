"""Signing in by OAuth 2.0 to a real Dovecot that asks our token server about each token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from daemon import Daemon, eventually

from dovecot.mail import account, batch, message
from dovecot.server import Dovecot, free_ports
from listener.testing.oauth import TokenServer

pytestmark = pytest.mark.dovecot

CANARY = "correct-horse-battery"


@pytest.fixture(scope="module")
def asking(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dovecot, int]]:
    """A Dovecot of our own that takes access tokens, and the port at which it asks about them."""
    home = tmp_path_factory.mktemp("oauth")
    home.chmod(0o755)
    (port,) = free_ports(1)
    (home / "oauth2.conf").write_text(
        f"introspection_mode = post\nintrospection_url = http://127.0.0.1:{port}/introspect\n"
        "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
    )
    extra = f"""
auth_mechanisms = xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {home}/oauth2.conf
}}
"""
    server = Dovecot(home, extra).start()
    try:
        yield server, port
    finally:
        server.stop()


@pytest.fixture
async def issuer(asking: tuple[Dovecot, int], user: str) -> AsyncIterator[TokenServer]:
    async with TokenServer(port=asking[1], user=user) as server:
        yield server


@pytest.fixture
def server(asking: tuple[Dovecot, int]) -> Dovecot:
    return asking[0]


def by_profile(server: Dovecot, user: str, **receiver: object) -> str:
    lines = "".join(f'{key} = "{value}"\n' for key, value in {"oauth": "idp", **receiver}.items())
    text = account(server, user, receiver=lines).replace('password_file = "password"\n', "")
    return text.replace(f"port = {server.imaps}", f"port = {server.pop3s}") if receiver.get("protocol") == "pop3" else text


def profile(folder: Path, issuer: TokenServer, grant: str = "client_credentials") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("client-secret", "first-refresh-token"):
        (folder / name).write_text(f"{CANARY}-{name}\n")
        (folder / name).chmod(0o600)
    first = 'refresh_token_file = "first-refresh-token"\n' if grant == "refresh_token" else ""
    return f"""
[oauth.idp]
grant = "{grant}"
issuer = "custom"
token_url = "{issuer.url}"
client_id = "listener"
client_secret_file = "client-secret"
{first}"""


def no_secret_in(text: str, issuer: TokenServer) -> None:
    for secret in (CANARY, *issuer.issued, *(f"refresh-{n}" for n in range(1, len(issuer.issued) + 1))):
        assert secret not in text


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_mail_is_received_with_a_token(
    server: Dovecot, user: str, issuer: TokenServer, tmp_path: Path, protocol: str
) -> None:
    server.deliver(user, batch(0, 5))
    async with Daemon(tmp_path, by_profile(server, user, protocol=protocol), more=profile(tmp_path, issuer)) as daemon:
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 5)
        assert (await daemon.account("support"))["token_expiry"]
        assert [request["grant_type"] for request in issuer.requests] == ["client_credentials"]
    no_secret_in(daemon.log(), issuer)


@pytest.mark.long
async def test_a_token_that_the_server_does_not_take_is_followed_by_a_new_one(
    server: Dovecot, user: str, issuer: TokenServer, tmp_path: Path
) -> None:
    issuer.revoked.add("access-1")
    server.deliver(user, [message(1)])
    async with Daemon(tmp_path, by_profile(server, user), more=profile(tmp_path, issuer)) as daemon:
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 1)
        assert issuer.issued == ["access-1", "access-2"]
        assert daemon.events("account.backoff")[0]["outcome"] == "auth_failed"


async def test_a_rotated_refresh_token_survives_a_kill_and_is_kept_encrypted(
    server: Dovecot, user: str, issuer: TokenServer, tmp_path: Path
) -> None:
    issuer.rotate = True
    server.deliver(user, [message(1)])
    daemon = Daemon(tmp_path, by_profile(server, user), more=profile(tmp_path, issuer, "refresh_token"))
    await daemon.start()
    await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 1)
    await daemon.kill()
    async with daemon:
        server.deliver(user, [message(2)])
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
    used = [request["refresh_token"] for request in issuer.requests]
    assert used == [f"{CANARY}-first-refresh-token", "refresh-1"]
    assert daemon.count("SELECT count(*) FROM secrets WHERE instr(CAST(sealed AS BLOB), CAST('refresh-' AS BLOB))") == 0
    assert [event["file"] for event in daemon.events("key.generated")] == [str(daemon.state / "listener-key")]
    assert (daemon.state / "listener-key").stat().st_mode & 0o777 == 0o600
    no_secret_in(daemon.log(), issuer)


async def test_a_lost_consent_is_told_and_a_resume_takes_the_new_one(
    server: Dovecot, user: str, issuer: TokenServer, tmp_path: Path
) -> None:
    for _ in range(3):
        issuer.answer(status=400, json={"error": "invalid_grant"})
    server.deliver(user, [message(1)])
    async with Daemon(tmp_path, by_profile(server, user), more=profile(tmp_path, issuer, "refresh_token")) as daemon:
        await eventually(lambda: _state(daemon, "needs_consent"))
        (tmp_path / "first-refresh-token").write_text("another consent\n")
        assert (await daemon.request("POST", "/api/v1/accounts/support/resume"))[0] == 200
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 1)
        assert issuer.requests[-1]["refresh_token"] == "another consent"


@pytest.mark.parametrize("status", [pytest.param(429, marks=pytest.mark.long), 503])
async def test_an_issuer_in_trouble_is_no_wrong_password(
    server: Dovecot, user: str, issuer: TokenServer, tmp_path: Path, status: int
) -> None:
    issuer.answer(status=status, json={"error": "slow_down"}, headers={"Retry-After": "1"})
    server.deliver(user, [message(1)])
    async with Daemon(tmp_path, by_profile(server, user), more=profile(tmp_path, issuer)) as daemon:
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 1)
        outcomes = {event["outcome"] for event in daemon.events("account.backoff")}
        assert outcomes == {"throttled" if status == 429 else "transient"}


async def _state(daemon: Daemon, state: str) -> bool:
    return (await daemon.account("support"))["state"] == state


@pytest.mark.long
async def test_check_signs_in_with_a_token_and_leaves_a_refresh_token_to_the_daemon(
    server: Dovecot, user: str, issuer: TokenServer, tmp_path: Path
) -> None:
    issuer.rotate = True
    more = profile(tmp_path, issuer, "refresh_token")
    daemon = Daemon(tmp_path, by_profile(server, user), more=more)
    code, out = await daemon.command("check")
    assert code == 1
    assert "start the daemon, then check again" in out
    assert not issuer.requests
    async with daemon:
        await eventually(lambda: _state(daemon, "idle"))
        code, out = await daemon.command("check")
        assert code == 0, out
        assert "an access token was issued" in out
        assert issuer.issued == ["access-1"]
    code, out = await daemon.command("check")
    assert code == 0, out
    assert issuer.requests[-1]["refresh_token"] == "refresh-1"
    no_secret_in(daemon.log() + out, issuer)


async def test_a_server_of_tls_1_3_alone(
    dovecot: Dovecot, user: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("tls")  # short: Dovecot's sockets are in it, and a socket's path has 107 octets
    home.chmod(0o755)
    strict = Dovecot(home, "ssl_min_protocol = TLSv1.3\n").start()
    try:
        strict.deliver(user, [message(1)])
        async with Daemon(tmp_path / "d", account(strict, user, receiver='min_tls = "1.3"\n')) as daemon:
            await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 1)
    finally:
        strict.stop()
