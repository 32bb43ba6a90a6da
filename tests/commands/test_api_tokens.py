"""`listener tokens`: made once, listed without themselves, taken back; here without a daemon."""

import asyncio
import json

from listener.ledger import Ledger


def test_a_token_is_printed_once_and_alone(listener, config):
    code, out, err = listener("tokens", "create", "ci", "--read-only")
    assert code == 0
    assert out.startswith("lst_")
    assert out.count("\n") == 1
    assert "may only read" in err
    _, listed, _ = listener("tokens", "list", "--json")
    assert [(row["name"], row["scope"]) for row in map(json.loads, listed.splitlines())] == [("ci", "read")]
    assert out.strip() not in listed
    assert out.strip().split("_", 2)[2] not in listed


def test_a_name_is_given_once_and_free_again_after_revoking(listener, config):
    assert listener("tokens", "create", "ci")[0] == 0
    code, _, err = listener("tokens", "create", "ci")
    assert (code, "there is a token 'ci' already" in err) == (1, True)
    assert listener("tokens", "revoke", "ci")[:2] == (0, "ci: revoked\n")
    assert listener("tokens", "create", "ci")[0] == 0


def test_every_name_is_tried_and_a_missing_one_is_exit_1(listener, config):
    listener("tokens", "create", "one")
    code, out, err = listener("tokens", "revoke", "nobody", "one")
    assert (code, out) == (1, "one: revoked\n")
    assert "no token 'nobody'" in err


def test_what_was_ordered_on_the_command_line_is_in_the_audit_with_what_was_refused(listener, config):
    listener("tokens", "create", "ci")
    listener("tokens", "create", "ci")

    async def audit():
        ledger = await Ledger.open(config.parent / "state")
        try:
            return await ledger.access.audit()
        finally:
            await ledger.close()

    rows = asyncio.run(audit())
    assert {row["who"] for row in rows} == {"command line"}
    assert [(row["action"], row["target"], row["outcome"]) for row in rows] == [
        ("create_token", "ci", "refused"),
        ("create_token", "ci", "ordered"),
        ("create_token", "ci", "ordered"),
    ]


def test_no_tokens_is_said(listener, config):
    code, out, err = listener("tokens", "list")
    assert (code, out) == (0, "")
    assert "no tokens but the configured one" in err
