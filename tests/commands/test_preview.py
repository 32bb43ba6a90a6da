"""`listener preview`: says what would happen to mail, with and without a daemon, and changes nothing."""

import json
from contextlib import asynccontextmanager

import pytest
from daemon import Daemon, eventually

from listener.testing import ImapServer
from listener.testing.pop3 import Pop3Server

QUESTION = b"Message-ID: <1@example.com>\r\nFrom: Ann <ann@example.com>\r\nSubject: The lamp\r\n\r\nIt flickers.\r\n"
MORE = b"Message-ID: <9@example.com>\r\nReferences: <1@example.com>\r\nFrom: ann@example.com\r\nSubject: Lamp\r\n\r\nYes.\r\n"
ANSWER = b"Message-ID: <5@example.com>\r\nIn-Reply-To: <4@example.com>\r\nFrom: bob@example.com\r\nSubject: Re\r\n\r\nYes.\r\n"
OTHER = b"Message-ID: <4@example.com>\r\nFrom: bob@example.com\r\nSubject: The chair\r\n\r\nIt creaks.\r\n"
AWAY = (
    b"Message-ID: <6@example.com>\r\nAuto-Submitted: auto-replied\r\nFrom: eve@example.com\r\n"
    b"Subject: Away\r\n\r\nBack on Monday.\r\n"
)
CHANGES = {"STORE", "MOVE", "COPY", "EXPUNGE", "SELECT", "APPEND", "DELETE", "RENAME", "CREATE"}
TELLS = ("outcome", "case", "why")


def account(port, start="all", more="", protocol="imap"):
    return f"""
[[accounts]]
id = "support"
start = "{start}"
{more}
[accounts.receiver]
protocol = "{protocol}"
host = "127.0.0.1"
security = "none"
port = {port}
user = "u"
password_file = "password"
"""


@asynccontextmanager
async def filled(*messages):
    async with ImapServer(users={"u": "secret"}) as server:
        for octets in messages:
            server.deliver("INBOX", octets)
        yield server


def unchanged(server, since=0):
    names = {command.name.removeprefix("UID ") for command in server.transcript[since:]}
    assert not names & CHANGES
    assert "EXAMINE" in names
    assert all(b"BODY[" not in command.line for command in server.transcript[since:])


async def rows(daemon, *words):
    code, out = await daemon.command("preview", "support", "--json", *words)
    assert code == 0, out
    return [json.loads(line) for line in out.splitlines()]


async def test_it_says_which_case_each_message_would_join_and_why(tmp_path):
    another_way = b"Received: from x by y; Sun, 22 Nov 2026 10:00:01 +0000\r\n"
    async with filled(QUESTION, OTHER, ANSWER, AWAY, OTHER, another_way + QUESTION) as server:
        daemon = Daemon(tmp_path, account(server.port))
        found = await rows(daemon)
        unchanged(server)
    assert [tuple(row.get(name) for name in TELLS) for row in found] == [
        ("filed", "new-1", "new"),
        ("filed", "new-2", "new"),
        ("filed", "new-2", "in_reply_to 4@example.com"),
        ("filed", "new-3", "new"),
        ("ignored", None, "duplicate of one above"),
        ("ignored", None, "duplicate of one above"),
    ]
    assert [row["kind"] for row in found[:4]] == ["message", "message", "message", "auto_reply"]
    assert {row["reply"]["why"] for row in found[:4]} == {"no replies configured"}
    assert not daemon.state.exists(), "no ledger was made"


async def test_what_would_be_answered_and_what_not(tmp_path):
    (tmp_path / "hello.txt").write_text("We have it.\n")
    reply = '[accounts.reply]\ntemplate = "hello.txt"\n'
    async with filled(b"Return-Path: <ann@example.com>\r\n" + QUESTION, AWAY) as server:
        daemon = Daemon(tmp_path, account(server.port) + SENDER + reply)
        unverified, automatic = [row["reply"] for row in await rows(daemon)]
        daemon.write(account(server.port) + SENDER + reply + 'to = "anyone"\n')
        anyone, automatic_still = [row["reply"] for row in await rows(daemon)]
    assert (unverified["send"], unverified["rule"]) == (False, "sender_unverified")
    assert (automatic["send"], automatic["rule"]) == (False, "auto_replied")
    assert (anyone["send"], anyone["to"]) == (True, "ann@example.com")
    assert (automatic_still["send"], automatic_still["why"]) == (False, "suppressed by auto_replied")


