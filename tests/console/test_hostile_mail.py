"""Hostile mail on every page that shows mail: no script runs, nothing is asked of another host."""

import pytest
from daemon import eventually

from console.hostile import RUN, TRICKS, messages
from listener.testing import ImapServer

pytestmark = pytest.mark.dovecot
MARK = "() => window.pwned"


@pytest.fixture(scope="session")
def delivered(dovecot, daemon):
    dovecot.deliver("support", messages())


async def all_there(daemon):
    rows = [row for row in await daemon.messages() if (row["message_id"] or "").startswith("trick")]
    return rows if len(rows) == len(TRICKS) and all(row["state"] in ("done", "quarantined") for row in rows) else None


class Watched:
    """What a context asked for and showed."""

    def __init__(self, desk):
        self.desk, self.dialogs = desk, []
        desk.page.on("dialog", self._dismiss)

    async def _dismiss(self, dialog):
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    async def nothing_happened(self):
        for frame in self.desk.page.frames:
            assert not await frame.evaluate(MARK), frame.url
        assert self.dialogs == []
        assert self.desk.foreign == [], "something was asked of another host"


async def shown_whole(open_desk, rows):
    async with open_desk() as desk:
        watched = Watched(desk)
        for row in rows:
            await desk.open(f"/messages/{row['id']}?view=html")
            await watched.nothing_happened()


async def test_no_message_runs_a_script_or_loads_anything_when_it_is_shown(open_desk, daemon, delivered):
    await shown_whole(open_desk, (await eventually(lambda: all_there(daemon)))[::8])


@pytest.mark.long
async def test_not_one_of_all_messages_does(open_desk, daemon, delivered):
    await shown_whole(open_desk, await eventually(lambda: all_there(daemon)))


FRAMES = """
paths => Promise.all(paths.map(path => new Promise(loaded => {
  const frame = document.createElement("iframe");  // without a sandbox of its own: the answer's must do
  frame.src = path;
  frame.onload = loaded;
  document.body.append(frame);
})))
"""


async def test_the_html_of_none_of_them_runs_or_loads_anything_even_without_the_pages_sandbox(open_desk, daemon, delivered):
    rows = await eventually(lambda: all_there(daemon))
    async with open_desk(amiss=True) as desk:
        watched = Watched(desk)
        await desk.open("/tokens")
        await desk.page.evaluate(FRAMES, [f"/messages/{row['id']}/html" for row in rows])
        assert len(desk.page.frames) == len(TRICKS) + 1
        await watched.nothing_happened()
        assert not [one for one in desk.amiss if "sandbox" not in one], desk.amiss


async def test_no_list_and_no_case_runs_a_script(open_desk, daemon, delivered):
    rows = await eventually(lambda: all_there(daemon))
    async with open_desk() as desk:
        watched = Watched(desk)
        paths = ["/", "/messages", "/messages?text=script", "/cases", "/quarantine", "/accounts/support"]
        paths += [f"/cases/{row['case']}" for row in rows[::20] if row["case"]]
        paths += [f"/messages/{row['id']}?view={view}" for row in rows[::20] for view in ("reply", "text", "headers", "source")]
        for path in paths:
            assert (await desk.open(path)).status == 200, path
            await watched.nothing_happened()


async def test_attachments_are_saved_and_never_shown(open_desk, daemon, delivered):
    rows = await eventually(lambda: all_there(daemon))
    async with open_desk() as desk:
        for row in rows[::15]:
            answer = await desk.context.request.get(f"/messages/{row['id']}/attachments/1")
            assert answer.status == 200
            assert answer.headers["content-disposition"].startswith("attachment;")
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert b"<script>" in await answer.body()


async def test_what_a_mail_server_says_is_text_on_every_page(open_desk, daemon):
    words = f'<img src=x onerror="{RUN}"><script>{RUN}</script>'
    async with ImapServer(users={"alert": "secret"}) as server, open_desk() as desk:
        server.script.on("LOGIN", reply=f"NO [ALERT] {words}")
        server.script.on("AUTHENTICATE", reply=f"NO [ALERT] {words}")
        watched, page = Watched(desk), desk.page
        await page.goto("/accounts/new")
        await page.fill("[id='f-id']", "alert")
        await page.fill("[id='f-receiver.user']", "alert")
        await page.fill("[id='f-receiver.password']", "secret")
        await page.fill("[id='f-receiver.host']", "127.0.0.1")
        await page.select_option("[id='f-receiver.security']", "none")
        await page.fill("[id='f-receiver.port']", str(server.port))
        await page.click("text=Test connection")
        await page.locator("#trial li.bad", has_text="onerror").first.wait_for()
        await watched.nothing_happened()
        await page.click("text=Save and switch on")
        await page.wait_for_url("**/accounts/alert?told=*")
        await page.locator("#trouble", has_text="onerror").wait_for()
        await watched.nothing_happened()
        for path in ("/accounts", "/", "/accounts?state=trouble"):
            await desk.open(path)
            await page.locator("main", has_text="onerror").wait_for()  # not while it tries again
            await watched.nothing_happened()
        page.remove_listener("dialog", watched._dismiss)
        page.on("dialog", lambda dialog: dialog.accept())
        await desk.open("/accounts/alert")
        await page.click("text=Remove the account")
        await page.wait_for_url("**/accounts?told=*")


async def test_the_watch_itself_bites(open_desk):
    async with open_desk(signed=False, amiss=True) as desk:
        watched = Watched(desk)
        await desk.page.set_content(f"{TRICKS[0]}{TRICKS[6]}")
        with pytest.raises(AssertionError):
            await watched.nothing_happened()
        assert await desk.page.evaluate(MARK)
        assert watched.dialogs
        assert desk.foreign
