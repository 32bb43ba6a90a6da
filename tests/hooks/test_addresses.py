"""Where webhooks may connect to (R-75)."""

import pytest

from listener.hooks.addresses import refusal

ALWAYS = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "169.254.170.2",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "2001:db8::1",
    "::7f00:1",
    "fec0::1",
    "64:ff9b:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]
PRIVATE = ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"]
PRIVATE += ["100.64.0.1", "fd12:3456::1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1"])
def test_public_addresses_are_fine(address):
    assert refusal(address, allow_private=False) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_to_be_allowed(address):
    assert "allow_private" in refusal(address, allow_private=False)
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", ALWAYS)
def test_some_addresses_are_never_allowed(address):
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True)


@pytest.mark.parametrize("text", ["2130706433", "0x7f.1", "127.1", "017700000001", "localhost", "", "1.2.3.4.5", "８.8.8.8"])
def test_what_is_no_plain_address_is_refused(text):
    assert refusal(text, allow_private=True) == "not a plain address"
