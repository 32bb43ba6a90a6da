"""The client of Microsoft Graph: tokens, hosts, bounds, refusals in words."""

import asyncio
import gc

import pytest

from listener.errors import (
    AuthenticationRefused,
    ConnectionLost,
    ConsentLost,
    InsecureConnection,
    PermanentFailure,
    ServerUnavailable,
    TokenExpired,
)
from listener.mailbox import Extent, Listing
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.graph import client as module
from listener.protocols.graph.client import GraphClient, Mime
from listener.protocols.graph.mailbox import GraphMailbox, GraphSettings
from listener.testing.graph import GraphServer
from tests.protocols.graph.desk import TOKEN, USER, client, endpoint, graph, ids_of, mail, mailbox, pages_of, token


async def fetched(box, limit=1_000_000):
    found = [Listing("INBOX", one) for one in await ids_of(box)]
    return [one async for one in box.fetch(found, limit=limit)]


# --- every request --------------------------------------------------------------------------------------------------------


async def test_every_request_asks_for_immutable_ids_and_bears_the_token(tmp_path):
    async with graph(strict=False) as server:
        server.store().create("Done")
        for n in range(5):
            server.deliver("INBOX", mail(n))
        async with mailbox(server, "INBOX", "Done", after="move:Done") as box:
            await box.baseline("INBOX", None)
            pages = await pages_of(box)
            await fetched(box)
            await box.acknowledge([listing for page in pages for listing in page.listings])
        assert {asked.name for asked in server.transcript} >= {"folder", "folders", "delta", "list", "value", "message", "move"}
        assert all('IdType="ImmutableId"' in asked.prefers for asked in server.transcript)
        assert all(asked.headers["Authorization"] == f"Bearer {TOKEN}" for asked in server.transcript)
        assert all("maxpagesize" in asked.prefers for asked in server.asked("delta"))


async def test_ids_with_every_character_stay_in_their_place():
    async with graph() as server, client(server) as here:
        odd = "a/b?c=d&e#f%2F..\\'\" é"
        await here.ask("GET", here.url("messages", odd, select="id"))
        assert server.transcript[-1].path == ("messages", odd)
        assert dict(server.transcript[-1].query) == {"$select": "id"}


# --- the token ------------------------------------------------------------------------------------------------------------


async def test_a_refused_token_is_followed_by_a_fresh_one_where_there_is_one():
    given = ["stale", TOKEN]

    async def give():
        return given[0]

    async with graph() as server, client(server, give=give, invalidate=lambda: given.pop(0)) as here:
        await here.get(here.url("mailFolders", "inbox"))
        assert server.counters.unauthorised == 1


async def test_a_token_that_was_good_and_is_refused_has_expired():
    async with graph() as server, client(server) as here:
        await here.get(here.url("mailFolders", "inbox"))
        server.tokens.clear()
        with pytest.raises(TokenExpired):
            await here.get(here.url("mailFolders", "inbox"))
        assert server.counters.unauthorised == 1


@pytest.mark.parametrize("at_once", range(1, 5))
async def test_requests_side_by_side_share_one_renewal(at_once):
    given = [TOKEN]

    async def give():
        await asyncio.sleep(0)
        return given[-1]

    async with graph() as server, client(server, give=give, invalidate=lambda: given.append("next")) as here:
        await here.get(here.url("mailFolders", "inbox"))
        server.tokens = {"next"}
        await asyncio.gather(*(here.get(here.url("mailFolders", "inbox")) for _ in range(at_once)))
        assert server.counters.unauthorised <= at_once


