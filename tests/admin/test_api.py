"""The verbs over HTTP: for holders of the token, as the OpenAPI page says, and every fault a problem in words."""

import json
import re

import pytest
import structlog

from listener.admin.openapi import openapi
from listener.admin.routes import ROUTES
from listener.errors import LedgerFull
from listener.mailbox import Extent

from .conftest import file, octets, put

PAGE = openapi()


@pytest.fixture
async def filled(admin):
    """Message 1 in a case, 2 joins it, 3 of another account, 4 too large."""
    reply = octets(2, "Re: again").replace(b"From:", b"In-Reply-To: <1@example.com>\r\nFrom:")
    await put(admin.ledger, "support", octets(1), reply)
    await put(admin.ledger, "sales", octets(3))
    await file(admin.ledger)
    await put(admin.ledger, "support", octets(4), extent=Extent.HEADER)
    return admin


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/healthz", "/api/v1/accounts", "/api/v1/messages/1/raw", "/api/v1/openapi.json", "/api/v1/nothing"]
)
@pytest.mark.parametrize("token", [None, b"", b"wrong", b"a-token-for-test", b"a-token-for-tests-and-more"])
async def test_without_the_token_everything_is_401_also_what_is_not_there(filled, path, token):
    status, headers, body = await filled.get(path, token=token)
    assert (status, body["status"]) == (401, 401)
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("header", ["a-token-for-tests", "Basic a-token-for-tests", "Bearer", "Bearer \xff\xfe", "bearer  x y"])
async def test_a_malformed_authorization_is_401(filled, header):
    status, _, _ = await filled.get("/api/v1/accounts", token=None, headers={"Authorization": header})
    assert status == 401


async def test_the_token_is_not_taken_from_the_address(filled):
    status, _, _ = await filled.get("/api/v1/accounts?token=a-token-for-tests", token=None)
    assert status == 401


async def test_the_control_socket_needs_no_token(filled):
    status, rows = await filled.control("/api/v1/accounts")
    assert (status, [row["id"] for row in rows]) == (200, ["support", "sales"])


# --- what it answers --------------------------------------------------------------------------------------------------


async def test_lists_are_newest_first_and_filtered(filled):
    _, _, everything = await filled.get("/api/v1/messages")
    assert [row["id"] for row in everything] == [4, 3, 2, 1]
    assert set(everything[0]) == {
        *("id", "account", "state", "kind", "message_id", "subject", "from", "received_at", "case", "reason"),
    }
    for query, ids in (
        ("state=quarantined", [4]),
        ("account=sales", [3]),
        ("limit=2", [4, 3]),
        ("before=3", [2, 1]),
        ("account=support&state=done", [2, 1]),
    ):
        _, _, rows = await filled.get(f"/api/v1/messages?{query}")
        assert [row["id"] for row in rows] == ids, query
    _, _, rows = await filled.get("/api/v1/quarantine")
    assert [row["id"] for row in rows] == [4]


async def test_a_case_has_its_messages_in_order(filled):
    _, _, cases = await filled.get("/api/v1/cases?account=support")
    assert set(cases[0]) == {"id", "account", "subject", "requester", "status", "messages", "reference", "updated_at"}
    status, _, case = await filled.get(f"/api/v1/cases/{cases[0]['id']}")
    assert status == 200
    assert [row["id"] for row in case["entries"]] == [1, 2]


async def test_explain_tells_the_history_of_a_message(filled):
    _, _, history = await filled.get("/api/v1/messages/2")
    assert history["raw"]
    assert [event["kind"] for event in history["events"]][:1] == ["message.accepted"]
    assert "in_reply_to" in json.dumps(history["events"])


async def test_the_raw_octets_come_as_they_were_and_no_browser_runs_them(filled):
    status, headers, body = await filled.get("/api/v1/messages/1/raw")
    assert (status, body) == (200, octets(1))
    assert headers["Content-Type"] == "message/rfc822"
    assert headers["Content-Disposition"] == 'attachment; filename="message-1.eml"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


async def test_release_and_retry_change_what_the_state_allows(filled):
    status, _, body = await filled.get("/api/v1/messages/4/release", method="POST")
    assert (status, body) == (200, {"id": 4, "account": "support", "state": "quarantined"})
    status, _, body = await filled.get("/api/v1/messages/1/retry", method="POST")
    assert status == 409
    assert "only a dead one can be retried" in body["detail"]


