"""A person consents in a browser: there, back, and everything that can go wrong on the way, in words."""

from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from accounts_house import CANARY, USER, mail, settings

from listener.accounts.consents import LIFETIME, MAX_PENDING, Consents
from listener.config import Config, OAuthProfile
from listener.credentials.oauth import Tokens
from listener.credentials.oauth_consent import authorization_url, challenge, consent_scope
from listener.errors import Refused
from listener.testing.imap import ImapServer
from listener.testing.oauth import TokenServer

BROWSER = "the-cookie-of-one-browser"


@pytest.fixture
async def tokens():
    async with TokenServer() as one:
        yield one


def profile(tokens, **more):
    base = {"id": "mine", "grant": "refresh_token", "issuer": "custom", "client_id": "me", "client_secret": CANARY}
    return base | {"token_url": tokens.url, "authorize_url": tokens.authorize_url} | more


class Kept(dict):
    """Where refresh tokens are kept, for tests that need no ledger."""

    async def load(self, name):
        return self.get(name)

    async def save(self, name, value):
        self[name] = value


class Stand:
    """Consents without a daemon around them."""

    def __init__(self, folder, tokens):
        (folder / "secret").write_text(CANARY)
        given = {key: value for key, value in profile(tokens).items() if key not in ("id", "client_secret")}
        self.config = Config(oauth={"mine": given | {"client_secret_file": str(folder / "secret")}})
        self.kept, self.time, self.woken = Kept(), 1_000_000.0, []
        source = Tokens(self.config.oauth, self.kept)
        self.consents = Consents(lambda: self.config, source, self.wake, lambda: self.time)

    async def wake(self, name):
        self.woken.append(name)
        return ["support"]

    def begin(self, session=BROWSER):
        return self.consents.begin("mine", session, base="http://127.0.0.1:8025")

    async def came_back(self):
        return (await visited(self.begin().url))[1]


@pytest.fixture
def stand(tmp_path, tokens):
    return Stand(tmp_path, tokens)


async def begun(house, tokens, session=BROWSER, **more):
    """A profile, and the address that the browser is sent to."""
    if house.kept("mine", "oauth") is None:
        await house.verbs.create_profile({"settings": profile(tokens, **more)})
    return await house.verbs.begin_consent("mine", session, base=f"http://{house.daemon.admin.addresses[0]}")


async def visited(url):
    """What the browser brings back to the redirect address."""
    async with aiohttp.ClientSession() as browser, browser.get(url, allow_redirects=False) as answer:
        assert answer.status == 302
        place = urlsplit(answer.headers["Location"])
    return place, {key: values[0] for key, values in parse_qs(place.query).items()}


async def came_back(house, tokens, **more):
    return (await visited((await begun(house, tokens, **more))["url"]))[1]


async def test_an_account_that_waits_for_consent_receives_the_moment_it_is_given(house, tokens):
    async with ImapServer(users={}, tokens={USER: "access-1"}) as server:
        server.deliver("INBOX", mail(1), user=USER)
        await house.verbs.create_profile({"settings": profile(tokens)})
        by_profile = settings(server, password=None, receiver={"oauth": "mine"})
        await house.verbs.create_account({"settings": by_profile})
        await house.verbs.resume("support")
        await house.until(lambda: "nobody has consented yet" in (house.error("support") or ""))
        assert (await house.verbs.profile("mine"))["consent"] == {"possible": True, "given": False}
        begin = await begun(house, tokens)
        place, query = await visited(begin["url"])
        assert tokens.visits[0]["login_hint"] == USER
        assert (place.netloc, place.path) == (house.daemon.admin.addresses[0], "/oauth/callback")
        server.tokens[USER] = "access-2"
        done = await house.verbs.finish_consent(query, BROWSER)
        assert (done["ok"], done["accounts"]) == (True, ["support"])
        await house.filed(1)
        assert (await house.verbs.profile("mine"))["consent"]["given"]
        assert tokens.requests[0]["grant_type"] == "authorization_code"
        assert tokens.requests[1]["refresh_token"] == "refresh-1"


async def test_the_consent_outlives_a_restart_sealed(house, tokens, tmp_path):
    await house.verbs.finish_consent(await came_back(house, tokens), BROWSER)
    await house.again()
    found = await house.verbs.test_profile({"profile": "mine"})
    assert (found["ok"], found["scopes"]) == (True, [])
    assert found["expires_at"]
    octets = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file())
    assert b"refresh-1" not in octets
    assert "access-" not in str(found)


async def test_one_click_renews_with_the_name_that_signed_in(house, tokens):
    await came_back(house, tokens)
    again = await house.verbs.begin_consent("mine", BROWSER, login_hint=USER, base="http://127.0.0.1:1")
    await visited(again["url"])
    assert tokens.visits[1]["login_hint"] == USER


async def test_a_new_consent_is_used_instead_of_a_refresh_token_that_was_given_as_text(house, tokens):
    await begun(house, tokens, refresh_token="an old one")
    await house.verbs.finish_consent(await came_back(house, tokens), BROWSER)
    tokens.refresh_token = "refresh-1"
    assert (await house.verbs.test_profile({"profile": "mine"}))["ok"]
    assert tokens.requests[-1]["refresh_token"] == "refresh-1"


