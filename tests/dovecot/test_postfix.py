"""Answers through Debian's Postfix into Debian's Dovecot, and back: they thread, join the case, and never go in circles."""

import asyncio
import email
import email.policy
import smtplib
import tempfile
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest
from conftest import unavailable
from daemon import Daemon, eventually

from dovecot import postfix as postfixes
from dovecot.postfix import Postfix, auth_listener
from dovecot.server import PASSWORD, Dovecot
from dovecot.server import binary as dovecot_binary

pytestmark = pytest.mark.dovecot

SUPPORT, HELPDESK, CUSTOMER = "support@a.example", "helpdesk@b.example", "customer@b.example"
STRIPPED = "/^(Auto-Submitted|X-Auto-Response-Suppress|Precedence):/ IGNORE\n"


@asynccontextmanager
async def post_office(header_checks=""):
    if dovecot_binary() is None or postfixes.binary() is None:
        unavailable("Postfix and Dovecot are not installed, or we are not root (apt-get install postfix dovecot-imapd)")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        dovecot = Dovecot(home / "dovecot", extra=auth_listener(home / "dovecot"))
        dovecot.start()
        office = Postfix(home / "postfix", dovecot, (SUPPORT, HELPDESK, CUSTOMER), header_checks)
        try:
            await asyncio.to_thread(office.start)
            yield office
        finally:
            office.stop()
            dovecot.stop()


def account(office, address, more):
    return f"""
[[accounts]]
id = "{address.partition("@")[0]}"
address = "{address}"
[accounts.receiver]
host = "127.0.0.1"
port = {office.dovecot.imap}
security = "none"
user = "{address}"
password_file = "password"
poll_interval = "1s"
[accounts.sender]
host = "127.0.0.1"
port = {office.port}
security = "none"
user = "{address}"
password_file = "password"
[accounts.reply]
to = "anyone"
{more}
"""


@asynccontextmanager
async def listener(folder, office, address, more=""):
    daemon = Daemon(folder, account(office, address, more))
    (folder / "password").write_text(PASSWORD)
    async with daemon:

        async def idles():
            return [row["state"] for row in await daemon.get("/accounts")] == ["idle"]

        await eventually(idles)
        yield daemon


def mail(sender, to, subject, **fields):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    for name, value in ({"Message_ID": f"<{subject.replace(' ', '-')}@{sender.partition('@')[2]}>"} | fields).items():
        message[name.replace("_", "-")] = value
    message.set_content("Hello.\n")
    return message


async def send(office, message):
    def run():
        with smtplib.SMTP("127.0.0.1", office.port) as client:
            client.login(message["From"], PASSWORD)
            client.send_message(message)

    await asyncio.to_thread(run)


def mailbox(office, address):
    """Everything that lies in a mailbox, read as the person's mail program would."""
    folder = office.dovecot.home / "mail" / address
    files = [path for part in ("new", "cur") for path in sorted((folder / part).glob("*"))] if folder.exists() else []
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in files]


async def test_the_reply_arrives_threads_and_the_answer_to_it_joins_the_case(tmp_path):
    async with post_office() as office, listener(tmp_path / "listener", office, SUPPORT, "plus_address = true") as daemon:
        await send(office, mail(CUSTOMER, SUPPORT, "My lamp flickers"))
        (reply,) = await eventually(lambda: mailbox(office, CUSTOMER))
        assert reply["Return-Path"] == "<>"
        assert reply["In-Reply-To"] == "<My-lamp-flickers@b.example>"
        assert reply["Auto-Submitted"] == "auto-replied"
        assert reply["Reply-To"].startswith("support+")
        (sent,) = await daemon.get("/replies")
        assert (sent["state"], f"<{sent['message_id']}>") == ("sent", reply["Message-ID"])
        answer = mail(CUSTOMER, reply["Reply-To"], "It still does", In_Reply_To=reply["Message-ID"])
        await send(office, answer)
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
        (case,) = await daemon.get("/cases")
        assert case["messages"] == 2
        assert len(mailbox(office, CUSTOMER)) == 1


@pytest.mark.parametrize("stripped", ["", pytest.param(STRIPPED, marks=pytest.mark.long)], ids=["plain", "without the fields"])
async def test_two_listeners_that_answer_everything_send_each_other_at_most_one_message(tmp_path, stripped):
    every = 'on = "every_message"'
    async with (
        post_office(stripped) as office,
        listener(tmp_path / "a", office, SUPPORT, every) as ours,
        listener(tmp_path / "b", office, HELPDESK, every) as theirs,
    ):
        await send(office, mail(HELPDESK, SUPPORT, "Begin"))
        await eventually(lambda: theirs.count("SELECT count(*) FROM responses"))
        await eventually(lambda: not office.queued())
        await asyncio.sleep(1.5)  # a message that must not come cannot be waited for
        assert len(mailbox(office, HELPDESK)) == 1
        assert len(mailbox(office, SUPPORT)) == 1, "the first message, and no answer to our answer"
        assert [row["state"] for row in await ours.get("/replies")] == ["sent"]
        (kept,) = await theirs.get("/replies")
        assert (kept["state"], kept["reason"]) == ("suppressed", "null_sender")
