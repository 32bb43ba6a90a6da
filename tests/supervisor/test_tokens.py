"""Sessions that sign in with a token are followed by others before it ends; trouble in having one is told for what it is."""

import asyncio
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs
from supervised import configured, mail, supervised

from listener.config import OAuthProfile
from listener.credentials import Secret
from listener.credentials.oauth import Tokens
from listener.credentials.oauth_endpoint import Issued
from listener.errors import ConsentLost, LedgerFull, ServerUnavailable, TokenExpired
from listener.status import AccountState

LIFE = 3600.0


@dataclass
class Issuer(Tokens):
    """Tokens without a network; `failing` is raised by each request while it is set."""

    asked: list[float] = field(default_factory=list)
    failing: BaseException | None = None
    life: float = LIFE

    def _fetch(self, name, profile, user, scope):
        async def fetch():
            self.asked.append(self.clock())
            await asyncio.sleep(0.5)
            if self.failing is not None:
                raise self.failing
            return Issued(Secret(f"access-{len(self.asked)}"), self.life)

        return fetch


def issuer(**given):
    profile = OAuthProfile.model_validate(
        {"grant": "client_credentials", "issuer": "custom", "token_url": "https://login.example.com/token", "client_id": "me"}
    )

    def make(rig):
        rig.issuer = Issuer({"idp": profile}, None, clock=rig.loop.time, now=rig.loop.wall, **given)
        return rig.issuer

    return make


def run(folder, scenario, *ids, behaviour=None, **given):
    config = configured(folder, *(ids or ("a",)), receiver={"oauth": "idp"})
    assert supervised(config, scenario, make_tokens=issuer(**given), behaviour=behaviour or {}) == 0


def times(rig, account="a"):
    return [at for id, at in rig.logins if id == account]


def test_a_session_is_followed_by_another_two_minutes_before_its_token_ends(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.count("a") == 2, seconds=2 * LIFE, pause=5)
        (_, second), asked = times(rig), rig.issuer.asked
        assert second - asked[0] == pytest.approx(LIFE - 120, abs=2)
        assert asked[1] - asked[0] == pytest.approx(0.75 * LIFE, abs=2), "the next token was there ahead of time"
        assert rig.status("a").last_error is None
        assert rig.status("a").token_expiry == pytest.approx(rig.loop.wall() + asked[1] + LIFE - rig.loop.time(), abs=2)

    run(tmp_path, scenario)


def test_accounts_of_one_profile_share_one_request(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: len(rig.logins) == 5)
        assert len(rig.issuer.asked) == 1

    run(tmp_path, scenario, "a", "b", "c", "d", "e")


def test_mail_that_comes_while_sessions_change_is_received_once(tmp_path):
    async def scenario(rig):
        for number in range(40):
            await asyncio.sleep(97)
            rig.store("a").deliver("INBOX", mail(number))
        await asyncio.sleep(60)
        assert rig.count("a") == 2
        assert len(await rig.ledger.messages(limit=1000)) == 40

    run(tmp_path, scenario)


@pytest.mark.parametrize("trouble", [ServerUnavailable("down"), LedgerFull("disk full")])
def test_a_session_goes_on_while_its_next_token_cannot_be_had(tmp_path, trouble):
    async def scenario(rig):
        await rig.eventually(lambda: rig.count("a") == 1)
        rig.issuer.failing = trouble
        await asyncio.sleep(LIFE - 30)
        assert rig.count("a") == 1
        assert rig.status("a").state is AccountState.IDLE
        rig.issuer.failing = None
        await rig.eventually(lambda: rig.count("a") == 2, seconds=90)

    run(tmp_path, scenario)


def test_a_consent_lost_meanwhile_is_told_before_the_session_ends(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.count("a") == 1)
        rig.issuer.failing = ConsentLost("the consent is gone", setting="oauth.idp")
        with capture_logs() as logs:
            await asyncio.sleep(0.8 * LIFE)
        assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["token.not_renewed"]
        assert "the consent is gone" in rig.status("a").last_error
        assert rig.status("a").state is AccountState.IDLE

    run(tmp_path, scenario)


def test_a_short_life_makes_no_storm_of_sign_ins(tmp_path):
    async def scenario(rig):
        await asyncio.sleep(600)
        assert 5 <= rig.count("a") <= 15

    run(tmp_path, scenario, life=60.0)


def expires_in_the_session(after):
    async def behave(rig, number):
        if number > 1:
            return None
        mailbox = type(rig)._open_mailbox  # the ordinary one, but its wait ends so
        del rig.behaviour["a"]
        made = await mailbox(rig, rig.config.account("a"), rig.config, rig.supervisor._tokens.token_of)
        rig.logins.pop()

        async def wait():
            await asyncio.sleep(after)
            raise TokenExpired("AccessTokenExpired")

        made.wait = wait
        return made

    return behave


def test_an_expired_token_is_replaced_and_the_session_opened_at_once(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.count("a") == 2, seconds=700)
        first, second = times(rig)
        assert second - first == pytest.approx(500.5, abs=2)
        assert len(rig.issuer.asked) == 2

    run(tmp_path, scenario, behaviour={"a": expires_in_the_session(500.0)})


def test_a_server_that_calls_every_new_token_expired_is_not_stormed(tmp_path):
    async def refuse(rig, number):
        raise TokenExpired("AccessTokenExpired")

    async def scenario(rig):
        await asyncio.sleep(600)
        assert rig.count("a") <= 14
        assert len(rig.issuer.asked) == rig.count("a"), "each time with a new one"

    run(tmp_path, scenario, behaviour={"a": refuse})


def test_a_token_that_somebody_else_renewed_is_not_thrown_away(tmp_path):
    async def refused(rig, number):
        await asyncio.sleep(5)
        raise TokenExpired("AccessTokenExpired")

    async def scenario(rig):
        await asyncio.sleep(4)
        asked = len(rig.issuer.asked)
        await asyncio.sleep(8)
        assert len(rig.issuer.asked) == asked + 1

    run(tmp_path, scenario, "a", "b", behaviour={"a": refused, "b": refused})
