"""When an application's secret or certificate ends is known ahead."""

import datetime
from types import SimpleNamespace

import trustme

from listener.config import OAuthProfile
from listener.credentials.expiry import credential_expiries, expiry_of


def profile(**more):
    return OAuthProfile.model_validate({"grant": "client_credentials", "issuer": "microsoft", **more})


def at(*day):
    return datetime.datetime(*day, tzinfo=datetime.UTC).timestamp()


def test_a_secret_ends_on_the_day_that_its_profile_says():
    assert expiry_of(profile(client_secret_expires="2027-01-31")) == at(2027, 1, 31)


def test_a_certificate_says_it_itself(tmp_path):
    end = datetime.datetime(2027, 3, 1, tzinfo=datetime.UTC)
    issued = trustme.CA().issue_cert("app.example.com", not_after=end)
    path = tmp_path / "app.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    assert expiry_of(profile(certificate_file=str(path))) == end.timestamp()


def test_what_cannot_be_read_is_not_known(tmp_path):
    assert expiry_of(profile(certificate_file=str(tmp_path / "nowhere"))) is None
    (tmp_path / "odd.pem").write_text("no certificate")
    assert expiry_of(profile(certificate_file=str(tmp_path / "odd.pem"))) is None
    assert expiry_of(profile()) is None


def test_each_issuer_is_named():
    both = [
        profile(client_secret_expires="2027-01-31"),
        SimpleNamespace(issuer="google", client_secret_expires=None, certificate_file=None),
    ]
    assert credential_expiries(both) == [("microsoft", at(2027, 1, 31))]
