"""Trust stores in PEM and PKCS#12; what cannot be read is told with what to do."""

import base64
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from truststores import pkcs12_store

from listener.config.load import load
from listener.config.truststore import Unusable, armoured, certificates
from listener.errors import AccountFailure, ConfigurationError, InsecureConnection
from listener.protocols.endpoint import Endpoint, LowestTLS, tls_context
from listener.testing import ImapServer

CANARY = "correct-horse-battery"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def store(authority, path, password=None):
    path.write_bytes(pkcs12_store(authority, password))
    return path


def password(folder, text=CANARY):
    path = folder / "store-password"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def subjects(pem):
    return [one.subject for one in x509.load_pem_x509_certificates(pem.encode())]


@pytest.mark.parametrize("locked", [False, True])
def test_a_pkcs12_store_gives_the_certificates_that_went_into_it(authority, tmp_path, locked):
    path = store(authority, tmp_path / "ca.p12", CANARY if locked else None)
    found = certificates(path, password(tmp_path) if locked else None)
    assert subjects(found) == subjects(authority.cert_pem.bytes().decode())


@pytest.mark.parametrize(("given", "advice"), [("another", "holds another password"), (None, "give its truststore_password")])
def test_a_store_that_does_not_open_says_so_without_the_password(authority, tmp_path, given, advice):
    path = store(authority, tmp_path / "ca.p12", CANARY)
    with pytest.raises(Unusable, match=advice) as caught:
        certificates(path, password(tmp_path, given) if given else None)
    assert "another" not in str(caught.value).replace("holds another password", "")


def test_a_single_certificate_as_windows_saves_it_is_a_store(authority, tmp_path):
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    (tmp_path / "ca.cer").write_bytes(certificate.public_bytes(Encoding.DER))
    assert subjects(certificates(tmp_path / "ca.cer", None)) == [certificate.subject]


@pytest.mark.parametrize("wrapped", [armoured, lambda octets: base64.b64encode(octets).decode()], ids=["armour", "base64"])
def test_a_binary_store_is_text_where_only_text_can_be_given(authority, tmp_path, wrapped):
    (tmp_path / "ca").write_text(wrapped(pkcs12_store(authority, CANARY)))
    assert subjects(certificates(tmp_path / "ca", password(tmp_path))) == subjects(authority.cert_pem.bytes().decode())


def test_text_needs_no_armour(authority):
    pem = authority.cert_pem.bytes()
    assert armoured(pem) == pem.decode()


@pytest.mark.parametrize("magic", [b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"])
def test_a_java_key_store_is_refused_with_the_command_that_converts_it(tmp_path, magic):
    (tmp_path / "cacerts.jks").write_bytes(magic + b"\0\0\0\2")
    with pytest.raises(Unusable, match=r"keytool -importkeystore -srckeystore cacerts\.jks -destkeystore cacerts\.p12"):
        certificates(tmp_path / "cacerts.jks", None)


@pytest.mark.parametrize("octets", [b"", b"hello", b"\x30", b"\x30\x82\x01\x00garbage", b"\xff\xfe\x00"])
def test_what_is_no_store_is_refused(tmp_path, octets):
    (tmp_path / "ca").write_bytes(octets)
    with pytest.raises(Unusable):
        certificates(tmp_path / "ca", None)


def test_the_configurations_check_opens_the_store_with_its_password(authority, tmp_path):
    store(authority, tmp_path / "ca.p12", CANARY)
    password(tmp_path)
    (tmp_path / "mailbox").write_text("x\n")
    text = """
[[accounts]]
id = "a"
[accounts.receiver]
host = "imap.example.com"
user = "u"
password_file = "mailbox"
truststore_file = "ca.p12"
"""
    (tmp_path / "listener.toml").write_text(text)
    with pytest.raises(ConfigurationError, match="truststore_password_file"):
        load(tmp_path / "listener.toml")
    (tmp_path / "listener.toml").write_text(text + 'truststore_password_file = "store-password"\n')
    assert load(tmp_path / "listener.toml").accounts[0].receiver.truststore_password_file == tmp_path / "store-password"


def test_a_profiles_store_is_opened_with_its_password_too(authority, tmp_path):
    store(authority, tmp_path / "ca.p12", CANARY)
    password(tmp_path)
    (tmp_path / "client-secret").write_text("x\n")
    text = """
[oauth.idp]
grant = "client_credentials"
issuer = "custom"
token_url = "https://login.example.com/token"
client_id = "me"
client_secret_file = "client-secret"
truststore_file = "ca.p12"
"""
    (tmp_path / "listener.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"oauth\.idp\.truststore_file.*truststore_password_file"):
        load(tmp_path / "listener.toml")
    (tmp_path / "listener.toml").write_text(text + 'truststore_password_file = "store-password"\n')
    assert load(tmp_path / "listener.toml").oauth["idp"].truststore_password_file == tmp_path / "store-password"


async def connected(endpoint):
    from listener.protocols.imap import sign_in

    session = await sign_in.connect(endpoint)
    version = session.connection.facts.version
    await session.close()
    return version


@pytest.mark.parametrize(
    ("offers", "wants", "version"),
    [("1.2", "1.2", "TLSv1.2"), ("1.3", "1.2", "TLSv1.3"), ("1.3", "1.3", "TLSv1.3"), ("1.2", "1.3", None)],
)
async def test_the_lowest_version_holds_against_servers_of_one_version(authority, tmp_path, offers, wants, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[offers]
    path = store(authority, tmp_path / "ca.p12", CANARY)
    async with ImapServer(users={"u": "secret"}, tls=context) as server:
        endpoint = Endpoint(
            "localhost",
            server.port,
            min_tls=LowestTLS(wants),
            truststore_file=path,
            truststore_password_file=password(tmp_path),
        )
        if version is None:
            with pytest.raises(AccountFailure, match=r"TLS 1\.3 \(min_tls\)"):  # it closes without saying why
                await connected(endpoint)
        else:
            assert await connected(endpoint) == version


def test_a_store_that_vanished_is_told_with_its_setting(tmp_path):
    with pytest.raises(InsecureConnection) as caught:
        tls_context(Endpoint("localhost", 993, truststore_file=tmp_path / "gone.p12", section="sender"))
    assert caught.value.setting == "sender.truststore_file"
