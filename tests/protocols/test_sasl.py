"""Words of the SASL mechanisms, and what may not be in a credential."""

import base64
import json

import pytest

from listener.errors import PermanentFailure
from listener.protocols import sasl
from listener.protocols.sasl import Credentials, Kind


def credentials(user: str, secret: str, kind: Kind = Kind.PASSWORD) -> Credentials:
    async def give() -> str:
        return secret

    return Credentials(user, give, kind)


async def test_a_secret_is_asked_for_each_time() -> None:
    secrets = iter(["one", "two"])

    async def give() -> str:
        return next(secrets)

    mine = Credentials("ann", give)
    assert [await mine.ask(), await mine.ask()] == ["one", "two"]


@pytest.mark.parametrize("bad", ["", "a\r\nL1 DELETE INBOX", "a\n", "\0", "a\x01auth=Bearer x", "\x7f", "\udc80"])
async def test_what_could_end_a_command_is_refused_and_the_setting_is_named(bad: str) -> None:
    with pytest.raises(PermanentFailure) as caught:
        await credentials(bad, "x").ask()
    assert caught.value.setting == "receiver.user"
    for kind, setting in ((Kind.PASSWORD, "receiver.password_file"), (Kind.TOKEN, "receiver.oauth")):
        with pytest.raises(PermanentFailure) as caught:
            await credentials("ann", bad, kind).ask()
        assert caught.value.setting == setting
        assert not bad or bad not in str(caught.value)


def test_no_secret_is_shown() -> None:
    assert "hunter2" not in repr(credentials("ann", "hunter2"))


def test_the_mechanisms_say_it_as_their_documents_do() -> None:
    assert sasl.plain("tim", "tanstaaftanstaaf") == b"\0tim\0tanstaaftanstaaf"
    assert sasl.xoauth2("ann@example.com", "ya29") == b"user=ann@example.com\x01auth=Bearer ya29\x01\x01"
    expected = b"n,a=a=2Cb=3Dc@x,\x01host=h\x01port=143\x01auth=Bearer t\x01\x01"
    assert sasl.oauthbearer("a,b=c@x", "t", "h", 143) == expected


def test_an_empty_response_is_written_as_such() -> None:
    assert sasl.encoded(b"") == b"="
    assert sasl.encoded(b"\x01") == b"AQ=="


CHALLENGES = {
    '{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}': "status 401, scope https://mail.google.com/",
    '{"status":"400"}': "status 400",
    '{"status":400,"error":"invalid_token"}': "status 400, error invalid_token",
    '{"status":["x"]}': "",
    "[1]": "",
    "no json": "",
}


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_an_error_challenge_is_understood_or_passed_over(challenge: str) -> None:
    assert sasl.challenge_reason(base64.b64encode(challenge.encode())) == CHALLENGES[challenge]


@pytest.mark.parametrize("challenge", [b"", b"!!!", b"\xff" * 100, base64.b64encode(b"[" * 5000)])
def test_a_challenge_that_is_none_says_nothing(challenge: bytes) -> None:
    assert sasl.challenge_reason(challenge) == ""


def test_a_challenge_cannot_write_into_a_log() -> None:
    nasty = base64.b64encode(json.dumps({"status": "4\r\n\x1b[31m" + "x" * 999}).encode())
    assert sasl.challenge_reason(nasty).isprintable()
    assert len(sasl.challenge_reason(nasty)) <= 200
