"""docs/hooks.md: an issue for each case and a comment for each further message, in a Jira-like HTTP API, each once."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from listener.hooks import Case, Filed, HookFailed, HookRefused
from listener.testing import deliver, make_message


class Jira:
    """As much of the API as the example uses. `answers_lost`: so many writes take effect, then the connection is cut."""

    def __init__(self):
        self.issues = []
        self.comments = {}
        self.answers_lost = 0
        self.says = None
        self.tokens = set()

    def application(self):
        app = web.Application()
        app.router.add_get("/rest/api/2/search", self.search)
        app.router.add_post("/rest/api/2/issue", self.create)
        app.router.add_get("/rest/api/2/issue/{key}/comment", self.list_comments)
        app.router.add_post("/rest/api/2/issue/{key}/comment", self.add_comment)
        return app

    def answer(self, request, body, written=False):
        self.tokens.add(request.headers["Authorization"])
        if self.says is not None:
            raise self.says
        if written and self.answers_lost:
            self.answers_lost -= 1
            request.transport.abort()
        return web.json_response(body)

    async def search(self, request):
        wanted = request.query["jql"].split('"')[1]
        return self.answer(request, {"issues": [{"key": i["key"]} for i in self.issues if wanted in i["labels"]]})

    async def create(self, request):
        if self.says is None:
            key = f"SUP-{len(self.issues) + 1}"
            self.issues.append((await request.json())["fields"] | {"key": key})
            self.comments[key] = []
        return self.answer(request, {"key": self.issues[-1]["key"] if self.issues else ""}, written=True)

    async def list_comments(self, request):
        return self.answer(request, {"comments": self.comments[request.match_info["key"]]})

    async def add_comment(self, request):
        self.comments[request.match_info["key"]].append(await request.json())
        return self.answer(request, {}, written=True)


@pytest.fixture
async def jira(monkeypatch, tmp_path):
    jira = Jira()
    server = TestServer(jira.application())
    await server.start_server(shutdown_timeout=0)
    monkeypatch.setenv("JIRA_URL", str(server.make_url("/")))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "jira-token").write_text("t0ken\n")
    yield jira
    await server.close()


@pytest.fixture
def hook(example, jira):
    return example("jira_tickets").JiraHook


def known(reference):
    return Case("C1", "support", "Lamp", "ann@example.com", "open", is_new=False, reference=reference)


LETTER = make_message("My lamp is broken.\n", subject="Lamp")


async def test_a_new_case_is_an_issue(hook, jira):
    assert await deliver(hook, LETTER) == Filed(reference="SUP-1")
    [issue] = jira.issues
    assert (issue["summary"], issue["description"].strip()) == ("Lamp", "My lamp is broken.")
    assert jira.tokens == {"Bearer t0ken"}


async def test_a_further_message_is_a_comment(hook, jira):
    await deliver(hook, LETTER)
    assert await deliver(hook, make_message("Still broken.\n"), case=known("SUP-1")) == Filed()
    [comment] = jira.comments["SUP-1"]
    assert comment["body"].startswith("Still broken.")


async def test_an_issue_whose_answer_was_lost_is_found_again(hook, jira):
    jira.answers_lost = 1
    with pytest.raises(Exception, match="disconnected"):
        await deliver(hook, LETTER)
    assert await deliver(hook, LETTER, attempt=2) == Filed(reference="SUP-1")
    assert len(jira.issues) == 1


async def test_a_comment_whose_answer_was_lost_is_not_made_twice(hook, jira):
    await deliver(hook, LETTER)
    jira.answers_lost = 1
    further = make_message("Still broken.\n")
    with pytest.raises(Exception, match="disconnected"):
        await deliver(hook, further, case=known("SUP-1"))
    assert await deliver(hook, further, case=known("SUP-1"), attempt=2) == Filed()
    assert len(jira.comments["SUP-1"]) == 1


async def test_different_messages_are_different_issues(hook, jira):
    await asyncio.gather(*(deliver(hook, make_message(f"Lamp {n}\n")) for n in range(5)))
    assert len(jira.issues) == 5


async def test_a_busy_server_is_asked_later_and_a_refusal_is_final(hook, jira):
    jira.says = web.HTTPTooManyRequests(headers={"Retry-After": "90"})
    with pytest.raises(HookFailed, match="busy") as failure:
        await deliver(hook, LETTER)
    assert failure.value.retry_after == 90.0
    jira.says = web.HTTPBadRequest(text="no such project")
    with pytest.raises(HookRefused, match="Jira said 400: no such project"):
        await deliver(hook, LETTER)
    jira.says = web.HTTPServiceUnavailable()
    with pytest.raises(Exception, match="503"):
        await deliver(hook, LETTER)
