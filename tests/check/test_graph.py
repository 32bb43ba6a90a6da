"""`check` of an account on Microsoft Graph: each step by itself, what to change, and nothing changed on the server."""

import base64
import json
import ssl
import time
from email.utils import formatdate

import pytest
import trustme

from listener.check import check_account
from listener.config import Account
from listener.errors import ConsentLost
from listener.protocols.graph.grants import granted
from listener.testing.graph import GraphServer

USER = "support@example.com"
NOON = 1_795_000_000.0


def jwt(**claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


GOOD = jwt(roles=["Mail.ReadWrite", "Mail.Send"])


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def served(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca(authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


async def checked(server, ca, *, token=GOOD, sender=False, now=None, skew_of=lambda profile: None, **receiver):
    way = {"protocol": "graph", "host": "127.0.0.1", "port": server.port, "truststore_file": ca, "user": USER, "oauth": "entra"}
    sides = {"receiver": way | receiver} | ({"sender": way} if sender else {})
    account = Account.model_validate({"id": "a", "provider": "microsoft365", "trust": {"authserv_id": "x"}, **sides})

    def token_of(profile, user, protocol):
        async def give():
            if isinstance(token, Exception):
                raise token
            return token

        return give

    clock = time.time if now is None else lambda: now
    return [step async for step in check_account(account, token_of, now=clock, skew_of=skew_of)]


def failed(steps):
    (one,) = [step for step in steps if not step.ok]
    return one


async def test_a_good_account_passes_step_by_step_and_nothing_is_changed(served, ca):
    async with GraphServer(users=[USER], tokens=[GOOD], tls=served) as server:
        server.store().create("Done")
        for n in range(3):
            server.deliver("INBOX", f"Subject: {n}\r\n\r\n".encode())
        steps = await checked(server, ca, after="move:Done", sender=True)
    receiver = [step for step in steps if step.side == "receiver" and step.name != "settings"]
    assert [step.name for step in receiver] == [
        "dns",
        "tcp",
        "tls",
        "token",
        "sign-in",
        "clock",
        "folder",
        "delta",
        "move target",
    ]
    assert [step.name for step in steps if step.side == "sender"] == ["dns", "tcp", "tls", "token", "sign-in"]
    assert all(step.ok and step.seconds >= 0 for step in steps)
    said = {step.name: step.said for step in receiver}
    assert said["sign-in"] == f"the mailbox {USER} answers; the token grants Mail.ReadWrite, Mail.Send"
    assert said["folder"] == '"INBOX": 3 messages'
    assert "3 on the first page" in said["delta"]
    assert {asked.method for asked in server.transcript} == {"GET"}
    assert not server.asked("value")


async def test_a_mailbox_that_the_application_may_not_open_names_permission_and_setting(served, ca):
    async with GraphServer(users=[USER], tokens=[GOOD], tls=served) as server:
        server.deny(USER)
        step = failed(await checked(server, ca))
    assert (step.name, step.setting) == ("sign-in", "receiver.oauth")
    assert "RBAC for Applications" in step.hint


async def test_an_unknown_mailbox_names_the_principal_name(served, ca):
    async with GraphServer(users=["other@example.com"], tokens=[GOOD], tls=served) as server:
        step = failed(await checked(server, ca))
    assert (step.name, step.setting) == ("sign-in", "receiver.user_principal_name")


async def test_a_principal_name_apart_from_the_user_is_the_mailbox(served, ca):
    async with GraphServer(users=["shared@example.com"], tokens=[GOOD], tls=served) as server:
        steps = await checked(server, ca, user_principal_name="shared@example.com")
    assert all(step.ok for step in steps)


async def test_a_refused_token_is_a_failed_sign_in(served, ca):
    async with GraphServer(users=[USER], tokens=["another"], tls=served) as server:
        step = failed(await checked(server, ca))
    assert step.name == "sign-in"
    assert "Lifetime validation failed" in step.said
    assert GOOD not in repr(step)


async def test_a_token_that_cannot_be_had_is_a_failed_step_of_its_own(served, ca):
    async with GraphServer(users=[USER], tls=served) as server:
        lost = ConsentLost("the grant is gone", setting="oauth.entra", hint="consent again")
        step = failed(await checked(server, ca, token=lost))
        assert server.transcript == []
    assert (step.name, step.setting, step.hint) == ("token", "oauth.entra", "consent again")


async def test_missing_folders_are_named_with_those_that_are_there(served, ca):
    async with GraphServer(users=[USER], tokens=[GOOD], tls=served) as server:
        server.store().create("Support")
        watched = failed(await checked(server, ca, folders=["INBOX", "Suport"]))
        target = failed(await checked(server, ca, after="move:Done"))
    assert (watched.name, watched.setting) == ("folder", "receiver.folders")
    assert '"Support"' in watched.hint
    assert (target.name, target.setting) == ("move target", "receiver.after")


@pytest.mark.parametrize(
    ("roles", "after", "hints"), [(["Mail.Read"], "seen", True), (["Mail.Read"], "keep", False), ([], "seen", False)]
)
async def test_a_token_that_only_reads_is_worth_a_hint_where_mail_is_to_be_marked(served, ca, roles, after, hints):
    token = jwt(roles=roles)
    async with GraphServer(users=[USER], tokens=[token], tls=served) as server:
        (step,) = [step for step in await checked(server, ca, token=token, after=after) if step.name == "sign-in"]
    assert step.ok
    assert ("Mail.ReadWrite" in step.hint) == hints


@pytest.mark.parametrize(("ahead", "told"), [(0, ""), (600, "600 s ahead of"), (-600, "600 s behind")])
async def test_a_clock_that_differs_either_way_is_told(served, ca, ahead, told):
    async with GraphServer(users=[USER], tokens=[GOOD], tls=served) as server:
        date = formatdate(NOON, usegmt=True)
        for name in ("folder", "folders", "delta"):
            server.script.on(name, headers={"Date": date})
        (step,) = [step for step in await checked(server, ca, now=NOON + ahead) if step.name == "clock"]
    assert step.ok
    assert told in step.hint
    assert bool(step.hint) == bool(told)


OTHER = "chief@example.com"


async def test_a_mailbox_that_must_be_refused_and_is_passes(served, ca):
    async with GraphServer(users=[USER, OTHER], tokens=[GOOD], tls=served) as server:
        server.deny(OTHER)
        steps = await checked(server, ca, must_be_refused=OTHER)
    assert all(step.ok for step in steps)
    assert [step.said for step in steps if step.name == "refusal"] == [f"the mailbox {OTHER} is refused, as it must be"]


async def test_a_mailbox_that_must_be_refused_and_can_be_read_fails_the_check(served, ca):
    async with GraphServer(users=[USER, OTHER], tokens=[GOOD], tls=served) as server:
        step = failed(await checked(server, ca, must_be_refused=OTHER))
    assert (step.name, step.setting) == ("refusal", "receiver.must_be_refused")
    assert f"{OTHER} can be read" in step.said
    assert "RBAC" in step.hint


async def test_a_mailbox_that_does_not_exist_proves_nothing(served, ca):
    async with GraphServer(users=[USER], tokens=[GOOD], tls=served) as server:
        step = failed(await checked(server, ca, must_be_refused=OTHER))
    assert (step.name, step.setting) == ("refusal", "receiver.must_be_refused")
    assert "proves nothing" in step.hint


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.e30.c", "e30.W10.x", "e30." + "W" * 40_000 + ".x", "e30.é.x"])
def test_a_token_that_is_no_jwt_grants_nothing_that_could_be_said(token):
    assert granted(token) == []


def test_delegated_permissions_are_read_too():
    assert granted(jwt(scp="Mail.Send Mail.ReadWrite")) == ["Mail.ReadWrite", "Mail.Send"]


@pytest.mark.parametrize(("skew", "way"), [(None, ""), (119.0, ""), (-119.0, ""), (300.0, "behind"), (-300.0, "ahead of")])
async def test_an_issuers_clock_that_differs_is_told_where_its_token_was_had(served, ca, skew, way):
    async with GraphServer(users=[USER], tokens=[GOOD], tls=served) as server:
        steps = await checked(server, ca, sender=True, skew_of={"entra": skew}.get)
    hints = {step.hint for step in steps if step.name == "token"}
    told = f"this machine's clock is 300 s {way} the issuer's: set it (tokens and signatures need it)"
    assert hints == {told if way else ""}
    assert all(step.ok for step in steps)
