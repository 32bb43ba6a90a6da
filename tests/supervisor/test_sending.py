"""The outgoing side of the whole daemon: answers by the configuration in force, faulty templates refused, troubles shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon import Daemon, eventually

from listener.testing import ImapServer, SmtpReceiver

FROM = "Return-Path: <ann@customer.example>\r\nFrom: Ann <ann@customer.example>\r\nTo: support@example.com\r\n"


def mail(number: int) -> bytes:
    return f"{FROM}Message-ID: <{number}@customer.example>\r\nSubject: Question {number}\r\n\r\nHello.\r\n".encode()


def account(imap: int, smtp: int, reply: str = 'to = "anyone"', hooks: str = "") -> str:
    return f"""
[[accounts]]
id = "support"
address = "support@example.com"
{hooks}
[accounts.receiver]
host = "127.0.0.1"
port = {imap}
security = "none"
user = "u"
password_file = "password"
[accounts.sender]
host = "127.0.0.1"
port = {smtp}
security = "none"
user = "support@example.com"
password_file = "password"
[accounts.reply]
{reply}
"""


class Post:
    """A mailbox and a submission server."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.imap = ImapServer(users={"u": "secret"})
        self.smtp = SmtpReceiver(self.got.append, users={"support@example.com": "secret"})

    async def __aenter__(self) -> "Post":
        await self.imap.start()
        await self.smtp.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.smtp.stop()
        await self.imap.stop()

    def account(self, *more: str) -> str:
        return account(self.imap.port, self.smtp.port, *more)


async def idle(daemon: Daemon) -> bool:
    return [row["state"] for row in await daemon.get("/accounts")] == ["idle"]


def in_state(daemon: Daemon, state: str) -> Callable[[], Any]:
    return lambda: daemon.count(f"SELECT count(*) FROM responses WHERE state = '{state}'")


async def test_mail_is_acknowledged_once_and_everywhere_said_so(tmp_path: Path) -> None:
    async with Post() as post, Daemon(tmp_path, post.account()) as daemon:
        await eventually(lambda: idle(daemon))
        post.imap.deliver("INBOX", mail(1))
        await eventually(in_state(daemon, "sent"))
        post.imap.deliver("INBOX", mail(2))
        await eventually(in_state(daemon, "suppressed"))
        suppressed, sent = await daemon.get("/replies")
        assert (sent["recipient"], sent["state"]) == ("ann@customer.example", "sent")
        assert (suppressed["state"], suppressed["reason"]) == ("suppressed", "budget_sender")
        assert len(post.got) == 1
        history = await daemon.get(f"/messages/{suppressed['entry']}")
        assert [row["reason"] for row in history["replies"]] == ["budget_sender"]
        _, metrics = await daemon.request("GET", "/metrics")
        assert 'maillistener_replies_total{outcome="sent"} 1.0' in metrics
        code, out = await daemon.command("replies", "--state", "suppressed")
        assert code == 0
        assert "budget_sender" in out


async def test_mail_that_was_there_before_the_first_start_is_taken_and_not_answered(tmp_path: Path) -> None:
    async with Post() as post:
        post.imap.deliver("INBOX", mail(1), internal_date=1_000_000_000.0)
        text = post.account().replace('address = "support@example.com"', 'address = "support@example.com"\nstart = "all"')
        async with Daemon(tmp_path, text) as daemon:
            await eventually(in_state(daemon, "suppressed"))
            (row,) = await daemon.get("/replies")
            assert row["reason"] == "before_start"
            assert post.got == []


async def test_a_sender_that_is_refused_shows_and_delays_no_receiving(tmp_path: Path) -> None:
    async with Post() as post, Daemon(tmp_path, post.account()) as daemon:
        post.smtp.users = {"support@example.com": "another"}
        await eventually(lambda: idle(daemon))
        post.imap.deliver("INBOX", mail(1))

        async def shown() -> Any:
            _, report = await daemon.request("GET", "/healthz")
            return report if report["accounts"][0]["sender_error"] else None

        report = await eventually(shown)
        assert report["status"] == "degraded"
        assert "sign-in was refused" in report["accounts"][0]["sender_error"]
        assert await idle(daemon)
        assert daemon.events("sender.backoff")


async def test_a_faulty_template_is_refused_at_the_start_by_check_and_at_a_reload(tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("Hello {{ nothing }}")
    async with Post() as post:
        faulty = 'to = "anyone"\ntemplate = "hello.txt"'
        daemon = Daemon(tmp_path, post.account(faulty))
        code, out = await daemon.command("check", "--offline")
        assert code == 78
        assert "accounts.support.reply.template" in out
        assert "hello.txt" in out
        await daemon.start(ready=False)
        assert daemon.process is not None
        assert await daemon.process.wait() == 78
        daemon.write(post.account())
        async with daemon:
            daemon.write(post.account(faulty))
            daemon.process.send_signal(1)
            await eventually(lambda: daemon.events("reload.refused"))
            await eventually(lambda: idle(daemon))
            post.imap.deliver("INBOX", mail(1))
            await eventually(in_state(daemon, "sent"))


async def test_a_muted_address_is_listed_and_forgotten_by_the_command_line(tmp_path: Path) -> None:
    async with Post() as post, Daemon(tmp_path, post.account('to = "anyone"\non = "every_message"')) as daemon:
        await eventually(lambda: idle(daemon))
        post.imap.deliver("INBOX", mail(1))
        await eventually(in_state(daemon, "sent"))
        (row,) = await daemon.get("/replies")
        post.imap.deliver("INBOX", bounce_of(row["message_id"]))
        await eventually(lambda: daemon.count("SELECT count(*) FROM muted"))
        _, out = await daemon.command("muted")
        assert "ann@customer.example" in out
        (case,) = await daemon.get("/cases")
        assert case["messages"] == 2, "the bounce is in the case of what came back"
        code, out = await daemon.command("unmute", "ann@customer.example", "bob@customer.example")
        assert code == 1
        assert "ann@customer.example: may get automatic mail again" in out
        assert "bob@customer.example is not muted" in out
        assert await daemon.get("/muted") == []


def bounce_of(message_id: str) -> bytes:
    head = (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: support@example.com\r\nSubject: Undelivered Mail\r\n"
        "Message-ID: <b@mx.example>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    )
    status = "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ann@customer.example\r\n"
    status += "Action: failed\r\nStatus: 5.1.1\r\n"
    return (
        f"{head}--b\r\n\r\nNobody here.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n{status}\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()
