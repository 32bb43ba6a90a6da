"""The whole daemon and a server that ends a session for its token's sake (R-23, R-50): a new token, a new session, at once."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs
from supervised import configured, supervised

from listener import supervisor
from listener.config import OAuthProfile
from listener.credentials import Secret
from listener.credentials.oauth import Tokens
from listener.credentials.oauth_endpoint import Issued
from listener.protocols.opening import open_mailbox
from listener.testing import ImapServer
from tests.contract.reading import mail
from tests.scripts.test_daemon import free_port, rows, until_settled

BYE = b"* BYE Session invalidated - AccessTokenExpired\r\n"
"""As Exchange Online says it, to any command and while idling."""
PROFILE = OAuthProfile.model_validate(
    {"grant": "client_credentials", "issuer": "custom", "token_url": "https://login.example.com/token", "client_id": "me"}
)


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    monkeypatch.setattr(supervisor, "ROUND", 600.0)
    monkeypatch.setattr(supervisor, "BEAT", 60.0)


@dataclass
class Issuer(Tokens):
    """Tokens without a network; `server` takes the last one only."""

    server: Any = None
    issued: list[float] = field(default_factory=list)

    def _fetch(self, name, profile, user, scope):
        async def fetch():
            self.issued.append(self.clock())
            self.server.tokens["one"] = f"access-{len(self.issued)}"
            return Issued(Secret(self.server.tokens["one"]), 3600.0)

        return fetch


def daemon_on(tmp_path, scenario):
    """The daemon with one account that signs in with a token, which has been idle for a while when `scenario` begins."""
    server = ImapServer(users={"one": "unused"}, tokens={"one": ""}, mechanisms=("XOAUTH2",), port=free_port())
    config = configured(tmp_path, "one", receiver={"port": server.port, "user": "one", "oauth": "idp", "after": "seen"})

    def make_tokens(rig):
        rig.issuer = Issuer({"idp": PROFILE}, None, clock=rig.loop.time, now=rig.loop.wall, server=server)
        return rig.issuer

    async def behave(rig, number):
        return await open_mailbox(config.accounts[0], config, rig.issuer.token_of)

    async def beside(rig):
        server.store().now = rig.loop.wall
        async with server:
            server.deliver("INBOX", mail(1))
            await until_settled(rig, 1)
            await rig.eventually(lambda: server.commands("IDLE"))
            await asyncio.sleep(600)
            with capture_logs() as logs:
                await scenario(rig, server)
            assert_it_went_on_at_once(rig, server, logs)
            rig.supervisor.terminate()
            await rig.eventually(lambda: rig.supervisor.health.draining and not server.counters.open)

    assert supervised(config, beside, behaviour={"one": behave}, make_tokens=make_tokens) == 0


def assert_it_went_on_at_once(rig, server, logs):
    """One new token, one new session, nobody waited, and nobody thinks that the sign-in was refused."""
    (ended,) = (line for line in logs if line["event"] == "account.backoff")
    assert (ended["outcome"], ended["seconds"]) == ("token_expired", 0.0)
    assert len(rig.issuer.issued) == 2
    assert (server.counters.logins, server.counters.refused_logins) == (2, 0)
    _, second = rig.logins[-1]
    assert second - rig.issuer.issued[1] < 1
    assert second - rig.expired_at < 5
    assert rig.status("one").state == "idle"


async def all_received(rig, server, count):
    """Every message once, handled, and told to the server."""
    found = await until_settled(rig, count)
    assert len(found) == count
    assert {row["state"] for row in found} == {"done"}
    await rig.eventually(lambda: all(m.flags == {"\\Seen"} for m in server.folder().messages.values()))
    await rig.eventually(lambda: rig.status("one").state == "idle")
    assert len(await rows(rig)) == count


def test_said_while_idling(tmp_path):
    async def scenario(rig, server):
        server.tokens["one"] = "another by now"
        rig.expired_at = rig.loop.time()
        server.say(BYE)
        server.disconnect()
        server.deliver("INBOX", mail(2))  # nobody listens at this moment
        await all_received(rig, server, 2)

    daemon_on(tmp_path, scenario)


ANSWERS = {
    "NO": {"reply": "NO AccessTokenExpired"},
    "BAD": {"reply": "BAD AccessTokenExpired"},
    "NO and BYE": {"reply": "NO AccessTokenExpired", "after": BYE, "close": "after"},
    "BYE": {"instead": BYE, "close": "after"},
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("command", ["SEARCH", "FETCH", "STORE"])
def test_said_to_a_command(tmp_path, command, answer):
    async def scenario(rig, server):
        rule = server.script.on(command, **ANSWERS[answer], times=1)
        rig.expired_at = rig.loop.time()
        server.deliver("INBOX", mail(2))
        await all_received(rig, server, 2)
        assert rule.hits == 1

    daemon_on(tmp_path, scenario)