async def test_pause_and_resume_are_kept_in_the_ledger(filled):
    await filled.get("/api/v1/accounts/sales/pause", method="POST")
    assert await filled.ledger.paused() == {"sales"}
    await filled.get("/api/v1/accounts/sales/resume", method="POST")
    assert await filled.ledger.paused() == set()


async def test_a_backup_is_made_over_the_control_socket_only(filled, tmp_path):
    target = tmp_path / "copy.sqlite3"
    status, _, _ = await filled.get(f"/api/v1/backup?file={target}", method="POST")
    assert status == 404
    status, body = await filled.control(f"/api/v1/backup?file={target}", "POST")
    assert (status, body) == (200, {"file": str(target)})
    assert target.stat().st_size > 0


async def test_a_backup_is_made_although_the_disk_of_the_ledger_is_full(filled, tmp_path, monkeypatch):
    async def full(order):
        raise LedgerFull("no space left on device")

    monkeypatch.setattr(filled.ledger.access, "record", full)
    target = tmp_path / "copy.sqlite3"
    with structlog.testing.capture_logs() as logs:
        status, _ = await filled.control(f"/api/v1/backup?file={target}", "POST")
    assert (status, target.exists()) == (200, True)
    assert [(log["event"], log["target"]) for log in logs] == [("audit.full", str(target))]


# --- what it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/messages/99", 404, "no message 99"),
        ("GET", "/messages/99/raw", 404, "no message 99"),
        ("POST", "/messages/99/retry", 404, "no message 99"),
        ("GET", "/messages/99999999999999999999", 400, "not a message number"),
        ("GET", "/messages/x", 404, "nothing at this path"),
        ("GET", "/messages/-1", 404, "nothing at this path"),
        ("GET", "/cases/NOPE", 404, "no case 'NOPE'"),
        ("GET", "/messages?state=lost", 400, "no such state"),
        ("GET", "/messages?account=nobody", 404, "no account 'nobody'"),
        ("GET", "/messages?limit=0", 400, "limit must be"),
        ("GET", "/messages?limit=1001", 400, "limit must be"),
        ("GET", "/messages?limit=many", 400, "limit must be"),
        ("GET", "/messages?before=x", 400, "not a message number"),
        ("GET", "/messages?colour=red", 400, "unknown parameter"),
        ("POST", "/accounts/nobody/pause", 404, "no account 'nobody'"),
        ("GET", "/nothing", 404, "nothing at this path"),
    ],
)
async def test_what_makes_no_sense_is_a_problem_that_says_why(filled, method, path, status, said):
    got, headers, body = await filled.get(f"/api/v1{path}", method=method)
    assert (got, body["status"], body["type"]) == (status, status, "about:blank")
    assert said in body["detail"]
    assert headers["Content-Type"].startswith("application/problem+json")


async def test_a_message_that_was_never_fetched_says_where_it_is(filled):
    await put(filled.ledger, "sales", b"", extent=Extent.REFUSED)
    status, _, body = await filled.get("/api/v1/messages/5/raw")
    assert status == 404
    assert "on the server" in body["detail"]


# --- the OpenAPI page -------------------------------------------------------------------------------------------------


def test_the_openapi_page_names_exactly_the_routes_that_are_served():
    served = {(route.method.lower(), route.path, route.verb) for route in ROUTES if not route.private}
    told = {
        (method, path, operation["operationId"])
        for path, item in PAGE["paths"].items()
        for method, operation in item.items()
        if operation["operationId"] not in ("openapi", "events")
    }
    assert told == served


def test_the_openapi_page_names_exactly_the_parameters_that_are_taken():
    parameters = PAGE["components"]["parameters"]
    for route in ROUTES:
        if route.private:
            continue
        operation = PAGE["paths"][route.path][route.method.lower()]
        named = [parameters[p["$ref"].rsplit("/", 1)[1]] for p in operation.get("parameters", [])]
        assert {p["name"] for p in named if p["in"] == "query"} - {"format"} == set(route.query), route.verb
        assert {p["name"] for p in named if p["in"] == "path"} == set(re.findall(r"{(\w+)}", route.path)), route.verb


def test_every_reference_in_the_openapi_page_leads_somewhere():
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(PAGE)):
        node = PAGE
        for part in reference.split("/"):
            node = node[part]


async def test_the_openapi_page_is_served_with_this_version(filled):
    from listener import __version__

    status, _, page = await filled.get("/api/v1/openapi.json")
    assert (status, page["info"]["version"]) == (200, __version__)
