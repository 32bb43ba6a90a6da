"""Trust stores of accounts made by the API: PKCS#12 as text, its password sealed, each fault at the setting that mends it."""

import base64
import ssl

import pytest
import trustme
from accounts_house import CANARY, USER, settings
from truststores import pkcs12_store

from listener.config.truststore import armoured
from listener.errors import ConfigurationError
from listener.testing.imap import ImapServer

OPENS = "opens-the-store-4711"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
async def shielded(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with ImapServer(users={USER: CANARY}, tls=context) as one:
        yield one


def trusting(server, store, **more):
    """An account over TLS that trusts this store."""
    return settings(server, receiver={"host": "localhost", "security": "tls", "truststore": store, **more})


async def fault(house, server, store, **more):
    """Of an account that trusts only this: where its one fault is, and what it says."""
    with pytest.raises(ConfigurationError) as refused:
        await house.verbs.create_account({"settings": trusting(server, store, **more)})
    (one,) = refused.value.faults
    assert house.book.ids("account") == []
    return one.setting, one.reason


@pytest.mark.parametrize("wrapped", [armoured, lambda octets: base64.b64encode(octets).decode()], ids=["armour", "base64"])
async def test_a_locked_store_is_opened_and_its_password_is_never_shown(house, shielded, authority, wrapped):
    store = wrapped(pkcs12_store(authority, OPENS))
    made = await house.verbs.create_account({"settings": trusting(shielded, store, truststore_password=OPENS)})
    assert made["settings"]["receiver"]["truststore_password"] == {"set": True}
    assert made["settings"]["receiver"]["truststore"] == store
    assert OPENS not in str(made)
    assert OPENS.encode() not in b"".join(file.read_bytes() for file in (house.folder / "state").glob("ledger*"))
    await house.verbs.resume("support")
    await house.until(lambda: house.state("support") == "idle")


async def test_saying_nothing_keeps_the_password_and_taking_the_store_away_takes_it_too(house, shielded, authority):
    store = armoured(pkcs12_store(authority, OPENS))
    await house.verbs.create_account({"settings": trusting(shielded, store, truststore_password=OPENS)})
    changed = await house.verbs.update_account("support", {"settings": trusting(shielded, store), "version": 1})
    assert changed["settings"]["receiver"]["truststore_password"] == {"set": True}
    pem = trusting(shielded, None)
    changed = await house.verbs.update_account("support", {"settings": pem, "version": 2})
    assert "truststore_password" not in changed["settings"]["receiver"]
    assert "receiver.truststore_password" not in house.kept("support").secrets


@pytest.mark.parametrize(
    ("given", "says"),
    [({}, "give its truststore_password"), ({"truststore_password": "wrong"}, "truststore_password holds another password")],
)
async def test_a_store_that_does_not_open_is_a_fault_of_its_password(house, shielded, authority, given, says):
    setting, reason = await fault(house, shielded, armoured(pkcs12_store(authority, OPENS)), **given)
    assert setting == "receiver.truststore_password"
    assert says in reason
    assert "_file" not in reason


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"\xfe\xed\xfe\xed\0\0\0\2" * 8, "keytool -importkeystore -srckeystore truststore.jks -destkeystore truststore.p12"),
        (b"\x30\x82\x00\x04abcd", "neither a PKCS#12 store nor a certificate"),
        (b"not a store", "no certificates in PEM form"),
    ],
)
async def test_what_is_no_store_is_a_fault_of_the_store(house, shielded, octets, says):
    setting, reason = await fault(house, shielded, armoured(octets))
    assert setting == "receiver.truststore"
    assert says in reason


async def test_a_store_with_a_private_key_is_refused_because_settings_are_shown(house, shielded, authority):
    key = authority.private_key_pem.bytes()
    setting, reason = await fault(house, shielded, armoured(pkcs12_store(authority, OPENS, key=key)), truststore_password=OPENS)
    assert setting == "receiver.truststore"
    assert "private key" in reason


async def test_a_profiles_store_has_its_faults_likewise(house, authority):
    profile = {"id": "idp", "grant": "client_credentials", "issuer": "custom", "token_url": "https://login.example.com/token"}
    profile |= {"client_id": "me", "client_secret": "hush", "truststore": armoured(pkcs12_store(authority, OPENS))}
    with pytest.raises(ConfigurationError) as refused:
        await house.verbs.create_profile({"settings": profile})
    assert [one.setting for one in refused.value.faults] == ["truststore_password"]
    made = await house.verbs.create_profile({"settings": profile | {"truststore_password": OPENS}})
    assert made["settings"]["truststore_password"] == {"set": True}