@pytest.mark.parametrize(
    ("headers", "words", "kind"),
    [
        ({}, "Invalid audience.", AuthenticationRefused),
        ({"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="x"'}, "Continuous access", ConsentLost),
        ({}, "The grant was revoked.", ConsentLost),
    ],
)
async def test_a_fresh_token_that_is_refused_needs_a_person(headers, words, kind):
    async with graph() as server:
        server.script.on("*", status=401, code="InvalidAuthenticationToken", words=words, headers=headers)
        with pytest.raises(kind) as told:
            async with mailbox(server):
                pass
        assert told.value.setting == "receiver.oauth"
        assert TOKEN not in str(told.value)


@pytest.mark.parametrize("bad", ["", "two\r\nlines", "späte", "a b"])
async def test_a_token_that_could_end_a_header_is_never_sent(bad):
    async def give():
        return bad

    async with graph() as server, client(server, give=give) as here:
        with pytest.raises(PermanentFailure, match="token"):
            await here.get(here.url("mailFolders", "inbox"))
        assert server.transcript == []


# --- refusals in words ------------------------------------------------------------------------------------------------------

REFUSALS = [
    (403, "ErrorAccessDenied", "Access is denied.", "receiver.oauth", "Mail.ReadWrite"),
    (403, "ErrorAccessDenied", "Access to OData is disabled: [RAOP] : Blocked by tenant", "receiver.oauth", "access policy"),
    (403, "Authorization_RequestDenied", "Insufficient privileges", "receiver.oauth", "RBAC for Applications"),
    (404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive", "receiver.user_principal_name", "licence"),
    (404, "ErrorInvalidUser", "The requested user is invalid.", "receiver.user_principal_name", "as the directory has it"),
    (404, "ResourceNotFound", "Resource could not be discovered.", "receiver.user_principal_name", "tenant"),
    (404, "ErrorNonExistentMailbox", "The SMTP address has no mailbox", "receiver.user_principal_name", "no mailbox"),
]


@pytest.mark.parametrize(("status", "code", "words", "setting", "hint"), REFUSALS, ids=lambda value: str(value)[:30])
async def test_a_refusal_names_the_setting_and_what_to_do(status, code, words, setting, hint):
    async with graph() as server:
        server.script.on("*", status=status, code=code, words=words)
        with pytest.raises(PermanentFailure) as told:
            async with mailbox(server):
                pass
        assert told.value.setting == setting
        assert hint in told.value.hint
        assert code in told.value.reason


async def test_a_mailbox_that_is_not_the_applications_is_refused():
    async with graph(users=[USER, "boss@example.com"]) as server:
        server.deny("boss@example.com")
        with pytest.raises(PermanentFailure, match="no access to boss"):
            async with mailbox(server, user="boss@example.com"):
                pass


async def test_the_servers_words_reach_people_without_control_characters():
    async with graph() as server:
        server.script.on("*", status=400, code="Odd", words="a\x1b[31m\r\nb" + "c" * 2000)
        with pytest.raises(PermanentFailure) as told:
            async with mailbox(server):
                pass
        assert told.value.reason.isprintable()
        assert len(told.value.reason) < 500


@pytest.mark.parametrize("status", [500, 502, 507])
async def test_a_server_that_fails_may_be_asked_later(status):
    async with graph() as server:
        server.script.on("*", status=status, code="ErrorInternalServerError")
        with pytest.raises(ServerUnavailable):
            async with mailbox(server):
                pass


# --- what an answer may not do ---------------------------------------------------------------------------------------------


async def test_a_redirect_is_not_followed():
    async with graph() as server, graph() as other, client(server) as here:
        server.script.on("*", status=302, headers={"Location": f"{other.url}/v1.0/users/{USER}/mailFolders/inbox"})
        with pytest.raises(ServerUnavailable, match="elsewhere"):
            await here.get(here.url("mailFolders", "inbox"))
        assert other.transcript == []


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"[" * 100_000, b'"text"', b"\xff\xfe"], ids=lambda body: body[:6].hex())
async def test_an_answer_that_is_no_json_object_is_nonsense(body):
    async with graph() as server, client(server) as here:
        server.script.on("*", instead=body)
        with pytest.raises(ConnectionLost, match="no JSON object"):
            await here.get(here.url("mailFolders", "inbox"))


async def test_an_error_page_of_html_keeps_its_status():
    async with graph() as server, client(server) as here:
        server.script.on("*", status=404, instead=b"<html>Not found</html>")
        assert (await here.ask("GET", here.url("messages", "x"))).gone


async def test_json_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(module, "MAX_JSON", 1000)
    async with graph() as server, client(server) as here:
        server.script.on("*", instead=b'{"value": "' + b"x" * 5_000_000 + b'"}')
        with pytest.raises(ConnectionLost, match="without end"):
            await here.get(here.url("mailFolders", "inbox"))


async def test_a_compressed_answer_is_not_unpacked():
    async with graph() as server, client(server) as here:
        server.script.on("*", headers={"Content-Encoding": "gzip"})
        with pytest.raises(ConnectionLost, match="compresses"):
            await here.get(here.url("mailFolders", "inbox"))
        assert server.transcript[-1].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("fault", [{"cut": 30}, {"close": "before"}, {"close": "instead"}])
async def test_an_answer_that_breaks_off_is_a_lost_connection(fault):
    async with graph() as server, client(server) as here:
        server.script.on("folder", **fault)
        with pytest.raises(ConnectionLost):
            await here.get(here.url("mailFolders", "inbox"))


async def test_an_answer_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "READ_SECONDS", 0.05)
    async with graph() as server, client(server) as here:
        held = asyncio.Event()
        server.script.on("folder", stall=held)
        with pytest.raises(ConnectionLost, match="no answer in time"):
            await here.get(here.url("mailFolders", "inbox"))
        held.set()