SENDER = """
[accounts.sender]
host = "127.0.0.1"
security = "none"
user = "u"
password_file = "password"
"""


async def test_beside_the_daemon_it_knows_what_is_filed_and_the_daemon_still_takes_the_mail(tmp_path):
    async with filled(QUESTION) as server:
        async with Daemon(tmp_path, account(server.port)) as daemon:
            await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 1)
            (question,) = await daemon.messages()
            await daemon.request("POST", "/api/v1/accounts/support/pause")
            server.deliver("INBOX", MORE)
            before = len(server.transcript)
            (row,) = await rows(daemon)
            assert (row["case"], row["why"]) == (question["case"], "references 1@example.com")
            known, again = await rows(daemon, "--since", "all")
            assert known["outcome"] == "known"
            assert again["message_id"] == "9@example.com"
            unchanged(server, before)
            assert daemon.count("SELECT count(*) FROM entries") == 1
            await daemon.request("POST", "/api/v1/accounts/support/resume")
            await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
        assert await rows(daemon) == [], "after the daemon has stopped, its ledger is asked"


@pytest.mark.long
async def test_mail_from_before_the_start_is_shown_only_when_asked_for(tmp_path):
    async with ImapServer(users={"u": "secret"}) as server:
        for number, octets in enumerate((QUESTION, OTHER)):
            server.deliver("INBOX", octets, internal_date=1_700_000_000 + 86400 * 30 * number)
        daemon = Daemon(tmp_path, account(server.port, start="now"))
        assert await rows(daemon) == []
        assert [row["message_id"] for row in await rows(daemon, "--since", "2023-12-01")] == ["4@example.com"]
        assert [row["message_id"] for row in await rows(daemon, "--since", "all", "--limit", "1")] == ["1@example.com"]


async def test_pop3_mail_stays(tmp_path):
    async with Pop3Server(users={"u": "secret"}) as server:
        server.deliver("INBOX", QUESTION)
        daemon = Daemon(tmp_path, account(server.port, protocol="pop3"))
        (row,) = await rows(daemon)
        assert row["case"] == "new-1"
        assert not [command for command in server.transcript if command.name == "DELE"]


async def test_people_see_a_table_and_what_went_wrong_in_a_line(tmp_path):
    async with filled(QUESTION) as server:
        daemon = Daemon(tmp_path, account(server.port))
        code, out = await daemon.command("preview", "support")
        assert code == 0
        assert "The lamp" in out
        assert "no: no replies configured" in out
        assert await daemon.command("preview", "sales") == (
            1,
            "listener: no account 'sales' in the files; one of the console needs the daemon\n",
        )
        code, out = await daemon.command("preview", "support", "--since", "yesterday")
        assert code == 78
        assert "yesterday" in out
        (tmp_path / "password").write_text("wrong\n")
        code, out = await daemon.command("preview", "support")
        assert (code, out.count("\n")) == (1, 1)
        assert "refused" in out


async def test_it_says_which_rule_keeps_a_message_from_a_case_or_lets_it_through(tmp_path):
    rules = """
[[accounts.rules]]
name = "eve"
then = "ignore"
reason = "robots"
when.sender = ["eve@example.com"]
[[accounts.rules]]
name = "bob"
then = "accept"
when.sender = ["bob@*"]
[[rules]]
name = "lamps"
then = "quarantine"
when.subject_contains = ["LAMP"]
"""
    async with filled(QUESTION, OTHER, AWAY) as server:
        found = await rows(Daemon(tmp_path, account(server.port) + rules))
    assert [tuple(row.get(name) for name in (*TELLS, "rule", "subject")) for row in found] == [
        ("quarantined", None, "rule: lamps", "lamps", "The lamp"),
        ("filed", "new-1", "new", "bob", "The chair"),
        ("ignored", None, "rule: robots", "eve", "Away"),
    ]


async def test_it_says_what_would_be_held_for_a_flood(tmp_path):
    async with filled(*(OTHER.replace(b"<4@", f"<{n}@".encode()) for n in range(10, 14))) as server:
        found = await rows(Daemon(tmp_path, account(server.port) + "[accounts.flood]\nmessages = 3\n"))
    assert [(row["outcome"], row["why"]) for row in found] == [("filed", "new")] * 3 + [("quarantined", "flood")]
