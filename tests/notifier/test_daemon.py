"""The daemon as it is configured: a new case reaches the team by real SMTP, and a refused sign-in those who must mend it."""

from aiohttp import web
from daemon import Daemon, eventually
from test_daemon_process import account

from listener.testing import ImapServer, SmtpReceiver, make_message

SENDER = """
[accounts.sender]
host = "127.0.0.1"
port = {port}
security = "none"
user = "support@example.com"
password_file = "password"
[accounts.notify]
to = ["team@example.com"]
"""
ALERTS = """
[alerts]
mail_to = ["ops@example.com"]
account = "support"
webhook = "pager"
[webhook.pager]
url = "http://127.0.0.1:{port}/"
allow_private = true
"""


async def test_people_are_told_of_cases_and_operators_of_trouble(tmp_path):
    posted, mails = [], []

    async def take(request):
        posted.append(await request.json())
        return web.Response()

    application = web.Application()
    application.router.add_post("/", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pager = site._server.sockets[0].getsockname()[1]
    async with (
        ImapServer(users={"u": "secret"}) as mailbox,
        SmtpReceiver(mails.append, users={"support@example.com": "secret"}) as post,
    ):
        mailbox.deliver("INBOX", make_message(subject="A question", sender="alice@customer.example"))
        good = account(mailbox.port).replace('id = "support"\n', 'id = "support"\naddress = "support@example.com"\n')
        bad = account(mailbox.port, id="bad").replace('user = "u"', 'user = "nobody"')
        accounts = good + SENDER.format(port=post.port) + bad
        async with Daemon(tmp_path / "d", accounts, more=ALERTS.format(port=pager)):
            await eventually(lambda: {one.recipients[0] for one in mails} == {"team@example.com", "ops@example.com"})
            await eventually(lambda: posted)
    await runner.cleanup()
    told = {one.recipients[0]: one.octets.decode() for one in mails}
    assert "A question" in told["team@example.com"]
    assert "Auto-Submitted: auto-generated" in told["team@example.com"]
    assert "auth_failed: bad" in told["ops@example.com"]
    assert [(one["alert"], one["about"], one["state"]) for one in posted] == [("auth_failed", "bad", "raised")]