async def test_an_answer_that_trickles_is_read():
    async with graph() as server, client(server) as here:
        server.script.on("folder", trickle=True)
        assert (await here.get(here.url("mailFolders", "inbox")))["displayName"] == "Inbox"


# --- MIME -------------------------------------------------------------------------------------------------------------------


async def test_a_message_is_cut_at_its_header_when_it_is_too_large_and_the_rest_is_never_read():
    async with graph() as server, client(server) as here:
        message = server.deliver("INBOX", mail(1, "x" * 20_000_000))
        found = await here.mime(server.mailbox().exchange.message_id("INBOX", message, immutable=True), 10_000)
        assert found == Mime(mail(1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n", whole=False)
        assert server.store()["INBOX"].messages[1].octets[:50] == found.octets[:50]


async def test_a_header_without_end_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_HEADER", 5000)
    async with graph() as server, client(server) as here:
        message = server.deliver("INBOX", b"X-Long: " + b"x" * 3_000_000)
        found = await here.mime(server.mailbox().exchange.message_id("INBOX", message, immutable=True), 10_000)
        assert (len(found.octets), found.whole) == (5000, False)


async def test_a_message_that_vanishes_is_looked_for_twice():
    async with graph() as server, mailbox(server) as box:
        server.deliver("INBOX", mail(1))
        found = [Listing("INBOX", one) for one in await ids_of(box)]
        server.store()["INBOX"].expunge([1])
        (one,) = [one async for one in box.fetch(found, limit=1000)]
        assert one.extent is Extent.GONE
        assert [asked.name for asked in server.transcript[-2:]] == ["value", "message"]


async def test_a_message_that_was_only_late_is_fetched_at_the_second_look():
    async with graph() as server, mailbox(server) as box:
        server.deliver("INBOX", mail(1))
        server.script.on("value", status=404, code="ErrorItemNotFound", times=1)
        (one,) = await fetched(box)
        assert (one.extent, one.octets) == (Extent.WHOLE, mail(1))


async def test_a_server_error_on_one_message_ends_the_session_so_that_it_is_counted():
    async with graph() as server, mailbox(server) as box:
        server.deliver("INBOX", mail(1))
        server.script.on("value", status=500, code="ErrorInternalServerError")
        with pytest.raises(ConnectionLost):
            await fetched(box)


async def test_no_right_to_read_content_is_the_accounts_fault_and_no_messages():
    async with graph() as server, mailbox(server) as box:
        server.deliver("INBOX", mail(1))
        server.script.on("value", status=403, code="ErrorAccessDenied", words="Access is denied.")
        with pytest.raises(PermanentFailure):
            await fetched(box)


async def test_a_fetch_left_half_way_leaves_no_request_behind():
    async with graph() as server, mailbox(server) as box:
        for n in range(10):
            server.deliver("INBOX", mail(n))
        found = [Listing("INBOX", one) for one in await ids_of(box)]
        fetching = box.fetch(found, limit=1000)
        await anext(fetching)
        await fetching.aclose()
        running = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - {asyncio.current_task()}}
        assert "_fetch" not in running


# --- the way there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "localhost"])
async def test_plaintext_goes_to_loopback_addresses_only(host):
    with pytest.raises(InsecureConnection):
        await GraphClient.open(Endpoint(host, 80, Security.NONE), USER, token)


async def test_nothing_answers():
    server = GraphServer()
    await server.start()
    await server.stop()
    with pytest.raises(ConnectionLost, match="broke"):
        await GraphMailbox.open(endpoint(server), USER, token, GraphSettings())
    gc.collect()


async def test_a_closed_session_says_so():
    async with graph() as server, client(server) as here:
        await here.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await here.get(here.url("mailFolders", "inbox"))


async def test_what_came_beside_a_message_that_broke_the_session_is_not_lost():
    async with graph() as server, mailbox(server) as box:
        for n in range(2):
            server.deliver("INBOX", mail(n))
        found = [Listing("INBOX", one) for one in await ids_of(box)]
        server.script.on("value", when=lambda asked: asked.id == found[0].unique_id, close="before")
        got = []

        async def fetch():
            async for one in box.fetch(found, limit=1000):
                got.append(one.listing.unique_id)

        with pytest.raises(ConnectionLost):
            await fetch()
        assert found[0].unique_id not in got
