"""The OpenAPI page against a real server: schemathesis asks what the page allows, and more, and checks every answer."""

import asyncio
import warnings
from contextlib import asynccontextmanager

import pytest
from accounts_house import lived_in

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

from hypothesis import HealthCheck, Phase, given, seed, settings

from listener.admin.openapi import openapi
from listener.admin.routes import ROUTES

from .conftest import WORD, file, octets, put, running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
QUIET = r"^/events$|^/tokens/.name.$"
"""A stream has no end; tokens are made by the hundred, and there is a bound."""
ACCOUNTS = r"^/(accounts|profiles|providers)"


@asynccontextmanager
async def with_mail(folder):
    """A server with some mail; its address and a token."""
    async with running(folder, "support", "sales") as admin:
        reply = octets(2, "Re: again").replace(b"From:", b"In-Reply-To: <1@example.com>\r\nFrom:")
        await put(admin.ledger, "support", octets(1), reply)
        await file(admin.ledger)
        yield admin.server.addresses[0], WORD


@asynccontextmanager
async def whole_daemon(folder):
    """A daemon where accounts and profiles are looked after; it has one of each, which reach nothing."""
    folder.mkdir()
    async with lived_in(folder) as house:
        profile = {"id": "idp", "grant": "client_credentials", "issuer": "custom", "token_url": "https://127.0.0.1:1/token"}
        await house.verbs.create_profile({"settings": profile | {"client_id": "me", "client_secret": "hush"}})
        receiver = {"host": "127.0.0.1", "port": 1, "security": "none", "user": "u", "password": "p"}
        await house.verbs.create_account({"settings": {"id": "support", "receiver": receiver}})
        yield house.daemon.admin.addresses[0], (folder / "state/admin-token").read_text().strip()


def ask_all(context, examples, only=None):
    """How many questions were asked; `only`: of paths that this pattern finds. The server has this thread, who asks another."""

    async def main():
        async with context as (address, token):
            return await asyncio.to_thread(asked, f"http://{address}", token, examples, only)

    return asyncio.run(main())


def asked(url, token, examples, only):
    schema = schemathesis.openapi.from_dict(openapi())
    schema.config.update(base_url=f"{url}/api/v1")
    count = 0
    chosen = schema.exclude(path_regex=QUIET)
    for result in (chosen.include(path_regex=only) if only else chosen).get_all_operations():
        operation = result.ok()

        @seed(1)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            nonlocal count
            count += 1
            case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {token}"}, timeout=20)

        ask()
    return count


def test_every_answer_is_as_the_page_says(tmp_path):
    assert ask_all(with_mail(tmp_path / "s"), 6) >= 100


@pytest.mark.long
def test_every_answer_is_as_the_page_says_whatever_is_asked(tmp_path):
    assert ask_all(with_mail(tmp_path / "s"), 300) >= 5_000


@pytest.mark.long
def test_every_answer_of_a_whole_daemon_about_accounts_and_profiles_is_as_the_page_says(tmp_path):
    assert ask_all(whole_daemon(tmp_path / "s"), 100, ACCOUNTS) >= 1_000


def test_every_described_schema_and_parameter_is_used():
    page = openapi()
    text = str(page) + "".join(f"#/components/schemas/{route.answer}'" for route in ROUTES if route.private)
    for kind in ("parameters", "schemas", "responses"):
        unused = [name for name in page["components"][kind] if f"#/components/{kind}/{name}'" not in text]
        assert unused == [], kind


def test_every_operation_has_a_sentence_and_the_faults_of_its_kind():
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], path
            codes = set(operation["responses"])
            assert {"200", "400", "401", "429", "503"} <= codes, path
            assert method == "get" or {"403", "409"} <= codes, path