@pytest.mark.parametrize(
    ("change", "session", "words"),
    [
        ({"state": "guessed"}, BROWSER, "not begun here"),
        ({"state": ""}, BROWSER, "not begun here"),
        ({}, "another browser", "another browser"),
        ({}, "", "another browser"),
        ({"code": "stolen"}, BROWSER, "did not take"),
        ({"code": ""}, BROWSER, "neither a code nor a reason"),
        ({"error": "access_denied", "error_description": "AADSTS65004\x1b[2J"}, BROWSER, "did not consent"),
        ({"error": "<script>alert(1)</script>" * 100}, BROWSER, "neither a code nor a reason"),
    ],
)
async def test_what_is_not_an_answer_to_our_question_is_refused_in_words(stand, change, session, words):
    done = await stand.consents.finish(await stand.came_back() | change, session)
    assert not done.ok
    assert words in done.said
    assert done.hint
    assert "\x1b" not in done.said
    assert len(done.said) < 600
    assert (stand.kept, stand.woken) == ({}, [])


async def test_an_answer_is_taken_once(stand):
    query = await stand.came_back()
    assert (await stand.consents.finish(query, BROWSER)).accounts == ("support",)
    again = await stand.consents.finish(query, BROWSER)
    assert (again.ok, again.profile) == (False, "")
    assert "used already" in again.said


async def test_a_wrong_browser_spends_the_state_so_that_nobody_can_try_again(stand):
    query = await stand.came_back()
    await stand.consents.finish(query, "another browser")
    assert not (await stand.consents.finish(query, BROWSER)).ok


async def test_an_answer_that_comes_too_late_is_refused(stand):
    query = await stand.came_back()
    stand.time += LIFETIME + 1
    assert "10 minutes" in (await stand.consents.finish(query, BROWSER)).said


async def test_a_profile_that_was_changed_meanwhile_gets_no_consent_that_was_meant_for_another(stand):
    query = await stand.came_back()
    other = stand.config.oauth["mine"].model_copy(update={"client_id": "other"})
    stand.config = stand.config.model_copy(update={"oauth": {"mine": other}})
    assert "changed meanwhile" in (await stand.consents.finish(query, BROWSER)).said


async def test_a_code_is_worth_nothing_without_our_verifier(stand, tokens):
    query = await stand.came_back()
    (pending,) = stand.consents._pending.values()
    form = {"grant_type": "authorization_code", "code": query["code"], "redirect_uri": pending.redirect_uri}
    async with aiohttp.ClientSession() as thief, thief.post(tokens.url, data=form | {"code_verifier": "guessed"}) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 200, "text": "<html>sign in first</html>"}, "not with JSON"),
        ({"status": 503, "json": {"error": "temporarily_unavailable"}}, "in trouble"),
        ({"status": 400, "json": {"error": "invalid_client"}}, "refused the profile"),
        ({"status": 400, "json": {"error": "invalid_grant", "error_description": "expired"}}, "expired"),
        ({"status": 200, "json": {"access_token": "a"}}, "no refresh token"),
        ({"status": 400, "json": {"error": "redirect_uri_mismatch"}}, "refused the profile"),
    ],
)
async def test_what_the_issuer_answers_instead_of_tokens_is_said_in_words(stand, tokens, answer, words):
    query = await stand.came_back()
    tokens.answer(**answer)
    done = await stand.consents.finish(query, BROWSER)
    assert not done.ok
    assert words in done.said


async def test_without_public_url_only_this_machine_can_be_sent_back_to(stand):
    with pytest.raises(Refused, match="public_url"):
        stand.consents.begin("mine", BROWSER, base="http://evil.example.com")
    with pytest.raises(Refused, match="cookies"):
        stand.begin("")


async def test_with_public_url_that_is_where_the_browser_comes_back_to(stand):
    admin = stand.config.admin.model_copy(update={"public_url": "https://mail.example.com/"})
    stand.config = stand.config.model_copy(update={"admin": admin})
    assert stand.begin().redirect_uri == "https://mail.example.com/oauth/callback"


async def test_many_begun_and_never_ended_consents_take_no_more_than_their_room(stand):
    for _ in range(MAX_PENDING + 5):
        stand.begin()
    assert len(stand.consents._pending) == MAX_PENDING


def made(**given):
    base = {"grant": "refresh_token", "client_id": "me"}
    return OAuthProfile.model_validate(base | given)


def test_the_challenge_is_that_of_the_standards_own_example():
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("given", "protocols", "scope"),
    [
        ({"issuer": "google"}, {"imap"}, "https://mail.google.com/"),
        ({"issuer": "microsoft"}, {"imap"}, "offline_access https://outlook.office.com/IMAP.AccessAsUser.All"),
        (
            {"issuer": "microsoft"},
            {"graph"},
            "offline_access https://graph.microsoft.com/Mail.ReadWrite https://graph.microsoft.com/Mail.Send",
        ),
        ({"issuer": "microsoft", "scope": "offline_access a"}, set(), "offline_access a"),
        ({"issuer": "custom", "token_url": "https://x/t", "authorize_url": "https://x/a"}, {"imap"}, ""),
    ],
)
def test_what_is_asked_for_is_what_the_accounts_need(given, protocols, scope):
    assert consent_scope(made(**given), protocols) == scope


def test_google_is_asked_for_a_refresh_token_and_microsoft_whom_to_sign_in():
    about = {"state": "s", "verifier": "v" * 43, "redirect_uri": "http://127.0.0.1/cb", "protocols": set()}
    google = parse_qs(urlsplit(authorization_url(made(issuer="google"), **about)).query)
    assert (google["access_type"], google["prompt"]) == (["offline"], ["consent"])
    microsoft = urlsplit(authorization_url(made(issuer="microsoft", tenant="t"), **about))
    assert (microsoft.netloc, microsoft.path) == ("login.microsoftonline.com", "/t/oauth2/v2.0/authorize")
    assert parse_qs(microsoft.query)["code_challenge_method"] == ["S256"]
    assert "client_secret" not in microsoft.query
