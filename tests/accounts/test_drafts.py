"""What a form gives, split: settings that may be shown, secrets that are set, kept or removed."""

import pytest

from listener.accounts.drafts import as_table, draft, saved
from listener.config import Account, OAuthProfile
from listener.config.kept import KeptFile
from listener.config.kept_fields import api_name, kept_fields
from listener.ledger import Kept, KeptKind

BEFORE = Kept(
    "support", 2, {"receiver": {"host": "h"}, "sender": {"host": "s"}}, {"receiver.password": 1, "sender.password": 2}, 0.0
)


def drafted(given, before=BEFORE):
    return draft(KeptKind.ACCOUNT, given, before)


def both(**receiver):
    return {"id": "support", "receiver": {"host": "h"} | receiver, "sender": {"host": "s"}}


def test_a_secret_is_never_among_the_settings():
    found = drafted(both(password="hush"))
    assert "hush" not in str(found.settings)
    assert found.given == {"receiver.password": "hush"}
    assert found.kept == {"sender.password": 2}


@pytest.mark.parametrize("said", [{}, {"password": {"set": True}}])
def test_saying_nothing_of_a_secret_leaves_it_as_it_is(said):
    found = drafted(both(**said))
    assert (found.given, found.faults) == ({}, ())
    assert found.kept == BEFORE.secrets


@pytest.mark.parametrize("said", [None, {"set": False}])
def test_null_removes_a_secret(said):
    found = drafted(both(password=said))
    assert found.given == {"receiver.password": None}


def test_secrets_of_a_table_that_is_gone_go_with_it():
    assert drafted({"id": "support", "receiver": {"host": "h"}}).given == {"sender.password": None}
    assert drafted({"id": "support", "receiver": {"host": "h"}, "sender": None}).given == {"sender.password": None}


@pytest.mark.parametrize("instead", [{"oauth": "entra"}, {"use_sender_identity": True}])
def test_a_kept_password_gives_way_to_another_way_of_signing_in(instead):
    assert drafted(both(**instead)).given == {"receiver.password": None}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (both(password=""), "receiver.password"),
        (both(password=7), "receiver.password"),
        (both(password={"set": "yes"}), "receiver.password"),
        (both(password="x" * 70_000), "receiver.password"),
        (both(password_file="/etc/passwd"), "receiver.password_file"),
        (both(truststore={"set": True}), "receiver.truststore"),
        (both(truststore="x" * 600_000), "receiver.truststore"),
        ({"receiver": {}, "reply": {"template_file": "x", "template": 5}}, "reply.template"),
    ],
)
def test_what_cannot_be_kept_is_a_fault_at_its_field(given, field):
    assert field in [fault.setting for fault in drafted(given).faults]


def test_leaving_as_it_is_what_was_never_given_is_a_fault():
    found = draft(KeptKind.ACCOUNT, both(password={"set": True}), None)
    assert [fault.setting for fault in found.faults] == ["receiver.password"]


def test_nothing_kept_is_read_until_it_is_used():
    def read(name):
        raise AssertionError(name)

    table = as_table(saved(KeptKind.ACCOUNT, BEFORE), read)
    file = table["receiver"]["password_file"]
    assert isinstance(file, KeptFile)
    assert "account/support/receiver.password" in str(file)
    with pytest.raises(AssertionError, match=r"receiver\.password"):
        file.read_bytes()


def test_a_kept_file_is_another_when_its_secret_was_given_anew_and_only_then():
    one, two = (
        as_table(saved(KeptKind.ACCOUNT, Kept("a", v, BEFORE.settings, s, 0.0)), bytes)["receiver"]["password_file"]
        for v, s in ((1, {"receiver.password": 1}), (5, {"receiver.password": 1}))
    )
    three = as_table(saved(KeptKind.ACCOUNT, Kept("a", 5, BEFORE.settings, {"receiver.password": 5}, 0.0)), bytes)
    assert one == two
    assert hash(one) == hash(two)
    assert three["receiver"]["password_file"] != two


def test_every_setting_that_names_a_file_has_a_name_of_its_own_in_the_api():
    for model in (Account, OAuthProfile):
        paths = [field.path for field in kept_fields(model)]
        assert len(set(paths)) == len(paths)
        assert not [path for path in paths if path.endswith("_file")]
    assert api_name(Account, "receiver.password_file") == "receiver.password"
    assert {"receiver.truststore", "reply.template"} <= {f.path for f in kept_fields(Account) if not f.is_secret}
