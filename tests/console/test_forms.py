"""What a form makes of what a browser sent, and what it shows of what is kept; without a browser."""

import re
from importlib.resources import files

import pytest

from listener.admin.console import account_fields, profile_fields
from listener.admin.console.forms import KEPT, Form, at_field, given, settings, values, with_faults
from listener.admin.console.posted import MAX_UPLOAD
from listener.config.account import PORTS
from listener.config.truststore import ARMOUR, armoured

PARTS = account_fields.parts(["entra"], is_new=True)


def sent(**fields):
    """Settings of a form with these values, names with two underscores for a dot."""
    typed = {name.replace("__", "."): value for name, value in fields.items()}
    shown, _ = values(PARTS, {})
    read = given(PARTS, lambda name: typed.get(name, shown[name]))
    read = account_fields.implied(read)
    return account_fields.finished(settings(PARTS, read), read)


def test_the_script_knows_the_same_ports_and_the_same_bound_of_an_upload():
    script = files("listener.admin.console").joinpath("static/form.js").read_text()
    told = {
        (protocol, security): int(port)
        for protocol, ports in re.findall(r"^  (\w+): {(.*)},$", script, re.MULTILINE)
        for security, port in re.findall(r'(\w+): "(\d+)"', ports)
    }
    assert told == {way: port for way, port in PORTS.items() if way[0] != "graph"}
    assert f"MAX_UPLOAD = {MAX_UPLOAD:_};" in script
    assert all(line in script for line in ARMOUR)


def test_an_empty_form_is_a_plain_imap_account():
    made = sent(id="a", receiver__host="h", receiver__user="u", receiver__password="p")
    server = {"protocol": "imap", "host": "h", "security": "tls", "min_tls": "1.2"}
    assert made["receiver"] == server | {"user": "u", "password": "p", "folders": ["INBOX"], "after": "seen"}
    assert "sender" not in made


def test_what_does_not_apply_is_not_sent():
    made = sent(
        receiver__protocol="graph",
        provider="microsoft365",
        receiver__host="left.over",
        receiver__password="left",
        receiver__oauth="entra",
    )
    assert "host" not in made["receiver"]
    assert "password" not in made["receiver"]
    assert made["receiver"]["oauth"] == "entra"


def test_who_uses_the_senders_identity_has_none_of_his_own():
    made = sent(
        sender__protocol="smtp", sender__user="s", sender__password="p", receiver__use_sender_identity="on", receiver__user="x"
    )
    assert made["receiver"]["use_sender_identity"] is True
    assert "user" not in made["receiver"]


@pytest.mark.parametrize(
    ("fields", "after", "start"),
    [
        ({}, "seen", "now"),
        ({"after": "move", "receiver__move": "Done", "begin": "since", "since": "2026-01-31"}, "move:Done", "since:2026-01-31"),
        ({"after": "keep", "begin": "all"}, "keep", "all"),
    ],
)
def test_the_steering_fields_become_settings_and_show_them_again(fields, after, start):
    made = sent(**fields)
    assert (made["receiver"]["after"], made["start"]) == (after, start)
    again = account_fields.steering(made)
    assert (again["after"], again["begin"]) == (fields.get("after", "seen"), fields.get("begin", "now"))


def test_a_kept_secret_never_goes_to_the_browser_and_stays_when_its_field_is_empty():
    before = {"id": "a", "receiver": {"protocol": "imap", "host": "h", "password": KEPT}}
    shown, kept = values(PARTS, before)
    assert shown["receiver.password"] == ""
    assert kept == {"receiver.password"}
    read = shown | account_fields.steering(before)
    assert settings(PARTS, read, before, kept)["receiver"]["password"] == KEPT
    assert settings(PARTS, read | {"receiver.password": "new"}, before, kept)["receiver"]["password"] == "new"


def test_only_a_pkcs12_store_has_a_password():
    pem = sent(receiver__truststore="-----BEGIN CERTIFICATE-----", receiver__truststore_password="left over")
    assert "truststore_password" not in pem["receiver"]
    locked = sent(receiver__truststore=armoured(b"\x30\x82\x01\x00"), receiver__truststore_password="hush")
    assert locked["receiver"]["truststore_password"] == "hush"


def test_the_password_of_a_kept_store_stays_when_its_field_is_empty_and_goes_with_the_store():
    before = {"id": "a", "receiver": {"protocol": "imap", "truststore": armoured(b"\x30\x82"), "truststore_password": KEPT}}
    shown, kept = values(PARTS, before)
    read = shown | account_fields.steering(before)
    assert settings(PARTS, read, before, kept)["receiver"]["truststore_password"] == KEPT
    assert "truststore_password" not in settings(PARTS, read | {"receiver.truststore": ""}, before, kept)["receiver"]


def test_settings_that_no_field_is_for_are_kept():
    before = {"id": "a", "reply": {"to": "anyone"}, "receiver": {"protocol": "imap", "host": "h", "idle_interval": "5m"}}
    shown, kept = values(PARTS, before)
    made = settings(PARTS, shown | account_fields.steering(before), before, kept)
    assert made["reply"] == {"to": "anyone"}
    assert made["receiver"]["idle_interval"] == "5m"


def test_each_fault_is_at_its_field_and_the_others_are_said_above():
    shown, kept = values(PARTS, {})
    form = with_faults(
        Form(PARTS, shown | account_fields.steering({}), kept),
        [
            ("receiver.folders[1]", "is empty"),
            ("receiver.password_file", "is needed"),
            ("reply.to", "is wrong"),
            ("", "all wrong"),
        ],
    )
    assert form.faults == {"receiver.folders": "is empty", "receiver.password": "is needed"}
    assert form.general == ("reply.to: is wrong", "all wrong")


def test_a_fault_of_a_hidden_field_is_not_hidden():
    assert at_field("receiver.user_principal_name", {"receiver.host"}) == ""
    assert at_field("sender", {"sender.protocol"}) == "sender.protocol"


@pytest.mark.parametrize("proof", ["secret", "certificate", "managed_identity", "workload_identity"])
def test_an_application_proves_itself_in_one_way(proof):
    parts = profile_fields.parts(is_new=True)
    shown, _ = values(parts, {})
    typed = shown | {"id": "p", "proof": proof, "client_secret": "s", "certificate": "c"}
    made = profile_fields.finished(settings(parts, profile_fields.implied(typed)), typed)
    keys = {"client_secret", "certificate", "managed_identity", "workload_identity"}
    assert keys & set(made) == {"client_secret" if proof == "secret" else proof}
