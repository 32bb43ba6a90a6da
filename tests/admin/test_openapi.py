"""The OpenAPI page against a real server: schemathesis asks what the page allows, and more, and checks every answer."""

import asyncio
import threading
import warnings
from contextlib import contextmanager

import pytest

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


@contextmanager
def served(folder):
    """A server with some mail, on a loop of its own; its address."""
    ready, stop, found = threading.Event(), threading.Event(), {}

    async def main():
        async with running(folder, "support", "sales") as admin:
            reply = octets(2, "Re: again").replace(b"From:", b"In-Reply-To: <1@example.com>\r\nFrom:")
            await put(admin.ledger, "support", octets(1), reply)
            await file(admin.ledger)
            found["url"] = f"http://{admin.server.addresses[0]}"
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield found["url"]
    finally:
        stop.set()
        thread.join()


def ask_all(folder, examples):
    with served(folder) as url:
        schema = schemathesis.openapi.from_dict(openapi())
        schema.config.update(base_url=f"{url}/api/v1")
        asked = 0
        for result in schema.exclude(path_regex=QUIET).get_all_operations():
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
                nonlocal asked
                asked += 1
                case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {WORD}"}, timeout=20)

            ask()
        return asked


def test_every_answer_is_as_the_page_says(tmp_path):
    assert ask_all(tmp_path / "s", 6) >= 100


@pytest.mark.long
def test_every_answer_is_as_the_page_says_whatever_is_asked(tmp_path):
    assert ask_all(tmp_path / "s", 300) >= 5_000


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
