"""Under which names we may be reached, where a request comes from, and where a person may be sent back to."""

import pytest

from listener.admin.places import MAX_PATH, Places, host_name, local_path
from listener.config import Admin


def at(bind="127.0.0.1:8025", **more):
    return Places.of(Admin(bind=bind, **more))


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8025", "localhost:8025", "localhost", "LOCALHOST.", "app.localhost:1", "[::1]:8025", "127.9.9.9"]
)
def test_loopback_names_are_ours(host):
    assert at().is_ours(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "attacker.example", "attacker.example:8025", "127.0.0.1.attacker.example", "localhost.attacker.example"),
        *("10.0.0.1", "[fe80::1]", "a@127.0.0.1", "127.0.0.1/x", "[", "127.0.0.1:x:y", "attacker.example#127.0.0.1"),
    ],
)
def test_any_other_name_is_not(host):
    assert not at().is_ours(host)


def test_the_public_name_and_the_bound_address_are_ours():
    places = at("192.0.2.7:80", public_url="https://Mail.Example.com/listener")
    assert places.is_ours("mail.example.com")
    assert places.is_ours("MAIL.example.com:443")
    assert places.is_ours("192.0.2.7:80")
    assert not places.is_ours("192.0.2.8")
    assert not places.is_ours("example.com")


@pytest.mark.parametrize("bind", ["0.0.0.0:8025", "[::]:8025"])
def test_listening_everywhere_any_address_in_figures_is_ours_and_no_name(bind):
    assert at(bind).is_ours("192.0.2.8:8025")
    assert at(bind).is_ours("[2001:db8::1]:8025")
    assert not at(bind).is_ours("attacker.example:8025")


def test_browsers_come_safely_by_https_through_the_public_url_or_tls_of_our_own(tmp_path):
    assert not at().secure
    assert not at(public_url="http://mail.example.com").secure
    assert at(public_url="https://mail.example.com").secure
    assert at(cert_file=str(tmp_path / "cert.pem"), key_file=str(tmp_path / "key.pem")).secure


HOST = {"Host": "127.0.0.1:8025"}


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8025"}, False),
        ({"Origin": "http://127.0.0.1:8025"}, True),
        ({"Origin": "https://127.0.0.1:8025"}, True),
        ({"Origin": "http://127.0.0.1:9000"}, False),
        ({"Origin": "https://mail.example.com"}, True),
        ({"Origin": "http://mail.example.com"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://attacker.example"}, False),
        ({}, True),
    ],
)
def test_where_a_request_comes_from(headers, ours):
    assert at(public_url="https://mail.example.com").from_ours(HOST | headers) is ours


@pytest.mark.parametrize("path", ["/", "/messages", "/messages?state=dead&cursor=a%2Fb", "/cases/ABC#part"])
def test_a_person_is_brought_back_to_a_page_of_ours(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "messages", "//attacker.example", "/\\attacker.example", "\\\\attacker.example", "https://attacker.example/"),
        *("javascript:alert(1)", "/\tx", "/\n/attacker.example", "/ /attacker.example", "/login?next=/", "/logout", "/ä"),
        "/" + "x" * MAX_PATH,
    ],
)
def test_and_never_anywhere_else(path):
    assert local_path(path) == "/"


def test_host_names_have_no_port():
    assert host_name("Example.COM:80") == "example.com"
    assert host_name("[::1]:80") == "::1"
